//! Submissions of jobs to clusters. Whether the clusters answer is in `contacts.rs`.

use rusqlite::{Row, params};
use store_core::repo::{ClusterRead, JobRead, RemoteJobRead, RemoteJobWrite};
use store_core::{
    ClusterContact, ClusterId, Confirmation, Error, Job, JobId, NewRemoteJob, Noun, RemoteJob,
    RemoteJobId, RemoteJobPatch, RemotePhase, Reported, Result, SubmissionToken, Under, submission,
};

use crate::codec::{Columns, micros, optional_micros, to_json};
use crate::unit::{Mode, Unit, Writing};

macro_rules! columns {
    () => {
        "remote_jobs.id, remote_jobs.attempt, job_id, remote_jobs.cluster_id, handle, token, queue, node_list, \
         remote_jobs.work_dir, stdout_path, stderr_path, scheduler_state, metadata, phase, intended_at, \
         submitted_at, pending_at, running_at, ended_at, retrieved_at, abandon_reason, exit_code, \
         remote_jobs.updated_at"
    };
}

macro_rules! select {
    ($from_where:literal) => {
        concat!("SELECT ", columns!(), " FROM remote_jobs ", $from_where)
    };
}

pub(super) const BY_ID: &str = select!("WHERE id = ?1");
pub(super) const BY_JOB: &str =
    select!("INDEXED BY remote_jobs_by_job WHERE job_id = ?1 ORDER BY id");
pub(super) const NEWEST: &str =
    select!("INDEXED BY remote_jobs_by_job WHERE job_id = ?1 ORDER BY id DESC LIMIT 1");
pub(super) const ACTIVE: &str = select!(
    "INDEXED BY remote_jobs_by_active_handle WHERE cluster_id = ?1 AND ended_at IS NULL ORDER BY id"
);
/// The few submissions of the job are looked through: also those without a token count.
pub(super) const ACTIVE_OF_ATTEMPT: &str = select!(
    "INDEXED BY remote_jobs_by_job WHERE job_id = ?1 AND attempt = ?2 AND ended_at IS NULL \
     ORDER BY id LIMIT 1"
);
pub(super) const BY_ACTIVE_HANDLE: &str = select!(
    "INDEXED BY remote_jobs_by_active_handle \
     WHERE cluster_id = ?1 AND handle = ?2 AND ended_at IS NULL"
);
pub(super) const NEWEST_BY_HANDLE: &str = select!(
    "INDEXED BY remote_jobs_by_handle WHERE cluster_id = ?1 AND handle = ?2 \
     ORDER BY submitted_at DESC LIMIT 1"
);
pub(super) const BY_HANDLE_AND_TIME: &str = select!(
    "INDEXED BY remote_jobs_by_handle WHERE cluster_id = ?1 AND handle = ?2 AND submitted_at = ?3"
);
pub(super) const BY_TOKEN: &str = select!("INDEXED BY remote_jobs_by_token WHERE token = ?1");
pub(super) const INTENTS: &str = select!(
    "INDEXED BY remote_jobs_by_intent WHERE phase = 'intended' AND ended_at IS NULL \
     ORDER BY cluster_id, id"
);
pub(super) const INTENTS_OF_CLUSTER: &str = select!(
    "INDEXED BY remote_jobs_by_intent \
     WHERE phase = 'intended' AND ended_at IS NULL AND cluster_id = ?1 ORDER BY id"
);
/// As [`submission::is_to_be_cancelled`] says. The active submissions come first: there are few of them
/// at a time, however many jobs were ever cancelled.
pub(super) const TO_CANCEL: &str = select!(
    "INDEXED BY remote_jobs_by_active_handle CROSS JOIN jobs ON jobs.id = remote_jobs.job_id \
     WHERE remote_jobs.cluster_id = ?1 AND ended_at IS NULL \
     AND (jobs.cancel_requested_at IS NOT NULL OR jobs.status IN ('CANCELLED', 'FAILED') \
     OR jobs.attempt > remote_jobs.attempt) ORDER BY remote_jobs.id"
);

const INSERT: &str = "INSERT INTO remote_jobs (attempt, job_id, cluster_id, handle, token, queue, node_list, \
                      work_dir, stdout_path, stderr_path, scheduler_state, metadata, phase, \
                      intended_at, submitted_at, updated_at) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
const UPDATE: &str = "UPDATE remote_jobs SET handle = ?2, queue = ?3, node_list = ?4, stdout_path = ?5, \
                      stderr_path = ?6, scheduler_state = ?7, metadata = ?8, phase = ?9, \
                      submitted_at = ?10, pending_at = ?11, running_at = ?12, ended_at = ?13, \
                      retrieved_at = ?14, abandon_reason = ?15, exit_code = ?16, updated_at = ?17 \
                      WHERE id = ?1";

fn decode(row: &Row<'_>) -> rusqlite::Result<RemoteJob> {
    let mut columns = Columns::of(row);
    Ok(RemoteJob {
        id: columns.id(RemoteJobId::new)?,
        attempt: columns.plain()?,
        submission: NewRemoteJob {
            job: columns.id(JobId::new)?,
            cluster: columns.id(ClusterId::new)?,
            attempt: None,
            handle: columns.plain()?,
            token: columns.optional_word()?,
            queue: columns.plain()?,
            node_list: columns.plain()?,
            work_dir: columns.plain()?,
            stdout_path: columns.plain()?,
            stderr_path: columns.plain()?,
            scheduler_state: columns.plain()?,
            metadata: columns.json()?,
        },
        phase: columns.word()?,
        intended_at: columns.optional_time()?,
        submitted_at: columns.optional_time()?,
        pending_at: columns.optional_time()?,
        running_at: columns.optional_time()?,
        ended_at: columns.optional_time()?,
        retrieved_at: columns.optional_time()?,
        abandon_reason: columns.plain()?,
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

    fn find_remote_job(&self, cluster: ClusterId, handle: &str) -> Result<Option<RemoteJob>> {
        self.cluster(cluster)?;
        let meant = params![cluster.get(), handle];
        match self.find(BY_ACTIVE_HANDLE, meant, decode)? {
            None => self.find(NEWEST_BY_HANDLE, meant, decode),
            active => Ok(active),
        }
    }

    fn find_remote_job_by_token(&self, token: SubmissionToken) -> Result<Option<RemoteJob>> {
        self.find(BY_TOKEN, [token.to_string()], decode)
    }

    fn pending_intents(&self, cluster: Option<ClusterId>) -> Result<Vec<RemoteJob>> {
        match cluster {
            None => self.list(INTENTS, [], decode),
            Some(cluster) => {
                self.cluster(cluster)?;
                self.list(INTENTS_OF_CLUSTER, [cluster.get()], decode)
            }
        }
    }

    fn submissions_to_cancel(&self, cluster: ClusterId) -> Result<Vec<RemoteJob>> {
        self.cluster(cluster)?;
        self.list(TO_CANCEL, [cluster.get()], decode)
    }

    fn cluster_contact(&self, cluster: ClusterId) -> Result<ClusterContact> {
        self.contact(cluster)
    }
}

impl RemoteJobWrite for Unit<'_, Writing> {
    fn record_submission(&self, new: impl Into<Under<NewRemoteJob>>) -> Result<RemoteJob> {
        let under = new.into();
        self.admit(&under).map_err(submission::keep_the_handle)?;
        under.check_is_of(under.what.job)?;
        let new = under.what;
        new.check_recorded()?;
        let job = self.job(new.job)?;
        self.cluster(new.cluster)?;
        let attempt = new.attempt_of(&job)?;
        self.check_handle_is_free(&new, Some(self.now()), None)?;
        let id = self.insert_submission(&new, attempt, RemotePhase::Submitted)?;
        let (remote, event) = new.into_remote_job(id, &job, self.now());
        self.record(event)?;
        Ok(remote)
    }

    fn begin_submission(&self, new: impl Into<Under<NewRemoteJob>>) -> Result<RemoteJob> {
        let under = new.into();
        self.admit(&under)?;
        under.check_is_of(under.what.job)?;
        let new = under.what;
        new.check_intended()?;
        let job = self.job(new.job)?;
        self.cluster(new.cluster)?;
        let same_token = match new.token {
            Some(token) => self.find_remote_job_by_token(token)?,
            None => None,
        };
        let attempt = params![job.id.get(), job.attempt];
        let active = self.find(ACTIVE_OF_ATTEMPT, attempt, decode)?;
        if let Some(earlier) = new.check_beginning(&job, same_token, active)? {
            return Ok(earlier);
        }
        let new = new.with_a_token(self.now());
        let id = self.insert_submission(&new, job.attempt, RemotePhase::Intended)?;
        let (remote, event) = new.into_intent(id, &job, self.now());
        self.record(event)?;
        Ok(remote)
    }

    fn confirm_submission(
        &self,
        id: impl Into<Under<RemoteJobId>>,
        answer: &Confirmation,
    ) -> Result<RemoteJob> {
        let under = id.into();
        self.admit(&under).map_err(submission::keep_the_handle)?;
        answer.check()?;
        let (remote, job) = self.submission_and_job(under)?;
        let Some((next, event)) = answer.apply(&remote, &job, self.now())? else {
            return Ok(remote);
        };
        self.check_handle_is_free(&next.submission, next.submitted_at, Some(next.id))?;
        self.update_submission(&next)?;
        self.record(event)?;
        Ok(next)
    }

    fn abandon_submission(
        &self,
        id: impl Into<Under<RemoteJobId>>,
        reason: &str,
    ) -> Result<RemoteJob> {
        let under = id.into();
        self.admit(&under)?;
        let (remote, job) = self.submission_and_job(under)?;
        let Some((next, event)) = submission::abandon(&remote, &job, reason, self.now())? else {
            return Ok(remote);
        };
        self.update_submission(&next)?;
        self.record(event)?;
        Ok(next)
    }

    fn update_remote_job(
        &self,
        id: impl Into<Under<RemoteJobId>>,
        patch: &RemoteJobPatch,
    ) -> Result<Reported> {
        let under = id.into();
        self.admit(&under)?;
        let (remote, job) = self.submission_and_job(under)?;
        let (reported, event) = patch.apply(&remote, &job, self.now())?;
        if let Some(event) = event {
            self.update_submission(reported.remote())?;
            self.record(event)?;
        }
        Ok(reported)
    }

    fn report_reached(&self, cluster: ClusterId) -> Result<ClusterContact> {
        self.store_contact(self.contact(cluster)?.reached(self.now()))
    }

    fn report_unreachable(&self, cluster: ClusterId, reason: &str) -> Result<ClusterContact> {
        self.store_contact(self.contact(cluster)?.unreachable(reason, self.now())?)
    }
}

impl Unit<'_, Writing> {
    fn submission_and_job(&self, under: Under<RemoteJobId>) -> Result<(RemoteJob, Job)> {
        let remote = self.remote_job(under.what)?;
        under.check_is_of(remote.submission.job)?;
        let job = self.job(remote.submission.job)?;
        Ok((remote, job))
    }

    fn check_handle_is_free(
        &self,
        new: &NewRemoteJob,
        submitted_at: Option<store_core::Timestamp>,
        own: Option<RemoteJobId>,
    ) -> Result<()> {
        let (cluster, handle) = (new.cluster.get(), new.handle.as_deref().unwrap_or_default());
        let holder = self.find(BY_ACTIVE_HANDLE, params![cluster, handle], decode)?;
        if holder.is_some_and(|other| Some(other.id) != own) {
            return Err(Error::conflict(Noun::RemoteJob, "handle", handle));
        }
        let Some(at) = submitted_at else { return Ok(()) };
        let holder = self.find(BY_HANDLE_AND_TIME, params![cluster, handle, micros(at)], decode)?;
        if holder.is_some_and(|other| Some(other.id) != own) {
            return Err(Error::conflict(Noun::RemoteJob, "submitted_at", at));
        }
        Ok(())
    }

    /// Writes the row of a submission that begins in this phase.
    fn insert_submission(
        &self,
        new: &NewRemoteJob,
        attempt: u32,
        phase: RemotePhase,
    ) -> Result<RemoteJobId> {
        let now = micros(self.now());
        self.execute(
            INSERT,
            params![
                attempt,
                new.job.get(),
                new.cluster.get(),
                new.handle,
                new.token.map(|token| token.to_string()),
                new.queue,
                new.node_list,
                new.work_dir,
                new.stdout_path,
                new.stderr_path,
                new.scheduler_state,
                to_json(&new.metadata),
                phase.as_str(),
                (phase == RemotePhase::Intended).then_some(now),
                (phase == RemotePhase::Submitted).then_some(now),
                now,
            ],
        )?;
        Ok(RemoteJobId::new(self.last_id()))
    }

    fn update_submission(&self, next: &RemoteJob) -> Result<()> {
        let submission = &next.submission;
        let updated = self.execute(
            UPDATE,
            params![
                next.id.get(),
                submission.handle,
                submission.queue,
                submission.node_list,
                submission.stdout_path,
                submission.stderr_path,
                submission.scheduler_state,
                to_json(&submission.metadata),
                next.phase.as_str(),
                optional_micros(next.submitted_at),
                optional_micros(next.pending_at),
                optional_micros(next.running_at),
                optional_micros(next.ended_at),
                optional_micros(next.retrieved_at),
                next.abandon_reason,
                next.exit_code,
                micros(next.updated_at),
            ],
        );
        updated.map(drop)
    }
}
