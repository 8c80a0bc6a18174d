-- Lists in the order of these times would pass over what was put away, or over what was not, so that comes first,
-- as in the indexes of the other orders; and so does the status of what has ended, which is set with its time.
-- A user who found one of them useless may have dropped it.
DROP INDEX IF EXISTS jobs_by_queued;
DROP INDEX IF EXISTS jobs_by_started;
DROP INDEX IF EXISTS jobs_by_finished;

CREATE INDEX jobs_by_queued ON jobs (archived, queued_at) WHERE queued_at IS NOT NULL;
CREATE INDEX jobs_by_started ON jobs (archived, started_at) WHERE started_at IS NOT NULL;
CREATE INDEX jobs_by_finished ON jobs (archived, status, finished_at) WHERE finished_at IS NOT NULL;
