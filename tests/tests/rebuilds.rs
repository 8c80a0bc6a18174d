//! A migration that rebuilds a table keeps the rows that refer to it: the fence around foreign keys.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};

use schema::migrations::{MigrationSet, embedded};
use store_core::{Store, prelude::*};
use store_sqlite::{CheckDepth, OpenError, Options};
use tests::raw::{self, Contents};
use tests::rebuild::rebuild_of;
use tests::{TestResult, population};

fn populated() -> TestResult<(tempfile::TempDir, PathBuf)> {
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("project.db");
    population::create(&path, embedded().newest())?;
    Ok((scratch, path))
}

fn with_one_more(sql: &str) -> TestResult<MigrationSet> {
    Ok(embedded().with(embedded().newest() + 1, "one_more", sql)?)
}

fn rebuilding(path: &Path, table: &str) -> TestResult<MigrationSet> {
    with_one_more(&rebuild_of(&raw::connect(path)?, table)?)
}

#[test]
fn a_rebuilt_table_keeps_its_rows_and_those_that_refer_to_it() -> TestResult {
    for table in ["jobs", "clusters", "job_inputs"] {
        let (_scratch, path) = populated()?;
        let before = Contents::at(&path)?;
        let set = rebuilding(&path, table)?;
        let store = Options::new(&path).migrations(set.clone()).open()?;
        assert!(store.check(CheckDepth::Full)?.is_ok(), "{:?}", store.check(CheckDepth::Full)?);
        store.close()?;

        let after = Contents::at(&path)?;
        assert_eq!(after.rows, before.rows, "{table}");
        assert_eq!(after.structure.differences(&before.structure), [], "{table}");
        assert_eq!(after.versions(), set.versions().collect::<Vec<_>>());
        assert_eq!(raw::problems(&raw::connect(&path)?)?, [""; 0]);
    }
    Ok(())
}

#[test]
fn without_the_fence_the_same_statements_lose_the_children() -> TestResult {
    let (_scratch, path) = populated()?;
    let connection = raw::connect(&path)?;
    let rebuild = format!("BEGIN; {}; COMMIT", rebuild_of(&connection, "jobs")?);
    // Edges refuse the deletion of a job, so with them the statements fail instead.
    assert!(connection.execute_batch(&rebuild).is_err(), "the edges were to be in the way");
    connection.execute_batch("ROLLBACK; DELETE FROM job_dependencies")?;

    let before = Contents::of(&connection)?;
    connection.execute_batch(&rebuild)?;
    let lost = raw::lost(&before.rows, &Contents::of(&connection)?.rows);
    for table in ["job_inputs", "job_input_files", "remote_jobs", "job_results", "job_events"] {
        assert!(lost.iter().any(|row| row.starts_with(&format!("{table}:"))), "{table}: {lost:?}");
    }
    // Nothing but the missing rows would tell.
    assert_eq!(raw::problems(&connection)?, [""; 0]);
    Ok(())
}

#[test]
fn foreign_keys_are_on_again_on_every_connection() -> TestResult {
    let (_scratch, path) = populated()?;
    let set = rebuilding(&path, "jobs")?;
    let store = Options::new(&path).migrations(set).readers(3).open()?;
    let writer = store.stats()?.writer_settings.ok_or("the writer is idle")?;
    assert_eq!(writer["foreign_keys"], 1);
    // While others hold a reader each, the next look is through another connection.
    for held in 0..3 {
        let (taken, done) = (Arc::new(Barrier::new(held + 1)), Arc::new(Barrier::new(held + 1)));
        std::thread::scope(|scope| -> TestResult {
            for _ in 0..held {
                let (store, taken, done) = (store.clone(), taken.clone(), done.clone());
                scope.spawn(move || {
                    let held = store.read(|r| {
                        r.counts_by_status()?;
                        taken.wait();
                        done.wait();
                        Ok(())
                    });
                    held.expect("a reader is free");
                });
            }
            taken.wait();
            let stats = store.stats();
            done.wait();
            assert_eq!(stats?.reader_settings["foreign_keys"], 1, "with {held} held");
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn a_migration_that_breaks_references_is_refused_and_rolled_back() -> TestResult {
    let (scratch, path) = populated()?;
    let before = Contents::at(&path)?;
    let breaking = with_one_more("DELETE FROM jobs WHERE id = 3;")?;
    match Options::new(&path).migrations(breaking).open() {
        Err(OpenError::ForeignKeys { violations, .. }) => {
            assert!(violations.contains("row of jobs"), "{violations}");
        }
        other => panic!("it was to be refused for its references: {other:?}"),
    }
    assert_eq!(Contents::at(&path)?, before);
    let files = raw::files_in(scratch.path())?;
    assert!(!files.iter().any(|name| name.contains("backup")), "{files:?}");
    Options::new(&path).open()?.close()?;
    Ok(())
}
