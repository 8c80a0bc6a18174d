//! The gate between processes: who waits learns for whom, and a dead process holds nothing.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use schema::migrations::embedded;
use store_core::{Error, Holder, Job, OccupationKind, ProcessState, Store, prelude::*};
use store_sqlite::{CheckDepth, OpenError, Options, SqliteStore};
use tests::child::{self, Child, Stage};
use tests::{TestResult, jobs, raw};

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

/// A part: holds one unit of work open after the other, each until it is told to end it.
fn hold_units_open(stage: &Stage) -> TestResult {
    let store = Options::new(stage.argument(0)).open()?;
    let hold = move |stage: Stage, words: &str| {
        stage.say(words);
        stage.listen();
        Ok(())
    };
    let stage = *stage;
    stage.say("open");
    store.write(move |_| hold(stage, "holding"))?;
    stage.listen();
    store.write(move |_| hold(stage, "holding again"))?;
    stage.say("committed");
    Ok(())
}

/// A part: opens a store, and waits for whoever is in the way.
fn open_patiently(stage: &Stage) -> TestResult {
    Options::new(stage.argument(0)).deadline(HUNG).busy_timeout(HUNG).open()?;
    Ok(())
}

#[test]
fn child_process() -> TestResult {
    child::enter(&[
        ("hold a unit open", hold_a_unit_open),
        ("hold units open", hold_units_open),
        ("open patiently", open_patiently),
    ])
}

struct Scene {
    _scratch: tempfile::TempDir,
    store: SqliteStore,
    child: Child,
}

/// A store that is open here, and a child that holds the gate.
fn held() -> TestResult<Scene> {
    held_by("hold a unit open")
}

fn held_by(part: &str) -> TestResult<Scene> {
    let scratch = tempfile::tempdir()?;
    let path: PathBuf = scratch.path().join("project.db");
    let store = Options::new(&path).deadline(DEADLINE).open()?;
    let path = path.to_str().ok_or("a temporary path is text")?;
    let mut child = Child::begin(part, &[path])?;
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
            *holder
        }
        other => panic!("it was to be told who holds the gate: {other:?}"),
    }
}

#[test]
fn who_waits_in_vain_learns_which_process_holds_the_gate() -> TestResult {
    let mut scene = held()?;
    let holder = told(&scene.store);
    assert_eq!((holder.pid, holder.is_stopped()), (scene.child.pid(), false));
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
    while !told(&scene.store).is_stopped() {
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

/// Asks until the holder tells what it does.
fn occupation(ask: impl Fn() -> TestResult<Holder>) -> TestResult<(Holder, OccupationKind)> {
    let begun = Instant::now();
    loop {
        let holder = ask()?;
        if let Some(occupation) = &holder.occupation {
            let kind = occupation.kind.clone();
            assert!(occupation.lasted.is_some_and(|lasted| lasted < HUNG), "{holder:?}");
            return Ok((holder, kind));
        }
        assert!(begun.elapsed() < HUNG, "it never told what it does: {holder:?}");
    }
}

fn origin(kind: OccupationKind) -> String {
    match kind {
        OccupationKind::Writing { number: 1, origin } if origin.contains("gate.rs:") => origin,
        other => panic!("it runs the one write of its commit: {other:?}"),
    }
}

#[test]
fn who_waits_in_vain_for_a_long_unit_learns_where_it_was_called_and_how_its_thread_is() -> TestResult
{
    let scene = held()?;
    let (holder, kind) = occupation(|| Ok(told(&scene.store)))?;
    // It listens to its parent.
    assert_eq!(holder.state, Some(ProcessState::Sleeping));
    let wanted = format!("has been writing (called at {}) for ", origin(kind));
    let text = write(&scene.store).expect_err("it is held").to_string();
    assert!(text.contains(&wanted) && text.contains("try again"), "{text}");

    // A stopped one cannot tell it any more, but has told it.
    scene.child.signal(Signal::STOP)?;
    let begun = Instant::now();
    let stopped = loop {
        let holder = told(&scene.store);
        if holder.is_stopped() {
            break holder;
        }
        assert!(begun.elapsed() < HUNG, "it was never told to be stopped");
    };
    let text = stopped.to_string();
    assert!(text.contains(&wanted) && text.contains("is stopped"), "{text}");
    Ok(())
}

#[test]
fn what_a_holder_told_of_one_turn_is_not_told_of_its_next_one() -> TestResult {
    let mut scene = held_by("hold units open")?;
    let (_, first) = occupation(|| Ok(told(&scene.store)))?;
    let first = origin(first);
    scene.child.tell("go on")?;
    // The gate is free, and the holder of before is there.
    while matches!(write(&scene.store), Err(Error::Contended { .. })) {}
    scene.child.tell("hold again")?;
    scene.child.expect("holding again")?;
    let begun = Instant::now();
    let second = loop {
        let holder = told(&scene.store);
        assert_eq!(holder.pid, scene.child.pid());
        if let Some(occupation) = holder.occupation {
            break origin(occupation.kind);
        }
        assert!(begun.elapsed() < HUNG, "it never told what it does");
    };
    assert_ne!(second, first, "the note of its first turn stayed");
    Ok(())
}

#[test]
fn a_note_that_a_killed_process_left_is_not_told_of_the_next_holder() -> TestResult {
    let mut scene = held()?;
    let (_, left_behind) = occupation(|| Ok(told(&scene.store)))?;
    scene.child.kill()?;
    let path = scene.store.path()?;
    let left = std::fs::read_to_string(raw::beside(&path, "-gate"))?;
    assert!(left.contains(&format!("\"pid\":{}", scene.child.pid())), "{left:?}");
    let mut next = Child::begin("hold units open", &[path.to_str().ok_or("it is text")?])?;
    next.expect("open")?;
    std::fs::write(raw::beside(&path, "-gate"), left)?;
    next.expect("holding")?;
    let holder = told(&scene.store);
    assert_eq!(holder.pid, next.pid());
    assert!(
        holder.occupation.is_none_or(|found| found.kind != left_behind),
        "it is the dead one's"
    );
    Ok(())
}

/// What an opening that must not succeed tells of the holder.
fn told_to_an_opening(path: &Path) -> TestResult<Holder> {
    match Options::new(path).deadline(DEADLINE).open() {
        Err(OpenError::Contended { holder: Some(holder), .. }) => Ok(*holder),
        other => Err(format!("it was to be told who holds the gate: {other:?}").into()),
    }
}

#[test]
fn who_waits_in_vain_to_open_learns_of_an_upgrade_or_another_opening() -> TestResult {
    let newest = embedded().newest();
    let upgrading = OccupationKind::Upgrading { to: newest };
    for (version, in_the_way, wanted) in
        [(1, "BEGIN IMMEDIATE", upgrading), (0, "BEGIN EXCLUSIVE", OccupationKind::Opening)]
    {
        let scratch = tempfile::tempdir()?;
        let path = scratch.path().join("project.db");
        if version > 0 {
            raw::close(raw::create(&path, &embedded().up_to(version))?)?;
        } else {
            std::fs::write(&path, "")?;
        }
        // The child takes the gate, and then waits for a program that ignores it.
        let foreign = raw::connect(&path)?;
        foreign.execute_batch(in_the_way)?;
        let text = path.to_str().ok_or("a temporary path is text")?;
        let mut child = Child::begin("open patiently", &[text])?;
        let begun = Instant::now();
        let ask = || loop {
            // Until it has the gate, this process meets the other program itself.
            match told_to_an_opening(&path) {
                Ok(holder) if holder.pid == child.pid() => return Ok(holder),
                _ if begun.elapsed() < HUNG => {}
                other => return other,
            }
        };
        let begun = Instant::now();
        let mut found = occupation(ask)?;
        while found.1 != wanted && begun.elapsed() < HUNG {
            found = occupation(ask)?;
        }
        assert_eq!(found.1, wanted);
        let words = format!("which has been {wanted} for ");
        let error = Options::new(&path).deadline(DEADLINE).open().expect_err("it is held");
        assert!(error.to_string().contains(&words), "{error}");
        foreign.execute_batch("COMMIT")?;
        child.finish()?;
        assert_eq!(raw::Contents::at(&path)?.versions().last(), Some(&newest));
    }
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
