//! Writes that nobody waits for.

mod common;

use std::sync::mpsc;
use std::time::Duration;

use common::{Outcome, job, open, scratch};
use store_core::Error;
use store_sqlite::{Options, WhenFull, prelude::*};

#[test]
fn writes_in_flight_share_commits() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    let mut tickets = Vec::new();
    for number in 0..1000 {
        let job = job(&format!("job {number}"));
        tickets.push(store.submit(move |w| w.create_job(&job))?);
    }
    for ticket in tickets {
        ticket.wait()?;
    }
    let activity = store.stats()?.activity;
    assert_eq!(activity.writes, 1000);
    assert!(activity.commits < 500, "{activity:#?}");
    assert!(activity.batch_sizes.largest() <= 256, "the bound of a batch");
    Ok(())
}

#[test]
fn a_full_queue_refuses_or_waits_as_asked() -> Outcome {
    for when_full in [WhenFull::Refuse, WhenFull::Wait] {
        let (_directory, path) = scratch();
        let options = Options::new(&path).queue(10).when_full(when_full);
        let store = options.deadline(Duration::from_millis(200)).open()?;
        let (go_on, wait) = mpsc::channel::<()>();
        let (begun, beginning) = mpsc::channel();
        let first = store.submit(move |_| {
            begun.send(()).expect("listened to");
            // Only a test may wait here: everybody else waits with it.
            let _told = wait.recv();
            Ok(())
        })?;
        beginning.recv()?;
        let mut tickets = Vec::new();
        let refused = loop {
            match store.submit(|_| Ok(())) {
                Ok(ticket) => tickets.push(ticket),
                Err(refused) => break refused,
            }
        };
        match (when_full, &refused) {
            (WhenFull::Refuse, Error::QueueFull { waiting: 10 })
            | (WhenFull::Wait, Error::Contended { .. }) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(tickets.len(), 10);
        drop(go_on);
        first.wait()?;
        for ticket in tickets {
            ticket.wait()?;
        }
        store.submit(|_| Ok(()))?.wait()?;
    }
    Ok(())
}

#[test]
fn closing_and_dropping_wait_for_what_was_handed_in() -> Outcome {
    for close in [true, false] {
        let (_directory, path) = scratch();
        let store = open(&path);
        for number in 0..500 {
            let job = job(&format!("job {number}"));
            drop(store.submit(move |w| w.create_job(&job))?);
        }
        if close {
            store.close()?;
            assert!(matches!(store.submit(|_| Ok(())), Err(Error::Closed)));
        }
        drop(store);
        // After a drop, the last write lets go of the store in its own time.
        let again = open(&path);
        let begun = std::time::Instant::now();
        while again.counts_by_status()?.total() < 500 {
            assert!(!close, "closing waits");
            assert!(begun.elapsed() < Duration::from_secs(20), "writes were lost");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}

#[test]
fn a_closure_may_own_the_last_clone_of_its_store() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    let last = store.clone();
    let ticket = store.submit(move |w| {
        drop(last);
        w.create_job(&job("MgO"))
    })?;
    drop(store);
    let created = ticket.wait()?;
    assert_eq!(open(&path).job(created.id)?, created);
    Ok(())
}

#[test]
fn a_store_that_is_used_inside_its_own_unit_refuses() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    let inner = store.clone();
    let nested = store.submit(move |_| inner.create_job(&job("never")))?.wait();
    assert!(matches!(nested, Err(Error::Nested)), "{nested:?}");
    let inner = store.clone();
    // Handing in waits for nobody, so it is welcome: the write comes after this one.
    let ticket = store.write(move |_| inner.submit(|w| w.create_job(&job("later"))))?;
    ticket.wait()?;
    assert_eq!(store.counts_by_status()?.total(), 1);
    Ok(())
}
