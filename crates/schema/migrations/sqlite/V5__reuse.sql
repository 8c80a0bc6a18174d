-- Results that are used again.

-- The uuid of the job that calculated the result, where this one was completed from it. No reference: that
-- job may be gone, or in another file.
ALTER TABLE jobs ADD COLUMN cached_from BLOB
    CHECK (cached_from IS NULL OR (length(cached_from) = 16 AND status = 'COMPLETED'));
