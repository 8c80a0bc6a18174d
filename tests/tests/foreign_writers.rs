//! Beside a writer that knows nothing of the gate, a store waits, and never says "database is locked".

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use schema::migrations::embedded;
use store_core::{Error, Job, OccupationKind, prelude::*};
use store_sqlite::{CheckDepth, OpenError, Options, SqliteStore};
use tests::{TestResult, jobs, raw};

/// When a write that should have ended is given up as hung.
const HUNG: Duration = Duration::from_secs(20);

struct Scene {
    _scratch: tempfile::TempDir,
    path: PathBuf,
    foreign: Connection,
}

/// A store of the newest version, and another program's connection that has begun to write to it.
fn foreign_writer() -> TestResult<Scene> {
    foreign_writer_on(embedded().newest())
}

fn foreign_writer_on(version: i32) -> TestResult<Scene> {
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("project.db");
    raw::close(raw::create(&path, &embedded().up_to(version))?)?;
    let foreign = raw::connect(&path)?;
    foreign.execute_batch("BEGIN IMMEDIATE; UPDATE job_counts SET jobs = jobs;")?;
    Ok(Scene { _scratch: scratch, path, foreign })
}

/// Writes on a thread of its own; the answer comes through the channel.
fn begin_to_write(store: &SqliteStore) -> mpsc::Receiver<store_core::Result<Job>> {
    let store = store.clone();
    let (answer, answers) = mpsc::channel();
    thread::spawn(move || {
        // Nobody listens any more where the test has failed.
        let _sent = answer.send(store.create_job(&jobs::sample("MgO")));
    });
    answers
}

#[test]
fn a_write_waits_for_a_writer_that_ignores_the_gate_and_succeeds() -> TestResult {
    // Both ways to wait: SQLite's own, and the store's where that gives up at once.
    for busy_timeout in [Duration::from_secs(5), Duration::ZERO] {
        let scene = foreign_writer()?;
        let options = Options::new(&scene.path).busy_timeout(busy_timeout);
        let store = options.open()?;
        let answers = begin_to_write(&store);
        let early = answers.recv_timeout(Duration::from_millis(100));
        assert!(early.is_err(), "it did not wait: {early:?}");
        scene.foreign.execute_batch("COMMIT")?;
        let job = answers.recv_timeout(HUNG)??;
        assert_eq!(store.job(job.id)?, job);
        assert!(store.check(CheckDepth::Full)?.is_ok());
    }
    Ok(())
}

#[test]
fn many_writes_wait_for_one_that_ignores_the_gate_and_all_succeed() -> TestResult {
    let scene = foreign_writer()?;
    let store = Options::new(&scene.path).busy_timeout(Duration::from_millis(1)).open()?;
    let other = Options::new(&scene.path).busy_timeout(Duration::from_millis(1)).open()?;
    let answers: Vec<_> =
        (0..8).map(|n| begin_to_write(if n % 2 == 0 { &store } else { &other })).collect();
    for _ in 0..10 {
        thread::sleep(Duration::from_millis(5));
        scene.foreign.execute_batch("COMMIT")?;
        scene.foreign.busy_timeout(HUNG)?;
        scene.foreign.execute_batch("BEGIN IMMEDIATE")?;
    }
    scene.foreign.execute_batch("COMMIT")?;
    for answers in answers {
        answers.recv_timeout(HUNG)??;
    }
    assert_eq!(store.counts_by_status()?.total(), 8);
    Ok(())
}

#[test]
fn a_writer_that_never_ends_is_given_up_at_the_deadline_in_plain_words() -> TestResult {
    let scene = foreign_writer()?;
    let options = Options::new(&scene.path)
        .busy_timeout(Duration::from_millis(20))
        .deadline(Duration::from_millis(300));
    let store = options.open()?;
    let refused = begin_to_write(&store).recv_timeout(HUNG)?;
    let error = refused.expect_err("the other one never ends");
    let Error::Contended { holder, .. } = &error else { panic!("{error:?}") };
    let text = error.to_string();
    assert!(!text.contains("locked") && text.contains("try again"), "{text}");
    // The other program is a connection of this process, which tells nothing of what it does.
    if cfg!(target_os = "linux") {
        let holder = holder.as_deref().ok_or("SQLite's lock is listed")?;
        assert_eq!((holder.pid, &holder.occupation), (std::process::id(), &None));
    }
    // Nothing of it comes later.
    scene.foreign.execute_batch("COMMIT")?;
    assert_eq!(store.counts_by_status()?.total(), 0);
    begin_to_write(&store).recv_timeout(HUNG)??;
    assert_eq!(store.counts_by_status()?.total(), 1);
    Ok(())
}

#[test]
fn a_holder_of_the_gate_that_waits_for_such_a_writer_says_so() -> TestResult {
    let scene = foreign_writer()?;
    // However long SQLite may wait by itself.
    let options = Options::new(&scene.path).busy_timeout(Duration::from_secs(3600));
    let (patient, impatient) =
        (options.clone().open()?, options.deadline(Duration::from_millis(100)).open()?);
    let answers = begin_to_write(&patient);
    let begun = Instant::now();
    loop {
        // It comes to the gate first, or waits for the other program itself, until the patient one has it.
        let refused = impatient.create_job(&jobs::sample("never"));
        let error = refused.expect_err("the other one never ends");
        let Error::Contended { holder, .. } = &error else { panic!("{error:?}") };
        let occupation = holder.as_ref().and_then(|holder| holder.occupation.as_ref());
        if occupation.is_some_and(|found| found.kind == OccupationKind::WaitingForOutsiders) {
            let words = "waiting for a program that writes without taking turns";
            assert!(error.to_string().contains(words), "{error}");
            break;
        }
        assert!(begun.elapsed() < HUNG, "it was never told: {error}");
    }
    scene.foreign.execute_batch("COMMIT")?;
    answers.recv_timeout(HUNG)??;
    Ok(())
}

#[test]
fn the_deadline_ends_sqlites_own_waiting_too() -> TestResult {
    let scene = foreign_writer()?;
    let options = Options::new(&scene.path)
        .busy_timeout(Duration::from_secs(3600))
        .deadline(Duration::from_millis(100));
    let store = options.open()?;
    let refused = begin_to_write(&store).recv_timeout(HUNG);
    // Before anything else, because closing the store would wait for the write.
    scene.foreign.execute_batch("COMMIT")?;
    match refused {
        Ok(Err(Error::Contended { .. })) => Ok(()),
        other => panic!("it was to be given up at the deadline: {other:?}"),
    }
}

#[test]
fn an_upgrade_waits_for_a_writer_that_ignores_the_gate_and_succeeds() -> TestResult {
    let scene = foreign_writer_on(1)?;
    let options = Options::new(&scene.path);
    let (answer, answers) = mpsc::channel();
    thread::spawn(move || {
        // Nobody listens any more where the test has failed.
        let _sent = answer.send(options.open());
    });
    let early = answers.recv_timeout(Duration::from_millis(100));
    assert!(early.is_err(), "it did not wait: {early:?}");
    scene.foreign.execute_batch("COMMIT")?;
    let store = answers.recv_timeout(HUNG)??;
    assert!(store.check(CheckDepth::Full)?.is_ok());
    Ok(())
}

#[test]
fn an_upgrade_gives_up_at_the_deadline_and_leaves_the_store_as_it_was() -> TestResult {
    let scene = foreign_writer_on(1)?;
    let options = Options::new(&scene.path).deadline(Duration::from_millis(200));
    let error = options.open().expect_err("the other one never ends");
    assert!(matches!(error, OpenError::Contended { .. }), "{error:?}");
    assert!(!error.to_string().contains("locked"), "{error}");
    scene.foreign.execute_batch("COMMIT")?;
    assert_eq!(raw::Contents::at(&scene.path)?.versions(), [1]);
    Options::new(&scene.path).open()?;
    Ok(())
}

#[test]
fn without_the_store_the_same_writer_is_told_that_the_database_is_locked() -> TestResult {
    let scene = foreign_writer()?;
    let naive = raw::connect(&scene.path)?;
    naive.busy_timeout(Duration::ZERO)?;
    let error = naive.execute_batch("BEGIN IMMEDIATE").expect_err("the other one writes");
    assert!(error.to_string().contains("locked"), "{error}");
    Ok(())
}
