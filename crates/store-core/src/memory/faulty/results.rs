//! Faults of results.

use crate::error::{Error, Result};
use crate::ids::JobId;
use crate::memory::unit::Writing;
use crate::repo::{ResultRead, ResultWrite};
use crate::result::{JobResult, NewResult, Recorded};

use super::Fault;
use super::unit::pass_on;

pass_on! {
    impl<Mode> ResultRead for Mode {
        fn newest_result(job: JobId) -> Option<JobResult>;
        fn results_of(job: JobId) -> Vec<JobResult>;
    }
}

pass_on! {
    impl<> ResultWrite for Writing {
        fn replace_result(job: JobId, result: &NewResult) -> Recorded;
    } but {
        fn record_result(&self, job: JobId, result: &NewResult) -> Result<Recorded> {
            match self.inner.record_result(job, result) {
                Err(Error::Conflict { .. }) if self.fault == Fault::OverwritesResults => {
                    self.inner.replace_result(job, result)
                }
                answer => answer,
            }
        }

        fn record_results(&self, results: &[(JobId, NewResult)]) -> Result<Vec<Recorded>> {
            match self.fault {
                Fault::OverwritesResults | Fault::StopsHalfway => {
                    results.iter().map(|(job, result)| self.record_result(*job, result)).collect()
                }
                _ => self.inner.record_results(results),
            }
        }
    }
}
