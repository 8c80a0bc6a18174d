-- Submissions that begin with an intent, before the scheduler is called, and the phases that they go
-- through; what is known of the connection to a cluster.

-- One submission of a job to a cluster. The newest is "the" remote job of its job.
CREATE TABLE remote_jobs_with_phases (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id          INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    attempt         INTEGER NOT NULL CHECK (attempt >= 1),
    cluster_id      INTEGER NOT NULL REFERENCES clusters (id) ON DELETE RESTRICT,
    phase           TEXT    NOT NULL
                    CHECK (phase IN ('intended', 'submitted', 'pending', 'running', 'finished', 'retrieved')),
    -- What an intent is looked up by at the scheduler: the job's name there.
    token           TEXT    CHECK (length(token) = 35 AND token GLOB 'cs-*' AND substr(token, 4) NOT GLOB '*[^0-9a-f]*'),
    -- The scheduler's id, or a pid for ssh; none until the scheduler has given it.
    handle          TEXT    CHECK (length(handle) BETWEEN 1 AND 255),
    intended_at     INTEGER,
    submitted_at    INTEGER,
    pending_at      INTEGER,
    running_at      INTEGER,
    ended_at        INTEGER,
    retrieved_at    INTEGER,
    -- Why an intent is known never to have reached the scheduler.
    abandon_reason  TEXT    CHECK (length(abandon_reason) >= 1),
    queue           TEXT,
    node_list       TEXT,
    work_dir        TEXT,
    stdout_path     TEXT,
    stderr_path     TEXT,
    -- The scheduler's own word (COMPLETED, TIMEOUT, NODE_FAIL, …), as reported.
    scheduler_state TEXT,
    exit_code       INTEGER CHECK (exit_code BETWEEN -2147483648 AND 2147483647),
    metadata        TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(metadata) AND json_type(metadata) = 'object'),
    updated_at      INTEGER NOT NULL,
    CHECK ((token IS NULL) = (intended_at IS NULL)),
    CHECK ((phase = 'intended') = (handle IS NULL)),
    CHECK ((phase = 'intended') = (submitted_at IS NULL)),
    CHECK (phase <> 'intended' OR token IS NOT NULL),
    CHECK (phase <> 'pending' OR pending_at IS NOT NULL),
    CHECK (phase <> 'running' OR running_at IS NOT NULL),
    CHECK (phase = 'intended' OR (phase IN ('finished', 'retrieved')) = (ended_at IS NOT NULL)),
    CHECK ((phase = 'retrieved') = (retrieved_at IS NOT NULL)),
    CHECK ((phase = 'intended' AND ended_at IS NOT NULL) = (abandon_reason IS NOT NULL))
) STRICT;

-- Cluster, handle and time are the key of a submission from now on. Earlier ones that would share it are
-- moved on by a microsecond each: the newest `submitted_at - place` so far plus the own place only grows.
INSERT INTO remote_jobs_with_phases (id, job_id, attempt, cluster_id, phase, handle, submitted_at, ended_at,
    queue, node_list, work_dir, stdout_path, stderr_path, scheduler_state, exit_code, metadata, updated_at)
SELECT id, job_id, attempt, cluster_id, iif(ended_at IS NULL, 'submitted', 'finished'), handle,
    place + max(submitted_at - place) OVER (PARTITION BY cluster_id, handle ORDER BY place),
    ended_at, queue, node_list, work_dir, stdout_path, stderr_path, scheduler_state, exit_code, metadata, updated_at
FROM (
    SELECT *, row_number() OVER (PARTITION BY cluster_id, handle ORDER BY submitted_at, id) AS place
    FROM remote_jobs)
ORDER BY id;

-- Ids that were given out do not come back.
DELETE FROM sqlite_sequence WHERE name = 'remote_jobs_with_phases';
INSERT INTO sqlite_sequence (name, seq)
SELECT 'remote_jobs_with_phases', seq FROM sqlite_sequence WHERE name = 'remote_jobs';

DROP TABLE remote_jobs;
ALTER TABLE remote_jobs_with_phases RENAME TO remote_jobs;

-- The submissions of a job, newest last.
CREATE INDEX remote_jobs_by_job ON remote_jobs (job_id);
-- The submissions to a cluster, which keep it from being deleted.
CREATE INDEX remote_jobs_by_cluster ON remote_jobs (cluster_id);
-- The active remote jobs of a cluster; an active handle belongs to one job. Schedulers reuse ids, so
-- one that has ended is free.
CREATE UNIQUE INDEX remote_jobs_by_active_handle ON remote_jobs (cluster_id, handle) WHERE ended_at IS NULL;
-- The submissions that a handle ever meant, newest last.
CREATE UNIQUE INDEX remote_jobs_by_handle ON remote_jobs (cluster_id, handle, submitted_at)
    WHERE handle IS NOT NULL;
-- The submission of a token.
CREATE UNIQUE INDEX remote_jobs_by_token ON remote_jobs (token) WHERE token IS NOT NULL;
-- The intents that are neither confirmed nor abandoned.
CREATE INDEX remote_jobs_by_intent ON remote_jobs (cluster_id) WHERE phase = 'intended' AND ended_at IS NULL;
-- One active submission that began with an intent for each attempt of a job.
CREATE UNIQUE INDEX remote_jobs_by_active_attempt ON remote_jobs (job_id, attempt)
    WHERE token IS NOT NULL AND ended_at IS NULL;

-- Phases go forward, in the order of this text, and an end is final.
CREATE TRIGGER remote_jobs_phase_forward BEFORE UPDATE OF phase, ended_at ON remote_jobs
WHEN instr('intended submitted pending running finished retrieved', NEW.phase)
        < instr('intended submitted pending running finished retrieved', OLD.phase)
    OR (OLD.ended_at IS NOT NULL AND (NEW.ended_at IS NULL OR (NEW.phase <> OLD.phase AND OLD.phase = 'intended')))
BEGIN
    SELECT RAISE(ABORT, 'a submission goes forward');
END;

-- Whether a cluster answered when it was last tried; no row where nobody has. It says nothing of jobs.
CREATE TABLE cluster_contacts (
    cluster_id      INTEGER PRIMARY KEY REFERENCES clusters (id) ON DELETE CASCADE,
    last_contact_at INTEGER,
    last_failure_at INTEGER,
    last_error      TEXT    CHECK (length(last_error) >= 1),
    -- Since it last answered.
    failures        INTEGER NOT NULL DEFAULT 0 CHECK (failures BETWEEN 0 AND 4294967295),
    CHECK ((last_failure_at IS NULL) = (last_error IS NULL)),
    CHECK (failures = 0 OR last_failure_at IS NOT NULL)
) STRICT;
