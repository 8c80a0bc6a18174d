//! What is known of jobs that left the store, and for how long.

mod common;

use std::time::Duration;

use common::{Outcome, another_program, job, open_with_clock, scratch};
use store_core::prelude::*;
use store_core::{
    Clock, ClusterKind, Error, Event, EventSequence, JobStatus, NewCluster, Retention, StatusChange,
};
use store_sqlite::{CheckDepth, Options, SqliteStore};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn departures(store: &SqliteStore) -> Result<Vec<Event>, Error> {
    let events = store.events_after(EventSequence::START, u32::MAX)?.into_iter();
    Ok(events.filter(|event| event.kind.is_departure()).collect())
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
fn a_second_store_whose_numbers_met_others_is_whole() -> Outcome {
    let (directory, path) = scratch();
    let (store, clock) = open_with_clock(Options::new(&path));
    let into = directory.path().join("history.db");
    for round in 0..3 {
        for number in 0..10 {
            let id = store.create_job(&job(&format!("{round}.{number}")))?.id;
            store.change_status(id, &StatusChange::to(JobStatus::Completed))?;
        }
        clock.advance(DAY);
        let old = Retention::finished_before(clock.now());
        assert_eq!(store.move_finished(&old, &into)?.jobs, 10);
        let (archive, _) = open_with_clock(Options::new(&into));
        assert_eq!(archive.check(CheckDepth::Quick)?.problems, [""; 0]);
        // Its own events take the numbers of those that are still to come.
        archive.prune(&old)?;
        archive.create_cluster(&NewCluster::new(
            format!("c {round}"),
            ClusterKind::Slurm,
            "host",
        ))?;
    }
    Ok(())
}

#[test]
fn a_mark_of_what_was_forgotten_that_is_lost_is_damage() -> Outcome {
    let (_directory, path) = scratch();
    let (store, _) = open_with_clock(Options::new(&path));
    another_program(&path).execute_batch("DELETE FROM events_forgotten")?;
    let refused = store.newest_forgotten();
    assert!(
        matches!(&refused, Err(Error::Corrupt { what, .. }) if what.contains("events_forgotten"))
    );
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
