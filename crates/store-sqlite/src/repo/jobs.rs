//! Jobs, one by one.

use std::collections::BTreeMap;

use rusqlite::{Row, params};
use store_core::event::{EventKind, NewEvent};
use store_core::held::asks_to_be_cancelled;
use store_core::repo::{ClusterRead, DependencyRead, JobRead, JobWrite, RemoteJobRead};
use store_core::status;
use store_core::{
    Code, Error, InitialStatus, InputDeck, InputHash, Job, JobFilter, JobId, JobPage, JobPatch,
    JobPolicy, JobStatus, JobUuid, NewJob, Noun, Page, Parallelism, Result, Reuse, StatusChange,
    StatusCounts, Transition, Under, WorkDir,
};

use super::creation::Creation;
use super::steps::Steps;
use crate::codec::{Columns, micros, optional_micros, to_json};
use crate::unit::{Mode, Unit, Writing};

/// The columns of a job, in the order in which [`decode`] takes them.
macro_rules! columns {
    () => {
        "jobs.id, jobs.uuid, jobs.name, jobs.work_dir, jobs.status, jobs.attempt, jobs.code, \
         jobs.runner, jobs.workflow, jobs.cluster_id, jobs.nodes, jobs.mpi_ranks, jobs.threads, \
         jobs.pid, jobs.host, jobs.priority, jobs.idempotency_key, jobs.created_at, jobs.queued_at, \
         jobs.started_at, jobs.finished_at, jobs.updated_at, jobs.archived_at, jobs.memory_mib, \
         jobs.not_before, jobs.policy, jobs.cancel_requested_at, jobs.probe_since, jobs.cached_from"
    };
}
pub(super) use columns;

pub(super) const BY_ID: &str = concat!("SELECT ", columns!(), " FROM jobs WHERE id = ?1");
pub(super) const BY_UUID: &str = concat!("SELECT ", columns!(), " FROM jobs WHERE uuid = ?1");
pub(super) const BY_WORK_DIR: &str =
    concat!("SELECT ", columns!(), " FROM jobs WHERE work_dir = ?1");
pub(super) const BY_IDEMPOTENCY_KEY: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM jobs INDEXED BY jobs_by_idempotency_key WHERE idempotency_key = ?1"
);
pub(super) const COUNTS: &str = "SELECT status, jobs FROM job_counts WHERE archived = 0";
pub(super) const STATUSES: &str = "SELECT jobs.id, jobs.status FROM json_each(?1) AS wanted \
                                   CROSS JOIN jobs NOT INDEXED ON jobs.id = wanted.value";

const UPDATE: &str = "UPDATE jobs SET name = ?2, work_dir = ?3, runner = ?4, workflow = ?5, \
                      cluster_id = ?6, nodes = ?7, mpi_ranks = ?8, threads = ?9, priority = ?10, \
                      updated_at = ?11, memory_mib = ?12, not_before = ?13, \
                      policy = ?14 WHERE id = ?1";

pub(crate) const DELETE: &str = "DELETE FROM jobs WHERE id = ?1";

/// Takes a job from the columns of [`columns`], which come first.
pub(super) fn decode(row: &Row<'_>) -> rusqlite::Result<Job> {
    decode_columns(&mut Columns::of(row))
}

/// As [`decode`], where others follow.
pub(super) fn decode_columns(columns: &mut Columns<'_, '_>) -> rusqlite::Result<Job> {
    let mut job = Job {
        id: columns.id(JobId::new)?,
        uuid: JobUuid::from_bytes(columns.plain()?),
        name: columns.plain()?,
        work_dir: columns.word::<WorkDir>()?,
        status: columns.word()?,
        attempt: columns.plain()?,
        code: columns.word::<Code>()?,
        runner: columns.word()?,
        workflow: columns.plain()?,
        cluster: columns.optional_id(store_core::ClusterId::new)?,
        parallelism: Parallelism {
            nodes: columns.plain()?,
            mpi_ranks: columns.plain()?,
            threads: columns.plain()?,
            memory_mib: None,
        },
        pid: columns.plain()?,
        host: columns.plain()?,
        priority: columns.plain()?,
        not_before: None,
        policy: JobPolicy::default(),
        cancel_requested_at: None,
        probe_since: None,
        idempotency_key: columns.plain()?,
        created_at: columns.time()?,
        queued_at: columns.optional_time()?,
        started_at: columns.optional_time()?,
        finished_at: columns.optional_time()?,
        updated_at: columns.time()?,
        archived_at: columns.optional_time()?,
        cached_from: None,
    };
    job.parallelism.memory_mib = columns.plain()?;
    job.not_before = columns.optional_time()?;
    job.policy = columns.optional_json()?.unwrap_or_default();
    job.cancel_requested_at = columns.optional_time()?;
    job.probe_since = columns.optional_time()?;
    job.cached_from = columns.plain::<Option<[u8; 16]>>()?.map(JobUuid::from_bytes);
    Ok(job)
}

/// A policy as stored; the default one is not.
pub(super) fn policy_as_stored(policy: &JobPolicy) -> Option<String> {
    (!policy.is_default()).then(|| to_json(policy))
}

impl<M: Mode> JobRead for Unit<'_, M> {
    fn job(&self, id: JobId) -> Result<Job> {
        let found = self.find(BY_ID, [id.get()], decode)?;
        found.ok_or_else(|| Error::not_found(Noun::Job, id))
    }

    fn find_job_by_uuid(&self, uuid: JobUuid) -> Result<Option<Job>> {
        self.find(BY_UUID, [uuid.as_bytes().as_slice()], decode)
    }

    fn find_job_by_work_dir(&self, dir: &WorkDir) -> Result<Option<Job>> {
        self.find(BY_WORK_DIR, [dir.as_str()], decode)
    }

    fn find_job_by_idempotency_key(&self, key: &str) -> Result<Option<Job>> {
        self.find(BY_IDEMPOTENCY_KEY, [key], decode)
    }

    fn find_completed(&self, code: &Code, input: InputHash, which: Reuse) -> Result<Option<Job>> {
        self.completed_with(code, input, which)
    }

    fn input(&self, job: JobId) -> Result<Option<InputDeck>> {
        self.input_of(job)
    }

    fn jobs(&self, filter: &JobFilter, page: Page) -> Result<JobPage> {
        self.page_of_jobs(filter, &page)
    }

    fn count_jobs(&self, filter: &JobFilter) -> Result<u64> {
        self.number_of_jobs(filter)
    }

    fn counts_by_status(&self) -> Result<StatusCounts> {
        let counts = self.list(COUNTS, [], |row| {
            let mut columns = Columns::of(row);
            Ok((columns.word::<JobStatus>()?, columns.plain::<i64>()?.unsigned_abs()))
        })?;
        Ok(counts.into_iter().collect())
    }

    fn statuses(&self, ids: &[JobId]) -> Result<BTreeMap<JobId, JobStatus>> {
        // One JSON array: SQLite takes 32,766 parameters at the most.
        let wanted = crate::codec::to_json(&ids);
        let found = self.list(STATUSES, [wanted], |row| {
            let mut columns = Columns::of(row);
            Ok((columns.id(JobId::new)?, columns.word()?))
        })?;
        Ok(found.into_iter().collect())
    }
}

impl JobWrite for Unit<'_, Writing> {
    fn create_job(&self, new: &NewJob) -> Result<Job> {
        Creation::begin(self)?.create(new)
    }

    fn create_jobs(&self, new: &[NewJob]) -> Result<Vec<Job>> {
        self.atomically(|| {
            let mut creation = Creation::begin(self)?;
            new.iter().map(|new| creation.create(new)).collect()
        })
    }

    fn update_job(&self, id: JobId, patch: &JobPatch) -> Result<Job> {
        let job = self.job(id)?;
        let Some((next, event)) = patch.apply(&job, self.now())? else { return Ok(job) };
        if let Some(cluster) = next.cluster.filter(|_| next.cluster != job.cluster) {
            self.cluster(cluster)?.check_takes_new_jobs()?;
        }
        let parallelism = next.parallelism;
        let updated = self.try_execute(
            UPDATE,
            params![
                id.get(),
                next.name,
                next.work_dir.as_str(),
                next.runner.as_str(),
                next.workflow,
                next.cluster.map(store_core::ClusterId::get),
                parallelism.nodes,
                parallelism.mpi_ranks,
                parallelism.threads,
                next.priority,
                micros(next.updated_at),
                parallelism.memory_mib,
                optional_micros(next.not_before),
                policy_as_stored(&next.policy),
            ],
        )?;
        if let Err(refused) = updated {
            return Err(self.why_refused(&next, &[], refused)?);
        }
        self.record(event)?;
        self.settle(&next)?;
        if asks_to_be_cancelled(&next) { self.job(id) } else { Ok(next) }
    }

    fn replace_input(&self, id: JobId, deck: &InputDeck) -> Result<()> {
        let job = self.job(id)?;
        let (old, new) = (self.input_hash_of(id)?, deck.hash());
        if old == Some(new) && self.input_of(id)?.as_ref() == Some(deck) {
            return Ok(());
        }
        job.check_input_replaceable()?;
        self.delete_input(id)?;
        self.insert_input(id, deck, new)?;
        self.touch(&Job { updated_at: self.now(), ..job.clone() })?;
        self.record(NewEvent::input_replaced(&job, old, new, self.now())).map(drop)
    }

    fn change_status(
        &self,
        job: impl Into<Under<JobId>>,
        change: &StatusChange,
    ) -> Result<Transition> {
        self.storing(|steps| self.changed(steps, job.into(), change))
    }

    fn change_statuses<J>(&self, changes: &[(J, StatusChange)]) -> Result<Vec<Transition>>
    where
        J: Into<Under<JobId>> + Copy,
    {
        let change = |steps: &mut Steps<'_, '_>, (job, change): &(J, StatusChange)| {
            self.changed(steps, (*job).into(), change)
        };
        self.atomically(|| {
            self.storing(|steps| changes.iter().map(|each| change(steps, each)).collect())
        })
    }

    fn retry_job(&self, id: JobId, to: InitialStatus) -> Result<Job> {
        self.storing(|steps| self.retry(steps, id, to))?;
        self.job(id)
    }

    fn archive_job(&self, id: JobId) -> Result<()> {
        let archived = self.job(id)?.archive(self.now())?;
        self.store_archived(archived)
    }

    fn unarchive_job(&self, id: JobId) -> Result<()> {
        let unarchived = self.job(id)?.unarchive(self.now());
        self.store_archived(unarchived)
    }

    fn delete_job(&self, id: JobId) -> Result<()> {
        let job = self.job(id)?;
        job.check_deletable(&self.remote_jobs_of(id)?)?;
        let dependents = self.dependents_of(id)?.len();
        if dependents > 0 {
            return Err(job.in_use(dependents));
        }
        self.remove_job(NewEvent::departure(&job, EventKind::Deleted, self.now()))
    }
}

impl Unit<'_, Writing> {
    pub(super) fn retry(
        &self,
        steps: &mut Steps<'_, '_>,
        id: JobId,
        to: InitialStatus,
    ) -> Result<()> {
        steps.before(id)?;
        let job = self.job(id)?;
        let step = status::retry(&job, to, self.now())?;
        if job.archived_at.is_some() {
            self.execute("UPDATE jobs SET archived_at = NULL WHERE id = ?1", [id.get()])?;
        }
        steps.take(step.into())
    }

    fn changed(
        &self,
        steps: &mut Steps<'_, '_>,
        job: Under<JobId>,
        change: &StatusChange,
    ) -> Result<Transition> {
        steps.before(job.lease.map_or(job.what, |key| key.job))?;
        let (job, lease) = self.leased_under(job)?;
        let Some(step) = status::change(&job, change, lease.as_ref(), self.now())? else {
            return Ok(Transition::Unchanged(job.status));
        };
        let transition = Transition::Changed { from: job.status, to: step.job.status };
        steps.take(step.into())?;
        Ok(transition)
    }

    /// Takes a job out of the store, and tells so. Everything that hangs on it goes by cascade.
    pub(crate) fn remove_job(&self, departure: NewEvent) -> Result<()> {
        self.execute(DELETE, [departure.subject.job().map(JobId::get)])?;
        self.record(departure).map(drop)
    }

    fn store_archived(&self, change: Option<(Job, NewEvent)>) -> Result<()> {
        let Some((next, event)) = change else { return Ok(()) };
        self.execute(
            "UPDATE jobs SET archived_at = ?2, updated_at = ?3 WHERE id = ?1",
            params![next.id.get(), optional_micros(next.archived_at), micros(next.updated_at),],
        )?;
        self.record(event).map(drop)
    }

    /// Stores when a job was last changed, where nothing else of its row changes.
    pub(super) fn touch(&self, job: &Job) -> Result<()> {
        let params = params![job.id.get(), micros(job.updated_at)];
        self.execute("UPDATE jobs SET updated_at = ?2 WHERE id = ?1", params).map(drop)
    }
}
