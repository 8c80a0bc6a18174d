-- Clusters of both kinds in every status, submissions that run and that have ended, every kind of edge.
INSERT INTO clusters (id, name, kind, hostname, port, username, settings, status, code_roots, setup_commands,
                      created_at, updated_at) VALUES
    (1, 'archer', 'slurm', 'login.archer.example.org', 22, 'ada',
     '{"identity_file":"~/.ssh/id_ed25519","proxy_jump":"gate.example.org"}', 'active',
     '{"crystal":"/opt/crystal23","vasp":"/opt/vasp 6"}', '["module load intel","export OMP_NUM_THREADS=1"]',
     1700000020000000, 1700000021000000),
    (2, 'workstation', 'ssh', '192.0.2.7', 2222, NULL, '{"password_env":"WORKSTATION_PASSWORD"}', 'inactive', '{}',
     '[]', 1700000022000000, 1700000022000000),
    (3, 'broken', 'ssh', 'broken.example.org', 65535, NULL, '{}', 'error', '{}', '[]', 1700000023000000,
     1700000024000000);

UPDATE jobs SET cluster_id = 1 WHERE id IN (2, 8);
UPDATE jobs SET cluster_id = 2 WHERE id = 3;

INSERT INTO remote_jobs (id, job_id, attempt, cluster_id, handle, submitted_at, ended_at, queue, node_list, work_dir,
                         stdout_path, stderr_path, scheduler_state, exit_code, metadata, updated_at) VALUES
    (1, 3, 1, 1, '1001', 1700000030000000, 1700000031000000, 'long', 'node[01-04]', '/lustre/ada/3', 'out.log',
     'err.log', 'NODE_FAIL', -9, '{"reason":"node07 lost"}', 1700000031000000),
    (2, 3, 2, 2, '4711', 1700000032000000, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{}', 1700000032000000),
    (3, 2, 1, 1, '1001', 1700000033000000, NULL, 'short', NULL, '/lustre/ada/2', NULL, NULL, 'PENDING', NULL,
     '{"nested":{"array":[1,2.5,null]}}', 1700000034000000),
    (4, 8, 1, 1, '999', 1600000005000000, 1600000006000000, NULL, NULL, NULL, NULL, NULL, 'TIMEOUT', 1, '{}',
     1600000006000000);

INSERT INTO job_dependencies (job_id, depends_on, kind, created_at) VALUES
    (1, 4, 'after_ok', 1700000040000000),
    (1, 5, 'after_failed', 1700000041000000),
    (2, 3, 'after_any', 1700000042000000),
    (2, 1, 'after_ok', 1700000043000000),
    (6, 5, 'after_ok', 1700000044000000);
