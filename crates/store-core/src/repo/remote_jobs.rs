//! Submissions of jobs to clusters.

use crate::error::Result;
use crate::ids::{ClusterId, JobId, RemoteJobId};
use crate::remote_job::{NewRemoteJob, RemoteJob, RemoteJobPatch};
use crate::store::Store;

/// Reading submissions.
pub trait RemoteJobRead {
    /// The submission of this id.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound).
    fn remote_job(&self, id: RemoteJobId) -> Result<RemoteJob>;

    /// All submissions of a job, oldest first; the last one is "the" remote job.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such job.
    fn remote_jobs_of(&self, job: JobId) -> Result<Vec<RemoteJob>>;

    /// The newest submission of a job, if it has one.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such job.
    fn newest_remote_job(&self, job: JobId) -> Result<Option<RemoteJob>>;

    /// The submissions to a cluster that have not been reported to have ended, oldest first.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such cluster.
    fn active_remote_jobs(&self, cluster: ClusterId) -> Result<Vec<RemoteJob>>;
}

/// Writing submissions.
pub trait RemoteJobWrite: RemoteJobRead {
    /// Records that a job was submitted, for its present attempt. The job's own status is not
    /// touched.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) on `handle`, where an active submission of the
    /// cluster has it; [`Error::NotFound`](crate::Error::NotFound) for the job or the cluster.
    fn record_submission(&self, new: &NewRemoteJob) -> Result<RemoteJob>;

    /// Reports on a submission and returns it as it is then.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) on `handle`, where clearing `ended_at` would make
    /// two active.
    fn update_remote_job(&self, id: RemoteJobId, patch: &RemoteJobPatch) -> Result<RemoteJob>;
}

impl<S: Store> RemoteJobRead for S {
    fn remote_job(&self, id: RemoteJobId) -> Result<RemoteJob> {
        self.read(|r| r.remote_job(id))
    }

    fn remote_jobs_of(&self, job: JobId) -> Result<Vec<RemoteJob>> {
        self.read(|r| r.remote_jobs_of(job))
    }

    fn newest_remote_job(&self, job: JobId) -> Result<Option<RemoteJob>> {
        self.read(|r| r.newest_remote_job(job))
    }

    fn active_remote_jobs(&self, cluster: ClusterId) -> Result<Vec<RemoteJob>> {
        self.read(|r| r.active_remote_jobs(cluster))
    }
}

impl<S: Store> RemoteJobWrite for S {
    fn record_submission(&self, new: &NewRemoteJob) -> Result<RemoteJob> {
        let new = new.clone();
        self.write(move |w| w.record_submission(&new))
    }

    fn update_remote_job(&self, id: RemoteJobId, patch: &RemoteJobPatch) -> Result<RemoteJob> {
        let patch = patch.clone();
        self.write(move |w| w.update_remote_job(id, &patch))
    }
}
