//! Opening, in the order that keeps a new, an old and a foreign file safe.

use std::sync::Arc;
use std::time::Instant;

use rusqlite::Connection;
use store_core::nesting::StoreKey;

use crate::checkpointer::Checkpointer;
use crate::create::{connect, connect_read_only, create_private};
use crate::error::{Meaning, OpenError};
use crate::gate::Gate;
use crate::identity;
use crate::location::{Identities, Location};
use crate::note::Doing;
use crate::options::Options;
use crate::patience;
use crate::pool;
use crate::pragmas::{self, Role};
use crate::sight::Sight;
use crate::store::{Opened, SqliteStore};
use crate::watch::Ending;
use crate::writer::Writer;

/// The oldest SQLite that does not lose committed pages of the log
/// (<https://sqlite.org/wal.html#walresetbug>).
const OLDEST_SQLITE: i32 = 3_051_003;

pub(crate) fn open(options: Options) -> Result<SqliteStore, OpenError> {
    options.check()?;
    check_sqlite(rusqlite::version_number(), rusqlite::version())?;
    let location = Location::resolve(&options.path, options.any_file_system)?;
    let span = tracing::debug_span!("open", path = %location.database().display());
    let _entered = span.enter();
    let opened = if options.read_only {
        open_to_read(&options, location)?
    } else {
        open_to_write(&options, location)?
    };
    tracing::debug!(read_only = options.read_only, "opened");
    Ok(SqliteStore::new(opened, &options))
}

fn check_sqlite(number: i32, found: &str) -> Result<(), OpenError> {
    if number < OLDEST_SQLITE {
        return Err(OpenError::SqliteTooOld { found: found.to_owned() });
    }
    Ok(())
}

fn open_to_write(options: &Options, location: Location) -> Result<Opened, OpenError> {
    let deadline = Instant::now() + options.deadline;
    let path = location.database();
    // A file of another program gets no file beside it.
    if location.is_there() {
        identity::read_untouched(&location, options.migrations.newest())?;
    }
    let gate = Gate::open(&location)?;
    let turn = gate
        .enter(deadline, Doing::Opening)
        .map_err(|refused| OpenError::at(path, "waiting at its gate", refused.into()))?;
    let access = |source| OpenError::Access { path: path.to_owned(), source };
    if !create_private(path).map_err(access)? {
        identity::read_untouched(&location, options.migrations.newest())?;
    }
    let failed = |stage| move |source| OpenError::at(path, stage, source);
    let connection = connect(path).meaning().map_err(failed("connecting"))?;
    connection.busy_timeout(options.busy_timeout).meaning().map_err(failed("connecting"))?;
    if connection.is_readonly("main").meaning().map_err(failed("connecting"))? {
        // SQLite opens what it may not write for reading, and would refuse each write only.
        let source = std::io::ErrorKind::PermissionDenied.into();
        return Err(OpenError::Access { path: path.to_owned(), source });
    }
    // Now with its log, and after what a killed process left was rolled back.
    identity::of(&connection, path, options.migrations.newest())?;
    let settings = pragmas::settings(options, Role::Writer);
    pragmas::apply(&connection, &settings)?;
    switch_to_wal(&connection, &location, options, deadline)?;
    crate::migrate::upgrade(&connection, &turn, &location, options, deadline)?;

    let identities = Identities::of(&location).map_err(access)?;
    // The migrated connection keeps the log; opening more of them can take long where there are few
    // descriptors left, and need hold nobody up.
    drop(turn);
    let writer_pool = pool::connections(path, options, Role::Writer)?;
    let readers = pool::connections(path, options, Role::Reader)?;
    let key = StoreKey::new();
    let sight = Arc::new(Sight::new(options));
    // The connection that migrated goes on as the checkpointer's.
    let checkpointer = Checkpointer::start(
        connection,
        Gate::open(&location)?,
        gate.note(),
        &location,
        options,
        Arc::clone(&sight),
    )?;
    let sighted = Arc::clone(&sight);
    let writer =
        Writer::new(writer_pool, gate, location.clone(), identities, options, sighted, key);
    Ok(Opened {
        key,
        location,
        readers,
        sight,
        writer: Some(writer),
        _checkpointer: Some(checkpointer),
        ending: Arc::new(Ending::new()),
    })
}

fn open_to_read(options: &Options, location: Location) -> Result<Opened, OpenError> {
    let path = location.database();
    if !location.is_there() {
        return Err(OpenError::Missing { path: path.to_owned() });
    }
    identity::read_untouched(&location, options.migrations.newest())?;
    let failed = |stage| move |source| OpenError::at(path, stage, source);
    let connection = connect_read_only(path).meaning().map_err(failed("connecting"))?;
    if let Some(found) = crate::migrate::pending(&connection, &location, &options.migrations)? {
        if found == 0 {
            return Err(OpenError::Missing { path: path.to_owned() });
        }
        let known = options.migrations.newest();
        return Err(OpenError::Outdated { path: path.to_owned(), found, known });
    }
    let readers = pool::connections(path, options, Role::Reader)?;
    drop(connection);
    Ok(Opened {
        key: StoreKey::new(),
        location,
        readers,
        sight: Arc::new(Sight::new(options)),
        writer: None,
        _checkpointer: None,
        ending: Arc::new(Ending::new()),
    })
}

/// Switches the database to a write-ahead log, if it has none, and looks at the outcome through a fresh
/// connection: after an I/O error, the answer of the switch itself can be wrong.
fn switch_to_wal(
    connection: &Connection,
    location: &Location,
    options: &Options,
    deadline: Instant,
) -> Result<(), OpenError> {
    let path = || location.database().to_owned();
    let failed = |stage| move |source| OpenError::at(&path(), stage, source);
    if journal_mode(connection).meaning().map_err(failed("reading its journal mode"))? == "wal" {
        return Ok(());
    }
    // Only a program that ignores the gate can be in the way here.
    patience::until(
        deadline,
        connection,
        options.busy_timeout,
        || (),
        || connection.query_one("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)),
    )
    .map_err(failed("switching to a write-ahead log"))?;
    let found = connect(location.database())
        .and_then(|fresh| journal_mode(&fresh))
        .meaning()
        .map_err(failed("looking at its journal mode"))?;
    if found == "wal" { Ok(()) } else { Err(OpenError::NoWriteAheadLog { path: path(), found }) }
}

fn journal_mode(connection: &Connection) -> rusqlite::Result<String> {
    connection.query_one("PRAGMA journal_mode", [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_sqlite_is_refused() {
        assert!(matches!(check_sqlite(3_051_002, "3.51.2"), Err(OpenError::SqliteTooOld { .. })));
        assert!(check_sqlite(3_051_003, "3.51.3").is_ok());
        assert!(check_sqlite(rusqlite::version_number(), rusqlite::version()).is_ok());
    }
}
