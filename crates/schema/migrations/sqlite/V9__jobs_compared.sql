-- Each write of a job checks its words. For a list of more than two SQLite builds a table each time; two by two it
-- compares, which takes a seventh of the work off a creation and off a change of status. What is accepted is
-- what was. SQLite cannot change a check in place: the table is made anew, with all that is on it.

-- What names it elsewhere is out of the way meanwhile.
DROP TRIGGER job_tags_created_on_insert;
DROP TRIGGER job_tags_created_on_update;
DROP VIEW indexed_job_texts;

CREATE TABLE jobs_compared (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid            BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
    name            TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    work_dir        TEXT    NOT NULL UNIQUE CHECK (work_dir GLOB '/*'),
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
    cluster_id      INTEGER REFERENCES clusters (id) ON DELETE RESTRICT,
    memory_mib      INTEGER CHECK (memory_mib BETWEEN 1 AND 4294967295),
    not_before      INTEGER,
    policy          TEXT    CHECK (json_valid(policy) AND json_type(policy) = 'object'),
    claims          INTEGER NOT NULL DEFAULT 0 CHECK (claims >= 0),
    cancel_requested_at INTEGER CHECK (cancel_requested_at IS NULL OR status = 'RUNNING'),
    probe_since     INTEGER CHECK (probe_since IS NULL OR status = 'RUNNING'),
    lane_id         INTEGER REFERENCES job_lanes (id) ON DELETE RESTRICT,
    cached_from     BLOB    CHECK (length(cached_from) = 16),
    CHECK (cached_from IS NULL OR status = 'COMPLETED'),
    CHECK (status <> 'QUEUED' OR queued_at IS NOT NULL),
    CHECK (status <> 'RUNNING' OR started_at IS NOT NULL),
    CHECK ((status IN ('COMPLETED', 'FAILED') OR status = 'CANCELLED') = (finished_at IS NOT NULL))
) STRICT;

INSERT INTO jobs_compared (
    id, uuid, name, work_dir, status, attempt, code, runner, workflow, priority, nodes, mpi_ranks, threads, pid,
    host, idempotency_key, created_at, queued_at, started_at, finished_at, updated_at, archived_at, cluster_id,
    memory_mib, not_before, policy, claims, cancel_requested_at, probe_since, lane_id, cached_from
)
SELECT
    id, uuid, name, work_dir, status, attempt, code, runner, workflow, priority, nodes, mpi_ranks, threads, pid,
    host, idempotency_key, created_at, queued_at, started_at, finished_at, updated_at, archived_at, cluster_id,
    memory_mib, not_before, policy, claims, cancel_requested_at, probe_since, lane_id, cached_from
FROM jobs ORDER BY id;

-- Ids never come back: the counter goes with the table that is dropped.
DELETE FROM sqlite_sequence WHERE name = 'jobs_compared';
INSERT INTO sqlite_sequence (name, seq)
SELECT 'jobs_compared', seq FROM sqlite_sequence WHERE name = 'jobs';

DROP TABLE jobs;
ALTER TABLE jobs_compared RENAME TO jobs;

CREATE INDEX jobs_by_created ON jobs (archived, created_at);
CREATE INDEX jobs_by_status ON jobs (archived, status, created_at);
CREATE INDEX jobs_by_code ON jobs (archived, code, created_at);
CREATE INDEX jobs_by_workflow ON jobs (workflow, created_at) WHERE workflow IS NOT NULL;
CREATE INDEX jobs_by_cluster ON jobs (cluster_id, created_at) WHERE cluster_id IS NOT NULL;
CREATE UNIQUE INDEX jobs_by_idempotency_key ON jobs (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX jobs_to_probe ON jobs (probe_since) WHERE probe_since IS NOT NULL;
CREATE INDEX jobs_to_cancel ON jobs (cancel_requested_at) WHERE cancel_requested_at IS NOT NULL;
CREATE INDEX jobs_by_runner ON jobs (archived, runner, created_at);
CREATE INDEX jobs_by_priority ON jobs (archived, priority);
CREATE INDEX jobs_by_name ON jobs (archived, name);
CREATE INDEX jobs_by_queued ON jobs (queued_at) WHERE queued_at IS NOT NULL;
CREATE INDEX jobs_by_started ON jobs (started_at) WHERE started_at IS NOT NULL;
CREATE INDEX jobs_by_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_untimely ON jobs (created_at)
    WHERE queued_at < created_at OR started_at < created_at OR finished_at < created_at;

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

CREATE VIEW indexed_job_texts AS
SELECT id, name, work_dir FROM jobs WHERE id <= (SELECT indexed_to FROM job_text_progress);

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
