//! The promises of the schema crate, checked against SQLite.

mod apply;
mod canonical;
mod checks;
mod comparator;
mod finding;
mod ledger;
mod released;
mod rules;
mod scheduling;
mod snapshots;
mod submissions;
mod tidy;

use std::error::Error;

use rusqlite::Connection;
use schema::migrations::{MigrationSet, embedded};

type TestResult<T = ()> = Result<T, Box<dyn Error>>;

/// The migrations of the first three releases: fixed ground for tests that count versions.
fn first_three() -> MigrationSet {
    embedded().up_to(3)
}

/// An empty database in memory.
#[expect(clippy::disallowed_methods, reason = "this crate is below the one that opens databases")]
fn empty() -> TestResult<Connection> {
    let connection = Connection::open_in_memory()?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// A database in memory that was migrated in one step.
fn migrated(set: &MigrationSet) -> TestResult<Connection> {
    let connection = empty()?;
    migrate(&connection, set)?;
    Ok(connection)
}

fn migrate(connection: &Connection, set: &MigrationSet) -> TestResult {
    schema::migrate(connection, set)?;
    Ok(())
}
