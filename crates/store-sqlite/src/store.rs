//! A SQLite store, opened.

use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use store_core::event::Author;
use store_core::nesting::{self, StoreKey, UnitGuard};
use store_core::{Actor, Error, Result, Retention, RetentionReport, Store, Ticket};

use crate::checkpointer::Checkpointer;
use crate::location::Location as Place;
use crate::maintenance::checkpoint::Cut;
use crate::options::{Durability, Options};
use crate::pool::{Connections, Lent, on_snapshot};
use crate::sight::Sight;
use crate::unit::{Reading, Unit, Writing};
use crate::watch::{Ending, SqliteWatch};
use crate::writer::{Extent, Signed, Writer};

/// From how many steps on a call begins a batch. What that spares grows with the steps; what it costs does not: it
/// shares no commit with units of work, and where a commit waits for the disk that is more.
const fn begins_a_batch_from(durability: Durability) -> usize {
    match durability {
        Durability::Normal => 32,
        Durability::Full => 256,
    }
}

/// A store in one SQLite file. Clones are cheap and share its connections; [`Options::open`] makes one.
///
/// Used through the traits of `store-core`: `use store_sqlite::prelude::*`.
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
    author: Author,
}

struct Shared {
    key: StoreKey,
    deadline: Duration,
    options: Options,
    opened: RwLock<Option<Arc<Opened>>>,
}

/// What an open store has.
pub(crate) struct Opened {
    pub(crate) key: StoreKey,
    pub(crate) location: Place,
    pub(crate) readers: Connections,
    pub(crate) sight: Arc<Sight>,
    /// None where it was opened to be read only.
    pub(crate) writer: Option<Writer>,
    /// After the writer, so that it is there as long as anyone writes.
    pub(crate) _checkpointer: Option<Checkpointer>,
    /// Tells the watches, which do not keep the store open.
    pub(crate) ending: Arc<Ending>,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.ending.come();
    }
}

impl Opened {
    /// Waits for the writes that were begun, and brings the log into the database.
    fn finish(&self) -> Result<()> {
        self.ending.come();
        let Some(writer) = &self.writer else { return Ok(()) };
        writer.close();
        writer.empty_the_log(Cut::IfShort).map(drop)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let opened = self.opened.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // Dropped by a closure inside a unit, it would wait for itself; the writes that were handed in
        // keep what is open, and the next open finds what stays in the log.
        if let Some(opened) = opened.filter(|_| !nesting::is_inside(self.key)) {
            let _nobody_to_tell = opened.finish();
        }
    }
}

impl SqliteStore {
    pub(crate) fn new(opened: Opened, options: &Options) -> Self {
        let shared = Shared {
            key: opened.key,
            deadline: options.deadline,
            options: options.clone(),
            opened: RwLock::new(Some(Arc::new(opened))),
        };
        let actor = options.actor.clone().unwrap_or_else(this_process);
        Self { shared: Arc::new(shared), author: Author::new(actor) }
    }

    /// Waits for the writes that were begun, brings what is in the write-ahead log into the database,
    /// and closes every connection that is not reading. All clones then answer [`Error::Closed`].
    ///
    /// Dropping the last clone does the same, but has nobody to tell of an error.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::Nested`] inside a unit of work, which it would wait for; those of the
    /// checkpoint, after which the store is closed and nothing is lost: the next open finds what is in the
    /// log.
    pub fn close(&self) -> Result<()> {
        let _guard = self.guard()?;
        let taken = self.shared.opened.write().unwrap_or_else(PoisonError::into_inner).take();
        taken.ok_or(Error::Closed)?.finish()
    }

    /// The canonical path of the database file.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn path(&self) -> Result<PathBuf> {
        Ok(self.opened()?.location.database().to_owned())
    }

    pub(crate) fn opened(&self) -> Result<Arc<Opened>> {
        let opened = self.shared.opened.read().unwrap_or_else(PoisonError::into_inner);
        opened.as_ref().map(Arc::clone).ok_or(Error::Closed)
    }

    pub(crate) fn options(&self) -> &Options {
        &self.shared.options
    }

    /// Refuses what would wait for itself.
    pub(crate) fn guard(&self) -> Result<UnitGuard> {
        UnitGuard::enter(self.shared.key)
    }

    /// Runs `work` on a connection that reads, and counts as one who holds a snapshot meanwhile.
    #[track_caller]
    pub(crate) fn on_reader<T>(
        &self,
        work: impl FnOnce(&Opened, &Connection) -> Result<T>,
    ) -> Result<T> {
        let _guard = self.guard()?;
        let opened = self.opened()?;
        let connection = self.reader(&opened)?;
        let origin = Location::caller();
        let _span = tracing::trace_span!("read", %origin).entered();
        let held = opened.sight.snapshots.hold(origin);
        let outcome = work(&opened, &connection);
        let limit = self.shared.options.slow_snapshot;
        if opened.writer.is_none() {
            // No thread of a store that only reads has looked for it meanwhile.
            opened.sight.tell_of_snapshots_older_than(limit);
        }
        if tracing::enabled!(tracing::Level::DEBUG) {
            let took = held.age();
            if took > limit {
                tracing::debug!(?took, %origin, "a slow read has ended");
            }
        }
        outcome
    }

    #[track_caller]
    fn write_as<T: Send + 'static>(
        &self,
        extent: Extent,
        work: impl FnOnce(&Unit<'_, Writing>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _guard = self.guard()?;
        let opened = self.opened()?;
        let writer = opened.writer.as_ref().ok_or(Error::ReadOnly)?;
        let signed = Signed::here(&self.shared.options.clock, &self.author);
        writer.write(signed, extent, work)
    }

    pub(crate) fn reader(&self, opened: &Opened) -> Result<Lent> {
        // Without looking at the time, as long as nobody has to wait.
        if let Some(lent) = opened.readers.try_get() {
            // r2d2 tells its handler of those alone that it may have waited for.
            #[cfg(feature = "metrics")]
            crate::counters::gauges::a_reader_is_lent();
            return Ok(lent);
        }
        let begun = Instant::now();
        opened.readers.get_timeout(self.shared.deadline.max(Duration::from_millis(1))).map_err(
            |error| {
                let readers = opened.readers.max_size();
                if opened.readers.state().connections < readers {
                    // A connection was missing and could not be opened.
                    return Error::Access(error.into());
                }
                opened.sight.counters.readers_busy();
                Error::ReadersBusy { waited: begun.elapsed(), readers }
            },
        )
    }
}

impl Store for SqliteStore {
    type Read<'t> = Unit<'t, Reading>;
    type Write<'t> = Unit<'t, Writing>;
    type Watch = SqliteWatch;
    type Archive = Path;

    #[track_caller]
    fn read<T>(&self, work: impl FnOnce(&Self::Read<'_>) -> Result<T>) -> Result<T> {
        let now = self.shared.options.clock.now();
        self.on_reader(|_, connection| {
            on_snapshot(connection, || work(&Unit::reading(connection, now)))
        })
    }

    #[track_caller]
    fn ask<T>(&self, work: impl FnOnce(&Self::Read<'_>) -> Result<T>) -> Result<T> {
        let _guard = self.guard()?;
        let opened = self.opened()?;
        let connection = self.reader(&opened)?;
        let _span = tracing::trace_span!("read", origin = %Location::caller()).entered();
        let now = self.shared.options.clock.now();
        // Not among the snapshots: its own ends with its statement, whatever the closure does then.
        work(&Unit::asking(&connection, now))
    }

    #[track_caller]
    fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self::Write<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.write_as(Extent::Unit, work)
    }

    #[track_caller]
    fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self::Write<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.write_as(Extent::Call, work)
    }

    #[track_caller]
    fn write_steps<T: Send + 'static>(
        &self,
        steps: usize,
        work: impl FnOnce(&Self::Write<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let many = begins_a_batch_from(self.shared.options.durability);
        let extent = if steps < many { Extent::Unit } else { Extent::Alone };
        self.write_as(extent, work)
    }

    #[track_caller]
    fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self::Write<'_>) -> Result<T> + Send + 'static,
    ) -> Result<Ticket<T>> {
        let opened = self.opened()?;
        let writer = opened.writer.as_ref().ok_or(Error::ReadOnly)?;
        let signed = Signed::here(&self.shared.options.clock, &self.author);
        writer.submit(signed, Arc::clone(&opened), work)
    }

    fn watch(&self) -> Result<SqliteWatch> {
        let opened = self.opened()?;
        SqliteWatch::begin(opened.key, &opened.location, &self.shared.options, &opened.ending)
    }

    /// The jobs are copied in transactions that are on the disk (`synchronous=FULL`) before the first of
    /// them is removed here. What is removed is removed in steps of about 10 milliseconds, between which
    /// other writers have their turns; each step looks whether the job is still as it was copied. A job goes in one
    /// step, with everything that belongs to it: 27 milliseconds for one of 40,000 events; documents of tens of
    /// thousands of members, and as many edges, take as long.
    ///
    /// The second store is made with the options of this one. Where it cannot be opened, the
    /// [`OpenError`](crate::OpenError) is the source of [`Error::Access`].
    fn move_finished(&self, retention: &Retention, into: &Path) -> Result<RetentionReport> {
        self.move_into(retention, into)
    }

    /// In the steps of [`move_finished`](Store::move_finished).
    fn prune(&self, retention: &Retention) -> Result<RetentionReport> {
        self.prune_in_steps(retention)
    }

    fn acting_as(&self, actor: Actor) -> Self {
        let author = self.author.acting_as(actor);
        Self { shared: Arc::clone(&self.shared), author }
    }

    fn because(&self, reason: &str) -> Result<Self> {
        let author = self.author.because(reason)?;
        Ok(Self { shared: Arc::clone(&self.shared), author })
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.shared.options.path)
            .field("author", &self.author)
            .field("open", &self.opened().is_ok())
            .finish()
    }
}

/// The program and process that open the store.
fn this_process() -> Actor {
    let program = std::env::current_exe()
        .ok()
        .and_then(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .unwrap_or_else(|| "program".to_owned());
    let name: String = program.chars().filter(|c| !c.is_control()).take(200).collect();
    Actor::new(format!("{name} {}", std::process::id())).expect("it has a process id, and is short")
}
