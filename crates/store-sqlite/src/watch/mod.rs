//! Watches: they wake when any process has committed, and cost next to nothing while nobody does.
//!
//! Whether somebody has committed is what `PRAGMA data_version` says, on a connection of the watch's own
//! (<https://sqlite.org/pragma.html#pragma_data_version>). When to look is what the kernel says: on Linux,
//! `inotify` tells of each write to the log. A commit first writes to the log, and only then becomes
//! visible through the log's shared index, which is memory and tells nobody; so a write to the log is
//! followed by several looks, until one sees the commit ([ADR
//! 0013](../../../../docs/adr/0013-a-watch-looks-when-the-log-is-written.md)).

mod looks;
mod notice;
mod waiting;

#[cfg(test)]
mod orders;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use store_core::nesting::{self, StoreKey};
use store_core::{Error, Result, Watch};

use crate::create::{connect, connect_read_only};
use crate::error::Meaning;
use crate::location::{FileIdentity, Location};
use crate::options::Options;
use crate::pragmas::{self, Role};

pub(crate) use self::notice::Ending;
use self::notice::Notice;
use self::waiting::Surroundings;

/// A watch of a SQLite store; see [`Store::watch`](store_core::Store::watch).
///
/// It has a connection of its own, which never writes, holds no snapshot while it waits, and is closed
/// when the watch is dropped. It does not keep the store open.
#[derive(Debug)]
pub struct SqliteWatch {
    key: StoreKey,
    here: Here,
    seen: i64,
}

/// What a watch looks at.
#[derive(Debug)]
struct Here {
    connection: Connection,
    location: Location,
    database: FileIdentity,
    notice: Notice,
    ending: Arc<Ending>,
}

impl SqliteWatch {
    pub(crate) fn begin(
        key: StoreKey,
        location: &Location,
        options: &Options,
        ending: &Arc<Ending>,
    ) -> Result<Self> {
        let path = location.database();
        let opened = if options.read_only { connect_read_only(path) } else { connect(path) };
        let connection = opened.meaning()?;
        pragmas::apply(&connection, &pragmas::settings(options, Role::Reader))
            .map_err(|error| Error::Access(error.into()))?;
        let moved = |error: std::io::Error| Error::Moved(Some(error.into()));
        let mut here = Here {
            database: FileIdentity::of(path).map_err(moved)?,
            // The first look makes the log, if there is none; the notice is armed before the second.
            notice: Notice::begin(location, ending),
            connection,
            location: location.clone(),
            ending: Arc::clone(ending),
        };
        here.data_version()?;
        here.notice.listen();
        let seen = here.data_version()?;
        Ok(Self { key, here, seen })
    }
}

impl Watch for SqliteWatch {
    fn wait(&mut self, timeout: Duration) -> Result<bool> {
        if nesting::is_inside(self.key) {
            return Err(Error::Nested);
        }
        waiting::wait(&mut self.here, &mut self.seen, timeout)
    }
}

impl Here {
    /// A number that another connection's commit changes; it takes a snapshot and gives it back.
    fn data_version(&self) -> Result<i64> {
        let mut asked = self.connection.prepare_cached("PRAGMA data_version").meaning()?;
        asked.query_one([], |row| row.get(0)).meaning()
    }
}

impl Surroundings for Here {
    fn listen(&mut self) -> bool {
        self.notice.listen()
    }

    fn look(&mut self) -> Result<i64> {
        if self.ending.has_come() {
            return Err(Error::Closed);
        }
        self.data_version()
    }

    fn look_around(&mut self) -> Result<()> {
        match FileIdentity::of(self.location.database()) {
            Ok(found) if found == self.database => Ok(()),
            Ok(_) => Err(Error::Moved(None)),
            Err(error) => Err(Error::Moved(Some(error.into()))),
        }
    }

    fn sleep(&mut self, longest: Duration) {
        self.notice.sleep(longest);
    }

    fn longest_sleep(&self) -> Duration {
        self.notice.longest_sleep()
    }

    fn now(&self) -> Instant {
        Instant::now()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Duration;

    use store_core::prelude::*;
    use store_core::{Code, NewJob, Placement, Result, WorkDir};

    use crate::Options;

    #[test]
    fn a_watch_that_the_kernel_tells_nothing_looks_by_itself() -> Result<()> {
        let scratch = tempfile::tempdir().expect("a directory");
        let store = Options::new(scratch.path().join("project.db")).open().expect("opened");
        let mut watch = store.watch()?;
        watch.here.notice.deafen();
        for number in 0..5 {
            let dir = Placement::At(WorkDir::new(format!("/scratch/{number}"))?);
            let (new, writer) = (NewJob::new("MgO", Code::Crystal, dir), store.clone());
            let written = std::thread::spawn(move || writer.create_job(&new));
            assert!(watch.wait(Duration::from_secs(20))?);
            written.join().expect("no panic")?;
            while watch.wait(Duration::ZERO)? {}
        }
        assert!(!watch.wait(Duration::from_millis(20))?);
        Ok(())
    }
}
