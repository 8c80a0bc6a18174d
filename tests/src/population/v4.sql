-- A lease, policies, times that have not come, a run that is to be looked for and one that is to stop, limits.
UPDATE jobs SET claims = 2, cancel_requested_at = 1700000060000000 WHERE id = 3;

INSERT INTO job_leases (job_id, token, attempt, worker, host, boot_id, pid, pid_started_at, claimed_at, expires_at)
VALUES (3, 2, 2, 'node07 slot 1', 'node07', '7f0c4a2e-0000-4000-8000-000000000001', 4711, 99182,
        1700000061000000, 1700000121000000);

UPDATE jobs SET not_before = 1700009000000000, memory_mib = 64000,
    policy = '{"max_attempts":3,"backoff":{"kind":"fixed","seconds":60,"jitter_percent":10},"not_retried":["bad_input"],'
        || '"on_lapse":"probe","max_lapses":1,"on_unsatisfiable":"cancel"}'
WHERE id = 2;

UPDATE clusters SET intake = 'draining', max_running = 4, nodes = 8, cores = 512, memory_mib = 1024000 WHERE id = 1;

INSERT INTO job_attempts (job_id, attempt, outcome, failure_kind, reason, exit_code, token, worker, host, pid, queued_at,
                          started_at, ended_at)
VALUES (3, 1, 'failed', 'node_fail', 'node07 lost', -9, 1, 'node06 slot 1', 'node06', 300, 1700000003000000,
        1700000003500000, 1700000003900000);

INSERT INTO job_events (sequence, job_id, attempt, at, kind, from_status, to_status, actor, detail, host, pid) VALUES
    (101, 3, 2, 1700000061000000, 'claimed', 'QUEUED', 'RUNNING', 'worker 102', '{"token":2,"worker":"node07 slot 1"}',
     'node07', 4711),
    (102, 3, 2, 1700000060000000, 'cancel_requested', NULL, NULL, 'Ada', '{"reason":"typo"}', 'workstation', 77);
