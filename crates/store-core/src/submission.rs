//! Crash-safe submission: an intent with a token before the scheduler is called, the handle after it.
//!
//! Between the two a program may die, and then nobody knows whether the scheduler has the job. The
//! intent says that this is so, and its token, which went along in the job's name, finds out: what the
//! scheduler has under it is confirmed, and what it has not is abandoned and submitted again.

use uuid::Uuid;

use crate::error::{Error, Invalid, Noun, Result};
use crate::event::{EventKind, NewEvent};
use crate::ids::RemoteJobId;
use crate::job::Job;
use crate::lease::LeaseLoss;
use crate::remote_job::{NewRemoteJob, RemoteJob, check_handle};
use crate::remote_phase::RemotePhase;
use crate::status::JobStatus;
use crate::time::Timestamp;
use crate::words::check_reason;

/// What a submission can be looked up by before its handle is known: `cs-` and the 32 hex digits of a
/// UUID version 7 (RFC 9562). It is unique, and short and plain enough for the name of a job in every
/// scheduler (`sbatch --job-name`, then `squeue --name`, `sacct --name` and `scancel --name`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubmissionToken(Uuid);

/// What every token begins with.
const PREFIX: &str = "cs-";

impl SubmissionToken {
    /// Makes a new one for a submission that is begun at `now`.
    pub fn new_at(now: Timestamp) -> Self {
        Self(crate::ids::uuid_at(now))
    }

    /// Takes one from its sixteen bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl std::fmt::Display for SubmissionToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{PREFIX}{}", self.0.simple()))
    }
}

impl std::str::FromStr for SubmissionToken {
    type Err = Invalid;

    /// Takes the text that `Display` writes, and no other.
    fn from_str(text: &str) -> std::result::Result<Self, Invalid> {
        let plain = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        text.strip_prefix(PREFIX)
            .filter(|digits| digits.len() == 32 && digits.chars().all(plain))
            .and_then(|digits| Uuid::try_parse(digits).ok())
            .map(Self)
            .ok_or_else(|| {
                Invalid::new("token", format!("{text:?} is not {PREFIX} and 32 hex digits"))
            })
    }
}

/// What the scheduler answered to a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The id that it gave.
    pub handle: String,
    /// When it took the job, where it tells (`squeue --Format=SubmitTime`, `sacct --format=Submit`);
    /// the time of the confirmation otherwise.
    pub submitted_at: Option<Timestamp>,
}

impl Confirmation {
    /// A handle that was given just now.
    pub fn new(handle: impl Into<String>) -> Self {
        Self { handle: handle.into(), submitted_at: None }
    }

    /// With the time that the scheduler tells.
    #[must_use]
    pub const fn at(mut self, submitted_at: Timestamp) -> Self {
        self.submitted_at = Some(submitted_at);
        self
    }

    /// Refuses what no store takes. Backends call it before they look anything up.
    ///
    /// # Errors
    /// [`Invalid`] for the handle.
    pub fn check(&self) -> std::result::Result<(), Invalid> {
        check_handle(&self.handle)
    }

    /// Carries it out on an intent of `job`: the submission with its handle and the event, or nothing
    /// where it has just that handle already. Backends store what this returns, once they have seen
    /// that the handle is free.
    ///
    /// # Errors
    /// [`Error::WrongPhase`] where the submission has another handle, or was abandoned.
    pub fn apply(
        &self,
        remote: &RemoteJob,
        job: &Job,
        now: Timestamp,
    ) -> Result<Option<(RemoteJob, NewEvent)>> {
        if remote.submission.handle.as_ref() == Some(&self.handle) {
            return Ok(None);
        }
        if remote.submission.handle.is_some() {
            return Err(remote.wrong_phase(
                "it has another handle; cancel what has this one at the scheduler, it runs twice",
            ));
        }
        if remote.is_abandoned() {
            return Err(remote.wrong_phase(
                "it was abandoned and may be submitted anew; cancel what has this handle at the \
                 scheduler",
            ));
        }
        let mut next = remote.clone();
        next.submission.handle = Some(self.handle.clone());
        next.phase = RemotePhase::Submitted;
        next.submitted_at = self.submitted_at.or(Some(now));
        next.updated_at = now;
        let event = next.told(EventKind::Submitted, job, now);
        Ok(Some((next, event)))
    }
}

impl NewRemoteJob {
    /// Refuses what cannot be begun. Backends call it before they look anything up.
    ///
    /// # Errors
    /// As [`check`](Self::check); and with an attempt, a handle or a state of the scheduler.
    pub fn check_intended(&self) -> std::result::Result<(), Invalid> {
        self.check()?;
        if self.attempt.is_some() {
            let reason = "is given: only the present one is begun";
            return Err(Invalid::new("attempt", reason.to_owned()));
        }
        let known = [
            ("handle", self.handle.is_some()),
            ("scheduler_state", self.scheduler_state.is_some()),
        ];
        for (field, is_known) in known {
            if is_known {
                let reason = "is known only once the scheduler was called: record the submission";
                return Err(Invalid::new(field, reason.to_owned()));
            }
        }
        Ok(())
    }

    /// Whether the submission may be begun: `None` if it may, and the earlier one where the same
    /// attempt begins it again under the same token. `same_token` is the submission that has the token,
    /// `active` an active one of the job's present attempt.
    ///
    /// # Errors
    /// [`Error::Conflict`] on the token of another submission, or of one that has ended;
    /// [`Error::NotAllowed`] for a job that has ended; [`Error::AlreadySubmitted`].
    pub fn check_beginning(
        &self,
        job: &Job,
        same_token: Option<RemoteJob>,
        active: Option<RemoteJob>,
    ) -> Result<Option<RemoteJob>> {
        if let Some(earlier) = same_token {
            let known = &earlier.submission;
            let same = (known.job, known.cluster, earlier.attempt);
            if same == (self.job, self.cluster, job.attempt) && earlier.is_active() {
                return Ok(Some(earlier));
            }
            let token = known.token.map(|token| token.to_string()).unwrap_or_default();
            return Err(Error::conflict(Noun::RemoteJob, "token", token));
        }
        if job.status.is_terminal() {
            let reason = "a job that has ended is not submitted; retry it, or create a new one";
            return Err(Error::NotAllowed { job: job.id, status: job.status, reason });
        }
        match active {
            Some(remote) => {
                Err(Error::AlreadySubmitted { job: job.id, remote: remote.id, phase: remote.phase })
            }
            None => Ok(None),
        }
    }

    /// The row of the intent and its event. The token must be set.
    pub fn into_intent(self, id: RemoteJobId, job: &Job, now: Timestamp) -> (RemoteJob, NewEvent) {
        let mut remote = self.into_row(id, job, now);
        remote.intended_at = Some(now);
        let event = remote.told(EventKind::SubmissionIntended, job, now);
        (remote, event)
    }

    /// The same with a token, new unless it has one.
    #[must_use]
    pub fn with_a_token(mut self, now: Timestamp) -> Self {
        self.token.get_or_insert_with(|| SubmissionToken::new_at(now));
        self
    }
}

/// Settles that an intent of `job` never reached the scheduler: the submission with its end and the
/// event, or nothing where it was abandoned already. Backends store what this returns.
///
/// # Errors
/// [`Error::Invalid`] for a reason that is empty or has a NUL; [`Error::WrongPhase`] where the
/// submission has a handle.
pub fn abandon(
    remote: &RemoteJob,
    job: &Job,
    reason: &str,
    now: Timestamp,
) -> Result<Option<(RemoteJob, NewEvent)>> {
    check_reason(reason)?;
    if remote.is_abandoned() {
        return Ok(None);
    }
    if remote.phase != RemotePhase::Intended {
        return Err(
            remote.wrong_phase("it reached the scheduler; cancel it there and report its end")
        );
    }
    let mut next = remote.clone();
    next.ended_at = Some(now);
    next.abandon_reason = Some(reason.to_owned());
    next.updated_at = now;
    let event = next.told(EventKind::SubmissionAbandoned, job, now).with("reason", reason);
    Ok(Some((next, event)))
}

/// Whether a submission of `job` is to be cancelled at the scheduler: it is active, and its job is to
/// stop, is CANCELLED or FAILED, so that nothing will come of it, or has gone on to another attempt, beside
/// which it would run in the same directory.
pub fn is_to_be_cancelled(remote: &RemoteJob, job: &Job) -> bool {
    let is_given_up = matches!(job.status, JobStatus::Cancelled | JobStatus::Failed);
    let is_over = is_given_up || remote.attempt < job.attempt;
    remote.is_active() && (is_over || job.cancel_requested_at.is_some())
}

/// What a worker is told that has lost its lease and has a handle to report: the handle is a fact all the
/// same, and what has it at the scheduler is the run of whoever has the job now, or is to be cancelled. Where
/// nothing is left that it could be reported of, the worker alone knows it and cancels it.
/// Backends give the error of the lease to it, in [`confirm_submission`] and [`record_submission`].
///
/// [`confirm_submission`]: crate::repo::RemoteJobWrite::confirm_submission
/// [`record_submission`]: crate::repo::RemoteJobWrite::record_submission
pub fn keep_the_handle(refused: Error) -> Error {
    match refused {
        Error::LeaseLost { key, loss, .. } => {
            let way_out = match loss {
                LeaseLoss::Deleted => {
                    "stop working on the job, and cancel what has this handle at the scheduler: nobody \
                     else knows it"
                }
                _ => {
                    "stop working on the job, but report the handle for its own attempt, with \
                     Under::without_lease, so that what has it can be found or cancelled; if that is not \
                     found, cancel what has this handle at the scheduler"
                }
            };
            Error::LeaseLost { key, loss, way_out }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_name_that_every_scheduler_takes() {
        let token = SubmissionToken::new_at(Timestamp::from_micros(1_700_000_000_123_456));
        let text = token.to_string();
        assert!(text.starts_with("cs-018bcfe568"), "{text}");
        assert_eq!(text.len(), 35);
        assert_eq!(text.parse(), Ok(token));
        assert_ne!(token, SubmissionToken::new_at(Timestamp::from_micros(1_700_000_000_123_456)));
    }

    #[test]
    fn only_the_text_of_a_token_is_one() {
        let good = SubmissionToken::from_bytes([0xab; 16]).to_string();
        assert!(good.parse::<SubmissionToken>().is_ok());
        let braced = format!("cs-{{{}}}", &good[3..]);
        for bad in [&good[1..], &good[..34], &good.to_uppercase(), &format!("{good}0"), &braced, ""]
        {
            assert!(bad.parse::<SubmissionToken>().is_err(), "{bad}");
        }
    }
}
