//! A connection of the audit's own.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::failure::{Context, Result};

/// Opens the database for reading, past the store.
pub fn open(database: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    #[expect(
        clippy::disallowed_methods,
        reason = "an audit through the store would believe what the store says"
    )]
    let opened = Connection::open_with_flags(database, flags);
    let opening = || format!("open {} for the audit", database.display());
    let connection = opened.doing(opening)?;
    // One snapshot for all checks, should anybody else use the database now.
    connection.execute_batch("BEGIN").doing(opening)?;
    Ok(connection)
}
