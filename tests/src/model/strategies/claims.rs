//! Claims, the leases on what was claimed, and how runs end.

use std::time::Duration;

use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use store_core::{
    ClaimFilter, Completion, Failure, JobId, LeaseKey, LeaseToken, RunEnd, Runner, Under, Worker,
};

use super::results::result;
use super::values::{cluster_id, code, job_id, moment, texts, word};

pub(super) fn worker() -> impl Strategy<Value = Worker> {
    let name = prop_oneof![20 => select(vec!["slot 1", "slot 2"]), 1 => Just("")];
    (name, any::<bool>()).prop_map(|(name, is_told)| Worker {
        boot_id: is_told.then(|| "boot".to_owned()),
        pid_started_at: is_told.then_some(77),
        ..Worker::new(name, "node-17", 4711)
    })
}

pub(super) fn claim_filter() -> impl Strategy<Value = ClaimFilter> {
    (
        option::weighted(0.1, select(Runner::ALL)),
        option::weighted(0.1, cluster_id()),
        option::weighted(0.1, code()),
        option::weighted(0.2, word()),
    )
        .prop_map(|(runner, cluster, code, workflow)| ClaimFilter {
            runner,
            cluster,
            code,
            workflow,
        })
}

pub(super) fn lease() -> impl Strategy<Value = Duration> {
    prop_oneof![
        10 => Just(Duration::from_millis(1)),
        10 => Just(Duration::from_secs(60)),
        1 => Just(Duration::ZERO),
    ]
}

/// Few attempts and tokens, so that many keys are those of leases that are held.
pub(super) fn lease_key() -> impl Strategy<Value = LeaseKey> {
    let often_first = || prop_oneof![8 => Just(1u32), 2 => Just(2), 1 => Just(3)];
    (job_id(), often_first(), often_first()).prop_map(|(job, attempt, token)| LeaseKey {
        job,
        attempt,
        token: LeaseToken::new(token.into()),
    })
}

/// A job, or the key of a lease on it.
pub(super) fn held_job() -> impl Strategy<Value = Under<JobId>> {
    prop_oneof![8 => job_id().prop_map(Under::from), 3 => lease_key().prop_map(Under::from)]
}

/// Something by itself, or, now and then, under a lease that may be one of another job.
pub(super) fn held<T: std::fmt::Debug>(
    what: impl Strategy<Value = T>,
) -> impl Strategy<Value = Under<T>> {
    (what, option::weighted(0.1, lease_key())).prop_map(|(what, lease)| Under { what, lease })
}

pub(super) fn completion() -> impl Strategy<Value = Completion> {
    (option::of(result()), option::of(any::<i32>()))
        .prop_map(|(result, exit_code)| Completion { result, exit_code })
}

pub(super) fn failure() -> impl Strategy<Value = Failure> {
    let kind = select(vec!["timeout", "bad_input"]).prop_map(|word| word.parse().expect("a word"));
    (kind, option::of(texts()), option::of(any::<i32>()), option::weighted(0.2, result()))
        .prop_map(|(kind, reason, exit_code, result)| Failure { kind, reason, exit_code, result })
}

/// Mostly alike, so that some of many are stored together.
pub(super) fn run_end() -> impl Strategy<Value = RunEnd> {
    prop_oneof![
        6 => Just(RunEnd::Completed(Completion::default())),
        2 => completion().prop_map(RunEnd::Completed),
        3 => failure().prop_map(RunEnd::Failed),
        2 => (option::weighted(0.3, texts()), option::weighted(0.3, moment()))
            .prop_map(|(reason, not_before)| RunEnd::Released { reason, not_before }),
    ]
}
