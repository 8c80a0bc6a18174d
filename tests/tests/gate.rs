//! The gate between processes: who waits learns for whom, and a dead process holds nothing.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use store_core::{Error, Holder, Job, Store, prelude::*};
use store_sqlite::{CheckDepth, Options, SqliteStore};
use tests::child::{self, Child, Stage};
use tests::{TestResult, jobs};

/// How long the writers of these tests wait for their turn.
const DEADLINE: Duration = Duration::from_millis(200);
/// When a test that waits for something is given up as hung.
const HUNG: Duration = Duration::from_secs(30);

/// A part: holds a unit of work open that has created a job, until it is told to end it. No program
/// may wait like this; a test has to.
fn hold_a_unit_open(stage: &Stage) -> TestResult {
    let store = Options::new(stage.argument(0)).open()?;
    stage.say("open");
    let stage = *stage;
    store.write(move |w| {
        w.create_job(&jobs::sample("of the child"))?;
        stage.say("holding");
        stage.listen();
        Ok(())
    })?;
    stage.say("committed");
    Ok(())
}

#[test]
fn child_process() -> TestResult {
    child::enter(&[("hold a unit open", hold_a_unit_open)])
}

struct Scene {
    _scratch: tempfile::TempDir,
    store: SqliteStore,
    child: Child,
}

/// A store that is open here, and a child that holds the gate.
fn held() -> TestResult<Scene> {
    let scratch = tempfile::tempdir()?;
    let path: PathBuf = scratch.path().join("project.db");
    let store = Options::new(&path).deadline(DEADLINE).open()?;
    let path = path.to_str().ok_or("a temporary path is text")?;
    let mut child = Child::begin("hold a unit open", &[path])?;
    child.expect("open")?;
    child.expect("holding")?;
    Ok(Scene { _scratch: scratch, store, child })
}

fn write(store: &SqliteStore) -> store_core::Result<Job> {
    store.create_job(&jobs::sample("of the parent"))
}

/// The holder that a write which must not succeed tells of.
fn told(store: &SqliteStore) -> Holder {
    match write(store) {
        Err(Error::Contended { waited, holder: Some(holder) }) => {
            assert!(waited >= DEADLINE, "it gave up after {waited:?}");
            holder
        }
        other => panic!("it was to be told who holds the gate: {other:?}"),
    }
}

#[test]
fn who_waits_in_vain_learns_which_process_holds_the_gate() -> TestResult {
    let mut scene = held()?;
    let holder = told(&scene.store);
    assert_eq!((holder.pid, holder.stopped), (scene.child.pid(), false));
    let text = write(&scene.store).expect_err("it is held").to_string();
    assert!(text.contains(&format!("process {}", scene.child.pid())), "{text}");
    assert!(!text.contains("locked"), "{text}");

    scene.child.tell("go on")?;
    scene.child.expect("committed")?;
    write(&scene.store)?;
    scene.child.finish()?;
    assert_eq!(scene.store.counts_by_status()?.total(), 2);
    Ok(())
}

#[test]
fn a_stopped_holder_is_told_to_be_stopped() -> TestResult {
    let mut scene = held()?;
    scene.child.signal(Signal::STOP)?;
    let begun = Instant::now();
    // The signal takes its moment to arrive.
    while !told(&scene.store).stopped {
        assert!(begun.elapsed() < HUNG, "it was never told to be stopped");
    }
    let text = write(&scene.store).expect_err("it is held").to_string();
    assert!(text.contains("stopped") && text.contains("continue or end it"), "{text}");

    scene.child.signal(Signal::CONT)?;
    scene.child.tell("go on")?;
    scene.child.expect("committed")?;
    write(&scene.store)?;
    Ok(())
}

#[test]
fn a_killed_holder_leaves_the_gate_open_and_nothing_behind() -> TestResult {
    for stop_first in [false, true] {
        let mut scene = held()?;
        told(&scene.store);
        if stop_first {
            scene.child.signal(Signal::STOP)?;
        }
        scene.child.kill()?;
        write(&scene.store)?;
        let counts = scene.store.counts_by_status()?;
        assert_eq!(counts.total(), 1, "the unit of the killed process left something");
        assert!(scene.store.check(CheckDepth::Full)?.is_ok());
    }
    Ok(())
}

#[test]
fn readers_wait_for_no_writer_of_another_process() -> TestResult {
    let mut scene = held()?;
    // Straight, in a unit, and of the store as a whole: with the gate held, all of them answer.
    assert_eq!(scene.store.counts_by_status()?.total(), 0, "not committed, so not seen");
    let seen = scene.store.read(|r| Ok(r.counts_by_status()?.total()))?;
    assert_eq!(seen, 0);
    assert_eq!(scene.store.stats()?.journal_mode, "wal");
    assert!(scene.store.check(CheckDepth::Quick)?.is_ok());
    told(&scene.store);
    scene.child.tell("go on")?;
    scene.child.expect("committed")?;
    assert_eq!(scene.store.counts_by_status()?.total(), 1);
    Ok(())
}
