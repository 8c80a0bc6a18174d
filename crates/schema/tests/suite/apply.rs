//! All migrations of an upgrade land together, or not at all.

use rusqlite::{Connection, ffi};
use schema::inspect::{Structure, foreign_key_violations};
use schema::migrations::embedded;
use schema::{APPLICATION_ID, Applied, Error, ForeignKeysOff, data, ledger};

use crate::{TestResult, empty, first_three, migrate, migrated};

/// Foreign keys can only be turned off before.
const BEGIN: &str = "PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE";

fn pragma(connection: &Connection, name: &str) -> TestResult<i32> {
    Ok(connection.pragma_query_value(None, name, |row| row.get(0))?)
}

#[test]
fn a_fresh_database_gets_everything_and_is_stamped() -> TestResult {
    let connection = empty()?;
    let set = embedded();
    connection.execute_batch(BEGIN)?;
    let applied = schema::apply(&connection, &set)?;
    assert!(!connection.is_autocommit(), "the transaction stays the caller's");
    connection.execute_batch("COMMIT")?;
    let versions: Vec<i32> = applied.iter().map(|one: &Applied| one.version).collect();
    assert_eq!(versions, set.versions().collect::<Vec<_>>());
    assert_eq!(applied[0].name, "jobs");
    assert_eq!(pragma(&connection, "application_id")?, APPLICATION_ID);
    assert_eq!(APPLICATION_ID.to_be_bytes(), *b"CRYS");
    assert_eq!(pragma(&connection, "user_version")?, set.newest());
    assert_eq!(foreign_key_violations(&connection)?, []);
    Ok(())
}

#[test]
fn a_rolled_back_upgrade_leaves_nothing() -> TestResult {
    let connection = empty()?;
    connection.execute_batch(BEGIN)?;
    schema::apply(&connection, &embedded())?;
    connection.execute_batch("ROLLBACK")?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    assert_eq!(tables, 0);
    assert_eq!(pragma(&connection, "application_id")?, 0);
    assert_eq!(pragma(&connection, "user_version")?, 0);
    Ok(())
}

#[test]
fn an_upgrade_in_steps_equals_a_fresh_database() -> TestResult {
    let set = embedded();
    let fresh = migrated(&set)?;
    for from in 0..=set.newest() {
        let stepped = migrated(&set.up_to(from))?;
        for to in from + 1..=set.newest() {
            migrate(&stepped, &set.up_to(to))?;
            assert_eq!(pragma(&stepped, "user_version")?, to);
        }
        let differences = Structure::of(&stepped)?.differences(&Structure::of(&fresh)?);
        assert_eq!(differences, [], "from version {from}");
        assert_eq!(data::rows(&stepped)?, data::rows(&fresh)?, "from version {from}");
    }
    Ok(())
}

#[test]
fn applying_again_changes_nothing() -> TestResult {
    let connection = migrated(&embedded())?;
    let before = connection.total_changes();
    connection.execute_batch("BEGIN")?;
    assert_eq!(schema::apply(&connection, &embedded())?, []);
    assert_eq!(connection.transaction_state::<&str>(None)?, rusqlite::TransactionState::Read);
    connection.execute_batch("COMMIT")?;
    assert_eq!(connection.total_changes(), before);
    Ok(())
}

#[test]
fn without_a_transaction_it_refuses() -> TestResult {
    let connection = empty()?;
    let refused = schema::apply(&connection, &embedded());
    assert!(matches!(refused, Err(Error::NoTransaction)), "{refused:?}");
    assert_eq!(ledger::read(&connection)?, []);
    Ok(())
}

#[test]
fn with_foreign_keys_on_it_refuses() -> TestResult {
    let connection = migrated(&embedded().up_to(8))?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let refused = schema::apply(&connection, &embedded());
    assert!(matches!(refused, Err(Error::ForeignKeysOn)), "{refused:?}");
    // Inside a transaction SQLite ignores the setting, and says nothing.
    let ignored = ForeignKeysOff::put_up(&connection).map(|_fence| ());
    assert!(matches!(ignored, Err(Error::ForeignKeysOn)), "{ignored:?}");
    connection.execute_batch("COMMIT")?;
    assert_eq!(pragma(&connection, "user_version")?, 8);
    Ok(())
}

#[test]
fn the_fence_leaves_foreign_keys_as_they_were() -> TestResult {
    let connection = empty()?;
    for on in [0, 1] {
        connection.pragma_update(None, "foreign_keys", on)?;
        let fence = ForeignKeysOff::put_up(&connection)?;
        assert_eq!(pragma(&connection, "foreign_keys")?, 0);
        drop(fence);
        assert_eq!(pragma(&connection, "foreign_keys")?, on);
    }
    Ok(())
}

#[test]
fn rows_that_refer_to_nothing_undo_a_migration() -> TestResult {
    let set = embedded();
    let connection = migrated(&set)?;
    let orphan =
        "INSERT INTO job_tags (job_id, key, value, created_at) VALUES (7, 'owner', 'Ada', 1);";
    let refused = schema::migrate(&connection, &set.with(set.newest() + 1, "orphan", orphan)?);
    assert!(matches!(&refused, Err(Error::ForeignKeys(found)) if found.len() == 1), "{refused:?}");
    assert!(connection.is_autocommit());
    assert_eq!(pragma(&connection, "user_version")?, set.newest());
    assert!(data::rows(&connection)?["job_tags"].is_empty());
    Ok(())
}

#[test]
fn a_failure_names_its_migration_and_keeps_sqlites_error() -> TestResult {
    let set = embedded();
    let next = set.newest() + 1;
    let connection = migrated(&set.up_to(1))?;
    let before = (Structure::of(&connection)?, ledger::read(&connection)?);
    let broken = set
        .with(
            next,
            "narrow",
            "CREATE TABLE extra (a TEXT) STRICT; INSERT INTO job_counts VALUES (2, '', 0);",
        )?
        .with(next + 1, "never_reached", "SELECT 1;")?;
    connection.execute_batch(BEGIN)?;
    let failed = schema::apply(&connection, &broken).expect_err("the check refuses the row");
    connection.execute_batch("ROLLBACK")?;
    assert!(failed.to_string().contains(&format!("V{next}__narrow")), "{failed}");
    let code = failed.sqlite().and_then(rusqlite::Error::sqlite_error).map(|one| one.extended_code);
    assert_eq!(code, Some(ffi::SQLITE_CONSTRAINT_CHECK));
    let source = std::error::Error::source(&failed).and_then(|one| one.downcast_ref());
    assert!(matches!(source, Some(rusqlite::Error::SqliteFailure(..))), "{source:?}");
    assert_eq!((Structure::of(&connection)?, ledger::read(&connection)?), before);
    assert_eq!(pragma(&connection, "user_version")?, 1);
    Ok(())
}

#[test]
fn a_full_disk_is_told_as_such() -> TestResult {
    let connection = empty()?;
    connection.pragma_update(None, "max_page_count", 8)?;
    connection.execute_batch(BEGIN)?;
    let failed = schema::apply(&connection, &embedded()).expect_err("eight pages are too few");
    let code = failed.sqlite().and_then(rusqlite::Error::sqlite_error_code);
    assert_eq!(code, Some(rusqlite::ErrorCode::DiskFull), "{failed}");
    Ok(())
}

#[test]
fn a_migration_that_ends_the_transaction_is_named() -> TestResult {
    let set = embedded();
    let next = set.newest() + 1;
    for statement in ["COMMIT;", "END;", "ROLLBACK;"] {
        let connection = migrated(&set)?;
        connection.execute_batch(BEGIN)?;
        let failed = schema::apply(&connection, &set.with(next, "too_far", statement)?);
        let Err(Error::TransactionEnded { version, name }) = failed else {
            return Err(format!("{statement}: {failed:?}").into());
        };
        assert_eq!((version, name.as_str()), (next, "too_far"));
    }
    Ok(())
}

#[test]
fn a_stamp_that_was_lost_is_renewed() -> TestResult {
    let set = embedded();
    let connection = migrated(&set)?;
    connection.pragma_update(None, "user_version", 1)?;
    migrate(&connection, &set)?;
    assert_eq!(pragma(&connection, "user_version")?, set.newest());
    Ok(())
}

#[test]
fn a_database_that_does_not_fit_is_refused_before_a_change() -> TestResult {
    let set = first_three();
    let newer = migrated(&set)?;
    newer.execute_batch(BEGIN)?;
    let refused = schema::apply(&newer, &set.up_to(1));
    assert!(matches!(refused, Err(Error::Newer { newest: 3, known: 1 })), "{refused:?}");

    let diverged = migrated(&set)?;
    diverged.execute("UPDATE refinery_schema_history SET checksum = '1' WHERE version = 2", [])?;
    diverged.execute_batch(BEGIN)?;
    let refused = schema::apply(&diverged, &set);
    assert!(matches!(refused, Err(Error::Diverged { version: 2, .. })), "{refused:?}");

    let gap = migrated(&set)?;
    gap.execute("DELETE FROM refinery_schema_history WHERE version = 2", [])?;
    gap.execute_batch(BEGIN)?;
    let refused = schema::apply(&gap, &set);
    assert!(matches!(refused, Err(Error::Gap { version: 2 })), "{refused:?}");

    let damaged = migrated(&set)?;
    damaged.execute("UPDATE refinery_schema_history SET applied_on = 'then'", [])?;
    damaged.execute_batch(BEGIN)?;
    let refused = schema::apply(&damaged, &set);
    assert!(matches!(refused, Err(Error::DamagedLedger { .. })), "{refused:?}");

    for connection in [newer, diverged, gap, damaged] {
        assert_eq!(connection.transaction_state::<&str>(None)?, rusqlite::TransactionState::Write);
        connection.execute_batch("ROLLBACK")?;
        assert_eq!(pragma(&connection, "user_version")?, set.newest());
    }
    Ok(())
}

#[test]
fn rows_that_refer_to_nothing_are_found() -> TestResult {
    let connection = migrated(&embedded())?;
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.execute_batch(
        "INSERT INTO job_inputs VALUES (7, zeroblob(32), 0);
         INSERT INTO job_dependencies VALUES (1, 2, 'after_ok', 0);",
    )?;
    let mut found: Vec<String> =
        foreign_key_violations(&connection)?.iter().map(ToString::to_string).collect();
    found.sort();
    assert_eq!(
        found,
        [
            "a row of job_dependencies refers to a row of jobs that is not there",
            "a row of job_dependencies refers to a row of jobs that is not there",
            "row 7 of job_inputs refers to a row of jobs that is not there",
        ]
    );
    Ok(())
}
