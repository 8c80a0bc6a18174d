-- Jobs, their input decks, the status machine and the counts by status.

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
    ('FAILED',    'PENDING',   1),
    ('FAILED',    'QUEUED',    1),
    ('CANCELLED', 'PENDING',   1),
    ('CANCELLED', 'QUEUED',    1);

-- One calculation. The row is narrow on purpose: lists read it by the thousand, and the deck is
-- elsewhere. AUTOINCREMENT because an id names a directory and must never come back.
CREATE TABLE jobs (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid            BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
    name            TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    work_dir        TEXT    NOT NULL UNIQUE CHECK (work_dir GLOB '/*'),
    status          TEXT    NOT NULL
                    CHECK (status IN ('PENDING', 'QUEUED', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')),
    attempt         INTEGER NOT NULL DEFAULT 1 CHECK (attempt >= 1),
    code            TEXT    NOT NULL
                    CHECK (length(code) BETWEEN 1 AND 64 AND code GLOB '[a-z]*' AND code NOT GLOB '*[^a-z0-9_]*'),
    runner          TEXT    NOT NULL CHECK (runner IN ('local', 'ssh', 'slurm')),
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
    CHECK (status <> 'QUEUED' OR queued_at IS NOT NULL),
    CHECK (status <> 'RUNNING' OR started_at IS NOT NULL),
    CHECK ((status IN ('COMPLETED', 'FAILED', 'CANCELLED')) = (finished_at IS NOT NULL))
) STRICT;

-- Newest first: every list without a narrower filter.
CREATE INDEX jobs_by_created ON jobs (archived, created_at);
-- Newest first of one status; the scheduler's and the UI's tabs.
CREATE INDEX jobs_by_status ON jobs (archived, status, created_at);
-- Newest first of one code.
CREATE INDEX jobs_by_code ON jobs (archived, code, created_at);
-- Newest first of one workflow.
CREATE INDEX jobs_by_workflow ON jobs (workflow, created_at) WHERE workflow IS NOT NULL;
-- One job an idempotency key.
CREATE UNIQUE INDEX jobs_by_idempotency_key ON jobs (idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TRIGGER jobs_status_transition BEFORE UPDATE OF status, attempt ON jobs
WHEN (OLD.status <> NEW.status OR OLD.attempt <> NEW.attempt)
    AND NOT EXISTS (
        SELECT 1 FROM job_status_transitions
        WHERE from_status = OLD.status AND to_status = NEW.status
            AND opens_attempt = NEW.attempt - OLD.attempt)
BEGIN
    SELECT RAISE(ABORT, 'illegal status transition');
END;

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

-- The input deck of a job: its hash, and its files one by one (a VASP set has several).
CREATE TABLE job_inputs (
    job_id     INTEGER PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    sha256     BLOB    NOT NULL CHECK (length(sha256) = 32),
    updated_at INTEGER NOT NULL
) STRICT;

-- Jobs with the same input.
CREATE INDEX job_inputs_by_sha256 ON job_inputs (sha256);

CREATE TABLE job_input_files (
    job_id  INTEGER NOT NULL REFERENCES job_inputs (job_id) ON DELETE CASCADE,
    name    TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 255 AND name NOT GLOB '*/*'),
    content TEXT    NOT NULL,
    PRIMARY KEY (job_id, name)
) STRICT;
