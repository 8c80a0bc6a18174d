//! Jobs that wait for something that can no longer happen: they are held, or cancelled if they ask for it.

use crate::dependency::{Readiness, Unmet};
use crate::error::Result;
use crate::job::Job;
use crate::policy::OnUnsatisfiable;
use crate::query::{Cursor, Page};
use crate::status::{self, JobStatus, StatusChange, Step};
use crate::time::Timestamp;

/// A job that is held: PENDING or QUEUED, and not to start before another job is retried.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldJob {
    /// The job.
    pub job: Job,
    /// Its dependencies that can no longer be met, in order of the other jobs' ids; at least one.
    pub reasons: Vec<Unmet>,
}

/// Held jobs of one page, newest first, ties by id.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldPage {
    /// The jobs.
    pub jobs: Vec<HeldJob>,
    /// Where the next page begins; none where this was the last.
    pub next: Option<Cursor>,
}

impl HeldPage {
    /// Makes a page of up to one job more than its limit; that one says that there is a next page.
    pub fn from_jobs(mut jobs: Vec<HeldJob>, page: Page) -> Self {
        let limit = page.limit() as usize;
        let more = jobs.len() > limit;
        jobs.truncate(limit);
        let next = if more { jobs.last().map(|held| Cursor::after(&held.job)) } else { None };
        Self { jobs, next }
    }
}

/// Whether a job has not started and is to be cancelled rather than held.
pub fn asks_to_be_cancelled(job: &Job) -> bool {
    matches!(job.status, JobStatus::Pending | JobStatus::Queued)
        && job.policy.on_unsatisfiable == OnUnsatisfiable::Cancel
}

/// The end of a job that asks to be cancelled, once one of its dependencies can no longer be met; the
/// first of them, by the other job's id, is the reason. Nothing is to be stored for any other job.
///
/// A store asks whenever it may have become so: another job has ended, an edge was added, the job was
/// created, queued again, retried, or given another policy. So no such job is ever held.
///
/// # Errors
/// None that a caller could cause.
pub fn settle(job: &Job, readiness: &Readiness, now: Timestamp) -> Result<Option<Step>> {
    let Readiness::Unsatisfiable(reasons) = readiness else { return Ok(None) };
    let Some(first) = reasons.first().filter(|_| asks_to_be_cancelled(job)) else {
        return Ok(None);
    };
    let reason = format!("can no longer start {first}");
    let cancel = StatusChange::to(JobStatus::Cancelled).because(reason);
    let step = status::change(job, &cancel, None, now)?;
    Ok(step.map(|mut step| {
        step.event = step.event.with("because_of", first.depends_on.get());
        step
    }))
}
