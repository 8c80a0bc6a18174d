//! The history of a job: one event for each change, written with the change.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::dependency::Dependency;
use crate::error::Invalid;
use crate::ids::{EventSequence, JobId};
use crate::input::InputHash;
use crate::job::Job;
use crate::status::JobStatus;
use crate::time::Timestamp;
use crate::words::{check_name, check_text, words};
use crate::worker::Process;

words! {
    /// What happened.
    pub enum EventKind as "event kind" {
        /// The job was created.
        Created = "created",
        /// The job was there before there was a history.
        Imported = "imported",
        /// Its status changed.
        StatusChanged = "status_changed",
        /// A worker claimed it; the detail has the worker and the token of its lease.
        Claimed = "claimed",
        /// A worker that knows of its run took it over; the detail has the worker and the token.
        Adopted = "adopted",
        /// An attempt ended and the next one was queued by the job's own policy; the detail has the
        /// outcome of the attempt, which the event belongs to.
        Requeued = "requeued",
        /// Its lease lapsed, and somebody is to find out whether it still runs.
        ProbeNeeded = "probe_needed",
        /// Its run is to stop.
        CancelRequested = "cancel_requested",
        /// A new attempt was opened.
        Retried = "retried",
        /// Fields of it were edited; the detail has their names.
        Updated = "updated",
        /// Its input deck was replaced; the detail has the old and the new hash.
        InputReplaced = "input_replaced",
        /// It was put away, out of lists.
        Archived = "archived",
        /// It was brought back into lists.
        Unarchived = "unarchived",
        /// It was made to wait for another job.
        DependencyAdded = "dependency_added",
        /// It no longer waits for another job.
        DependencyRemoved = "dependency_removed",
        /// It is about to be submitted to a cluster; the detail has the token.
        SubmissionIntended = "submission_intended",
        /// It was submitted to a cluster.
        Submitted = "submitted",
        /// What was about to be submitted never reached the scheduler; the detail has the reason.
        SubmissionAbandoned = "submission_abandoned",
        /// A submission of it was reported on.
        RemoteJobUpdated = "remote_job_updated",
        /// A result of it was recorded.
        ResultRecorded = "result_recorded",
        /// A result of it was replaced; the detail has the old one.
        ResultReplaced = "result_replaced",
        /// Its tags were edited; the detail has what was set and which keys were removed.
        Tagged = "tagged",
        /// Somebody wrote a note.
        Noted = "noted",
    }
}

/// One row of a job's history.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its place in the order of all changes of the store.
    pub sequence: EventSequence,
    /// The job.
    pub job: JobId,
    /// The attempt of the job that it belongs to, from 1.
    pub attempt: u32,
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// The status before, where the status changed.
    pub from: Option<JobStatus>,
    /// The status after, where the status changed or began.
    pub to: Option<JobStatus>,
    /// Who did it.
    pub actor: Actor,
    /// The process that did it; none in histories from before it was kept.
    pub process: Option<Process>,
    /// More about it, by name.
    pub detail: Map<String, Value>,
}

/// An event that has no place in the order yet; what backends store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// As in [`Event`].
    pub job: JobId,
    /// As in [`Event`].
    pub attempt: u32,
    /// As in [`Event`].
    pub at: Timestamp,
    /// As in [`Event`].
    pub kind: EventKind,
    /// As in [`Event`].
    pub from: Option<JobStatus>,
    /// As in [`Event`].
    pub to: Option<JobStatus>,
    /// As in [`Event`].
    pub detail: Map<String, Value>,
}

impl NewEvent {
    /// An event of the job's present attempt, without statuses or detail.
    pub fn of(job: &Job, kind: EventKind, at: Timestamp) -> Self {
        Self {
            job: job.id,
            attempt: job.attempt,
            at,
            kind,
            from: None,
            to: None,
            detail: Map::new(),
        }
    }

    /// With the statuses before and after.
    #[must_use]
    pub fn between(mut self, from: JobStatus, to: JobStatus) -> Self {
        (self.from, self.to) = (Some(from), Some(to));
        self
    }

    /// With one more detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }

    /// The job was created with the status that it has.
    pub fn created(job: &Job) -> Self {
        let mut event = Self::of(job, EventKind::Created, job.created_at);
        event.to = Some(job.status);
        event
    }

    /// The job's input was replaced.
    pub fn input_replaced(
        job: &Job,
        old: Option<InputHash>,
        new: InputHash,
        at: Timestamp,
    ) -> Self {
        Self::of(job, EventKind::InputReplaced, at)
            .with("old_sha256", old.map(|hash| hash.to_string()))
            .with("new_sha256", new.to_string())
    }

    /// An edge of the job was added or removed, as `kind` says.
    pub fn dependency(job: &Job, kind: EventKind, edge: &Dependency, at: Timestamp) -> Self {
        Self::of(job, kind, at)
            .with("depends_on", edge.depends_on.get())
            .with("kind", edge.kind.as_str())
    }

    /// Somebody wrote a note.
    ///
    /// # Errors
    /// [`Invalid`] for an empty note, and one with a NUL.
    pub fn noted(job: &Job, text: &str, at: Timestamp) -> Result<Self, Invalid> {
        if text.trim().is_empty() {
            return Err(Invalid::new("note", "is empty: write something".to_owned()));
        }
        check_text("note", text)?;
        Ok(Self::of(job, EventKind::Noted, at).with("text", text))
    }

    /// Gives it its place, its actor and the process.
    pub fn recorded(
        self,
        sequence: EventSequence,
        actor: Actor,
        process: Option<Process>,
    ) -> Event {
        let Self { job, attempt, at, kind, from, to, detail } = self;
        Event { sequence, job, attempt, at, kind, from, to, actor, process, detail }
    }
}

/// Who makes a change: a program, a worker, a person. It signs every event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Actor(std::sync::Arc<str>);

impl Actor {
    /// Takes a name of 1 to 255 characters.
    ///
    /// # Errors
    /// [`Invalid`] for an empty or longer name, or one with a control character.
    pub fn new(name: impl AsRef<str>) -> Result<Self, Invalid> {
        check_name("actor", name.as_ref())?;
        Ok(Self(name.as_ref().into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for Actor {
    type Error = Invalid;

    fn try_from(name: String) -> Result<Self, Invalid> {
        Self::new(name)
    }
}

impl From<Actor> for String {
    fn from(actor: Actor) -> Self {
        actor.0.as_ref().to_owned()
    }
}
