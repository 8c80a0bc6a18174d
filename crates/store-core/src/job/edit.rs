//! What may be edited of a job, and the edit itself.

use crate::code::Runner;
use crate::error::{Error, Result};
use crate::event::{EventKind, NewEvent};
use crate::ids::ClusterId;
use crate::patch::{Edit, Patch, changed};
use crate::policy::JobPolicy;
use crate::status::JobStatus;
use crate::time::Timestamp;
use crate::words::{check_name, check_optional_name};
use crate::work_dir::WorkDir;

use super::{Job, Parallelism};

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

        let changed = changed([
            ("name", next.name != job.name),
            ("work_dir", next.work_dir != job.work_dir),
            ("workflow", next.workflow != job.workflow),
            ("cluster", next.cluster != job.cluster),
            ("runner", next.runner != job.runner),
            ("parallelism", next.parallelism != job.parallelism),
            ("priority", next.priority != job.priority),
            ("not_before", next.not_before != job.not_before),
            ("policy", next.policy != job.policy),
        ]);
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
