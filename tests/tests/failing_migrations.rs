//! A migration that fails leaves the database as it was, and says which one failed.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use schema::migrations::{MigrationSet, embedded};
use schema::released;
use store_core::prelude::*;
use store_sqlite::{CheckDepth, OpenError, Options};
use tests::raw::{self, Contents};
use tests::{TestResult, jobs, population};

fn populated(version: i32) -> TestResult<(tempfile::TempDir, PathBuf)> {
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("project.db");
    population::create(&path, version)?;
    Ok((scratch, path))
}

/// The embedded migrations and these after them.
fn and(more: &[(&str, &str)]) -> TestResult<MigrationSet> {
    let mut set = embedded();
    for (name, sql) in more {
        set = set.with(set.newest() + 1, name, sql)?;
    }
    Ok(set)
}

/// A migration that changes rows and structure before its second statement fails.
const FAILING: (&str, &str) = (
    "failing",
    "UPDATE jobs SET name = 'changed'; INSERT INTO no_such_table VALUES (1); SELECT 1;",
);
const GOOD: (&str, &str) =
    ("good", "CREATE TABLE extra (a INTEGER) STRICT; UPDATE jobs SET priority = 1;");

/// The version and name of the migration that an opening failed at.
fn failed_at(error: &OpenError) -> Option<(i32, String)> {
    let OpenError::Migration { .. } = error else { return None };
    match error.source()?.downcast_ref::<schema::Error>()? {
        schema::Error::Migration { version, name, .. } => Some((*version, name.clone())),
        _ => None,
    }
}

/// Tries an opening that must fail in `set`, and looks at what it left.
fn refused(path: &Path, set: &MigrationSet, wanted: (i32, &str)) -> TestResult {
    let before = Contents::at(path)?;
    let bytes = fs::read(path)?;
    assert!(!raw::beside(path, "-wal").exists(), "there is nothing in a log to begin with");
    let error = Options::new(path).migrations(set.clone()).open().expect_err("it fails");
    assert_eq!(failed_at(&error), Some((wanted.0, wanted.1.to_owned())), "{error:?}");
    assert!(error.to_string().contains("rolled back"), "{error}");

    assert_eq!(Contents::at(path)?, before, "rows, structure, ledger");
    raw::connect(path)?.query_one("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    assert!(fs::read(path)? == bytes, "the bytes of the file changed");
    let directory = path.parent().ok_or("it is in a directory")?;
    let files = raw::files_in(directory)?;
    assert!(!files.iter().any(|name| name.contains("backup")), "a copy was left: {files:?}");
    Ok(())
}

#[test]
fn a_migration_that_fails_leaves_an_old_store_as_it_was() -> TestResult {
    for version in released::versions() {
        let (_scratch, path) = populated(version)?;
        let next = embedded().newest() + 1;
        refused(&path, &and(&[FAILING])?, (next, "failing"))?;
        refused(&path, &and(&[GOOD, FAILING])?, (next + 1, "failing"))?;
        // Again and again, as a user would try.
        refused(&path, &and(&[GOOD, FAILING])?, (next + 1, "failing"))?;
    }
    Ok(())
}

#[test]
fn after_a_failed_upgrade_the_next_one_with_good_migrations_succeeds() -> TestResult {
    for version in released::versions() {
        let (_scratch, path) = populated(version)?;
        let next = embedded().newest() + 1;
        refused(&path, &and(&[FAILING])?, (next, "failing"))?;
        let set = and(&[GOOD])?;
        let store = Options::new(&path).migrations(set.clone()).open()?;
        assert!(store.check(CheckDepth::Full)?.is_ok());
        assert_eq!(store.stats()?.reader_settings["foreign_keys"], 1);
        let writer = store.stats()?.writer_settings.ok_or("the writer is idle")?;
        assert_eq!(writer["foreign_keys"], 1);
        store.create_job(&jobs::sample("new"))?;
        store.close()?;
        let after = Contents::at(&path)?;
        assert_eq!(after.versions(), set.versions().collect::<Vec<_>>());
        assert_eq!(after.rows["extra"], [""; 0]);
    }
    Ok(())
}

#[test]
fn a_new_store_whose_migration_fails_can_be_opened_later() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("project.db");
    let set = and(&[FAILING])?;
    let error = Options::new(&path).migrations(set).open().expect_err("it fails");
    assert_eq!(failed_at(&error).map(|(version, _)| version), Some(embedded().newest() + 1));
    let store = Options::new(&path).open()?;
    assert!(store.check(CheckDepth::Full)?.is_ok());
    Ok(())
}

#[test]
fn a_change_that_is_not_rolled_back_is_seen() -> TestResult {
    let (_scratch, path) = populated(1)?;
    let (before, bytes) = (Contents::at(&path)?, fs::read(&path)?);
    let connection = raw::connect(&path)?;
    // What a migration outside a transaction would have done.
    let failed = connection.execute_batch(FAILING.1);
    assert!(failed.is_err());
    raw::close(connection)?;
    assert_ne!(Contents::at(&path)?, before);
    assert!(fs::read(&path)? != bytes);
    Ok(())
}
