//! Edits of clusters.

use std::collections::BTreeMap;

use serde_json::json;

use crate::code::Code;
use crate::error::Result;
use crate::event::{EventKind, NewEvent};
use crate::patch::{Edit, Patch, changed};
use crate::settings::ConnectionSettings;
use crate::time::Timestamp;
use crate::words::check_reason;

use super::{Cluster, ClusterKind, ClusterLimits, ClusterStatus, Intake, NewCluster};

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
    /// As in [`NewCluster`].
    pub intake: Edit<Intake>,
    /// As in [`NewCluster`]; replaced whole.
    pub limits: Edit<ClusterLimits>,
    /// Why; it stands in the event.
    pub reason: Option<String>,
}

impl ClusterPatch {
    /// Pauses, resumes or drains a cluster.
    pub fn intake(intake: Intake) -> Self {
        Self { intake: Edit::Set(intake), ..Self::default() }
    }

    /// With the reason, which stands in the event; there is none where nothing changes.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// Carries the edit out: the cluster as it is to be stored and the event that names the fields, or nothing
    /// where nothing would change. Backends store what this returns.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid).
    pub fn apply(&self, cluster: &Cluster, now: Timestamp) -> Result<Option<(Cluster, NewEvent)>> {
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
        self.intake.apply(&mut config.intake);
        self.limits.apply(&mut config.limits);
        config.check()?;
        if let Some(reason) = &self.reason {
            check_reason(reason)?;
        }
        if config == cluster.config {
            return Ok(None);
        }
        let next = Cluster { config, updated_at: now, ..*cluster };
        let event = next.told_since(&cluster.config, now);
        Ok(Some((next, event.because(self.reason.as_deref()))))
    }
}

impl Cluster {
    /// Its fields were edited, and were as `before`. Of how it is reached the names of the fields alone.
    fn told_since(&self, before: &NewCluster, now: Timestamp) -> NewEvent {
        let config = &self.config;
        let changed = changed([
            ("name", config.name != before.name),
            ("kind", config.kind != before.kind),
            ("hostname", config.hostname != before.hostname),
            ("port", config.port != before.port),
            ("username", config.username != before.username),
            ("settings", config.settings != before.settings),
            ("status", config.status != before.status),
            ("code_roots", config.code_roots != before.code_roots),
            ("setup_commands", config.setup_commands != before.setup_commands),
            ("intake", config.intake != before.intake),
            ("limits", config.limits != before.limits),
        ]);
        let event = NewEvent::of_cluster(self, EventKind::ClusterUpdated, now);
        let mut event = event.with("fields", changed);
        if config.name != before.name {
            event = event.with("renamed_from", before.name.as_str());
        }
        for (field, from, to) in [
            ("status", json!(before.status.as_str()), json!(config.status.as_str())),
            ("intake", json!(before.intake.as_str()), json!(config.intake.as_str())),
            ("limits", before.limits.told(), config.limits.told()),
        ] {
            if from != to {
                event = event.with(field, json!({ "from": from, "to": to }));
            }
        }
        event
    }
}
