//! What can go wrong while a schema is read or changed.

use crate::inspect::Violation;
use crate::ledger::LEDGER;
use crate::released::Finding;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// [`apply`](crate::apply()) was called outside a transaction.
    #[error("migrations need an open transaction: run BEGIN IMMEDIATE before applying them")]
    NoTransaction,

    /// [`apply`](crate::apply()) was called while foreign keys are enforced.
    #[error(
        "foreign keys are on, so a table that is made anew would take the rows that refer to it along: \
         put up ForeignKeysOff before the transaction begins"
    )]
    ForeignKeysOn,

    /// The migrations leave rows behind that refer to nothing.
    #[error(
        "after the migrations rows refer to nothing: {}",
        .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    ForeignKeys(Vec<Violation>),

    /// A statement of a migration, or the insertion of its ledger row, failed.
    #[error("migration V{version}__{name} failed: roll the transaction back")]
    Migration {
        /// The version of the migration that failed.
        version: i32,
        /// Its name.
        name: String,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },

    /// A migration committed or rolled back the transaction that it was run in.
    #[error(
        "migration V{version}__{name} ended the transaction around it: remove its COMMIT, END or \
         ROLLBACK, and restore the database from its backup"
    )]
    TransactionEnded {
        /// The version of the migration.
        version: i32,
        /// Its name.
        name: String,
    },

    /// The ledger table cannot be what refinery wrote.
    #[error("the ledger {LEDGER} is damaged: {fault}; restore the database from a backup")]
    DamagedLedger {
        /// Which row and column, and what is wrong there.
        fault: String,
    },

    /// The database was migrated by a newer program.
    #[error(
        "the database has schema version {newest}, and this program knows versions up to {known}: \
         use a newer program"
    )]
    Newer {
        /// The newest version in the database.
        newest: i32,
        /// The newest version of the migration set.
        known: i32,
    },

    /// An applied migration is not the one that this program has under its version.
    #[error(
        "the database was migrated with {applied}, and this program has {known} instead: \
         use the program that created the database"
    )]
    Diverged {
        /// The version in question.
        version: i32,
        /// The applied migration, as name and checksum.
        applied: String,
        /// The migration of the set, as name and checksum.
        known: String,
    },

    /// A migration in the middle was never applied.
    #[error(
        "the database lacks migration V{version} although newer ones were applied: \
         restore it from a backup"
    )]
    Gap {
        /// The oldest version that is missing.
        version: i32,
    },

    /// Refinery refused to begin.
    #[error("refinery refused the migrations")]
    Refused(#[source] refinery_core::Error),

    /// A migration cannot be added to a set.
    #[error("migration V{version}__{name} cannot be added: {reason}")]
    InvalidMigration {
        /// The version that was asked for.
        version: i32,
        /// The name that was asked for.
        name: String,
        /// What is wrong, and what would be right.
        reason: String,
    },

    /// The migrations are not those that were released.
    #[error(
        "the migrations differ from released.lock: {}; restore the released files and write a new \
         migration instead",
        .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    Released(Vec<Finding>),

    /// A definition in `sqlite_schema` could not be read.
    #[error("the definition of {name} cannot be read: check the database with PRAGMA quick_check")]
    Definition {
        /// The table, index, trigger or view.
        name: String,
    },

    /// SQLite failed outside a migration.
    #[error("could not {doing}")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
}

impl Error {
    /// SQLite's own error, where there is one: a backend maps its extended code to a meaning.
    #[must_use]
    pub fn sqlite(&self) -> Option<&rusqlite::Error> {
        match self {
            Self::Migration { source, .. } | Self::Sqlite { source, .. } => Some(source),
            _ => None,
        }
    }

    pub(crate) fn while_doing(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Sqlite { doing, source }
    }
}
