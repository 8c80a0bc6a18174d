//! What watches and feeds promise: no commit goes unnoticed, no event is missed or told twice.

use std::sync::mpsc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::event::EventKind;
use crate::ids::EventSequence;
use crate::repo::{ClusterWrite, EventRead, EventWrite, JobRead, JobWrite, RemoteJobWrite};
use crate::status::JobStatus;
use crate::store::Store;
use crate::watch::{Feed, Watch};

use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{job_in, open, sample_cluster, sample_job};
use super::threads::together;

/// Longer than any wake takes: a promise that is kept does not wait so long.
const LONG: Duration = Duration::from_secs(5);

/// Who waits is woken by a commit of another thread.
pub fn a_commit_wakes_who_waits<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let mut watch = store.watch()?;
    let (tell, told) = mpsc::channel();
    let waiting = std::thread::spawn(move || {
        for _ in 0..20 {
            tell.send(()).map_err(Error::aborted)?;
            if !watch.wait(LONG)? {
                return Ok(false);
            }
        }
        Ok(true)
    });
    for number in 0..20 {
        told.recv_timeout(LONG).map_err(Error::aborted)?;
        store.create_job(&sample_job(&format!("job {number}")))?;
    }
    let woken: Result<bool> = waiting.join().expect("no panic");
    assert!(woken?, "a commit woke nobody");
    Ok(())
}

/// What was committed while nobody waited ends the next wait, and several commits end one.
pub fn a_commit_between_two_waits_ends_the_next<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let mut watch = store.watch()?;
    for number in 0..10 {
        store.create_job(&sample_job(&format!("first {number}")))?;
        store.acting_as(super::samples::actor()).create_job(&sample_job("of a clone"))?;
        assert!(watch.wait(LONG)?, "round {number}: two commits before the wait were missed");
        assert!(!watch.wait(Duration::ZERO)?, "round {number}: they were told twice");
    }
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    assert!(watch.wait(LONG)?);
    // This commit has no event, and wakes all the same.
    store.report_reached(cluster)?;
    assert!(watch.wait(LONG)?);
    Ok(())
}

/// Nobody is woken by reads, by what is given up, or by what was committed before the watch was made.
pub fn what_is_not_committed_wakes_nobody<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let id = store.create_job(&sample_job("before"))?.id;
    let mut watch = store.watch()?;
    assert!(!watch.wait(Duration::ZERO)?, "what came before the watch wakes it");
    store.job(id)?;
    let given_up = store.write(|w| -> Result<()> {
        w.create_job(&sample_job("given up"))?;
        Err(Error::aborted("no"))
    });
    assert_refused!(given_up, Error::Aborted(_));
    assert!(!watch.wait(Duration::from_millis(20))?, "what was not committed wakes it");
    store.add_note(id, "committed")?;
    assert!(watch.wait(LONG)?);
    Ok(())
}

/// Each of several watches is woken, whatever the others have seen.
pub fn each_watch_is_woken_by_each_commit<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let mut watches = vec![store.watch()?, store.watch()?, store.watch()?];
    for _ in 0..3 {
        store.create_job(&sample_job("MgO"))?;
        for watch in &mut watches {
            assert!(watch.wait(LONG)?);
        }
    }
    Ok(())
}

/// Waiting inside a unit of work would wait for itself.
pub fn a_wait_inside_a_unit_is_refused<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let mut watch = store.watch()?;
    let refused = store.read(|_| watch.wait(LONG));
    assert_refused!(refused, Error::Nested);
    let refused = store.write(move |_| watch.wait(LONG));
    assert_refused!(refused, Error::Nested);
    Ok(())
}

/// A feed hands out each event once and in order, while several threads write, and loses none of them
/// between its pieces.
pub fn a_feed_misses_nothing_and_repeats_nothing<F: Fixture>(fixture: &F) -> Outcome {
    const EACH: usize = 40;
    let (store, _) = open(fixture);
    let id = job_in(&store, "MgO", JobStatus::Pending)?.id;
    let seen = together(4, |thread| {
        if thread > 0 {
            let outcome = (0..EACH).try_for_each(|_| store.add_note(id, "x").map(drop));
            return outcome.map(|()| Vec::new());
        }
        let mut feed = store.feed_after(EventSequence::START)?;
        let mut seen = Vec::new();
        while seen.len() < 1 + 3 * EACH {
            let events = feed.next(7, LONG)?;
            assert!(!events.is_empty(), "{} events, and no more come", seen.len());
            assert!(events.len() <= 7);
            assert_eq!(events.last().map(|event| event.sequence), Some(feed.place()));
            seen.extend(events);
        }
        Ok(seen)
    })?;
    assert_eq!(seen[0], store.events_after(EventSequence::START, u32::MAX)?);
    Ok(())
}

/// A feed begins where it is told, hands out nothing where nothing comes, and goes on from a place that
/// was kept.
pub fn a_feed_goes_on_where_it_was<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    assert_eq!(store.newest_sequence()?, EventSequence::START);
    let before = store.create_job(&sample_job("before"))?.id;
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    let mut feed = store.feed_from_now()?;
    assert_eq!(feed.place(), store.newest_sequence()?);
    assert!(feed.next(10, Duration::ZERO)?.is_empty());
    // This commit wakes, and has no event.
    store.report_reached(cluster)?;
    assert!(feed.next(10, Duration::from_millis(5))?.is_empty());
    let first = store.create_job(&sample_job("first"))?.id;
    store.add_note(before, "second")?;
    let told = feed.next(1, LONG)?;
    assert_eq!(
        (told.len(), told[0].subject.job(), told[0].kind),
        (1, Some(first), EventKind::Created)
    );
    let mut again = Feed::after(&store, feed.place())?;
    for feed in [&mut feed, &mut again] {
        let told = feed.next(10, LONG)?;
        assert_eq!(
            (told.len(), told[0].subject.job(), told[0].kind),
            (1, Some(before), EventKind::Noted)
        );
    }
    Ok(())
}
