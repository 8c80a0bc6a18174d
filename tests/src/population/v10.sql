-- Nothing came with this version but what leads in indexes. One that was put away ended a little later.
UPDATE jobs SET finished_at = finished_at + 3 WHERE id = 7;
UPDATE job_attempts SET ended_at = ended_at + 3 WHERE job_id = 7 AND attempt = 2;
