//! The two pools: one connection that writes, some that read.

use std::panic::catch_unwind;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use r2d2::{CustomizeConnection, NopErrorHandler, Pool, PooledConnection};
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::Connection;
use scheduled_thread_pool::ScheduledThreadPool;
use store_core::error::Source;

use crate::checkpointer::note_log_pages;
use crate::error::{Meaning, OpenError};
use crate::identity::flags;
use crate::options::Options;
use crate::pragmas::{self, Role, Setting};

pub(crate) type Connections = Pool<SqliteConnectionManager>;
pub(crate) type Lent = PooledConnection<SqliteConnectionManager>;

/// One thread opens connections for all pools of the process; r2d2 would start three a pool.
fn opener() -> Result<Arc<ScheduledThreadPool>, Source> {
    static OPENER: Mutex<Option<Arc<ScheduledThreadPool>>> = Mutex::new(None);
    let mut opener = OPENER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = &*opener {
        return Ok(Arc::clone(running));
    }
    // It panics where the system gives no thread; a later open tries again.
    let build = || {
        ScheduledThreadPool::builder()
            .num_threads(1)
            .thread_name_pattern("crystalstore-opener")
            .build()
    };
    let started = catch_unwind(build).map_err(|_| "the system gives no more threads")?;
    Ok(Arc::clone(opener.insert(Arc::new(started))))
}

/// How long a pool may take to open its connections. Callers who wait for one have their own deadline.
const LONGEST_OPENING: Duration = Duration::from_secs(30);

/// Makes a pool; all its connections are open when this returns. Opened later, in the background, they
/// would hold a lock for a moment at any time, and be in the way of a checkpoint.
pub(crate) fn connections(
    path: &Path,
    options: &Options,
    role: Role,
) -> Result<Connections, OpenError> {
    let manager = SqliteConnectionManager::file(path).with_flags(flags(!options.read_only));
    let failed = |error: Source| OpenError::Sqlite {
        path: path.to_owned(),
        stage: "opening its connections",
        source: store_core::Error::Access(error),
    };
    let opener = opener().map_err(failed)?;
    let size = match role {
        Role::Writer => 1,
        Role::Reader => options.readers,
    };
    let builder = Pool::builder();
    #[cfg(feature = "metrics")]
    let builder = match role {
        Role::Writer => builder,
        Role::Reader => builder.event_handler(Box::new(crate::counters::gauges::Readers)),
    };
    builder
        .max_size(size)
        // A connection that is closed may be the last one, and then checkpoints under an exclusive lock.
        .max_lifetime(None)
        .idle_timeout(None)
        .test_on_check_out(false)
        .connection_timeout(LONGEST_OPENING)
        .thread_pool(opener)
        .error_handler(Box::new(NopErrorHandler))
        .connection_customizer(Box::new(Customizer {
            role,
            settings: pragmas::settings(options, role),
        }))
        .build(manager)
        .map_err(|error| failed(error.into()))
}

/// Gives every new connection of a pool the settings of its role.
#[derive(Debug)]
struct Customizer {
    role: Role,
    settings: Vec<Setting>,
}

impl CustomizeConnection<Connection, rusqlite::Error> for Customizer {
    fn on_acquire(&self, connection: &mut Connection) -> Result<(), rusqlite::Error> {
        pragmas::apply(connection, &self.settings).map_err(|error| {
            // r2d2 keeps the text alone; the first connection of a store was set up without it.
            rusqlite::Error::ToSqlConversionFailure(Box::new(error))
        })?;
        if self.role == Role::Writer {
            note_log_pages(connection);
        }
        Ok(())
    }
}

/// A transaction on a lent connection, rolled back unless it is committed, so that no connection goes
/// back to its pool inside one.
pub(crate) struct Scope<'c>(&'c Connection);

impl<'c> Scope<'c> {
    /// Begins one with `sql`.
    pub(crate) fn begin(connection: &'c Connection, sql: &str) -> rusqlite::Result<Self> {
        connection.prepare_cached(sql)?.execute([])?;
        Ok(Self(connection))
    }

    /// Begins one for units of any size, whose savepoints keep the pages that they would restore in a
    /// temporary file once there are more than 64 KiB of them (`SQLITE_CONFIG_STMTJRNL_SPILL`).
    ///
    /// In memory they are kept in a chain of small pieces, which each statement that fires a trigger walks
    /// to its end: a unit that changes tens of thousands of jobs takes time with the square of their
    /// number. SQLite decides where at BEGIN, so that all else that is temporary stays in memory (ADR 0015).
    pub(crate) fn begin_unit(connection: &'c Connection) -> rusqlite::Result<Self> {
        connection.execute_batch("PRAGMA temp_store = FILE")?;
        let begun = Self::begin(connection, "BEGIN IMMEDIATE");
        connection.execute_batch("PRAGMA temp_store = MEMORY")?;
        begun
    }

    /// Commits it. Where that fails, it is rolled back.
    pub(crate) fn commit(self) -> rusqlite::Result<()> {
        self.0.prepare_cached("COMMIT")?.execute([]).map(drop)
    }
}

impl Drop for Scope<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit() {
            // After some errors SQLite has rolled back by itself, and this has nothing to do.
            let _rolled_back = self.0.execute_batch("ROLLBACK");
        }
    }
}

/// Runs `read` on one snapshot.
pub(crate) fn on_snapshot<T>(
    connection: &Connection,
    read: impl FnOnce() -> store_core::Result<T>,
) -> store_core::Result<T> {
    let scope = Scope::begin(connection, "BEGIN DEFERRED").meaning()?;
    let value = read()?;
    scope.commit().meaning()?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pragmas::read_back;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn a_transaction_that_writes_leaves_the_settings_as_they_are_also_if_it_cannot_begin() -> Outcome
    {
        let scratch = tempfile::tempdir()?;
        let path = scratch.path().join("project.db");
        let options = Options::new(&path).busy_timeout(Duration::ZERO);
        drop(options.clone().open()?);
        let settings = pragmas::settings(&options, Role::Writer);
        let pool = connections(&path, &options, Role::Writer)?;
        let other = connections(&path, &options, Role::Writer)?;
        let (connection, other) = (pool.get()?, other.get()?);
        let scope = Scope::begin_unit(&connection)?;
        assert_eq!(read_back(&connection, &settings)?, settings);
        assert!(Scope::begin_unit(&other).is_err(), "one writes at a time");
        assert_eq!(read_back(&other, &settings)?, settings);
        scope.commit()?;
        Ok(())
    }

    #[test]
    fn every_connection_of_both_pools_has_its_settings() -> Outcome {
        let scratch = tempfile::tempdir()?;
        let path = scratch.path().join("project.db");
        let options = Options::new(&path).readers(7);
        drop(options.clone().open()?);
        for role in [Role::Writer, Role::Reader] {
            let settings = pragmas::settings(&options, role);
            let pool = connections(&path, &options, role)?;
            let lent: Vec<Lent> =
                (0..pool.max_size()).map(|_| pool.get()).collect::<Result<_, _>>()?;
            assert_eq!(lent.len(), if role == Role::Writer { 1 } else { 7 });
            for connection in &lent {
                assert_eq!(read_back(connection, &settings)?, settings);
                let mode: String =
                    connection.query_one("PRAGMA journal_mode", [], |row| row.get(0))?;
                assert_eq!(mode, "wal");
                let schema = connection
                    .execute_batch("PRAGMA writable_schema = ON; DELETE FROM sqlite_schema");
                assert!(schema.is_err(), "defensive mode is off");
            }
        }
        Ok(())
    }

    #[test]
    fn a_setting_that_does_not_take_is_refused() -> Outcome {
        let connection = crate::create::fresh_in_memory()?;
        let misspelt = [("foreign_key", 1)];
        assert!(pragmas::apply(&connection, &misspelt).is_err());
        // A page size is what it is once there is a page.
        connection.execute_batch("CREATE TABLE some (thing INTEGER)")?;
        let refused = pragmas::apply(&connection, &[("page_size", 8192)]);
        assert!(
            matches!(refused, Err(OpenError::Setting { name: "page_size", .. })),
            "{refused:?}"
        );
        Ok(())
    }

    #[test]
    fn a_connection_never_goes_back_inside_a_transaction() -> Outcome {
        let connection = crate::create::fresh_in_memory()?;
        let left = on_snapshot(&connection, || -> store_core::Result<()> {
            Err(store_core::Error::aborted("no"))
        });
        assert!(left.is_err() && connection.is_autocommit());
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            on_snapshot(&connection, || -> store_core::Result<()> { panic!("planted") })
        }));
        assert!(panicked.is_err() && connection.is_autocommit());
        Ok(())
    }
}
