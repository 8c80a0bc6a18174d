//! Who is in a store on which every method that writes can be called.

use std::time::Duration;

use crate::claim::ClaimFilter;
use crate::dependency::DependencyKind;
use crate::error::Result;
use crate::ids::{ClusterId, JobId, RemoteJobId};
use crate::lease::LeaseKey;
use crate::remote_job::NewRemoteJob;
use crate::repo::{ClaimWrite, ClusterWrite, JobWrite, RemoteJobWrite, ResultWrite, WorkflowWrite};
use crate::status::{JobStatus, StatusChange};
use crate::store::Store;
use crate::time::ManualClock;
use crate::workflow::NewWorkflow;

use super::samples::{
    create_in, sample_cluster, sample_deck, sample_job, sample_result, sample_worker,
};

/// What the acts are performed on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cast {
    /// PENDING, with an input and a tag; waits for `parent`.
    pub(super) child: JobId,
    /// PENDING; `child` waits for it.
    pub(super) parent: JobId,
    /// RUNNING, with a result and an active submission to `cluster`.
    pub(super) running: JobId,
    /// RUNNING under `lease`.
    pub(super) held: JobId,
    /// The lease on `held`.
    pub(super) lease: LeaseKey,
    /// RUNNING under a lease that has lapsed.
    pub(super) lapsed: JobId,
    /// QUEUED, and all that can be claimed.
    pub(super) queued: JobId,
    /// PENDING, of a workflow.
    pub(super) planned: JobId,
    /// FAILED, of the same workflow.
    pub(super) broken: JobId,
    /// FAILED.
    pub(super) failed: JobId,
    /// COMPLETED.
    pub(super) completed: JobId,
    /// CANCELLED, and put away.
    pub(super) archived: JobId,
    /// Named by a submission.
    pub(super) cluster: ClusterId,
    /// Named by nobody.
    pub(super) idle_cluster: ClusterId,
    /// The submission of `running`; its handle is 4711.
    pub(super) remote: RemoteJobId,
    /// The intent to submit `parent`.
    pub(super) intent: RemoteJobId,
}

/// The length of a lease that outlives a promise, and of one that does not.
pub(super) const LONG: Duration = Duration::from_secs(86_400);
const SHORT: Duration = Duration::from_millis(1);

/// The workflow of `planned` and `broken`.
pub(super) const WORKFLOW: &str = "workflow of the cast";

/// The handle of the cast's active submission.
pub(super) const HANDLE: &str = "4711";

impl Cast {
    /// Puts the cast into a store.
    pub(super) fn enter(store: &impl Store, clock: &ManualClock) -> Result<Self> {
        let cast = Self::enter_at_once(store)?;
        // Now the short lease has lapsed.
        clock.advance(SHORT);
        Ok(cast)
    }

    fn enter_at_once(store: &impl Store) -> Result<Self> {
        store.write(|w| {
            let parent = create_in(w, "parent", JobStatus::Pending)?.id;
            let child = sample_job("child").with_input(sample_deck("MgO")).tagged("campaign", "a");
            let child = w.create_job(&child.after(parent, DependencyKind::AfterOk))?.id;
            let running = create_in(w, "running", JobStatus::Running)?.id;
            w.record_result(running, &sample_result(-1.0))?;
            let archived = create_in(w, "archived", JobStatus::Cancelled)?.id;
            w.archive_job(archived)?;
            let held = create_in(w, "held", JobStatus::Queued)?.id;
            let worker = sample_worker("cast");
            let lease = w.claim(&worker, &ClaimFilter::all(), 1, LONG)?[0].lease.key();
            let lapsed = create_in(w, "lapsed", JobStatus::Queued)?.id;
            w.claim(&worker, &ClaimFilter::all(), 1, SHORT)?;
            let queued = create_in(w, "queued", JobStatus::Queued)?.id;
            let workflow = NewWorkflow::new(WORKFLOW).job("planned", sample_job("planned"));
            let workflow = w.create_workflow(&workflow.job("broken", sample_job("broken")))?;
            let (planned, broken) = (workflow[0].id, workflow[1].id);
            w.change_status(broken, &StatusChange::to(JobStatus::Failed))?;
            let cluster = w.create_cluster(&sample_cluster("busy"))?.id;
            let remote = NewRemoteJob::new(running, cluster, HANDLE);
            Ok(Self {
                child,
                parent,
                running,
                held,
                lease,
                lapsed,
                queued,
                planned,
                broken,
                failed: create_in(w, "failed", JobStatus::Failed)?.id,
                completed: create_in(w, "completed", JobStatus::Completed)?.id,
                archived,
                cluster,
                idle_cluster: w.create_cluster(&sample_cluster("idle"))?.id,
                remote: w.record_submission(&remote)?.id,
                intent: w.begin_submission(NewRemoteJob::intended(parent, cluster))?.id,
            })
        })
    }
}
