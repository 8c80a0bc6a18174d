//! The status machine: what a job may become, and what a change of status does to its times.

use crate::attempt::{Attempt, AttemptOutcome, End};
use crate::error::{Error, Invalid, Result};
use crate::event::{EventKind, NewEvent};
use crate::job::Job;
use crate::lease::Lease;
use crate::time::Timestamp;
use crate::words::{check_optional_name, words};

words! {
    /// Where a job stands.
    pub enum JobStatus as "status" {
        /// Being prepared; nobody starts it.
        Pending = "PENDING",
        /// Ready to be started, as far as its owner is concerned.
        Queued = "QUEUED",
        /// Started.
        Running = "RUNNING",
        /// Ended well. Final.
        Completed = "COMPLETED",
        /// Ended badly, or could not be submitted.
        Failed = "FAILED",
        /// Ended by its owner.
        Cancelled = "CANCELLED",
    }
}

impl JobStatus {
    /// Whether the attempt is over.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// What it may become within the same attempt. [`retry`] alone leads on from FAILED and
    /// CANCELLED.
    pub const fn successors(self) -> &'static [Self] {
        use JobStatus::{Cancelled, Completed, Failed, Pending, Queued, Running};
        match self {
            Pending => &[Queued, Running, Completed, Failed, Cancelled],
            Queued => &[Pending, Running, Completed, Failed, Cancelled],
            Running => &[Queued, Completed, Failed, Cancelled],
            Completed | Failed | Cancelled => &[],
        }
    }
}

/// The status that a job begins with, or begins again with when it is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InitialStatus {
    /// PENDING: it can still be prepared.
    #[default]
    Pending,
    /// QUEUED: it may be started at once.
    Queued,
}

impl From<InitialStatus> for JobStatus {
    fn from(initial: InitialStatus) -> Self {
        match initial {
            InitialStatus::Pending => Self::Pending,
            InitialStatus::Queued => Self::Queued,
        }
    }
}

/// A change of a job's status, as its reporter knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusChange {
    /// What the job becomes.
    pub to: JobStatus,
    /// What the job must be for the change to be made: compare and set. A job that is anything else
    /// answers [`Error::StaleStatus`], even where it is `to` already.
    pub expected: Option<JobStatus>,
    /// The process that runs the job; kept when the job becomes RUNNING.
    pub pid: Option<u32>,
    /// The machine of that process; kept when the job becomes RUNNING.
    pub host: Option<String>,
    /// Why; kept in the history.
    pub reason: Option<String>,
}

impl StatusChange {
    /// A change to `to`, from whatever may become it.
    pub const fn to(to: JobStatus) -> Self {
        Self { to, expected: None, pid: None, host: None, reason: None }
    }

    /// Only from `expected`.
    #[must_use]
    pub const fn expecting(mut self, expected: JobStatus) -> Self {
        self.expected = Some(expected);
        self
    }

    /// With the process that runs the job.
    #[must_use]
    pub fn on(mut self, host: impl Into<String>, pid: u32) -> Self {
        self.host = Some(host.into());
        self.pid = Some(pid);
        self
    }

    /// With a reason.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    fn check(&self) -> std::result::Result<(), Invalid> {
        check_optional_name("host", self.host.as_deref())?;
        if self.pid == Some(0) {
            return Err(Invalid::new("pid", "is 0: give the process id of the job".to_owned()));
        }
        Ok(())
    }
}

/// What a reported change of status came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// The job went from one status to another.
    Changed {
        /// What it was.
        from: JobStatus,
        /// What it is.
        to: JobStatus,
    },
    /// The job had this status already; nothing was written.
    Unchanged(JobStatus),
}

/// What a rule says is to be stored, all of it or nothing: backends store it as it is, so that the rules
/// are written once.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The job's row. The lease on it goes, unless the job is RUNNING and is not to be probed.
    pub job: Job,
    /// The event that says so.
    pub event: NewEvent,
    /// The attempt that is over with it.
    pub ended: Option<Attempt>,
}

/// Carries `change` out on `job`, which somebody may hold a `lease` on; nothing is to be stored where the
/// job has that status already.
///
/// `queued_at` is set by every QUEUED and emptied by PENDING; `started_at` is set by the first
/// RUNNING of an attempt; `finished_at` by a terminal status. The pid and the host belong to a run:
/// RUNNING sets them, a requeue empties them, the end keeps them.
///
/// A claimed run that is put into the queue ends its attempt, as one that is given back
/// ([`RunEnd::Released`](crate::run::RunEnd::Released)): the next one is of another worker.
///
/// # Errors
/// [`Error::StaleStatus`], [`Error::IllegalTransition`], [`Error::Invalid`].
pub fn change(
    job: &Job,
    change: &StatusChange,
    lease: Option<&Lease>,
    now: Timestamp,
) -> Result<Option<Step>> {
    change.check()?;
    let (from, to) = (job.status, change.to);
    if let Some(expected) = change.expected.filter(|expected| *expected != from) {
        return Err(Error::StaleStatus { job: job.id, expected, actual: from });
    }
    if from == to {
        return Ok(None);
    }
    if !from.successors().contains(&to) {
        return Err(Error::IllegalTransition { job: job.id, from, to });
    }
    let was_claimed = lease.is_some() || job.probe_since.is_some();
    if was_claimed && to == JobStatus::Queued {
        let end = End { reason: change.reason.clone(), ..End::of(AttemptOutcome::Released) };
        return Ok(Some(requeue(job, lease, end, None, now)));
    }
    let mut next = Job {
        status: to,
        updated_at: now,
        // Both are of a run.
        cancel_requested_at: None,
        probe_since: None,
        ..job.clone()
    };
    match to {
        JobStatus::Pending => {
            next.queued_at = None;
        }
        JobStatus::Queued => {
            next.queued_at = Some(now);
            (next.pid, next.host) = (None, None);
        }
        JobStatus::Running => {
            next.started_at = next.started_at.or(Some(now));
            (next.pid, next.host) = (change.pid, change.host.clone());
        }
        JobStatus::Completed | JobStatus::Failed | JobStatus::Cancelled => {
            next.finished_at = Some(now);
        }
    }
    let event = NewEvent::of(&next, EventKind::StatusChanged, now)
        .between(from, to)
        .because(change.reason.as_deref());
    let outcome = match to {
        JobStatus::Completed => Some(AttemptOutcome::Completed),
        JobStatus::Failed => Some(AttemptOutcome::Failed),
        JobStatus::Cancelled => Some(AttemptOutcome::Cancelled),
        JobStatus::Pending | JobStatus::Queued | JobStatus::Running => None,
    };
    let ended = outcome.map(|outcome| {
        let end = End { reason: change.reason.clone(), ..End::of(outcome) };
        Attempt::ended(job, lease, end, now)
    });
    Ok(Some(Step { job: next, event, ended }))
}

/// Opens the next attempt of a RUNNING job, whose run is over without an end of the job.
pub(crate) fn requeue(
    job: &Job,
    lease: Option<&Lease>,
    end: End,
    not_before: Option<Timestamp>,
    now: Timestamp,
) -> Step {
    let next = Job {
        status: JobStatus::Queued,
        attempt: job.attempt + 1,
        pid: None,
        host: None,
        queued_at: Some(now),
        started_at: None,
        not_before,
        updated_at: now,
        cancel_requested_at: None,
        probe_since: None,
        ..job.clone()
    };
    // It tells of the attempt that is over.
    let event = NewEvent::of(job, EventKind::Requeued, now)
        .between(JobStatus::Running, JobStatus::Queued)
        .with("outcome", end.outcome.as_str())
        .with("next_attempt", next.attempt);
    let mut event = end.described_in(event).because(end.reason.as_deref());
    if let Some(not_before) = not_before {
        event = event.with("not_before", not_before.as_micros());
    }
    Step { job: next, event, ended: Some(Attempt::ended(job, lease, end, now)) }
}

/// Opens the next attempt of a FAILED or CANCELLED job: its times, pid and host begin anew, and an
/// archived job comes back. Backends store what this returns.
///
/// # Errors
/// [`Error::IllegalTransition`] for a job in any other status.
pub fn retry(job: &Job, to: InitialStatus, now: Timestamp) -> Result<Step> {
    let (from, to) = (job.status, JobStatus::from(to));
    if !matches!(from, JobStatus::Failed | JobStatus::Cancelled) {
        return Err(Error::IllegalTransition { job: job.id, from, to });
    }
    let next = Job {
        status: to,
        attempt: job.attempt + 1,
        pid: None,
        host: None,
        queued_at: (to == JobStatus::Queued).then_some(now),
        started_at: None,
        finished_at: None,
        updated_at: now,
        archived_at: None,
        not_before: None,
        ..job.clone()
    };
    let event = NewEvent::of(&next, EventKind::Retried, now).between(from, to);
    Ok(Step { job: next, event, ended: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, JobId, NewJob, Placement, WorkDir};

    fn job(status: JobStatus) -> Job {
        let dir = WorkDir::new("/scratch/mgo").expect("absolute");
        let new = NewJob::new("MgO", Code::Crystal, Placement::At(dir.clone()));
        let job = new.to_job(JobId::new(1), dir, Timestamp::from_micros(1));
        Job { status, ..job }
    }

    #[test]
    fn the_machine_is_the_table_of_the_design() {
        let mut table = String::new();
        for &from in JobStatus::ALL {
            for &to in JobStatus::ALL {
                let asked = StatusChange::to(to);
                let mark = match change(&job(from), &asked, None, Timestamp::from_micros(2)) {
                    Ok(Some(_)) => 'x',
                    Ok(None) => '=',
                    Err(Error::IllegalTransition { .. }) => '.',
                    Err(other) => panic!("{from} to {to}: {other}"),
                };
                table.push(mark);
            }
            table.push('\n');
        }
        assert_eq!(table, "=xxxxx\nx=xxxx\n.x=xxx\n...=..\n....=.\n.....=\n");
    }

    #[test]
    fn retry_alone_leads_on_from_a_failure_and_counts_the_attempt() {
        let now = Timestamp::from_micros(5);
        for &from in JobStatus::ALL {
            let retried = retry(&job(from), InitialStatus::Queued, now);
            match from {
                JobStatus::Failed | JobStatus::Cancelled => {
                    let Step { job: next, event, .. } = retried.expect("may be retried");
                    assert_eq!((next.attempt, next.status), (2, JobStatus::Queued));
                    assert_eq!((next.queued_at, next.finished_at), (Some(now), None));
                    assert_eq!(event.subject.attempt(), Some(2));
                }
                _ => assert!(matches!(retried, Err(Error::IllegalTransition { .. })), "{from}"),
            }
        }
    }

    #[test]
    fn the_first_running_of_an_attempt_sets_its_start() -> Result<()> {
        let at = Timestamp::from_micros;
        let step = |job: &Job, to, now| {
            let step = change(job, &StatusChange::to(to), None, at(now))?;
            Ok::<Step, Error>(step.expect("changes"))
        };
        let running = step(&job(JobStatus::Queued), JobStatus::Running, 10)?.job;
        let requeued = step(&running, JobStatus::Queued, 20)?.job;
        let again = step(&requeued, JobStatus::Running, 30)?.job;
        assert_eq!((again.started_at, again.queued_at), (Some(at(10)), Some(at(20))));
        // The worker of a claimed run is lost, and nobody knows what became of it.
        let lost = Job { probe_since: Some(at(40)), ..again };
        let Step { job, ended, .. } = step(&lost, JobStatus::Queued, 50)?;
        assert_eq!((job.attempt, job.started_at, job.probe_since), (2, None, None));
        assert_eq!(ended.and_then(|ended| ended.started_at), Some(at(10)));
        Ok(())
    }

    #[test]
    fn an_expected_status_that_has_passed_is_refused_even_by_the_same_report() {
        let twice = StatusChange::to(JobStatus::Running).expecting(JobStatus::Queued);
        let now = Timestamp::from_micros(2);
        let refused = change(&job(JobStatus::Running), &twice, None, now);
        assert!(matches!(refused, Err(Error::StaleStatus { .. })), "{refused:?}");
    }
}
