//! Applying migrations: refinery's runner over a transaction that the caller has open.

use std::fmt;

use refinery_core::traits::sync::{Migrate, Query, Transaction};
use refinery_core::{Migration, Target};
use rusqlite::{Connection, TransactionBehavior};

use crate::error::{Error, Result};
use crate::fence::{self, ForeignKeysOff};
use crate::inspect::foreign_key_violations;
use crate::ledger::{self, LedgerState};
use crate::migrations::MigrationSet;

/// The `application_id` of a crystalstore database: "CRYS" in ASCII.
pub const APPLICATION_ID: i32 = 0x4352_5953;

/// A migration that [`apply`] has run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// Its version.
    pub version: i32,
    /// Its name, without version and extension.
    pub name: String,
}

/// Runs every pending migration inside the caller's transaction and stamps the file.
///
/// The migrations, their ledger rows, `application_id` and `user_version` land together when the
/// caller commits, or not at all when it rolls back. The transaction should be `BEGIN IMMEDIATE`,
/// behind [`ForeignKeysOff`], and the caller should look at [`foreign_key_violations`] before it
/// commits. On an error the caller must roll back.
///
/// # Errors
/// [`Error::NoTransaction`] outside a transaction. [`Error::DamagedLedger`], [`Error::Newer`],
/// [`Error::Diverged`], [`Error::Gap`] and, where something is pending, [`Error::ForeignKeysOn`], before
/// anything is changed. [`Error::Migration`] with the migration that failed and SQLite's error.
pub fn apply(transaction: &Connection, set: &MigrationSet) -> Result<Vec<Applied>> {
    if transaction.is_autocommit() {
        return Err(Error::NoTransaction);
    }
    let pending = match ledger::compare(&ledger::read(transaction)?, set) {
        LedgerState::UpToDate => Vec::new(),
        LedgerState::Pending(versions) => versions,
        LedgerState::Newer { newest } => {
            return Err(Error::Newer { newest, known: set.newest() });
        }
        LedgerState::Diverged { version, applied, known } => {
            return Err(Error::Diverged { version, applied, known });
        }
        LedgerState::Gap { version } => return Err(Error::Gap { version }),
    };
    let applied = if pending.is_empty() {
        Vec::new()
    } else {
        fence::check(transaction)?;
        run(transaction, set, &pending)?
    };
    stamp(transaction, "application_id", APPLICATION_ID)?;
    stamp(transaction, "user_version", set.newest())?;
    Ok(applied)
}

/// Migrates a database that nobody else uses, as tools and tests have them: [`apply`] in a transaction of
/// its own, with the fence before it and the check of references after it.
///
/// # Errors
/// Those of [`apply`], [`Error::ForeignKeys`], and SQLite's. Nothing has changed then, unless a migration ended
/// the transaction itself ([`Error::TransactionEnded`]), or SQLite failed to "commit the migrations", of which
/// nobody knows whether it happened.
pub fn migrate(connection: &Connection, set: &MigrationSet) -> Result<Vec<Applied>> {
    let _fence = ForeignKeysOff::put_up(connection)?;
    let transaction =
        rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
            .map_err(Error::while_doing("begin the transaction of the migrations"))?;
    let applied = apply(&transaction, set)?;
    let violations = foreign_key_violations(&transaction)?;
    if !violations.is_empty() {
        return Err(Error::ForeignKeys(violations));
    }
    transaction.commit().map_err(Error::while_doing("commit the migrations"))?;
    Ok(applied)
}

fn run(transaction: &Connection, set: &MigrationSet, pending: &[i32]) -> Result<Vec<Applied>> {
    let mut open = OpenTransaction { connection: transaction, failure: None };
    // Not grouped: a failure then reports how many migrations went before it.
    let outcome = set
        .runner()
        .set_grouped(false)
        .set_abort_divergent(true)
        .set_abort_missing(true)
        .set_target(Target::Latest)
        .run(&mut open);
    let error = match outcome {
        Ok(report) => {
            let applied =
                |one: &Migration| Applied { version: one.version(), name: one.name().to_owned() };
            return Ok(report.applied_migrations().iter().map(applied).collect());
        }
        Err(error) => error,
    };
    // Without a report it was the ledger's table that could not be made or read.
    let failed = error
        .report()
        .and_then(|report| pending.get(report.applied_migrations().len()))
        .and_then(|version| set.get(*version))
        .map(|migration| (migration.version(), migration.name().to_owned()));
    Err(match (open.failure, failed) {
        (Some(Failure::Sqlite(source)), Some((version, name))) => {
            Error::Migration { version, name, source }
        }
        (Some(Failure::Sqlite(source)), None) => {
            Error::Sqlite { doing: "prepare the ledger of applied migrations", source }
        }
        (Some(Failure::Ended), Some((version, name))) => Error::TransactionEnded { version, name },
        (Some(Failure::Ledger(error)), _) => error,
        (Some(Failure::Ended) | None, _) => Error::Refused(error),
    })
}

/// Writes only what differs, so that a database that is up to date stays untouched.
fn stamp(transaction: &Connection, pragma: &'static str, value: i32) -> Result<()> {
    let found: i32 = transaction
        .pragma_query_value(None, pragma, |row| row.get(0))
        .map_err(Error::while_doing("read application_id and user_version"))?;
    if found == value {
        return Ok(());
    }
    transaction
        .pragma_update(None, pragma, value)
        .map_err(Error::while_doing("write application_id and user_version"))
}

/// Refinery's view of the caller's transaction. It never begins or commits one itself.
struct OpenTransaction<'a> {
    connection: &'a Connection,
    /// What stopped the run; refinery gives errors back by reference only.
    failure: Option<Failure>,
}

enum Failure {
    Sqlite(rusqlite::Error),
    Ledger(Error),
    Ended,
}

/// Tells refinery to stop; the reason is in [`OpenTransaction::failure`].
#[derive(Debug)]
struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the migrations were stopped")
    }
}

impl std::error::Error for Stopped {}

impl OpenTransaction<'_> {
    fn stop(&mut self, failure: Failure) -> Stopped {
        self.failure = Some(failure);
        Stopped
    }
}

impl Transaction for OpenTransaction<'_> {
    type Error = Stopped;

    fn execute<'a, T: Iterator<Item = &'a str>>(
        &mut self,
        queries: T,
    ) -> Result<usize, Self::Error> {
        let mut executed = 0;
        for query in queries {
            if let Err(error) = self.connection.execute_batch(query) {
                return Err(self.stop(Failure::Sqlite(error)));
            }
            if self.connection.is_autocommit() {
                return Err(self.stop(Failure::Ended));
            }
            executed += 1;
        }
        Ok(executed)
    }
}

impl Query<Vec<Migration>> for OpenTransaction<'_> {
    /// The applied migrations. The runner asks for nothing else, and its own way of reading them
    /// panics on a damaged row.
    fn query(&mut self, _query: &str) -> Result<Vec<Migration>, Self::Error> {
        let rows = match ledger::read(self.connection) {
            Ok(rows) => rows,
            Err(error) => return Err(self.stop(Failure::Ledger(error))),
        };
        let migration = |row: ledger::LedgerRow| {
            let moment = ledger::moment(&row.applied_on).expect("invariant: read parsed it");
            Migration::applied(row.version, row.name, moment, row.checksum)
        };
        Ok(rows.into_iter().map(migration).collect())
    }
}

impl Migrate for OpenTransaction<'_> {}
