//! Jobs.

use std::collections::BTreeMap;

use crate::code::Code;
use crate::error::Result;
use crate::ids::{JobId, JobUuid};
use crate::input::{InputDeck, InputHash};
use crate::job::{Job, JobPatch, NewJob};
use crate::lease::{Under, under_each};
use crate::query::{JobFilter, JobPage, Page, StatusCounts};
use crate::reuse::Reuse;
use crate::status::{InitialStatus, JobStatus, StatusChange, Transition};
use crate::store::Store;
use crate::work_dir::WorkDir;

/// Reading jobs.
pub trait JobRead {
    /// The job of this id.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound).
    fn job(&self, id: JobId) -> Result<Job>;

    /// The job of this identity across stores, if it is here.
    fn find_job_by_uuid(&self, uuid: JobUuid) -> Result<Option<Job>>;

    /// The job that works in this directory, if there is one.
    fn find_job_by_work_dir(&self, dir: &WorkDir) -> Result<Option<Job>>;

    /// The job that was created under this idempotency key, if there is one. This tells what became
    /// of a creation that ended in [`Error::CommitUnknown`](crate::Error::CommitUnknown).
    fn find_job_by_idempotency_key(&self, key: &str) -> Result<Option<Job>>;

    /// The newest COMPLETED job of this code and input whose present attempt has a result that `which`
    /// admits, by the order of creation; those that were put away, and those that were themselves
    /// completed from an earlier one, among them.
    fn find_completed(&self, code: &Code, input: InputHash, which: Reuse) -> Result<Option<Job>>;

    /// The input deck of a job, if it has one.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such job.
    fn input(&self, job: JobId) -> Result<Option<InputDeck>>;

    /// A page of the jobs that `filter` admits, in the page's order. MUST NOT load input decks.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) as [`JobFilter::check`] says, and for a cursor of
    /// another order than the page's.
    fn jobs(&self, filter: &JobFilter, page: Page) -> Result<JobPage>;

    /// How many jobs `filter` admits. MUST NOT read the jobs where the filter names nothing but
    /// statuses and what was put away; otherwise it takes the longer the more jobs it counts.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) as [`JobFilter::check`] says.
    fn count_jobs(&self, filter: &JobFilter) -> Result<u64>;

    /// How many jobs have each status, without those that were put away. MUST NOT scan the jobs.
    fn counts_by_status(&self) -> Result<StatusCounts>;

    /// The statuses of these jobs, any number of them; jobs that do not exist are left out, so that
    /// this tells existence too.
    fn statuses(&self, ids: &[JobId]) -> Result<BTreeMap<JobId, JobStatus>>;
}

/// Writing jobs.
pub trait JobWrite: JobRead {
    /// Creates a job with its input and its dependencies. One that asks for it is CANCELLED at once where
    /// a dependency can no longer be met.
    ///
    /// Under an idempotency key that a job has already, that job is returned and nothing is
    /// written, if its name, code and input are the same.
    ///
    /// A job that asks for it ([`NewJob::reusing`]) is created COMPLETED where
    /// [`find_completed`](JobRead::find_completed) finds a result to use again, as
    /// [`reuse::complete`](crate::reuse::complete) says, whatever status it was to begin with; otherwise as
    /// any other. It is a job of its own in each case.
    ///
    /// # Atomicity
    /// The job, its input, its edges, its directory, its event and a result that is used again land
    /// together.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) on `work_dir`, `uuid` or `idempotency_key`;
    /// [`Error::NotFound`](crate::Error::NotFound) for a cluster or a dependency.
    fn create_job(&self, new: &NewJob) -> Result<Job>;

    /// Creates many jobs, in order; all or none.
    ///
    /// # Errors
    /// As [`create_job`](Self::create_job), for the first job that is refused.
    fn create_jobs(&self, new: &[NewJob]) -> Result<Vec<Job>>;

    /// Edits a job and returns it as it is then.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) on `work_dir`;
    /// [`Error::NotFound`](crate::Error::NotFound) for the job or the cluster;
    /// [`Error::InUse`](crate::Error::InUse) for another cluster that is draining;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) as [`JobPatch::apply`] says.
    fn update_job(&self, id: JobId, patch: &JobPatch) -> Result<Job>;

    /// Replaces the input deck of a PENDING job, or gives it one. The same deck
    /// again changes nothing, whatever the status.
    ///
    /// # Errors
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) for another deck in any other status.
    fn replace_input(&self, id: JobId, deck: &InputDeck) -> Result<()>;

    /// Changes the status of a job within its attempt, as [`status::change`](crate::status::change)
    /// says. Of several reports that expect the same status, exactly one is carried out. The job's worker
    /// gives its lease's key in the place of the id.
    ///
    /// # Errors
    /// [`Error::LeaseLost`](crate::Error::LeaseLost),
    /// [`Error::IllegalTransition`](crate::Error::IllegalTransition),
    /// [`Error::StaleStatus`](crate::Error::StaleStatus).
    fn change_status(
        &self,
        job: impl Into<Under<JobId>>,
        change: &StatusChange,
    ) -> Result<Transition>;

    /// Changes the statuses of many jobs, in order; all or none.
    ///
    /// # Errors
    /// As [`change_status`](Self::change_status), for the first change that is refused.
    fn change_statuses<J>(&self, changes: &[(J, StatusChange)]) -> Result<Vec<Transition>>
    where
        J: Into<Under<JobId>> + Copy;

    /// Opens the next attempt of a FAILED or CANCELLED job, as
    /// [`status::retry`](crate::status::retry) says. Its earlier results and events stay.
    ///
    /// # Errors
    /// [`Error::IllegalTransition`](crate::Error::IllegalTransition) in any other status.
    fn retry_job(&self, id: JobId, to: InitialStatus) -> Result<Job>;

    /// Puts a job that has ended away: lists and counts leave it out, everything of it stays.
    ///
    /// # Errors
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) for a job that has not ended.
    fn archive_job(&self, id: JobId) -> Result<()>;

    /// Brings a job back that was put away.
    fn unarchive_job(&self, id: JobId) -> Result<()>;

    /// Removes a job with its input, results, submissions and history, but for the event that tells so
    /// ([`EventKind::Deleted`](crate::EventKind::Deleted)). Its id never comes back.
    ///
    /// # Errors
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) for a QUEUED or RUNNING job, and for one with an active
    /// submission or a pending intent, which a scheduler may have: report its end or abandon it first;
    /// [`Error::InUse`](crate::Error::InUse) for one that others depend on.
    fn delete_job(&self, id: JobId) -> Result<()>;
}

impl<S: Store> JobRead for S {
    #[track_caller]
    fn job(&self, id: JobId) -> Result<Job> {
        self.ask(|r| r.job(id))
    }

    #[track_caller]
    fn find_job_by_uuid(&self, uuid: JobUuid) -> Result<Option<Job>> {
        self.ask(|r| r.find_job_by_uuid(uuid))
    }

    #[track_caller]
    fn find_job_by_work_dir(&self, dir: &WorkDir) -> Result<Option<Job>> {
        self.ask(|r| r.find_job_by_work_dir(dir))
    }

    #[track_caller]
    fn find_job_by_idempotency_key(&self, key: &str) -> Result<Option<Job>> {
        self.ask(|r| r.find_job_by_idempotency_key(key))
    }

    #[track_caller]
    fn find_completed(&self, code: &Code, input: InputHash, which: Reuse) -> Result<Option<Job>> {
        self.read(|r| r.find_completed(code, input, which))
    }

    #[track_caller]
    fn input(&self, job: JobId) -> Result<Option<InputDeck>> {
        self.read(|r| r.input(job))
    }

    #[track_caller]
    fn jobs(&self, filter: &JobFilter, page: Page) -> Result<JobPage> {
        self.read(|r| r.jobs(filter, page))
    }

    #[track_caller]
    fn count_jobs(&self, filter: &JobFilter) -> Result<u64> {
        self.read(|r| r.count_jobs(filter))
    }

    #[track_caller]
    fn counts_by_status(&self) -> Result<StatusCounts> {
        self.ask(|r| r.counts_by_status())
    }

    #[track_caller]
    fn statuses(&self, ids: &[JobId]) -> Result<BTreeMap<JobId, JobStatus>> {
        self.read(|r| r.statuses(ids))
    }
}

impl<S: Store> JobWrite for S {
    #[track_caller]
    fn create_job(&self, new: &NewJob) -> Result<Job> {
        let new = new.clone();
        self.change(move |w| w.create_job(&new))
    }

    #[track_caller]
    fn create_jobs(&self, new: &[NewJob]) -> Result<Vec<Job>> {
        let new = new.to_vec();
        self.write_steps(new.len(), move |w| w.create_jobs(&new))
    }

    #[track_caller]
    fn update_job(&self, id: JobId, patch: &JobPatch) -> Result<Job> {
        let patch = patch.clone();
        self.change(move |w| w.update_job(id, &patch))
    }

    #[track_caller]
    fn replace_input(&self, id: JobId, deck: &InputDeck) -> Result<()> {
        let deck = deck.clone();
        self.change(move |w| w.replace_input(id, &deck))
    }

    #[track_caller]
    fn change_status(
        &self,
        job: impl Into<Under<JobId>>,
        change: &StatusChange,
    ) -> Result<Transition> {
        let (job, change) = (job.into(), change.clone());
        self.change(move |w| w.change_status(job, &change))
    }

    #[track_caller]
    fn change_statuses<J>(&self, changes: &[(J, StatusChange)]) -> Result<Vec<Transition>>
    where
        J: Into<Under<JobId>> + Copy,
    {
        let changes = under_each(changes);
        self.write_steps(changes.len(), move |w| w.change_statuses(&changes))
    }

    #[track_caller]
    fn retry_job(&self, id: JobId, to: InitialStatus) -> Result<Job> {
        self.change(move |w| w.retry_job(id, to))
    }

    #[track_caller]
    fn archive_job(&self, id: JobId) -> Result<()> {
        self.change(move |w| w.archive_job(id))
    }

    #[track_caller]
    fn unarchive_job(&self, id: JobId) -> Result<()> {
        self.change(move |w| w.unarchive_job(id))
    }

    #[track_caller]
    fn delete_job(&self, id: JobId) -> Result<()> {
        self.change(move |w| w.delete_job(id))
    }
}
