//! Jobs that wait for something that can no longer happen.

use std::collections::VecDeque;

use rusqlite::params;
use store_core::dependency::Verdict;
use store_core::held::{self, asks_to_be_cancelled};
use store_core::repo::DependencyRead;
use store_core::status::Step;
use store_core::{
    DependencyKind, HeldJob, HeldPage, Job, JobId, JobStatus, Page, Readiness, Result,
};

use super::jobs::{columns, decode};
use crate::codec::micros;
use crate::unit::{Mode, Unit, Writing};

macro_rules! held {
    ($after:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM job_queue AS queue INDEXED BY job_queue_held \
             CROSS JOIN jobs NOT INDEXED ON jobs.id = queue.job_id WHERE queue.unsatisfiable > 0",
            $after,
            " ORDER BY queue.created_at DESC, queue.job_id DESC LIMIT ?1 + 0"
        )
    };
}

pub(super) const HELD: &str = held!("");
pub(super) const HELD_AFTER: &str = held!(" AND (queue.created_at, queue.job_id) < (?2, ?3)");
pub(super) const ASKING_CHILDREN: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM job_dependencies AS edges INDEXED BY job_dependencies_by_parent \
     CROSS JOIN jobs NOT INDEXED ON jobs.id = edges.job_id \
     WHERE edges.depends_on = ?1 AND edges.kind = ?2 AND jobs.status IN ('PENDING', 'QUEUED') \
     AND jobs.policy ->> 'on_unsatisfiable' = 'cancel'"
);

impl<M: Mode> Unit<'_, M> {
    pub(super) fn page_of_held_jobs(&self, page: Page) -> Result<HeldPage> {
        // One more than the page tells whether there is a next page.
        let limit = i64::from(page.limit()) + 1;
        let jobs = match HeldPage::begins(&page)? {
            None => self.list(HELD, [limit], decode)?,
            Some((created_at, id)) => {
                let params = params![limit, micros(created_at), id.get()];
                self.list(HELD_AFTER, params, decode)?
            }
        };
        let with_reasons = jobs.into_iter().map(|job| {
            let reasons = match self.readiness(job.id)? {
                Readiness::Unsatisfiable(reasons) => reasons,
                Readiness::Ready | Readiness::Waiting(_) => Vec::new(),
            };
            Ok(HeldJob { job, reasons })
        });
        Ok(HeldPage::from_jobs(with_reasons.collect::<Result<_>>()?, &page))
    }
}

impl Unit<'_, Writing> {
    /// Does what follows of a job's row for those that ask to be cancelled rather than held: for the job
    /// itself, and when it has ended for those that wait for it, all the way down.
    pub(super) fn settle(&self, job: &Job) -> Result<()> {
        let mut front = VecDeque::new();
        if job.status.is_terminal() {
            front.push_back((job.id, job.status));
        } else if self.cancel_unsatisfiable(job)? {
            front.push_back((job.id, JobStatus::Cancelled));
        }
        while let Some((ended, status)) = front.pop_front() {
            for child in self.asking_children(ended, status)? {
                if self.cancel_unsatisfiable(&child)? {
                    front.push_back((child.id, JobStatus::Cancelled));
                }
            }
        }
        Ok(())
    }

    /// Whether a job has ended and lets down others that ask to be cancelled then.
    pub(super) fn lets_down(&self, job: &Job) -> Result<bool> {
        Ok(job.status.is_terminal() && !self.asking_children(job.id, job.status)?.is_empty())
    }

    /// The jobs that `ended` lets down by its status and that ask to be cancelled then.
    fn asking_children(&self, ended: JobId, status: JobStatus) -> Result<Vec<Job>> {
        let mut children = Vec::new();
        // Mostly nobody waits, which a probe says sooner.
        if !self.has_dependents(ended)? {
            return Ok(children);
        }
        let let_down = |kind: &&DependencyKind| kind.verdict(status) == Verdict::Unsatisfiable;
        for kind in DependencyKind::ALL.iter().filter(let_down) {
            let params = params![ended.get(), kind.as_str()];
            children.extend(self.list(ASKING_CHILDREN, params, decode)?);
        }
        children.sort_unstable_by_key(|child| child.id);
        Ok(children)
    }

    /// Whether it was to be cancelled.
    fn cancel_unsatisfiable(&self, job: &Job) -> Result<bool> {
        if !asks_to_be_cancelled(job) {
            return Ok(false);
        }
        let step: Option<Step> = held::settle(job, &self.readiness(job.id)?, self.now())?;
        let Some(step) = step else { return Ok(false) };
        self.store_alone(step)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use store_core::dependency::Verdict;
    use store_core::prelude::*;
    use store_core::{Code, DependencyKind, JobStatus, NewJob, Placement, Result, WorkDir};

    use crate::error::Meaning;
    use crate::{CheckDepth, Options, SqliteStore};

    fn opened(scratch: &tempfile::TempDir) -> SqliteStore {
        Options::new(scratch.path().join("project.db")).open().expect("opened")
    }

    #[test]
    fn the_table_of_verdicts_says_what_the_domain_says() -> Result<()> {
        let scratch = tempfile::tempdir().expect("a directory");
        let store = opened(&scratch);
        let found = store.on_reader(|_, connection| {
            let sql = "SELECT kind, status, waiting, unsatisfiable FROM dependency_verdicts";
            let mut statement = connection.prepare(sql).meaning()?;
            let rows = statement.query_map([], |row| {
                let (waiting, unsatisfiable): (bool, bool) = (row.get(2)?, row.get(3)?);
                Ok(((row.get(0)?, row.get(1)?), (waiting, unsatisfiable)))
            });
            rows.and_then(Iterator::collect::<rusqlite::Result<BTreeMap<(String, String), _>>>)
                .meaning()
        })?;
        let mut expected = BTreeMap::new();
        for kind in DependencyKind::ALL {
            for status in JobStatus::ALL {
                let verdict = kind.verdict(*status);
                let says = (verdict == Verdict::Waiting, verdict == Verdict::Unsatisfiable);
                expected.insert((kind.to_string(), status.to_string()), says);
            }
        }
        assert_eq!(found, expected);
        Ok(())
    }

    #[test]
    fn a_check_names_a_job_whose_row_of_the_queue_is_wrong() -> Result<()> {
        let scratch = tempfile::tempdir().expect("a directory");
        let store = opened(&scratch);
        let base = WorkDir::new("/scratch")?;
        let new = || NewJob::new("MgO", Code::Crystal, Placement::Under(base.clone()));
        let parent = store.create_job(&new())?.id;
        store.create_job(&new().after(parent, DependencyKind::AfterOk))?;
        assert!(store.check(CheckDepth::Quick)?.is_ok());
        let opened = store.opened()?;
        let writer = opened.writer.as_ref().expect("it writes");
        let counted = "job_queue: job 2 has 2 obstacles and 3 unsatisfiable dependencies there, \
                       2 and 0 were counted";
        let misplaced = "job_queue: the row of job 2 is not what jobs says";
        for (planted, told) in [
            ("UPDATE job_queue SET unsatisfiable = 3 WHERE job_id = 2", counted),
            ("UPDATE job_queue SET unsatisfiable = 0, priority = 9 WHERE job_id = 2", misplaced),
            ("DELETE FROM job_queue WHERE job_id = 2", misplaced),
        ] {
            writer.in_turn(|connection| connection.execute_batch(planted).meaning())?;
            assert_eq!(store.check(CheckDepth::Quick)?.problems, [told], "{planted}");
        }
        Ok(())
    }
}
