//! Jobs that come due in a crowd: a claim lets in a part of them, and takes the best all the same.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Outcome, another_program, job, scratch};
use store_core::prelude::*;
use store_core::{
    ClaimFilter, Clock, ClusterKind, ClusterLimits, Code, JobId, ManualClock, NewCluster, NewJob,
    Timestamp,
};
use store_sqlite::Options;
use store_sqlite::worker::this_worker;

const LEASE: Duration = Duration::from_secs(3_600);

/// Jobs of a sort, due at the same moment, each with the priority of its number.
fn crowd(name: &str, jobs: i32, due: Timestamp, priority: impl Fn(i32) -> i32) -> Vec<NewJob> {
    let draft = |number| NewJob {
        not_before: Some(due),
        priority: priority(number),
        ..job(&format!("{name} {number}"))
    };
    (0..jobs).map(draft).collect()
}

#[test]
fn of_a_crowd_that_comes_due_a_claim_lets_in_a_part_and_takes_the_best() -> Outcome {
    let (_directory, path) = scratch();
    let clock = Arc::new(ManualClock::at(Timestamp::from_micros(1_700_000_000_000_000)));
    let options = Options::new(&path).clock(Arc::clone(&clock) as Arc<dyn Clock>);
    let store = options.open()?;
    let due = Timestamp::from_micros(clock.now().as_micros() + 1_000_000);
    // What cannot be claimed would come first: these are PENDING.
    store.create_jobs(&crowd("pending", 5_000, due, |_| 100))?;
    let queued = |new: NewJob| new.queued();
    let many: Vec<NewJob> =
        crowd("many", 5_000, due, |number| number % 10).into_iter().map(queued).collect();
    let mut expected: Vec<_> =
        store.create_jobs(&many)?.iter().map(|job| (-job.priority, job.id)).collect();
    let rare = crowd("rare", 3, due, |number| -number);
    let rare = rare.into_iter().map(|new| NewJob { code: Code::Vasp, ..new }.queued());
    let rare: Vec<JobId> =
        store.create_jobs(&rare.collect::<Vec<_>>())?.iter().map(|job| job.id).collect();
    expected.sort_unstable();
    let expected: Vec<JobId> = expected.into_iter().map(|(_, id)| id).collect();
    clock.advance(Duration::from_secs(2));

    let worker = this_worker("worker");
    let claim = |filter: &ClaimFilter, count| -> Result<Vec<JobId>, store_core::Error> {
        let claims = store.claim(&worker, filter, count, LEASE)?;
        Ok(claims.iter().map(|claim| claim.job.id).collect())
    };
    let looks = another_program(&path);
    let delayed = || -> rusqlite::Result<i64> {
        let count = "SELECT count(*) FROM job_queue WHERE delayed_until IS NOT NULL";
        looks.query_one(count, [], |row| row.get(0))
    };
    let all = delayed()?;
    let filter = ClaimFilter { code: Some(Code::Vasp), ..ClaimFilter::all() };
    assert_eq!(claim(&filter, 3)?, rare, "what the filter admits comes before what is better");
    let left = delayed()?;
    assert!(left > all / 2, "a part of {all} was let in, and {left} are left");
    let mut taken = Vec::new();
    while taken.len() < expected.len() {
        let next = claim(&ClaimFilter::all(), 1_000)?;
        assert!(!next.is_empty(), "{} of {} were found", taken.len(), expected.len());
        taken.extend(next);
    }
    assert!(taken == expected, "the best priority first, then the oldest job");
    assert_eq!(claim(&ClaimFilter::all(), 1)?, []);
    Ok(())
}

/// What a filter admits is reached also behind more due jobs than a claim looks at, and behind better ones than a
/// claim lets in whose cluster is full: each claim takes some out of what has come due.
#[test]
fn nothing_that_comes_due_starves_behind_a_crowd() -> Outcome {
    let (_directory, path) = scratch();
    let clock = Arc::new(ManualClock::at(Timestamp::from_micros(1_700_000_000_000_000)));
    let options = Options::new(&path).clock(Arc::clone(&clock) as Arc<dyn Clock>);
    let store = options.open()?;
    let moment = |micros: i64| Timestamp::from_micros(clock.now().as_micros() + micros);
    let full = ClusterLimits { max_running: Some(0), ..ClusterLimits::default() };
    let full = NewCluster { limits: full, ..NewCluster::new("full", ClusterKind::Slurm, "login") };
    let full = store.create_cluster(&full)?.id;
    let better = crowd("better", 2_500, moment(1_000_000), |_| 100);
    let better = better.into_iter().map(|new| NewJob { cluster: Some(full), ..new }.queued());
    store.create_jobs(&better.collect::<Vec<_>>())?;
    let many = crowd("many", 22_500, moment(1_000_001), |_| 0);
    store.create_jobs(&many.into_iter().map(NewJob::queued).collect::<Vec<_>>())?;
    let last = crowd("last", 1, moment(1_000_002), |_| -1).remove(0);
    let last = store.create_job(&NewJob { code: Code::Vasp, ..last }.queued())?.id;
    clock.advance(Duration::from_secs(2));

    let worker = this_worker("worker");
    let vasp = ClaimFilter { code: Some(Code::Vasp), ..ClaimFilter::all() };
    let first = store.claim(&worker, &ClaimFilter::all(), 1, LEASE)?;
    assert_eq!(first, [], "the 2,000 that it lets in are the better ones, which have no room");
    let mut empty = 0;
    let claimed = loop {
        assert!(store.can_claim(&vasp)?, "after {empty} claims");
        match store.claim(&worker, &vasp, 1, LEASE)?.pop() {
            Some(claim) => break claim.job.id,
            None => empty += 1,
        }
        assert!(empty < 3, "23,000 jobs are ahead, of which each claim lets in 2,000");
    };
    assert_eq!((claimed, empty), (last, 2), "a claim looks at 20,000");
    let next = store.claim(&worker, &ClaimFilter::all(), 1, LEASE)?;
    assert_eq!(next.len(), 1, "what needs no cluster has been let in meanwhile");
    Ok(())
}
