//! Claims, leases and the ends of runs in memory.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use crate::attempt::Attempt;
use crate::claim::{self, ClaimFilter, Explanation};
use crate::cluster::ClusterLoad;
use crate::dependency::Readiness;
use crate::error::{Error, Result};
use crate::ids::{ClusterId, JobId, LeaseToken};
use crate::job::Job;
use crate::lease::{self, Claim, Heartbeat, Lease, LeaseKey, Under, check_lease_time};
use crate::repo::{ClaimRead, ClaimWrite};
use crate::result;
use crate::run::{self, CameTo, Cancellation, Ended, Past, Recovered, RunEnd};
use crate::status::{JobStatus, Step};
use crate::time::Timestamp;
use crate::worker::Worker;

use super::state::State;
use super::unit::{Signature, Unit, Writing};

impl<Mode> ClaimRead for Unit<'_, Mode> {
    fn can_claim(&self, filter: &ClaimFilter) -> Result<bool> {
        let state = self.state();
        Ok(state.claimable(filter, self.now()).any(|job| state.has_room(job)))
    }

    fn lease_of(&self, job: JobId) -> Result<Option<Lease>> {
        let state = self.state();
        state.job(job)?;
        Ok(state.lease(job).cloned())
    }

    fn check_lease(&self, key: &LeaseKey) -> Result<Lease> {
        let state = self.state();
        lease::held(key, state.job(key.job).ok(), state.lease(key.job)).cloned()
    }

    fn leases(&self) -> Result<Vec<Lease>> {
        Ok(self.state().leases.values().map(|lease| Lease::clone(lease)).collect())
    }

    fn attempts_of(&self, job: JobId) -> Result<Vec<Attempt>> {
        let state = self.state();
        let job = state.job(job)?;
        let mut attempts: Vec<Attempt> = state.past_attempts(job.id).cloned().collect();
        if !job.status.is_terminal() {
            attempts.push(Attempt::present(job, state.lease(job.id)));
        }
        Ok(attempts)
    }

    fn jobs_to_probe(&self, limit: u32) -> Result<Vec<Job>> {
        Ok(self.state().jobs_since(limit, |job| job.probe_since))
    }

    fn jobs_to_cancel(&self, limit: u32) -> Result<Vec<Job>> {
        Ok(self.state().jobs_since(limit, |job| job.cancel_requested_at))
    }

    fn cluster_load(&self, cluster: ClusterId) -> Result<ClusterLoad> {
        let state = self.state();
        state.cluster(cluster)?;
        Ok(state.load(cluster))
    }

    fn explain(&self, job: JobId) -> Result<Explanation> {
        let state = self.state();
        let job = state.job(job)?;
        let told =
            state.history(|event| job.cluster.is_some() && event.subject.cluster() == job.cluster);
        let cluster =
            job.cluster.map(|id| Ok::<_, Error>((state.cluster(id)?, state.load(id), &told[..])));
        let readiness = state.readiness(job.id)?;
        let lease = state.lease(job.id);
        Ok(claim::explain(job, readiness, cluster.transpose()?, lease, self.now()))
    }
}

impl ClaimWrite for Unit<'_, Writing> {
    fn claim(
        &self,
        worker: &Worker,
        filter: &ClaimFilter,
        count: u32,
        lease_time: Duration,
    ) -> Result<Vec<Claim>> {
        claim::check(worker, count, lease_time)?;
        self.change(|state, signature| {
            let mut claims = Vec::new();
            while claims.len() < count as usize {
                let takes = |job: &&Job| state.has_room(job);
                let best = state
                    .claimable(filter, signature.now)
                    .filter(takes)
                    .min_by_key(|job| (Reverse(job.priority), job.id));
                let Some(job) = best.cloned() else { break };
                let token = state.next_token(job.id);
                let (step, lease) = lease::claim(&job, worker, token, lease_time, signature.now)?;
                claims.push(state.hold(step, lease, signature));
            }
            Ok(claims)
        })
    }

    fn heartbeat(&self, keys: &[LeaseKey], lease_time: Duration) -> Result<Vec<Heartbeat>> {
        check_lease_time(lease_time)?;
        self.change(|state, Signature { now, .. }| {
            let mut beat = |key: &LeaseKey| {
                let job = state.job(key.job).ok();
                let beat = lease::renew(key, job, state.lease(key.job), lease_time, now);
                if let Heartbeat::Renewed { lease, .. } = &beat {
                    state.leases.insert(key.job, Arc::new(lease.clone()));
                }
                beat
            };
            Ok(keys.iter().map(&mut beat).collect())
        })
    }

    fn end_runs(&self, ends: &[(LeaseKey, RunEnd)]) -> Result<Vec<CameTo>> {
        run::check_ends(ends)?;
        self.change(|state, signature| {
            ends.iter().map(|(key, end)| state.end(key, end, signature)).collect()
        })
    }

    fn recover_expired(&self, limit: u32) -> Result<Vec<Recovered>> {
        self.change(|state, signature| {
            let lapsed = state.leases.values().filter(|lease| lease.has_lapsed(signature.now));
            let mut lapsed: Vec<Lease> = lapsed.map(|lease| Lease::clone(lease)).collect();
            lapsed.sort_by_key(|lease| (lease.expires_at, lease.job));
            lapsed.truncate(limit as usize);
            lapsed.into_iter().map(|lease| state.lapse(lease, signature)).collect()
        })
    }

    fn recover_lost(&self, keys: &[LeaseKey]) -> Result<Vec<Recovered>> {
        self.change(|state, signature| {
            let mut recovered = Vec::new();
            for key in keys {
                if let Some(lease) = state.lease(key.job).filter(|lease| lease.key() == *key) {
                    recovered.push(state.lapse(lease.clone(), signature)?);
                }
            }
            Ok(recovered)
        })
    }

    fn adopt(&self, job: JobId, worker: &Worker, lease_time: Duration) -> Result<Claim> {
        worker.check()?;
        check_lease_time(lease_time)?;
        self.change(|state, signature| {
            let job = state.job(job)?.clone();
            let token = state.next_token(job.id);
            let held = state.lease(job.id);
            let (step, lease) = lease::adopt(&job, held, worker, token, lease_time, signature.now)?;
            Ok(state.hold(step, lease, signature))
        })
    }

    fn request_cancel(&self, job: JobId, reason: Option<&str>) -> Result<Cancellation> {
        self.change(|state, signature| {
            let (answer, step) = run::request_cancel(state.job(job)?, reason, signature.now)?;
            if let Some(step) = step {
                state.store(step, signature);
            }
            Ok(answer)
        })
    }
}

impl State {
    pub(super) fn lease(&self, job: JobId) -> Option<&Lease> {
        self.leases.get(&job).map(AsRef::as_ref)
    }

    /// Lets a write in whose lease is there, or that needs none.
    pub(super) fn admit<T>(&self, under: &Under<T>) -> Result<()> {
        let Some(key) = under.lease else { return Ok(()) };
        under.check(self.job(key.job).ok(), self.lease(key.job))
    }

    /// The job of such a write.
    pub(super) fn job_under(&self, under: Under<JobId>) -> Result<&Job> {
        self.admit(&under)?;
        under.check_is_of(under.what)?;
        self.job(under.what)
    }

    fn past_attempts(&self, job: JobId) -> impl Iterator<Item = &Attempt> {
        self.attempts.range((job, 0)..=(job, u32::MAX)).map(|(_, attempt)| attempt.as_ref())
    }

    fn past(&self, job: JobId) -> Past {
        Past::of(self.past_attempts(job).filter_map(|attempt| attempt.outcome))
    }

    /// The jobs that could be claimed but for the limits of their clusters.
    fn claimable<'s>(
        &'s self,
        filter: &'s ClaimFilter,
        now: Timestamp,
    ) -> impl Iterator<Item = &'s Job> {
        let jobs = self.jobs.values().map(AsRef::as_ref);
        jobs.filter(move |job: &&Job| {
            job.status == JobStatus::Queued
                && filter.admits(job)
                && job.not_before.is_none_or(|not_before| not_before <= now)
                && matches!(self.readiness(job.id), Ok(Readiness::Ready))
        })
    }

    fn has_room(&self, job: &Job) -> bool {
        let cluster = job.cluster.and_then(|id| self.cluster(id).ok());
        cluster.is_none_or(|cluster| {
            let needs = job.parallelism.needs();
            cluster.config.has_room(self.load(cluster.id), needs)
        })
    }

    fn load(&self, cluster: ClusterId) -> ClusterLoad {
        let runs =
            |job: &&Arc<Job>| job.cluster == Some(cluster) && job.status == JobStatus::Running;
        let running = self.jobs.values().filter(runs);
        running.fold(ClusterLoad::default(), |load, job| load.with(job.parallelism.needs()))
    }

    fn jobs_since(&self, limit: u32, since: impl Fn(&Job) -> Option<Timestamp>) -> Vec<Job> {
        let mut jobs: Vec<(Timestamp, &Arc<Job>)> =
            self.jobs.values().filter_map(|job| Some((since(job)?, job))).collect();
        jobs.sort_by_key(|(since, job)| (*since, job.id));
        jobs.into_iter().take(limit as usize).map(|(_, job)| Job::clone(job)).collect()
    }

    fn next_token(&self, job: JobId) -> LeaseToken {
        LeaseToken::new(self.tokens.get(&job).copied().unwrap_or(0) + 1)
    }

    fn hold(&mut self, step: Step, lease: Lease, signature: Signature<'_>) -> Claim {
        let job = step.job.clone();
        self.store(step, signature);
        self.tokens.insert(job.id, lease.token.get());
        self.leases.insert(job.id, Arc::new(lease.clone()));
        Claim { job, lease }
    }

    fn end(&mut self, key: &LeaseKey, end: &RunEnd, signature: Signature<'_>) -> Result<CameTo> {
        let (job, lease) = (self.job(key.job).ok(), self.lease(key.job));
        let step = match run::end(key, job, lease, end, || Ok(self.past(key.job)), signature.now) {
            Ok(step) => step,
            Err(Error::LeaseLost { loss, .. }) => {
                let past = self.attempts.get(&(key.job, key.attempt)).map(AsRef::as_ref);
                return Ok(run::repeated(loss, key, past, end));
            }
            Err(other) => return Err(other),
        };
        if let Some(new) = end.result() {
            let job = self.job(key.job)?;
            let recorded = result::record(job, self.present_result(job), new, signature.now)?;
            self.put_result(recorded, signature.actor);
        }
        self.store(step, signature);
        Ok(Ok(Ended::of(self.job(key.job)?)))
    }

    fn lapse(&mut self, lease: Lease, signature: Signature<'_>) -> Result<Recovered> {
        let step = run::lapse(self.job(lease.job)?, &lease, self.past(lease.job), signature.now)?;
        self.store(step, signature);
        let came_to = Ended::of(self.job(lease.job)?);
        Ok(Recovered { job: lease.job, lease, came_to })
    }
}
