-- Scheduling: what a claim looks at, leases, attempts, the counters of unmet dependencies, limits.

-- A run whose lease lapsed, or that failed and may be tried again, is queued as a new attempt.
INSERT INTO job_status_transitions (from_status, to_status, opens_attempt) VALUES ('RUNNING', 'QUEUED', 1);

-- What a dependency says while the job that is waited for has a status; neither column: it is met.
CREATE TABLE dependency_verdicts (
    kind          TEXT    NOT NULL CHECK (kind IN ('after_ok', 'after_any', 'after_failed')),
    status        TEXT    NOT NULL
                  CHECK (status IN ('PENDING', 'QUEUED', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')),
    waiting       INTEGER NOT NULL CHECK (waiting IN (0, 1)),
    unsatisfiable INTEGER NOT NULL CHECK (unsatisfiable IN (0, 1)),
    PRIMARY KEY (kind, status),
    CHECK (waiting + unsatisfiable <= 1)
) STRICT, WITHOUT ROWID;

INSERT INTO dependency_verdicts (kind, status, waiting, unsatisfiable) VALUES
    ('after_ok',     'PENDING', 1, 0), ('after_ok',     'QUEUED', 1, 0), ('after_ok',     'RUNNING', 1, 0),
    ('after_any',    'PENDING', 1, 0), ('after_any',    'QUEUED', 1, 0), ('after_any',    'RUNNING', 1, 0),
    ('after_failed', 'PENDING', 1, 0), ('after_failed', 'QUEUED', 1, 0), ('after_failed', 'RUNNING', 1, 0),
    ('after_ok',     'COMPLETED', 0, 0), ('after_ok',     'FAILED', 0, 1), ('after_ok',     'CANCELLED', 0, 1),
    ('after_any',    'COMPLETED', 0, 0), ('after_any',    'FAILED', 0, 0), ('after_any',    'CANCELLED', 0, 0),
    ('after_failed', 'COMPLETED', 0, 1), ('after_failed', 'FAILED', 0, 0), ('after_failed', 'CANCELLED', 0, 1);

-- The children of a job, by kind: a change of the parent reaches those that it concerns.
DROP INDEX job_dependencies_by_depends_on;
CREATE INDEX job_dependencies_by_parent ON job_dependencies (depends_on, kind);

-- A lane holds the jobs that differ in nothing that a claim has to check one by one: the same cluster
-- (0 for none), runner, code and needs. There are few lanes, however many jobs there are, so a claim looks
-- at the head of each.
CREATE TABLE job_lanes (
    id         INTEGER PRIMARY KEY,
    cluster_id INTEGER NOT NULL CHECK (cluster_id >= 0),
    runner     TEXT    NOT NULL,
    code       TEXT    NOT NULL,
    nodes      INTEGER NOT NULL CHECK (nodes >= 1),
    cores      INTEGER NOT NULL CHECK (cores >= 1),
    memory_mib INTEGER NOT NULL CHECK (memory_mib >= 0)
) STRICT;

-- The lane of a job.
CREATE UNIQUE INDEX job_lanes_by_content ON job_lanes (cluster_id, runner, code, nodes, cores, memory_mib);

-- Memory in MiB over all nodes.
ALTER TABLE jobs ADD COLUMN memory_mib INTEGER CHECK (memory_mib BETWEEN 1 AND 4294967295);
-- Not to be claimed before.
ALTER TABLE jobs ADD COLUMN not_before INTEGER;
-- How often it is tried, and what becomes of it otherwise; none is the default policy.
ALTER TABLE jobs ADD COLUMN policy TEXT CHECK (json_valid(policy) AND json_type(policy) = 'object');
-- How often it was claimed: the newest lease's token.
ALTER TABLE jobs ADD COLUMN claims INTEGER NOT NULL DEFAULT 0 CHECK (claims >= 0);
-- Since when a run is to stop.
ALTER TABLE jobs ADD COLUMN cancel_requested_at INTEGER CHECK (cancel_requested_at IS NULL OR status = 'RUNNING');
-- Since when nobody knows whether it still runs somewhere.
ALTER TABLE jobs ADD COLUMN probe_since INTEGER CHECK (probe_since IS NULL OR status = 'RUNNING');
ALTER TABLE jobs ADD COLUMN lane_id INTEGER REFERENCES job_lanes (id) ON DELETE RESTRICT;

INSERT INTO job_lanes (cluster_id, runner, code, nodes, cores, memory_mib)
SELECT DISTINCT coalesce(cluster_id, 0), runner, code, coalesce(nodes, 1),
    coalesce(mpi_ranks, 1) * coalesce(threads, 1), coalesce(memory_mib, 0)
FROM jobs ORDER BY 1, 2, 3, 4, 5, 6;

UPDATE jobs SET lane_id = (
    SELECT id FROM job_lanes AS lanes
    WHERE lanes.cluster_id = coalesce(jobs.cluster_id, 0) AND lanes.runner = jobs.runner
        AND lanes.code = jobs.code AND lanes.nodes = coalesce(jobs.nodes, 1)
        AND lanes.cores = coalesce(jobs.mpi_ranks, 1) * coalesce(jobs.threads, 1)
        AND lanes.memory_mib = coalesce(jobs.memory_mib, 0));

-- The jobs that are PENDING or QUEUED, by what a claim looks at. Narrow on purpose, and apart from `jobs`: the
-- end of a job that thousands wait for writes each of their rows here, and puts it into the indexes.
CREATE TABLE job_queue (
    job_id        INTEGER PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    -- What keeps it from being claimed: each of its dependencies that says "wait" or can no longer be met,
    -- that it is PENDING, and that it is delayed.
    obstacles     INTEGER NOT NULL CHECK (obstacles >= 0),
    lane_id       INTEGER NOT NULL REFERENCES job_lanes (id) ON DELETE RESTRICT,
    priority      INTEGER NOT NULL,
    workflow      TEXT,
    -- How many of its dependencies can no longer be met.
    unsatisfiable INTEGER NOT NULL CHECK (unsatisfiable >= 0),
    -- Its `not_before`, until a claim has seen that this time has come.
    delayed_until INTEGER,
    created_at    INTEGER NOT NULL
) STRICT;

INSERT INTO job_queue (job_id, obstacles, lane_id, priority, workflow, unsatisfiable, delayed_until, created_at)
SELECT jobs.id, (jobs.status = 'PENDING') + coalesce(sum(verdicts.waiting + verdicts.unsatisfiable), 0),
    jobs.lane_id, jobs.priority, jobs.workflow, coalesce(sum(verdicts.unsatisfiable), 0), NULL, jobs.created_at
FROM jobs
LEFT JOIN job_dependencies AS edges ON edges.job_id = jobs.id
LEFT JOIN jobs AS parents ON parents.id = edges.depends_on
LEFT JOIN dependency_verdicts AS verdicts ON verdicts.kind = edges.kind AND verdicts.status = parents.status
WHERE jobs.status IN ('PENDING', 'QUEUED')
GROUP BY jobs.id ORDER BY jobs.id;

-- What can be claimed, best first: the jobs of a lane by priority, then oldest.
CREATE INDEX job_queue_claimable ON job_queue (lane_id, priority DESC) WHERE obstacles = 0;
-- The same of one workflow.
CREATE INDEX job_queue_claimable_by_workflow ON job_queue (workflow, lane_id, priority DESC)
    WHERE workflow IS NOT NULL AND obstacles = 0;
-- The jobs that wait for something that can no longer happen, newest first.
CREATE INDEX job_queue_held ON job_queue (created_at) WHERE unsatisfiable > 0;
-- The jobs whose time has not come, as far as a claim has seen.
CREATE INDEX job_queue_by_delay ON job_queue (delayed_until) WHERE delayed_until IS NOT NULL;
-- The runs that are to be looked for.
CREATE INDEX jobs_to_probe ON jobs (probe_since) WHERE probe_since IS NOT NULL;
-- The runs that are to stop.
CREATE INDEX jobs_to_cancel ON jobs (cancel_requested_at) WHERE cancel_requested_at IS NOT NULL;

-- A job is in the lane that its row says, and in the queue, whoever writes it. Who names the lane of a new job,
-- as the store does, also writes its row of the queue.
CREATE TRIGGER jobs_lane_on_insert AFTER INSERT ON jobs
WHEN NEW.lane_id IS NULL
BEGIN
    INSERT INTO job_lanes (cluster_id, runner, code, nodes, cores, memory_mib)
    SELECT coalesce(NEW.cluster_id, 0), NEW.runner, NEW.code, coalesce(NEW.nodes, 1),
        coalesce(NEW.mpi_ranks, 1) * coalesce(NEW.threads, 1), coalesce(NEW.memory_mib, 0)
    WHERE NOT EXISTS (
        SELECT 1 FROM job_lanes
        WHERE cluster_id = coalesce(NEW.cluster_id, 0) AND runner = NEW.runner AND code = NEW.code
            AND nodes = coalesce(NEW.nodes, 1) AND cores = coalesce(NEW.mpi_ranks, 1) * coalesce(NEW.threads, 1)
            AND memory_mib = coalesce(NEW.memory_mib, 0));
    UPDATE jobs SET lane_id = (
        SELECT id FROM job_lanes
        WHERE cluster_id = coalesce(NEW.cluster_id, 0) AND runner = NEW.runner AND code = NEW.code
            AND nodes = coalesce(NEW.nodes, 1) AND cores = coalesce(NEW.mpi_ranks, 1) * coalesce(NEW.threads, 1)
            AND memory_mib = coalesce(NEW.memory_mib, 0))
    WHERE id = NEW.id;
    INSERT INTO job_queue
        (job_id, obstacles, lane_id, priority, workflow, unsatisfiable, delayed_until, created_at)
    SELECT id, (status = 'PENDING') + coalesce(not_before > updated_at, 0), lane_id, priority, workflow, 0,
        iif(not_before > updated_at, not_before, NULL), created_at
    FROM jobs WHERE id = NEW.id AND status IN ('PENDING', 'QUEUED');
END;

CREATE TRIGGER jobs_lane_on_update AFTER UPDATE OF cluster_id, runner, code, nodes, mpi_ranks, threads, memory_mib ON jobs
WHEN NEW.cluster_id IS NOT OLD.cluster_id OR NEW.runner <> OLD.runner OR NEW.code <> OLD.code
    OR NEW.nodes IS NOT OLD.nodes OR NEW.mpi_ranks IS NOT OLD.mpi_ranks OR NEW.threads IS NOT OLD.threads
    OR NEW.memory_mib IS NOT OLD.memory_mib
BEGIN
    INSERT INTO job_lanes (cluster_id, runner, code, nodes, cores, memory_mib)
    SELECT coalesce(NEW.cluster_id, 0), NEW.runner, NEW.code, coalesce(NEW.nodes, 1),
        coalesce(NEW.mpi_ranks, 1) * coalesce(NEW.threads, 1), coalesce(NEW.memory_mib, 0)
    WHERE NOT EXISTS (
        SELECT 1 FROM job_lanes
        WHERE cluster_id = coalesce(NEW.cluster_id, 0) AND runner = NEW.runner AND code = NEW.code
            AND nodes = coalesce(NEW.nodes, 1) AND cores = coalesce(NEW.mpi_ranks, 1) * coalesce(NEW.threads, 1)
            AND memory_mib = coalesce(NEW.memory_mib, 0));
    UPDATE jobs SET lane_id = (
        SELECT id FROM job_lanes
        WHERE cluster_id = coalesce(NEW.cluster_id, 0) AND runner = NEW.runner AND code = NEW.code
            AND nodes = coalesce(NEW.nodes, 1) AND cores = coalesce(NEW.mpi_ranks, 1) * coalesce(NEW.threads, 1)
            AND memory_mib = coalesce(NEW.memory_mib, 0))
    WHERE id = NEW.id;
END;

-- The queue follows the status of a job and what it is ordered by, whoever writes them. A `not_before` before
-- the time of the change delays nothing.
CREATE TRIGGER jobs_queue_on_entry AFTER UPDATE OF status ON jobs
WHEN OLD.status NOT IN ('PENDING', 'QUEUED') AND NEW.status IN ('PENDING', 'QUEUED')
BEGIN
    INSERT INTO job_queue
        (job_id, obstacles, lane_id, priority, workflow, unsatisfiable, delayed_until, created_at)
    SELECT NEW.id,
        (NEW.status = 'PENDING') + coalesce(NEW.not_before > NEW.updated_at, 0)
            + coalesce(sum(verdicts.waiting + verdicts.unsatisfiable), 0),
        NEW.lane_id, NEW.priority, NEW.workflow, coalesce(sum(verdicts.unsatisfiable), 0),
        iif(NEW.not_before > NEW.updated_at, NEW.not_before, NULL), NEW.created_at
    FROM job_dependencies AS edges
    CROSS JOIN jobs AS parents ON parents.id = edges.depends_on
    CROSS JOIN dependency_verdicts AS verdicts ON verdicts.kind = edges.kind AND verdicts.status = parents.status
    WHERE edges.job_id = NEW.id;
END;

CREATE TRIGGER jobs_queue_on_exit AFTER UPDATE OF status ON jobs
WHEN OLD.status IN ('PENDING', 'QUEUED') AND NEW.status NOT IN ('PENDING', 'QUEUED')
BEGIN
    DELETE FROM job_queue WHERE job_id = NEW.id;
END;

CREATE TRIGGER jobs_queue_on_update AFTER UPDATE OF status, lane_id, priority, workflow, not_before, created_at ON jobs
WHEN OLD.status IN ('PENDING', 'QUEUED') AND NEW.status IN ('PENDING', 'QUEUED')
    AND (OLD.status <> NEW.status OR OLD.lane_id IS NOT NEW.lane_id OR OLD.priority <> NEW.priority
        OR OLD.workflow IS NOT NEW.workflow OR OLD.not_before IS NOT NEW.not_before
        OR OLD.created_at <> NEW.created_at)
BEGIN
    UPDATE job_queue SET
        obstacles = obstacles + (NEW.status = 'PENDING') - (OLD.status = 'PENDING')
            + iif(NEW.not_before IS OLD.not_before, 0,
                coalesce(NEW.not_before > NEW.updated_at, 0) - (delayed_until IS NOT NULL)),
        lane_id = NEW.lane_id, priority = NEW.priority, workflow = NEW.workflow, created_at = NEW.created_at,
        delayed_until = iif(NEW.not_before IS OLD.not_before, delayed_until,
            iif(NEW.not_before > NEW.updated_at, NEW.not_before, NULL))
    WHERE job_id = NEW.id;
END;

-- The end of a job, and its retry, reach the counters of the jobs that wait for it, one statement a kind. Most
-- jobs are waited for by none: then nothing is done but a probe.
CREATE TRIGGER jobs_dependents_on_update AFTER UPDATE OF status ON jobs
WHEN OLD.status <> NEW.status
    AND (OLD.finished_at IS NOT NULL OR NEW.finished_at IS NOT NULL)
    AND EXISTS (SELECT 1 FROM job_dependencies WHERE depends_on = NEW.id)
BEGIN
    UPDATE job_queue SET
        obstacles = obstacles
            + (SELECT waiting + unsatisfiable FROM dependency_verdicts WHERE kind = 'after_ok' AND status = NEW.status)
            - (SELECT waiting + unsatisfiable FROM dependency_verdicts WHERE kind = 'after_ok' AND status = OLD.status),
        unsatisfiable = unsatisfiable
            + (SELECT unsatisfiable FROM dependency_verdicts WHERE kind = 'after_ok' AND status = NEW.status)
            - (SELECT unsatisfiable FROM dependency_verdicts WHERE kind = 'after_ok' AND status = OLD.status)
    WHERE job_id IN (SELECT job_id FROM job_dependencies WHERE depends_on = NEW.id AND kind = 'after_ok');
    UPDATE job_queue SET
        obstacles = obstacles
            + (SELECT waiting + unsatisfiable FROM dependency_verdicts WHERE kind = 'after_any' AND status = NEW.status)
            - (SELECT waiting + unsatisfiable FROM dependency_verdicts WHERE kind = 'after_any' AND status = OLD.status),
        unsatisfiable = unsatisfiable
            + (SELECT unsatisfiable FROM dependency_verdicts WHERE kind = 'after_any' AND status = NEW.status)
            - (SELECT unsatisfiable FROM dependency_verdicts WHERE kind = 'after_any' AND status = OLD.status)
    WHERE job_id IN (SELECT job_id FROM job_dependencies WHERE depends_on = NEW.id AND kind = 'after_any');
    UPDATE job_queue SET
        obstacles = obstacles
            + (SELECT waiting + unsatisfiable FROM dependency_verdicts WHERE kind = 'after_failed' AND status = NEW.status)
            - (SELECT waiting + unsatisfiable FROM dependency_verdicts WHERE kind = 'after_failed' AND status = OLD.status),
        unsatisfiable = unsatisfiable
            + (SELECT unsatisfiable FROM dependency_verdicts WHERE kind = 'after_failed' AND status = NEW.status)
            - (SELECT unsatisfiable FROM dependency_verdicts WHERE kind = 'after_failed' AND status = OLD.status)
    WHERE job_id IN (SELECT job_id FROM job_dependencies WHERE depends_on = NEW.id AND kind = 'after_failed');
END;

-- Who runs a job, until when. The row goes when the run ends.
CREATE TABLE job_leases (
    job_id         INTEGER PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    -- The fencing token: grows with every claim of the job.
    token          INTEGER NOT NULL CHECK (token >= 1),
    attempt        INTEGER NOT NULL CHECK (attempt >= 1),
    worker         TEXT    NOT NULL CHECK (length(worker) BETWEEN 1 AND 255),
    host           TEXT    NOT NULL CHECK (length(host) BETWEEN 1 AND 255),
    boot_id        TEXT    CHECK (length(boot_id) BETWEEN 1 AND 255),
    pid            INTEGER NOT NULL CHECK (pid BETWEEN 1 AND 4294967295),
    pid_started_at INTEGER,
    claimed_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    CHECK (expires_at > claimed_at)
) STRICT;

-- The leases that have lapsed.
CREATE INDEX job_leases_by_end ON job_leases (expires_at);

-- An attempt that is over. The one that is not is told by `jobs` and `job_leases`.
CREATE TABLE job_attempts (
    job_id       INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    attempt      INTEGER NOT NULL CHECK (attempt >= 1),
    -- Two by two: for a longer list SQLite builds a table each time a row is written.
    outcome      TEXT    NOT NULL
                 CHECK (outcome IN ('completed', 'failed') OR outcome IN ('cancelled', 'lapsed') OR outcome = 'released'),
    failure_kind TEXT    CHECK (length(failure_kind) BETWEEN 1 AND 255),
    reason       TEXT,
    exit_code    INTEGER CHECK (exit_code BETWEEN -2147483648 AND 2147483647),
    token        INTEGER CHECK (token >= 1),
    worker       TEXT    CHECK (length(worker) BETWEEN 1 AND 255),
    host         TEXT    CHECK (length(host) BETWEEN 1 AND 255),
    pid          INTEGER CHECK (pid BETWEEN 1 AND 4294967295),
    queued_at    INTEGER,
    started_at   INTEGER,
    ended_at     INTEGER NOT NULL,
    PRIMARY KEY (job_id, attempt)
) STRICT, WITHOUT ROWID;

-- Attempts that were over before this version, as far as the history tells.
INSERT INTO job_attempts (job_id, attempt, outcome, host, pid, queued_at, started_at, ended_at)
SELECT id, attempt, lower(status), host, pid, queued_at, started_at, finished_at
FROM jobs WHERE finished_at IS NOT NULL ORDER BY id;

INSERT INTO job_attempts (job_id, attempt, outcome, queued_at, started_at, ended_at)
SELECT jobs.id, ends.attempt, lower(ends.to_status),
    (SELECT max(at) FROM job_events AS queued
     WHERE queued.job_id = jobs.id AND queued.attempt = ends.attempt AND queued.to_status = 'QUEUED'),
    (SELECT min(at) FROM job_events AS started
     WHERE started.job_id = jobs.id AND started.attempt = ends.attempt AND started.to_status = 'RUNNING'),
    ends.at
FROM job_events AS ends JOIN jobs ON jobs.id = ends.job_id
WHERE ends.to_status IN ('FAILED', 'CANCELLED') AND ends.attempt < jobs.attempt
GROUP BY jobs.id, ends.attempt
ORDER BY jobs.id, ends.attempt;

-- Whether claims take from a cluster's queue, and how much of it they may use at once; none is no limit.
ALTER TABLE clusters ADD COLUMN intake TEXT NOT NULL DEFAULT 'open' CHECK (intake IN ('open', 'paused', 'draining'));
ALTER TABLE clusters ADD COLUMN max_running INTEGER CHECK (max_running BETWEEN 0 AND 4294967295);
ALTER TABLE clusters ADD COLUMN nodes INTEGER CHECK (nodes BETWEEN 1 AND 4294967295);
ALTER TABLE clusters ADD COLUMN cores INTEGER CHECK (cores BETWEEN 1 AND 4294967295);
ALTER TABLE clusters ADD COLUMN memory_mib INTEGER CHECK (memory_mib BETWEEN 1 AND 4294967295);

-- What the RUNNING jobs of a cluster use, kept by trigger so that it is given back however a run ends.
CREATE TABLE cluster_loads (
    cluster_id INTEGER PRIMARY KEY REFERENCES clusters (id) ON DELETE CASCADE,
    running    INTEGER NOT NULL DEFAULT 0 CHECK (running >= 0),
    nodes      INTEGER NOT NULL DEFAULT 0 CHECK (nodes >= 0),
    cores      INTEGER NOT NULL DEFAULT 0 CHECK (cores >= 0),
    memory_mib INTEGER NOT NULL DEFAULT 0 CHECK (memory_mib >= 0)
) STRICT;

INSERT INTO cluster_loads (cluster_id, running, nodes, cores, memory_mib)
SELECT clusters.id, count(jobs.id), coalesce(sum(coalesce(jobs.nodes, 1)), 0),
    coalesce(sum(coalesce(jobs.mpi_ranks, 1) * coalesce(jobs.threads, 1)), 0),
    coalesce(sum(coalesce(jobs.memory_mib, 0)), 0)
FROM clusters LEFT JOIN jobs ON jobs.cluster_id = clusters.id AND jobs.status = 'RUNNING'
WHERE jobs.id IS NOT NULL
GROUP BY clusters.id;

INSERT INTO cluster_loads (cluster_id)
SELECT id FROM clusters WHERE id NOT IN (SELECT cluster_id FROM cluster_loads) ORDER BY id;

CREATE TRIGGER clusters_load_on_insert AFTER INSERT ON clusters
BEGIN
    INSERT INTO cluster_loads (cluster_id) VALUES (NEW.id);
END;

CREATE TRIGGER jobs_load_on_insert AFTER INSERT ON jobs
WHEN NEW.status = 'RUNNING' AND NEW.cluster_id IS NOT NULL
BEGIN
    UPDATE cluster_loads SET
        running = running + 1,
        nodes = nodes + coalesce(NEW.nodes, 1),
        cores = cores + coalesce(NEW.mpi_ranks, 1) * coalesce(NEW.threads, 1),
        memory_mib = memory_mib + coalesce(NEW.memory_mib, 0)
    WHERE cluster_id = NEW.cluster_id;
END;

CREATE TRIGGER jobs_load_on_delete AFTER DELETE ON jobs
WHEN OLD.status = 'RUNNING' AND OLD.cluster_id IS NOT NULL
BEGIN
    UPDATE cluster_loads SET
        running = running - 1,
        nodes = nodes - coalesce(OLD.nodes, 1),
        cores = cores - coalesce(OLD.mpi_ranks, 1) * coalesce(OLD.threads, 1),
        memory_mib = memory_mib - coalesce(OLD.memory_mib, 0)
    WHERE cluster_id = OLD.cluster_id;
END;

CREATE TRIGGER jobs_load_on_update AFTER UPDATE OF status, cluster_id, nodes, mpi_ranks, threads, memory_mib ON jobs
WHEN (OLD.status = 'RUNNING' AND OLD.cluster_id IS NOT NULL) OR (NEW.status = 'RUNNING' AND NEW.cluster_id IS NOT NULL)
BEGIN
    UPDATE cluster_loads SET
        running = running - 1,
        nodes = nodes - coalesce(OLD.nodes, 1),
        cores = cores - coalesce(OLD.mpi_ranks, 1) * coalesce(OLD.threads, 1),
        memory_mib = memory_mib - coalesce(OLD.memory_mib, 0)
    WHERE OLD.status = 'RUNNING' AND cluster_id = OLD.cluster_id;
    UPDATE cluster_loads SET
        running = running + 1,
        nodes = nodes + coalesce(NEW.nodes, 1),
        cores = cores + coalesce(NEW.mpi_ranks, 1) * coalesce(NEW.threads, 1),
        memory_mib = memory_mib + coalesce(NEW.memory_mib, 0)
    WHERE NEW.status = 'RUNNING' AND cluster_id = NEW.cluster_id;
END;

-- The process that made the change; unknown for events from before this version.
ALTER TABLE job_events ADD COLUMN host TEXT CHECK (length(host) BETWEEN 1 AND 255);
ALTER TABLE job_events ADD COLUMN pid INTEGER CHECK (pid BETWEEN 1 AND 4294967295);
