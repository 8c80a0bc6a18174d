//! Faults of results.

use crate::error::{Error, Result};
use crate::ids::JobId;
use crate::lease::Under;
use crate::memory::unit::Writing;
use crate::repo::{ResultRead, ResultWrite};
use crate::result::{JobResult, NewResult, Recorded};

use super::Fault;
use super::unit::{FaultyUnit, pass_on};

pass_on! {
    impl<Mode> ResultRead for Mode {
        fn newest_result(job: JobId) -> Option<JobResult>;
        fn results_of(job: JobId) -> Vec<JobResult>;
    }
}

impl FaultyUnit<'_, Writing> {
    /// What a result is recorded of: with the fault, without a look at the lease.
    fn fenced_result(&self, job: impl Into<Under<JobId>>) -> Under<JobId> {
        let job = job.into();
        if self.fault == Fault::TakesLateResults { job.what.into() } else { job }
    }
}

pass_on! {
    impl<> ResultWrite for Writing {
    } but {
        fn replace_result(
            &self,
            job: impl Into<Under<JobId>>,
            result: &NewResult,
        ) -> Result<Recorded> {
            self.inner.replace_result(self.fenced_result(job), result)
        }

        fn record_result(
            &self,
            job: impl Into<Under<JobId>>,
            result: &NewResult,
        ) -> Result<Recorded> {
            let job = self.fenced_result(job);
            match self.inner.record_result(job, result) {
                Err(Error::Conflict { .. }) if self.fault == Fault::OverwritesResults => {
                    self.inner.replace_result(job, result)
                }
                answer => answer,
            }
        }

        fn record_results<J>(&self, results: &[(J, NewResult)]) -> Result<Vec<Recorded>>
        where
            J: Into<Under<JobId>> + Copy,
        {
            match self.fault {
                Fault::OverwritesResults | Fault::StopsHalfway => {
                    results.iter().map(|(job, result)| self.record_result(*job, result)).collect()
                }
                _ => {
                    let each = |(job, new): &(J, NewResult)| (self.fenced_result(*job), new.clone());
                    let results: Vec<_> = results.iter().map(each).collect();
                    self.inner.record_results(&results)
                }
            }
        }
    }
}
