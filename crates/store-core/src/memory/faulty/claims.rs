//! Faults of handing out jobs and of the leases on them.

use std::sync::Arc;
use std::time::Duration;

use crate::attempt::Attempt;
use crate::claim::{ClaimFilter, Explanation};
use crate::cluster::{Cluster, ClusterLimits, ClusterLoad};
use crate::error::Result;
use crate::ids::{ClusterId, JobId};
use crate::job::Job;
use crate::lease::{Claim, Heartbeat, Lease, LeaseKey};
use crate::memory::unit::Writing;
use crate::repo::{ClaimRead, ClaimWrite, EventWrite, JobRead};
use crate::run::{Cancellation, Completion, Ended, Failure, Recovered};
use crate::time::Timestamp;
use crate::worker::Worker;

use super::Fault;
use super::unit::{FaultyUnit, pass_on};

pass_on! {
    impl<Mode> ClaimRead for Mode {
        fn lease_of(job: JobId) -> Option<Lease>;
        fn check_lease(key: &LeaseKey) -> Lease;
        fn leases() -> Vec<Lease>;
        fn attempts_of(job: JobId) -> Vec<Attempt>;
        fn jobs_to_probe(limit: u32) -> Vec<Job>;
        fn jobs_to_cancel(limit: u32) -> Vec<Job>;
        fn cluster_load(cluster: ClusterId) -> ClusterLoad;
        fn explain(job: JobId) -> Explanation;
    } but {
        fn can_claim(&self, filter: &ClaimFilter) -> Result<bool> {
            let claims_more = matches!(self.fault, Fault::ClaimsTheWaiting | Fault::ClaimsTwice);
            Ok(claims_more || self.inner.can_claim(filter)?)
        }
    }
}

impl FaultyUnit<'_, Writing> {
    /// The key that is looked at: with the fault, that of whoever holds the job.
    fn fenced(&self, key: &LeaseKey) -> LeaseKey {
        let held = self.inner.lease_of(key.job).ok().flatten();
        match held {
            Some(lease) if self.fault == Fault::ForgetsTokens => lease.key(),
            _ => *key,
        }
    }
}

pass_on! {
    impl<> ClaimWrite for Writing {
        fn adopt(job: JobId, worker: &Worker, lease: Duration) -> Claim;
        fn recover_lost(keys: &[LeaseKey]) -> Vec<Recovered>;
        fn request_cancel(job: JobId, reason: Option<&str>) -> Cancellation;
        fn release(key: &LeaseKey, reason: Option<&str>, not_before: Option<Timestamp>) -> Ended;
    } but {
        fn claim(
            &self,
            worker: &Worker,
            filter: &ClaimFilter,
            count: u32,
            lease: Duration,
        ) -> Result<Vec<Claim>> {
            if self.fault == Fault::IgnoresLimits {
                self.inner.change(|state, _| {
                    for cluster in state.clusters.values_mut() {
                        let mut open = Cluster::clone(cluster);
                        open.config.limits = ClusterLimits::default();
                        *cluster = Arc::new(open);
                    }
                    Ok(())
                })?;
            }
            if self.fault == Fault::ClaimsTheWaiting {
                self.inner.change(|state, _| {
                    state.dependencies.clear();
                    Ok(())
                })?;
            }
            let mut claims = self.inner.claim(worker, filter, count, lease)?;
            if self.fault == Fault::ClaimsTwice {
                // What others hold is handed out as well.
                for held in self.inner.leases()? {
                    let job = self.inner.job(held.job)?;
                    if claims.len() < count as usize {
                        claims.push(Claim { job, lease: held });
                    }
                }
            }
            Ok(claims)
        }

        fn heartbeat(&self, keys: &[LeaseKey], lease: Duration) -> Result<Vec<Heartbeat>> {
            let keys: Vec<LeaseKey> = keys.iter().map(|key| self.fenced(key)).collect();
            self.inner.heartbeat(&keys, lease)
        }

        fn complete(&self, key: &LeaseKey, completion: &Completion) -> Result<Ended> {
            self.inner.complete(&self.fenced(key), completion)
        }

        fn fail(&self, key: &LeaseKey, failure: &Failure) -> Result<Ended> {
            let ended = self.inner.fail(&self.fenced(key), failure)?;
            if (self.fault, ended) == (Fault::CountsAFailureTwice, Ended::Repeated) {
                self.inner.add_note(key.job, "it failed again")?;
            }
            Ok(ended)
        }

        fn recover_expired(&self, limit: u32) -> Result<Vec<Recovered>> {
            if self.fault == Fault::TakesLiveLeases {
                let keys: Vec<LeaseKey> = self.inner.leases()?.iter().map(Lease::key).collect();
                return self.inner.recover_lost(&keys);
            }
            self.inner.recover_expired(limit)
        }
    }
}
