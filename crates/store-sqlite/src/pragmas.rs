//! The settings of every connection, as one table that can be read back.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::error::{Meaning, OpenError};
use crate::options::{Durability, Options};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The one that writes.
    Writer,
    /// One of those that read.
    Reader,
}

/// A pragma and the number that it must read back as.
pub(crate) type Setting = (&'static str, i64);

/// The settings of a connection, in the order in which they are made: the busy timeout first, because
/// others may have to wait.
pub(crate) fn settings(options: &Options, role: Role) -> Vec<Setting> {
    let milliseconds = i64::try_from(options.busy_timeout.as_millis());
    let bytes = |value: u64| i64::try_from(value).expect("checked with the options");
    vec![
        ("busy_timeout", milliseconds.expect("checked with the options")),
        ("query_only", i64::from(role == Role::Reader)),
        (
            "synchronous",
            match options.durability {
                Durability::Normal => 1,
                Durability::Full => 2,
            },
        ),
        ("foreign_keys", 1),
        // In memory: a temporary file would be a file more that can be full or missing. What savepoints of
        // big units keep is the exception: see `Scope::begin_unit`.
        ("temp_store", 2),
        // Negative means KiB.
        ("cache_size", -i64::from(options.cache_kib)),
        ("mmap_size", bytes(options.mmap_bytes)),
        // Functions and virtual tables that a damaged or foreign schema names are not run.
        ("trusted_schema", 0),
        // A damaged page is found when it is read.
        ("cell_size_check", 1),
        // The checkpointer does it, so that no caller's commit has to.
        ("wal_autocheckpoint", 0),
        // A commit that begins a log of gigabytes anew would cut its file, for as long as a second.
        ("journal_size_limit", -1),
    ]
}

/// Makes the settings and reads each back: a pragma that is misspelt or refused says nothing.
pub(crate) fn apply(connection: &Connection, settings: &[Setting]) -> Result<(), OpenError> {
    make(connection, settings)
        .and_then(|()| {
            for (name, found) in read_back(connection, settings)? {
                let wanted =
                    settings.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
                if wanted != Some(found) {
                    return Ok(Some((name, wanted.unwrap_or_default(), found)));
                }
            }
            Ok(None)
        })
        .meaning()
        .map_err(|source| {
            let path = Path::new(connection.path().unwrap_or_default());
            OpenError::at(path, "setting up a connection", source)
        })
        .and_then(|differing| match differing {
            None => Ok(()),
            Some((name, wanted, found)) => {
                Err(OpenError::Setting { name, wanted, found: found.to_string() })
            }
        })
}

fn make(connection: &Connection, settings: &[Setting]) -> rusqlite::Result<()> {
    for (name, value) in settings {
        connection.execute_batch(&format!("PRAGMA {name} = {value}"))?;
    }
    // Nothing in SQL can then corrupt the file, and "text" in double quotes is never a string.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    // A writer prepares more statements than the default of 16.
    connection.set_prepared_statement_cache_capacity(128);
    Ok(())
}

/// The settings as the connection has them.
pub(crate) fn read_back(
    connection: &Connection,
    settings: &[Setting],
) -> rusqlite::Result<Vec<Setting>> {
    settings
        .iter()
        .map(|(name, _)| {
            let value = connection.query_one(&format!("PRAGMA {name}"), [], |row| row.get(0))?;
            Ok((*name, value))
        })
        .collect()
}
