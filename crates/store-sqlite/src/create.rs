//! The only place where files are created and connections opened by hand.
#![expect(clippy::disallowed_methods, reason = "this is the opening room")]

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use schema::migrations::MigrationSet;

use crate::error::{Meaning, OpenError};
use crate::identity::flags;

/// Creates an empty file that only its owner may read and write; `-wal` and `-shm` then inherit that.
/// Says whether it was there already.
pub(crate) fn create_private(path: &Path) -> io::Result<bool> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens a file that is there, for reading and writing.
pub(crate) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(path, flags(true))
}

/// Opens a file that is there to bring its log into it, and finds the log, which SQLite looks for no earlier than
/// something is read.
pub(crate) fn connect_to_copy(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(path)?;
    connection.query_one("PRAGMA schema_version", [], |_| Ok(()))?;
    Ok(connection)
}

/// Opens a file that is there, for reading alone.
pub(crate) fn connect_read_only(path: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(path, flags(false))
}

/// Opens a file as if it could not change: no lock, no log, no file beside it
/// (<https://sqlite.org/uri.html#uriimmutable>).
pub(crate) fn connect_untouched(path: &Path) -> Result<Connection, OpenError> {
    let uri = format!("file:{}?immutable=1", percent_encoded(path));
    Connection::open_with_flags(uri, flags(false) | OpenFlags::SQLITE_OPEN_URI)
        .meaning()
        .map_err(|source| OpenError::at(path, "looking at it", source))
}

/// An empty database in memory.
pub(crate) fn fresh_in_memory() -> rusqlite::Result<Connection> {
    Connection::open_in_memory()
}

/// A database in memory as the migrations make it, to compare with.
pub(crate) fn migrated_in_memory(set: &MigrationSet) -> Result<Connection, schema::Error> {
    let doing = "open a database in memory";
    let fresh = fresh_in_memory().map_err(|source| schema::Error::Sqlite { doing, source })?;
    schema::migrate(&fresh, set)?;
    Ok(fresh)
}

/// The path as the path of a URI: every byte that is not plain, by its number.
fn percent_encoded(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let mut encoded = String::new();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
