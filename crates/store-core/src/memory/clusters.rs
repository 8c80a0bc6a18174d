//! Clusters in memory.

use std::sync::Arc;

use crate::cluster::{Cluster, ClusterPatch, ClusterRemoval, NewCluster};
use crate::error::{Error, Noun, Result};
use crate::ids::{ClusterId, JobId};
use crate::job::JobPatch;
use crate::patch::Patch;
use crate::repo::{ClusterRead, ClusterWrite};
use crate::status::{JobStatus, StatusChange};

use super::state::{GivenOut, State};
use super::unit::{Signature, Unit, Writing};

impl<Mode> ClusterRead for Unit<'_, Mode> {
    fn cluster(&self, id: ClusterId) -> Result<Cluster> {
        self.state().cluster(id).cloned()
    }

    fn find_cluster_by_name(&self, name: &str) -> Result<Option<Cluster>> {
        Ok(self.state().find_cluster(name).cloned())
    }

    fn clusters(&self) -> Result<Vec<Cluster>> {
        let state = self.state();
        let mut clusters: Vec<_> = state.clusters.values().map(|c| Cluster::clone(c)).collect();
        clusters.sort_by(|one, other| one.config.name.cmp(&other.config.name));
        Ok(clusters)
    }
}

impl ClusterWrite for Unit<'_, Writing> {
    fn create_cluster(&self, new: &NewCluster) -> Result<Cluster> {
        self.change(|state, Signature { actor, now }| {
            new.check()?;
            let id = ClusterId::new(GivenOut::next(&mut state.given_out.clusters));
            let cluster = state.put_cluster(new.clone().into_cluster(id, now))?;
            state.record(cluster.created(), actor);
            Ok(cluster)
        })
    }

    fn update_cluster(&self, id: ClusterId, patch: &ClusterPatch) -> Result<Cluster> {
        self.change(|state, Signature { actor, now }| {
            let cluster = state.cluster(id)?;
            let Some((next, event)) = patch.apply(cluster, now)? else {
                return Ok(cluster.clone());
            };
            let next = state.put_cluster(next)?;
            state.record(event, actor);
            Ok(next)
        })
    }

    fn delete_cluster(&self, id: ClusterId) -> Result<()> {
        self.change(|state, Signature { actor, now }| {
            let cluster = state.cluster(id)?;
            let jobs = state.jobs.values();
            let jobs = jobs.filter(|job| job.cluster == Some(id)).count();
            let submissions = state.remote_jobs.values();
            let submissions = submissions.filter(|r| r.submission.cluster == id).count();
            if jobs + submissions > 0 {
                return Err(cluster.in_use(jobs, submissions));
            }
            let event = cluster.deleted(now);
            state.clusters.remove(&id);
            state.contacts.remove(&id);
            state.record(event, actor);
            Ok(())
        })
    }

    fn force_delete_cluster(&self, id: ClusterId) -> Result<ClusterRemoval> {
        self.change(|state, signature| state.remove_cluster(id, signature))
    }
}

impl State {
    fn remove_cluster(
        &mut self,
        id: ClusterId,
        signature: Signature<'_>,
    ) -> Result<ClusterRemoval> {
        let cluster = self.cluster(id)?.clone();
        let named = self.jobs.values().filter(|job| job.cluster == Some(id));
        let named: Vec<JobId> = named.map(|job| job.id).collect();
        let mut removal =
            ClusterRemoval { detached: named.len() as u64, ..ClusterRemoval::default() };
        for job in named {
            let detach = JobPatch { cluster: Patch::Clear, ..JobPatch::default() };
            if !self.job(job)?.status.is_terminal() {
                let cancel = StatusChange::to(JobStatus::Cancelled)
                    .because(format!("its cluster {id} was removed by force"));
                self.change_status(job.into(), &cancel, signature)?;
                removal.cancelled.push(job);
            }
            if let Some((next, event)) = detach.apply(self.job(job)?, signature.now)? {
                self.put_job(next);
                self.record(event, signature.actor);
            }
        }
        let before = self.remote_jobs.len();
        self.remote_jobs.retain(|_, remote| remote.submission.cluster != id);
        removal.submissions = (before - self.remote_jobs.len()) as u64;
        self.clusters.remove(&id);
        self.contacts.remove(&id);
        self.record(removal.told(&cluster, signature.now), signature.actor);
        Ok(removal)
    }

    fn find_cluster(&self, name: &str) -> Option<&Cluster> {
        let found = self.clusters.values().find(|c| c.config.name == name);
        found.map(AsRef::as_ref)
    }

    fn put_cluster(&mut self, cluster: Cluster) -> Result<Cluster> {
        let name = &cluster.config.name;
        if self.find_cluster(name).is_some_and(|other| other.id != cluster.id) {
            return Err(Error::conflict(Noun::Cluster, "name", name));
        }
        self.clusters.insert(cluster.id, Arc::new(cluster.clone()));
        Ok(cluster)
    }
}
