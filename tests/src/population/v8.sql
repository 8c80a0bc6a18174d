-- A job that the clock was set back for after it was created.
UPDATE jobs SET queued_at = created_at - 7 WHERE id = 4;
