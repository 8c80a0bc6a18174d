//! The creation of jobs.

use rusqlite::params;
use store_core::repo::{ClusterRead, JobRead};
use store_core::{
    ClusterId, DependencyKind, Error, InputDeck, Job, JobId, NewJob, Noun, Result, WorkDir,
};

use crate::codec::{micros, optional_micros};
use crate::unit::{Unit, Writing};

const INSERT: &str = "INSERT INTO jobs (id, uuid, name, work_dir, status, code, runner, workflow, \
                      cluster_id, nodes, mpi_ranks, threads, priority, idempotency_key, created_at, \
                      queued_at, updated_at) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?15)";
pub(super) const DIR_IS_TAKEN: &str = "SELECT 1 FROM jobs WHERE work_dir = ?1";
const NEXT_ID: &str =
    "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'jobs'), 0) + 1";

impl Unit<'_, Writing> {
    /// Creates a job; see [`JobWrite::create_job`](store_core::repo::JobWrite::create_job).
    ///
    /// Whatever a constraint can refuse is in the first row or looked up before it, so that a refusal
    /// leaves nothing behind.
    pub(super) fn insert_job(&self, new: &NewJob) -> Result<Job> {
        new.check()?;
        if let Some(key) = &new.idempotency_key
            && let Some(existing) = self.find_job_by_idempotency_key(key)?
        {
            let input = self.input_hash_of(existing.id)?;
            return new.repeated(existing, input);
        }
        // The id that AUTOINCREMENT would give; nobody else writes meanwhile.
        let id = self.find(NEXT_ID, [], |row| row.get(0))?.map_or(JobId::new(1), JobId::new);
        let is_taken =
            |dir: &WorkDir| Ok(self.find(DIR_IS_TAKEN, [dir.as_str()], |_| Ok(()))?.is_some());
        let work_dir = new.placement.directory(id, &new.name, is_taken)?;
        let job = new.to_job(id, work_dir, self.now());
        for (parent, _) in &new.dependencies {
            if self.job_is_missing(*parent)? {
                let missing = Error::not_found(Noun::Job, parent);
                return Err(self.first_reason(&job, &[])?.unwrap_or(missing));
            }
        }
        if let Err(refused) = self.insert_row(&job)? {
            return Err(self.why_refused(&job, &new.dependencies, refused)?);
        }
        if let Some(deck) = &new.input {
            self.insert_input(id, deck, InputDeck::hash(deck))?;
        }
        for (parent, kind) in &new.dependencies {
            self.insert_dependency(id, *parent, *kind)?;
        }
        for (key, value) in &new.tags {
            self.set_tag(&job, key, value)?;
        }
        self.record(new.created(&job))?;
        Ok(job)
    }

    fn insert_row(&self, job: &Job) -> Result<std::result::Result<usize, rusqlite::Error>> {
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
            ],
        )
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
