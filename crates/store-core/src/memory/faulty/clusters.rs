//! Clusters, which have no fault of their own.

use crate::cluster::{Cluster, ClusterPatch, ClusterRemoval, NewCluster};
use crate::ids::ClusterId;
use crate::memory::unit::Writing;
use crate::repo::{ClusterRead, ClusterWrite};

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
        fn force_delete_cluster(id: ClusterId) -> ClusterRemoval;
    }
}
