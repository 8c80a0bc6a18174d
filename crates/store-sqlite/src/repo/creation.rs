//! The creation of jobs.

use rusqlite::params;
use store_core::held::asks_to_be_cancelled;
use store_core::repo::{ClusterRead, JobRead};
use store_core::{
    Attempt, ClusterId, Code, DependencyKind, Error, InputDeck, Job, JobId, JobStatus, NewJob,
    Noun, Resources, Result, Runner, UnmetCounts, WorkDir,
};

use super::jobs::policy_as_stored;
use crate::codec::{Columns, micros, optional_micros};
use crate::unit::{Unit, Writing};

const INSERT: &str = "INSERT INTO jobs (id, uuid, name, work_dir, status, code, runner, workflow, \
                      cluster_id, nodes, mpi_ranks, threads, priority, idempotency_key, created_at, \
                      queued_at, updated_at, memory_mib, not_before, policy, lane_id, \
                      finished_at, cached_from) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, \
                      ?15, ?17, ?18, ?19, ?20, ?21, ?22)";
const ENQUEUE: &str = "INSERT INTO job_queue (job_id, obstacles, lane_id, priority, workflow, \
                       unsatisfiable, delayed_until, created_at) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
pub(super) const DIR_IS_TAKEN: &str = "SELECT 1 FROM jobs WHERE work_dir = ?1";
pub(super) const STATUS: &str = "SELECT status FROM jobs WHERE id = ?1";
pub(super) const IS_DRAINING: &str = "SELECT 1 FROM clusters WHERE id = ?1 AND intake = 'draining'";
pub(super) const LANE: &str = "SELECT id FROM job_lanes INDEXED BY job_lanes_by_content WHERE cluster_id = ?1 AND runner = ?2 AND code = ?3 \
                               AND nodes = ?4 AND cores = ?5 AND memory_mib = ?6";
const NEXT_ID: &str =
    "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'jobs'), 0) + 1";

/// The creation of jobs one after the other: what stays the same from one to the next is looked up once.
pub(super) struct Creation<'u, 't> {
    unit: &'u Unit<'t, Writing>,
    /// The id that AUTOINCREMENT would give; nobody else writes meanwhile.
    next: JobId,
    lane: Option<(LaneKey, i64)>,
}

/// What the jobs of a lane have in common.
type LaneKey = (Option<ClusterId>, Runner, Code, Resources);

impl<'u, 't> Creation<'u, 't> {
    pub(super) fn begin(unit: &'u Unit<'t, Writing>) -> Result<Self> {
        let next = unit.find(NEXT_ID, [], |row| row.get(0))?.map_or(JobId::new(1), JobId::new);
        Ok(Self { unit, next, lane: None })
    }

    /// Creates a job; see [`JobWrite::create_job`](store_core::repo::JobWrite::create_job).
    pub(super) fn create(&mut self, new: &NewJob) -> Result<Job> {
        new.check()?;
        if let Some(key) = &new.idempotency_key
            && let Some(existing) = self.unit.find_job_by_idempotency_key(key)?
        {
            let input = self.unit.input_hash_of(existing.id)?;
            return new.repeated(existing, input);
        }
        let job = self.insert(new, UnmetCounts::default())?;
        if new.dependencies.is_empty() || !asks_to_be_cancelled(&job) {
            return Ok(job);
        }
        self.unit.settle(&job)?;
        self.unit.job(job.id)
    }

    /// Creates a job that was checked, and never finds one that there is. Edges that the caller inserts
    /// afterwards are counted in `unmet`.
    pub(super) fn create_anew(&mut self, new: &NewJob, unmet: UnmetCounts) -> Result<Job> {
        if let Some(key) = &new.idempotency_key
            && self.unit.find_job_by_idempotency_key(key)?.is_some()
        {
            return Err(Error::conflict(Noun::Job, "idempotency_key", key));
        }
        self.insert(new, unmet)
    }

    /// Whatever a constraint can refuse is in the first row or looked up before it, so that a refusal
    /// leaves nothing behind.
    fn insert(&mut self, new: &NewJob, mut unmet: UnmetCounts) -> Result<Job> {
        let unit = self.unit;
        if let Some(cluster) = new.cluster
            && unit.find(IS_DRAINING, [cluster.get()], |_| Ok(()))?.is_some()
        {
            unit.cluster(cluster)?.check_takes_new_jobs()?;
        }
        let id = self.next;
        let is_taken =
            |dir: &WorkDir| Ok(unit.find(DIR_IS_TAKEN, [dir.as_str()], |_| Ok(()))?.is_some());
        let free_directory = || new.placement.directory(id, &new.name, is_taken);
        // The first choice is almost always free; where it is not, the schema refuses the row.
        let first_choice = new.placement.directory(id, &new.name, |_| Ok(false))?;
        let mut job = new.to_job(id, first_choice, unit.now());
        for (parent, kind) in &new.dependencies {
            let Some(status) = unit.status_of(*parent)? else {
                job.work_dir = free_directory()?;
                let missing = Error::not_found(Noun::Job, parent);
                return Err(unit.first_reason(&job, &[])?.unwrap_or(missing));
            };
            unmet.count(kind.verdict(status));
        }
        let (mut job, event, earlier) = unit.with_earlier_result(new, job)?;
        let lane = self.lane_of(&job)?;
        let mut inserted = unit.insert_row(&job, lane)?;
        if inserted.is_err() {
            let free = free_directory()?;
            if free != job.work_dir {
                job.work_dir = free;
                inserted = unit.insert_row(&job, lane)?;
            }
        }
        if let Err(refused) = inserted {
            return Err(unit.why_refused(&job, &new.dependencies, refused)?);
        }
        unit.enqueue(&job, unmet, lane)?;
        self.next = JobId::new(id.get() + 1);
        if let Some(deck) = &new.input {
            unit.insert_input(id, deck, InputDeck::hash(deck))?;
        }
        for (parent, kind) in &new.dependencies {
            unit.insert_dependency(id, *parent, *kind)?;
        }
        if let Some(result) = &earlier {
            unit.insert_result(result)?;
            unit.insert_attempts(vec![Attempt::reused(&job)])?;
        }
        for (key, value) in &new.tags {
            unit.set_tag(&job, key, value)?;
        }
        unit.record(new.tell_tags(event))?;
        Ok(job)
    }

    /// The lane of a new job; none where there is none yet, which a trigger then makes.
    fn lane_of(&mut self, job: &Job) -> Result<Option<i64>> {
        let needs = job.parallelism.needs();
        let key = (job.cluster, job.runner, job.code.clone(), needs);
        if let Some((_, lane)) = self.lane.as_ref().filter(|(known, _)| *known == key) {
            return Ok(Some(*lane));
        }
        let params = params![
            job.cluster.map_or(0, ClusterId::get),
            job.runner.as_str(),
            job.code.as_str(),
            needs.nodes,
            needs.cores,
            needs.memory_mib,
        ];
        let lane = self.unit.find(LANE, params, |row| row.get(0))?;
        self.lane = lane.map(|lane| (key, lane));
        Ok(lane)
    }
}

impl Unit<'_, Writing> {
    pub(super) fn status_of(&self, job: JobId) -> Result<Option<JobStatus>> {
        self.find(STATUS, [job.get()], |row| Columns::of(row).word())
    }

    fn insert_row(
        &self,
        job: &Job,
        lane: Option<i64>,
    ) -> Result<std::result::Result<usize, rusqlite::Error>> {
        self.try_execute(
            INSERT,
            params![
                job.id.get(),
                job.uuid.as_bytes().as_slice(),
                job.name,
                job.work_dir.as_str(),
                job.status.as_str(),
                job.code.as_str(),
                job.runner.as_str(),
                job.workflow,
                job.cluster.map(ClusterId::get),
                job.parallelism.nodes,
                job.parallelism.mpi_ranks,
                job.parallelism.threads,
                job.priority,
                job.idempotency_key,
                micros(job.created_at),
                optional_micros(job.queued_at),
                job.parallelism.memory_mib,
                optional_micros(job.not_before),
                policy_as_stored(&job.policy),
                lane,
                optional_micros(job.finished_at),
                job.cached_from.as_ref().map(|uuid| uuid.as_bytes().as_slice()),
            ],
        )
    }

    /// Puts a new job into the queue. Where its lane is new a trigger has done so, and knew of no
    /// dependency.
    fn enqueue(&self, job: &Job, unmet: UnmetCounts, lane: Option<i64>) -> Result<()> {
        if !matches!(job.status, JobStatus::Pending | JobStatus::Queued) {
            return Ok(());
        }
        let Some(lane) = lane else { return self.count_unmet(job.id, unmet) };
        let delayed_until = job.not_before.filter(|not_before| *not_before > self.now());
        let reasons = [job.status == JobStatus::Pending, delayed_until.is_some()];
        let params = params![
            job.id.get(),
            unmet.waiting + unmet.unsatisfiable + reasons.map(i64::from).iter().sum::<i64>(),
            lane,
            job.priority,
            job.workflow,
            unmet.unsatisfiable,
            optional_micros(delayed_until),
            micros(job.created_at),
        ];
        self.execute(ENQUEUE, params).map(drop)
    }

    /// Explains why the schema refused a job's row.
    pub(super) fn why_refused(
        &self,
        job: &Job,
        dependencies: &[(JobId, DependencyKind)],
        refused: rusqlite::Error,
    ) -> Result<Error> {
        let reason = self.first_reason(job, dependencies)?;
        Ok(reason.unwrap_or_else(|| crate::error::meaning(refused)))
    }

    /// The first of the reasons to refuse a job's row, in the order that every backend keeps.
    fn first_reason(
        &self,
        job: &Job,
        dependencies: &[(JobId, DependencyKind)],
    ) -> Result<Option<Error>> {
        if let Some(cluster) = job.cluster
            && let Err(error @ Error::NotFound { .. }) = self.cluster(cluster)
        {
            return Ok(Some(error));
        }
        let is_another = |found: Option<Job>| found.is_some_and(|found| found.id != job.id);
        if is_another(self.find_job_by_uuid(job.uuid)?) {
            return Ok(Some(Error::conflict(Noun::Job, "uuid", job.uuid)));
        }
        if is_another(self.find_job_by_work_dir(&job.work_dir)?) {
            return Ok(Some(Error::conflict(Noun::Job, "work_dir", &job.work_dir)));
        }
        for (parent, _) in dependencies {
            if self.job_is_missing(*parent)? {
                return Ok(Some(Error::not_found(Noun::Job, parent)));
            }
        }
        Ok(None)
    }
}
