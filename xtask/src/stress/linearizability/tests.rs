//! Controls: what has an order passes, what has none is found, and the search agrees with trying all orders.

use std::collections::BTreeMap;
use std::sync::{Barrier, Mutex};
use std::time::Duration;

use store_core::prelude::*;
use store_core::{
    ClaimFilter, Code, JobId, JobStatus, LeaseKey, LeaseToken, NewJob, Placement, Result,
    StatusChange, WorkDir,
};
use store_sqlite::SqliteStore;
use store_sqlite::worker::this_worker;

use super::histories;
use super::job::{Beat, Call, Came, Report, State};
use super::record::{Asked, Found, Heard, Record, now};
use super::search::{self, Call as _, Operation};
use crate::shared::random::Random;
use crate::stress::audit::order;

fn key(attempt: u32, token: i64) -> LeaseKey {
    LeaseKey { job: JobId::new(1), attempt, token: LeaseToken::new(token) }
}

fn claim(attempt: u32, token: i64) -> Call {
    Call::Claim(Some(key(attempt, token)))
}

fn complete(attempt: u32, token: i64, came: Came) -> Call {
    Call::End(key(attempt, token), Report::Completed, came)
}

const COMPLETED: Came = Came::Ended(JobStatus::Completed);

/// Calls with the times at which they began and returned.
fn history(calls: &[(u64, Option<u64>, Call)]) -> Vec<Operation<Call>> {
    let operation = |&(invoked, returned, call): &(u64, Option<u64>, Call)| Operation {
        invoked,
        returned,
        call,
    };
    calls.iter().map(operation).collect()
}

fn has_an_order(calls: &[(u64, Option<u64>, Call)]) -> bool {
    search::order(State::NEW, &history(calls)).is_ok()
}

#[test]
fn runs_one_after_the_other_have_an_order() {
    let lost = Call::End(key(1, 1), Report::Lost, Came::Queued(2));
    let late = complete(1, 1, Came::LeaseLost);
    let whole = [
        (0, Some(1), claim(1, 1)),
        (2, Some(3), Call::Heartbeat(key(1, 1), Beat::Renewed)),
        (4, Some(5), Call::Recorded(key(1, 1))),
        (6, Some(7), lost),
        (8, Some(9), late),
        (10, Some(11), Call::Refused(key(1, 1))),
        (12, Some(13), claim(2, 2)),
        (14, Some(15), Call::Heartbeat(key(1, 1), Beat::Lost)),
        (16, Some(17), complete(2, 2, COMPLETED)),
        (18, Some(19), complete(2, 2, Came::Repeated)),
    ];
    assert!(has_an_order(&whole));
    let order = search::order(State::NEW, &history(&whole));
    assert_eq!(order, Ok((0..whole.len()).collect()));
}

#[test]
fn calls_at_the_same_time_may_have_come_in_any_order() {
    // The end is heard of before the claim that it ends has returned.
    assert!(has_an_order(&[(0, Some(9), claim(1, 1)), (3, Some(4), complete(1, 1, COMPLETED))]));
    let lost = Call::End(key(1, 1), Report::Lost, Came::Queued(2));
    let ends = [(2, Some(9), lost), (3, Some(8), complete(1, 1, Came::LeaseLost))];
    assert!(has_an_order(&[&[(0, Some(1), claim(1, 1))], &ends[..]].concat()));
}

#[test]
fn what_no_order_explains_is_found() {
    let claimed = (0, Some(1), claim(1, 1));
    let lost = (2, Some(3), Call::End(key(1, 1), Report::Lost, Came::Queued(2)));
    for (wrong, calls) in [
        ("claimed twice at once", vec![claimed, (0, Some(1), claim(1, 1))]),
        ("claimed again while it runs", vec![claimed, (2, Some(3), claim(1, 2))]),
        (
            "the second claim was over when the first began",
            vec![(8, Some(9), claim(1, 1)), lost, (4, Some(5), claim(2, 2))],
        ),
        ("a token was given again", vec![claimed, lost, (4, Some(5), claim(2, 1))]),
        ("an attempt went on under a new token", vec![claimed, lost, (4, Some(5), claim(1, 2))]),
        ("a lost lease was let in", vec![claimed, lost, (4, Some(5), complete(1, 1, COMPLETED))]),
        (
            "a lost lease was renewed",
            vec![claimed, lost, (4, Some(5), Call::Heartbeat(key(1, 1), Beat::Renewed))],
        ),
        (
            "a result of a lost lease was let in",
            vec![claimed, lost, (4, Some(5), Call::Recorded(key(1, 1)))],
        ),
        (
            "a result was refused whose lease nobody took",
            vec![claimed, (2, Some(3), Call::Refused(key(1, 1)))],
        ),
        (
            "a lease was refused that nobody took",
            vec![claimed, (2, Some(3), complete(1, 1, Came::LeaseLost))],
        ),
        (
            "it ended twice",
            vec![
                claimed,
                (2, Some(3), complete(1, 1, COMPLETED)),
                (2, Some(3), complete(1, 1, COMPLETED)),
            ],
        ),
        (
            "the end was forgotten",
            vec![claimed, (2, Some(3), complete(1, 1, COMPLETED)), (4, Some(5), claim(2, 2))],
        ),
        ("a repetition of nothing", vec![claimed, (2, Some(3), complete(1, 1, Came::Repeated))]),
        ("an end without a claim", vec![(2, Some(3), complete(1, 1, COMPLETED))]),
    ] {
        assert!(!has_an_order(&calls), "{wrong}");
    }
}

#[test]
fn a_call_that_never_returned_may_have_had_its_effect_or_not() {
    let claimed = (0, Some(1), claim(1, 1));
    let given_back = (2, None, Call::End(key(1, 1), Report::Released, Came::Unknown));
    let lost = Call::End(key(1, 1), Report::Lost, Came::Queued(2));
    assert!(has_an_order(&[claimed, given_back]));
    // It had none, so that the lease could still be lost; or it had, and soon or late.
    assert!(has_an_order(&[claimed, given_back, (4, Some(5), lost)]));
    assert!(has_an_order(&[claimed, given_back, (4, Some(5), claim(2, 2))]));
    let beat = (4, Some(5), Call::Heartbeat(key(1, 1), Beat::Renewed));
    assert!(has_an_order(&[claimed, given_back, beat, (6, Some(7), claim(2, 2))]));
    // Not before it began, not twice, and not something else.
    assert!(!has_an_order(&[claimed, (6, None, given_back.2), (4, Some(5), claim(2, 2))]));
    assert!(!has_an_order(&[
        claimed,
        given_back,
        (4, Some(5), claim(2, 2)),
        (6, Some(7), claim(3, 3))
    ]));
    let ended = (6, Some(7), complete(1, 1, Came::Repeated));
    assert!(!has_an_order(&[claimed, given_back, ended]));
    // What is there at the end tells them apart.
    let seen = |status, attempt, token| (20, Some(20), Call::Seen(status, attempt, token));
    for (status, attempt) in [(JobStatus::Running, 1), (JobStatus::Queued, 2)] {
        assert!(has_an_order(&[claimed, given_back, seen(status, attempt, 1)]));
    }
    assert!(!has_an_order(&[claimed, seen(JobStatus::Queued, 2, 1)]), "nobody gave it back");
    assert!(!has_an_order(&[claimed, seen(JobStatus::Completed, 1, 1)]), "nobody ended it");
    assert!(!has_an_order(&[claimed, seen(JobStatus::Running, 1, 2)]), "nobody claimed it again");
    // A claim that nobody heard of explains the loss of a lease that nobody had.
    let lost_unheard = (4, Some(5), lost);
    assert!(has_an_order(&[(0, None, Call::Claim(None)), lost_unheard]));
    assert!(!has_an_order(&[lost_unheard]));
}

/// All orders, one by one.
fn some_order(state: State, done: &[bool], operations: &[Operation<Call>]) -> bool {
    let open = || (0..operations.len()).filter(|place| !done[*place]);
    if open().all(|place| operations[place].returned.is_none()) {
        return true;
    }
    open().any(|place| {
        let is_first = open().all(|other| {
            operations[other].returned.is_none_or(|returned| returned >= operations[place].invoked)
        });
        let mut done = done.to_vec();
        done[place] = true;
        let after = if is_first { operations[place].call.after(&state) } else { Vec::new() };
        after.into_iter().any(|state| some_order(state, &done, operations))
    })
}

#[test]
fn the_search_agrees_with_trying_every_order() {
    let mut verdicts = [0_u32; 2];
    for seed in 0..3_000 {
        let mut random = Random::new(seed, 1, 1);
        let operations: Vec<Operation<Call>> = (0..2 + random.below(4))
            .map(|_| {
                let (attempt, token) = (1 + random.below(2), 1 + random.below(2));
                let key = key(attempt as u32, token as i64);
                let call = match random.below(9) {
                    0..3 => Call::Claim(Some(key)),
                    3 => Call::End(key, Report::Lost, Came::Queued(key.attempt + 1)),
                    4 => Call::End(key, Report::Completed, COMPLETED),
                    5 => Call::End(key, Report::Completed, Came::LeaseLost),
                    6 => Call::Recorded(key),
                    7 => Call::Refused(key),
                    _ => Call::Heartbeat(key, Beat::Renewed),
                };
                let invoked = random.below(8);
                let returned = (!random.chance(15)).then(|| invoked + 1 + random.below(6));
                Operation { invoked, returned, call }
            })
            .collect();
        let found = search::order(State::NEW, &operations).is_ok();
        let expected = some_order(State::NEW, &vec![false; operations.len()], &operations);
        assert_eq!(found, expected, "{operations:#?}");
        verdicts[usize::from(found)] += 1;
    }
    assert!(verdicts.iter().all(|number| *number > 100), "{verdicts:?} of each verdict");
}

/// How a thread comes by a job: what it believes to hold then.
type Claiming = fn(&SqliteStore, JobId, &Barrier) -> Result<Vec<LeaseKey>>;

/// What the threads of one process record that claim `jobs` jobs one by one, all at once.
fn race(jobs: u32, claiming: Claiming) -> Result<Vec<Record>> {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store_sqlite::Options::new(folder.path().join("project.db")).open();
    let store = store.expect("a store");
    let drafts: Vec<NewJob> = (0..jobs)
        .map(|number| {
            let place = WorkDir::new(format!("/scratch/{number}")).expect("a directory");
            NewJob::new("job", Code::Crystal, Placement::At(place)).queued()
        })
        .collect();
    let ids: Vec<JobId> = store.create_jobs(&drafts)?.iter().map(|job| job.id).collect();
    let (records, barrier) = (Mutex::new(Vec::new()), Barrier::new(4));
    std::thread::scope(|scope| {
        for thread in 1..=4 {
            let (store, ids, records, barrier) = (&store, &ids, &records, &barrier);
            scope.spawn(move || {
                let record = |one| records.lock().expect("no thread panicked").push(one);
                for id in ids {
                    record(Record::Invoked { thread, at: now(), asked: Asked::Claim });
                    let heard = match claiming(store, *id, barrier) {
                        Ok(keys) => Heard::Claimed(keys),
                        Err(error) => panic!("{error}"),
                    };
                    record(Record::Returned { thread, at: now(), heard });
                }
            });
        }
    });
    store.close()?;
    Ok(records.into_inner().expect("no thread panicked"))
}

/// What many a scheduler does: it reads that a job is QUEUED, and then writes that it is RUNNING.
fn read_then_write(store: &SqliteStore, id: JobId, barrier: &Barrier) -> Result<Vec<LeaseKey>> {
    let job = store.job(id)?;
    // All have read before anybody writes; without it this takes luck.
    barrier.wait();
    if job.status != JobStatus::Queued {
        return Ok(Vec::new());
    }
    store.change_status(id, &StatusChange::to(JobStatus::Running))?;
    Ok(vec![LeaseKey { job: id, attempt: job.attempt, token: LeaseToken::new(1) }])
}

fn by_the_store(store: &SqliteStore, _: JobId, barrier: &Barrier) -> Result<Vec<LeaseKey>> {
    barrier.wait();
    let claims = store.claim(&this_worker("w"), &ClaimFilter::all(), 1, Duration::from_secs(60))?;
    Ok(claims.iter().map(|claim| claim.lease.key()).collect())
}

#[test]
fn a_claim_that_reads_and_then_writes_is_caught_and_that_of_the_store_is_not() -> Result<()> {
    let judged = |records| order::judge(&histories::of(&BTreeMap::from([(1, records)]), &[]));
    let planted = judged(race(5, read_then_write)?);
    assert_eq!(planted.faults, 5, "{:?}", planted.examples);
    let real = judged(race(20, by_the_store)?);
    assert_eq!(real.faults, 0, "{:?}", real.examples);
    assert_eq!(real.looked_at, 20, "each job was claimed once");
    Ok(())
}

#[test]
fn a_claim_in_flight_explains_what_the_history_says_of_its_thread_alone() {
    let asked = Asked::Claim;
    let killed = vec![Record::Invoked { thread: 3, at: 5, asked }];
    let lost = Heard::Ended(vec![(key(1, 1), Came::Queued(2))]);
    let recovered = vec![
        Record::Invoked { thread: 1, at: 8, asked: Asked::Recover },
        Record::Returned { thread: 1, at: 9, heard: lost },
    ];
    let records = BTreeMap::from([(1, killed), (2, recovered)]);
    let judged = |found: &[Found]| order::judge(&histories::of(&records, found)).faults;
    let found = Found { process: 1, thread: 3, job: JobId::new(1), attempt: 1 };
    assert_eq!(judged(&[found]), 0);
    assert_eq!(judged(&[]), 1);
    assert_eq!(judged(&[Found { thread: 2, ..found }]), 1);
}

#[test]
fn an_end_together_with_a_claim_is_a_call_on_each_of_its_jobs() {
    let (first, second) = (key(1, 1), LeaseKey { job: JobId::new(2), ..key(1, 1) });
    let call = |thread, at, asked, heard: Option<Heard>| {
        let returned = heard.map(|heard| Record::Returned { thread, at: at + 1, heard });
        [Record::Invoked { thread, at, asked }].into_iter().chain(returned).collect::<Vec<_>>()
    };
    let claimed = |thread, at, key| call(thread, at, Asked::Claim, Some(Heard::Claimed(vec![key])));
    let both = Some(Heard::EndedAndClaimed(COMPLETED, vec![second]));
    let gone_on = Some(Heard::Ended(vec![(second, Came::Queued(2))]));
    let recovered = || call(2, 20, Asked::Recover, gone_on.clone());
    let judged = |calls: [Vec<Record>; 3], found: &[Found]| {
        order::judge(&histories::of(&BTreeMap::from([(1, calls.concat())]), found)).faults
    };
    let heard = || call(1, 10, Asked::CompleteAndClaim(first), both.clone());
    assert_eq!(judged([claimed(1, 0, first), heard(), recovered()], &[]), 0);
    assert_eq!(judged([vec![], heard(), recovered()], &[]), 1, "nobody had claimed what it ended");
    assert_eq!(judged([claimed(1, 0, first), heard(), claimed(2, 20, second)], &[]), 1);
    // One that did not return may have taken what the history says of its thread.
    let unheard = || call(1, 10, Asked::CompleteAndClaim(first), None);
    let found = Found { process: 1, thread: 1, job: second.job, attempt: 1 };
    assert_eq!(judged([claimed(1, 0, first), unheard(), recovered()], &[found]), 0);
    assert_eq!(judged([claimed(1, 0, first), unheard(), recovered()], &[]), 1);
    // Then it has ended the other one: half of it cannot have landed.
    let lost = || {
        let gone_on = Some(Heard::Ended(vec![(first, Came::Queued(2))]));
        call(2, 20, Asked::Recover, gone_on)
    };
    assert_eq!(judged([claimed(1, 0, first), unheard(), lost()], &[]), 0, "nothing of it has");
    assert_eq!(judged([claimed(1, 0, first), unheard(), lost()], &[found]), 1);
}
