//! What a worker asks for when it claims jobs, and why a job is not running.

use std::time::Duration;

use crate::cluster::{Closing, Cluster, ClusterLoad, Shortage};
use crate::code::{Code, Runner};
use crate::dependency::{Readiness, Unmet};
use crate::error::Invalid;
use crate::event::Event;
use crate::ids::ClusterId;
use crate::job::Job;
use crate::lease::{Lease, check_lease_time};
use crate::status::JobStatus;
use crate::time::Timestamp;
use crate::worker::Worker;

/// Which jobs a worker takes. Everything that is set must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClaimFilter {
    /// Jobs of this runner.
    pub runner: Option<Runner>,
    /// Jobs meant for this cluster.
    pub cluster: Option<ClusterId>,
    /// Jobs of this code.
    pub code: Option<Code>,
    /// Jobs of this workflow.
    pub workflow: Option<String>,
}

impl ClaimFilter {
    /// Whatever can be claimed.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only jobs of this runner.
    #[must_use]
    pub const fn runner(mut self, runner: Runner) -> Self {
        self.runner = Some(runner);
        self
    }

    /// Only jobs meant for this cluster.
    #[must_use]
    pub const fn cluster(mut self, cluster: ClusterId) -> Self {
        self.cluster = Some(cluster);
        self
    }

    /// Only jobs of this code.
    #[must_use]
    pub fn code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// Only jobs of this workflow.
    #[must_use]
    pub fn workflow(mut self, workflow: impl Into<String>) -> Self {
        self.workflow = Some(workflow.into());
        self
    }

    /// Whether it admits a job.
    pub fn admits(&self, job: &Job) -> bool {
        self.runner.is_none_or(|runner| job.runner == runner)
            && self.cluster.is_none_or(|cluster| job.cluster == Some(cluster))
            && self.code.as_ref().is_none_or(|code| job.code == *code)
            && self.workflow.as_ref().is_none_or(|workflow| job.workflow.as_ref() == Some(workflow))
    }
}

/// The most jobs of one claim: everybody waits for the transaction that takes them.
pub const LARGEST_CLAIM: u32 = 1_000;

/// Refuses a claim that cannot be meant.
///
/// # Errors
/// [`Invalid`] for a count outside of 1 to [`LARGEST_CLAIM`], too short a lease, a worker without a name.
pub fn check(worker: &Worker, count: u32, lease_time: Duration) -> Result<(), Invalid> {
    worker.check()?;
    check_lease_time(lease_time)?;
    if count == 0 || count > LARGEST_CLAIM {
        let reason = format!("is {count}: give 1 to {LARGEST_CLAIM}, and claim again for more");
        return Err(Invalid::new("claim count", reason));
    }
    Ok(())
}

/// Something that keeps a job from running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// It is still being prepared: queue it.
    Pending,
    /// It waits for another job.
    Waiting(Unmet),
    /// It waits for something that can no longer happen.
    Unsatisfiable(Unmet),
    /// Its time has not come.
    NotBefore(Timestamp),
    /// Its cluster takes no job, or not this one.
    Cluster {
        /// The cluster's name.
        name: String,
        /// Why.
        shortage: Shortage,
        /// Who closed it and why, where it is closed and its history tells.
        closing: Option<Closing>,
    },
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pending => f.write_str("it is PENDING: queue it"),
            Self::Waiting(unmet) => write!(f, "it waits for {unmet}"),
            Self::Unsatisfiable(unmet) => {
                write!(f, "it is held: {unmet} can no longer be met; retry that job")
            }
            Self::NotBefore(time) => write!(f, "it is not to start before {time}"),
            Self::Cluster { name, shortage, closing: None } => {
                write!(f, "cluster {name} {shortage}")
            }
            Self::Cluster { name, shortage, closing: Some(closing) } => {
                write!(f, "cluster {name} {shortage} {closing}")
            }
        }
    }
}

/// Why a job is not running, or what is known of its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Explanation {
    /// It has not started, because of these; where there are none, the next claim that admits it and finds
    /// nothing better takes it.
    NotStarted(Vec<Obstacle>),
    /// A worker has it.
    Held {
        /// Its lease.
        lease: Lease,
        /// Whether that has lapsed, so that a recovery takes the job away.
        has_lapsed: bool,
        /// Whether the run is to stop.
        cancel_requested: bool,
    },
    /// It is RUNNING and nobody holds a lease: somebody started it without a claim, or its run is to be
    /// looked for since then.
    Unheld {
        /// Since when it is to be looked for.
        probe_since: Option<Timestamp>,
    },
    /// It has ended.
    Ended(JobStatus),
}

/// Why a job is not running. Of the history of its cluster those events are enough that
/// [`closed_by`](crate::NewCluster::closed_by) asks for.
pub fn explain(
    job: &Job,
    readiness: Readiness,
    cluster: Option<(&Cluster, ClusterLoad, &[Event])>,
    lease: Option<&Lease>,
    now: Timestamp,
) -> Explanation {
    if job.status.is_terminal() {
        return Explanation::Ended(job.status);
    }
    if job.status == JobStatus::Running {
        return match lease {
            Some(lease) => Explanation::Held {
                lease: lease.clone(),
                has_lapsed: lease.has_lapsed(now),
                cancel_requested: job.cancel_requested_at.is_some(),
            },
            None => Explanation::Unheld { probe_since: job.probe_since },
        };
    }
    let mut obstacles = Vec::new();
    if job.status == JobStatus::Pending {
        obstacles.push(Obstacle::Pending);
    }
    match readiness {
        Readiness::Ready => {}
        Readiness::Waiting(unmet) => obstacles.extend(unmet.into_iter().map(Obstacle::Waiting)),
        Readiness::Unsatisfiable(unmet) => {
            obstacles.extend(unmet.into_iter().map(Obstacle::Unsatisfiable));
        }
    }
    if let Some(not_before) = job.not_before.filter(|not_before| *not_before > now) {
        obstacles.push(Obstacle::NotBefore(not_before));
    }
    if let Some((cluster, load, history)) = cluster {
        let name = &cluster.config.name;
        let shortages = cluster.config.shortages(load, job.parallelism.needs());
        let of_cluster = |shortage| {
            let closing = Closing::of(&shortage, history);
            Obstacle::Cluster { name: name.clone(), shortage, closing }
        };
        obstacles.extend(shortages.map(of_cluster));
    }
    Explanation::NotStarted(obstacles)
}
