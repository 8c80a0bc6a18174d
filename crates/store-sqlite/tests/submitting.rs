//! Writes that nobody waits for.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
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
fn closing_and_dropping_the_last_clone_wait_for_what_was_handed_in() -> Outcome {
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
        assert_eq!(open(&path).counts_by_status()?.total(), 500, "close: {close}");
    }
    Ok(())
}

#[test]
fn closing_inside_a_unit_of_work_is_refused() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    let inner = store.clone();
    assert!(matches!(store.write(move |_| inner.close()), Err(Error::Nested)));
    assert!(matches!(store.read(|_| store.close()), Err(Error::Nested)));
    store.create_job(&job("goes on"))?;
    Ok(())
}

/// A value that panics when nobody wants it.
struct Explosive;

impl Drop for Explosive {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("planted");
        }
    }
}

#[test]
fn a_value_that_panics_when_dropped_disturbs_nobody() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    for number in 0..20 {
        let ticket = store.submit(|_| Ok(Explosive))?;
        // If the value is there already, it is this thread that drops it.
        let _here_or_there = catch_unwind(AssertUnwindSafe(|| drop(ticket)));
        let created =
            store.submit(move |w| w.create_job(&job(&format!("job {number}"))))?.wait()?;
        assert_eq!(store.create_job(&job("straight"))?.id.get(), created.id.get() + 1);
    }
    store.close()?;
    Ok(())
}

#[test]
fn a_write_that_panics_when_it_is_dropped_unrun_disturbs_nobody() -> Outcome {
    let (_directory, path) = scratch();
    let (store, other) =
        (Options::new(&path).deadline(Duration::from_millis(50)).open()?, open(&path));
    for number in 0..5 {
        let (holds, asked) = (Explosive, store.clone());
        let refused = other.write(move |_| {
            let unrun = asked.submit(move |_| {
                let _held = &holds;
                Ok(())
            });
            Ok(unrun?.wait())
        })?;
        assert!(matches!(refused, Err(Error::Contended { .. })), "{refused:?}");
        let created =
            store.submit(move |w| w.create_job(&job(&format!("job {number}"))))?.wait()?;
        assert_eq!(store.job(created.id)?, created);
    }
    store.close()?;
    Ok(())
}

#[test]
fn everybody_who_waits_for_room_gets_it() -> Outcome {
    let (_directory, path) = scratch();
    let deadline = Duration::from_secs(20);
    let store = Options::new(&path).queue(1).deadline(deadline).open()?;
    let slowest = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..12)
            .map(|_| {
                scope.spawn(|| {
                    let mut slowest = Duration::ZERO;
                    for _ in 0..50 {
                        let begun = std::time::Instant::now();
                        store.write(|_| Ok(())).expect("its turn comes");
                        slowest = slowest.max(begun.elapsed());
                    }
                    slowest
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().expect("no panic")).max()
    });
    // One whom nobody woke would sleep until its deadline.
    assert!(slowest.is_some_and(|slowest| slowest < deadline / 2), "{slowest:?}");
    Ok(())
}

#[test]
fn handing_in_never_waits_inside_a_unit_of_work() -> Outcome {
    let (_directory, path) = scratch();
    let store = Options::new(&path).queue(1).open()?;
    let inner = store.clone();
    let (first, second) = store.write(move |_| {
        let first = inner.submit(|_| Ok(1))?;
        Ok((first, inner.submit(|_| Ok(2))))
    })?;
    assert!(matches!(second, Err(Error::QueueFull { waiting: 1 })), "{second:?}");
    assert_eq!(first.wait()?, 1);
    let inner = store.clone();
    let waited = store.write(move |_| {
        let ticket = inner.submit(|_| Ok(3))?;
        Ok(ticket.wait().err().map(|error| error.to_string()))
    })?;
    assert_eq!(waited, Some(Error::Nested.to_string()));
    Ok(())
}

#[test]
fn tickets_behind_a_gate_that_stays_shut_end_together() -> Outcome {
    let (_directory, path) = scratch();
    let shut = open(&path);
    let deadline = Duration::from_millis(200);
    let store = Options::new(&path).deadline(deadline).open()?;
    let (go_on, wait) = mpsc::channel::<()>();
    let (begun, beginning) = mpsc::channel();
    let holding = shut.submit(move |_| {
        begun.send(()).expect("listened to");
        let _told = wait.recv();
        Ok(())
    })?;
    beginning.recv()?;
    let handed_in = std::time::Instant::now();
    let tickets = (0..50).map(|_| store.submit(|_| Ok(()))).collect::<Result<Vec<_>, _>>()?;
    for ticket in tickets {
        let outcome = ticket.wait();
        let Err(Error::Contended { waited, .. }) = &outcome else { panic!("{outcome:?}") };
        assert!(*waited >= deadline, "{waited:?} since it was handed in");
    }
    // Each for itself, one after the other, they would take ten seconds.
    assert!(handed_in.elapsed() < 25 * deadline, "{:?}", handed_in.elapsed());
    drop(go_on);
    holding.wait()?;
    store.submit(|_| Ok(()))?.wait()?;
    assert_eq!(store.stats()?.activity.contended, 50);
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
