-- A job that left, and what became of a cluster, among the events of jobs.
INSERT INTO store_events (sequence, job_id, attempt, at, kind, from_status, actor, detail, host, pid)
SELECT seq + 1, 9, 1, 1700000500000000, 'deleted', 'FAILED', 'ada',
    '{"name":"gone","uuid":"018bcfe5-687b-7000-8000-000000000009"}', 'laptop', 4242
FROM sqlite_sequence WHERE name = 'job_events';
INSERT INTO store_events (sequence, cluster_id, at, kind, actor, detail)
SELECT seq + 2, 1, 1700000500000001, 'cluster_updated', 'ada',
    '{"fields":["intake"],"intake":{"from":"open","to":"paused"},"name":"archer","reason":"maintenance"}'
FROM sqlite_sequence WHERE name = 'job_events';
UPDATE sqlite_sequence SET seq = seq + 2 WHERE name = 'job_events';
