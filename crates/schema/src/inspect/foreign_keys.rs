//! Rows that refer to nothing.

use std::fmt;

use rusqlite::Connection;

use crate::error::{Error, Result};

/// A row whose foreign key refers to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The table of the row.
    pub table: String,
    /// The row, unless its table is WITHOUT ROWID.
    pub rowid: Option<i64>,
    /// The table that lacks the row referred to.
    pub parent: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rowid {
            Some(rowid) => write!(formatter, "row {rowid} of {}", self.table)?,
            None => write!(formatter, "a row of {}", self.table)?,
        }
        write!(formatter, " refers to a row of {} that is not there", self.parent)
    }
}

/// All rows that refer to nothing, whether foreign keys are enforced or not.
///
/// # Errors
/// [`Error::Sqlite`] if a table cannot be read.
pub fn foreign_key_violations(connection: &Connection) -> Result<Vec<Violation>> {
    connection
        .prepare("PRAGMA main.foreign_key_check")
        .and_then(|mut statement| {
            let violation = |row: &rusqlite::Row<'_>| {
                Ok(Violation { table: row.get(0)?, rowid: row.get(1)?, parent: row.get(2)? })
            };
            statement.query_map([], violation)?.collect()
        })
        .map_err(Error::while_doing("check the foreign keys"))
}
