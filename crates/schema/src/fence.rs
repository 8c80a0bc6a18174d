//! Foreign keys, and what else is in the way while tables are made anew.

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::error::{Error, Result};

/// Keeps foreign keys from being enforced, until it is dropped.
///
/// A migration that makes a table anew drops the old one, and with foreign keys on that deletes the rows
/// that refer to it, and reports success (<https://sqlite.org/lang_altertable.html#otheralter>, step 1).
/// SQLite ignores the setting inside a transaction: put it up before `BEGIN`, and drop it after the end.
///
/// Until then a table is also renamed without a look into other views and triggers
/// (`legacy_alter_table`): those that users have made may name the table that is away for a moment, and the
/// upgrade would fail.
#[derive(Debug)]
pub struct ForeignKeysOff<'c> {
    connection: &'c Connection,
    were_on: bool,
    renamed_plainly: bool,
}

impl<'c> ForeignKeysOff<'c> {
    /// Turns foreign keys off.
    ///
    /// # Errors
    /// [`Error::ForeignKeysOn`] inside a transaction of a connection that enforces them, and SQLite's.
    pub fn put_up(connection: &'c Connection) -> Result<Self> {
        let renamed_plainly = connection
            .db_config(DbConfig::SQLITE_DBCONFIG_LEGACY_ALTER_TABLE)
            .map_err(Error::while_doing(SETTING))?;
        let fence = Self { connection, were_on: are_on(connection)?, renamed_plainly };
        set(connection, false, true)?;
        check(connection)?;
        Ok(fence)
    }
}

impl Drop for ForeignKeysOff<'_> {
    fn drop(&mut self) {
        // Where that fails, who goes on with this connection has a setting to read back.
        let _as_it_was = set(self.connection, self.were_on, self.renamed_plainly);
    }
}

const SETTING: &str = "set how tables are made anew";

/// Makes sure that foreign keys are not enforced.
pub(crate) fn check(connection: &Connection) -> Result<()> {
    if are_on(connection)? { Err(Error::ForeignKeysOn) } else { Ok(()) }
}

fn are_on(connection: &Connection) -> Result<bool> {
    connection
        .pragma_query_value(None, "foreign_keys", |row| row.get(0))
        .map_err(Error::while_doing("read whether foreign keys are on"))
}

fn set(connection: &Connection, foreign_keys: bool, rename_plainly: bool) -> Result<()> {
    let setting = DbConfig::SQLITE_DBCONFIG_LEGACY_ALTER_TABLE;
    // Both are tried, whatever becomes of the first.
    let renaming = connection.set_db_config(setting, rename_plainly).map(drop);
    let enforcing = connection.pragma_update(None, "foreign_keys", foreign_keys);
    enforcing.and(renaming).map_err(Error::while_doing(SETTING))
}
