//! Submissions of jobs to clusters, and whether the clusters answer.

use crate::contact::ClusterContact;
use crate::error::Result;
use crate::ids::{ClusterId, JobId, RemoteJobId};
use crate::lease::Under;
use crate::remote_job::{NewRemoteJob, RemoteJob, RemoteJobPatch, Reported};
use crate::store::Store;
use crate::submission::{Confirmation, SubmissionToken};

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

    /// The submissions to a cluster that have not been reported to have ended, nor abandoned, oldest
    /// first; intents, which have no handle yet, are among them.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such cluster.
    fn active_remote_jobs(&self, cluster: ClusterId) -> Result<Vec<RemoteJob>>;

    /// The submission of a cluster that a handle means: the active one, or else the one that was
    /// submitted last.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such cluster.
    fn find_remote_job(&self, cluster: ClusterId, handle: &str) -> Result<Option<RemoteJob>>;

    /// The submission that was begun under a token, whatever became of it.
    ///
    /// # Errors
    /// Those of reading.
    fn find_remote_job_by_token(&self, token: SubmissionToken) -> Result<Option<RemoteJob>>;

    /// The intents of one cluster, or of all, that were neither confirmed nor abandoned, by cluster and
    /// then oldest first. Each is about to be submitted by a live program, or was left behind by one
    /// that died; which one it is, the claim of its job tells. What was left behind is looked up by its
    /// token at the scheduler, then [confirmed](RemoteJobWrite::confirm_submission) or
    /// [abandoned](RemoteJobWrite::abandon_submission).
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such cluster.
    fn pending_intents(&self, cluster: Option<ClusterId>) -> Result<Vec<RemoteJob>>;

    /// The active submissions of a cluster that are to be cancelled at the scheduler, oldest first:
    /// their job is to stop, is CANCELLED or FAILED, or has gone on to another attempt. They stay in this list
    /// until their end is reported. One without a handle is cancelled by its token.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such cluster.
    fn submissions_to_cancel(&self, cluster: ClusterId) -> Result<Vec<RemoteJob>>;

    /// Whether a cluster answered when it was last tried.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such cluster.
    fn cluster_contact(&self, cluster: ClusterId) -> Result<ClusterContact>;
}

/// Writing submissions. The worker of a job shows its lease with [`under`](RemoteJobId::under), and is
/// refused with [`Error::LeaseLost`](crate::Error::LeaseLost) once the job has gone on without it; nothing is
/// written then. Who has no lease gives the submission alone.
pub trait RemoteJobWrite: RemoteJobRead {
    /// Records that a job was submitted, for its present attempt, where the handle was known at once.
    /// It is a fact, so it is taken also where the job has another active submission; what keeps a job
    /// from being submitted twice is [`begin_submission`](Self::begin_submission). The job's own
    /// status is not touched.
    ///
    /// A handle that is refused because the lease was lost is still a fact: recorded again
    /// [`without_lease`](Under::without_lease), which makes it one of the attempt that was claimed, it can be
    /// found or cancelled. Given without a lease and without an attempt it would be taken for the run of the
    /// present attempt, which another worker may have. Where the job or the cluster is gone, nobody else knows
    /// the handle: what has it is to be cancelled at the scheduler.
    ///
    /// # Errors
    /// [`Error::LeaseLost`](crate::Error::LeaseLost);
    /// [`Error::Conflict`](crate::Error::Conflict) on `handle`, where an active submission of the
    /// cluster has it, and on `submitted_at`, where one that has ended was submitted with it at this
    /// very time; [`Error::NotFound`](crate::Error::NotFound) for the job or the cluster.
    fn record_submission(&self, new: impl Into<Under<NewRemoteJob>>) -> Result<RemoteJob>;

    /// Writes down that a job is about to be submitted, for its present attempt, before the scheduler
    /// is called. The answer has the token that goes into the job's name there. Commit it before the
    /// call: in a unit of work it is not committed until the unit ends.
    ///
    /// Of all who begin to submit one attempt of a job, one gets an answer. The same call again, under
    /// the token that it was given, answers the same submission as it is by then and writes nothing; so
    /// a call whose outcome is not known can be repeated, if the token was set by the caller.
    ///
    /// # Errors
    /// [`Error::LeaseLost`](crate::Error::LeaseLost), and then the scheduler is not to be called;
    /// [`Error::AlreadySubmitted`](crate::Error::AlreadySubmitted) where the attempt has an active
    /// submission; [`Error::NotAllowed`](crate::Error::NotAllowed) where the job has ended;
    /// [`Error::Conflict`](crate::Error::Conflict) on `token`, where another submission has it, or one
    /// that has ended; [`Error::NotFound`](crate::Error::NotFound) for the job or the cluster.
    fn begin_submission(&self, new: impl Into<Under<NewRemoteJob>>) -> Result<RemoteJob>;

    /// Ends the intent with the handle that the scheduler gave; the submission is active and has the
    /// phase `submitted` then. The same handle again changes nothing. The job's own status is not
    /// touched.
    ///
    /// Under a lease that is lost it is refused, so that a worker which was too slow learns of it. The
    /// handle is still a fact: confirm it again [`without_lease`](Under::without_lease), which anybody may. If
    /// the submission is not found then, because it was removed with its cluster, cancel what has the handle
    /// at the scheduler: nobody else knows it. If nothing can come of
    /// the run any more, [`submissions_to_cancel`](RemoteJobRead::submissions_to_cancel) lists it then; if
    /// not, it is the run of whoever has the job now. A worker that dies before it does so loses nothing: the
    /// intent is still there to be settled by its token.
    ///
    /// # Errors
    /// [`Error::LeaseLost`](crate::Error::LeaseLost);
    /// [`Error::WrongPhase`](crate::Error::WrongPhase) where it has another handle or was abandoned:
    /// whatever has this handle at the scheduler is one too many, and is to be cancelled there;
    /// [`Error::Conflict`](crate::Error::Conflict) as in
    /// [`record_submission`](Self::record_submission).
    fn confirm_submission(
        &self,
        id: impl Into<Under<RemoteJobId>>,
        answer: &Confirmation,
    ) -> Result<RemoteJob>;

    /// Ends the intent because it is known that it never reached the scheduler: it refused the job, or
    /// has nothing under the token. The attempt may be submitted anew then. Abandoning again changes
    /// nothing. The job's own status is not touched.
    ///
    /// A scheduler may take a moment to list what it was given, and whoever began may be about to call
    /// it still: abandon only what was begun by oneself, or by a program that is known to have died.
    ///
    /// # Errors
    /// [`Error::LeaseLost`](crate::Error::LeaseLost);
    /// [`Error::WrongPhase`](crate::Error::WrongPhase) where it has a handle;
    /// [`Error::Invalid`](crate::Error::Invalid) for a reason that says nothing.
    fn abandon_submission(
        &self,
        id: impl Into<Under<RemoteJobId>>,
        reason: &str,
    ) -> Result<RemoteJob>;

    /// Reports on a submission and tells what became of the report. The job's own status is not
    /// touched, whatever the scheduler says.
    ///
    /// Phases only go forward, and an end is final: a report of an earlier phase than the submission
    /// has is [`Reported::Late`] and changes nothing, not even what else it says. What the scheduler
    /// runs again under the same handle after its end was reported is recorded as a submission of its
    /// own.
    ///
    /// # Errors
    /// [`Error::LeaseLost`](crate::Error::LeaseLost);
    /// [`Error::WrongPhase`](crate::Error::WrongPhase) for the phase or the end of an intent.
    fn update_remote_job(
        &self,
        id: impl Into<Under<RemoteJobId>>,
        patch: &RemoteJobPatch,
    ) -> Result<Reported>;

    /// Reports that a cluster answered. It writes no event: the cluster is as it was.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound).
    fn report_reached(&self, cluster: ClusterId) -> Result<ClusterContact>;

    /// Reports that a cluster did not answer, and what was seen. That is no failure of any job: no
    /// status, phase or end changes, no event is written, and the cluster's own status stays as it was
    /// set.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound); [`Error::Invalid`](crate::Error::Invalid) for a
    /// reason that says nothing.
    fn report_unreachable(&self, cluster: ClusterId, reason: &str) -> Result<ClusterContact>;
}

impl<S: Store> RemoteJobRead for S {
    #[track_caller]
    fn remote_job(&self, id: RemoteJobId) -> Result<RemoteJob> {
        self.read(|r| r.remote_job(id))
    }

    #[track_caller]
    fn remote_jobs_of(&self, job: JobId) -> Result<Vec<RemoteJob>> {
        self.read(|r| r.remote_jobs_of(job))
    }

    #[track_caller]
    fn newest_remote_job(&self, job: JobId) -> Result<Option<RemoteJob>> {
        self.read(|r| r.newest_remote_job(job))
    }

    #[track_caller]
    fn active_remote_jobs(&self, cluster: ClusterId) -> Result<Vec<RemoteJob>> {
        self.read(|r| r.active_remote_jobs(cluster))
    }

    #[track_caller]
    fn find_remote_job(&self, cluster: ClusterId, handle: &str) -> Result<Option<RemoteJob>> {
        self.read(|r| r.find_remote_job(cluster, handle))
    }

    #[track_caller]
    fn find_remote_job_by_token(&self, token: SubmissionToken) -> Result<Option<RemoteJob>> {
        self.read(|r| r.find_remote_job_by_token(token))
    }

    #[track_caller]
    fn pending_intents(&self, cluster: Option<ClusterId>) -> Result<Vec<RemoteJob>> {
        self.read(|r| r.pending_intents(cluster))
    }

    #[track_caller]
    fn submissions_to_cancel(&self, cluster: ClusterId) -> Result<Vec<RemoteJob>> {
        self.read(|r| r.submissions_to_cancel(cluster))
    }

    #[track_caller]
    fn cluster_contact(&self, cluster: ClusterId) -> Result<ClusterContact> {
        self.read(|r| r.cluster_contact(cluster))
    }
}

impl<S: Store> RemoteJobWrite for S {
    #[track_caller]
    fn record_submission(&self, new: impl Into<Under<NewRemoteJob>>) -> Result<RemoteJob> {
        let new = new.into();
        self.change(move |w| w.record_submission(new))
    }

    #[track_caller]
    fn begin_submission(&self, new: impl Into<Under<NewRemoteJob>>) -> Result<RemoteJob> {
        let new = new.into();
        self.change(move |w| w.begin_submission(new))
    }

    #[track_caller]
    fn confirm_submission(
        &self,
        id: impl Into<Under<RemoteJobId>>,
        answer: &Confirmation,
    ) -> Result<RemoteJob> {
        let (id, answer) = (id.into(), answer.clone());
        self.change(move |w| w.confirm_submission(id, &answer))
    }

    #[track_caller]
    fn abandon_submission(
        &self,
        id: impl Into<Under<RemoteJobId>>,
        reason: &str,
    ) -> Result<RemoteJob> {
        let (id, reason) = (id.into(), reason.to_owned());
        self.change(move |w| w.abandon_submission(id, &reason))
    }

    #[track_caller]
    fn update_remote_job(
        &self,
        id: impl Into<Under<RemoteJobId>>,
        patch: &RemoteJobPatch,
    ) -> Result<Reported> {
        let (id, patch) = (id.into(), patch.clone());
        self.change(move |w| w.update_remote_job(id, &patch))
    }

    #[track_caller]
    fn report_reached(&self, cluster: ClusterId) -> Result<ClusterContact> {
        self.change(move |w| w.report_reached(cluster))
    }

    #[track_caller]
    fn report_unreachable(&self, cluster: ClusterId, reason: &str) -> Result<ClusterContact> {
        let reason = reason.to_owned();
        self.change(move |w| w.report_unreachable(cluster, &reason))
    }
}
