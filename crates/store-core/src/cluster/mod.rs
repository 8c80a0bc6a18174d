//! Machines that jobs run on.

mod closing;
mod edit;

use std::collections::BTreeMap;

use serde_json::json;

use crate::code::Code;
use crate::error::{Error, Invalid, Noun, Result};
use crate::event::{EventKind, NewEvent};
use crate::ids::{ClusterId, JobId};
use crate::resources::Resources;
use crate::settings::ConnectionSettings;
use crate::time::Timestamp;
use crate::words::{check_name, check_optional_name, check_text, words};

pub use closing::Closing;
pub use edit::ClusterPatch;

words! {
    /// How jobs are started there.
    pub enum ClusterKind as "cluster kind" {
        /// As processes, by ssh.
        Ssh = "ssh",
        /// By Slurm.
        Slurm = "slurm",
    }
}

words! {
    /// Whether a cluster takes jobs.
    pub enum ClusterStatus as "cluster status" {
        /// It does.
        Active = "active",
        /// Its owner has taken it out.
        Inactive = "inactive",
        /// It could not be reached or used.
        Error = "error",
    }
}

words! {
    /// Whether claims take jobs for a cluster that is active.
    pub enum Intake as "intake" {
        /// They do.
        Open = "open",
        /// They do not, until it is resumed. What runs goes on.
        Paused = "paused",
        /// They do not, and no new job may name the cluster: it is to become idle.
        Draining = "draining",
    }
}

/// How much of a cluster its RUNNING jobs may use at once; what is not given is not limited. A job without
/// numbers of its own counts as one node and one core ([`Parallelism::needs`](crate::Parallelism::needs)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClusterLimits {
    /// Jobs; 0 lets none start.
    pub max_running: Option<u32>,
    /// Nodes, at least 1.
    pub nodes: Option<u32>,
    /// Cores over all nodes, at least 1.
    pub cores: Option<u32>,
    /// Memory over all nodes in MiB, at least 1.
    pub memory_mib: Option<u32>,
}

impl ClusterLimits {
    fn told(self) -> serde_json::Value {
        let Self { max_running, nodes, cores, memory_mib } = self;
        json!({ "max_running": max_running, "nodes": nodes, "cores": cores, "memory_mib": memory_mib })
    }

    fn check(self) -> std::result::Result<(), Invalid> {
        for (field, number) in
            [("nodes", self.nodes), ("cores", self.cores), ("memory_mib", self.memory_mib)]
        {
            if number == Some(0) {
                let reason =
                    "is 0: give at least 1, or leave it out; pause the cluster to let no job start";
                return Err(Invalid::new(field, reason.to_owned()));
            }
        }
        Ok(())
    }
}

/// A cluster to be created. [`NewCluster::new`] has what every cluster needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCluster {
    /// What people call it; 1 to 255 characters, unique.
    pub name: String,
    /// How jobs are started there.
    pub kind: ClusterKind,
    /// The host to reach.
    pub hostname: String,
    /// Its ssh port, 1 to 65535; 22 unless set.
    pub port: u16,
    /// The user there; the runner's default unless set.
    pub username: Option<String>,
    /// How to reach it, without secrets.
    pub settings: ConnectionSettings,
    /// Whether it takes jobs; active unless set.
    pub status: ClusterStatus,
    /// Where each code is installed there.
    pub code_roots: BTreeMap<Code, String>,
    /// Shell lines that run before each job there.
    pub setup_commands: Vec<String>,
    /// Whether claims take jobs for it; open unless set.
    pub intake: Intake,
    /// How much of it may be used at once; not limited unless set.
    pub limits: ClusterLimits,
}

impl NewCluster {
    /// An active cluster on port 22.
    pub fn new(name: impl Into<String>, kind: ClusterKind, hostname: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind,
            hostname: hostname.into(),
            port: 22,
            username: None,
            settings: ConnectionSettings::default(),
            status: ClusterStatus::Active,
            code_roots: BTreeMap::new(),
            setup_commands: Vec::new(),
            intake: Intake::Open,
            limits: ClusterLimits::default(),
        }
    }

    /// Refuses what no store takes. Backends call it before they write.
    ///
    /// # Errors
    /// [`Invalid`] with the field's name.
    pub fn check(&self) -> std::result::Result<(), Invalid> {
        check_name("cluster name", &self.name)?;
        check_name("hostname", &self.hostname)?;
        check_optional_name("username", self.username.as_deref())?;
        if self.port == 0 {
            return Err(Invalid::new("port", "is 0: give one from 1 to 65535".to_owned()));
        }
        self.limits.check()?;
        self.code_roots.values().try_for_each(|root| check_name("code root", root))?;
        self.setup_commands.iter().try_for_each(|line| check_text("setup command", line))
    }

    /// The row of the cluster, once the backend knows its id.
    pub fn into_cluster(self, id: ClusterId, now: Timestamp) -> Cluster {
        Cluster { id, config: self, created_at: now, updated_at: now }
    }
}

/// A cluster, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Its identity in this store.
    pub id: ClusterId,
    /// All that was given when it was created, or set since.
    pub config: NewCluster,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What the RUNNING jobs of a cluster use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClusterLoad {
    /// How many there are.
    pub running: i64,
    /// What they use together.
    pub in_use: Resources,
}

impl ClusterLoad {
    /// The load with one more job.
    #[must_use]
    pub fn with(self, needs: Resources) -> Self {
        Self { running: self.running + 1, in_use: self.in_use + needs }
    }
}

/// Why a cluster takes no job now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shortage {
    /// It is not active.
    NotActive(ClusterStatus),
    /// Its intake is not open.
    NotOpen(Intake),
    /// As many jobs as it may have are RUNNING.
    Jobs {
        /// How many are.
        running: i64,
        /// How many may be.
        most: u32,
    },
    /// Not enough of something is free.
    Resource {
        /// Of what: nodes, cores, memory_mib.
        what: &'static str,
        /// How much the job needs.
        needed: i64,
        /// How much is in use.
        in_use: i64,
        /// How much there is.
        most: u32,
    },
}

impl std::fmt::Display for Shortage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotActive(status) => write!(f, "is {status}"),
            Self::NotOpen(intake) => write!(f, "is {intake}"),
            Self::Jobs { running, most } => write!(f, "runs {running} jobs of {most}"),
            Self::Resource { what, needed, most, .. } if *needed > i64::from(*most) => {
                write!(f, "has {most} {what} in all, and the job needs {needed}")
            }
            Self::Resource { what, needed, in_use, most } => {
                write!(f, "uses {in_use} of {most} {what}, and the job needs {needed}")
            }
        }
    }
}

impl NewCluster {
    /// All that keeps a job that needs so much from starting under this load; nothing where it can.
    pub fn shortages(
        &self,
        load: ClusterLoad,
        needs: Resources,
    ) -> impl Iterator<Item = Shortage> + use<> {
        let (status, intake, limits, in_use) = (self.status, self.intake, self.limits, load.in_use);
        let not_active = (status != ClusterStatus::Active).then_some(Shortage::NotActive(status));
        let not_open = (intake != Intake::Open).then_some(Shortage::NotOpen(intake));
        let most = limits.max_running.filter(|most| load.running >= i64::from(*most));
        let jobs = most.map(|most| Shortage::Jobs { running: load.running, most });
        let resources = [
            ("nodes", needs.nodes, in_use.nodes, limits.nodes),
            ("cores", needs.cores, in_use.cores, limits.cores),
            ("memory_mib", needs.memory_mib, in_use.memory_mib, limits.memory_mib),
        ];
        let short_of = |(what, needed, in_use, most): (_, i64, i64, Option<u32>)| {
            let most = most?;
            let fits = in_use.saturating_add(needed) <= i64::from(most);
            (!fits).then_some(Shortage::Resource { what, needed, in_use, most })
        };
        let of_cluster = [not_active, not_open, jobs].into_iter().flatten();
        of_cluster.chain(resources.into_iter().filter_map(short_of))
    }

    /// Whether a job that needs so much can start under this load.
    pub fn has_room(&self, load: ClusterLoad, needs: Resources) -> bool {
        self.shortages(load, needs).next().is_none()
    }
}

impl Cluster {
    /// The cluster was created.
    pub fn created(&self) -> NewEvent {
        let config = &self.config;
        NewEvent::of_cluster(self, EventKind::ClusterCreated, self.created_at)
            .with("status", config.status.as_str())
            .with("intake", config.intake.as_str())
            .with("limits", config.limits.told())
    }

    /// The cluster is removed, which nothing names.
    pub fn deleted(&self, now: Timestamp) -> NewEvent {
        NewEvent::of_cluster(self, EventKind::ClusterDeleted, now)
    }
}

/// What the removal of a cluster by force came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterRemoval {
    /// The jobs that had not ended and are CANCELLED now.
    pub cancelled: Vec<JobId>,
    /// How many jobs named the cluster, and name none now.
    pub detached: u64,
    /// How many submissions to it were removed; the histories of their jobs keep their handles.
    pub submissions: u64,
}

impl ClusterRemoval {
    /// The cluster was removed by force, with this outcome.
    pub fn told(&self, cluster: &Cluster, now: Timestamp) -> NewEvent {
        cluster
            .deleted(now)
            .with("cancelled", self.cancelled.len())
            .with("detached", self.detached)
            .with("submissions", self.submissions)
    }
}

impl Cluster {
    /// Refuses a new job for a cluster that is to become idle.
    ///
    /// # Errors
    /// [`Error::InUse`].
    pub fn check_takes_new_jobs(&self) -> Result<()> {
        if self.config.intake != Intake::Draining {
            return Ok(());
        }
        let by =
            "it is draining and takes no new jobs; resume it, or take another cluster".to_owned();
        Err(Error::InUse { noun: Noun::Cluster, key: self.id.to_string(), by })
    }

    /// The error of deleting a cluster that jobs or submissions name.
    pub fn in_use(&self, jobs: usize, submissions: usize) -> Error {
        let by = format!(
            "{jobs} jobs and {submissions} submissions name it; make it inactive, or remove it by force"
        );
        Error::InUse { noun: Noun::Cluster, key: self.id.to_string(), by }
    }
}
