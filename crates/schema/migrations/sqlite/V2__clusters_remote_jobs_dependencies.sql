-- Clusters, submissions to them, and the edges between jobs.

CREATE TABLE clusters (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    name           TEXT    NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 255),
    kind           TEXT    NOT NULL CHECK (kind IN ('ssh', 'slurm')),
    hostname       TEXT    NOT NULL CHECK (length(hostname) BETWEEN 1 AND 255),
    port           INTEGER NOT NULL DEFAULT 22 CHECK (port BETWEEN 1 AND 65535),
    username       TEXT    CHECK (length(username) BETWEEN 1 AND 255),
    -- Never a secret: a path to a key, an agent, or the name of an environment variable.
    settings       TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(settings) AND json_type(settings) = 'object'),
    status         TEXT    NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive', 'error')),
    -- Where each code is installed: {"crystal": "/opt/crystal23", …}.
    code_roots     TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(code_roots) AND json_type(code_roots) = 'object'),
    -- Shell lines that run before a job: ["module load intel", …].
    setup_commands TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(setup_commands) AND json_type(setup_commands) = 'array'),
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL
) STRICT;

ALTER TABLE jobs ADD COLUMN cluster_id INTEGER REFERENCES clusters (id) ON DELETE RESTRICT;

-- Newest first of one cluster.
CREATE INDEX jobs_by_cluster ON jobs (cluster_id, created_at) WHERE cluster_id IS NOT NULL;

-- One submission of a job to a cluster. The newest is "the" remote job of its job.
CREATE TABLE remote_jobs (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id          INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    attempt         INTEGER NOT NULL CHECK (attempt >= 1),
    cluster_id      INTEGER NOT NULL REFERENCES clusters (id) ON DELETE RESTRICT,
    -- The scheduler's id, or a pid for ssh.
    handle          TEXT    NOT NULL CHECK (length(handle) BETWEEN 1 AND 255),
    submitted_at    INTEGER NOT NULL,
    ended_at        INTEGER,
    queue           TEXT,
    node_list       TEXT,
    work_dir        TEXT,
    stdout_path     TEXT,
    stderr_path     TEXT,
    -- The scheduler's own word (COMPLETED, TIMEOUT, NODE_FAIL, …), as reported.
    scheduler_state TEXT,
    exit_code       INTEGER,
    metadata        TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(metadata) AND json_type(metadata) = 'object'),
    updated_at      INTEGER NOT NULL
) STRICT;

-- The submissions of a job, newest last.
CREATE INDEX remote_jobs_by_job ON remote_jobs (job_id);
-- The submissions to a cluster, which keep it from being deleted.
CREATE INDEX remote_jobs_by_cluster ON remote_jobs (cluster_id);
-- The active remote jobs of a cluster; an active handle belongs to one job. Schedulers reuse ids, so
-- one that has ended is free.
CREATE UNIQUE INDEX remote_jobs_by_active_handle ON remote_jobs (cluster_id, handle) WHERE ended_at IS NULL;

-- `job_id` waits for `depends_on`. A job that others wait for cannot be deleted from under them.
CREATE TABLE job_dependencies (
    job_id     INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    depends_on INTEGER NOT NULL REFERENCES jobs (id) ON DELETE RESTRICT,
    kind       TEXT    NOT NULL CHECK (kind IN ('after_ok', 'after_any', 'after_failed')),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (job_id, depends_on),
    CHECK (job_id <> depends_on)
) STRICT, WITHOUT ROWID;

-- The jobs that wait for one.
CREATE INDEX job_dependencies_by_depends_on ON job_dependencies (depends_on);
