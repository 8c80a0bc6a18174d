-- Lists by when jobs were queued, began or ended are entered by their time of creation, which is not later.
-- The few of which that is not true, because the clock was set back, are found here.
CREATE INDEX jobs_untimely ON jobs (created_at)
    WHERE queued_at < created_at OR started_at < created_at OR finished_at < created_at;
