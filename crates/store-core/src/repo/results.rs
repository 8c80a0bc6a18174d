//! Results of jobs.

use crate::error::Result;
use crate::ids::JobId;
use crate::lease::{Under, under_each};
use crate::result::{JobResult, NewResult, Recorded};
use crate::store::Store;

/// Reading results.
pub trait ResultRead {
    /// The result of a job's newest attempt that has one.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such job.
    fn newest_result(&self, job: JobId) -> Result<Option<JobResult>>;

    /// The results of all attempts of a job, oldest first.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such job.
    fn results_of(&self, job: JobId) -> Result<Vec<JobResult>>;
}

/// Writing results. The job's worker gives its lease's key in the place of the job's id.
pub trait ResultWrite: ResultRead {
    /// Records the result of a job's present attempt. The job's status is not touched; write both in
    /// one unit of work to have them land together. The same result again changes nothing.
    ///
    /// # Errors
    /// [`Error::LeaseLost`](crate::Error::LeaseLost);
    /// [`Error::Conflict`](crate::Error::Conflict) on `attempt`, where it has another result;
    /// [`Error::NotFound`](crate::Error::NotFound) for the job.
    fn record_result(&self, job: impl Into<Under<JobId>>, result: &NewResult) -> Result<Recorded>;

    /// Records the results of many jobs, in order; all or none. Each may be under a lease of its own.
    ///
    /// # Errors
    /// As [`record_result`](Self::record_result), for the first result that is refused.
    fn record_results<J>(&self, results: &[(J, NewResult)]) -> Result<Vec<Recorded>>
    where
        J: Into<Under<JobId>> + Copy;

    /// Puts another result in the place of the present attempt's, for a parser that has learnt. The
    /// history keeps the old one.
    ///
    /// # Errors
    /// [`Error::LeaseLost`](crate::Error::LeaseLost);
    /// [`Error::NotFound`](crate::Error::NotFound) for the job, or a result to replace.
    fn replace_result(&self, job: impl Into<Under<JobId>>, result: &NewResult) -> Result<Recorded>;
}

impl<S: Store> ResultRead for S {
    #[track_caller]
    fn newest_result(&self, job: JobId) -> Result<Option<JobResult>> {
        self.read(|r| r.newest_result(job))
    }

    #[track_caller]
    fn results_of(&self, job: JobId) -> Result<Vec<JobResult>> {
        self.read(|r| r.results_of(job))
    }
}

impl<S: Store> ResultWrite for S {
    #[track_caller]
    fn record_result(&self, job: impl Into<Under<JobId>>, result: &NewResult) -> Result<Recorded> {
        let (job, result) = (job.into(), result.clone());
        self.change(move |w| w.record_result(job, &result))
    }

    #[track_caller]
    fn record_results<J>(&self, results: &[(J, NewResult)]) -> Result<Vec<Recorded>>
    where
        J: Into<Under<JobId>> + Copy,
    {
        let results = under_each(results);
        self.write_steps(results.len(), move |w| w.record_results(&results))
    }

    #[track_caller]
    fn replace_result(&self, job: impl Into<Under<JobId>>, result: &NewResult) -> Result<Recorded> {
        let (job, result) = (job.into(), result.clone());
        self.change(move |w| w.replace_result(job, &result))
    }
}
