//! What a thread of a benchmark asks of a store, whatever the store is.

use std::path::Path;

use store_core::{JobStatus, NewJob, NewResult, NewWorkflow, Timestamp};

use super::find::By;
use super::work::Retired;
use crate::failure::Failure;

/// Why a call did not do its work.
#[derive(Debug)]
pub enum Trouble {
    /// "database is locked": it is counted and tried again, as a user would.
    Locked,
    /// Anything else ends the measurement.
    Failed(Failure),
}

/// The answer of a call.
pub type Answer<T> = Result<T, Trouble>;

impl Trouble {
    /// What cannot be.
    pub fn wrong(text: impl Into<String>) -> Self {
        Self::Failed(Failure::new(text))
    }
}

/// One thread's way to the database. Ids are plain numbers, as the references have them.
pub trait Client {
    /// Creates a job with its input and event, in a transaction of its own.
    fn create(&mut self, new: &NewJob) -> Answer<i64>;

    /// Creates jobs in one transaction.
    fn create_many(&mut self, new: &[NewJob]) -> Answer<()>;

    /// Creates a job and need not wait for it while fewer than `most` are under way. Says how many
    /// came to their end.
    fn create_in_flight(&mut self, new: &NewJob, _most: usize) -> Answer<u64> {
        self.create(new).map(|_| 1)
    }

    /// Waits for all that are under way, and says how many those were.
    fn land(&mut self) -> Answer<u64> {
        Ok(0)
    }

    /// Changes a status, with its event.
    fn change_status(&mut self, job: i64, from: JobStatus, to: JobStatus) -> Answer<()>;

    /// Changes statuses in one transaction, each with its event.
    fn change_statuses(&mut self, _changes: &[(i64, JobStatus, JobStatus)]) -> Answer<()> {
        Err(Trouble::wrong("this side changes one status at a time"))
    }

    /// Enqueues a job, claims one, and completes it: three transactions.
    fn pass_through_queue(&mut self, _new: &NewJob) -> Answer<()> {
        Err(Trouble::wrong("this side has no queue"))
    }

    /// Claims up to so many jobs in one transaction, and completes them in another where that is asked for; how
    /// many there were.
    fn claim(&mut self, _most: u32, _complete: bool) -> Answer<u32> {
        Err(Trouble::wrong("this side has no claims"))
    }

    /// Completes what the last call claimed and claims up to so many more, in one transaction; how many were
    /// completed, and how many claimed.
    fn complete_and_claim(&mut self, _most: u32) -> Answer<(u32, u32)> {
        Err(Trouble::wrong("this side completes and claims apart"))
    }

    /// Ends a RUNNING job well, with its event, so that those can be claimed that wait for it.
    fn finish_parent(&mut self, _job: i64) -> Answer<()> {
        Err(Trouble::wrong("nobody waits for a job on this side"))
    }

    /// Creates a graph of jobs, in one transaction.
    fn create_workflow(&mut self, _new: &NewWorkflow) -> Answer<()> {
        Err(Trouble::wrong("this side has no workflows"))
    }

    /// Lets jobs that ended go, into `archive` where they are moved; how many went, with how many events.
    /// None at the end.
    fn retire(&mut self, _how: Retired, _archive: &Path) -> Answer<(u64, u64)> {
        Err(Trouble::wrong("jobs stay on this side"))
    }

    /// Writes a result, with its event.
    fn write_result(&mut self, job: i64, result: &NewResult) -> Answer<()>;

    /// Writes the same result of several jobs in one transaction, each with its event.
    fn write_results(&mut self, _jobs: &[i64], _result: &NewResult) -> Answer<()> {
        Err(Trouble::wrong("this side writes one result at a time"))
    }

    /// Writes a result and ends the job, in one transaction, with an event each.
    fn finish(&mut self, job: i64, result: &NewResult) -> Answer<()>;

    /// Reads a job; its name.
    fn get(&mut self, job: i64) -> Answer<String>;

    /// Reads the newest jobs; their ids.
    fn newest(&mut self, jobs: u32) -> Answer<Vec<i64>>;

    /// Reads the statuses of jobs; how many there are.
    fn statuses(&mut self, jobs: &[i64]) -> Answer<usize>;

    /// Reads every job page by page, and calls back after each page; how many there are.
    fn list_all(&mut self, page: u32, after_page: &mut dyn FnMut()) -> Answer<u64>;

    /// Waits for events of others for a moment, woken by their commits or by a look after every
    /// `pause` of milliseconds, and tells when they happened. Only the store wakes anybody.
    fn follow(&mut self, _pause: Option<u32>) -> Answer<Vec<Timestamp>> {
        Err(Trouble::wrong("only the store is followed"))
    }

    /// Reads a page of what is found among so many jobs; how many it has. The references find nothing.
    fn find(&mut self, _by: By, _jobs: u32, _deep: bool) -> Answer<usize> {
        Err(Trouble::wrong("this side finds no jobs"))
    }

    /// Reads the counts by status; how many jobs those are.
    fn counts_by_status(&mut self) -> Answer<u64> {
        Err(Trouble::wrong("this side keeps no counts"))
    }

    /// Reads in one snapshot, twice, with `between` in the middle.
    fn hold_snapshot(&mut self, between: &mut dyn FnMut()) -> Answer<()>;
}
