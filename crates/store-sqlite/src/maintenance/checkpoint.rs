//! The write-ahead log, brought into the database.

use std::time::Duration;

use rusqlite::Connection;
use store_core::{Error, Result};

use crate::error::Meaning;
use crate::gate::Gate;
use crate::store::SqliteStore;

/// What a checkpoint did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointReport {
    /// Whether everything in the log is in the database, and the log is empty where that was asked.
    /// Otherwise a reader or another process's checkpoint was in the way; nothing is wrong, a later one
    /// goes on.
    pub complete: bool,
    /// Pages in the log afterwards, or before where it was emptied.
    pub log_pages: u32,
    /// Pages of it that are in the database now.
    pub checkpointed_pages: u32,
}

impl SqliteStore {
    /// Brings the write-ahead log into the database and cuts it to nothing, as far as readers allow
    /// (`wal_checkpoint(TRUNCATE)`). The store does this by itself when the log grows.
    ///
    /// It waits for readers for 30 milliseconds at the most, because writers of every process wait with it; most of
    /// the log is brought before that, while they go on. They also wait while the file is cut, which takes some
    /// 100 milliseconds for 300 MB and a second for gigabytes.
    ///
    /// # Errors
    /// [`Error::ReadOnly`]; [`Error::Contended`]; [`Error::Full`] and [`Error::Storage`].
    pub fn checkpoint(&self) -> Result<CheckpointReport> {
        let _guard = self.guard()?;
        let opened = self.opened()?;
        let writer = opened.writer.as_ref().ok_or(Error::ReadOnly)?;
        writer.empty_the_log(Cut::Anyway)
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
        writer.in_a_turn_of_the_gate("bringing SQLite's statistics up to date", |connection| {
            connection.execute_batch("PRAGMA optimize")
        })
    }
}

impl CheckpointReport {
    /// Whether so little of the log is not in the database that writers may wait for it. Not so where a reader kept
    /// a pass from its end for long: once it is gone, everything since its snapshot is to be copied.
    pub(crate) const fn has_little_left(self) -> bool {
        self.log_pages.saturating_sub(self.checkpointed_pages) <= MOST_IN_A_TURN
    }
}

/// How many pages are copied at the most while writers wait: some 24 MiB for the disk, half to the log and half from
/// there into the database.
const MOST_IN_A_TURN: u32 = 3_000;

/// How far a checkpoint goes, and for whom it waits.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    /// Nowhere: it only counts (<https://sqlite.org/c3ref/c_checkpoint_full.html>).
    Look,
    /// As far as it can without disturbing anybody.
    Passive,
    /// Until the next commit begins the log anew; in nobody's way, and given up if a reader is in the log.
    Restart,
    /// Until the log is empty; waits for writers and readers so long, while new writers wait for it.
    Truncate(Duration),
}

/// What becomes of the log's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It is cut, however long that takes.
    Anyway,
    /// It is cut unless it is longer than the log may be or [`LONGEST_CUT`]: then others would wait for too long. A
    /// store that is idle cuts it later, or the last one that is closed.
    IfShort,
}

/// The longest that anyone waits for readers to leave the log, while writers wait for it.
pub(crate) const LONGEST_DRAIN: Duration = Duration::from_millis(30);

/// The longest file, in bytes, that is cut while others may write, who wait until the file system has freed it: 0.3
/// to 0.4 milliseconds a megabyte, of 300 to 1,000 on ext4. A longer one is used from its start again.
pub(crate) const LONGEST_CUT: u64 = 200_000_000;

/// Brings most of the log into the database and onto the disk while writers go on, so that little is left for
/// [`empty`]; on a connection that none of them waits for.
pub(crate) fn copy(beside: &Connection, gate: &Gate) -> Result<()> {
    run(beside, Mode::Passive)?;
    if run(beside, Mode::Look)?.log_pages > 8 * MOST_IN_A_TURN {
        gate.sync_what_is_beside();
        // Of what was written meanwhile, there is less to copy.
        run(beside, Mode::Passive)?;
    }
    Ok(())
}

/// Empties the log by `mode`. What is copied and synced in that step, writers wait for; where much is, nothing is
/// done.
pub(crate) fn empty(connection: &Connection, mode: Mode) -> Result<CheckpointReport> {
    let left = run(connection, Mode::Look)?;
    if !left.has_little_left() {
        return Ok(CheckpointReport { complete: false, ..left });
    }
    let report = run(connection, mode)?;
    if !report.complete && report.log_pages == 0 {
        // Another process makes a pass at this moment, and SQLite does not say what it would have counted.
        return Ok(CheckpointReport { complete: false, ..run(connection, Mode::Look)? });
    }
    Ok(report)
}

/// Checkpoints. SQLite answers with a row, not with an error, where it could not finish.
pub(crate) fn run(connection: &Connection, mode: Mode) -> Result<CheckpointReport> {
    let (sql, timeout) = match mode {
        Mode::Look => ("PRAGMA wal_checkpoint(NOOP)", Duration::ZERO),
        Mode::Passive => ("PRAGMA wal_checkpoint(PASSIVE)", Duration::ZERO),
        Mode::Restart => ("PRAGMA wal_checkpoint(RESTART)", Duration::ZERO),
        Mode::Truncate(timeout) => ("PRAGMA wal_checkpoint(TRUNCATE)", timeout),
    };
    let before: i64 =
        connection.query_one("PRAGMA busy_timeout", [], |row| row.get(0)).meaning()?;
    connection.busy_timeout(timeout).meaning()?;
    let report = connection.query_one(sql, [], |row| {
        // Where another checkpoint is under way, the counts are -1.
        let pages = |count: i64| u32::try_from(count).unwrap_or(0);
        let (log_pages, checkpointed_pages) = (pages(row.get(1)?), pages(row.get(2)?));
        let busy: i64 = row.get(0)?;
        // Who empties the log counts its pages before and after; a pass counts both at one moment.
        let complete =
            busy == 0 && (log_pages == checkpointed_pages || matches!(mode, Mode::Truncate(_)));
        Ok(CheckpointReport { complete, log_pages, checkpointed_pages })
    });
    connection.busy_timeout(Duration::from_millis(before.unsigned_abs())).meaning()?;
    report.meaning()
}
