-- The schema of version 12 as one page: every table with its seed rows, indexes and triggers.
--
-- Nothing executes this but the test that holds it equal to the migrations. A change of the schema
-- is a new migration, and then the same change here.

-- ==============================================================================================
-- job_status_transitions: the status machine
-- ==============================================================================================

-- One row for each change of status that may happen. `opens_attempt` is 1 where the change is a
-- retry: it must then raise `jobs.attempt` by one, and otherwise leave it alone.
CREATE TABLE job_status_transitions (
    from_status   TEXT    NOT NULL,
    to_status     TEXT    NOT NULL,
    opens_attempt INTEGER NOT NULL CHECK (opens_attempt IN (0, 1)),
    PRIMARY KEY (from_status, to_status, opens_attempt)
) STRICT, WITHOUT ROWID;

INSERT INTO job_status_transitions (from_status, to_status, opens_attempt) VALUES
    ('PENDING',   'QUEUED',    0),
    ('PENDING',   'RUNNING',   0),
    ('PENDING',   'COMPLETED', 0),
    ('PENDING',   'FAILED',    0),
    ('PENDING',   'CANCELLED', 0),
    ('QUEUED',    'PENDING',   0),
    ('QUEUED',    'RUNNING',   0),
    ('QUEUED',    'COMPLETED', 0),
    ('QUEUED',    'FAILED',    0),
    ('QUEUED',    'CANCELLED', 0),
    ('RUNNING',   'QUEUED',    0),
    ('RUNNING',   'COMPLETED', 0),
    ('RUNNING',   'FAILED',    0),
    ('RUNNING',   'CANCELLED', 0),
    -- A run whose lease lapsed, or that failed and may be tried again, is queued as a new attempt.
    ('RUNNING',   'QUEUED',    1),
    ('FAILED',    'PENDING',   1),
    ('FAILED',    'QUEUED',    1),
    ('CANCELLED', 'PENDING',   1),
    ('CANCELLED', 'QUEUED',    1);

-- ==============================================================================================
-- jobs
-- ==============================================================================================

-- One calculation. The row is narrow on purpose: lists read it by the thousand, and the deck is
-- elsewhere. AUTOINCREMENT because an id names a directory and must never come back.
CREATE TABLE jobs (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid            BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
    name            TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    work_dir        TEXT    NOT NULL UNIQUE CHECK (work_dir GLOB '/*'),
    -- Two by two, here and below: for a longer list SQLite builds a table each time a row is written.
    status          TEXT    NOT NULL
                    CHECK (status IN ('PENDING', 'QUEUED') OR status IN ('RUNNING', 'COMPLETED')
                        OR status IN ('FAILED', 'CANCELLED')),
    attempt         INTEGER NOT NULL DEFAULT 1 CHECK (attempt >= 1),
    code            TEXT    NOT NULL
                    CHECK (length(code) BETWEEN 1 AND 64 AND code GLOB '[a-z]*' AND code NOT GLOB '*[^a-z0-9_]*'),
    runner          TEXT    NOT NULL CHECK (runner IN ('local', 'ssh') OR runner = 'slurm'),
    workflow        TEXT    CHECK (length(workflow) BETWEEN 1 AND 255),
    priority        INTEGER NOT NULL DEFAULT 0 CHECK (priority BETWEEN -2147483648 AND 2147483647),
    nodes           INTEGER CHECK (nodes BETWEEN 1 AND 4294967295),
    mpi_ranks       INTEGER CHECK (mpi_ranks BETWEEN 1 AND 4294967295),
    threads         INTEGER CHECK (threads BETWEEN 1 AND 4294967295),
    pid             INTEGER CHECK (pid BETWEEN 1 AND 4294967295),
    host            TEXT    CHECK (length(host) BETWEEN 1 AND 255),
    idempotency_key TEXT    CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    created_at      INTEGER NOT NULL,
    queued_at       INTEGER,
    started_at      INTEGER,
    finished_at     INTEGER,
    updated_at      INTEGER NOT NULL,
    archived_at     INTEGER,
    archived        INTEGER NOT NULL GENERATED ALWAYS AS (archived_at IS NOT NULL) VIRTUAL,
    -- From here on in the order in which upgrades have added them.
    cluster_id      INTEGER REFERENCES clusters (id) ON DELETE RESTRICT,
    -- Memory in MiB over all nodes.
    memory_mib      INTEGER CHECK (memory_mib BETWEEN 1 AND 4294967295),
    -- Not to be claimed before.
    not_before      INTEGER,
    -- How often it is tried, and what becomes of it otherwise; none is the default policy.
    policy          TEXT    CHECK (json_valid(policy) AND json_type(policy) = 'object'),
    -- How often it was claimed: the newest lease's token.
    claims          INTEGER NOT NULL DEFAULT 0 CHECK (claims >= 0),
    -- Since when a run is to stop.
    cancel_requested_at INTEGER CHECK (cancel_requested_at IS NULL OR status = 'RUNNING'),
    -- Since when nobody knows whether it still runs somewhere.
    probe_since     INTEGER CHECK (probe_since IS NULL OR status = 'RUNNING'),
    lane_id         INTEGER REFERENCES job_lanes (id) ON DELETE RESTRICT,
    -- The uuid of the job that calculated the result, where this one was completed from it. No reference:
    -- that job may be gone, or in another file.
    cached_from     BLOB    CHECK (length(cached_from) = 16),
    CHECK (cached_from IS NULL OR status = 'COMPLETED'),
    CHECK (status <> 'QUEUED' OR queued_at IS NOT NULL),
    CHECK (status <> 'RUNNING' OR started_at IS NOT NULL),
    CHECK ((status IN ('COMPLETED', 'FAILED') OR status = 'CANCELLED') = (finished_at IS NOT NULL))
) STRICT;

-- Newest first: every list without a narrower filter.
CREATE INDEX jobs_by_created ON jobs (archived, created_at);
-- Newest first of one status; the scheduler's and the UI's tabs.
CREATE INDEX jobs_by_status ON jobs (archived, status, created_at);
-- Newest first of one code.
CREATE INDEX jobs_by_code ON jobs (archived, code, created_at);
-- Newest first of one workflow.
CREATE INDEX jobs_by_workflow ON jobs (workflow, created_at) WHERE workflow IS NOT NULL;
-- Newest first of one cluster.
CREATE INDEX jobs_by_cluster ON jobs (cluster_id, created_at) WHERE cluster_id IS NOT NULL;
-- One job an idempotency key.
CREATE UNIQUE INDEX jobs_by_idempotency_key ON jobs (idempotency_key) WHERE idempotency_key IS NOT NULL;

-- The runs that are to be looked for.
CREATE INDEX jobs_to_probe ON jobs (probe_since) WHERE probe_since IS NOT NULL;
-- The runs that are to stop.
CREATE INDEX jobs_to_cancel ON jobs (cancel_requested_at) WHERE cancel_requested_at IS NOT NULL;

-- Newest first of one runner.
CREATE INDEX jobs_by_runner ON jobs (archived, runner, created_at);
-- The order of priorities, and that of names.
CREATE INDEX jobs_by_priority ON jobs (archived, priority);
CREATE INDEX jobs_by_name ON jobs (archived, name);
-- The orders of when jobs were queued, began and ended, and those that did in a range of time. What has ended
-- changes its status no more but by a retry, which takes its time away too.
CREATE INDEX jobs_by_queued ON jobs (archived, queued_at) WHERE queued_at IS NOT NULL;
CREATE INDEX jobs_by_started ON jobs (archived, started_at) WHERE started_at IS NOT NULL;
CREATE INDEX jobs_by_finished ON jobs (archived, status, finished_at) WHERE finished_at IS NOT NULL;
-- The few of which a time is before that of creation, because the clock was set back.
CREATE INDEX jobs_untimely ON jobs (created_at)
    WHERE queued_at < created_at OR started_at < created_at OR finished_at < created_at;

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

-- What can be claimed, best first: the jobs of a lane by priority, then oldest.
CREATE INDEX job_queue_claimable ON job_queue (lane_id, priority DESC) WHERE obstacles = 0;
-- The same of one workflow.
CREATE INDEX job_queue_claimable_by_workflow ON job_queue (workflow, lane_id, priority DESC)
    WHERE workflow IS NOT NULL AND obstacles = 0;
-- The jobs that wait for something that can no longer happen, newest first.
CREATE INDEX job_queue_held ON job_queue (created_at) WHERE unsatisfiable > 0;
-- The jobs whose time has not come, as far as a claim has seen.
CREATE INDEX job_queue_by_delay ON job_queue (delayed_until) WHERE delayed_until IS NOT NULL;

CREATE TRIGGER jobs_status_transition BEFORE UPDATE OF status, attempt ON jobs
WHEN (OLD.status <> NEW.status OR OLD.attempt <> NEW.attempt)
    AND NOT EXISTS (
        SELECT 1 FROM job_status_transitions
        WHERE from_status = OLD.status AND to_status = NEW.status
            AND opens_attempt = NEW.attempt - OLD.attempt)
BEGIN
    SELECT RAISE(ABORT, 'illegal status transition');
END;

CREATE TRIGGER jobs_counted_on_insert AFTER INSERT ON jobs
BEGIN
    UPDATE job_counts SET jobs = jobs + 1 WHERE archived = NEW.archived AND status = NEW.status;
END;

CREATE TRIGGER jobs_counted_on_delete AFTER DELETE ON jobs
BEGIN
    UPDATE job_counts SET jobs = jobs - 1 WHERE archived = OLD.archived AND status = OLD.status;
END;

CREATE TRIGGER jobs_counted_on_update AFTER UPDATE OF status, archived_at ON jobs
WHEN OLD.status <> NEW.status OR OLD.archived <> NEW.archived
BEGIN
    UPDATE job_counts SET jobs = jobs - 1 WHERE archived = OLD.archived AND status = OLD.status;
    UPDATE job_counts SET jobs = jobs + 1 WHERE archived = NEW.archived AND status = NEW.status;
END;

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

-- The end of a job, and its retry, reach the counters of the jobs that wait for it: one statement a kind,
-- which is one probe of the index where no such job waits.
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

CREATE TRIGGER jobs_created_on_update AFTER UPDATE OF created_at ON jobs
WHEN OLD.created_at <> NEW.created_at
BEGIN
    UPDATE job_tags SET created_at = NEW.created_at WHERE job_id = NEW.id;
END;

-- An id that is given by hand may be an old one: it goes in at once.
CREATE TRIGGER jobs_texts_on_insert AFTER INSERT ON jobs
WHEN NEW.id NOT BETWEEN (SELECT indexed_to + 1 FROM job_text_progress)
    AND (SELECT indexed_to + 255 FROM job_text_progress)
BEGIN
    INSERT INTO job_texts (rowid, name, work_dir)
    SELECT id, name, work_dir FROM jobs
    WHERE id BETWEEN min(NEW.id, (SELECT indexed_to + 1 FROM job_text_progress)) AND NEW.id
    ORDER BY id;
    UPDATE job_text_progress SET indexed_to = NEW.id WHERE indexed_to < NEW.id;
END;

CREATE TRIGGER jobs_texts_on_delete AFTER DELETE ON jobs
WHEN OLD.id <= (SELECT indexed_to FROM job_text_progress)
BEGIN
    INSERT INTO job_texts (job_texts, rowid, name, work_dir) VALUES ('delete', OLD.id, OLD.name, OLD.work_dir);
END;

CREATE TRIGGER jobs_texts_on_update AFTER UPDATE OF name, work_dir ON jobs
WHEN OLD.id <= (SELECT indexed_to FROM job_text_progress) AND (OLD.name <> NEW.name OR OLD.work_dir <> NEW.work_dir)
BEGIN
    INSERT INTO job_texts (job_texts, rowid, name, work_dir) VALUES ('delete', OLD.id, OLD.name, OLD.work_dir);
    INSERT INTO job_texts (rowid, name, work_dir) VALUES (NEW.id, NEW.name, NEW.work_dir);
END;

-- ==============================================================================================
-- job_tags: what users say of jobs
-- ==============================================================================================

-- What users say of a job. `created_at` is that of the job, which never changes, so that the jobs of a tag
-- are walked newest first.
CREATE TABLE job_tags (
    job_id     INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    key        TEXT    NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    value      TEXT    NOT NULL CHECK (length(value) BETWEEN 1 AND 255),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (job_id, key)
) STRICT, WITHOUT ROWID;

-- Newest first of one tag.
CREATE INDEX job_tags_by_tag ON job_tags (key, value, created_at, job_id);

-- Who writes a tag gives it the time of its job.
CREATE TRIGGER job_tags_created_on_insert BEFORE INSERT ON job_tags
WHEN NEW.created_at <> (SELECT created_at FROM jobs WHERE id = NEW.job_id)
BEGIN
    SELECT RAISE(ABORT, 'a tag has another time of creation than its job');
END;

CREATE TRIGGER job_tags_created_on_update BEFORE UPDATE OF job_id, created_at ON job_tags
WHEN NEW.created_at <> (SELECT created_at FROM jobs WHERE id = NEW.job_id)
BEGIN
    SELECT RAISE(ABORT, 'a tag has another time of creation than its job');
END;

CREATE TRIGGER job_tags_counted_on_insert AFTER INSERT ON job_tags
BEGIN
    INSERT INTO tag_keys (key, jobs) VALUES (NEW.key, 1)
    ON CONFLICT (key) DO UPDATE SET jobs = jobs + 1;
    INSERT INTO tag_values (key, value, jobs) VALUES (NEW.key, NEW.value, 1)
    ON CONFLICT (key, value) DO UPDATE SET jobs = jobs + 1;
END;

CREATE TRIGGER job_tags_counted_on_delete AFTER DELETE ON job_tags
BEGIN
    UPDATE tag_keys SET jobs = jobs - 1 WHERE key = OLD.key;
    DELETE FROM tag_keys WHERE key = OLD.key AND jobs = 0;
    UPDATE tag_values SET jobs = jobs - 1 WHERE key = OLD.key AND value = OLD.value;
    DELETE FROM tag_values WHERE key = OLD.key AND value = OLD.value AND jobs = 0;
END;

CREATE TRIGGER job_tags_counted_on_update AFTER UPDATE OF key, value ON job_tags
WHEN OLD.key <> NEW.key OR OLD.value <> NEW.value
BEGIN
    UPDATE tag_keys SET jobs = jobs - 1 WHERE key = OLD.key;
    DELETE FROM tag_keys WHERE key = OLD.key AND jobs = 0;
    UPDATE tag_values SET jobs = jobs - 1 WHERE key = OLD.key AND value = OLD.value;
    DELETE FROM tag_values WHERE key = OLD.key AND value = OLD.value AND jobs = 0;
    INSERT INTO tag_keys (key, jobs) VALUES (NEW.key, 1)
    ON CONFLICT (key) DO UPDATE SET jobs = jobs + 1;
    INSERT INTO tag_values (key, value, jobs) VALUES (NEW.key, NEW.value, 1)
    ON CONFLICT (key, value) DO UPDATE SET jobs = jobs + 1;
END;

-- ==============================================================================================
-- tag_keys, tag_values: the tags that are in use
-- ==============================================================================================

-- The keys and the values that are in use, with the number of their jobs, kept by trigger so that
-- nobody reads the tags to offer them.
CREATE TABLE tag_keys (
    key  TEXT    NOT NULL PRIMARY KEY,
    jobs INTEGER NOT NULL CHECK (jobs >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE tag_values (
    key   TEXT    NOT NULL,
    value TEXT    NOT NULL,
    jobs  INTEGER NOT NULL CHECK (jobs >= 0),
    PRIMARY KEY (key, value)
) STRICT, WITHOUT ROWID;

-- ==============================================================================================
-- job_texts: text in names and directories
-- ==============================================================================================

-- Text in names and directories: which jobs have three characters in a row, whatever their case. The texts
-- themselves stay in `jobs`, and where in them the three stand is not kept: who searches looks at the jobs
-- that it finds. New jobs are taken in 256 at a time, which costs each of them a fifth of being taken in
-- alone; who searches looks at the few that wait as well.
CREATE TABLE job_text_progress (
    only_row   INTEGER PRIMARY KEY CHECK (only_row = 1),
    -- The jobs with an id up to this one have been taken in.
    indexed_to INTEGER NOT NULL CHECK (indexed_to >= 0)
) STRICT;

INSERT INTO job_text_progress (only_row, indexed_to) VALUES (1, 0);

CREATE VIEW indexed_job_texts AS
SELECT id, name, work_dir FROM jobs WHERE id <= (SELECT indexed_to FROM job_text_progress);

CREATE VIRTUAL TABLE job_texts USING fts5(
    name, work_dir,
    content = 'indexed_job_texts', content_rowid = 'id', tokenize = 'trigram', detail = none, columnsize = 0
);

-- ==============================================================================================
-- job_lanes: what a claim has to check once for many jobs
-- ==============================================================================================

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

-- ==============================================================================================
-- job_leases: who runs a job, until when
-- ==============================================================================================

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

-- ==============================================================================================
-- job_attempts: the attempts that are over
-- ==============================================================================================

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

-- ==============================================================================================
-- job_counts: jobs by status
-- ==============================================================================================

-- Jobs by status, kept by trigger so that nobody scans to count.
CREATE TABLE job_counts (
    archived INTEGER NOT NULL CHECK (archived IN (0, 1)),
    status   TEXT    NOT NULL,
    jobs     INTEGER NOT NULL CHECK (jobs >= 0),
    PRIMARY KEY (archived, status)
) STRICT, WITHOUT ROWID;

INSERT INTO job_counts (archived, status, jobs) VALUES
    (0, 'PENDING', 0), (0, 'QUEUED', 0), (0, 'RUNNING', 0),
    (0, 'COMPLETED', 0), (0, 'FAILED', 0), (0, 'CANCELLED', 0),
    (1, 'PENDING', 0), (1, 'QUEUED', 0), (1, 'RUNNING', 0),
    (1, 'COMPLETED', 0), (1, 'FAILED', 0), (1, 'CANCELLED', 0);

-- ==============================================================================================
-- job_inputs: the input deck of a job
-- ==============================================================================================

-- The input deck of a job: its hash, and its files one by one (a VASP set has several).
CREATE TABLE job_inputs (
    job_id     INTEGER PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    sha256     BLOB    NOT NULL CHECK (length(sha256) = 32),
    updated_at INTEGER NOT NULL
) STRICT;

-- Jobs with the same input.
CREATE INDEX job_inputs_by_sha256 ON job_inputs (sha256);

-- ==============================================================================================
-- job_input_files: the files of an input deck
-- ==============================================================================================

-- One file of a deck; `content` is its text.
CREATE TABLE job_input_files (
    job_id  INTEGER NOT NULL REFERENCES job_inputs (job_id) ON DELETE CASCADE,
    name    TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 255 AND name NOT GLOB '*/*'),
    content TEXT    NOT NULL,
    PRIMARY KEY (job_id, name)
) STRICT;

-- ==============================================================================================
-- clusters
-- ==============================================================================================

-- A machine that jobs run on, reached by ssh or through Slurm.
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
    updated_at     INTEGER NOT NULL,
    -- Whether claims take from its queue, and how much of it they may use at once; none is no limit.
    intake         TEXT    NOT NULL DEFAULT 'open' CHECK (intake IN ('open', 'paused', 'draining')),
    max_running    INTEGER CHECK (max_running BETWEEN 0 AND 4294967295),
    nodes          INTEGER CHECK (nodes BETWEEN 1 AND 4294967295),
    cores          INTEGER CHECK (cores BETWEEN 1 AND 4294967295),
    memory_mib     INTEGER CHECK (memory_mib BETWEEN 1 AND 4294967295)
) STRICT;

CREATE TRIGGER clusters_load_on_insert AFTER INSERT ON clusters
BEGIN
    INSERT INTO cluster_loads (cluster_id) VALUES (NEW.id);
END;

-- ==============================================================================================
-- cluster_loads: what RUNNING jobs use
-- ==============================================================================================

-- What the RUNNING jobs of a cluster use, kept by trigger so that it is given back however a run ends.
CREATE TABLE cluster_loads (
    cluster_id INTEGER PRIMARY KEY REFERENCES clusters (id) ON DELETE CASCADE,
    running    INTEGER NOT NULL DEFAULT 0 CHECK (running >= 0),
    nodes      INTEGER NOT NULL DEFAULT 0 CHECK (nodes >= 0),
    cores      INTEGER NOT NULL DEFAULT 0 CHECK (cores >= 0),
    memory_mib INTEGER NOT NULL DEFAULT 0 CHECK (memory_mib >= 0)
) STRICT;

-- ==============================================================================================
-- remote_jobs: submissions to clusters
-- ==============================================================================================

-- One submission of a job to a cluster. The newest is "the" remote job of its job.
CREATE TABLE remote_jobs (
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

-- ==============================================================================================
-- cluster_contacts: whether clusters answer
-- ==============================================================================================

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

-- ==============================================================================================
-- job_dependencies: the edges between jobs
-- ==============================================================================================

-- `job_id` waits for `depends_on`. A job that others wait for cannot be deleted from under them.
CREATE TABLE job_dependencies (
    job_id     INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    depends_on INTEGER NOT NULL REFERENCES jobs (id) ON DELETE RESTRICT,
    -- Two by two: for a longer list SQLite builds a table each time a row is written.
    kind       TEXT    NOT NULL CHECK (kind IN ('after_ok', 'after_any') OR kind = 'after_failed'),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (job_id, depends_on),
    CHECK (job_id <> depends_on)
) STRICT, WITHOUT ROWID;

CREATE INDEX job_dependencies_by_parent ON job_dependencies (depends_on, kind);

-- ==============================================================================================
-- dependency_verdicts: what a dependency says
-- ==============================================================================================

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

-- ==============================================================================================
-- job_results
-- ==============================================================================================

-- What a finished attempt of a job yielded.
CREATE TABLE job_results (
    job_id           INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    attempt          INTEGER NOT NULL CHECK (attempt >= 1),
    -- SQLite stores a NaN as NULL; the bounds are those of a finite double, so infinities fail too.
    energy           REAL    CHECK (energy BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
    energy_unit      TEXT    CHECK (energy_unit IN ('hartree', 'electron_volt', 'rydberg')),
    -- CODATA 2022: one hartree is 27.211 386 245 981 eV, one rydberg half of it.
    energy_ev        REAL    GENERATED ALWAYS AS (
                         energy * CASE energy_unit
                             WHEN 'hartree' THEN 27.211386245981
                             WHEN 'rydberg' THEN 13.6056931229905
                             WHEN 'electron_volt' THEN 1.0
                         END) VIRTUAL,
    convergence      TEXT    NOT NULL CHECK (convergence IN ('converged', 'not_converged', 'unknown')),
    scf_cycles       INTEGER CHECK (scf_cycles BETWEEN 0 AND 4294967295),
    cpu_seconds      REAL    CHECK (cpu_seconds BETWEEN 0 AND 1.7976931348623157e308),
    wall_seconds     REAL    CHECK (wall_seconds BETWEEN 0 AND 1.7976931348623157e308),
    document_version INTEGER NOT NULL CHECK (document_version BETWEEN 1 AND 4294967295),
    document         TEXT    NOT NULL CHECK (json_valid(document)),
    -- {"code_version": …, "input_sha256": …, "parents": […]}, each where known.
    provenance       TEXT    NOT NULL CHECK (json_valid(provenance) AND json_type(provenance) = 'object'),
    recorded_at      INTEGER NOT NULL,
    PRIMARY KEY (job_id, attempt),
    CHECK ((energy IS NULL) = (energy_unit IS NULL))
) STRICT;

-- Jobs by energy, whatever its unit, ties by id: a range of energies, and their order. The attempt tells
-- whether it is the job's present one.
CREATE INDEX job_results_by_energy ON job_results (energy_ev, job_id, attempt) WHERE energy_ev IS NOT NULL;

CREATE TRIGGER job_results_values_on_insert AFTER INSERT ON job_results
BEGIN
    INSERT INTO job_result_values (job_id, attempt, path, value)
    SELECT NEW.job_id, NEW.attempt, members.fullkey,
        CASE WHEN members.type IN ('integer', 'real') THEN CAST(members.atom AS REAL)
             WHEN members.type = 'text' THEN substr(members.atom, 1, 255) END
    FROM json_tree(NEW.document) AS members
    WHERE typeof(members.key) = 'text' AND members.fullkey NOT LIKE '%[%'
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER job_results_values_on_update AFTER UPDATE OF document ON job_results
WHEN OLD.document <> NEW.document
BEGIN
    DELETE FROM job_result_values WHERE job_id = NEW.job_id AND attempt = NEW.attempt;
    INSERT INTO job_result_values (job_id, attempt, path, value)
    SELECT NEW.job_id, NEW.attempt, members.fullkey,
        CASE WHEN members.type IN ('integer', 'real') THEN CAST(members.atom AS REAL)
             WHEN members.type = 'text' THEN substr(members.atom, 1, 255) END
    FROM json_tree(NEW.document) AS members
    WHERE typeof(members.key) = 'text' AND members.fullkey NOT LIKE '%[%'
    ON CONFLICT DO NOTHING;
END;

-- ==============================================================================================
-- job_result_values: the members of result documents
-- ==============================================================================================

-- The members of the objects of a result's document, however deep, by their path as `json_tree` spells it.
-- Items of arrays, which may be many, are not here. The value is a number, the first 255 characters of a
-- text, or NULL for anything else; NULL, numbers and texts follow each other in the index.
CREATE TABLE job_result_values (
    job_id  INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    path    TEXT    NOT NULL,
    value   ANY     CHECK (typeof(value) IN ('real', 'text', 'null')),
    PRIMARY KEY (job_id, attempt, path),
    FOREIGN KEY (job_id, attempt) REFERENCES job_results (job_id, attempt) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- The results that have something at a path: anything, a number in a range, a text in a range.
CREATE INDEX job_result_values_by_value ON job_result_values (path, value);

-- ==============================================================================================
-- job_events: the history of jobs
-- ==============================================================================================

-- One row for each change, written in the transaction of the change. `sequence` is the order in which
-- they were committed: there is one writer at a time.
CREATE TABLE job_events (
    sequence    INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id      INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    attempt     INTEGER NOT NULL CHECK (attempt >= 1),
    at          INTEGER NOT NULL,
    kind        TEXT    NOT NULL CHECK (length(kind) BETWEEN 1 AND 64 AND kind GLOB '[a-z]*' AND kind NOT GLOB '*[^a-z_]*'),
    from_status TEXT,
    to_status   TEXT,
    actor       TEXT    NOT NULL CHECK (length(actor) BETWEEN 1 AND 255),
    detail      TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(detail) AND json_type(detail) = 'object'),
    -- The process that made the change, where known.
    host        TEXT    CHECK (length(host) BETWEEN 1 AND 255),
    pid         INTEGER CHECK (pid BETWEEN 1 AND 4294967295)
) STRICT;

-- The history of a job, oldest first.
CREATE INDEX job_events_by_job ON job_events (job_id);

-- ==============================================================================================
-- store_events: what outlives the job or cluster that it tells of
-- ==============================================================================================

-- That a job left the store, and what became of clusters; numbered with job_events, by its row of
-- sqlite_sequence. It hangs on nothing.
CREATE TABLE store_events (
    sequence    INTEGER PRIMARY KEY,
    job_id      INTEGER,
    cluster_id  INTEGER,
    attempt     INTEGER CHECK (attempt >= 1),
    at          INTEGER NOT NULL,
    kind        TEXT    NOT NULL CHECK (length(kind) BETWEEN 1 AND 64 AND kind GLOB '[a-z]*' AND kind NOT GLOB '*[^a-z_]*'),
    from_status TEXT,
    actor       TEXT    NOT NULL CHECK (length(actor) BETWEEN 1 AND 255),
    detail      TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(detail) AND json_type(detail) = 'object'),
    host        TEXT    CHECK (length(host) BETWEEN 1 AND 255),
    pid         INTEGER CHECK (pid BETWEEN 1 AND 4294967295),
    CHECK ((job_id IS NULL) <> (cluster_id IS NULL)),
    CHECK ((job_id IS NULL) = (attempt IS NULL))
) STRICT;

-- What became of a job, and of a cluster, oldest first.
CREATE INDEX store_events_by_job ON store_events (job_id) WHERE job_id IS NOT NULL;
CREATE INDEX store_events_by_cluster ON store_events (cluster_id) WHERE cluster_id IS NOT NULL;
-- Jobs that left the store long ago.
CREATE INDEX store_events_departed ON store_events (at) WHERE job_id IS NOT NULL;

-- How far the history has been forgotten.
CREATE TABLE events_forgotten (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    newest INTEGER NOT NULL DEFAULT 0 CHECK (newest >= 0)
) STRICT;

INSERT INTO events_forgotten (id) VALUES (1);

-- An event that goes leaves its number here.
CREATE TRIGGER store_events_forgotten AFTER DELETE ON store_events
WHEN OLD.sequence > (SELECT newest FROM events_forgotten)
BEGIN
    UPDATE events_forgotten SET newest = OLD.sequence;
END;
