//! Reuse: a job that asks for it is completed at once where an earlier one has calculated the same.
//!
//! The same is the same code and the same input, by its hash. Nothing else is compared: not the version of
//! the code, which a store knows from results alone, and not the machine. Whoever changes the code calculates
//! anew by not asking.

use crate::error::Result;
use crate::event::{EventKind, NewEvent};
use crate::input::{InputDeck, InputHash};
use crate::job::{Job, NewJob};
use crate::result::{Convergence, JobResult, describe};
use crate::status::JobStatus;
use crate::time::Timestamp;

/// Which results may be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// Those that converged, as their output says.
    Converged,
    /// Any that a COMPLETED job has, also one that did not converge, or whose output does not say.
    AnyResult,
}

impl Reuse {
    /// Whether a result of this convergence may be used again.
    pub const fn admits(self, convergence: Convergence) -> bool {
        matches!((self, convergence), (Self::AnyResult, _) | (_, Convergence::Converged))
    }
}

impl NewJob {
    /// What to look for an earlier result by, where this job asks for one. A job without an input asks for
    /// nothing, and neither does one that waits for others: what they leave behind may be read too, and
    /// its own input does not say so.
    pub fn wanted_result(&self) -> Option<(InputHash, Reuse)> {
        let reuse = self.reuse.filter(|_| self.dependencies.is_empty())?;
        self.input.as_ref().map(|deck| (InputDeck::hash(deck), reuse))
    }
}

/// Completes `job`, just made by [`NewJob::to_job`], with the result of `source`: the job and the result as
/// they are to be stored, and the event of the creation, which stands for both. Backends store what this
/// returns.
///
/// The job is COMPLETED from the beginning and never ran, so it has no `queued_at` and no `started_at`.
/// `cached_from` is the job that calculated, also where `source` itself was completed from it. The result
/// keeps everything, its provenance among it, but for the moment at which it was recorded.
///
/// # Errors
/// [`Error::Bug`](crate::Error::Bug) where `result` is not that of `source`.
pub fn complete(job: Job, source: &Job, result: &JobResult) -> Result<(Job, JobResult, NewEvent)> {
    if (result.job, result.attempt) != (source.id, source.attempt) {
        let what =
            format!("the result of job {} was taken for one of job {}", result.job, source.id);
        return Err(crate::Error::Bug { what, source: None });
    }
    let now: Timestamp = job.created_at;
    let calculated = source.cached_from.unwrap_or(source.uuid);
    let job = Job {
        status: JobStatus::Completed,
        queued_at: None,
        finished_at: Some(now),
        cached_from: Some(calculated),
        ..job
    };
    let result =
        JobResult { job: job.id, attempt: job.attempt, recorded_at: now, ..result.clone() };
    let mut event = describe(NewEvent::of(&job, EventKind::Created, now), &result.result)
        .with("cached_from", calculated.to_string());
    event.to = Some(job.status);
    Ok((job, result, event))
}
