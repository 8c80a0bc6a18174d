//! What is known of jobs that left the store, and for how long.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Outcome, another_program, job, open_with_clock, scratch};
use store_core::prelude::*;
use store_core::{
    Clock, ClusterKind, Error, Event, EventKind, EventSequence, JobId, JobStatus, NewCluster,
    NewJob, Placement, StatusChange, Timestamp, WorkDir,
};
use store_sqlite::{CheckDepth, Options, Retention, SqliteStore};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn completed(store: &SqliteStore, name: &str) -> Result<JobId, Error> {
    let id = store.create_job(&job(name))?.id;
    store.change_status(id, &StatusChange::to(JobStatus::Completed))?;
    Ok(id)
}

fn departures(store: &SqliteStore) -> Result<Vec<Event>, Error> {
    let events = store.events_after(EventSequence::START, u32::MAX)?.into_iter();
    Ok(events.filter(|event| event.kind.is_departure()).collect())
}

#[test]
fn a_job_that_was_pruned_is_known_for_a_day_and_until_others_of_its_time_are() -> Outcome {
    let (_directory, path) = scratch();
    let (store, clock) = open_with_clock(Options::new(&path));
    let (first, deleted) = (completed(&store, "first")?, store.create_job(&job("deleted"))?.id);
    store.delete_job(deleted)?;
    clock.advance(DAY);
    let all = Retention::finished_before(clock.now());
    let counted = store.prune(&all.dry_run(true))?;
    assert_eq!((counted.jobs, counted.forgotten), (1, 0), "a day is not over");
    clock.advance(Duration::from_micros(1));
    let first_day = clock.now();
    let report = store.prune(&Retention::finished_before(first_day))?;
    assert_eq!((report.jobs, report.forgotten, report.complete), (1, 1, true));
    let known = departures(&store)?;
    assert_eq!(known.iter().map(|event| event.subject.job()).collect::<Vec<_>>(), [Some(first)]);
    assert_eq!((known[0].kind, known[0].at), (EventKind::Deleted, first_day));
    let reason = format!("pruned, because it ended before {first_day}");
    assert_eq!(known[0].detail["reason"], serde_json::json!(reason));
    assert!(matches!(store.history(deleted), Err(Error::NotFound { .. })));

    // A moment that is still to come takes the job, and leaves what a follower is to see of it.
    let second = completed(&store, "second")?;
    clock.advance(DAY + Duration::from_micros(1));
    let later = Retention::finished_before(Timestamp::from_micros(i64::MAX));
    let counted = store.prune(&later.dry_run(true))?;
    let report = store.prune(&later)?;
    assert_eq!((report.jobs, report.forgotten), (1, 1));
    assert_eq!((counted.jobs, counted.forgotten), (1, 1));
    let known = departures(&store)?;
    assert_eq!(known.iter().map(|event| event.subject.job()).collect::<Vec<_>>(), [Some(second)]);
    Ok(())
}

#[test]
fn no_more_is_forgotten_at_once_than_was_asked_for() -> Outcome {
    let (_directory, path) = scratch();
    let (store, clock) = open_with_clock(Options::new(&path));
    let jobs = 1_203;
    let ids = (0..jobs).map(|n| Ok(store.create_job(&job(&format!("job {n}")))?.id));
    let ids = ids.collect::<Result<Vec<_>, Error>>()?;
    store.write(move |w| ids.into_iter().try_for_each(|id| w.delete_job(id)))?;
    clock.advance(2 * DAY);
    let old = Retention::finished_before(clock.now());
    let report = store.prune(&old.at_most(7))?;
    assert_eq!((report.jobs, report.forgotten, report.complete), (0, 7, false));
    assert_eq!(departures(&store)?.len(), jobs - 7);
    let report = store.prune(&old)?;
    assert_eq!((report.forgotten, report.complete), (jobs as u64 - 7, true), "in several steps");
    assert_eq!(departures(&store)?, []);
    Ok(())
}

#[test]
fn a_second_store_that_was_pruned_takes_more() -> Outcome {
    let (directory, path) = scratch();
    let (store, clock) = open_with_clock(Options::new(&path));
    let into = directory.path().join("history.db");
    for number in 0..20 {
        completed(&store, &format!("first {number}"))?;
    }
    clock.advance(DAY);
    store.move_finished(&Retention::finished_before(clock.now()), &into)?;
    // Its departures take the numbers of events that are still to come.
    let archive = Options::new(&into).open()?;
    let all = Retention::finished_before(Timestamp::from_micros(i64::MAX));
    assert_eq!(archive.prune(&all)?.jobs, 20);
    for number in 0..40 {
        let name = format!("cluster {number}");
        archive.create_cluster(&NewCluster::new(name, ClusterKind::Slurm, "host"))?;
    }
    let own = archive.events_after(EventSequence::START, u32::MAX)?;
    archive.close()?;
    let second = (0..20).map(|number| completed(&store, &format!("second {number}")));
    let second = second.collect::<Result<Vec<_>, Error>>()?;
    let (first_of_them, last_own) = (store.history(second[0])?, own.last().expect("pruned"));
    assert!(first_of_them[0].sequence <= last_own.sequence, "the numbers meet");
    clock.advance(DAY);
    let report = store.move_finished(&Retention::finished_before(clock.now()), &into)?;
    assert_eq!((report.jobs, report.refused), (20, vec![]));
    let archive = Options::new(&into).read_only(true).open()?;
    assert_eq!(archive.check(CheckDepth::Quick)?.problems, [""; 0]);
    assert_eq!(archive.history(second[0])?, first_of_them, "under their numbers");
    let events = archive.events_after(EventSequence::START, u32::MAX)?;
    let is_own = |event: &&Event| event.kind.is_departure() || event.subject.cluster().is_some();
    let by_subject = |event: &Event| (event.subject.job(), event.subject.cluster());
    let kept: BTreeMap<_, _> =
        events.iter().filter(is_own).map(|e| (by_subject(e), &e.detail)).collect();
    let before: BTreeMap<_, _> = own.iter().map(|e| (by_subject(e), &e.detail)).collect();
    assert_eq!(kept, before, "nothing of its own is lost");
    Ok(())
}

/// A job that stays, because the second store has no place for it, is not counted among those that a call takes.
#[test]
fn what_is_refused_does_not_keep_others_from_going() -> Outcome {
    let (directory, path) = scratch();
    let (store, clock) = open_with_clock(Options::new(&path));
    let into = directory.path().join("history.db");
    let again = |name: &str| -> Result<JobId, Error> {
        let there = Placement::At(WorkDir::new("/scratch/again")?);
        let id = store.create_job(&NewJob { placement: there, ..job(name) })?.id;
        store.change_status(id, &StatusChange::to(JobStatus::Completed))?;
        Ok(id)
    };
    again("first")?;
    clock.advance(DAY);
    store.move_finished(&Retention::finished_before(clock.now()), &into)?;
    let refused = again("refused")?;
    completed(&store, "goes")?;
    clock.advance(DAY);
    let one = Retention::finished_before(clock.now()).at_most(1);
    let report = store.move_finished(&one, &into)?;
    assert_eq!((report.jobs, report.refused), (1, vec![refused]));
    let report = store.move_finished(&one, &into)?;
    assert_eq!((report.jobs, report.complete), (0, true));
    Ok(())
}

#[test]
fn events_without_numbers_are_damage_that_is_named() -> Outcome {
    let (_directory, path) = scratch();
    let (store, _) = open_with_clock(Options::new(&path));
    let id = store.create_job(&job("MgO"))?.id;
    another_program(&path)
        .execute_batch("DELETE FROM sqlite_sequence WHERE name = 'job_events'")?;
    let refused = store.delete_job(id);
    assert!(
        matches!(&refused, Err(Error::Corrupt { what, .. }) if what.contains("sqlite_sequence"))
    );
    // Who goes on all the same is not committed either.
    let gone_on = store.write(move |w| {
        let _refused = w.delete_job(id);
        Ok(())
    });
    assert!(matches!(gone_on, Err(Error::Storage(_))), "{gone_on:?}");
    assert!(store.job(id).is_ok(), "nothing of it was done");
    Ok(())
}
