//! The write-ahead log, brought into the database.

use rusqlite::Connection;
use store_core::{Error, Result};

use crate::error::Meaning;
use crate::store::SqliteStore;

/// What a checkpoint did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointReport {
    /// Whether everything in the log is in the database and the log is empty. Otherwise a reader or
    /// another process's checkpoint was in the way; nothing is wrong, a later one goes on.
    pub complete: bool,
    /// Pages in the log before; none where the database has no log.
    pub log_pages: u32,
    /// Pages of it that are in the database now.
    pub checkpointed_pages: u32,
}

impl SqliteStore {
    /// Brings the write-ahead log into the database and cuts it to nothing, as far as readers allow
    /// (`wal_checkpoint(TRUNCATE)`).
    ///
    /// It does not wait for readers: writers of every process would wait with it.
    ///
    /// # Errors
    /// [`Error::ReadOnly`]; [`Error::Full`] and [`Error::Storage`].
    pub fn checkpoint(&self) -> Result<CheckpointReport> {
        let _guard = self.guard()?;
        let opened = self.opened()?;
        let writer = opened.writer.as_ref().ok_or(Error::ReadOnly)?;
        writer.in_turn(truncate)
    }

    /// Lets SQLite bring its statistics up to date where they are stale, in bounded time (`PRAGMA
    /// optimize`, <https://sqlite.org/pragma.html#pragma_optimize>). Once a day is plenty.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], [`Error::Contended`], those of the commit.
    pub fn optimize(&self) -> Result<()> {
        let _guard = self.guard()?;
        let opened = self.opened()?;
        let writer = opened.writer.as_ref().ok_or(Error::ReadOnly)?;
        writer.in_a_turn_of_the_gate(|connection| {
            connection.execute_batch("PRAGMA optimize").meaning()
        })
    }
}

/// Checkpoints without waiting for anyone: SQLite answers with a row, not with an error, where it could
/// not finish.
pub(crate) fn truncate(connection: &Connection) -> Result<CheckpointReport> {
    let timeout: i64 =
        connection.query_one("PRAGMA busy_timeout", [], |row| row.get(0)).meaning()?;
    connection.execute_batch("PRAGMA busy_timeout = 0").meaning()?;
    let report = connection.query_one("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
        let pages = |count: i64| u32::try_from(count).unwrap_or(0);
        Ok(CheckpointReport {
            complete: row.get::<_, i64>(0)? == 0,
            log_pages: pages(row.get(1)?),
            checkpointed_pages: pages(row.get(2)?),
        })
    });
    connection.execute_batch(&format!("PRAGMA busy_timeout = {timeout}")).meaning()?;
    report.meaning()
}
