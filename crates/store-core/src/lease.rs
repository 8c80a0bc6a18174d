//! Leases: a worker has a job for a limited time, and what it writes later is refused once the job has
//! gone on without it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Invalid, Result};
use crate::event::{EventKind, NewEvent};
use crate::ids::{JobId, LeaseToken, RemoteJobId};
use crate::job::Job;
use crate::remote_job::NewRemoteJob;
use crate::status::{JobStatus, StatusChange, Step, change};
use crate::time::Timestamp;
use crate::worker::Worker;

/// What a worker shows with everything that it writes about a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LeaseKey {
    /// The job.
    pub job: JobId,
    /// The attempt that was claimed.
    pub attempt: u32,
    /// The fencing token: a later claim of the job has a larger one (Kleppmann, "How to do distributed
    /// locking", 2016).
    pub token: LeaseToken,
}

impl std::fmt::Display for LeaseKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "lease {} on attempt {} of job {}", self.token, self.attempt, self.job)
    }
}

/// What is written about, and the lease that the writer holds, if it is the worker of the job.
///
/// Whatever a worker reports of its run takes one: its job's [`LeaseKey`] in the place of the [`JobId`], or a
/// submission's id or data [`under`](RemoteJobId::under) its lease. It is refused with [`Error::LeaseLost`]
/// once the job has gone on without it. An id alone is for those who have no lease: a scheduler that asks
/// after submissions, a program that settles what another one left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Under<T> {
    /// The job, or the submission.
    pub what: T,
    /// The lease that the write needs.
    pub lease: Option<LeaseKey>,
}

impl<T> From<T> for Under<T> {
    /// By somebody without a lease.
    fn from(what: T) -> Self {
        Self { what, lease: None }
    }
}

impl From<LeaseKey> for Under<JobId> {
    /// The job of the lease, by its worker.
    fn from(key: LeaseKey) -> Self {
        Self { what: key.job, lease: Some(key) }
    }
}

impl From<&LeaseKey> for Under<JobId> {
    fn from(key: &LeaseKey) -> Self {
        Self::from(*key)
    }
}

impl From<&NewRemoteJob> for Under<NewRemoteJob> {
    fn from(new: &NewRemoteJob) -> Self {
        Self::from(new.clone())
    }
}

impl RemoteJobId {
    /// The submission, in a write of the worker of its job.
    pub const fn under(self, lease: LeaseKey) -> Under<Self> {
        Under { what: self, lease: Some(lease) }
    }
}

impl NewRemoteJob {
    /// The submission, as begun or recorded by the worker of its job.
    pub const fn under(self, lease: LeaseKey) -> Under<Self> {
        Under { what: self, lease: Some(lease) }
    }
}

impl Under<RemoteJobId> {
    /// The submission by somebody without a lease: what came of it is a fact, also once the lease is lost.
    #[must_use]
    pub const fn without_lease(self) -> Self {
        Self { lease: None, ..self }
    }
}

impl Under<NewRemoteJob> {
    /// The submission by somebody without a lease, of the attempt that the lease was for: the job may be at
    /// another by now, whose worker has not submitted this.
    #[must_use]
    pub fn without_lease(self) -> Self {
        let attempt = self.what.attempt.or(self.lease.map(|key| key.attempt));
        Self { what: NewRemoteJob { attempt, ..self.what }, lease: None }
    }
}

impl<T> Under<T> {
    /// Refuses a write of a worker whose job has gone on without it. `job` and `lease` are those of the
    /// job that the lease names, as they are now. Backends call it before they look anything else up.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    pub fn check(&self, job: Option<&Job>, lease: Option<&Lease>) -> Result<()> {
        self.lease.as_ref().map_or(Ok(()), |key| held(key, job, lease).map(drop))
    }

    /// Refuses the lease of another job than the one that the write is about.
    ///
    /// # Errors
    /// [`Invalid`].
    pub fn check_is_of(&self, job: JobId) -> std::result::Result<(), Invalid> {
        match self.lease {
            Some(key) if key.job != job => {
                let reason =
                    format!("is one on job {}, and this is about job {job}: show its own", key.job);
                Err(Invalid::new("lease", reason))
            }
            _ => Ok(()),
        }
    }
}

/// The same of many, to be taken along.
pub(crate) fn under_each<J: Into<Under<JobId>> + Copy, T: Clone>(
    writes: &[(J, T)],
) -> Vec<(Under<JobId>, T)> {
    writes.iter().map(|(job, what)| ((*job).into(), what.clone())).collect()
}

/// A worker's right to run a job, as stored. A job that is not RUNNING has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The job.
    pub job: JobId,
    /// The attempt that was claimed.
    pub attempt: u32,
    /// As in [`LeaseKey`].
    pub token: LeaseToken,
    /// Who holds it.
    pub worker: Worker,
    /// When the job was claimed.
    pub claimed_at: Timestamp,
    /// The first moment at which it has lapsed.
    pub expires_at: Timestamp,
}

impl Lease {
    /// What its worker shows.
    pub const fn key(&self) -> LeaseKey {
        LeaseKey { job: self.job, attempt: self.attempt, token: self.token }
    }

    /// Whether it has lapsed: somebody may take the job away, and nobody renews it.
    pub fn has_lapsed(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }
}

/// A job that was claimed, and the right to run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The job, RUNNING.
    pub job: Job,
    /// The lease on it.
    pub lease: Lease,
}

/// Why a lease is no longer there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseLoss {
    /// It lapsed before it was renewed.
    Lapsed,
    /// Another claim of the job came later.
    ClaimedAgain,
    /// The job is no longer RUNNING, but this.
    NotRunning(JobStatus),
    /// It lapsed, and the run is to be looked for.
    ToBeProbed,
    /// There is no such job any more.
    Deleted,
}

impl std::fmt::Display for LeaseLoss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lapsed => f.write_str("it lapsed before it was renewed"),
            Self::ClaimedAgain => f.write_str("the job was claimed again"),
            Self::NotRunning(status) => write!(f, "the job is {status}"),
            Self::ToBeProbed => f.write_str("it lapsed and the run is to be looked for"),
            Self::Deleted => f.write_str("the job was deleted"),
        }
    }
}

/// What a heartbeat came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heartbeat {
    /// The lease is renewed.
    Renewed {
        /// The lease as it is now.
        lease: Lease,
        /// Whether the run is to stop: end it, and report it CANCELLED.
        cancel_requested: bool,
    },
    /// The lease is lost: stop working on the job, and report nothing.
    Lost(LeaseLoss),
}

/// Refuses a lease that ends when it begins.
///
/// # Errors
/// [`Invalid`] for less than a millisecond.
pub fn check_lease_time(lease_time: Duration) -> std::result::Result<(), Invalid> {
    if lease_time < Duration::from_millis(1) {
        let reason =
            format!("is {lease_time:?}: give at least 1 ms, and many times your heartbeat's pause");
        return Err(Invalid::new("lease time", reason));
    }
    Ok(())
}

/// Gives a QUEUED job to a worker. Backends store what this returns, and count `token` up by one with
/// every lease of the job.
///
/// # Errors
/// [`Error::StaleStatus`] for a job that is not QUEUED.
pub fn claim(
    job: &Job,
    worker: &Worker,
    token: LeaseToken,
    lease_time: Duration,
    now: Timestamp,
) -> Result<(Step, Lease)> {
    let process = &worker.process;
    let start = StatusChange::to(JobStatus::Running)
        .expecting(JobStatus::Queued)
        .on(process.host.clone(), process.pid);
    let mut step = change(job, &start, None, now)?.ok_or_else(|| Error::Bug {
        what: format!("job {} is both QUEUED and RUNNING", job.id),
        source: None,
    })?;
    step.event.kind = EventKind::Claimed;
    let lease = lease(&step.job, worker, token, lease_time, now);
    step.event = describe(step.event, &lease);
    Ok((step, lease))
}

/// Gives a RUNNING job that nobody holds a lease on to a worker that knows of its run: one that found
/// it when it probed, or that started it itself. The attempt goes on.
///
/// # Errors
/// [`Error::NotAllowed`] for a job that is not RUNNING or that somebody holds.
pub fn adopt(
    job: &Job,
    held: Option<&Lease>,
    worker: &Worker,
    token: LeaseToken,
    lease_time: Duration,
    now: Timestamp,
) -> Result<(Step, Lease)> {
    let refuse = |reason| Err(Error::NotAllowed { job: job.id, status: job.status, reason });
    if job.status != JobStatus::Running {
        return refuse("only a run can be adopted; claim a QUEUED job");
    }
    if held.is_some() {
        return refuse("a worker holds its lease; wait until it has lapsed and was recovered");
    }
    let process = &worker.process;
    let next = Job {
        pid: Some(process.pid),
        host: Some(process.host.clone()),
        probe_since: None,
        updated_at: now,
        ..job.clone()
    };
    let lease = lease(&next, worker, token, lease_time, now);
    let event = describe(NewEvent::of(&next, EventKind::Adopted, now), &lease);
    Ok((Step { job: next, event, ended: None }, lease))
}

fn lease(
    job: &Job,
    worker: &Worker,
    token: LeaseToken,
    lease_time: Duration,
    now: Timestamp,
) -> Lease {
    Lease {
        job: job.id,
        attempt: job.attempt,
        token,
        worker: worker.clone(),
        claimed_at: now,
        expires_at: now + lease_time,
    }
}

fn describe(event: NewEvent, lease: &Lease) -> NewEvent {
    event.with("worker", lease.worker.name.as_str()).with("token", lease.token.get())
}

/// The lease that `key` shows, if it is still there.
///
/// # Errors
/// [`Error::LeaseLost`] if the job has gone on without it. A lease that has lapsed is still there until
/// somebody takes the job away.
pub fn held<'l>(key: &LeaseKey, job: Option<&Job>, lease: Option<&'l Lease>) -> Result<&'l Lease> {
    match lease.filter(|lease| lease.key() == *key) {
        Some(lease) => Ok(lease),
        None => Err(Error::lease_lost(*key, loss(job, lease))),
    }
}

/// Renews a lease, or says why not.
pub fn renew(
    key: &LeaseKey,
    job: Option<&Job>,
    lease: Option<&Lease>,
    lease_time: Duration,
    now: Timestamp,
) -> Heartbeat {
    match (job, lease.filter(|lease| lease.key() == *key)) {
        (Some(_), Some(lease)) if lease.has_lapsed(now) => Heartbeat::Lost(LeaseLoss::Lapsed),
        (Some(job), Some(lease)) => Heartbeat::Renewed {
            // A clock that was set back must not have it end before it began.
            lease: Lease { expires_at: now.max(lease.claimed_at) + lease_time, ..lease.clone() },
            cancel_requested: job.cancel_requested_at.is_some(),
        },
        _ => Heartbeat::Lost(loss(job, lease)),
    }
}

/// Why a key opens nothing, given the job and the lease that it has now.
fn loss(job: Option<&Job>, lease: Option<&Lease>) -> LeaseLoss {
    match (job, lease) {
        (None, _) => LeaseLoss::Deleted,
        (Some(_), Some(_)) => LeaseLoss::ClaimedAgain,
        (Some(job), None) if job.probe_since.is_some() => LeaseLoss::ToBeProbed,
        (Some(job), None) if job.status != JobStatus::Running => LeaseLoss::NotRunning(job.status),
        (Some(_), None) => LeaseLoss::Lapsed,
    }
}
