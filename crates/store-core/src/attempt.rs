//! The attempts of a job: each with its own times, worker and outcome, so that nothing is overwritten.

use crate::event::NewEvent;
use crate::ids::{JobId, LeaseToken};
use crate::job::Job;
use crate::lease::Lease;
use crate::policy::FailureKind;
use crate::time::Timestamp;
use crate::words::words;
use crate::worker::Process;

words! {
    /// How an attempt ended.
    pub enum AttemptOutcome as "attempt outcome" {
        /// The job is COMPLETED.
        Completed = "completed",
        /// It failed; the job is FAILED, or tried again.
        Failed = "failed",
        /// The job was CANCELLED.
        Cancelled = "cancelled",
        /// Its lease lapsed and the job was queued again.
        Lapsed = "lapsed",
        /// Its worker gave the job back.
        Released = "released",
    }
}

/// One try of a job. What it left behind has the same number: its submissions
/// ([`RemoteJob::attempt`](crate::RemoteJob)) and its result ([`JobResult::attempt`](crate::JobResult)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The job.
    pub job: JobId,
    /// Which try it is, from 1.
    pub attempt: u32,
    /// How it ended; none while it has not.
    pub outcome: Option<AttemptOutcome>,
    /// What kind of failure it was, where it failed and that was said.
    pub failure_kind: Option<FailureKind>,
    /// Why it ended so, where that was said.
    pub reason: Option<String>,
    /// The exit code of its process, where that was said.
    pub exit_code: Option<i32>,
    /// The token of the last lease on it.
    pub token: Option<LeaseToken>,
    /// The name of the worker that held that lease.
    pub worker: Option<String>,
    /// The process that ran it.
    pub process: Option<Process>,
    /// When it was last queued.
    pub queued_at: Option<Timestamp>,
    /// When it first ran.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// What is known of the end of an attempt besides its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) outcome: AttemptOutcome,
    pub(crate) failure_kind: Option<FailureKind>,
    pub(crate) reason: Option<String>,
    pub(crate) exit_code: Option<i32>,
}

impl End {
    pub(crate) const fn of(outcome: AttemptOutcome) -> Self {
        Self { outcome, failure_kind: None, reason: None, exit_code: None }
    }

    /// The event that tells of it, with what is known of it.
    pub(crate) fn described_in(&self, mut event: NewEvent) -> NewEvent {
        if let Some(kind) = &self.failure_kind {
            event = event.with("failure_kind", kind.as_str());
        }
        if let Some(exit_code) = self.exit_code {
            event = event.with("exit_code", exit_code);
        }
        event
    }
}

impl Attempt {
    /// The present attempt of a job, as far as it has come.
    pub fn present(job: &Job, lease: Option<&Lease>) -> Self {
        let process = match (&job.host, job.pid) {
            (Some(host), Some(pid)) => Some(Process { host: host.clone(), pid }),
            _ => None,
        };
        Self {
            job: job.id,
            attempt: job.attempt,
            outcome: None,
            failure_kind: None,
            reason: None,
            exit_code: None,
            token: lease.map(|lease| lease.token),
            worker: lease.map(|lease| lease.worker.name.clone()),
            process,
            queued_at: job.queued_at,
            started_at: job.started_at,
            ended_at: None,
        }
    }

    /// The attempt of a job that was completed from an earlier one when it was created: it never ran.
    pub fn reused(job: &Job) -> Self {
        Self::ended(job, None, End::of(AttemptOutcome::Completed), job.created_at)
    }

    /// The attempt that `job` was in, over.
    pub(crate) fn ended(job: &Job, lease: Option<&Lease>, end: End, now: Timestamp) -> Self {
        let End { outcome, failure_kind, reason, exit_code } = end;
        Self {
            outcome: Some(outcome),
            failure_kind,
            reason,
            exit_code,
            ended_at: Some(now),
            ..Self::present(job, lease)
        }
    }
}
