//! Clusters.

use crate::cluster::{Cluster, ClusterPatch, ClusterRemoval, NewCluster};
use crate::error::Result;
use crate::ids::ClusterId;
use crate::store::Store;

/// Reading clusters.
pub trait ClusterRead {
    /// The cluster of this id.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound).
    fn cluster(&self, id: ClusterId) -> Result<Cluster>;

    /// The cluster of this name, if there is one.
    fn find_cluster_by_name(&self, name: &str) -> Result<Option<Cluster>>;

    /// All clusters, by name (in the order of its bytes).
    fn clusters(&self) -> Result<Vec<Cluster>>;
}

/// Writing clusters; each change is an event.
pub trait ClusterWrite: ClusterRead {
    /// Creates a cluster.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) on `name`.
    fn create_cluster(&self, new: &NewCluster) -> Result<Cluster>;

    /// Edits a cluster and returns it as it is then; an edit that changes nothing writes nothing.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) on `name`.
    fn update_cluster(&self, id: ClusterId, patch: &ClusterPatch) -> Result<Cluster>;

    /// Removes a cluster that no job and no submission names.
    ///
    /// # Errors
    /// [`Error::InUse`](crate::Error::InUse); make it inactive instead, or remove it by force.
    fn delete_cluster(&self, id: ClusterId) -> Result<()>;

    /// Removes a cluster whatever names it, and says what that came to: jobs that have not ended are
    /// CANCELLED, no job names the cluster any more, and submissions to it are gone. Whoever runs one of the
    /// jobs learns it from its next heartbeat.
    ///
    /// # Atomicity
    /// All or nothing, however many jobs those are; nobody else writes meanwhile, for a time that grows with
    /// their number. Who cannot wait for tens of thousands takes them away in steps first.
    fn force_delete_cluster(&self, id: ClusterId) -> Result<ClusterRemoval>;
}

impl<S: Store> ClusterRead for S {
    #[track_caller]
    fn cluster(&self, id: ClusterId) -> Result<Cluster> {
        self.read(|r| r.cluster(id))
    }

    #[track_caller]
    fn find_cluster_by_name(&self, name: &str) -> Result<Option<Cluster>> {
        self.read(|r| r.find_cluster_by_name(name))
    }

    #[track_caller]
    fn clusters(&self) -> Result<Vec<Cluster>> {
        self.read(|r| r.clusters())
    }
}

impl<S: Store> ClusterWrite for S {
    #[track_caller]
    fn create_cluster(&self, new: &NewCluster) -> Result<Cluster> {
        let new = new.clone();
        self.write(move |w| w.create_cluster(&new))
    }

    #[track_caller]
    fn update_cluster(&self, id: ClusterId, patch: &ClusterPatch) -> Result<Cluster> {
        let patch = patch.clone();
        self.write(move |w| w.update_cluster(id, &patch))
    }

    #[track_caller]
    fn delete_cluster(&self, id: ClusterId) -> Result<()> {
        self.write(move |w| w.delete_cluster(id))
    }

    #[track_caller]
    fn force_delete_cluster(&self, id: ClusterId) -> Result<ClusterRemoval> {
        self.write_steps(usize::MAX, move |w| w.force_delete_cluster(id))
    }
}
