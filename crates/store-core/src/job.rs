//! Jobs: what is asked for, what is stored, what may be edited.

use serde::{Deserialize, Serialize};

use crate::code::{Code, Runner};
use crate::dependency::DependencyKind;
use crate::error::{Error, Invalid, Noun, Result};
use crate::event::{EventKind, NewEvent};
use crate::ids::{ClusterId, JobId, JobUuid};
use crate::input::{InputDeck, InputHash};
use crate::patch::{Edit, Patch};
use crate::policy::JobPolicy;
use crate::resources::Resources;
use crate::reuse::Reuse;
use crate::status::{InitialStatus, JobStatus};
use crate::tag::{Tags, check_tag};
use crate::time::Timestamp;
use crate::words::{check_name, check_optional_name};
use crate::work_dir::{Placement, WorkDir};

/// How a job is spread over a machine; a number that is not given is the runner's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Parallelism {
    /// Nodes, at least 1 (`sbatch --nodes`).
    pub nodes: Option<u32>,
    /// MPI processes in all, at least 1 (`sbatch --ntasks`).
    pub mpi_ranks: Option<u32>,
    /// Threads of each process, at least 1 (`OMP_NUM_THREADS`).
    pub threads: Option<u32>,
    /// Memory over all nodes in MiB, at least 1.
    pub memory_mib: Option<u32>,
}

impl Parallelism {
    /// What a run takes of its cluster: one node, one MPI process and one thread where nothing else is
    /// said, and a core for each thread of each process.
    pub fn needs(self) -> Resources {
        let or_one = |number: Option<u32>| i64::from(number.unwrap_or(1));
        Resources {
            nodes: or_one(self.nodes),
            cores: or_one(self.mpi_ranks).saturating_mul(or_one(self.threads)),
            memory_mib: i64::from(self.memory_mib.unwrap_or(0)),
        }
    }

    fn check(self) -> std::result::Result<(), Invalid> {
        for (field, number) in [
            ("nodes", self.nodes),
            ("mpi_ranks", self.mpi_ranks),
            ("threads", self.threads),
            ("memory_mib", self.memory_mib),
        ] {
            if number == Some(0) {
                return Err(Invalid::new(
                    field,
                    "is 0: give at least 1, or leave it out".to_owned(),
                ));
            }
        }
        let cores = self.needs().cores;
        if cores > i64::from(u32::MAX) {
            // A cluster's load, their sum, stays within 64 bits.
            let reason = format!("times threads is {cores} cores: give {} at most", u32::MAX);
            return Err(Invalid::new("mpi_ranks", reason));
        }
        Ok(())
    }
}

/// One calculation, as stored. Reading one never loads its input deck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its identity in this store.
    pub id: JobId,
    /// Its identity across stores.
    pub uuid: JobUuid,
    /// What people call it; need not be unique.
    pub name: String,
    /// Its directory, which no other job has.
    pub work_dir: WorkDir,
    /// Where it stands.
    pub status: JobStatus,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// The program that calculates it.
    pub code: Code,
    /// What starts that program.
    pub runner: Runner,
    /// The workflow that it belongs to.
    pub workflow: Option<String>,
    /// The cluster that it is meant for.
    pub cluster: Option<ClusterId>,
    /// How it is spread over the machine.
    pub parallelism: Parallelism,
    /// The process of this attempt's newest run.
    pub pid: Option<u32>,
    /// The machine of that process.
    pub host: Option<String>,
    /// Higher goes first.
    pub priority: i32,
    /// Not to be claimed before.
    pub not_before: Option<Timestamp>,
    /// How often it is tried, and what becomes of it otherwise.
    pub policy: JobPolicy,
    /// Since when its run is to stop; RUNNING jobs alone have it.
    pub cancel_requested_at: Option<Timestamp>,
    /// Since when nobody knows whether it still runs somewhere; RUNNING jobs alone have it.
    pub probe_since: Option<Timestamp>,
    /// The key under which it was created once and for all.
    pub idempotency_key: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When this attempt was last queued.
    pub queued_at: Option<Timestamp>,
    /// When this attempt first ran.
    pub started_at: Option<Timestamp>,
    /// When this attempt ended.
    pub finished_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it was put away; lists leave it out.
    pub archived_at: Option<Timestamp>,
    /// The job that calculated its result, where it was completed from an earlier one; that job may be
    /// gone, or in another store.
    pub cached_from: Option<JobUuid>,
}

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

/// An edit of a job. Its status, times and attempts change by [`StatusChange`](crate::StatusChange)
/// and retry alone, its input by `replace_input`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobPatch {
    /// As in [`Job`].
    pub name: Edit<String>,
    /// As in [`Job`]; only while the job is PENDING.
    pub work_dir: Edit<WorkDir>,
    /// As in [`Job`].
    pub workflow: Patch<String>,
    /// As in [`Job`].
    pub cluster: Patch<ClusterId>,
    /// As in [`Job`].
    pub runner: Edit<Runner>,
    /// As in [`Job`].
    pub parallelism: Edit<Parallelism>,
    /// As in [`Job`].
    pub priority: Edit<i32>,
    /// As in [`Job`].
    pub not_before: Patch<Timestamp>,
    /// As in [`Job`]; replaced whole.
    pub policy: Edit<JobPolicy>,
}

impl JobPatch {
    /// Carries the edit out: the job as it is to be stored and the event that names the fields, or
    /// nothing where nothing would change. Backends store what this returns.
    ///
    /// # Errors
    /// [`Error::Invalid`]; [`Error::NotAllowed`] for a new directory of a job that is not PENDING.
    pub fn apply(&self, job: &Job, now: Timestamp) -> Result<Option<(Job, NewEvent)>> {
        let mut next = job.clone();
        self.name.apply(&mut next.name);
        self.work_dir.apply(&mut next.work_dir);
        self.workflow.apply(&mut next.workflow);
        self.cluster.apply(&mut next.cluster);
        self.runner.apply(&mut next.runner);
        self.parallelism.apply(&mut next.parallelism);
        self.priority.apply(&mut next.priority);
        self.not_before.apply(&mut next.not_before);
        self.policy.apply(&mut next.policy);
        check_name("name", &next.name)?;
        check_optional_name("workflow", next.workflow.as_deref())?;
        next.parallelism.check()?;
        next.policy.check()?;

        let changed: Vec<&str> = [
            ("name", next.name != job.name),
            ("work_dir", next.work_dir != job.work_dir),
            ("workflow", next.workflow != job.workflow),
            ("cluster", next.cluster != job.cluster),
            ("runner", next.runner != job.runner),
            ("parallelism", next.parallelism != job.parallelism),
            ("priority", next.priority != job.priority),
            ("not_before", next.not_before != job.not_before),
            ("policy", next.policy != job.policy),
        ]
        .into_iter()
        .filter_map(|(field, changed)| changed.then_some(field))
        .collect();
        if changed.is_empty() {
            return Ok(None);
        }
        if next.work_dir != job.work_dir && job.status != JobStatus::Pending {
            let reason = "its directory is fixed once it is queued; only a PENDING job can move";
            return Err(Error::NotAllowed { job: job.id, status: job.status, reason });
        }
        next.updated_at = now;
        let event = NewEvent::of(&next, EventKind::Updated, now).with("fields", changed);
        Ok(Some((next, event)))
    }
}

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

    /// # Errors
    /// [`Error::NotAllowed`] for a QUEUED or RUNNING job.
    pub fn check_deletable(&self) -> Result<()> {
        self.allow(
            !matches!(self.status, JobStatus::Queued | JobStatus::Running),
            "a job that may be running cannot be deleted; cancel it first",
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
