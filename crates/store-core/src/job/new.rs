//! Jobs that are to be created.

use crate::code::{Code, Runner};
use crate::dependency::DependencyKind;
use crate::error::{Error, Invalid, Noun, Result};
use crate::event::NewEvent;
use crate::ids::{ClusterId, JobId, JobUuid};
use crate::input::{InputDeck, InputHash};
use crate::policy::JobPolicy;
use crate::reuse::Reuse;
use crate::status::{InitialStatus, JobStatus};
use crate::tag::{Tags, check_tag};
use crate::time::Timestamp;
use crate::words::{check_name, check_optional_name};
use crate::work_dir::{Placement, WorkDir};

use super::{Job, Parallelism};

/// A job to be created. [`NewJob::new`] has what every job needs; the rest is set on the fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// As in [`Job`]; 1 to 255 characters.
    pub name: String,
    /// As in [`Job`].
    pub code: Code,
    /// Where it is to work.
    pub placement: Placement,
    /// The status that it begins with; PENDING unless set.
    pub status: InitialStatus,
    /// As in [`Job`]; local unless set.
    pub runner: Runner,
    /// As in [`Job`].
    pub workflow: Option<String>,
    /// As in [`Job`]; must exist.
    pub cluster: Option<ClusterId>,
    /// As in [`Job`].
    pub parallelism: Parallelism,
    /// As in [`Job`]; 0 unless set.
    pub priority: i32,
    /// As in [`Job`].
    pub not_before: Option<Timestamp>,
    /// As in [`Job`].
    pub policy: JobPolicy,
    /// What the code reads.
    pub input: Option<InputDeck>,
    /// The jobs that it waits for, each once.
    pub dependencies: Vec<(JobId, DependencyKind)>,
    /// What users say of it; see [`Tags`].
    pub tags: Tags,
    /// A key of the caller's choice. Creating a job again with the key of an earlier one returns
    /// that job, if name, code and input are the same; so a creation whose outcome is not known can
    /// be repeated.
    pub idempotency_key: Option<String>,
    /// Its identity across stores, where it has one already; made new unless set.
    pub uuid: Option<JobUuid>,
    /// Whether an earlier, identical calculation may take the place of this one, and which; see
    /// [`reuse`](crate::reuse). None unless set.
    pub reuse: Option<Reuse>,
}

impl NewJob {
    /// A local, pending job without an input.
    pub fn new(name: impl Into<String>, code: Code, placement: Placement) -> Self {
        Self {
            name: name.into(),
            code,
            placement,
            status: InitialStatus::Pending,
            runner: Runner::Local,
            workflow: None,
            cluster: None,
            parallelism: Parallelism::default(),
            priority: 0,
            not_before: None,
            policy: JobPolicy::default(),
            input: None,
            dependencies: Vec::new(),
            tags: Tags::new(),
            idempotency_key: None,
            uuid: None,
            reuse: None,
        }
    }

    /// With an input deck.
    #[must_use]
    pub fn with_input(mut self, deck: InputDeck) -> Self {
        self.input = Some(deck);
        self
    }

    /// Queued from the beginning.
    #[must_use]
    pub fn queued(mut self) -> Self {
        self.status = InitialStatus::Queued;
        self
    }

    /// Waiting for another job.
    #[must_use]
    pub fn after(mut self, job: JobId, kind: DependencyKind) -> Self {
        self.dependencies.push((job, kind));
        self
    }

    /// With a tag.
    #[must_use]
    pub fn tagged(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }

    /// With an idempotency key; see the field.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Completed at once where an earlier job has calculated the same; see [`reuse`](crate::reuse).
    #[must_use]
    pub const fn reusing(mut self, reuse: Reuse) -> Self {
        self.reuse = Some(reuse);
        self
    }

    /// Refuses what no store takes. Backends call it before they write.
    ///
    /// # Errors
    /// [`Invalid`] with the field's name.
    pub fn check(&self) -> std::result::Result<(), Invalid> {
        check_name("name", &self.name)?;
        check_optional_name("workflow", self.workflow.as_deref())?;
        check_optional_name("idempotency_key", self.idempotency_key.as_deref())?;
        self.parallelism.check()?;
        self.policy.check()?;
        for (key, value) in &self.tags {
            check_tag(key, value)?;
        }
        let mut parents: Vec<_> = self.dependencies.iter().map(|(parent, _)| parent).collect();
        parents.sort_unstable();
        if let Some(twice) = parents.windows(2).find(|pair| pair[0] == pair[1]) {
            let reason = format!("name job {} twice: name each job once", twice[0]);
            return Err(Invalid::new("dependencies", reason));
        }
        Ok(())
    }

    /// The row of the job, once the backend knows its id and directory.
    pub fn to_job(&self, id: JobId, work_dir: WorkDir, now: Timestamp) -> Job {
        let status = JobStatus::from(self.status);
        Job {
            id,
            uuid: self.uuid.unwrap_or_else(|| JobUuid::new_at(now)),
            name: self.name.clone(),
            work_dir,
            status,
            attempt: 1,
            code: self.code.clone(),
            runner: self.runner,
            workflow: self.workflow.clone(),
            cluster: self.cluster,
            parallelism: self.parallelism,
            pid: None,
            host: None,
            priority: self.priority,
            not_before: self.not_before,
            policy: self.policy.clone(),
            cancel_requested_at: None,
            probe_since: None,
            idempotency_key: self.idempotency_key.clone(),
            created_at: now,
            queued_at: (status == JobStatus::Queued).then_some(now),
            started_at: None,
            finished_at: None,
            updated_at: now,
            archived_at: None,
            cached_from: None,
        }
    }

    /// The event of its creation with its tags, where it has any.
    #[must_use]
    pub fn tell_tags(&self, event: NewEvent) -> NewEvent {
        if self.tags.is_empty() {
            return event;
        }
        let value = |(key, value): (&String, &String)| (key.clone(), value.clone().into());
        event.with("tags", self.tags.iter().map(value).collect::<serde_json::Map<_, _>>())
    }

    /// Decides what a second creation under the key of `existing` comes to: that job, if it is the
    /// same calculation.
    ///
    /// # Errors
    /// [`Error::Conflict`] on the idempotency key, where name, code or input differ.
    pub fn repeated(&self, existing: Job, existing_input: Option<InputHash>) -> Result<Job> {
        let same = self.name == existing.name
            && self.code == existing.code
            && self.input.as_ref().map(InputDeck::hash) == existing_input;
        if same {
            return Ok(existing);
        }
        let key = self.idempotency_key.as_deref().unwrap_or_default();
        Err(Error::conflict(Noun::Job, "idempotency_key", key))
    }
}
