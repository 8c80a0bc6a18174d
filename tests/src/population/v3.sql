-- Results in every unit and every convergence, of several attempts; histories of several kinds.
INSERT INTO job_results (job_id, attempt, energy, energy_unit, convergence, scf_cycles, cpu_seconds, wall_seconds,
                         document_version, document, provenance, recorded_at) VALUES
    (4, 1, -15.8445, 'rydberg', 'converged', 9, 12.5, 3.25, 1, '{"gap":0.61}', '{"code_version":"7.2"}',
     1700000050000000),
    (5, 1, -621.4, 'hartree', 'not_converged', 100, 3600, 900, 1, '{}', '{}', 1700000051000000),
    (5, 2, -621.5, 'hartree', 'not_converged', 200, 7200, 1800, 1, '{}', '{}', 1700000052000000),
    (5, 3, NULL, NULL, 'unknown', NULL, NULL, NULL, 1, '{}', '{}', 1700000053000000),
    (7, 2, -10.84, 'electron_volt', 'converged', 0, 0, 0, 2, '[1,"zwei",null]',
     '{"parents":["018bcfe5-6800-7000-8000-0000000000a4"]}', 1600000003000000);

INSERT INTO job_events (sequence, job_id, attempt, at, kind, from_status, to_status, actor, detail) VALUES
    (1, 1, 1, 1700000000000001, 'created', NULL, 'PENDING', 'tui 100', '{}'),
    (2, 2, 1, 1700000001000000, 'created', NULL, 'PENDING', 'tui 100', '{}'),
    (3, 2, 1, 1700000002000000, 'status_changed', 'PENDING', 'QUEUED', 'scheduler 101', '{"reason":"submitted"}'),
    (4, 3, 1, 1700000003000000, 'created', NULL, 'QUEUED', 'tui 100', '{}'),
    (5, 3, 2, 1700000004000000, 'retried', 'FAILED', 'QUEUED', 'Ada', '{}'),
    (6, 3, 2, 1700000005000000, 'status_changed', 'QUEUED', 'RUNNING', 'worker 102', '{}'),
    (7, 4, 1, 1700000006000000, 'imported', NULL, 'COMPLETED', 'migration V3', '{}'),
    (8, 5, 3, 1700000010000000, 'imported', NULL, 'FAILED', 'migration V3', '{}'),
    (9, 6, 1, 1700000014000000, 'noted', NULL, NULL, 'Ada', '{"text":"wrong basis set"}'),
    (10, 7, 2, 1700000016000000, 'archived', NULL, NULL, 'Ada', '{}'),
    (11, 8, 1, 1700000017000000, 'archived', NULL, NULL, 'Ada', '{}');
