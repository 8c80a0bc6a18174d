//! Faults of clusters and of their removal.

use std::sync::Arc;

use crate::cluster::{Cluster, ClusterPatch, ClusterRemoval, NewCluster};
use crate::error::Result;
use crate::ids::ClusterId;
use crate::memory::unit::Writing;
use crate::repo::{ClusterRead, ClusterWrite};

use super::Fault;
use super::unit::pass_on;

pass_on! {
    impl<Mode> ClusterRead for Mode {
        fn cluster(id: ClusterId) -> Cluster;
        fn find_cluster_by_name(name: &str) -> Option<Cluster>;
        fn clusters() -> Vec<Cluster>;
    }
}

pass_on! {
    impl<> ClusterWrite for Writing {
        fn create_cluster(new: &NewCluster) -> Cluster;
        fn update_cluster(id: ClusterId, patch: &ClusterPatch) -> Cluster;
        fn delete_cluster(id: ClusterId) -> ();
    } but {
        fn force_delete_cluster(&self, id: ClusterId) -> Result<ClusterRemoval> {
            if self.fault == Fault::LeavesJobsRunning {
                self.inner.change(|state, _| {
                    for job in state.jobs.values_mut().filter(|job| job.cluster == Some(id)) {
                        Arc::make_mut(job).cluster = None;
                    }
                    Ok(())
                })?;
            }
            self.inner.force_delete_cluster(id)
        }
    }
}
