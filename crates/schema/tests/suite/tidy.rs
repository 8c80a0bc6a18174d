//! Migrations say nothing that they must not say; each guard has a control.

use std::collections::BTreeSet;
use std::path::Path;

use schema::inspect::Structure;
use schema::migrations::{MigrationSet, embedded};
use schema::tidy::{self, Fault};

use crate::{TestResult, migrated};

fn faults_of(sql: &str) -> TestResult<Vec<Fault>> {
    let set = embedded();
    Ok(tidy::faults(&set.with(set.newest() + 1, "planted", sql)?))
}

/// The files of the folder that are not exactly the migrations that were embedded. Refinery passes
/// over a file whose name it does not understand without a word.
fn strays(folder: &Path, set: &MigrationSet) -> TestResult<BTreeSet<String>> {
    let known: BTreeSet<String> = set.names().map(|name| format!("{name}.sql")).collect();
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder)? {
        found.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    Ok(known.symmetric_difference(&found).cloned().collect())
}

#[test]
fn the_migrations_have_no_fault() {
    assert_eq!(tidy::faults(&embedded()), []);
}

#[test]
fn a_statement_that_would_end_the_transaction_is_seen() -> TestResult {
    for statement in [
        "PRAGMA foreign_keys = OFF",
        "begin immediate",
        "COMMIT",
        "END TRANSACTION",
        "rollback",
        "SAVEPOINT a",
        "RELEASE a",
        "VACUUM",
        "ATTACH 'other.db' AS other",
        "DETACH other",
    ] {
        let first = statement.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        for sql in [
            format!("{statement};"),
            format!("SELECT 1; -- a comment\n/* another */ {statement}"),
            format!("CREATE TRIGGER a AFTER INSERT ON jobs BEGIN SELECT 1; END; {statement};"),
        ] {
            let faults = faults_of(&sql)?;
            assert!(
                matches!(&faults[..], [Fault::Control { statement, .. }] if *statement == first),
                "{sql}: {faults:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn the_same_words_elsewhere_are_no_statement() -> TestResult {
    for sql in [
        "CREATE TEMP TRIGGER a AFTER INSERT ON jobs BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; END;",
        "SELECT 'a; COMMIT; '; -- VACUUM;\nSELECT \"pragma\" FROM (SELECT 1 AS \"pragma\");",
        "UPDATE jobs SET name = '; PRAGMA x' WHERE 0;",
    ] {
        assert_eq!(faults_of(sql)?, [], "{sql}");
    }
    Ok(())
}

#[test]
fn a_migration_that_asks_for_the_time_is_seen() -> TestResult {
    for sql in ["SELECT unixepoch('NOW');", "SELECT Current_Timestamp;", "SELECT current_date;"] {
        let faults = faults_of(sql)?;
        assert!(matches!(&faults[..], [Fault::Clock { .. }]), "{sql}: {faults:?}");
    }
    Ok(())
}

#[test]
fn the_folder_has_the_migrations_and_nothing_else() -> TestResult {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    assert_eq!(strays(&folder, &embedded())?, BTreeSet::new());
    Ok(())
}

#[test]
fn a_file_that_refinery_would_pass_over_is_seen() -> TestResult {
    // The migrations' parent folder has other files and none of the migrations.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let strays = strays(&folder, &embedded())?;
    assert!(strays.contains("README.md"), "{strays:?}");
    assert!(strays.contains("V1__jobs.sql"), "{strays:?}");
    Ok(())
}

#[test]
fn every_table_is_strict() -> TestResult {
    let loose = |set: &MigrationSet| -> TestResult<Vec<String>> {
        let tables = Structure::of(&migrated(set)?)?.tables;
        // A virtual table has no types; what it is made of is its module's own.
        let loose = |table: &schema::inspect::Table| !table.strict && table.virtual_table.is_none();
        Ok(tables.into_iter().filter(|(_, table)| loose(table)).map(|(name, _)| name).collect())
    };
    let set = embedded();
    assert_eq!(loose(&set)?, [""; 0]);
    let planted = set.with(set.newest() + 1, "planted", "CREATE TABLE loose (a);")?;
    assert_eq!(loose(&planted)?, ["loose"]);
    Ok(())
}
