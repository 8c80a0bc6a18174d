//! The promises of the traits, kept by SQLite.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use store_core::Clock;
use store_core::conformance::Fixture;
use store_sqlite::{Options, SqliteStore};
use tempfile::TempDir;

/// Stores in a directory of the test's own.
struct Sqlite(TempDir);

impl Sqlite {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory for temporary files"))
    }

    fn open(&self, name: &str, clock: Arc<dyn Clock>) -> SqliteStore {
        let options = Options::new(self.0.path().join(name)).clock(clock);
        options.open().expect("a store that can be opened")
    }
}

impl Fixture for Sqlite {
    type Store = SqliteStore;

    fn fresh(&self, clock: Arc<dyn Clock>) -> SqliteStore {
        let stores = std::fs::read_dir(self.0.path()).expect("its directory").count();
        self.open(&format!("project-{stores}.db"), clock)
    }

    fn reopen(&self, store: SqliteStore, clock: Arc<dyn Clock>) -> Option<SqliteStore> {
        let path = store.path().expect("it is open");
        store.close().expect("closed");
        Some(self.open(&path.file_name().expect("a name").to_string_lossy(), clock))
    }

    fn archive(&self, _: Arc<dyn Clock>) -> PathBuf {
        let place = tempfile::tempdir_in(self.0.path()).expect("a directory for it");
        place.keep().join("history.db")
    }

    fn open_archive(&self, archive: &Path, clock: Arc<dyn Clock>) -> SqliteStore {
        assert!(archive.exists(), "it was made");
        Options::new(archive).clock(clock).open().expect("a store that can be opened")
    }
}

store_core::conformance_tests!(Sqlite::new());
