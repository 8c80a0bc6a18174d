-- Finding: tags, the values of result documents, text in names and directories, and an index for each
-- filter and each order.

-- Newest first of one runner.
CREATE INDEX jobs_by_runner ON jobs (archived, runner, created_at);
-- The order of priorities, and that of names.
CREATE INDEX jobs_by_priority ON jobs (archived, priority);
CREATE INDEX jobs_by_name ON jobs (archived, name);
-- The jobs that were queued, began or ended in a range of time.
CREATE INDEX jobs_by_queued ON jobs (queued_at) WHERE queued_at IS NOT NULL;
CREATE INDEX jobs_by_started ON jobs (started_at) WHERE started_at IS NOT NULL;
CREATE INDEX jobs_by_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;

-- Jobs by energy, whatever its unit, ties by id: a range of energies, and their order. The attempt tells
-- whether it is the job's present one.
DROP INDEX job_results_by_energy;
CREATE INDEX job_results_by_energy ON job_results (energy_ev, job_id, attempt) WHERE energy_ev IS NOT NULL;

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

CREATE TRIGGER jobs_created_on_update AFTER UPDATE OF created_at ON jobs
WHEN OLD.created_at <> NEW.created_at
BEGIN
    UPDATE job_tags SET created_at = NEW.created_at WHERE job_id = NEW.id;
END;

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

INSERT INTO job_result_values (job_id, attempt, path, value)
SELECT job_results.job_id, job_results.attempt, members.fullkey,
    CASE WHEN members.type IN ('integer', 'real') THEN CAST(members.atom AS REAL)
         WHEN members.type = 'text' THEN substr(members.atom, 1, 255) END
FROM job_results CROSS JOIN json_tree(job_results.document) AS members
WHERE typeof(members.key) = 'text' AND members.fullkey NOT LIKE '%[%'
ORDER BY job_results.job_id, job_results.attempt, members.fullkey
ON CONFLICT DO NOTHING;

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

-- Text in names and directories: which jobs have three characters in a row, whatever their case. The texts
-- themselves stay in `jobs`, and where in them the three stand is not kept: who searches looks at the jobs
-- that it finds. New jobs are taken in 256 at a time, which costs each of them a fifth of being taken in
-- alone; who searches looks at the few that wait as well.
CREATE TABLE job_text_progress (
    only_row   INTEGER PRIMARY KEY CHECK (only_row = 1),
    -- The jobs with an id up to this one have been taken in.
    indexed_to INTEGER NOT NULL CHECK (indexed_to >= 0)
) STRICT;

INSERT INTO job_text_progress (only_row, indexed_to) SELECT 1, coalesce(max(id), 0) FROM jobs;

CREATE VIEW indexed_job_texts AS
SELECT id, name, work_dir FROM jobs WHERE id <= (SELECT indexed_to FROM job_text_progress);

CREATE VIRTUAL TABLE job_texts USING fts5(
    name, work_dir,
    content = 'indexed_job_texts', content_rowid = 'id', tokenize = 'trigram', detail = none, columnsize = 0
);

INSERT INTO job_texts (job_texts) VALUES ('rebuild');

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
