//! Whose database a file is, read without changing it.

use std::path::Path;

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
/// What is only in the write-ahead log is not seen by this first look; then the file seems empty or
/// older, and the look that is taken inside the upgrade's transaction decides.
pub(crate) fn read_untouched(location: &Location, known: i32) -> Result<Identity, OpenError> {
    let path = location.database();
    let connection = connect_untouched(path)?;
    match of(&connection, path, known) {
        // With a log beside it, a file may be torn for one who ignores the log.
        Err(OpenError::Damaged { .. }) if location.wal_bytes() > 0 => Ok(Identity::Empty),
        other => other,
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
