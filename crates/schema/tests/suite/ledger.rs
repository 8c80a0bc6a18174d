//! The ledger is believed only as far as refinery could have written it.

use schema::Error;
use schema::ledger::{LedgerState, compare, read};

use crate::{TestResult, empty, first_three, migrated};

#[test]
fn a_database_without_a_ledger_has_applied_nothing() -> TestResult {
    let connection = empty()?;
    assert_eq!(read(&connection)?, []);
    assert_eq!(compare(&[], &first_three()), LedgerState::Pending(vec![1, 2, 3]));
    assert_eq!(compare(&[], &first_three().up_to(0)), LedgerState::UpToDate);
    Ok(())
}

#[test]
fn what_was_applied_is_read_back() -> TestResult {
    let set = first_three();
    let rows = read(&migrated(&set)?)?;
    let found: Vec<_> = rows.iter().map(|row| (row.version, &*row.name, row.checksum)).collect();
    let known: Vec<_> = set.iter().map(|one| (one.version(), one.name(), one.checksum())).collect();
    assert_eq!(found, known);
    assert_eq!(compare(&rows, &set), LedgerState::UpToDate);
    Ok(())
}

#[test]
fn each_state_is_told_apart() -> TestResult {
    let set = first_three();
    let rows = read(&migrated(&set)?)?;
    assert_eq!(compare(&rows[..1], &set), LedgerState::Pending(vec![2, 3]));
    assert_eq!(compare(&rows, &set.up_to(2)), LedgerState::Newer { newest: 3 });
    let with_gap = [rows[0].clone(), rows[2].clone()];
    assert_eq!(compare(&with_gap, &set), LedgerState::Gap { version: 2 });
    assert_eq!(compare(&rows[1..], &set), LedgerState::Gap { version: 1 });

    let mut renamed = rows.clone();
    renamed[1].name = "other".to_owned();
    let mut changed = rows.clone();
    changed[1].checksum += 1;
    for diverged in [renamed, changed] {
        for set in [&set, &set.up_to(2)] {
            let state = compare(&diverged, set);
            assert!(matches!(state, LedgerState::Diverged { version: 2, .. }), "{state:?}");
        }
        // What this program does not know, it cannot call different.
        assert_eq!(compare(&diverged, &set.up_to(1)), LedgerState::Newer { newest: 3 });
    }
    Ok(())
}

#[test]
fn a_damaged_row_is_an_error_and_no_panic() -> TestResult {
    let set = first_three();
    for (damage, told) in [
        ("version = NULL", "version"),
        ("version = 'two'", "version"),
        ("version = 2.5", "version"),
        ("version = 0", "version"),
        ("version = -1", "version"),
        ("version = 4294967298", "version"),
        ("name = NULL", "name"),
        ("name = ''", "name"),
        ("name = x'6a6f6273'", "name"),
        ("name = CAST(x'ff' AS TEXT)", "name"),
        ("applied_on = NULL", "applied_on"),
        ("applied_on = 'yesterday'", "applied_on"),
        ("applied_on = '2026-02-30T00:00:00Z'", "applied_on"),
        ("checksum = NULL", "checksum"),
        ("checksum = ''", "checksum"),
        ("checksum = '-1'", "checksum"),
        ("checksum = '18446744073709551616'", "checksum"),
        ("checksum = x'31'", "checksum"),
    ] {
        let connection = migrated(&set)?;
        connection.execute(
            &format!("UPDATE refinery_schema_history SET {damage} WHERE version = 2"),
            [],
        )?;
        let Err(Error::DamagedLedger { fault }) = read(&connection) else {
            return Err(format!("{damage} was not seen").into());
        };
        assert!(fault.contains(told), "{damage}: {fault}");
    }
    Ok(())
}

#[test]
fn a_ledger_of_another_shape_is_an_error() -> TestResult {
    for (shape, told) in [
        ("CREATE VIEW refinery_schema_history AS SELECT 1", "view"),
        ("CREATE TABLE refinery_schema_history (version, name, applied_on)", "checksum"),
        (
            "CREATE TABLE Refinery_Schema_History (version, name, applied_on, checksum);
             INSERT INTO refinery_schema_history VALUES
                (1, 'jobs', '2026-01-01T00:00:00Z', '1'), (1, 'jobs', '2026-01-01T00:00:00Z', '1')",
            "twice",
        ),
    ] {
        let connection = empty()?;
        connection.execute_batch(shape)?;
        let Err(Error::DamagedLedger { fault }) = read(&connection) else {
            return Err(format!("{shape} was not seen").into());
        };
        assert!(fault.contains(told), "{shape}: {fault}");
    }
    Ok(())
}
