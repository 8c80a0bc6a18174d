-- Events that outlive what they tell of: a job that left the store, and what became of clusters. So they hang on no
-- row. They take their places among the events of jobs, whose numbers SQLite counts in sqlite_sequence.
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

-- The first event of all may be one of these.
INSERT INTO sqlite_sequence (name, seq)
SELECT 'job_events', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'job_events');
