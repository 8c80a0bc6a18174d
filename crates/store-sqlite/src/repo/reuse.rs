//! Results that are used again.

use rusqlite::params;
use store_core::event::NewEvent;
use store_core::{Code, InputHash, Job, NewJob, Result, Reuse, reuse};

use super::jobs;
use super::results;
use crate::unit::{Mode, Unit, Writing};

/// Along the jobs of one input, newest first: the first one that fits ends it.
pub(super) const COMPLETED: &str = concat!(
    "SELECT ",
    jobs::columns!(),
    " FROM job_inputs INDEXED BY job_inputs_by_sha256 \
     CROSS JOIN jobs NOT INDEXED ON jobs.id = job_inputs.job_id \
     CROSS JOIN job_results ON job_results.job_id = jobs.id AND job_results.attempt = jobs.attempt \
     WHERE job_inputs.sha256 = ?1 AND jobs.code = ?2 AND jobs.status = 'COMPLETED' \
     AND (?3 OR job_results.convergence = 'converged') \
     ORDER BY job_inputs.job_id DESC LIMIT 1"
);

impl<M: Mode> Unit<'_, M> {
    pub(super) fn completed_with(
        &self,
        code: &Code,
        input: InputHash,
        which: Reuse,
    ) -> Result<Option<Job>> {
        let any = which == Reuse::AnyResult;
        let params = params![input.as_bytes().as_slice(), code.as_str(), any];
        self.find(COMPLETED, params, jobs::decode)
    }
}

impl Unit<'_, Writing> {
    /// The job that `new` makes as it is to be stored, its event, and the result that it begins with.
    pub(super) fn with_earlier_result(
        &self,
        new: &NewJob,
        job: Job,
    ) -> Result<(Job, NewEvent, Option<store_core::JobResult>)> {
        let source = match new.wanted_result() {
            Some((input, which)) => self.completed_with(&new.code, input, which)?,
            None => None,
        };
        let result = match &source {
            Some(source) => self.find(
                results::OF_ATTEMPT,
                params![source.id.get(), source.attempt],
                results::decode,
            )?,
            None => None,
        };
        let (Some(source), Some(result)) = (source, result) else {
            let event = NewEvent::created(&job);
            return Ok((job, event, None));
        };
        let (job, result, event) = reuse::complete(job, &source, &result)?;
        Ok((job, event, Some(result)))
    }
}
