//! Claims: the best of all lanes, one commit with an end, and none where nothing is to be found.

mod common;

use std::time::Duration;

use common::{Outcome, another_program, job, scratch};
use store_core::prelude::*;
use store_core::{
    ClaimFilter, Completion, Convergence, Ended, Error, Failure, FailureKind, JobStatus, LeaseKey,
    LeaseLoss, LeaseToken, NewResult, RunEnd, StatusChange,
};
use store_sqlite::worker::this_worker;
use store_sqlite::{CheckDepth, Options, SqliteStore};

const LEASE: Duration = Duration::from_secs(3_600);

fn claim(store: &SqliteStore) -> Result<LeaseKey, Error> {
    let mut claims = store.claim(&this_worker("w"), &ClaimFilter::all(), 1, LEASE)?;
    Ok(claims.pop().expect("something to claim").lease.key())
}

/// A thread whose last claim found a job does not look before the next one; after one that found nothing it does.
#[test]
fn an_idle_worker_takes_a_turn_to_write_once() -> Outcome {
    let (_directory, path) = scratch();
    let store = Options::new(&path).open()?;
    store.create_job(&job("MgO").queued())?;
    let commits = || store.stats().map(|stats| stats.activity.commits);
    let before = commits()?;
    claim(&store)?;
    assert_eq!(commits()? - before, 1);
    for _ in 0..5 {
        assert_eq!(store.claim(&this_worker("w"), &ClaimFilter::all(), 1, LEASE)?, []);
        assert_eq!(commits()? - before, 2, "one in vain, and no other");
    }
    Ok(())
}

#[test]
fn what_another_store_had_to_claim_is_not_looked_for_in_one_that_only_reads() -> Outcome {
    let (directory, path) = scratch();
    let store = Options::new(&path).open()?;
    let other = directory.path().join("other.db");
    Options::new(&other).open()?.close()?;
    let other = Options::new(&other).read_only(true).open()?;
    for number in 0..2 {
        store.create_job(&job(&format!("job {number}")).queued())?;
        claim(&store)?;
        let nothing = other.claim(&this_worker("w"), &ClaimFilter::all(), 1, LEASE)?;
        assert_eq!(nothing, [], "{number}");
    }
    Ok(())
}

/// More of each lane than a claim reads of one at once, while others may have better ones.
#[test]
fn a_claim_of_many_takes_the_best_of_all_lanes_in_their_order() -> Outcome {
    let (_directory, path) = scratch();
    let store = Options::new(&path).open()?;
    let new = |number: u32| {
        let mut new = job(&format!("job {number}")).queued();
        // Three lanes, the last of which is long; each has its own part of what is best.
        new.parallelism.nodes = Some(1 + (number % 5).min(2));
        new.priority = i32::try_from(number * 7 % 11).unwrap_or(0);
        new
    };
    let created = store.create_jobs(&(0..600).map(new).collect::<Vec<_>>())?;
    let mut order: Vec<_> = created.iter().map(|job| (-job.priority, job.id)).collect();
    order.sort_unstable();
    let mut claimed = Vec::new();
    for count in [1, 130, 2, 300, 100, 100] {
        let claims = store.claim(&this_worker("w"), &ClaimFilter::all(), count, LEASE)?;
        claimed.extend(claims.into_iter().map(|claim| (-claim.job.priority, claim.job.id)));
    }
    assert_eq!(claimed, order);
    assert_eq!(store.leases()?.len(), 600);
    assert!(store.check(CheckDepth::Full)?.is_ok());
    Ok(())
}

#[test]
fn an_end_and_the_next_claim_are_one_commit() -> Outcome {
    let (_directory, path) = scratch();
    let store = Options::new(&path).open()?;
    store.create_jobs(&[job("MgO").queued(), job("CaO").queued()])?;
    let key = claim(&store)?;
    let before = store.stats()?.activity.commits;
    let (worker, all, done) = (this_worker("w"), ClaimFilter::all(), Completion::default());
    let (_, claims) = store.complete_and_claim(&key, &done, &worker, &all, 1, LEASE)?;
    assert_eq!(claims.len(), 1);
    assert_eq!(store.stats()?.activity.commits, before + 1);
    Ok(())
}

#[test]
fn where_the_queue_is_damaged_no_half_of_it_lands() -> Outcome {
    let (_directory, path) = scratch();
    let store = Options::new(&path).open()?;
    store.create_job(&job("MgO").queued())?;
    let key = claim(&store)?;
    let pending = store.create_job(&job("CaO"))?.id;
    let damage = "UPDATE job_queue SET obstacles = 0 WHERE job_id = ?1";
    assert_eq!(another_program(&path).execute(damage, [pending.get()])?, 1);
    let (worker, all, done) = (this_worker("w"), ClaimFilter::all(), Completion::default());
    let straight = store.complete_and_claim(&key, &done, &worker, &all, 1, LEASE);
    let named = format!("job_queue has job {pending} as claimable");
    assert!(
        matches!(&straight, Err(Error::Corrupt { what, .. }) if *what == named),
        "{straight:?}"
    );
    let unit = store.write(move |w| {
        let refused = w.complete_and_claim(&key, &done, &worker, &all, 1, LEASE);
        assert!(matches!(refused, Err(Error::Corrupt { .. })), "{refused:?}");
        Ok(())
    });
    assert!(matches!(unit, Err(Error::Storage(_))), "a unit that goes on: {unit:?}");
    assert_eq!(store.job(key.job)?.status, JobStatus::Running);
    assert_eq!(store.check_lease(&key)?.key(), key);
    // Its end alone has nothing to do with the queue.
    store.complete(&key, &Completion::default())?;
    Ok(())
}

/// More than are stored by one statement, alike and not.
#[test]
fn hundreds_of_ends_land_together_or_not_at_all() -> Outcome {
    for number in [255_u32, 256, 257, 600] {
        let (_directory, path) = scratch();
        let store = Options::new(&path).open()?;
        let new = |number: u32| job(&format!("job {number}")).queued();
        store.create_jobs(&(0..number).map(new).collect::<Vec<_>>())?;
        let claims = store.claim(&this_worker("w"), &ClaimFilter::all(), number, LEASE)?;
        let completion = || Completion::with(NewResult::new(Convergence::Converged));
        let end = |place: usize| match place % 3 {
            0 => RunEnd::from(Completion::default()),
            1 => completion().into(),
            _ => Failure::of(FailureKind::unknown()).because(format!("run {place}")).into(),
        };
        let keys: Vec<_> = claims.iter().map(|claim| claim.lease.key()).collect();
        let mut ends: Vec<_> = keys.iter().enumerate().map(|(at, key)| (*key, end(at))).collect();

        let place = ends.len() - 1;
        ends[place].1 = if place % 3 == 1 { end(0) } else { end(place) };

        // The last one has another result than the one that it reports.
        let last = keys[keys.len() - 1];
        let other = NewResult::new(Convergence::NotConverged);
        store.record_result(last, &other)?;
        let (mut refused, told) = (ends.clone(), store.newest_sequence()?);
        refused[keys.len() - 1].1 = completion().into();
        let in_a_unit = refused.clone();
        let kept_on = store.write(move |w| {
            let refused = w.end_runs(&in_a_unit);
            assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
            w.add_note(last.job, "it goes on")
        })?;
        assert!(matches!(store.end_runs(&refused), Err(Error::Conflict { .. })));
        assert_eq!(store.events_after(told, 10)?, [kept_on]);
        assert_eq!(store.leases()?.len(), keys.len());

        ends.push(ends[0].clone());
        let came_to = store.end_runs(&ends)?;
        assert_eq!(came_to.last(), Some(&Ok(Ended::Repeated)));
        let ended = |at| match at % 3 {
            2 => JobStatus::Failed,
            _ => JobStatus::Completed,
        };
        for (at, key) in keys.iter().enumerate() {
            assert_eq!(came_to[at], Ok(Ended::Finally(ended(at))), "{at} of {number}");
            assert_eq!(store.job(key.job)?.status, ended(at), "{at} of {number}");
        }
        assert_eq!(store.leases()?, []);
        assert!(store.check(CheckDepth::Full)?.is_ok());
    }
    Ok(())
}

/// Somebody wrote past the store. A check names it.
#[test]
fn a_lease_on_a_job_that_does_not_run_opens_nothing() -> Outcome {
    let (_directory, path) = scratch();
    let store = Options::new(&path).open()?;
    let waiting = store.create_job(&job("MgO"))?;
    another_program(&path).execute_batch(
        "INSERT INTO job_leases (job_id, token, attempt, worker, host, pid, claimed_at, expires_at)
             VALUES (1, 1, 1, 'w', 'h', 1, 1, 2)",
    )?;
    assert_eq!(store.lease_of(waiting.id)?, None);
    assert_eq!(store.recover_expired(10)?, [], "others that have lapsed are not kept from it");
    let key = LeaseKey { job: waiting.id, attempt: 1, token: LeaseToken::new(1) };
    let came_to = store.end_runs(&[(key, Completion::default().into())])?;
    assert_eq!(came_to, [Err(LeaseLoss::NotRunning(JobStatus::Pending))]);
    store.change_status(waiting.id, &StatusChange::to(JobStatus::Queued))?;
    assert_eq!(store.job(waiting.id)?.attempt, 1, "it was queued, not given back");
    Ok(())
}
