//! What can be set when a store is opened, with units, defaults and reasons.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use schema::migrations::{self, MigrationSet};
use store_core::{Actor, Clock, Invalid, SystemClock};

use crate::error::OpenError;
use crate::store::SqliteStore;

/// What an acknowledged write survives. The database stays whole in both
/// (<https://sqlite.org/pragma.html#pragma_synchronous>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// `synchronous=NORMAL`: a crash of the program or of any other process; a power cut may take the
    /// newest commits.
    #[default]
    Normal,
    /// `synchronous=FULL`: a power cut too. Each commit waits for the disk; writers that arrive
    /// together share one.
    Full,
}

/// What becomes of a write that finds the queue full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// It waits for room, until the deadline.
    #[default]
    Wait,
    /// It is refused at once, with [`QueueFull`](store_core::Error::QueueFull).
    Refuse,
}

/// The longest deadline, a year: far below what clocks can add.
const LONGEST_DEADLINE: Duration = Duration::from_secs(366 * 24 * 3600);

/// The most that SQLite maps (`SQLITE_MAX_MMAP_SIZE`).
const LARGEST_MAPPING: u64 = 0x7fff_0000;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    pub(crate) path: PathBuf,
    pub(crate) read_only: bool,
    pub(crate) durability: Durability,
    pub(crate) readers: u32,
    pub(crate) deadline: Duration,
    pub(crate) busy_timeout: Duration,
    pub(crate) cache_kib: u32,
    pub(crate) mmap_bytes: u64,
    pub(crate) checkpoint_pages: u32,
    pub(crate) wal_limit_bytes: u64,
    pub(crate) batch: u32,
    pub(crate) queue: u32,
    pub(crate) when_full: WhenFull,
    pub(crate) slow_snapshot: Duration,
    pub(crate) any_file_system: bool,
    pub(crate) actor: Option<Actor>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) migrations: MigrationSet,
}

impl Options {
    /// The defaults, for the store at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            read_only: false,
            durability: Durability::Normal,
            readers: 4,
            deadline: Duration::from_secs(30),
            busy_timeout: Duration::from_secs(5),
            cache_kib: 16 * 1024,
            mmap_bytes: 0,
            checkpoint_pages: 1000,
            wal_limit_bytes: 64 * 1024 * 1024,
            batch: 256,
            queue: 10_000,
            when_full: WhenFull::Wait,
            slow_snapshot: Duration::from_secs(5),
            any_file_system: false,
            actor: None,
            clock: Arc::new(SystemClock),
            migrations: migrations::embedded(),
        }
    }

    /// Opens a store that is there, at a schema that this program knows exactly, for reading alone: none
    /// is created, nothing is upgraded, the database file is not changed. SQLite still keeps its `-wal`
    /// and `-shm` files beside it. Default: false.
    #[must_use]
    pub const fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// What an acknowledged write survives. Default: [`Durability::Normal`]: a power cut is rare, and every commit pays for it.
    #[must_use]
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How many connections read, at least 1; one unit of work or straight read takes one. Default: 4,
    /// enough for a UI and a scheduler; a connection costs some hundred kilobytes and its cache.
    #[must_use]
    pub const fn readers(mut self, readers: u32) -> Self {
        self.readers = readers;
        self
    }

    /// How long a call waits for its turn to write, or for a reader, before it ends in
    /// [`Contended`](store_core::Error::Contended) or
    /// [`ReadersBusy`](store_core::Error::ReadersBusy). Default: 30 s; writers take turns in
    /// milliseconds, so who waits that long waits for something broken.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How long SQLite itself waits for a lock, in whole milliseconds (`busy_timeout`). To begin a write, the store
    /// waits in its place, until the [deadline](Self::deadline); what is left are moments, such as a log that is
    /// read again after a crash. Default: 5000 ms.
    #[must_use]
    pub const fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// The page cache of each connection in KiB (`cache_size`). Default: 16 MiB, which holds the
    /// indexes of some hundred thousand jobs.
    #[must_use]
    pub const fn cache_kib(mut self, cache_kib: u32) -> Self {
        self.cache_kib = cache_kib;
        self
    }

    /// How many bytes of the database are read through memory mapping (`mmap_size`); 0 turns it off.
    /// Default: 0. An I/O error under a mapping, or a file cut short by someone, is a signal that ends the
    /// process instead of an error; and jobs read by id came 1.2 to 1.4 times as fast without a mapping as
    /// with 256 MiB of it, twice as fast beside four writers (docs/measurements.md).
    #[must_use]
    pub const fn mmap_bytes(mut self, bytes: u64) -> Self {
        self.mmap_bytes = bytes;
        self
    }

    /// After how many pages in the write-ahead log, at least 1, the store makes a pass over it, on a thread
    /// of its own; no caller's commit does (`wal_autocheckpoint` is 0). Default: 1000, as in
    /// SQLite.
    #[must_use]
    pub const fn checkpoint_pages(mut self, pages: u32) -> Self {
        self.checkpoint_pages = pages;
        self
    }

    /// The size in bytes that the write-ahead log is to stay below. At half of it the store begins to
    /// empty the log, which a reader that holds an old snapshot can prevent. A file that has grown beyond this size is
    /// then used from its start again. Up to 200 MB it is cut when nobody has written for a second or two; a longer one,
    /// for which a writer would wait, by [`SqliteStore::checkpoint`](crate::SqliteStore::checkpoint) and when the last
    /// store is closed. Default: 64 MiB.
    #[must_use]
    pub const fn wal_limit_bytes(mut self, bytes: u64) -> Self {
        self.wal_limit_bytes = bytes;
        self
    }

    /// How many writes may share one commit, at least 1. Default: 256; more makes single writes wait
    /// longer and commits hardly cheaper.
    #[must_use]
    pub const fn batch(mut self, writes: u32) -> Self {
        self.batch = writes;
        self
    }

    /// How many writes may wait in this process, at least 1. Default: 10,000, some megabytes of small
    /// writes and less than a second of work.
    #[must_use]
    pub const fn queue(mut self, writes: u32) -> Self {
        self.queue = writes;
        self
    }

    /// What becomes of a write that finds the queue full. Default: it waits.
    #[must_use]
    pub const fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// After what time a snapshot that is still held is reported, in the log and in `stats`. Default:
    /// 5 s; reads take milliseconds, and a log that cannot be emptied grows with every write.
    #[must_use]
    pub const fn slow_snapshot(mut self, age: Duration) -> Self {
        self.slow_snapshot = age;
        self
    }

    /// Opens stores on network and user-space file systems too. Default: false; there, SQLite's locks
    /// or its shared memory do not work between machines, and a store can be damaged
    /// (<https://sqlite.org/wal.html>, "all processes using a database must be on the same host").
    #[must_use]
    pub const fn allow_any_file_system(mut self, allow: bool) -> Self {
        self.any_file_system = allow;
        self
    }

    /// Who signs the events of changes. Default: the name of the program and its process id.
    #[must_use]
    pub fn actor(mut self, actor: Actor) -> Self {
        self.actor = Some(actor);
        self
    }

    /// Where the time comes from. Default: the machine's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The migrations that make the schema. Default: all that this program knows. Others are for trying
    /// out a migration before it is released, and for tests.
    #[must_use]
    pub fn migrations(mut self, migrations: MigrationSet) -> Self {
        self.migrations = migrations;
        self
    }

    /// Opens the store; creates it if there is none, upgrades it if it is older.
    ///
    /// An upgrade runs in one transaction, behind a copy of the store beside it
    /// (`project.db.v2.backup`). Any number of processes may open one new or old store at once: each
    /// migration runs once, and every open succeeds.
    ///
    /// # Errors
    /// [`OpenError`], by stage. A file that is refused was not changed.
    pub fn open(self) -> Result<SqliteStore, OpenError> {
        crate::open::open(self)
    }

    pub(crate) fn check(&self) -> Result<(), Invalid> {
        let at_least_one = [
            ("readers", self.readers),
            ("batch", self.batch),
            ("queue", self.queue),
            ("checkpoint_pages", self.checkpoint_pages),
        ];
        if let Some((option, _)) = at_least_one.into_iter().find(|(_, value)| *value == 0) {
            return Err(Invalid::new(option, "is 0: give at least 1".to_owned()));
        }
        if self.deadline > LONGEST_DEADLINE {
            let reason = format!("is {:?}: give at most {LONGEST_DEADLINE:?}", self.deadline);
            return Err(Invalid::new("deadline", reason));
        }
        let in_range = [
            ("checkpoint_pages", u64::from(self.checkpoint_pages)),
            ("busy_timeout", u64::try_from(self.busy_timeout.as_millis()).unwrap_or(u64::MAX)),
            ("cache_kib", u64::from(self.cache_kib)),
        ];
        for (option, value) in in_range {
            if i32::try_from(value).is_err() {
                return Err(Invalid::new(option, format!("is {value}: give at most {}", i32::MAX)));
            }
        }
        for (option, value, most) in [
            ("mmap_bytes", self.mmap_bytes, LARGEST_MAPPING),
            ("wal_limit_bytes", self.wal_limit_bytes, i64::MAX.unsigned_abs()),
        ] {
            if value > most {
                return Err(Invalid::new(option, format!("is {value}: give at most {most}")));
            }
        }
        Ok(())
    }
}
