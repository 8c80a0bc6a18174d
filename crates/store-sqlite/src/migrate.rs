//! Upgrades: all pending migrations in one transaction, behind a copy, with a fence around foreign keys.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use rusqlite::{Connection, ErrorCode};
use schema::inspect::foreign_key_violations;
use schema::ledger::{self, LedgerState};
use schema::migrations::MigrationSet;
use schema::{Error as SchemaError, ForeignKeysOff};

use crate::create::{connect_read_only, migrated_in_memory};
use crate::error::{Meaning, OpenError, meaning_at_commit};
use crate::gate::Turn;
use crate::identity::{self, Identity};
use crate::location::Location;
use crate::maintenance::backup;
use crate::note::Doing;
use crate::options::Options;
use crate::patience;
use crate::pool::Scope;

/// Brings the database to the newest schema that the options know, in a turn at the gate.
///
/// # Errors
/// [`OpenError`]; the database is then as it was.
pub(crate) fn upgrade(
    connection: &Connection,
    turn: &Turn<'_>,
    location: &Location,
    options: &Options,
    deadline: Instant,
) -> Result<(), OpenError> {
    let set = &options.migrations;
    let Some(old) = pending(connection, location, set)? else { return Ok(()) };
    turn.goes_on_with(Doing::Upgrading { to: set.newest() });
    let span = tracing::info_span!("migrate", from = old, to = set.newest());
    let _entered = span.enter();
    let backup = if old > 0 { Some(copy_beside(location, old)?) } else { None };
    let outcome = migrate(connection, location, options, deadline);
    let unknown = matches!(
        outcome,
        Err(OpenError::Sqlite { source: store_core::Error::CommitUnknown(_), .. })
    );
    if let (Err(_), false, Some(backup)) = (&outcome, unknown, backup) {
        // The store is as it was, so the copy is worth nothing, and each try would leave another.
        let _removed = std::fs::remove_file(backup);
    }
    outcome
}

/// The version from which an upgrade is due, or nothing where the schema is the newest.
pub(crate) fn pending(
    connection: &Connection,
    location: &Location,
    set: &MigrationSet,
) -> Result<Option<i32>, OpenError> {
    let path = || location.database().to_owned();
    let identity = identity::of(connection, location.database(), set.newest())?;
    let rows = ledger::read(connection).map_err(|error| refusal(error, location))?;
    let applied = rows.last().map_or(0, |row| row.version);
    let state = ledger::compare(&rows, set);
    let reason = match (identity, state) {
        (Identity::Empty, LedgerState::Pending(_)) if applied == 0 => return Ok(Some(0)),
        (Identity::Store { version }, _) if version != applied => {
            format!("the file says schema {version}, its ledger {applied}")
        }
        (Identity::Store { .. }, LedgerState::UpToDate) => return Ok(None),
        (Identity::Store { version }, LedgerState::Pending(_)) => return Ok(Some(version)),
        (_, LedgerState::Newer { newest }) => {
            return Err(OpenError::SchemaTooNew {
                path: path(),
                found: newest,
                known: set.newest(),
            });
        }
        (_, LedgerState::Diverged { version, applied, known }) => format!(
            "migration {version} was applied as {applied}, this program knows it as {known}; it was \
             made by another line of development"
        ),
        (_, LedgerState::Gap { version }) => format!("migration {version} was left out"),
        (_, other) => format!("{other:?}"),
    };
    Err(OpenError::Ledger { path: path(), reason })
}

fn migrate(
    connection: &Connection,
    location: &Location,
    options: &Options,
    deadline: Instant,
) -> Result<(), OpenError> {
    let set = &options.migrations;
    let failed = |stage| move |source| OpenError::at(location.database(), stage, source);
    let _fence = ForeignKeysOff::put_up(connection).map_err(|error| refusal(error, location))?;
    let begin = || Scope::begin(connection, "BEGIN IMMEDIATE");
    let scope = patience::until(deadline, connection, options.busy_timeout, || (), begin)
        .map_err(failed("beginning the upgrade"))?;
    // A writer that ignores the gate may have been here since.
    let Some(old) = pending(connection, location, set)? else { return Ok(()) };
    let known = released_objects(&set.up_to(old)).map_err(|error| refusal(error, location))?;
    let mut of_users = objects(connection).meaning().map_err(failed("reading its schema"))?;
    of_users.retain(|object| !known.contains(&object.name));
    let applied = schema::apply(connection, set).map_err(|error| refusal(error, location))?;
    for object in of_users {
        object.make_again(connection).meaning().map_err(failed("keeping what users have made"))?;
    }
    for migration in &applied {
        tracing::info!(
            version = migration.version,
            name = migration.name,
            "applied, not committed"
        );
    }
    let violations =
        foreign_key_violations(connection).map_err(|error| refusal(error, location))?;
    if !violations.is_empty() {
        let violations =
            violations.iter().take(5).map(ToString::to_string).collect::<Vec<_>>().join("; ");
        return Err(OpenError::ForeignKeys { path: location.database().to_owned(), violations });
    }
    let committed = scope.commit().map_err(|error| meaning_at_commit(&Arc::new(error)));
    committed.map_err(failed("committing the upgrade"))
}

/// An index or a trigger.
struct Object {
    name: String,
    sql: String,
}

/// The indexes and triggers of a database.
fn objects(connection: &Connection) -> rusqlite::Result<Vec<Object>> {
    const OBJECTS: &str = "SELECT name, sql FROM sqlite_schema \
                           WHERE type IN ('index', 'trigger') AND sql IS NOT NULL";
    let mut statement = connection.prepare(OBJECTS)?;
    let objects =
        statement.query_map([], |row| Ok(Object { name: row.get(0)?, sql: row.get(1)? }))?;
    objects.collect()
}

/// The names of those that migrations have made.
fn released_objects(set: &MigrationSet) -> Result<BTreeSet<String>, SchemaError> {
    let reading = |source| SchemaError::Sqlite { doing: "read a fresh schema", source };
    let objects = objects(&migrated_in_memory(set)?).map_err(reading)?;
    Ok(objects.into_iter().map(|object| object.name).collect())
}

impl Object {
    /// Makes again what has vanished with a table that was made anew; nothing else would say so. Where the new
    /// tables cannot have it, the upgrade does not fail for that.
    fn make_again(&self, connection: &Connection) -> rusqlite::Result<()> {
        const IS_THERE: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?1)";
        if connection.query_one(IS_THERE, [&self.name], |row| row.get(0))? {
            return Ok(());
        }
        // One statement: the text comes out of the file, and SQLite itself reads no more of it.
        match connection.execute(&self.sql, []) {
            Err(error) if is_of_the_statement(&error) => {
                let Self { name, sql } = self;
                tracing::warn!(name, sql, %error, "the upgraded tables cannot have this, which was not the store's");
                Ok(())
            }
            outcome => outcome.map(drop),
        }
    }
}

/// Whether a statement was refused for what it says, and not for the state of the disk or of memory.
fn is_of_the_statement(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => {
            matches!(failure.code, ErrorCode::Unknown | ErrorCode::ConstraintViolation)
        }
        rusqlite::Error::SqlInputError { .. } | rusqlite::Error::MultipleStatement => true,
        _ => false,
    }
}

fn refusal(error: SchemaError, location: &Location) -> OpenError {
    let path = location.database().to_owned();
    match error {
        SchemaError::DamagedLedger { .. } => OpenError::Ledger { path, reason: error.to_string() },
        SchemaError::Newer { newest, known } => {
            OpenError::SchemaTooNew { path, found: newest, known }
        }
        other => OpenError::Migration { path, source: other.into() },
    }
}

/// Copies the store beside itself, as `project.db.v2.backup`, or with a number more where that is taken.
fn copy_beside(location: &Location, old: i32) -> Result<PathBuf, OpenError> {
    let source = connect_read_only(location.database()).meaning().map_err(OpenError::Backup)?;
    for number in 1.. {
        let ending = if number == 1 {
            format!(".v{old}.backup")
        } else {
            format!(".v{old}.{number}.backup")
        };
        let to = location.beside(&ending);
        // The caller holds the gate, so that no other upgrade takes the name meanwhile.
        if std::fs::symlink_metadata(&to).is_err() {
            backup::copy(&source, &to).map_err(OpenError::Backup)?;
            return Ok(to);
        }
    }
    unreachable!("the numbers do not end")
}
