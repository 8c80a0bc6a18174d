//! Faults of handing out jobs and of the leases on them.

use std::sync::Arc;
use std::time::Duration;

use crate::attempt::Attempt;
use crate::claim::{ClaimFilter, Explanation};
use crate::cluster::{ClusterLimits, ClusterLoad};
use crate::error::{Error, Result};
use crate::ids::{ClusterId, JobId};
use crate::job::Job;
use crate::lease::{Claim, Heartbeat, Lease, LeaseKey};
use crate::memory::state::State;
use crate::memory::unit::Writing;
use crate::repo::{ClaimRead, ClaimWrite, EventWrite, JobRead};
use crate::run::{CameTo, Cancellation, Completion, Ended, Recovered, RunEnd};
use crate::worker::Worker;

use super::Fault;
use super::unit::{FaultyUnit, pass_on};

pass_on! {
    impl<Mode> ClaimRead for Mode {
        fn lease_of(job: JobId) -> Option<Lease>;
        fn check_lease(key: &LeaseKey) -> Lease;
        fn leases() -> Vec<Lease>;
        fn attempts_of(job: JobId) -> Vec<Attempt>;
        fn jobs_to_cancel(limit: u32) -> Vec<Job>;
        fn cluster_load(cluster: ClusterId) -> ClusterLoad;
        fn explain(job: JobId) -> Explanation;
    } but {
        fn can_claim(&self, filter: &ClaimFilter) -> Result<bool> {
            let claims_more = matches!(self.fault, Fault::ClaimsTheWaiting | Fault::ClaimsTwice);
            Ok(claims_more || self.inner.can_claim(filter)?)
        }

        fn jobs_to_probe(&self, limit: u32) -> Result<Vec<Job>> {
            match self.fault {
                Fault::ForgetsTheLost => Ok(Vec::new()),
                _ => self.inner.jobs_to_probe(limit),
            }
        }
    }
}

impl Fault {
    /// Changes what a claim goes by.
    fn before_a_claim(self, state: &mut State) {
        let each_job = |state: &mut State, change: fn(&mut Job)| {
            state.jobs.values_mut().for_each(|job| change(Arc::make_mut(job)));
        };
        match self {
            Self::IgnoresLimits => {
                for cluster in state.clusters.values_mut() {
                    Arc::make_mut(cluster).config.limits = ClusterLimits::default();
                }
            }
            Self::ClaimsTheWaiting => state.dependencies.clear(),
            Self::IgnoresPriorities => each_job(state, |job| job.priority = 0),
            Self::ClaimsTooEarly => each_job(state, |job| job.not_before = None),
            _ => {}
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

impl FaultyUnit<'_, Writing> {
    fn before_an_end(&self, key: &LeaseKey, end: &RunEnd) -> Result<()> {
        let (Fault::FailsTheStopped, RunEnd::Failed(failure)) = (self.fault, end) else {
            return Ok(());
        };
        self.inner.change(|state, _| {
            let stopped = state.jobs.get_mut(&key.job);
            if let Some(job) = stopped.filter(|job| !job.policy.retries(&failure.kind, 1)) {
                Arc::make_mut(job).cancel_requested_at = None;
            }
            Ok(())
        })
    }

    fn after_an_end(&self, key: &LeaseKey, came_to: &CameTo) -> Result<()> {
        if let (Fault::RefusesAllForOne, Err(loss)) = (self.fault, came_to) {
            return Err(Error::lease_lost(*key, *loss));
        }
        if self.fault == Fault::CountsAFailureTwice && *came_to == Ok(Ended::Repeated) {
            self.inner.add_note(key.job, "it failed again")?;
        }
        if self.fault == Fault::RetriesAtOnce {
            self.inner.change(|state, _| {
                if let Some(job) = state.jobs.get_mut(&key.job) {
                    Arc::make_mut(job).not_before = None;
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

pass_on! {
    impl<> ClaimWrite for Writing {
        fn recover_lost(keys: &[LeaseKey]) -> Vec<Recovered>;
        fn request_cancel(job: JobId, reason: Option<&str>) -> Cancellation;
    } but {
        fn claim(
            &self,
            worker: &Worker,
            filter: &ClaimFilter,
            count: u32,
            lease_time: Duration,
        ) -> Result<Vec<Claim>> {
            self.inner.change(|state, _| {
                self.fault.before_a_claim(state);
                Ok(())
            })?;
            let mut claims = self.inner.claim(worker, filter, count, lease_time)?;
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

        fn heartbeat(&self, keys: &[LeaseKey], lease_time: Duration) -> Result<Vec<Heartbeat>> {
            let keys: Vec<LeaseKey> = keys.iter().map(|key| self.fenced(key)).collect();
            let mut beats = self.inner.heartbeat(&keys, lease_time)?;
            if self.fault == Fault::HidesCancellations {
                for beat in &mut beats {
                    if let Heartbeat::Renewed { cancel_requested, .. } = beat {
                        *cancel_requested = false;
                    }
                }
            }
            Ok(beats)
        }

        fn adopt(&self, job: JobId, worker: &Worker, lease_time: Duration) -> Result<Claim> {
            if self.fault == Fault::AdoptsTheHeld {
                self.inner.change(|state, _| {
                    state.leases.remove(&job);
                    Ok(())
                })?;
            }
            self.inner.adopt(job, worker, lease_time)
        }

        fn complete_and_claim(
            &self,
            key: &LeaseKey,
            completion: &Completion,
            worker: &Worker,
            filter: &ClaimFilter,
            count: u32,
            lease_time: Duration,
        ) -> Result<(Ended, Vec<Claim>)> {
            let (inner, key) = (&self.inner, self.fenced(key));
            let answer =
                inner.complete_and_claim(&key, completion, worker, filter, count, lease_time);
            if self.fault == Fault::ClaimsAfterARefusal && answer.is_err() {
                self.claim(worker, filter, count, lease_time)?;
            }
            answer
        }

        fn end_runs(
            &self,
            ends: &[(LeaseKey, RunEnd)],
        ) -> Result<Vec<CameTo>> {
            ends.iter().try_for_each(|(key, end)| self.before_an_end(key, end))?;
            let ends: Vec<_> =
                ends.iter().map(|(key, end)| (self.fenced(key), end.clone())).collect();
            let come_to = match self.fault {
                Fault::StopsHalfway => {
                    ends.chunks(1).map(|end| self.inner.end_runs(end)).collect::<Result<Vec<_>>>()?.concat()
                }
                _ => self.inner.end_runs(&ends)?,
            };
            for ((key, _), came_to) in ends.iter().zip(&come_to) {
                self.after_an_end(key, came_to)?;
            }
            Ok(come_to)
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
