-- Most jobs that end are waited for by none, and then nothing is to be done. As the trigger was, SQLite
-- built a table for each of its lists and subqueries all the same, five for the end of a job.
DROP TRIGGER jobs_dependents_on_update;

CREATE TRIGGER jobs_dependents_on_update AFTER UPDATE OF status ON jobs
WHEN OLD.status <> NEW.status
    AND (OLD.finished_at IS NOT NULL OR NEW.finished_at IS NOT NULL)
    AND EXISTS (SELECT 1 FROM job_dependencies WHERE depends_on = NEW.id)
BEGIN
    UPDATE jobs SET
        waiting_dependencies = waiting_dependencies
            + (SELECT waiting FROM dependency_verdicts WHERE kind = 'after_ok' AND status = NEW.status)
            - (SELECT waiting FROM dependency_verdicts WHERE kind = 'after_ok' AND status = OLD.status),
        unsatisfiable_dependencies = unsatisfiable_dependencies
            + (SELECT unsatisfiable FROM dependency_verdicts WHERE kind = 'after_ok' AND status = NEW.status)
            - (SELECT unsatisfiable FROM dependency_verdicts WHERE kind = 'after_ok' AND status = OLD.status)
    WHERE id IN (SELECT job_id FROM job_dependencies WHERE depends_on = NEW.id AND kind = 'after_ok');
    UPDATE jobs SET
        waiting_dependencies = waiting_dependencies
            + (SELECT waiting FROM dependency_verdicts WHERE kind = 'after_any' AND status = NEW.status)
            - (SELECT waiting FROM dependency_verdicts WHERE kind = 'after_any' AND status = OLD.status),
        unsatisfiable_dependencies = unsatisfiable_dependencies
            + (SELECT unsatisfiable FROM dependency_verdicts WHERE kind = 'after_any' AND status = NEW.status)
            - (SELECT unsatisfiable FROM dependency_verdicts WHERE kind = 'after_any' AND status = OLD.status)
    WHERE id IN (SELECT job_id FROM job_dependencies WHERE depends_on = NEW.id AND kind = 'after_any');
    UPDATE jobs SET
        waiting_dependencies = waiting_dependencies
            + (SELECT waiting FROM dependency_verdicts WHERE kind = 'after_failed' AND status = NEW.status)
            - (SELECT waiting FROM dependency_verdicts WHERE kind = 'after_failed' AND status = OLD.status),
        unsatisfiable_dependencies = unsatisfiable_dependencies
            + (SELECT unsatisfiable FROM dependency_verdicts WHERE kind = 'after_failed' AND status = NEW.status)
            - (SELECT unsatisfiable FROM dependency_verdicts WHERE kind = 'after_failed' AND status = OLD.status)
    WHERE id IN (SELECT job_id FROM job_dependencies WHERE depends_on = NEW.id AND kind = 'after_failed');
END;
