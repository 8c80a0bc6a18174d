//! What one store on a file sees of another one, which files there are, and that readers wait for nobody.

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use store_core::{Error, JobFilter, JobStatus, Page, StatusChange, Store, prelude::*};
use store_sqlite::{Options, SqliteStore};
use tests::{TestResult, jobs, raw};

/// When something that should have been said is given up as hung.
const HUNG: Duration = Duration::from_secs(20);

fn opened() -> TestResult<(tempfile::TempDir, PathBuf, SqliteStore)> {
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("project.db");
    let store = Options::new(&path).open()?;
    Ok((scratch, path, store))
}

/// A unit of work that has created a job and stands still.
struct OpenUnit {
    end: mpsc::Sender<bool>,
    thread: thread::JoinHandle<store_core::Result<()>>,
}

impl OpenUnit {
    fn begin(store: &SqliteStore) -> TestResult<Self> {
        let store = store.clone();
        let (end, told_to_end) = mpsc::channel();
        let (say, said) = mpsc::channel();
        let thread = thread::spawn(move || {
            store.write(move |w| {
                let job = w.create_job(&jobs::sample("unseen"))?;
                w.change_status(job.id, &StatusChange::to(JobStatus::Running))?;
                let told = say.send(w.counts_by_status()?.total());
                told.map_err(Error::aborted)?;
                match told_to_end.recv_timeout(HUNG) {
                    Ok(true) => Ok(()),
                    _ => Err(Error::aborted("told to give up")),
                }
            })
        });
        assert_eq!(said.recv_timeout(HUNG)?, 1, "the unit sees its own work");
        Ok(Self { end, thread })
    }

    fn end(self, commit: bool) -> TestResult<store_core::Result<()>> {
        self.end.send(commit)?;
        self.thread.join().map_err(|_| "the unit does not panic".into())
    }
}

/// Everything that a reader sees, as the number of jobs by every way to look; `None` where they differ.
fn jobs_seen(store: &SqliteStore) -> TestResult<Option<u64>> {
    let listed = store.jobs(&JobFilter::all(), Page::first(10)?)?.jobs.len() as u64;
    let counted = store.counts_by_status()?.total();
    let there = store.statuses(&[store_core::JobId::new(1)])?.len() as u64;
    let events = store.events_after(store_core::EventSequence::START, 10)?.len() as u64;
    let same = listed == counted && counted == there && events == 2 * counted;
    Ok(same.then_some(counted))
}

#[test]
fn uncommitted_work_is_seen_by_nobody_else_and_all_of_it_after_the_commit() -> TestResult {
    let (_scratch, path, store) = opened()?;
    let other = Options::new(&path).open()?;
    let unit = OpenUnit::begin(&store)?;
    assert_eq!(jobs_seen(&other)?, Some(0), "by another store");
    assert_eq!(jobs_seen(&store)?, Some(0), "by another connection of the same store");
    unit.end(true)??;
    assert_eq!(jobs_seen(&other)?, Some(1));
    assert_eq!(jobs_seen(&store)?, Some(1));
    Ok(())
}

#[test]
fn work_that_was_given_up_is_never_seen() -> TestResult {
    let (_scratch, path, store) = opened()?;
    let other = Options::new(&path).open()?;
    let unit = OpenUnit::begin(&store)?;
    let refused = unit.end(false)?;
    assert!(matches!(refused, Err(Error::Aborted(_))), "{refused:?}");
    assert_eq!(jobs_seen(&other)?, Some(0));
    assert_eq!(jobs_seen(&store)?, Some(0));
    Ok(())
}

#[test]
fn a_read_unit_sees_one_moment_whatever_is_committed_meanwhile() -> TestResult {
    let (_scratch, path, store) = opened()?;
    let other = Options::new(&path).open()?;
    store.create_job(&jobs::sample("before"))?;
    let seen = other.read(|r| {
        let first = r.counts_by_status()?.total();
        // Another connection's commit, while this snapshot is held.
        store.create_job(&jobs::sample("meanwhile"))?;
        Ok((first, r.counts_by_status()?.total(), r.jobs(&JobFilter::all(), Page::first(9)?)?))
    })?;
    assert_eq!((seen.0, seen.1, seen.2.jobs.len()), (1, 1, 1));
    assert_eq!(other.counts_by_status()?.total(), 2);
    Ok(())
}

/// A reader that waited for the writer would never end, because the writer ends after it.
#[test]
fn readers_do_not_wait_for_a_unit_of_work_that_is_open_in_another_thread() -> TestResult {
    let (_scratch, path, store) = opened()?;
    let other = Options::new(&path).open()?;
    let unit = OpenUnit::begin(&store)?;
    for reader in [&store, &other] {
        for _ in 0..20 {
            assert_eq!(jobs_seen(reader)?, Some(0));
        }
        assert_eq!(reader.stats()?.journal_mode, "wal");
    }
    // Nor does one that comes to the file only now.
    let late = Options::new(&path).read_only(true).open()?;
    assert_eq!(jobs_seen(&late)?, Some(0));
    unit.end(true)??;
    assert_eq!(jobs_seen(&late)?, Some(1));
    Ok(())
}

/// The control: a writer does wait, and is told so, in the same place.
#[test]
fn a_writer_does_wait_for_a_unit_of_work_that_is_open() -> TestResult {
    let (_scratch, path, store) = opened()?;
    let other = Options::new(&path).deadline(Duration::from_millis(100));
    // Opened before the unit begins, because opening takes the gate too.
    let other = other.open()?;
    let unit = OpenUnit::begin(&store)?;
    let refused = other.create_job(&jobs::sample("waits"));
    assert!(matches!(refused, Err(Error::Contended { .. })), "{refused:?}");
    unit.end(true)??;
    other.create_job(&jobs::sample("waits"))?;
    Ok(())
}

#[test]
fn the_log_comes_with_the_first_write_and_every_file_is_private() -> TestResult {
    let (scratch, path, store) = opened()?;
    store.checkpoint()?;
    let log = raw::beside(&path, "-wal");
    let bytes = || std::fs::metadata(&log).map_or(0, |found| found.len());
    assert_eq!((bytes(), store.stats()?.wal_bytes), (0, 0), "nothing was written yet");
    store.create_job(&jobs::sample("first"))?;
    assert!(bytes() > 0);
    assert_eq!(store.stats()?.wal_bytes, bytes());
    assert_eq!(store.stats()?.journal_mode, "wal");

    let files = raw::files_in(scratch.path())?;
    let expected = [
        "project.db",
        "project.db-gate",
        "project.db-gate-queue",
        "project.db-shm",
        "project.db-wal",
    ];
    assert_eq!(files, expected);
    for name in files {
        assert_eq!(raw::mode(&scratch.path().join(&name))?, 0o600, "{name}");
    }
    store.close()?;
    let files = raw::files_in(scratch.path())?;
    assert_eq!(files, expected[..3], "the last one to close takes the log away");
    Ok(())
}

/// The control: without the store, SQLite makes files as the umask says.
#[test]
fn a_file_that_others_may_read_is_seen() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("plain.db");
    raw::create(&path, &schema::migrations::embedded())?;
    assert_ne!(raw::mode(&path)?, 0o600);
    Ok(())
}

#[test]
fn the_settings_are_the_same_on_both_kinds_of_connections() -> TestResult {
    let (_scratch, _path, store) = opened()?;
    let stats = store.stats()?;
    let writer = stats.writer_settings.ok_or("the writer is idle")?;
    for (name, value) in [
        ("busy_timeout", 5000),
        ("synchronous", 1),
        ("foreign_keys", 1),
        // The store's own thread does it, after as many pages as the option says.
        ("wal_autocheckpoint", 0),
    ] {
        assert_eq!((stats.reader_settings[name], writer[name]), (value, value), "{name}");
    }
    assert_eq!((stats.reader_settings["query_only"], writer["query_only"]), (1, 0));
    Ok(())
}
