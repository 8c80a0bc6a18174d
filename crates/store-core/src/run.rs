//! How a run ends: its worker completes it, fails it or gives it back; its lease lapses; its owner cancels it.

use crate::attempt::{Attempt, AttemptOutcome, End};
use crate::code::Runner;
use crate::error::{Error, Invalid, Result};
use crate::event::{EventKind, NewEvent};
use crate::ids::JobId;
use crate::job::Job;
use crate::lease::{Lease, LeaseKey, LeaseLoss, held};
use crate::policy::{FailureKind, OnLapse};
use crate::result::NewResult;
use crate::status::{JobStatus, StatusChange, Step, change, requeue};
use crate::time::Timestamp;
use crate::words::{check_optional_text, words};

/// A run that ended well.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Completion {
    /// What it yielded; recorded as by `record_result`.
    pub result: Option<NewResult>,
    /// The exit code of its process.
    pub exit_code: Option<i32>,
}

impl Completion {
    /// With a result.
    pub fn with(result: NewResult) -> Self {
        Self { result: Some(result), exit_code: None }
    }
}

/// A run that ended badly.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// What kind of failure it was: the job's policy may not retry some.
    pub kind: FailureKind,
    /// Why, for people.
    pub reason: Option<String>,
    /// The exit code of its process.
    pub exit_code: Option<i32>,
    /// What it yielded all the same; recorded as by `record_result`.
    pub result: Option<NewResult>,
}

impl Failure {
    /// A failure of which only the kind is known.
    pub const fn of(kind: FailureKind) -> Self {
        Self { kind, reason: None, exit_code: None, result: None }
    }

    /// With a reason.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Refuses what no store takes. Backends call it before they write.
    ///
    /// # Errors
    /// [`Invalid`] with the field's name.
    pub fn check(&self) -> std::result::Result<(), Invalid> {
        check_optional_text("reason", self.reason.as_deref())
    }
}

/// How a run ended, as its worker reports it.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEnd {
    /// Well: [`complete`](crate::repo::ClaimWrite::complete).
    Completed(Completion),
    /// Badly: [`fail`](crate::repo::ClaimWrite::fail).
    Failed(Failure),
    /// Not at all, the job is given back: [`release`](crate::repo::ClaimWrite::release).
    Released {
        /// Why, for people.
        reason: Option<String>,
        /// When the job may be claimed again; at once where there is none.
        not_before: Option<Timestamp>,
    },
}

impl From<Completion> for RunEnd {
    fn from(completion: Completion) -> Self {
        Self::Completed(completion)
    }
}

impl From<Failure> for RunEnd {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl RunEnd {
    /// Refuses what no store takes, whatever the run.
    ///
    /// # Errors
    /// [`Invalid`] with the field's name.
    pub fn check(&self) -> std::result::Result<(), Invalid> {
        match self {
            Self::Completed(_) => {}
            Self::Failed(failure) => failure.check()?,
            Self::Released { reason, .. } => check_optional_text("reason", reason.as_deref())?,
        }
        self.result().map_or(Ok(()), NewResult::check)
    }

    /// What the attempt comes to.
    pub const fn outcome(&self) -> AttemptOutcome {
        match self {
            Self::Completed(_) => AttemptOutcome::Completed,
            Self::Failed(_) => AttemptOutcome::Failed,
            Self::Released { .. } => AttemptOutcome::Released,
        }
    }

    /// What the run yielded.
    pub const fn result(&self) -> Option<&NewResult> {
        match self {
            Self::Completed(completion) => completion.result.as_ref(),
            Self::Failed(failure) => failure.result.as_ref(),
            Self::Released { .. } => None,
        }
    }
}

/// Refuses what no store takes, and names the job of the report that says it. Backends call it before they write.
///
/// # Errors
/// [`Invalid`] with the field's name.
pub fn check_ends(ends: &[(LeaseKey, RunEnd)]) -> std::result::Result<(), Invalid> {
    ends.iter().try_for_each(|(key, end)| {
        end.check().map_err(|Invalid { field, reason }| {
            Invalid::new(field, format!("in the report on job {} {reason}", key.job))
        })
    })
}

/// How often a job has failed and lapsed before, in attempts that are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Past {
    /// Attempts that failed.
    pub failures: u32,
    /// Attempts whose lease lapsed.
    pub lapses: u32,
}

impl Past {
    /// Counts them.
    pub fn of(outcomes: impl IntoIterator<Item = AttemptOutcome>) -> Self {
        let mut past = Self::default();
        for outcome in outcomes {
            past.failures += u32::from(outcome == AttemptOutcome::Failed);
            past.lapses += u32::from(outcome == AttemptOutcome::Lapsed);
        }
        past
    }
}

/// What the end of a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The job has ended with this status.
    Finally(JobStatus),
    /// The job is QUEUED again, as a new attempt.
    Requeued {
        /// The number of the new attempt.
        attempt: u32,
        /// When it may be claimed; at once where there is none.
        not_before: Option<Timestamp>,
    },
    /// The run may go on somewhere: the job waits to be looked for.
    ToBeProbed,
    /// The same was reported before; nothing was written.
    Repeated,
}

/// What became of one report among many: what the run came to, or why its lease is gone.
pub type CameTo = std::result::Result<Ended, LeaseLoss>;

impl Ended {
    /// What it came to, by the job as it is afterwards: one that was queued again may have been cancelled
    /// in the same transaction, because it can no longer start.
    pub const fn of(job: &Job) -> Self {
        match job.status {
            JobStatus::Queued => {
                Self::Requeued { attempt: job.attempt, not_before: job.not_before }
            }
            JobStatus::Running => Self::ToBeProbed,
            status => Self::Finally(status),
        }
    }
}

/// A job whose lease lapsed, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The job.
    pub job: JobId,
    /// The lease that lapsed.
    pub lease: Lease,
    /// What became of the job.
    pub came_to: Ended,
}

words! {
    /// What a request to cancel a job came to.
    pub enum Cancellation as "cancellation" {
        /// It had not started, and is CANCELLED.
        Cancelled = "cancelled",
        /// It is RUNNING: whoever runs it is told to stop, and reports it CANCELLED.
        Requested = "requested",
        /// Its run was to stop already.
        AlreadyRequested = "already_requested",
        /// It had ended before.
        AlreadyEnded = "already_ended",
    }
}

/// What a report comes to that finds its lease gone: it is repeated where it was taken before, which is where
/// the attempt ended under the same token in the same way. A lapse that its policy makes a failure was reported by no
/// worker.
///
/// # Errors
/// Why the lease is gone, where it was not taken.
pub fn repeated(loss: LeaseLoss, key: &LeaseKey, past: Option<&Attempt>, end: &RunEnd) -> CameTo {
    match past {
        Some(past)
            if past.token == Some(key.token)
                && past.outcome == Some(end.outcome())
                && past.failure_kind != Some(FailureKind::lease_lapsed()) =>
        {
            Ok(Ended::Repeated)
        }
        _ => Err(loss),
    }
}

/// The run ended. Well: the job is COMPLETED. Badly: the job is queued as a new attempt, if its policy says so, or
/// FAILED. Given back, for no fault of the job: it is queued as a new attempt, which no policy counts. A job that was
/// to be cancelled and did not end well is CANCELLED, whatever its policy says: nothing that waits for its failure is
/// to start. Backends store what this returns, with the result; `past` is asked for only where a policy counts.
///
/// # Errors
/// [`Error::LeaseLost`], those of `past`.
pub fn end(
    key: &LeaseKey,
    job: Option<&Job>,
    lease: Option<&Lease>,
    end: &RunEnd,
    past: impl FnOnce() -> Result<Past>,
    now: Timestamp,
) -> Result<Step> {
    let lease = held(key, job, lease)?;
    let job = running(job, key)?;
    match end {
        RunEnd::Completed(completion) => {
            let end = End { exit_code: completion.exit_code, ..End::of(AttemptOutcome::Completed) };
            end_finally(job, Some(lease), JobStatus::Completed, end, now)
        }
        RunEnd::Failed(failure) => fail_run(job, lease, failure, past()?, now),
        RunEnd::Released { reason, not_before } => {
            let end = End { reason: reason.clone(), ..End::of(AttemptOutcome::Released) };
            if job.cancel_requested_at.is_some() {
                return end_finally(job, Some(lease), JobStatus::Cancelled, end, now);
            }
            Ok(requeue(job, Some(lease), end, *not_before, now))
        }
    }
}

fn fail_run(
    job: &Job,
    lease: &Lease,
    failure: &Failure,
    past: Past,
    now: Timestamp,
) -> Result<Step> {
    let failures = past.failures + 1;
    let end = End {
        outcome: AttemptOutcome::Failed,
        failure_kind: Some(failure.kind.clone()),
        reason: failure.reason.clone(),
        exit_code: failure.exit_code,
    };
    if job.cancel_requested_at.is_some() {
        return end_finally(job, Some(lease), JobStatus::Cancelled, end, now);
    }
    if !job.policy.retries(&failure.kind, failures) {
        return end_finally(job, Some(lease), JobStatus::Failed, end, now);
    }
    let pause = job.policy.backoff.pause(failures, job.uuid, job.attempt);
    let not_before = (!pause.is_zero()).then(|| now + pause);
    Ok(requeue(job, Some(lease), end, not_before, now))
}

/// The lease of a run lapsed, or its worker is known to be gone: what the job's policy says becomes of it.
/// Backends store what this returns.
///
/// # Errors
/// [`Error::Bug`] for a job that cannot have a lease.
pub fn lapse(job: &Job, lease: &Lease, past: Past, now: Timestamp) -> Result<Step> {
    let reason = format!("worker {} of {} was lost", lease.worker.name, lease.worker.process);
    let fallback = match job.runner {
        Runner::Local => OnLapse::Requeue,
        Runner::Ssh | Runner::Slurm => OnLapse::Probe,
    };
    let on_lapse = job.policy.on_lapse.unwrap_or(fallback);
    if on_lapse == OnLapse::Probe {
        let next = Job { probe_since: Some(now), updated_at: now, ..job.clone() };
        let event = NewEvent::of(&next, EventKind::ProbeNeeded, now)
            .with("reason", reason)
            .with("token", lease.token.get());
        return Ok(Step { job: next, event, ended: None });
    }
    let end = End { reason: Some(reason.clone()), ..End::of(AttemptOutcome::Lapsed) };
    if job.cancel_requested_at.is_some() {
        return end_finally(job, Some(lease), JobStatus::Cancelled, end, now);
    }
    if on_lapse == OnLapse::Requeue && past.lapses < job.policy.max_lapses {
        return Ok(requeue(job, Some(lease), end, None, now));
    }
    let failure = Failure::of(FailureKind::lease_lapsed()).because(reason);
    if on_lapse == OnLapse::Requeue {
        // It has taken enough workers down.
        let end = End {
            outcome: AttemptOutcome::Failed,
            failure_kind: Some(failure.kind),
            reason: failure.reason,
            exit_code: None,
        };
        return end_finally(job, Some(lease), JobStatus::Failed, end, now);
    }
    fail_run(job, lease, &failure, past, now)
}

/// The owner wants the job to end: it is CANCELLED, or its run is told to stop and keeps everything that
/// is needed for that. Nothing is to be stored where there is no step.
///
/// # Errors
/// [`Error::Invalid`].
pub fn request_cancel(
    job: &Job,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<(Cancellation, Option<Step>)> {
    check_optional_text("reason", reason)?;
    if job.status.is_terminal() {
        return Ok((Cancellation::AlreadyEnded, None));
    }
    if job.status != JobStatus::Running {
        let cancel = StatusChange {
            reason: reason.map(str::to_owned),
            ..StatusChange::to(JobStatus::Cancelled)
        };
        return Ok((Cancellation::Cancelled, change(job, &cancel, None, now)?));
    }
    if job.cancel_requested_at.is_some() {
        return Ok((Cancellation::AlreadyRequested, None));
    }
    let next = Job { cancel_requested_at: Some(now), updated_at: now, ..job.clone() };
    let event = NewEvent::of(&next, EventKind::CancelRequested, now).because(reason);
    Ok((Cancellation::Requested, Some(Step { job: next, event, ended: None })))
}

fn running<'j>(job: Option<&'j Job>, key: &LeaseKey) -> Result<&'j Job> {
    job.filter(|job| job.status == JobStatus::Running)
        .ok_or_else(|| Error::Bug { what: format!("there is a {key}, and no run"), source: None })
}

fn end_finally(
    job: &Job,
    lease: Option<&Lease>,
    to: JobStatus,
    end: End,
    now: Timestamp,
) -> Result<Step> {
    let report = StatusChange { reason: end.reason.clone(), ..StatusChange::to(to) };
    let mut step = change(job, &report, lease, now)?.ok_or_else(|| Error::Bug {
        what: format!("job {} is RUNNING and {to}", job.id),
        source: None,
    })?;
    step.event = end.described_in(step.event);
    step.ended = Some(Attempt::ended(job, lease, end, now));
    Ok(step)
}
