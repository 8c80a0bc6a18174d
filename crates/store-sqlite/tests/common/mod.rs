//! What the tests of this crate share.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;

use store_core::{
    Clock, Code, InputDeck, JobFilter, ManualClock, NewJob, Page, Placement, Timestamp, WorkDir,
};
use store_sqlite::{Options, SqliteStore, prelude::*};
use tempfile::TempDir;

/// What a test answers.
pub type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A directory of the test's own, and the path of a store in it.
pub fn scratch() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory for temporary files");
    let path = directory.path().join("project.db");
    (directory, path)
}

/// Opens the store with the defaults.
pub fn open(path: &Path) -> SqliteStore {
    Options::new(path).open().expect("a store that can be opened")
}

/// Opens a store whose clock the test moves.
pub fn open_with_clock(options: Options) -> (SqliteStore, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_micros(1_700_000_000_000_000)));
    let options = options.clock(Arc::clone(&clock) as Arc<dyn Clock>);
    (options.open().expect("a store that can be opened"), clock)
}

/// A connection that goes around the store, as another program's would.
#[expect(clippy::disallowed_methods, reason = "it stands for another program")]
pub fn another_program(path: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(path).expect("a file that SQLite can open")
}

/// A job in a directory of its own.
pub fn job(name: &str) -> NewJob {
    let base = WorkDir::new("/scratch").expect("absolute");
    let deck = InputDeck::file("input.d12", "MgO bulk\nCRYSTAL\n").expect("a deck");
    NewJob::new(name, Code::Crystal, Placement::Under(base)).with_input(deck)
}

/// The names of all jobs, in the order in which they were created.
pub fn names(store: &SqliteStore) -> store_core::Result<Vec<String>> {
    let page = store.jobs(&JobFilter::all(), Page::first(1000)?)?;
    Ok(page.jobs.into_iter().rev().map(|job| job.name).collect())
}

/// Holds the lead with one write while `meanwhile` queues others, and then lets them all go.
pub fn while_one_writes(store: &SqliteStore, meanwhile: impl FnOnce()) {
    let (go_on, wait) = mpsc::channel::<()>();
    let (begun, beginning) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let first = store.write(move |unit| {
                begun.send(()).expect("listened to");
                // Only a test may wait here: everybody else waits with it.
                let _told = wait.recv();
                unit.create_job(&job("first"))
            });
            first.expect("written");
        });
        beginning.recv().expect("begun");
        meanwhile();
        drop(go_on);
    });
}
