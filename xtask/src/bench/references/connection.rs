//! Connections past the store, with the settings that the store's own have.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::shared::choices::Durability;

/// How long SQLite waits for a lock.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens a database past the store; the only place of the benchmark that does.
pub fn open(database: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    #[expect(
        clippy::disallowed_methods,
        reason = "the references are what people write without the store"
    )]
    Connection::open_with_flags(database, flags)
}

/// Opens a database as the references use it.
pub fn open_set_up(database: &Path, durability: Durability) -> rusqlite::Result<Connection> {
    let connection = open(database)?;
    set_up(&connection, durability)?;
    Ok(connection)
}

/// Makes the settings of the store's connections; checkpoints stay SQLite's.
pub fn set_up(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let synchronous = match durability {
        Durability::Normal => "NORMAL",
        Durability::Full => "FULL",
    };
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = {synchronous};
         PRAGMA foreign_keys = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -16384;
         PRAGMA mmap_size = 0;
         PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;"
    ))?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::ours;

    #[test]
    fn the_settings_are_those_of_the_store() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        for durability in [Durability::Normal, Durability::Full] {
            let database = folder.path().join(durability.as_str());
            let store = ours::open(&database, durability).map_err(|error| error.to_string())?;
            let stats = store.stats()?;
            let theirs = open_set_up(&database, durability)?;
            let settings = stats.writer_settings.ok_or("nobody writes")?;
            assert!(settings.len() > 8);
            for (pragma, ours) in settings {
                // The store makes its own checkpoints.
                if matches!(pragma, "wal_autocheckpoint" | "journal_size_limit") {
                    continue;
                }
                let found: i64 =
                    theirs.query_one(&format!("PRAGMA {pragma}"), [], |row| row.get(0))?;
                assert_eq!(found, ours, "{pragma}");
            }
            let checkpoint: i64 =
                theirs.query_one("PRAGMA wal_autocheckpoint", [], |row| row.get(0))?;
            assert_eq!(checkpoint, 1000);
            let mode: String = theirs.query_one("PRAGMA journal_mode", [], |row| row.get(0))?;
            assert_eq!(mode, stats.journal_mode);
        }
        Ok(())
    }
}
