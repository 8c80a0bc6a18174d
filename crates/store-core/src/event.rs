//! The history: one event for each change, written with the change.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::cluster::Cluster;
use crate::dependency::Dependency;
use crate::error::Invalid;
use crate::ids::{ClusterId, EventSequence, JobId};
use crate::input::InputHash;
use crate::job::Job;
use crate::status::JobStatus;
use crate::time::Timestamp;
use crate::words::{check_name, check_reason, check_text, words};
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
        /// The job was deleted, and its history with it, but for this event; the detail has its `name` and `uuid`,
        /// and where it was pruned the moment that it had `finished_before`.
        Deleted = "deleted",
        /// The job went into another store, with its history; the detail has its `name` and `uuid`, and `into` which
        /// store.
        Moved = "moved",
        /// The cluster was created; the detail has its `name`, `status`, `intake` and `limits`.
        ClusterCreated = "cluster_created",
        /// The cluster was edited; the detail has its `name`, the names of the edited `fields`, and the `reason` if
        /// one was given. `renamed_from` is its former name; `status`, `intake` and `limits` have `from` and `to` each,
        /// if they changed.
        ClusterUpdated = "cluster_updated",
        /// The cluster was removed; the detail has its `name`, and of a removal by force the numbers of
        /// [`ClusterRemoval`](crate::ClusterRemoval) by its names.
        ClusterDeleted = "cluster_deleted",
    }
}

impl EventKind {
    /// Whether the job left the store with it. Such an event stays when the rest of the history goes.
    pub const fn is_departure(self) -> bool {
        matches!(self, Self::Deleted | Self::Moved)
    }
}

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A job.
    Job {
        /// Which.
        id: JobId,
        /// The attempt of it that the event belongs to, from 1.
        attempt: u32,
    },
    /// A cluster.
    Cluster(ClusterId),
}

impl Subject {
    /// The job, if it is one.
    pub const fn job(self) -> Option<JobId> {
        match self {
            Self::Job { id, .. } => Some(id),
            Self::Cluster(_) => None,
        }
    }

    /// The attempt of the job, if it is one.
    pub const fn attempt(self) -> Option<u32> {
        match self {
            Self::Job { attempt, .. } => Some(attempt),
            Self::Cluster(_) => None,
        }
    }

    /// The cluster, if it is one.
    pub const fn cluster(self) -> Option<ClusterId> {
        match self {
            Self::Job { .. } => None,
            Self::Cluster(id) => Some(id),
        }
    }
}

/// One row of the history.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its place in the order of all changes of the store.
    pub sequence: EventSequence,
    /// What it is about: a job in one of its attempts, or a cluster.
    pub subject: Subject,
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// The status before, where the status changed or the job left.
    pub from: Option<JobStatus>,
    /// The status after, where the status changed or began.
    pub to: Option<JobStatus>,
    /// Who did it.
    pub actor: Actor,
    /// The process that did it; none in histories from before it was kept.
    pub process: Option<Process>,
    /// More about it, by name. `reason` says why, where the change or its [author](Author) gave one.
    pub detail: Map<String, Value>,
}

/// An event that has no place in the order yet; what backends store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// As in [`Event`].
    pub subject: Subject,
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
        Self::of_attempt(job, job.attempt, kind, at)
    }

    /// An event of one of the job's attempts, without statuses or detail.
    pub fn of_attempt(job: &Job, attempt: u32, kind: EventKind, at: Timestamp) -> Self {
        Self::about(Subject::Job { id: job.id, attempt }, kind, at)
    }

    /// An event of a cluster, with its name.
    pub fn of_cluster(cluster: &Cluster, kind: EventKind, at: Timestamp) -> Self {
        let event = Self::about(Subject::Cluster(cluster.id), kind, at);
        event.with("name", cluster.config.name.as_str())
    }

    fn about(subject: Subject, kind: EventKind, at: Timestamp) -> Self {
        Self { subject, at, kind, from: None, to: None, detail: Map::new() }
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

    /// With the reason, if one was given.
    #[must_use]
    pub fn because(self, reason: Option<&str>) -> Self {
        match reason {
            Some(reason) => self.with("reason", reason),
            None => self,
        }
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

    /// The job leaves the store, as `kind` says, which is a [departure](EventKind::is_departure).
    pub fn departure(job: &Job, kind: EventKind, at: Timestamp) -> Self {
        let mut event = Self::of(job, kind, at)
            .with("name", job.name.as_str())
            .with("uuid", job.uuid.to_string());
        event.from = Some(job.status);
        event
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

    /// With the reason of its author, unless it has one of its own. Backends record what this returns.
    #[must_use]
    pub fn signed_by(self, author: &Author) -> Self {
        match author.reason() {
            Some(reason) if !self.detail.contains_key("reason") => self.with("reason", reason),
            _ => self,
        }
    }

    /// Gives it its place, its author and the process.
    pub fn recorded(
        self,
        sequence: EventSequence,
        author: &Author,
        process: Option<Process>,
    ) -> Event {
        let Self { subject, at, kind, from, to, detail } = self.signed_by(author);
        let actor = author.actor().clone();
        Event { sequence, subject, at, kind, from, to, actor, process, detail }
    }
}

/// The longest reason that all changes of a store can have, in characters.
const LONGEST_REASON: usize = 4_096;

/// Who makes the changes of a store, and why, if a reason was given for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    actor: Actor,
    reason: Option<std::sync::Arc<str>>,
}

impl Author {
    /// One who gives no reason.
    pub const fn new(actor: Actor) -> Self {
        Self { actor, reason: None }
    }

    /// Another one, for the same reason.
    #[must_use]
    pub fn acting_as(&self, actor: Actor) -> Self {
        Self { actor, reason: self.reason.clone() }
    }

    /// The same one, for this reason.
    ///
    /// # Errors
    /// [`Invalid`] for a reason that is empty, has a NUL, or more than 4,096 characters: it goes into every event.
    pub fn because(&self, reason: &str) -> Result<Self, Invalid> {
        check_reason(reason)?;
        let length = reason.chars().count();
        if length > LONGEST_REASON {
            let refused =
                format!("has {length} characters: shorten it to {LONGEST_REASON} or fewer");
            return Err(Invalid::new("reason", refused));
        }
        Ok(Self { actor: self.actor.clone(), reason: Some(reason.into()) })
    }

    /// Who.
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Why.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
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
