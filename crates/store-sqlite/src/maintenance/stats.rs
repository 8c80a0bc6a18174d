//! A store in numbers.

use std::collections::BTreeMap;

use rusqlite::Connection;
use store_core::Result;

use crate::counters::Activity;
use crate::error::Meaning;
use crate::pool::{Connections, on_snapshot};
use crate::pragmas::{self, Role, Setting};
use crate::snapshots::HeldSnapshot;
use crate::store::SqliteStore;
use crate::writer::Writer;

/// How much of a pool is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// Connections that are open.
    pub open: u32,
    /// Those of them that nobody uses.
    pub idle: u32,
    /// The most that can be open.
    pub most: u32,
}

/// A store in numbers, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// The version of the SQLite that runs.
    pub sqlite_version: &'static str,
    /// Whether the connections of the process keep their pages in one place, behind one lock, so that its threads
    /// wait for each other as they read. It goes by how SQLite was built; see the README of this crate.
    pub connections_share_pages: bool,
    /// The newest migration that was applied (`user_version`).
    pub schema_version: i64,
    /// The journal mode; `wal`.
    pub journal_mode: String,
    /// Bytes of a page.
    pub page_size: i64,
    /// Pages of the database.
    pub page_count: i64,
    /// Pages of it that hold nothing.
    pub free_pages: i64,
    /// Bytes of the write-ahead log; 0 where there is none.
    pub wal_bytes: u64,
    /// The settings of a connection that reads, as it has them.
    pub reader_settings: BTreeMap<&'static str, i64>,
    /// The settings of the connection that writes, as it has them; none where it is at work or the
    /// store was opened to be read only.
    pub writer_settings: Option<BTreeMap<&'static str, i64>>,
    /// Writes that wait in this process.
    pub writes_waiting: usize,
    /// The snapshot that is held longest in this process, if there is one.
    pub oldest_snapshot: Option<HeldSnapshot>,
    /// What the store has done in this process since it was opened.
    pub activity: Activity,
    /// The connections that read, this call's own among those in use.
    pub readers: PoolUse,
}

impl SqliteStore {
    /// The store in numbers. It waits for a reader at the most, never for a writer.
    ///
    /// # Errors
    /// Those of reading.
    #[track_caller]
    pub fn stats(&self) -> Result<Stats> {
        let reader = pragmas::settings(self.options(), Role::Reader);
        let writer = pragmas::settings(self.options(), Role::Writer);
        // Looked for before this call holds one itself.
        let oldest_snapshot = self.opened()?.sight.snapshots.oldest();
        self.on_reader(|opened, connection| {
            let writer_settings = opened
                .writer
                .as_ref()
                .and_then(|found| found.if_idle(|connection| as_found(connection, &writer)))
                .transpose()?;
            on_snapshot(connection, || {
                let number = |pragma: &str| -> Result<i64> {
                    connection
                        .query_one(&format!("PRAGMA {pragma}"), [], |row| row.get(0))
                        .meaning()
                };
                let shares_pages = connection.query_one(SHARES_PAGES, [], |row| row.get(0));
                Ok(Stats {
                    sqlite_version: rusqlite::version(),
                    connections_share_pages: shares_pages.meaning()?,
                    schema_version: number("user_version")?,
                    journal_mode: connection
                        .query_one("PRAGMA journal_mode", [], |row| row.get(0))
                        .meaning()?,
                    page_size: number("page_size")?,
                    page_count: number("page_count")?,
                    free_pages: number("freelist_count")?,
                    wal_bytes: opened.location.wal_bytes(),
                    reader_settings: as_found(connection, &reader)?,
                    writer_settings,
                    writes_waiting: opened.writer.as_ref().map_or(0, Writer::waiting),
                    oldest_snapshot,
                    activity: opened.sight.counters.activity(),
                    readers: pool_use(&opened.readers),
                })
            })
        })
    }
}

/// Whether SQLite is built as `libsqlite3-sys` does it where nobody tells it otherwise.
const SHARES_PAGES: &str = "SELECT sqlite_compileoption_used('ENABLE_MEMORY_MANAGEMENT')";

fn as_found(connection: &Connection, settings: &[Setting]) -> Result<BTreeMap<&'static str, i64>> {
    Ok(pragmas::read_back(connection, settings).meaning()?.into_iter().collect())
}

fn pool_use(pool: &Connections) -> PoolUse {
    let state = pool.state();
    PoolUse { open: state.connections, idle: state.idle_connections, most: pool.max_size() }
}
