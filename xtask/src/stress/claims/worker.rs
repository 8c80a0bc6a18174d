//! A worker: it claims one job or several, may renew the leases, and reports how the runs ended. Now and
//! then it is too slow, and goes on as if it were not.

use std::time::Duration;

use store_core::prelude::*;
use store_core::{
    Claim, ClaimFilter, Completion, Convergence, Energy, EnergyUnit, Failure, FailureKind,
    LeaseKey, NewResult, RunEnd, Runner,
};

use super::caller::{Caller, Together};

/// Long enough for whoever is at work.
const LEASE: Duration = Duration::from_secs(5);
/// A lease that its worker outlives.
const SHORT_LEASE: Duration = Duration::from_millis(4);
/// How long a worker rests that found nothing.
const REST: Duration = Duration::from_millis(1);
/// The most jobs of one claim.
const MOST: u64 = 12;

/// Works until the run is over.
pub fn run<S: Store>(caller: &mut Caller<'_, S>) {
    while caller.session.shared.goes_on() {
        step(caller);
    }
}

/// What a worker asks for.
struct Wanted {
    filter: ClaimFilter,
    count: u32,
    /// Whether it goes on after the end of its leases.
    is_slow: bool,
}

impl Wanted {
    fn next<S>(caller: &mut Caller<'_, S>) -> Self {
        let random = &mut caller.session.random;
        let count = if random.chance(30) { 1 + random.below(MOST) } else { 1 };
        let is_slow = random.chance(2);
        let clusters = &caller.session.shared.plan.clusters;
        let filter = match random.below(20) {
            0 => ClaimFilter::all().runner(Runner::Local),
            1 => random
                .pick(clusters)
                .map_or_else(ClaimFilter::all, |one| ClaimFilter::all().cluster(*one)),
            2 => ClaimFilter::all().workflow(super::scheduler::workflow(random.below(3))),
            _ => ClaimFilter::all(),
        };
        Self { filter, count: u32::try_from(count).unwrap_or(1), is_slow }
    }

    const fn lease_time(&self) -> Duration {
        if self.is_slow { SHORT_LEASE } else { LEASE }
    }
}

fn step<S: Store>(caller: &mut Caller<'_, S>) {
    let wanted = Wanted::next(caller);
    let claims = caller.claim(&wanted.filter, wanted.count, wanted.lease_time());
    if claims.is_empty() {
        caller.session.meter.totals.found_nothing += 1;
        std::thread::sleep(REST);
    }
    let mut next = Some((claims, wanted.is_slow));
    while let Some((claims, is_slow)) = next {
        next = work(caller, &claims, is_slow);
    }
}

/// Works on what was claimed; what was claimed together with its end, and whether the worker is slow with
/// that.
fn work<S: Store>(
    caller: &mut Caller<'_, S>,
    claims: &[Claim],
    is_slow: bool,
) -> Option<(Vec<Claim>, bool)> {
    let mut keys: Vec<LeaseKey> = claims.iter().map(|claim| claim.lease.key()).collect();
    if is_slow {
        std::thread::sleep(SHORT_LEASE * 3);
    }
    if !keys.is_empty() && caller.session.random.chance(30) {
        let renewed = caller.heartbeat(&keys, LEASE);
        // A worker that does not stop is what tokens are for.
        if caller.session.random.chance(50) {
            keys = renewed;
        }
    }
    if let ([key], true) = (keys.as_slice(), caller.session.random.chance(25)) {
        let wanted = Wanted::next(caller);
        let Wanted { filter, count, is_slow } = &wanted;
        let random = &mut caller.session.random;
        let result = random.chance(40).then(|| result(random.fraction()));
        // Some do not hear the answer, and ask again: what the first call took lapses, soon here.
        let is_heard = !random.chance(3);
        let lease_time = if is_heard { wanted.lease_time() } else { SHORT_LEASE };
        let mut ask =
            || caller.complete_and_claim(*key, result.clone(), filter, *count, lease_time);
        let claims = ask();
        return Some((if is_heard { claims } else { ask() }, *is_slow));
    }
    report(caller, &keys);
    None
}

fn report<S: Store>(caller: &mut Caller<'_, S>, keys: &[LeaseKey]) {
    if keys.is_empty() {
        return;
    }
    let together = caller.session.random.chance(50);
    let parts = if together { keys.chunks(keys.len()) } else { keys.chunks(1) };
    for part in parts {
        if let ([key], true) = (part, caller.session.random.chance(15)) {
            // Its end comes without a result then: the attempt has one, or is no longer this worker's.
            let result = result(caller.session.random.fraction());
            caller.record(*key, &result);
            caller.end(part, &completed(None), Together::InOneUnit);
            continue;
        }
        let random = &mut caller.session.random;
        let way = if random.chance(70) { Together::InOneCall } else { Together::InOneUnit };
        let reported = match random.below(100) {
            0..12 => failure(random.below(12) == 0).into(),
            12..17 => released(),
            // Forgotten: its lease lapses.
            17 if part.len() == 1 => continue,
            18..50 => completed(Some(result(random.fraction()))),
            _ => completed(None),
        };
        caller.end(part, &reported, way);
        if matches!(reported, RunEnd::Completed(_)) && caller.session.random.chance(3) {
            // As a worker does that did not hear the answer.
            caller.end(part, &reported, way);
        }
    }
}

fn completed(result: Option<NewResult>) -> RunEnd {
    Completion { result, exit_code: Some(0) }.into()
}

fn released() -> RunEnd {
    let reason = Some("its worker is wanted elsewhere".to_owned());
    RunEnd::Released { reason, not_before: None }
}

fn failure(is_final: bool) -> Failure {
    let kind = if is_final { super::scheduler::bad_input() } else { FailureKind::unknown() };
    Failure::of(kind).because("its code stopped")
}

fn result(fraction: f64) -> NewResult {
    let mut result = NewResult::new(Convergence::Converged);
    result.energy = Energy::new(-2000.0 * fraction, EnergyUnit::Hartree).ok();
    result
}
