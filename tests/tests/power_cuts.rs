#![cfg(target_os = "linux")]
//! A power cut takes nothing that was acknowledged in full durability, and never leaves a store that is
//! not whole.
//!
//! A child writes down what it gives to the disk (`shim/faults.c`); the test makes the files as a disk
//! may have them after a cut at any moment ([`tests::disk`]), and opens them. `CRYSTALSTORE_FAULTS` says
//! how many cuts each test tries.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use store_core::prelude::*;
use store_sqlite::{CheckDepth, Durability, Options};
use tempfile::TempDir;
use tests::child::{self, Child, Stage};
use tests::disk::{Deed, Disk, Step, read_log};
use tests::faults::{Shim, how_many};
use tests::random::Random;
use tests::raw::Contents;
use tests::{TestResult, jobs, population};

const DATABASE: &str = "project.db";

const JOBS: usize = 60;

/// After how many jobs a child asks for a checkpoint, so that cuts come before, in and after some.
const CHECKPOINT: usize = 13;

/// The file in which a child acknowledges jobs: its writes are in the record, at their moment.
const ACKNOWLEDGED: &str = "acknowledged";

/// A part: creates jobs in their order, and acknowledges each.
fn create_in_order(stage: &Stage) -> TestResult {
    let folder = stage.argument(0);
    let folder = Path::new(&folder);
    let durability = match stage.argument(1).as_str() {
        "full" => Durability::Full,
        _ => Durability::Normal,
    };
    let mut acknowledged = std::fs::File::create(folder.join(ACKNOWLEDGED))?;
    let store = Options::new(folder.join(DATABASE)).durability(durability).open()?;
    for number in 0..JOBS {
        let key = name(number);
        store.create_job(&jobs::sample(&key).with_idempotency_key(&key))?;
        acknowledged.write_all(key.as_bytes())?;
        if number % CHECKPOINT == CHECKPOINT - 1 {
            store.checkpoint()?;
        }
    }
    store.close()?;
    Ok(())
}

fn name(number: usize) -> String {
    format!("job-{number:03}")
}

/// A part: upgrades a store, and acknowledges that.
fn upgrade(stage: &Stage) -> TestResult {
    let folder = stage.argument(0);
    let folder = Path::new(&folder);
    let store = Options::new(folder.join(DATABASE)).durability(Durability::Full).open()?;
    std::fs::write(folder.join(ACKNOWLEDGED), "upgraded")?;
    store.close()?;
    Ok(())
}

#[test]
fn child_process() -> TestResult {
    child::enter(&[("create in order", create_in_order), ("upgrade", upgrade)])
}

/// Everything that a child did to the disk in creating jobs.
fn record(durability: &str) -> TestResult<Vec<Step>> {
    let scratch = tempfile::tempdir()?;
    record_in(&scratch.path().canonicalize()?, "create in order", durability)
}

/// Everything that a part did to the disk in `folder`.
fn record_in(folder: &Path, part: &str, argument: &str) -> TestResult<Vec<Step>> {
    let shim = Shim::build()?;
    let scratch = tempfile::tempdir()?;
    let log = scratch.path().join("log");
    let folder_text = folder.to_str().ok_or("a temporary path is text")?;
    let variables = shim.recording(folder, &log);
    Child::begin_with(part, &[folder_text, argument], &variables)?.finish()?;
    read_log(&log, folder)
}

/// Files by their names.
type Files = BTreeMap<String, Vec<u8>>;

/// The files after a cut, and how much had been acknowledged.
fn cut(mut disk: Disk, steps: &[Step], random: &mut Random) -> (Files, usize) {
    let mut acknowledged = 0;
    for step in steps {
        match step {
            (name, Deed::Write(..)) if name == ACKNOWLEDGED => acknowledged += 1,
            // The index of the log is made anew, and the gate has nothing in it.
            (name, _) if name.ends_with("-shm") || name.contains("-gate") => {}
            step => disk.take(step),
        }
    }
    (disk.after_a_cut(random), acknowledged)
}

/// A folder with these files.
fn put_down(files: &Files) -> TestResult<TempDir> {
    let scratch = tempfile::tempdir()?;
    for (name, bytes) in files {
        std::fs::write(scratch.path().join(name), bytes)?;
    }
    Ok(scratch)
}

/// Opens what a cut left, and gives back how many jobs are there: the first ones, each once.
fn survivors(files: &Files) -> TestResult<usize> {
    let scratch = put_down(files)?;
    let store = Options::new(scratch.path().join(DATABASE)).open()?;
    let report = store.check(CheckDepth::Full)?;
    if !report.is_ok() {
        return Err(format!("{report:?}").into());
    }
    let found = jobs::names(&store)?;
    if !(0..found.len()).map(name).eq(found.iter().cloned()) {
        return Err(format!("these are not the first jobs: {found:?}").into());
    }
    // It goes on.
    store.create_job(&jobs::sample("after"))?;
    store.close()?;
    Ok(found.len())
}

/// Cuts the power at so many moments, and gives back how many jobs were acknowledged and how many
/// were there.
fn cut_again_and_again(steps: &[Step], seed: u64, times: u64) -> TestResult<Vec<(usize, usize)>> {
    let mut random = Random::seeded(seed);
    let mut outcomes = Vec::new();
    for round in 0..times {
        let moment = usize::try_from(random.below(1 + steps.len() as u64))?;
        let (files, acknowledged) = cut(Disk::default(), &steps[..moment], &mut random);
        let found = survivors(&files).map_err(|error| {
            format!("seed {seed}, round {round}, after {moment} of {}: {error}", steps.len())
        })?;
        outcomes.push((acknowledged, found));
    }
    Ok(outcomes)
}

#[test]
fn a_power_cut_keeps_every_acknowledged_job_in_full_durability() -> TestResult {
    let outcomes = cut_again_and_again(&record("full")?, 20_260_303, how_many(40)?)?;
    for (acknowledged, found) in outcomes {
        // One more may be on the disk, and its caller not yet know.
        let allowed = acknowledged..=acknowledged + 1;
        assert!(allowed.contains(&found), "{acknowledged} were acknowledged, {found} are there");
    }
    Ok(())
}

#[test]
fn a_power_cut_keeps_the_store_whole_in_normal_durability() -> TestResult {
    let outcomes = cut_again_and_again(&record("normal")?, 20_260_304, how_many(40)?)?;
    for (acknowledged, found) in &outcomes {
        // What was there before the last checkpoint was synced by it.
        let checked = acknowledged.saturating_sub(1) / CHECKPOINT * CHECKPOINT;
        let allowed = checked..=acknowledged + 1;
        assert!(allowed.contains(found), "{acknowledged} were acknowledged, {found} are there");
    }
    // So that full durability promises something.
    assert!(outcomes.iter().any(|(acknowledged, found)| found < acknowledged), "{outcomes:?}");
    Ok(())
}

#[test]
fn a_power_cut_in_an_upgrade_leaves_the_old_store_or_the_new_one() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let folder = scratch.path().canonicalize()?;
    let path = folder.join(DATABASE);
    population::create(&path, 1)?;
    let before = Disk::with(DATABASE, std::fs::read(&path)?);
    let old = Contents::at(&path)?;
    let mut steps = record_in(&folder, "upgrade", "")?;
    // The copy's new name is not in the record: rustix asks the kernel for it, past libc. It came
    // after the last step under the old name.
    let is_of_the_copy = |(name, _): &Step| name.contains(".unfinished");
    let last = steps.iter().rposition(is_of_the_copy).ok_or("there was a copy")?;
    let renamed = (steps[last].0.clone(), Deed::Rename("project.db.v1.backup".to_owned()));
    assert_eq!(steps[last].1, Deed::Sync, "it is brought to the disk before it gets its name");
    steps.insert(last + 1, renamed);
    let new = Contents::at(&path)?;

    let mut random = Random::seeded(20_260_306);
    let mut outcomes = BTreeMap::new();
    for round in 0..how_many(40)? {
        let moment = usize::try_from(random.below(1 + steps.len() as u64))?;
        let (files, acknowledged) = cut(before.clone(), &steps[..moment], &mut random);
        let scratch = put_down(&files)?;
        let path = scratch.path().join(DATABASE);
        let found = Contents::at(&path)?;
        let upgraded = found == new;
        assert!(upgraded || (found == old && acknowledged == 0), "round {round}, after {moment}");
        // What has the name of a backup is one.
        let backups = files.keys().filter(|name| name.ends_with(".backup")).count();
        for name in files.keys().filter(|name| name.ends_with(".backup")) {
            assert_eq!(Contents::at(&scratch.path().join(name))?, old, "round {round}: {name}");
        }
        let store = Options::new(&path).open()?;
        let report = store.check(CheckDepth::Full)?;
        assert!(report.is_ok(), "round {round}, after {moment}: {report:?}");
        store.close()?;
        assert_eq!(Contents::at(&path)?, new, "round {round}, after {moment}");
        *outcomes.entry((backups, upgraded)).or_insert(0) += 1;
    }
    // Before the copy, between copy and upgrade, and after both.
    let seen: Vec<_> = outcomes.into_keys().collect();
    assert_eq!(seen, [(0, false), (1, false), (1, true)]);
    Ok(())
}

#[test]
fn a_disk_that_forgets_a_synced_write_is_seen() -> TestResult {
    let steps = record("full")?;
    let acknowledgements = steps.iter().enumerate().filter(|(_, (name, _))| name == ACKNOWLEDGED);
    let (moment, _) = acknowledgements.take(CHECKPOINT - 1).last().ok_or("it acknowledged some")?;
    let mut steps = steps[..=moment].to_vec();
    let mut random = Random::seeded(20_260_305);
    let (files, acknowledged) = cut(Disk::default(), &steps, &mut random);
    assert_eq!((acknowledged, survivors(&files)?), (CHECKPOINT - 1, CHECKPOINT - 1));

    let is_in_the_log =
        |(name, deed): &Step| name == "project.db-wal" && matches!(deed, Deed::Write(..));
    let last = steps.iter().rposition(is_in_the_log).ok_or("it wrote to its log")?;
    steps.remove(last);
    let (files, acknowledged) = cut(Disk::default(), &steps, &mut random);
    assert_eq!((acknowledged, survivors(&files)?), (CHECKPOINT - 1, CHECKPOINT - 2));
    Ok(())
}
