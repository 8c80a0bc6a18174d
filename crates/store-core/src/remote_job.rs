//! Submissions of jobs to clusters.

use serde_json::{Map, Value};

use crate::error::{Invalid, Result};
use crate::event::{EventKind, NewEvent};
use crate::ids::{ClusterId, JobId, RemoteJobId};
use crate::job::Job;
use crate::patch::{Edit, Patch};
use crate::time::Timestamp;
use crate::words::{check_depth, check_name, check_optional_name, check_text};

/// A submission to be recorded. [`NewRemoteJob::new`] has what every submission needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRemoteJob {
    /// The job that was submitted.
    pub job: JobId,
    /// Where to.
    pub cluster: ClusterId,
    /// The scheduler's id, or the pid for ssh. While a submission is active, no other of its cluster
    /// has the same; schedulers reuse ids, so one that has ended does not count.
    pub handle: String,
    /// The queue or partition.
    pub queue: Option<String>,
    /// The nodes, as the scheduler writes them.
    pub node_list: Option<String>,
    /// The directory on the cluster.
    pub work_dir: Option<String>,
    /// The file that takes standard output.
    pub stdout_path: Option<String>,
    /// The file that takes standard error.
    pub stderr_path: Option<String>,
    /// The scheduler's own word for its state, as reported.
    pub scheduler_state: Option<String>,
    /// Whatever else the runner wants to keep.
    pub metadata: Map<String, Value>,
}

impl NewRemoteJob {
    /// A submission of which only the handle is known.
    pub fn new(job: JobId, cluster: ClusterId, handle: impl Into<String>) -> Self {
        Self {
            job,
            cluster,
            handle: handle.into(),
            queue: None,
            node_list: None,
            work_dir: None,
            stdout_path: None,
            stderr_path: None,
            scheduler_state: None,
            metadata: Map::new(),
        }
    }

    /// Refuses what no store takes. Backends call it before they write.
    ///
    /// # Errors
    /// [`Invalid`] with the field's name.
    pub fn check(&self) -> std::result::Result<(), Invalid> {
        check_name("handle", &self.handle)?;
        check_depth("metadata", self.metadata.values())?;
        check_optional_name("queue", self.queue.as_deref())?;
        check_optional_name("scheduler_state", self.scheduler_state.as_deref())?;
        let texts = [
            ("node_list", &self.node_list),
            ("work_dir", &self.work_dir),
            ("stdout_path", &self.stdout_path),
            ("stderr_path", &self.stderr_path),
        ];
        texts.into_iter().try_for_each(|(field, text)| {
            text.as_deref().map_or(Ok(()), |text| check_text(field, text))
        })
    }

    /// The row of the submission and its event, once the backend knows its id and its job.
    pub fn into_remote_job(
        self,
        id: RemoteJobId,
        job: &Job,
        now: Timestamp,
    ) -> (RemoteJob, NewEvent) {
        let event = NewEvent::of(job, EventKind::Submitted, now)
            .with("remote_job", id.get())
            .with("cluster", self.cluster.get())
            .with("handle", self.handle.as_str());
        let remote = RemoteJob {
            id,
            attempt: job.attempt,
            submission: self,
            submitted_at: now,
            ended_at: None,
            exit_code: None,
            updated_at: now,
        };
        (remote, event)
    }
}

/// A submission, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteJob {
    /// Its identity in this store. The newest of a job is "the" remote job.
    pub id: RemoteJobId,
    /// The attempt of the job that it belongs to.
    pub attempt: u32,
    /// All that was given when it was recorded, or reported since.
    pub submission: NewRemoteJob,
    /// When it was recorded.
    pub submitted_at: Timestamp,
    /// When it was reported to have ended; until then it is active.
    pub ended_at: Option<Timestamp>,
    /// The exit code, as the scheduler reports it.
    pub exit_code: Option<i32>,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl RemoteJob {
    /// Whether it has not been reported to have ended.
    pub const fn is_active(&self) -> bool {
        self.ended_at.is_none()
    }
}

/// A report on a submission.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RemoteJobPatch {
    /// As in [`NewRemoteJob`].
    pub queue: Patch<String>,
    /// As in [`NewRemoteJob`].
    pub node_list: Patch<String>,
    /// As in [`NewRemoteJob`].
    pub stdout_path: Patch<String>,
    /// As in [`NewRemoteJob`].
    pub stderr_path: Patch<String>,
    /// As in [`NewRemoteJob`].
    pub scheduler_state: Patch<String>,
    /// As in [`RemoteJob`].
    pub exit_code: Patch<i32>,
    /// As in [`RemoteJob`]; setting it frees the handle.
    pub ended_at: Patch<Timestamp>,
    /// As in [`NewRemoteJob`]; replaced whole.
    pub metadata: Edit<Map<String, Value>>,
}

impl RemoteJobPatch {
    /// Carries the report out on a submission of `job`: the submission as it is to be stored and the
    /// event, or nothing where nothing would change. Backends store what this returns.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid).
    pub fn apply(
        &self,
        remote: &RemoteJob,
        job: &Job,
        now: Timestamp,
    ) -> Result<Option<(RemoteJob, NewEvent)>> {
        let mut next = remote.clone();
        self.queue.apply(&mut next.submission.queue);
        self.node_list.apply(&mut next.submission.node_list);
        self.stdout_path.apply(&mut next.submission.stdout_path);
        self.stderr_path.apply(&mut next.submission.stderr_path);
        self.scheduler_state.apply(&mut next.submission.scheduler_state);
        self.exit_code.apply(&mut next.exit_code);
        self.ended_at.apply(&mut next.ended_at);
        self.metadata.apply(&mut next.submission.metadata);
        next.submission.check()?;
        if next == *remote {
            return Ok(None);
        }
        next.updated_at = now;
        let mut event = NewEvent::of(job, EventKind::RemoteJobUpdated, now);
        event.attempt = remote.attempt;
        event = event.with("remote_job", remote.id.get()).with("active", next.is_active());
        if let Some(state) = &next.submission.scheduler_state {
            event = event.with("scheduler_state", state.as_str());
        }
        if let Some(exit_code) = next.exit_code {
            event = event.with("exit_code", exit_code);
        }
        Ok(Some((next, event)))
    }
}
