-- An intent, a submission in each later phase, an abandoned one, and how the clusters answer.
INSERT INTO remote_jobs (id, job_id, attempt, cluster_id, phase, token, handle, intended_at, submitted_at, pending_at,
                         running_at, ended_at, retrieved_at, abandon_reason, scheduler_state, updated_at) VALUES
    (11, 1, 1, 1, 'intended', 'cs-018bcfe5680070008000000000000b01', NULL, 1700000070000000, NULL, NULL, NULL, NULL, NULL,
     NULL, NULL, 1700000070000000),
    (12, 5, 1, 1, 'retrieved', 'cs-018bcfe5680070008000000000000b02', '2001', 1700000071000000, 1700000072000000,
     1700000073000000, 1700000074000000, 1700000075000000, 1700000076000000, NULL, 'COMPLETED', 1700000076000000),
    (13, 5, 2, 1, 'running', NULL, '2002', NULL, 1700000077000000, NULL, 1700000078000000, NULL, NULL, NULL, 'RUNNING',
     1700000078000000),
    (14, 5, 2, 1, 'intended', 'cs-018bcfe5680070008000000000000b03', NULL, 1700000079000000, NULL, NULL, NULL,
     1700000080000000, NULL, 'never reached the scheduler', NULL, 1700000080000000);

INSERT INTO cluster_contacts (cluster_id, last_contact_at, last_failure_at, last_error, failures) VALUES
    (1, 1700000081000000, NULL, NULL, 0),
    (3, NULL, 1700000082000000, 'connection timed out', 3);
