//! What an acknowledged call changed, and the event that it must have left.

use serde::{Deserialize, Serialize};
use store_core::{
    ClusterId, Convergence, DependencyKind, Energy, EventKind, EventSequence, InputHash, JobId,
    JobStatus, JobUuid, LeaseToken, RemoteJobId,
};

/// One change that an acknowledged call made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    ClusterCreated {
        cluster: ClusterId,
        name: String,
    },
    /// One value of it was edited: its intake, or how many jobs it may run.
    ClusterEdited {
        cluster: ClusterId,
        from: Option<String>,
        to: Option<String>,
        reason: Option<String>,
    },
    ClusterDeleted {
        cluster: ClusterId,
    },
    Created {
        job: JobId,
        uuid: JobUuid,
        status: JobStatus,
        key: String,
        input: InputHash,
        dependencies: Vec<(JobId, DependencyKind)>,
    },
    StatusChanged {
        job: JobId,
        attempt: u32,
        from: JobStatus,
        to: JobStatus,
    },
    Retried {
        job: JobId,
        attempt: u32,
        from: JobStatus,
        to: JobStatus,
    },
    Claimed {
        job: JobId,
        attempt: u32,
        token: LeaseToken,
    },
    RunEnded {
        job: JobId,
        attempt: u32,
        token: LeaseToken,
        to: JobStatus,
    },
    ResultRecorded {
        job: JobId,
        attempt: u32,
        convergence: Convergence,
        energy: Option<Energy>,
    },
    Submitted {
        job: JobId,
        attempt: u32,
        remote_job: RemoteJobId,
        cluster: ClusterId,
        handle: String,
    },
    SubmissionEnded {
        job: JobId,
        attempt: u32,
        remote_job: RemoteJobId,
        exit_code: i32,
    },
    Prioritised {
        job: JobId,
        attempt: u32,
        priority: i32,
    },
    Archived {
        job: JobId,
        attempt: u32,
    },
    Noted {
        job: JobId,
        attempt: u32,
        sequence: EventSequence,
    },
    /// The job is gone, and so many events of it with it, where its history was read in the same unit of work.
    Deleted {
        job: JobId,
        attempt: u32,
        from: JobStatus,
        events: Option<u64>,
    },
    /// So many jobs are gone that ended before a moment, and so many events with them.
    Pruned {
        before: String,
        jobs: u64,
        events: u64,
    },
    /// So many jobs are in another store now, and so many events with them.
    Moved {
        into: String,
        jobs: u64,
        events: u64,
    },
}

/// What events are of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    /// A job in one of its attempts.
    Job(i64, u32),
    /// A cluster.
    Cluster(i64),
    /// Jobs that were pruned because they ended before this moment: which, nobody was told.
    Pruning(String),
    /// Jobs that were moved into this store, likewise.
    Moving(String),
}

/// What the events of a change must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// What they are of.
    pub of: Of,
    /// What happened.
    pub kind: EventKind,
    /// The status, or the value of a cluster, before.
    pub from: Option<String>,
    /// And after.
    pub to: Option<String>,
    /// Why, where that was said of a cluster.
    pub reason: Option<String>,
    /// How many events there are.
    pub times: u64,
}

impl Trace {
    fn new(of: Of, kind: EventKind) -> Self {
        Self { of, kind, from: None, to: None, reason: None, times: 1 }
    }

    fn between(self, from: Option<JobStatus>, to: Option<JobStatus>) -> Self {
        let word = |status: Option<JobStatus>| status.map(|status| status.to_string());
        Self { from: word(from), to: word(to), ..self }
    }
}

impl Effect {
    /// The job that was changed, if it was one.
    pub fn job(&self) -> Option<JobId> {
        match self.trace().of {
            Of::Job(job, _) => Some(JobId::new(job)),
            Of::Cluster(_) | Of::Pruning(_) | Of::Moving(_) => None,
        }
    }

    /// The events that the change must have left.
    pub fn trace(&self) -> Trace {
        let of_job = |job: JobId, attempt, kind| Trace::new(Of::Job(job.get(), attempt), kind);
        let of_cluster = |cluster: ClusterId, kind| Trace::new(Of::Cluster(cluster.get()), kind);
        match *self {
            Self::ClusterCreated { cluster, .. } => of_cluster(cluster, EventKind::ClusterCreated),
            Self::ClusterEdited { cluster, ref from, ref to, ref reason } => {
                let (from, to, reason) = (from.clone(), to.clone(), reason.clone());
                Trace { from, to, reason, ..of_cluster(cluster, EventKind::ClusterUpdated) }
            }
            Self::ClusterDeleted { cluster } => of_cluster(cluster, EventKind::ClusterDeleted),
            Self::Created { job, status, .. } => {
                of_job(job, 1, EventKind::Created).between(None, Some(status))
            }
            Self::StatusChanged { job, attempt, from, to } => {
                of_job(job, attempt, EventKind::StatusChanged).between(Some(from), Some(to))
            }
            Self::Retried { job, attempt, from, to } => {
                of_job(job, attempt, EventKind::Retried).between(Some(from), Some(to))
            }
            Self::Claimed { job, attempt, .. } => {
                let (from, to) = (JobStatus::Queued, JobStatus::Running);
                of_job(job, attempt, EventKind::Claimed).between(Some(from), Some(to))
            }
            Self::RunEnded { job, attempt, to, .. } => {
                let requeued = to == JobStatus::Queued;
                let kind = if requeued { EventKind::Requeued } else { EventKind::StatusChanged };
                of_job(job, attempt, kind).between(Some(JobStatus::Running), Some(to))
            }
            Self::ResultRecorded { job, attempt, .. } => {
                of_job(job, attempt, EventKind::ResultRecorded)
            }
            Self::Submitted { job, attempt, .. } => of_job(job, attempt, EventKind::Submitted),
            Self::SubmissionEnded { job, attempt, .. } => {
                of_job(job, attempt, EventKind::RemoteJobUpdated)
            }
            Self::Prioritised { job, attempt, .. } => of_job(job, attempt, EventKind::Updated),
            Self::Archived { job, attempt } => of_job(job, attempt, EventKind::Archived),
            Self::Noted { job, attempt, .. } => of_job(job, attempt, EventKind::Noted),
            Self::Deleted { job, attempt, from, .. } => {
                of_job(job, attempt, EventKind::Deleted).between(Some(from), None)
            }
            Self::Pruned { ref before, jobs, .. } => {
                Trace { times: jobs, ..Trace::new(Of::Pruning(before.clone()), EventKind::Deleted) }
            }
            Self::Moved { ref into, jobs, .. } => {
                Trace { times: jobs, ..Trace::new(Of::Moving(into.clone()), EventKind::Moved) }
            }
        }
    }
}
