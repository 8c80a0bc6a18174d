//! What is known of jobs that left the store, and for how long.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Outcome, another_program, job, scratch};
use store_core::prelude::*;
use store_core::{
    Clock, ClusterKind, Error, Event, EventKind, EventSequence, JobId, JobStatus, ManualClock,
    NewCluster, StatusChange, Timestamp,
};
use store_sqlite::{CheckDepth, Options, Retention, SqliteStore};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn open(path: &std::path::Path) -> (SqliteStore, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_micros(1_700_000_000_000_000)));
    let options = Options::new(path).clock(Arc::clone(&clock) as Arc<dyn Clock>);
    (options.open().expect("a store that can be opened"), clock)
}

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
fn a_job_that_was_pruned_is_known_until_others_of_its_time_are() -> Outcome {
    let (_directory, path) = scratch();
    let (store, clock) = open(&path);
    let (first, deleted) = (completed(&store, "first")?, store.create_job(&job("deleted"))?.id);
    store.delete_job(deleted)?;
    clock.advance(DAY);
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
    let (store, clock) = open(&path);
    let jobs = 1_203;
    let ids = (0..jobs).map(|n| Ok(store.create_job(&job(&format!("job {n}")))?.id));
    let ids = ids.collect::<Result<Vec<_>, Error>>()?;
    store.write(move |w| ids.into_iter().try_for_each(|id| w.delete_job(id)))?;
    clock.advance(DAY);
    let old = Retention::finished_before(clock.now());
    let report = store.prune(&old.at_most(7))?;
    assert_eq!((report.jobs, report.forgotten), (0, 7));
    assert_eq!(departures(&store)?.len(), jobs - 7);
    assert_eq!(store.prune(&old)?.forgotten, jobs as u64 - 7, "in several steps");
    assert_eq!(departures(&store)?, []);
    Ok(())
}

#[test]
fn a_second_store_that_has_events_of_its_own_keeps_their_numbers() -> Outcome {
    let (directory, path) = scratch();
    let (store, clock) = open(&path);
    let into = directory.path().join("history.db");
    let first = completed(&store, "first")?;
    clock.advance(DAY);
    store.move_finished(&Retention::finished_before(clock.now()), &into)?;
    // Against all advice somebody writes there, which takes the numbers of events that are still to come.
    let archive = Options::new(&into).open()?;
    archive.delete_job(first)?;
    archive.create_cluster(&NewCluster::new("c", ClusterKind::Slurm, "host"))?;
    let taken = archive.newest_sequence()?;
    archive.close()?;
    let second = completed(&store, "second")?;
    assert!(store.history(second)?.iter().any(|event| event.sequence == taken));
    clock.advance(DAY);
    let report = store.move_finished(&Retention::finished_before(clock.now()), &into)?;
    assert_eq!((report.jobs, report.refused), (0, vec![second]));
    assert!(store.job(second).is_ok());
    let archive = Options::new(&into).read_only(true).open()?;
    assert_eq!(archive.check(CheckDepth::Quick)?.problems, [""; 0]);
    Ok(())
}

#[test]
fn events_without_numbers_are_damage_that_is_named() -> Outcome {
    let (_directory, path) = scratch();
    let (store, _) = open(&path);
    let id = store.create_job(&job("MgO"))?.id;
    another_program(&path)
        .execute_batch("DELETE FROM sqlite_sequence WHERE name = 'job_events'")?;
    let refused = store.delete_job(id);
    assert!(
        matches!(&refused, Err(Error::Corrupt { what, .. }) if what.contains("sqlite_sequence"))
    );
    assert!(store.job(id).is_ok(), "nothing of it was done");
    Ok(())
}
