//! Where the steps come from: few ids, names and keys, so that calls often meet, and often conflict.

mod claims;
mod clusters;
mod jobs;
mod operations;
mod results;
mod submissions;
mod together;
mod values;
mod workflows;

use std::time::Duration;

use proptest::bool::weighted;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::sample::select;
use store_core::Timestamp;

use super::operation::{End, Operation, Step};

use clusters::cluster;
use jobs::job;
use operations::operation;
use together::together;

/// When every sequence begins.
pub const BEGINNING: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// Sequences of up to `most` steps. Each begins with a cluster and some jobs, so that the first of the
/// others have something to work on.
pub fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let ground = (cluster(), vec(job(), 3..7));
    (ground, vec(step(), 1..most)).prop_map(|((cluster, jobs), steps)| {
        let jobs = jobs.into_iter().map(|job| Step::Call(Operation::CreateJob(job)));
        let cluster = Step::Call(Operation::CreateCluster(cluster));
        std::iter::once(cluster).chain(jobs).chain(steps).collect()
    })
}

/// Sequences in which many jobs are claimed, end and change together.
pub fn steps_of_many() -> impl Strategy<Value = Vec<Step>> {
    together().prop_map(|calls| calls.into_iter().map(Step::Call).collect())
}

fn step() -> impl Strategy<Value = Step> {
    let end = select(vec![End::Commit, End::AtFirstError, End::Abort]);
    prop_oneof![
        8 => (0u64..3).prop_map(|micros| Step::Wait { micros }),
        // Short leases lapse, and jobs that wait for their time come due.
        4 => Just(Step::Wait { micros: 1_500 }),
        // What is known of jobs that left is forgotten after a day.
        1 => Just(Step::Wait { micros: 25 * 3_600_000_000 }),
        1 => (past(), some()).prop_map(|(moment, most)| Step::Prune(moment, most)),
        1 => (past(), some(), weighted(0.2)).prop_map(|(moment, most, dry)| Step::Move(moment, most, dry)),
        48 => operation().prop_map(Step::Call),
        8 => (vec(operation(), 1..5), end).prop_map(|(calls, end)| Step::Unit(calls, end)),
    ]
}

/// A moment before which some have ended, or all.
fn past() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        1 => (0u64..6_000).prop_map(|micros| BEGINNING + Duration::from_micros(micros)),
        3 => Just(Timestamp::from_micros(i64::MAX)),
    ]
}

/// How many go at the most.
fn some() -> impl Strategy<Value = u64> {
    prop_oneof![2 => select(vec![0, 1, 3]), 3 => Just(u64::MAX)]
}
