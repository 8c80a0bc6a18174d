//! The calls of a worker on what it has claimed: each is recorded before it begins and when it has returned.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use store_core::prelude::*;
use store_core::{
    CameTo, Claim, ClaimFilter, Completion, Ended, Error, Heartbeat, JobStatus, LeaseKey,
    LeaseLoss, NewResult, Recovered, Result, RunEnd, Worker,
};
use store_sqlite::worker::this_worker;

use crate::stress::effect::Effect;
use crate::stress::kind::Kind;
use crate::stress::linearizability::job::{Beat, Came, Report};
use crate::stress::linearizability::record::{Asked, Heard, Recorder, now};
use crate::stress::session::Session;

/// One thread, and what it is called as a worker.
#[derive(Debug)]
pub struct Caller<'a, S> {
    /// Its calls.
    pub session: Session<'a, S>,
    recorder: &'a Recorder,
    claimed: &'a AtomicU64,
    thread: u32,
    worker: Worker,
}

impl<'a, S: Store> Caller<'a, S> {
    /// Begins the work of a thread.
    pub fn new(
        session: Session<'a, S>,
        recorder: &'a Recorder,
        claimed: &'a AtomicU64,
        thread: u32,
    ) -> Self {
        let (plan, process) = (&session.shared.plan, session.shared.process);
        let worker = this_worker(plan.actor(process, thread));
        Self { session, recorder, claimed, thread, worker }
    }

    /// Makes a call that is recorded.
    fn call<T>(
        &mut self,
        kind: Kind,
        asked: Asked,
        call: impl FnOnce(&S) -> Result<T>,
        heard: impl FnOnce(&Result<T>) -> Heard,
        effects: impl FnOnce(&T) -> Vec<Effect>,
    ) -> Option<T> {
        self.recorder.invoked(self.thread, asked);
        let mut answer = None;
        let value = self.session.write(
            kind,
            |store| {
                let value = call(store);
                answer = Some((now(), heard(&value)));
                value
            },
            effects,
        );
        // After the journal: what has returned was acknowledged.
        if let Some((at, heard)) = answer {
            self.recorder.returned(self.thread, at, heard);
        }
        value
    }

    /// Claims up to `count` jobs.
    pub fn claim(&mut self, filter: &ClaimFilter, count: u32, lease_time: Duration) -> Vec<Claim> {
        let worker = self.worker.clone();
        let claims = self.call(
            Kind::Claim,
            Asked::Claim,
            |store| store.claim(&worker, filter, count, lease_time),
            |answer| match answer {
                Ok(claims) => Heard::Claimed(claims.iter().map(|one| one.lease.key()).collect()),
                Err(_) => Heard::Unknown,
            },
            |claims| claims.iter().map(|claim| claimed(&claim.lease.key())).collect(),
        );
        self.judged(claims.unwrap_or_default(), filter, count)
    }

    /// Completes a run, and claims up to `count` jobs in the same transaction.
    pub fn complete_and_claim(
        &mut self,
        key: LeaseKey,
        result: Option<NewResult>,
        filter: &ClaimFilter,
        count: u32,
        lease_time: Duration,
    ) -> Vec<Claim> {
        let completion = Completion { result, exit_code: Some(0) };
        let (worker, reported) = (self.worker.clone(), RunEnd::from(completion.clone()));
        let keys = |claims: &[Claim]| claims.iter().map(|one| one.lease.key()).collect();
        let answer = self.call(
            Kind::CompleteAndClaim,
            Asked::CompleteAndClaim(key),
            |store| store.complete_and_claim(&key, &completion, &worker, filter, count, lease_time),
            |answer| match answer {
                Ok((ended, claims)) => Heard::EndedAndClaimed(came(*ended), keys(claims)),
                Err(Error::LeaseLost { key, .. }) => Heard::LeaseLost(*key),
                Err(_) => Heard::Unknown,
            },
            |(came, claims)| {
                let mut effects = ended(&key, *came, &reported);
                effects.extend(claims.iter().map(|claim| claimed(&claim.lease.key())));
                effects
            },
        );
        self.judged(answer.map_or_else(Vec::new, |(_, claims)| claims), filter, count)
    }

    /// Counts what was claimed, and looks whether it is what was asked for.
    fn judged(&mut self, claims: Vec<Claim>, filter: &ClaimFilter, count: u32) -> Vec<Claim> {
        let worker = &self.worker;
        self.claimed.fetch_add(claims.len() as u64, Ordering::Relaxed);
        let right = |claim: &Claim| {
            claim.job.status == JobStatus::Running
                && claim.job.attempt == claim.lease.attempt
                && claim.lease.worker == *worker
                && filter.admits(&claim.job)
        };
        self.session.expect(
            claims.iter().all(right),
            "a claim gave another job than asked",
            || format!("{claims:?}"),
        );
        let few = claims.len() <= count as usize;
        self.session.expect(few, "a claim gave more jobs than asked", || format!("{count}"));
        claims
    }

    /// Renews leases; those that are still there.
    pub fn heartbeat(&mut self, keys: &[LeaseKey], lease_time: Duration) -> Vec<LeaseKey> {
        let beats = self.call(
            Kind::Heartbeat,
            Asked::Heartbeat(keys.to_vec()),
            |store| store.heartbeat(keys, lease_time),
            |answer| match answer {
                Ok(beats) => {
                    Heard::Beats(keys.iter().copied().zip(beats.iter().map(beat)).collect())
                }
                Err(_) => Heard::Unknown,
            },
            |_| Vec::new(),
        );
        let beats = beats.unwrap_or_default();
        let renewed = |(key, beat): (&LeaseKey, &Heartbeat)| {
            matches!(beat, Heartbeat::Renewed { .. }).then_some(*key)
        };
        keys.iter().zip(&beats).filter_map(renewed).collect()
    }

    /// Records a result of a run that goes on.
    pub fn record(&mut self, key: LeaseKey, result: &NewResult) {
        self.call(
            Kind::Record,
            Asked::Record(key),
            |store| store.record_result(key, result),
            |answer| match answer {
                Ok(_) => Heard::Recorded,
                Err(Error::LeaseLost { key, .. }) => Heard::LeaseLost(*key),
                Err(_) => Heard::Unknown,
            },
            |_| vec![result_recorded(&key, result)],
        );
    }

    /// Reports the ends of runs, all in one unit of work, or in one call.
    pub fn end(&mut self, keys: &[LeaseKey], reported: &RunEnd, together: Together) {
        let (kind, report) = match reported {
            RunEnd::Completed(_) => (Kind::Complete, Report::Completed),
            RunEnd::Failed(_) => (Kind::Fail, Report::Failed),
            RunEnd::Released { .. } => (Kind::Release, Report::Released),
        };
        let (shown, told) = (keys.to_vec(), reported.clone());
        let effects = |ends: &Vec<CameTo>| {
            keys.iter()
                .zip(ends)
                .filter_map(|(key, came)| Some((key, (*came).ok()?)))
                .flat_map(|(key, came)| ended(key, came, reported))
                .collect()
        };
        self.call(
            kind,
            Asked::End(report, keys.to_vec()),
            |store| match (shown.as_slice(), together) {
                ([key], _) => Ok(vec![Ok(end_one(store, key, &told)?)]),
                (_, Together::InOneCall) => {
                    let ends: Vec<_> = shown.iter().map(|key| (*key, told.clone())).collect();
                    store.end_runs(&ends)
                }
                (_, Together::InOneUnit) => store.write(move |w| {
                    shown.iter().map(|key| end_one(w, key, &told).map(Ok)).collect()
                }),
            },
            |answer| match answer {
                Ok(ends) => Heard::Ended(
                    keys.iter()
                        .copied()
                        .zip(ends.iter().map(|came_to| came_to.map_or(Came::LeaseLost, came)))
                        .collect(),
                ),
                Err(Error::LeaseLost { key, .. }) => Heard::LeaseLost(*key),
                Err(_) => Heard::Unknown,
            },
            effects,
        );
    }

    /// Takes back what has lapsed.
    pub fn recover_expired(&mut self, limit: u32) {
        self.recover(|store| store.recover_expired(limit));
    }

    /// Takes back what these hold, of workers that are gone.
    pub fn recover_lost(&mut self, keys: &[LeaseKey]) {
        self.recover(|store| store.recover_lost(keys));
    }

    fn recover(&mut self, call: impl FnOnce(&S) -> Result<Vec<Recovered>>) {
        self.call(
            Kind::Recover,
            Asked::Recover,
            call,
            |answer| match answer {
                Ok(lost) => {
                    let came = |one: &Recovered| (one.lease.key(), came(one.came_to));
                    Heard::Ended(lost.iter().map(came).collect())
                }
                Err(_) => Heard::Unknown,
            },
            |lost| lost.iter().filter_map(|one| run_ended(&one.lease.key(), one.came_to)).collect(),
        );
    }
}

/// How several ends are reported together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Together {
    /// By `end_runs`, which tells of each whether its lease was lost.
    InOneCall,
    /// One after the other in a unit of work, of which nothing lands when one lease is lost.
    InOneUnit,
}

fn end_one(w: &impl ClaimWrite, key: &LeaseKey, reported: &RunEnd) -> Result<Ended> {
    match reported {
        RunEnd::Completed(completion) => w.complete(key, completion),
        RunEnd::Failed(failure) => w.fail(key, failure),
        RunEnd::Released { reason, not_before } => w.release(key, reason.as_deref(), *not_before),
    }
}

fn claimed(key: &LeaseKey) -> Effect {
    Effect::Claimed { job: key.job, attempt: key.attempt, token: key.token }
}

const fn result_recorded(key: &LeaseKey, result: &NewResult) -> Effect {
    let (convergence, energy) = (result.convergence, result.energy);
    Effect::ResultRecorded { job: key.job, attempt: key.attempt, convergence, energy }
}

fn run_ended(key: &LeaseKey, came_to: Ended) -> Option<Effect> {
    let to = match came_to {
        Ended::Finally(status) => status,
        Ended::Requeued { .. } => JobStatus::Queued,
        Ended::ToBeProbed | Ended::Repeated => return None,
    };
    Some(Effect::RunEnded { job: key.job, attempt: key.attempt, token: key.token, to })
}

fn ended(key: &LeaseKey, came_to: Ended, reported: &RunEnd) -> Vec<Effect> {
    let run_ended = run_ended(key, came_to);
    let result = match reported {
        RunEnd::Completed(Completion { result: Some(result), .. }) if run_ended.is_some() => {
            Some(result_recorded(key, result))
        }
        _ => None,
    };
    result.into_iter().chain(run_ended).collect()
}

const fn beat(heartbeat: &Heartbeat) -> Beat {
    match heartbeat {
        Heartbeat::Renewed { .. } => Beat::Renewed,
        Heartbeat::Lost(LeaseLoss::Lapsed) => Beat::Lapsed,
        Heartbeat::Lost(_) => Beat::Lost,
    }
}

const fn came(ended: Ended) -> Came {
    match ended {
        Ended::Finally(status) => Came::Ended(status),
        Ended::Requeued { attempt, .. } => Came::Queued(attempt),
        Ended::Repeated => Came::Repeated,
        // No job of this profile asks for it.
        Ended::ToBeProbed => Came::Unknown,
    }
}
