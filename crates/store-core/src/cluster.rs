//! Machines that jobs run on.

use std::collections::BTreeMap;

use crate::code::Code;
use crate::error::{Error, Invalid, Noun, Result};
use crate::ids::ClusterId;
use crate::patch::{Edit, Patch};
use crate::settings::ConnectionSettings;
use crate::time::Timestamp;
use crate::words::{check_name, check_optional_name, check_text, words};

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

impl Cluster {
    /// The error of deleting a cluster that jobs or submissions name.
    pub fn in_use(&self, jobs: usize, submissions: usize) -> Error {
        let by =
            format!("{jobs} jobs and {submissions} submissions name it; make it inactive instead");
        Error::InUse { noun: Noun::Cluster, key: self.id.to_string(), by }
    }
}

/// An edit of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterPatch {
    /// As in [`NewCluster`].
    pub name: Edit<String>,
    /// As in [`NewCluster`].
    pub kind: Edit<ClusterKind>,
    /// As in [`NewCluster`].
    pub hostname: Edit<String>,
    /// As in [`NewCluster`].
    pub port: Edit<u16>,
    /// As in [`NewCluster`].
    pub username: Patch<String>,
    /// As in [`NewCluster`]; replaced whole.
    pub settings: Edit<ConnectionSettings>,
    /// As in [`NewCluster`].
    pub status: Edit<ClusterStatus>,
    /// As in [`NewCluster`]; replaced whole.
    pub code_roots: Edit<BTreeMap<Code, String>>,
    /// As in [`NewCluster`]; replaced whole.
    pub setup_commands: Edit<Vec<String>>,
}

impl ClusterPatch {
    /// Carries the edit out: the cluster as it is to be stored. Backends store what this returns.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn apply(&self, cluster: &Cluster, now: Timestamp) -> Result<Cluster> {
        let mut config = cluster.config.clone();
        self.name.apply(&mut config.name);
        self.kind.apply(&mut config.kind);
        self.hostname.apply(&mut config.hostname);
        self.port.apply(&mut config.port);
        self.username.apply(&mut config.username);
        self.settings.apply(&mut config.settings);
        self.status.apply(&mut config.status);
        self.code_roots.apply(&mut config.code_roots);
        self.setup_commands.apply(&mut config.setup_commands);
        config.check()?;
        let updated_at = if config == cluster.config { cluster.updated_at } else { now };
        Ok(Cluster { config, updated_at, ..*cluster })
    }
}
