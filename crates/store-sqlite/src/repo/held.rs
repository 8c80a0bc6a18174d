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
            " FROM jobs INDEXED BY jobs_held WHERE jobs.unsatisfiable_dependencies > 0 \
             AND jobs.status IN ('PENDING', 'QUEUED')",
            $after,
            " ORDER BY jobs.created_at DESC, jobs.id DESC LIMIT ?1"
        )
    };
}

pub(super) const HELD: &str = held!("");
pub(super) const HELD_AFTER: &str = held!(" AND (jobs.created_at, jobs.id) < (?2, ?3)");
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
        let jobs = match page.cursor() {
            None => self.list(HELD, [limit], decode)?,
            Some(after) => {
                let params = params![limit, micros(after.created_at), after.id.get()];
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
        Ok(HeldPage::from_jobs(with_reasons.collect::<Result<_>>()?, page))
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

    /// The jobs that `ended` lets down by its status and that ask to be cancelled then.
    fn asking_children(&self, ended: JobId, status: JobStatus) -> Result<Vec<Job>> {
        let mut children = Vec::new();
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
        self.store_alone(&step)?;
        Ok(true)
    }
}
