//! What ends a watch, and what does not.

mod common;

use std::time::Duration;

use common::{Outcome, another_program, job, open, scratch};
use store_core::Error;
use store_core::prelude::*;
use store_sqlite::Options;

const LONG: Duration = Duration::from_secs(20);

#[test]
fn closing_the_store_ends_who_waits() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    let mut waiting = store.watch()?;
    let mut idle = store.watch()?;
    let waits = std::thread::spawn(move || waiting.wait(LONG));
    store.close()?;
    let told = waits.join().expect("no panic");
    assert!(matches!(told, Err(Error::Closed)), "{told:?}");
    assert!(matches!(idle.wait(Duration::ZERO), Err(Error::Closed)));
    assert!(matches!(store.watch(), Err(Error::Closed)));

    // The last clone that is dropped closes it too: a watch does not keep it open.
    let store = open(&path);
    let mut watch = store.watch()?;
    drop(store);
    assert!(matches!(watch.wait(LONG), Err(Error::Closed)));
    Ok(())
}

#[test]
fn a_watch_holds_no_snapshot_and_survives_an_emptied_log() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    let mut watch = store.watch()?;
    for round in 0..5 {
        store.create_job(&job(&format!("job {round}")))?;
        assert!(watch.wait(LONG)?);
        let emptied = store.checkpoint()?;
        assert!(emptied.complete, "round {round}: {emptied:?}");
        // Emptying the log may wake it, which is allowed; then it is quiet.
        watch.wait(Duration::ZERO)?;
        assert!(!watch.wait(Duration::from_millis(5))?, "round {round}");
    }
    Ok(())
}

#[test]
fn a_writer_that_ignores_the_store_wakes_it_too() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    let id = store.create_job(&job("MgO"))?.id;
    let reading = Options::new(&path).read_only(true).open()?;
    let mut watches = [store.watch()?, reading.watch()?];
    let other = another_program(&path);
    other.execute("UPDATE jobs SET priority = 7 WHERE id = ?1", [id.get()])?;
    for watch in &mut watches {
        assert!(watch.wait(LONG)?);
    }
    // A transaction that is given up is none.
    other.execute_batch("BEGIN IMMEDIATE; UPDATE jobs SET priority = 8; ROLLBACK")?;
    for watch in &mut watches {
        assert!(!watch.wait(Duration::from_millis(5))?);
    }
    Ok(())
}

#[test]
fn a_store_that_was_moved_away_is_told() -> Outcome {
    let (directory, path) = scratch();
    let store = open(&path);
    let mut watch = store.watch()?;
    std::fs::rename(&path, directory.path().join("elsewhere.db"))?;
    let told = watch.wait(LONG);
    assert!(matches!(told, Err(Error::Moved(_))), "{told:?}");
    Ok(())
}
