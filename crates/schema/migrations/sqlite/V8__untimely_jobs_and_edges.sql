-- Lists by when jobs were queued, began or ended are entered by their time of creation, which is not later.
-- The few of which that is not true, because the clock was set back, are found here.
CREATE INDEX jobs_untimely ON jobs (created_at)
    WHERE queued_at < created_at OR started_at < created_at OR finished_at < created_at;

-- Edges are made by the hundred thousand. For a list of three SQLite builds a table each time a row is written;
-- two by two it compares, which takes half the time. What looks at edges by triggers is written again.
DROP TRIGGER jobs_queue_on_entry;
DROP TRIGGER jobs_dependents_on_update;

CREATE TABLE job_dependencies_compared (
    job_id     INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    depends_on INTEGER NOT NULL REFERENCES jobs (id) ON DELETE RESTRICT,
    kind       TEXT    NOT NULL CHECK (kind IN ('after_ok', 'after_any') OR kind = 'after_failed'),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (job_id, depends_on),
    CHECK (job_id <> depends_on)
) STRICT, WITHOUT ROWID;

INSERT INTO job_dependencies_compared (job_id, depends_on, kind, created_at)
SELECT job_id, depends_on, kind, created_at FROM job_dependencies ORDER BY job_id, depends_on;

DROP TABLE job_dependencies;
ALTER TABLE job_dependencies_compared RENAME TO job_dependencies;

CREATE INDEX job_dependencies_by_parent ON job_dependencies (depends_on, kind);

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

