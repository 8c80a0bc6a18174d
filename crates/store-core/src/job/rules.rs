//! What may be done to a job in which status, besides changing it: input, dependencies, deletion,
//! the archive.

use crate::error::{Error, Noun, Result};
use crate::event::{EventKind, NewEvent};
use crate::remote_job::RemoteJob;
use crate::status::JobStatus;
use crate::time::Timestamp;

use super::Job;

/// The rules on what may be done to a job in which status, besides changing it. Backends ask before
/// they write.
impl Job {
    /// # Errors
    /// [`Error::NotAllowed`] unless the job is PENDING.
    pub fn check_input_replaceable(&self) -> Result<()> {
        self.allow(
            self.status == JobStatus::Pending,
            "its input is fixed once it is queued; only a PENDING job takes another",
        )
    }

    /// # Errors
    /// [`Error::NotAllowed`] unless the job is PENDING or QUEUED.
    pub fn check_can_wait(&self) -> Result<()> {
        self.allow(
            matches!(self.status, JobStatus::Pending | JobStatus::Queued),
            "its dependencies are settled; only a PENDING or QUEUED job can wait for others",
        )
    }

    /// `submissions` are all of the job.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] for a QUEUED or RUNNING job, and for one of which a scheduler may have something.
    pub fn check_deletable(&self, submissions: &[RemoteJob]) -> Result<()> {
        self.allow(
            !matches!(self.status, JobStatus::Queued | JobStatus::Running),
            "a job that may be running cannot be deleted; cancel it first",
        )?;
        self.allow(
            !submissions.iter().any(RemoteJob::is_active),
            "a job with an active submission cannot be deleted, or nobody knows any more what to cancel at \
             the scheduler; report its end, or abandon its intent, first",
        )
    }

    /// The error of deleting a job that `dependents` others wait for.
    pub fn in_use(&self, dependents: usize) -> Error {
        let by = format!("{dependents} jobs wait for it; remove those dependencies first");
        Error::InUse { noun: Noun::Job, key: self.id.to_string(), by }
    }

    /// The job put away, or `None` if it is already, with the event. Backends store what this returns.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] unless the job has ended.
    pub fn archive(&self, now: Timestamp) -> Result<Option<(Self, NewEvent)>> {
        self.allow(
            self.status.is_terminal(),
            "only a job that has ended can be archived; cancel it",
        )?;
        if self.archived_at.is_some() {
            return Ok(None);
        }
        let next = Self { archived_at: Some(now), updated_at: now, ..self.clone() };
        let event = NewEvent::of(&next, EventKind::Archived, now);
        Ok(Some((next, event)))
    }

    /// The job brought back, or `None` if it was not put away, with the event.
    pub fn unarchive(&self, now: Timestamp) -> Option<(Self, NewEvent)> {
        self.archived_at?;
        let next = Self { archived_at: None, updated_at: now, ..self.clone() };
        let event = NewEvent::of(&next, EventKind::Unarchived, now);
        Some((next, event))
    }

    fn allow(&self, allowed: bool, reason: &'static str) -> Result<()> {
        if allowed {
            return Ok(());
        }
        Err(Error::NotAllowed { job: self.id, status: self.status, reason })
    }
}
