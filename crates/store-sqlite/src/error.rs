//! From SQLite's codes to meaning. Nowhere else is a code looked at.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::ffi;
use store_core::error::Source;
use store_core::{Error, Holder, Invalid, Result};
use thiserror::Error as ThisError;

/// Why a store could not be opened, by stage. Unless the text says otherwise, the database file was
/// not changed.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum OpenError {
    /// The SQLite in this program is older than 3.51.3, which can lose committed pages of the WAL
    /// (<https://sqlite.org/wal.html#walresetbug>).
    #[error("the SQLite in this program is {found}: build with 3.51.3 or newer")]
    SqliteTooOld {
        /// The version that runs.
        found: String,
    },

    /// An option has a value that cannot be.
    #[error(transparent)]
    Option(#[from] store_core::Invalid),

    /// The file, its directory or a file beside it cannot be used.
    #[error("cannot use {path}: look at its permissions and those of its directory")]
    Access {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },

    /// There is no such store, and it was to be read only.
    #[error("there is no store at {path}: open it for writing once to create it")]
    Missing {
        /// Where.
        path: PathBuf,
    },

    /// The path names a symbolic link, behind which SQLite would put its files elsewhere than other
    /// programs expect.
    #[error("{path} is a symbolic link: give the path that it points to")]
    SymbolicLink {
        /// Which.
        path: PathBuf,
    },

    /// The file has several names, under each of which a program would keep another log: what is written
    /// under one would be lost to the others.
    #[error("{path} has {links} names (hard links): remove the others, or copy the file")]
    HardLinks {
        /// One of them.
        path: PathBuf,
        /// How many.
        links: u64,
    },

    /// The path names something that is not a file.
    #[error("{path} is not a regular file: give the path of a file")]
    NotAFile {
        /// Which.
        path: PathBuf,
    },

    /// The directory is on a file system whose locks and shared memory SQLite cannot rely on.
    #[error(
        "{path} is on {kind}, where several machines or processes can damage a store: keep it on a \
         local disk, or allow it with allow_any_file_system if only one machine uses it and its \
         locks are known to work"
    )]
    FileSystem {
        /// The directory.
        path: PathBuf,
        /// The kind of file system.
        kind: &'static str,
    },

    /// Another process held the gate, or another writer the database, for longer than the deadline.
    #[error("waited {waited:.1?} to open {path}{}", .holder.as_ref().map_or_else(String::new, |h| format!(": it is held by {h}")))]
    Contended {
        /// The store.
        path: PathBuf,
        /// How long.
        waited: Duration,
        /// Who, if it can be told.
        holder: Option<Box<Holder>>,
    },

    /// The file is not a database at all.
    #[error(
        "{path} is not a database: give the path of a store, or of a file that is not there yet"
    )]
    NotADatabase {
        /// Which.
        path: PathBuf,
    },

    /// The file is another program's database.
    #[error(
        "{path} is another program's database (application id {application_id:#010x}): give the path \
         of a store, or of a file that is not there yet"
    )]
    Foreign {
        /// Which.
        path: PathBuf,
        /// What it says of itself; 0 where it says nothing.
        application_id: i32,
    },

    /// A newer program has upgraded the store.
    #[error("{path} has schema {found}, this program knows {known}: use a newer program")]
    SchemaTooNew {
        /// Which.
        path: PathBuf,
        /// The schema that it has.
        found: i32,
        /// The newest that this program knows.
        known: i32,
    },

    /// An older program made the store, and it was to be read only.
    #[error(
        "{path} has schema {found}, this program reads {known}: open it for writing once to upgrade it"
    )]
    Outdated {
        /// Which.
        path: PathBuf,
        /// The schema that it has.
        found: i32,
        /// The one that this program reads.
        known: i32,
    },

    /// The ledger of migrations is damaged, or is not that of this program's migrations.
    #[error("{path} has a history of migrations that cannot be: {reason}")]
    Ledger {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// The file is damaged.
    #[error("{path} is damaged: restore the newest good backup")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: Source,
    },

    /// The database did not take the write-ahead log.
    #[error(
        "{path} did not switch to a write-ahead log, it says {found:?}: is it in use by a program that keeps it in another mode?"
    )]
    NoWriteAheadLog {
        /// Which.
        path: PathBuf,
        /// The journal mode that it has.
        found: String,
    },

    /// A setting of the connection did not take.
    #[error("PRAGMA {name} was set to {wanted} and reads {found}")]
    Setting {
        /// Which.
        name: &'static str,
        /// What was set.
        wanted: i64,
        /// What it is.
        found: String,
    },

    /// The copy that is made before an upgrade could not be made.
    #[error("no backup could be made before the upgrade, which was not begun")]
    Backup(#[source] Error),

    /// A migration failed; all of them were rolled back.
    #[error("the upgrade of {path} failed and was rolled back")]
    Migration {
        /// Which.
        path: PathBuf,
        /// Which migration, and why.
        #[source]
        source: Source,
    },

    /// After the migrations, rows refer to others that are not there; all of them were rolled back.
    #[error("the upgrade of {path} would break references and was rolled back: {violations}")]
    ForeignKeys {
        /// Which.
        path: PathBuf,
        /// The first of them.
        violations: String,
    },

    /// SQLite failed at something else.
    #[error("opening {path} failed while {stage}")]
    Sqlite {
        /// Which.
        path: PathBuf,
        /// What was being done.
        stage: &'static str,
        /// Why.
        #[source]
        source: Error,
    },
}

impl OpenError {
    /// An error that SQLite, or waiting for it, led to.
    pub(crate) fn at(path: &Path, stage: &'static str, source: Error) -> Self {
        let path = path.to_owned();
        match source {
            Error::Contended { waited, holder } => Self::Contended { path, waited, holder },
            damage @ Error::Corrupt { .. } => Self::Damaged { path, source: damage.into() },
            source => Self::Sqlite { path, stage, source },
        }
    }
}

/// Turns an error of SQLite into what it means.
pub(crate) trait Meaning<T> {
    fn meaning(self) -> Result<T>;
}

impl<T> Meaning<T> for rusqlite::Result<T> {
    fn meaning(self) -> Result<T> {
        self.map_err(meaning)
    }
}

/// What an error of SQLite means, outside of a commit.
pub(crate) fn meaning(error: rusqlite::Error) -> Error {
    let code = extended_code(&error);
    classify(code, &error).into_error(Arc::new(error))
}

/// What an error of COMMIT means: where the storage failed, the transaction may be there or not. Every
/// caller of a combined commit gets one.
pub(crate) fn meaning_at_commit(error: &Arc<rusqlite::Error>) -> Error {
    match classify(extended_code(error), error) {
        Class::Storage => Error::CommitUnknown(Box::new(Arc::clone(error))),
        class => class.into_error(Arc::clone(error)),
    }
}

/// Whether another connection's lock is the reason, so that trying again can help.
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    classify(extended_code(error), error) == Class::Busy
}

/// Whether the file is not a database, or is damaged.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    classify(extended_code(error), error) == Class::Corrupt
}

/// Whether the file does not even begin like a database.
pub(crate) fn is_not_a_database(error: &rusqlite::Error) -> bool {
    primary(extended_code(error)) == ffi::SQLITE_NOTADB
}

/// Whether a constraint of the schema refused a row.
pub(crate) fn is_constraint(error: &rusqlite::Error) -> bool {
    primary(extended_code(error)) == ffi::SQLITE_CONSTRAINT
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Busy,
    Full,
    Storage,
    Corrupt,
    Moved,
    Access,
    NoMemory,
    TooBig,
    Bug,
}

impl Class {
    fn into_error(self, source: Arc<rusqlite::Error>) -> Error {
        let text = source.to_string();
        let source: Source = Box::new(source);
        match self {
            // Only a writer that ignores the gate leads here, and only where nothing waited.
            Self::Busy => Error::Contended { waited: Duration::ZERO, holder: None },
            Self::Full => Error::Full(source),
            Self::Storage => Error::Storage(source),
            Self::Corrupt => Error::Corrupt { what: text, source: Some(source) },
            Self::Moved => Error::Moved(Some(source)),
            Self::Access => Error::Access(source),
            Self::NoMemory => Error::NoMemory(source),
            Self::TooBig => {
                let reason = format!("is larger than SQLite takes ({text}): make it smaller");
                Invalid::new("a value", reason).into()
            }
            Self::Bug => Error::Bug { what: text, source: Some(source) },
        }
    }
}

const fn primary(extended: i32) -> i32 {
    extended & 0xff
}

fn extended_code(error: &rusqlite::Error) -> i32 {
    error.sqlite_error().map_or(ffi::SQLITE_OK, |error| error.extended_code)
}

/// The classes of <https://sqlite.org/rescode.html>.
fn classify(extended: i32, error: &rusqlite::Error) -> Class {
    use rusqlite::Error as Sqlite;
    if matches!(
        error,
        Sqlite::FromSqlConversionFailure(..)
            | Sqlite::IntegralValueOutOfRange(..)
            | Sqlite::InvalidColumnType(..)
            | Sqlite::Utf8Error(..)
    ) {
        // STRICT tables and checks keep such values out, unless someone has gone around them.
        return Class::Corrupt;
    }
    match extended {
        // A read transaction that became a write transaction: a fault of ours, whatever the timeout.
        ffi::SQLITE_BUSY_SNAPSHOT => return Class::Bug,
        ffi::SQLITE_READONLY_DBMOVED => return Class::Moved,
        ffi::SQLITE_CORRUPT_VTAB | ffi::SQLITE_CORRUPT_SEQUENCE | ffi::SQLITE_CORRUPT_INDEX => {
            return Class::Corrupt;
        }
        ffi::SQLITE_IOERR_CORRUPTFS => return Class::Corrupt,
        ffi::SQLITE_IOERR_NOMEM => return Class::NoMemory,
        _ => {}
    }
    match primary(extended) {
        ffi::SQLITE_BUSY | ffi::SQLITE_PROTOCOL => Class::Busy,
        ffi::SQLITE_FULL => Class::Full,
        ffi::SQLITE_IOERR => Class::Storage,
        ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => Class::Corrupt,
        ffi::SQLITE_READONLY | ffi::SQLITE_CANTOPEN | ffi::SQLITE_AUTH | ffi::SQLITE_PERM => {
            Class::Access
        }
        ffi::SQLITE_NOMEM => Class::NoMemory,
        ffi::SQLITE_TOOBIG => Class::TooBig,
        _ => Class::Bug,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_code(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn every_code_of_the_design_has_its_meaning() {
        let meanings: Vec<String> = [
            5, 261, 773, 15, 13, 10, 266, 778, 1290, 11, 267, 779, 523, 26, 1032, 8, 14, 23, 3,
            1550, 7, 18, 517, 6, 262, 1, 21, 25,
        ]
        .into_iter()
        .map(|code| format!("{code} {:?}", classify(code, &of_code(code))))
        .collect();
        insta::assert_snapshot!(meanings.join("\n"));
    }

    #[test]
    fn only_the_storage_leaves_a_commit_unknown() {
        let at_commit = |code| meaning_at_commit(&Arc::new(of_code(code)));
        assert!(matches!(at_commit(ffi::SQLITE_IOERR_FSYNC), Error::CommitUnknown(_)));
        assert!(matches!(at_commit(ffi::SQLITE_FULL), Error::Full(_)));
        assert!(matches!(at_commit(ffi::SQLITE_BUSY), Error::Contended { .. }));
    }

    #[test]
    fn no_message_speaks_of_a_locked_database() {
        for code in [5, 261, 773, 15] {
            let text = meaning(of_code(code)).to_string();
            assert!(!text.contains("locked"), "{text}");
        }
    }
}
