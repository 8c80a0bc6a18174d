#![cfg(target_os = "linux")]
//! Disks that fail and disks that are full lose nothing that was acknowledged, and leave no halves.
//!
//! A child's calls to the disk are made to fail by a library (`shim/faults.c`): once, or from some call
//! on. `CRYSTALSTORE_FAULTS` says how many faults each test tries.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use store_core::{Error, JobFilter, prelude::*};
use store_sqlite::{CheckDepth, Durability, OpenError, Options, SqliteStore};
use tests::child::{self, Child, Stage};
use tests::disk;
use tests::faults::{Fault, Shim, how_many};
use tests::random::Random;
use tests::raw::{self, Contents};
use tests::{TestResult, jobs, population};

/// Only a child that waits in vain takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many threads of a child create jobs, so that some share a commit.
const THREADS: usize = 2;

/// How many jobs each of them creates.
const JOBS: usize = 12;

/// After how many jobs each asks for a checkpoint.
const CHECKPOINT: usize = 6;

/// The meaning of an error, as a word.
fn kind(error: &Error) -> String {
    let text = format!("{error:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// The same of an error at opening, with what is below it.
fn opening_kind(error: &OpenError) -> String {
    match error {
        OpenError::Sqlite { source, .. } => format!("Sqlite {}", kind(source)),
        OpenError::Backup(source) => format!("Backup {}", kind(source)),
        OpenError::Migration { .. } => "Migration".to_owned(),
        OpenError::Access { .. } => "Access".to_owned(),
        OpenError::NoWriteAheadLog { .. } => "NoWriteAheadLog".to_owned(),
        other => format!("unexpected: {other:?}"),
    }
}

/// Opens the store, a second time where the first met a fault.
fn open_patiently(stage: &Stage) -> Option<SqliteStore> {
    for _ in 0..2 {
        match Options::new(stage.argument(0)).durability(Durability::Full).open() {
            Ok(store) => return Some(store),
            Err(error) => stage.say(&format!("opening {}", opening_kind(&error))),
        }
    }
    None
}

/// A part: creates jobs on several threads.
fn create_jobs(stage: &Stage) -> TestResult {
    let Some(store) = open_patiently(stage) else { return Ok(()) };
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = store.clone();
            scope.spawn(move || create_patiently(stage, &store, thread));
        }
    });
    if let Err(error) = store.close() {
        stage.say(&format!("closing {}", kind(&error)));
    }
    stage.say("end");
    Ok(())
}

fn key(thread: usize, number: usize) -> String {
    format!("job-{thread}-{number:02}")
}

/// Creates jobs, each a second time where the first met a fault, and says how each call ended.
fn create_patiently(stage: &Stage, store: &SqliteStore, thread: usize) {
    for number in 0..JOBS {
        let key = key(thread, number);
        for _ in 0..2 {
            match store.create_job(&jobs::sample(&key).with_idempotency_key(&key)) {
                Ok(_) => {
                    stage.say(&format!("job {key} Ok"));
                    break;
                }
                Err(error) => stage.say(&format!("job {key} {}", kind(&error))),
            }
        }
        if number % CHECKPOINT == CHECKPOINT - 1
            && let Err(error) = store.checkpoint()
        {
            stage.say(&format!("checkpoint {}", kind(&error)));
        }
    }
}

/// A part: opens the store once.
fn open_once(stage: &Stage) -> TestResult {
    match Options::new(stage.argument(0)).open() {
        Ok(_) => stage.say("opened"),
        Err(error) => stage.say(&format!("opening {}", opening_kind(&error))),
    }
    Ok(())
}

/// A part: creates jobs until the checkpointer has met a fault, and some more.
fn outgrow_a_checkpoint(stage: &Stage) -> TestResult {
    let store = Options::new(stage.argument(0)).checkpoint_pages(20).open()?;
    let mut acknowledged = 0;
    let begun = Instant::now();
    while store.stats()?.activity.checkpoints_failed < 2 && begun.elapsed() < PATIENCE {
        store.create_job(&jobs::sample(format!("job {acknowledged}")))?;
        acknowledged += 1;
    }
    let failed = store.stats()?.activity.checkpoints_failed;
    stage.say(&format!("{} {acknowledged}", if failed > 0 { "failed" } else { "whole" }));
    Ok(())
}

#[test]
fn child_process() -> TestResult {
    child::enter(&[
        ("create jobs", create_jobs),
        ("open once", open_once),
        ("outgrow a checkpoint", outgrow_a_checkpoint),
    ])
}

/// Runs a part on a store whose disk fails, to its end, and gives back what it said.
fn run(part: &str, path: &Path, shim: &Shim, fault: &Fault) -> TestResult<Vec<String>> {
    let path = path.to_str().ok_or("a temporary path is text")?;
    let mut child = Child::begin_with(part, &[path], &shim.failing(fault))?;
    child.finish().map_err(|error| format!("{fault}: {error}").into())
}

/// The calls to the disk that a part makes where nothing fails.
fn calls(part: &str, path: &Path, shim: &Shim) -> TestResult<Vec<(&'static str, u64)>> {
    let folder = path.parent().ok_or("the store is in a folder")?;
    let scratch = tempfile::tempdir()?;
    let log = scratch.path().join("log");
    let path = path.to_str().ok_or("a temporary path is text")?;
    Child::begin_with(part, &[path], &shim.recording(folder, &log))?.finish()?;
    Ok(disk::calls(&disk::read_log(&log, folder)?))
}

/// Whether the disk is to blame for what a child says.
fn is_typed(words: &str) -> bool {
    let kind = words.rsplit(' ').next().unwrap_or_default();
    ["Ok", "Full", "Storage", "CommitUnknown", "Access", "Migration", "NoWriteAheadLog"]
        .contains(&kind)
        || ["end", "opened"].contains(&words)
}

/// What is wrong with the jobs of a store, after what a child said of them.
fn wrong(said: &[String], found: &[String]) -> Vec<String> {
    let mut ends: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for words in said.iter().filter_map(|words| words.strip_prefix("job ")) {
        let (key, end) = words.split_once(' ').unwrap_or((words, ""));
        ends.entry(key).or_default().push(end);
    }
    let mut wrong = Vec::new();
    for (key, ends) in &ends {
        let times = found.iter().filter(|name| name == key).count();
        let allowed = if ends.contains(&"Ok") {
            1..=1
        } else if ends.contains(&"CommitUnknown") {
            0..=1
        } else {
            0..=0
        };
        if !allowed.contains(&times) {
            wrong.push(format!("{key} ended in {ends:?} and is there {times} times"));
        }
    }
    let strange = found.iter().filter(|name| !ends.contains_key(name.as_str()));
    wrong.extend(strange.map(|name| format!("nobody created {name}")));
    wrong.extend(said.iter().filter(|words| !is_typed(words)).cloned());
    wrong
}

fn whole(store: &SqliteStore) -> TestResult {
    let report = store.check(CheckDepth::Full)?;
    assert!(report.is_ok(), "{report:?}");
    Ok(())
}

#[test]
fn a_failed_write_or_sync_never_loses_an_acknowledged_job() -> TestResult {
    let shim = Shim::build()?;
    let scratch = tempfile::tempdir()?;
    let root = scratch.path().canonicalize()?;
    let calls = calls("create jobs", &root.join("project.db"), &shim)?;
    assert_eq!(calls.len(), 4, "{calls:?}");

    let mut random = Random::seeded(20_260_301);
    let mut met = 0;
    for _ in 0..how_many(24)? {
        let fault = Fault::at_random(&mut random, &calls);
        let scratch = tempfile::tempdir()?;
        let path = scratch.path().join("project.db");
        let said = run("create jobs", &path, &shim, &fault)?;
        met += u64::from(said.iter().any(|words| !words.ends_with(" Ok") && words != "end"));
        if !fault.always {
            // It goes on, and each second try is granted.
            for last in (0..THREADS).map(|thread| format!("job {} Ok", key(thread, JOBS - 1))) {
                assert!(said.contains(&last), "{fault}: it did not go on: {said:?}");
            }
        }

        let store = Options::new(&path).open()?;
        assert_eq!(wrong(&said, &jobs::names(&store)?), [""; 0], "{fault}: {said:?}");
        whole(&store)?;
        store.create_job(&jobs::sample("after"))?;
        store.close()?;
    }
    assert!(met > 0, "no fault was met");
    Ok(())
}

#[test]
fn an_upgrade_that_meets_a_fault_leaves_the_old_store_or_the_new_one() -> TestResult {
    let shim = Shim::build()?;
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().canonicalize()?.join("project.db");
    population::create(&path, 1)?;
    let old = Contents::at(&path)?;
    let calls = calls("open once", &path, &shim)?;
    assert_eq!(calls.len(), 4, "{calls:?}");
    let new = Contents::at(&path)?;

    let mut random = Random::seeded(20_260_302);
    let mut outcomes = BTreeMap::new();
    for _ in 0..how_many(24)? {
        let fault = Fault::at_random(&mut random, &calls);
        let scratch = tempfile::tempdir()?;
        let path = scratch.path().join("project.db");
        population::create(&path, 1)?;
        let said = run("open once", &path, &shim, &fault)?;
        assert!(said.iter().all(|words| is_typed(words)), "{fault}: {said:?}");

        let found = Contents::at(&path)?;
        let upgraded = found == new;
        assert!(upgraded || found == old, "{fault}: {said:?}");
        if said == ["opened"] {
            assert!(upgraded, "{fault}: it said that it was upgraded");
        }
        if said.iter().any(|words| words.contains("Backup") || words.contains("Migration")) {
            assert!(!upgraded, "{fault}: {said:?}");
        }
        for name in raw::files_in(scratch.path())?.iter().filter(|name| name.ends_with(".backup")) {
            let backup = Contents::at(&scratch.path().join(name))?;
            assert_eq!(backup, old, "{fault}: {name}");
        }
        let store = Options::new(&path).open()?;
        whole(&store)?;
        store.close()?;
        assert_eq!(Contents::at(&path)?, new, "{fault}");
        *outcomes.entry((said, upgraded)).or_insert(0) += 1;
    }
    assert!(outcomes.len() > 1, "every upgrade ended the same: {outcomes:?}");
    Ok(())
}

/// Under NORMAL only checkpoints wait for the disk, so that all commits are acknowledged here.
#[test]
fn a_checkpoint_that_fails_is_counted_and_loses_nothing() -> TestResult {
    let shim = Shim::build()?;
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("project.db");
    drop(Options::new(&path).open()?);
    let kind = "fsync";
    // The first one is for the head of the log, in the first commit.
    let fault = Fault { kind, number: 2, error: "EIO", file: "project.db", always: true };
    let said = run("outgrow a checkpoint", &path, &shim, &fault)?;
    let acknowledged = said.first().and_then(|words| words.strip_prefix("failed "));
    let acknowledged: u64 = acknowledged.ok_or_else(|| format!("{said:?}"))?.parse()?;
    let store = Options::new(&path).open()?;
    assert_eq!(store.count_jobs(&JobFilter::all())?, acknowledged);
    whole(&store)
}

#[test]
fn a_fault_that_was_asked_for_is_met() -> TestResult {
    let shim = Shim::build()?;
    for kind in ["fsync", "pwrite"] {
        for error in ["EIO", "ENOSPC"] {
            let scratch = tempfile::tempdir()?;
            let path = scratch.path().join("project.db");
            let fault = Fault { kind, number: 1, error, file: "project.db", always: true };
            let said = run("create jobs", &path, &shim, &fault)?;
            assert!(said[0].starts_with("opening "), "{fault}: {said:?}");
            assert_eq!(said.len(), 2, "{fault}: {said:?}");
        }
    }
    Ok(())
}

#[test]
fn a_lost_job_and_one_too_many_are_seen() {
    let said = ["job a Ok", "job b Full", "job c CommitUnknown", "job d Ok", "closing Bug"];
    let found = ["b", "d", "e"];
    let wrong = wrong(&said.map(str::to_owned), &found.map(str::to_owned));
    assert_eq!(
        wrong,
        [
            r#"a ended in ["Ok"] and is there 0 times"#,
            r#"b ended in ["Full"] and is there 1 times"#,
            "nobody created e",
            "closing Bug",
        ]
    );
}
