//! Units of work: a connection inside a transaction, and what may be done there.

use std::cell::RefCell;

use rusqlite::{Connection, Params, Row};
use store_core::{Actor, Error, Result, Timestamp};

use crate::error::{Meaning, is_constraint};

/// A unit of work of a SQLite store. `Mode` is [`Reading`] or [`Writing`]: the write halves of the
/// traits exist for the second alone.
#[derive(Debug)]
pub struct Unit<'t, Mode> {
    connection: &'t Connection,
    mode: Mode,
}

/// The mode of a unit of work that reads.
#[derive(Debug)]
pub struct Reading(());

/// The mode of a unit of work that writes.
#[derive(Debug)]
pub struct Writing {
    now: Timestamp,
    actor: Actor,
    fault: RefCell<Option<String>>,
}

/// What happens to a unit that met a fault of the storage.
pub trait Mode {
    /// Remembers it.
    #[doc(hidden)]
    fn met(&self, fault: &Error);
}

impl Mode for Reading {
    fn met(&self, _fault: &Error) {}
}

impl Mode for Writing {
    fn met(&self, fault: &Error) {
        self.fault.borrow_mut().get_or_insert_with(|| fault.to_string());
    }
}

impl<'t> Unit<'t, Reading> {
    pub(crate) const fn reading(connection: &'t Connection) -> Self {
        Self { connection, mode: Reading(()) }
    }
}

impl<'t> Unit<'t, Writing> {
    pub(crate) const fn writing(connection: &'t Connection, now: Timestamp, actor: Actor) -> Self {
        Self { connection, mode: Writing { now, actor, fault: RefCell::new(None) } }
    }

    /// The time of every change of the unit.
    pub(crate) const fn now(&self) -> Timestamp {
        self.mode.now
    }

    /// Who signs the changes.
    pub(crate) const fn actor(&self) -> &Actor {
        &self.mode.actor
    }

    /// The first fault of the storage that the unit met. Then a method may have been cut short, and the
    /// unit must not be committed, whatever its closure made of the error.
    pub(crate) fn fault(&self) -> Option<String> {
        self.mode.fault.borrow().clone()
    }

    /// Writes rows; a row that a constraint of the schema refuses is the inner error, which the caller
    /// explains.
    pub(crate) fn try_execute(
        &self,
        sql: &str,
        params: impl Params,
    ) -> Result<std::result::Result<usize, rusqlite::Error>> {
        match self.connection.prepare_cached(sql).and_then(|mut found| found.execute(params)) {
            Err(refused) if is_constraint(&refused) => Ok(Err(refused)),
            other => self.judge(other).map(Ok),
        }
    }

    /// Writes rows that no constraint can refuse.
    pub(crate) fn execute(&self, sql: &str, params: impl Params) -> Result<usize> {
        match self.try_execute(sql, params)? {
            Ok(rows) => Ok(rows),
            Err(refused) => self.judge(Err(refused)),
        }
    }

    /// The id of the row that was written last.
    pub(crate) fn last_id(&self) -> i64 {
        self.connection.last_insert_rowid()
    }

    /// Runs several methods so that all or none of them take effect, also if the unit goes on after an
    /// error.
    pub(crate) fn atomically<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.execute("SAVEPOINT method", [])?;
        let outcome = work();
        // After some errors SQLite has rolled back by itself, and there is no savepoint left.
        if outcome.is_err() && !self.connection.is_autocommit() {
            self.execute("ROLLBACK TO method", [])?;
        }
        if !self.connection.is_autocommit() {
            self.execute("RELEASE method", [])?;
        }
        outcome
    }
}

impl<M: Mode> Unit<'_, M> {
    /// The one row of a query, if there is one.
    pub(crate) fn find<T>(
        &self,
        sql: &str,
        params: impl Params,
        decode: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        let found = self.connection.prepare_cached(sql).and_then(|mut found| {
            match found.query_one(params, decode) {
                Ok(value) => Ok(Some(value)),
                Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
                Err(error) => Err(error),
            }
        });
        self.judge(found)
    }

    /// All rows of a query.
    pub(crate) fn list<T>(
        &self,
        sql: &str,
        params: impl Params,
        decode: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let rows = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut found| found.query_map(params, decode)?.collect());
        self.judge(rows)
    }

    fn judge<T>(&self, outcome: rusqlite::Result<T>) -> Result<T> {
        outcome.meaning().inspect_err(|fault| self.mode.met(fault))
    }
}
