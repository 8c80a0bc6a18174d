//! Submissions of jobs to clusters.

use rusqlite::{Row, params};
use store_core::repo::{ClusterRead, JobRead, RemoteJobRead, RemoteJobWrite};
use store_core::{
    ClusterId, Error, JobId, NewRemoteJob, Noun, RemoteJob, RemoteJobId, RemoteJobPatch, Result,
};

use crate::codec::{Columns, micros, optional_micros, to_json};
use crate::unit::{Mode, Unit, Writing};

macro_rules! columns {
    () => {
        "id, attempt, job_id, cluster_id, handle, queue, node_list, work_dir, stdout_path, stderr_path, \
         scheduler_state, metadata, submitted_at, ended_at, exit_code, updated_at"
    };
}

pub(super) const BY_ID: &str = concat!("SELECT ", columns!(), " FROM remote_jobs WHERE id = ?1");
pub(super) const BY_JOB: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM remote_jobs INDEXED BY remote_jobs_by_job WHERE job_id = ?1 ORDER BY id"
);
pub(super) const NEWEST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM remote_jobs INDEXED BY remote_jobs_by_job WHERE job_id = ?1 ORDER BY id DESC LIMIT 1"
);
pub(super) const ACTIVE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM remote_jobs INDEXED BY remote_jobs_by_active_handle \
     WHERE cluster_id = ?1 AND ended_at IS NULL ORDER BY id"
);
pub(super) const BY_HANDLE: &str = "SELECT id FROM remote_jobs INDEXED BY remote_jobs_by_active_handle \
                                    WHERE cluster_id = ?1 AND handle = ?2 AND ended_at IS NULL";

const INSERT: &str = "INSERT INTO remote_jobs (attempt, job_id, cluster_id, handle, queue, node_list, \
                      work_dir, stdout_path, stderr_path, scheduler_state, metadata, submitted_at, \
                      updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12)";
const UPDATE: &str = "UPDATE remote_jobs SET queue = ?2, node_list = ?3, stdout_path = ?4, \
                      stderr_path = ?5, scheduler_state = ?6, metadata = ?7, ended_at = ?8, \
                      exit_code = ?9, updated_at = ?10 WHERE id = ?1";

fn decode(row: &Row<'_>) -> rusqlite::Result<RemoteJob> {
    let mut columns = Columns::of(row);
    Ok(RemoteJob {
        id: columns.id(RemoteJobId::new)?,
        attempt: columns.plain()?,
        submission: NewRemoteJob {
            job: columns.id(JobId::new)?,
            cluster: columns.id(ClusterId::new)?,
            handle: columns.plain()?,
            queue: columns.plain()?,
            node_list: columns.plain()?,
            work_dir: columns.plain()?,
            stdout_path: columns.plain()?,
            stderr_path: columns.plain()?,
            scheduler_state: columns.plain()?,
            metadata: columns.json()?,
        },
        submitted_at: columns.time()?,
        ended_at: columns.optional_time()?,
        exit_code: columns.plain()?,
        updated_at: columns.time()?,
    })
}

impl<M: Mode> RemoteJobRead for Unit<'_, M> {
    fn remote_job(&self, id: RemoteJobId) -> Result<RemoteJob> {
        let found = self.find(BY_ID, [id.get()], decode)?;
        found.ok_or_else(|| Error::not_found(Noun::RemoteJob, id))
    }

    fn remote_jobs_of(&self, job: JobId) -> Result<Vec<RemoteJob>> {
        self.check_job(job)?;
        self.list(BY_JOB, [job.get()], decode)
    }

    fn newest_remote_job(&self, job: JobId) -> Result<Option<RemoteJob>> {
        self.check_job(job)?;
        self.find(NEWEST, [job.get()], decode)
    }

    fn active_remote_jobs(&self, cluster: ClusterId) -> Result<Vec<RemoteJob>> {
        self.cluster(cluster)?;
        self.list(ACTIVE, [cluster.get()], decode)
    }
}

impl RemoteJobWrite for Unit<'_, Writing> {
    fn record_submission(&self, new: &NewRemoteJob) -> Result<RemoteJob> {
        new.check()?;
        let job = self.job(new.job)?;
        self.cluster(new.cluster)?;
        self.check_handle_is_free(new, None)?;
        self.execute(
            INSERT,
            params![
                job.attempt,
                new.job.get(),
                new.cluster.get(),
                new.handle,
                new.queue,
                new.node_list,
                new.work_dir,
                new.stdout_path,
                new.stderr_path,
                new.scheduler_state,
                to_json(&new.metadata),
                micros(self.now()),
            ],
        )?;
        let id = RemoteJobId::new(self.last_id());
        let (remote, event) = new.clone().into_remote_job(id, &job, self.now());
        self.record(event)?;
        Ok(remote)
    }

    fn update_remote_job(&self, id: RemoteJobId, patch: &RemoteJobPatch) -> Result<RemoteJob> {
        let remote = self.remote_job(id)?;
        let job = self.job(remote.submission.job)?;
        let Some((next, event)) = patch.apply(&remote, &job, self.now())? else {
            return Ok(remote);
        };
        if next.is_active() {
            self.check_handle_is_free(&next.submission, Some(id))?;
        }
        let submission = &next.submission;
        self.execute(
            UPDATE,
            params![
                id.get(),
                submission.queue,
                submission.node_list,
                submission.stdout_path,
                submission.stderr_path,
                submission.scheduler_state,
                to_json(&submission.metadata),
                optional_micros(next.ended_at),
                next.exit_code,
                micros(next.updated_at),
            ],
        )?;
        self.record(event)?;
        Ok(next)
    }
}

impl Unit<'_, Writing> {
    fn check_handle_is_free(&self, new: &NewRemoteJob, own: Option<RemoteJobId>) -> Result<()> {
        let params = params![new.cluster.get(), new.handle];
        let holder = self.find(BY_HANDLE, params, |row| row.get(0).map(RemoteJobId::new))?;
        match holder {
            Some(other) if Some(other) != own => {
                Err(Error::conflict(Noun::RemoteJob, "handle", &new.handle))
            }
            _ => Ok(()),
        }
    }
}
