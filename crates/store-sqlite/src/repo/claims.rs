//! Claims, and the ends of runs.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

use rusqlite::Row;
use store_core::claim::{self, explain};
use store_core::held::asks_to_be_cancelled;
use store_core::lease::{self, check_lease_time};
use store_core::repo::{ClaimRead, ClaimWrite, ClusterRead, DependencyRead, JobRead};
use store_core::run;
use store_core::{
    Attempt, CameTo, Cancellation, Claim, ClaimFilter, ClusterId, ClusterLoad, Ended, Error,
    Explanation, Heartbeat, Job, JobId, Lease, LeaseKey, LeaseToken, Noun, Recovered, Resources,
    Result, RunEnd, Under, Worker,
};

use super::jobs::{columns, decode};
use super::lanes::Lane;
use super::leases::{Leased, apart};
use super::steps::{Decided, Steps};
use crate::codec::Columns;
use crate::unit::{Mode, Unit, Writing};

pub(super) const TO_PROBE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM jobs INDEXED BY jobs_to_probe WHERE probe_since IS NOT NULL ORDER BY probe_since, id LIMIT ?1 + 0"
);
pub(super) const TO_CANCEL: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM jobs INDEXED BY jobs_to_cancel WHERE cancel_requested_at IS NOT NULL \
     ORDER BY cancel_requested_at, id LIMIT ?1 + 0"
);
pub(super) const LOAD: &str =
    "SELECT running, nodes, cores, memory_mib FROM cluster_loads WHERE cluster_id = ?1";
pub(super) const CLAIMS: &str = "SELECT claims FROM jobs WHERE id = ?1";

/// How many jobs of a lane are read at once, where another lane may have better ones or its cluster room for few.
const READ_AHEAD: usize = 32;

/// The next jobs of a lane, each with the number of its claims.
#[derive(Default)]
struct Ahead {
    jobs: VecDeque<(Job, i64)>,
    /// Whether the lane has no more.
    are_all: bool,
}

impl<M: Mode> ClaimRead for Unit<'_, M> {
    fn can_claim(&self, filter: &ClaimFilter) -> Result<bool> {
        Ok(self.some_come_due(self.now())? || !self.open_lanes(filter)?.0.is_empty())
    }

    fn lease_of(&self, job: JobId) -> Result<Option<Lease>> {
        Ok(self.leased(job)?.1)
    }

    fn check_lease(&self, key: &LeaseKey) -> Result<Lease> {
        let (job, found) = self.job_and_lease(key.job)?;
        lease::held(key, job.as_ref(), found.as_ref()).cloned()
    }

    fn leases(&self) -> Result<Vec<Lease>> {
        self.all_leases()
    }

    fn attempts_of(&self, job: JobId) -> Result<Vec<Attempt>> {
        let (job, lease) = self.leased(job)?;
        let mut attempts = self.past_attempts(job.id)?;
        if !job.status.is_terminal() {
            attempts.push(Attempt::present(&job, lease.as_ref()));
        }
        Ok(attempts)
    }

    fn jobs_to_probe(&self, limit: u32) -> Result<Vec<Job>> {
        self.list(TO_PROBE, [limit], decode)
    }

    fn jobs_to_cancel(&self, limit: u32) -> Result<Vec<Job>> {
        self.list(TO_CANCEL, [limit], decode)
    }

    fn cluster_load(&self, cluster: ClusterId) -> Result<ClusterLoad> {
        let found = self.find(LOAD, [cluster.get()], decode_load)?;
        found.ok_or_else(|| Error::not_found(Noun::Cluster, cluster))
    }

    fn explain(&self, job: JobId) -> Result<Explanation> {
        let (job, lease) = self.leased(job)?;
        let cluster = match job.cluster {
            Some(id) => {
                let (cluster, load) = (self.cluster(id)?, self.cluster_load(id)?);
                let told = self.newest_that_name(id, cluster.config.closed_by())?;
                Some((cluster, load, told))
            }
            None => None,
        };
        let cluster =
            cluster.as_ref().map(|(cluster, load, told)| (cluster, *load, told.as_slice()));
        let readiness = self.readiness(job.id)?;
        Ok(explain(&job, readiness, cluster, lease.as_ref(), self.now()))
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
        self.let_come_due(filter)?;
        let count = count as usize;
        let (lanes, mut clusters) = self.open_lanes(filter)?;
        let order = |(priority, job): (i32, JobId)| (priority, Reverse(job));
        let mut heads: BinaryHeap<_> =
            lanes.iter().enumerate().map(|(place, lane)| (order(lane.head), place)).collect();
        let mut read: BTreeMap<usize, Ahead> = BTreeMap::new();
        let mut claims = Vec::with_capacity(count.min(lanes.len().max(1)));
        self.storing(|steps| {
            while claims.len() < count
                && let Some(((_, Reverse(job)), place)) = heads.pop()
            {
                let lane = &lanes[place];
                if !clusters.have_room(lane.cluster, lane.needs) {
                    continue;
                }
                let are_all_its_own = heads.is_empty() && lane.cluster.is_none();
                let most = if are_all_its_own { count } else { READ_AHEAD };
                let wanted = (count - claims.len()).min(most);
                let ahead = read.entry(place).or_default();
                if ahead.jobs.is_empty() && wanted == 1 {
                    // What was claimed is no longer among them, so that the first that is left is the head.
                    ahead.jobs.extend(self.claimable(job)?);
                } else if ahead.jobs.is_empty() {
                    *ahead = self.read_ahead(filter, lane, wanted)?;
                }
                let Some((job, earlier_claims)) = ahead.jobs.pop_front() else { continue };
                claims.push(self.start(steps, &job, earlier_claims, worker, lease_time)?);
                clusters.count(lane.cluster, lane.needs);
                if claims.len() == count {
                    break;
                }
                if ahead.jobs.is_empty() && !ahead.are_all {
                    steps.store()?;
                    *ahead = self.read_ahead(filter, lane, wanted)?;
                }
                if let Some((next, _)) = ahead.jobs.front() {
                    heads.push((order((next.priority, next.id)), place));
                }
            }
            Ok(())
        })?;
        Ok(claims)
    }

    fn heartbeat(&self, keys: &[LeaseKey], lease_time: Duration) -> Result<Vec<Heartbeat>> {
        check_lease_time(lease_time)?;
        let beat = |key: &LeaseKey| {
            let (job, found) = self.job_and_lease(key.job)?;
            let beat = lease::renew(key, job.as_ref(), found.as_ref(), lease_time, self.now());
            if let Heartbeat::Renewed { lease, .. } = &beat {
                self.extend_lease(lease)?;
            }
            Ok(beat)
        };
        keys.iter().map(beat).collect()
    }

    fn end_runs(&self, ends: &[(LeaseKey, RunEnd)]) -> Result<Vec<CameTo>> {
        run::check_ends(ends)?;
        let all = || {
            let jobs: Vec<JobId> = ends.iter().map(|(key, _)| key.job).collect();
            let mut runs = self.leased_among(&jobs)?;
            self.storing(|steps| {
                ends.iter().map(|(key, end)| self.end(steps, &mut runs, key, end)).collect()
            })
        };
        if ends.len() == 1 { all() } else { self.atomically(all) }
    }

    fn recover_expired(&self, limit: u32) -> Result<Vec<Recovered>> {
        let lapsed = self.lapsed(limit)?;
        self.storing(|steps| {
            // A lapse changes no run but its own, so that all of them are still as they were read.
            let lapse = |(job, lease): Leased| lease.map(|lease| self.lapse(steps, &job, lease));
            lapsed.into_iter().filter_map(lapse).collect()
        })
    }

    fn recover_lost(&self, keys: &[LeaseKey]) -> Result<Vec<Recovered>> {
        self.storing(|steps| {
            let mut recovered = Vec::new();
            for key in keys {
                steps.before(key.job)?;
                if let Some((job, Some(lease))) = self.find_leased(key.job)?
                    && lease.key() == *key
                {
                    recovered.push(self.lapse(steps, &job, lease)?);
                }
            }
            Ok(recovered)
        })
    }

    fn adopt(&self, job: JobId, worker: &Worker, lease_time: Duration) -> Result<Claim> {
        worker.check()?;
        check_lease_time(lease_time)?;
        let (job, held) = self.leased(job)?;
        let claims: i64 = self.find(CLAIMS, [job.id.get()], |row| row.get(0))?.unwrap_or(0);
        let token = LeaseToken::new(claims + 1);
        let (step, lease) =
            lease::adopt(&job, held.as_ref(), worker, token, lease_time, self.now())?;
        self.store(step.clone())?;
        self.execute("UPDATE jobs SET claims = ?2 WHERE id = ?1", [job.id.get(), token.get()])?;
        self.insert_leases(vec![lease.clone()])?;
        Ok(Claim { job: step.job, lease })
    }

    fn request_cancel(&self, job: JobId, reason: Option<&str>) -> Result<Cancellation> {
        self.storing(|steps| self.ask_to_end(steps, job, reason))
    }
}

impl<M: Mode> Unit<'_, M> {
    pub(super) fn job_and_lease(&self, job: JobId) -> Result<(Option<Job>, Option<Lease>)> {
        self.find_leased(job).map(apart)
    }

    /// Lets a write in whose lease is there, or that needs none.
    pub(super) fn admit<T>(&self, under: &Under<T>) -> Result<()> {
        let Some(key) = under.lease else { return Ok(()) };
        let (job, lease) = self.job_and_lease(key.job)?;
        under.check(job.as_ref(), lease.as_ref())
    }

    /// The job of such a write, with its lease.
    pub(super) fn leased_under(&self, under: Under<JobId>) -> Result<Leased> {
        let Some(key) = under.lease else { return self.leased(under.what) };
        let (job, lease) = self.job_and_lease(key.job)?;
        under.check(job.as_ref(), lease.as_ref())?;
        under.check_is_of(under.what)?;
        let job = job.ok_or_else(|| Error::not_found(Noun::Job, under.what))?;
        Ok((job, lease))
    }
}

impl Unit<'_, Writing> {
    fn read_ahead(&self, filter: &ClaimFilter, lane: &Lane, wanted: usize) -> Result<Ahead> {
        let jobs = self.best_of_lane(filter, lane.id, wanted)?;
        Ok(Ahead { are_all: jobs.len() < wanted, jobs: jobs.into() })
    }

    fn start(
        &self,
        steps: &mut Steps<'_, '_>,
        job: &Job,
        earlier_claims: i64,
        worker: &Worker,
        lease_time: Duration,
    ) -> Result<Claim> {
        let token = LeaseToken::new(earlier_claims + 1);
        // It is among what can be claimed, so nothing may refuse it. Of a call that has written before, as an end
        // together with a claim has, nothing is to stay.
        let (step, lease) =
            lease::claim(job, worker, token, lease_time, self.now()).map_err(|refused| {
                self.damaged(format!("job_queue has job {} as claimable", job.id), Some(refused))
            })?;
        let claim = Claim { job: step.job.clone(), lease: lease.clone() };
        steps.take(Decided::claim(step, lease))?;
        Ok(claim)
    }

    fn end(
        &self,
        steps: &mut Steps<'_, '_>,
        runs: &mut BTreeMap<JobId, Leased>,
        key: &LeaseKey,
        end: &RunEnd,
    ) -> Result<CameTo> {
        // Another end of the call changes no run but its own, and may cancel what does not run.
        let run = match runs.remove(&key.job) {
            Some(run @ (_, Some(_))) => Some(run),
            _ => {
                steps.before(key.job)?;
                self.find_leased(key.job)?
            }
        };
        let (job, lease) = apart(run);
        let past = || self.past(key.job);
        let step = match run::end(key, job.as_ref(), lease.as_ref(), end, past, self.now()) {
            Ok(step) => step,
            Err(Error::LeaseLost { loss, .. }) => {
                let past = self.past_attempt(key.job, key.attempt)?;
                return Ok(run::repeated(loss, key, past.as_ref(), end));
            }
            Err(other) => return Err(other),
        };
        let result = match (end.result(), &job) {
            (Some(result), Some(job)) => self.store_first_result(job, result)?,
            _ => None,
        };
        self.came_to(steps, Decided::with_result(step, result)).map(Ok)
    }

    pub(super) fn ask_to_end(
        &self,
        steps: &mut Steps<'_, '_>,
        job: JobId,
        reason: Option<&str>,
    ) -> Result<Cancellation> {
        steps.before(job)?;
        let (answer, step) = run::request_cancel(&self.job(job)?, reason, self.now())?;
        if let Some(step) = step {
            steps.take(step.into())?;
        }
        Ok(answer)
    }

    fn lapse(&self, steps: &mut Steps<'_, '_>, job: &Job, lease: Lease) -> Result<Recovered> {
        let step = run::lapse(job, &lease, self.past(job.id)?, self.now())?;
        Ok(Recovered { job: job.id, lease, came_to: self.came_to(steps, step.into())? })
    }

    /// Takes the end of a run, and tells what it came to.
    fn came_to(&self, steps: &mut Steps<'_, '_>, decided: Decided) -> Result<Ended> {
        let job = decided.job();
        if asks_to_be_cancelled(job) {
            let job = job.id;
            steps.take(decided)?;
            return Ok(Ended::of(&self.job(job)?));
        }
        let ended = Ended::of(job);
        steps.take(decided)?;
        Ok(ended)
    }
}

fn decode_load(row: &Row<'_>) -> rusqlite::Result<ClusterLoad> {
    let mut columns = Columns::of(row);
    Ok(ClusterLoad {
        running: columns.plain()?,
        in_use: Resources {
            nodes: columns.plain()?,
            cores: columns.plain()?,
            memory_mib: columns.plain()?,
        },
    })
}
