//! What the tests of this crate share.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::path::{Path, PathBuf};

use store_core::{Code, InputDeck, NewJob, Placement, WorkDir};
use store_sqlite::{Options, SqliteStore};
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
