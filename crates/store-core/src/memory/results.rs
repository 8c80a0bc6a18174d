//! Results in memory.

use std::sync::Arc;

use crate::error::Result;
use crate::event::NewEvent;
use crate::ids::JobId;
use crate::job::Job;
use crate::lease::Under;
use crate::repo::{ResultRead, ResultWrite};
use crate::result::{self, JobResult, NewResult, Recorded};
use crate::time::Timestamp;

use super::state::State;
use super::unit::{Signature, Signer, Unit, Writing};

impl<Mode> ResultRead for Unit<'_, Mode> {
    fn newest_result(&self, job: JobId) -> Result<Option<JobResult>> {
        Ok(self.results_of(job)?.pop())
    }

    fn results_of(&self, job: JobId) -> Result<Vec<JobResult>> {
        let state = self.state();
        state.job(job)?;
        let of_job = state.results.values().filter(|result| result.job == job);
        Ok(of_job.map(|result| JobResult::clone(result)).collect())
    }
}

impl ResultWrite for Unit<'_, Writing> {
    fn record_result(&self, job: impl Into<Under<JobId>>, result: &NewResult) -> Result<Recorded> {
        let job = job.into();
        self.change(|state, signature| state.store_result(job, result, result::record, signature))
    }

    fn record_results<J>(&self, results: &[(J, NewResult)]) -> Result<Vec<Recorded>>
    where
        J: Into<Under<JobId>> + Copy,
    {
        self.change(|state, signature| {
            let record = |(job, new): &(J, NewResult)| {
                state.store_result((*job).into(), new, result::record, signature)
            };
            results.iter().map(record).collect()
        })
    }

    fn replace_result(&self, job: impl Into<Under<JobId>>, result: &NewResult) -> Result<Recorded> {
        let job = job.into();
        self.change(|state, signature| state.store_result(job, result, result::replace, signature))
    }
}

/// What the domain decides is to be stored: nothing, or a result and its event.
pub(super) type Decision = Option<(JobResult, NewEvent)>;

impl State {
    fn store_result(
        &mut self,
        job: Under<JobId>,
        new: &NewResult,
        decide: impl FnOnce(&Job, Option<&JobResult>, &NewResult, Timestamp) -> Result<Decision>,
        Signature { actor, now }: Signature<'_>,
    ) -> Result<Recorded> {
        let job = self.job_under(job)?;
        let decision = decide(job, self.present_result(job), new, now)?;
        Ok(self.put_result(decision, actor))
    }

    /// Stores what the domain decided.
    pub(super) fn put_result(&mut self, decision: Decision, signer: &Signer) -> Recorded {
        let Some((stored, event)) = decision else { return Recorded::Unchanged };
        let place = (stored.job, stored.attempt);
        self.results.insert(place, Arc::new(stored));
        self.record(event, signer);
        Recorded::Stored
    }
}
