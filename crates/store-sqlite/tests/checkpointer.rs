//! The log stays small by itself, and who keeps it from that is named.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Outcome, job, open, scratch};
use store_core::{InputDeck, NewJob};
use store_sqlite::{Activity, Durability, Options, SqliteStore, Stats, prelude::*};

/// Only a store that breaks its promise takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

fn bulky_job(name: &str) -> NewJob {
    let deck = InputDeck::file("input.d12", "x".repeat(20_000)).expect("a deck");
    job(name).with_input(deck)
}

/// Waits until the store looks so.
fn until(store: &SqliteStore, looks: impl Fn(&Stats) -> bool) -> Stats {
    let begun = Instant::now();
    loop {
        let stats = store.stats().expect("numbers");
        if looks(&stats) {
            return stats;
        }
        assert!(begun.elapsed() < PATIENCE, "it never came: {stats:#?}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn so_many_pages_make_a_pass_off_the_callers_path() -> Outcome {
    let (_directory, path) = scratch();
    let store = Options::new(&path).checkpoint_pages(100).open()?;
    assert_eq!(store.stats()?.activity.checkpoints, 0);
    for number in 0..50 {
        store.create_job(&bulky_job(&format!("job {number}")))?;
    }
    let stats = until(&store, |stats| stats.activity.checkpoints > 0);
    assert_eq!(stats.writer_settings.map(|settings| settings["wal_autocheckpoint"]), Some(0));
    Ok(())
}

#[test]
fn the_log_is_begun_anew_under_a_writer_that_never_pauses() -> Outcome {
    let (_directory, path) = scratch();
    // No drain comes to help.
    let options = Options::new(&path).checkpoint_pages(100).wal_limit_bytes(u64::from(u32::MAX));
    let store = options.open()?;
    let begun = Instant::now();
    let (mut jobs, mut largest) = (0, 0);
    // Passes that are never finished leave all that was written in the log, the decks and more, however much
    // that is. One that a busy machine runs late leaves some of it.
    while store.stats()?.activity.checkpoints < 150 || largest >= jobs * 20_000 / 3 {
        jobs += 1;
        store.create_job(&bulky_job(&format!("job {jobs}")))?;
        largest = largest.max(std::fs::metadata(path.with_extension("db-wal"))?.len());
        let waited = begun.elapsed();
        assert!(waited < 2 * PATIENCE, "{largest} bytes, {jobs} jobs: {:#?}", store.stats()?);
    }
    Ok(())
}

/// Writes some eighty megabytes while readers overlap, and answers the largest size of the log.
fn largest_log(limit: u64) -> Result<(u64, Activity), Box<dyn std::error::Error>> {
    let (_directory, path) = scratch();
    let store = Options::new(&path).checkpoint_pages(64).wal_limit_bytes(limit).open()?;
    let done = AtomicBool::new(false);
    let mut largest = 0;
    thread::scope(|scope| {
        for reader in 0..3 {
            let (store, done) = (&store, &done);
            scope.spawn(move || {
                // One of them always holds a snapshot.
                thread::sleep(Duration::from_millis(3 * reader));
                while !done.load(Ordering::Relaxed) {
                    store
                        .read(|r| {
                            r.counts_by_status()?;
                            thread::sleep(Duration::from_millis(10));
                            Ok(())
                        })
                        .expect("read");
                }
            });
        }
        for step in 0..150 {
            let passes = store.stats().expect("numbers").activity.checkpoints;
            for number in 0..20 {
                let name = format!("job {step}.{number}");
                store.create_job(&bulky_job(&name)).expect("written");
            }
            largest = largest.max(store.stats().expect("numbers").wal_bytes);
            // Enough for a pass, and for a drain where one is overdue. What a busy machine does not run in time
            // says nothing of readers.
            let begun = Instant::now();
            let is_behind = || {
                let stats = store.stats().expect("numbers");
                stats.activity.checkpoints == passes || stats.wal_bytes > 2 * limit
            };
            while is_behind() && begun.elapsed() < Duration::from_millis(200) {
                thread::sleep(Duration::from_millis(1));
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    Ok((largest, store.stats()?.activity))
}

#[test]
fn the_log_stays_small_while_readers_overlap() -> Outcome {
    let limit = 8 * 1024 * 1024;
    let (largest, activity) = largest_log(limit)?;
    assert!(activity.drains > 0, "{activity:#?}");
    // On a machine that is busy with other things, some drains are prevented or come late.
    assert!(largest < 3 * limit, "{largest} bytes, {activity:#?}");
    // The control: if nobody emptied it, it would grow with what is written.
    let (unbounded, _) = largest_log(u64::from(u32::MAX))?;
    assert!(unbounded > 4 * limit, "{unbounded} bytes");
    Ok(())
}

/// A turn in which nobody writes is taken where it makes the next commit begin the log anew, and not in vain.
#[test]
fn no_turn_is_taken_after_a_pass_that_a_reader_kept_from_its_end() -> Outcome {
    let (_directory, path) = scratch();
    // Each pass that came to its end takes one.
    let options = Options::new(&path).durability(Durability::Full).checkpoint_pages(50);
    let (store, other) = (options.open()?, open(&path));
    let mut number = 0;
    let mut write = || {
        number += 1;
        store.create_job(&bulky_job(&format!("job {number}"))).expect("written");
        store.stats().expect("numbers").activity
    };
    let begun = Instant::now();
    let (first, held) = other.read(|r| {
        r.counts_by_status()?;
        let mut until_prevented = |times| loop {
            let activity = write();
            if activity.checkpoints_prevented >= times {
                return activity;
            }
            assert!(begun.elapsed() < PATIENCE, "{activity:#?}");
        };
        Ok((until_prevented(1), until_prevented(6)))
    })?;
    assert_eq!(first.finishing_turns, held.finishing_turns);
    assert!(held.checkpoints - first.checkpoints >= 5, "{held:#?}");
    // The control: they are taken again when the snapshot is gone.
    while write().finishing_turns == held.finishing_turns {
        assert!(begun.elapsed() < 2 * PATIENCE, "{:#?}", store.stats()?);
    }
    Ok(())
}

/// In a drain writers wait for what is copied, so it does not begin while a snapshot keeps much from being copied: its
/// end would be the moment for all of that.
#[test]
fn what_an_old_snapshot_has_kept_is_copied_while_nobody_waits() -> Outcome {
    let (_directory, path) = scratch();
    let limit = 8 * 1024 * 1024;
    let options = Options::new(&path).checkpoint_pages(64).wal_limit_bytes(limit);
    let (store, other) = (options.open()?, open(&path));
    let (mut number, begun) = (0, Instant::now());
    let mut write_until = |is_enough: &dyn Fn(&Stats) -> bool| loop {
        number += 1;
        store.create_job(&bulky_job(&format!("job {number}"))).expect("written");
        let stats = store.stats().expect("numbers");
        if is_enough(&stats) {
            return stats.activity;
        }
        assert!(begun.elapsed() < PATIENCE, "{stats:#?}");
        if stats.wal_bytes > limit && stats.activity.drains_prevented == 0 {
            // A drain is tried only while little is left, and this writes faster than a busy machine looks.
            thread::sleep(Duration::from_millis(10));
        }
    };
    let (first, last) = other.read(|r| {
        r.counts_by_status()?;
        let first = write_until(&|stats| stats.wal_bytes > 3 * limit);
        let passes = first.checkpoints + 10;
        let is_enough =
            |stats: &Stats| stats.wal_bytes > 4 * limit && stats.activity.checkpoints > passes;
        Ok((first, write_until(&is_enough)))
    })?;
    let drains = |activity: &Activity| (activity.drains, activity.drains_prevented);
    assert_eq!(drains(&first), drains(&last), "{last:#?}");
    assert!(drains(&first).1 > 0, "while it had kept little");
    // Now it is copied, though nobody writes who would make that due; then nothing is in the way of a drain.
    until(&store, |stats| stats.wal_bytes < limit && stats.activity.drains > last.drains);
    Ok(())
}

/// Its process was killed, or nobody has written since a reader left.
#[test]
fn a_long_log_of_another_is_copied_and_cut_though_nobody_writes() -> Outcome {
    let (_directory, path) = scratch();
    let another = Options::new(&path).checkpoint_pages(i32::MAX as u32).wal_limit_bytes(1 << 40);
    let another = another.open()?;
    for number in 0.. {
        another.create_job(&bulky_job(&format!("job {number}")))?;
        if another.stats()?.wal_bytes > 20 * 1024 * 1024 {
            break;
        }
    }
    let store = Options::new(&path).wal_limit_bytes(1024 * 1024).open()?;
    until(&store, |stats| stats.wal_bytes == 0);
    assert!(store.stats()?.activity.checkpoints > 0, "it was more than is copied in a turn");
    Ok(())
}

#[test]
fn a_snapshot_that_is_held_too_long_is_named() -> Outcome {
    let (_directory, path) = scratch();
    let store = Options::new(&path).slow_snapshot(Duration::from_millis(1)).open()?;
    let other = open(&path);
    store.read(|r| {
        r.counts_by_status()?;
        let begun = Instant::now();
        // The store itself may not be used here; the other one waits as well as it could.
        while begun.elapsed() < Duration::from_millis(2500) {
            other.counts_by_status()?;
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    })?;
    let stats = store.stats()?;
    assert_eq!(stats.activity.slow_snapshots, 1);
    assert_eq!(stats.oldest_snapshot, None);
    thread::scope(|scope| {
        let holder = thread::Builder::new().name("holder".to_owned());
        let spawned = holder.spawn_scoped(scope, || {
            store.read(|_| {
                thread::sleep(Duration::from_millis(200));
                Ok(())
            })
        });
        let held = until(&store, |stats| stats.oldest_snapshot.is_some()).oldest_snapshot;
        let held = held.expect("just seen");
        assert!(held.origin.contains("checkpointer.rs:"), "{held}");
        assert_eq!(held.thread, "holder");
        spawned.expect("spawned").join().expect("no panic").expect("read");
    });
    Ok(())
}
