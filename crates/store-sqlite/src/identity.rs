//! Whose database a file is, read without changing it.

use std::path::Path;
use std::time::SystemTime;

use rusqlite::{Connection, OpenFlags};

use crate::create::connect_untouched;
use crate::error::{OpenError, is_damage, is_not_a_database, meaning};
use crate::location::Location;

/// Whose a database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Nobody's: it has no table yet.
    Empty,
    /// A store's, with this schema.
    Store {
        /// The newest migration that was applied, as `user_version` says.
        version: i32,
    },
}

/// Reads whose database the file is, and refuses every other program's, every newer one, and what is no
/// database. No file is changed, also none beside it.
///
/// This first look ignores locks and logs. So it refuses a file as damaged, or as no database, only if
/// the file is at rest: while one is created or a log is brought into it, pages of zeros are right. What
/// is in motion, and what is only in the log, is decided by the look that is taken at the gate.
pub(crate) fn read_untouched(location: &Location, known: i32) -> Result<(), OpenError> {
    let path = location.database();
    let before = Rest::of(location);
    match connect_untouched(path).and_then(|connection| of(&connection, path, known)) {
        Err(OpenError::Damaged { .. } | OpenError::NotADatabase { .. })
            if !before.is_at_rest() || Rest::of(location) != before =>
        {
            Ok(())
        }
        // SQLite takes the first bytes of anything for an empty database.
        Ok(Identity::Empty) if before.is_at_rest() && (1..SMALLEST).contains(&before.bytes) => {
            Err(OpenError::NotADatabase { path: path.to_owned() })
        }
        other => other.map(drop),
    }
}

/// Bytes of the smallest database that is not empty: one page of the smallest size.
const SMALLEST: u64 = 512;

/// Whether anybody is at work on a file.
#[derive(Debug, PartialEq, Eq)]
struct Rest {
    bytes: u64,
    modified: Option<SystemTime>,
    logs: bool,
}

impl Rest {
    fn of(location: &Location) -> Self {
        let logs = ["-journal", "-wal"].iter().any(|log| location.beside(log).exists());
        let found = std::fs::metadata(location.database()).ok();
        Self {
            bytes: found.as_ref().map_or(0, std::fs::Metadata::len),
            modified: found.and_then(|found| found.modified().ok()),
            logs,
        }
    }

    const fn is_at_rest(&self) -> bool {
        !self.logs
    }
}

/// Whose database this connection sees.
pub(crate) fn of(connection: &Connection, path: &Path, known: i32) -> Result<Identity, OpenError> {
    let read = |sql| connection.query_one(sql, [], |row| row.get::<_, i64>(0));
    let identity = || -> rusqlite::Result<(i32, i32, i64)> {
        let number = |value: i64| i32::try_from(value).unwrap_or_default();
        Ok((
            number(read("PRAGMA application_id")?),
            number(read("PRAGMA user_version")?),
            read("SELECT count(*) FROM sqlite_schema")?,
        ))
    };
    let path = || path.to_owned();
    match identity() {
        Ok((0, 0, 0)) => Ok(Identity::Empty),
        Ok((schema::APPLICATION_ID, found, _)) if found > known => {
            Err(OpenError::SchemaTooNew { path: path(), found, known })
        }
        Ok((schema::APPLICATION_ID, version, _)) => Ok(Identity::Store { version }),
        Ok((application_id, _, _)) => Err(OpenError::Foreign { path: path(), application_id }),
        Err(error) if is_not_a_database(&error) => Err(OpenError::NotADatabase { path: path() }),
        Err(error) if is_damage(&error) => {
            Err(OpenError::Damaged { path: path(), source: error.into() })
        }
        Err(error) => Err(OpenError::at(&path(), "reading whose database it is", meaning(error))),
    }
}

/// The flags of every connection: no mutex, because a connection is used by one thread at a time; no
/// symbolic link, which someone may have put there since; never CREATE.
pub(crate) fn flags(write: bool) -> OpenFlags {
    let access =
        if write { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
    access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW
}
