//! What writers tell the checkpointer: how long the log is.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rusqlite::Connection;

use super::ROUND;
use crate::options::Options;

thread_local! {
    static LOG_PAGES: Cell<u32> = const { Cell::new(0) };
}

/// Has the log's length noted after each commit on this connection; in the place of SQLite's own
/// checkpoints (<https://sqlite.org/c3ref/wal_hook.html>).
pub(crate) fn note_log_pages(connection: &Connection) {
    connection.wal_hook(Some(|_log, pages| {
        LOG_PAGES.set(u32::try_from(pages).unwrap_or(0));
        Ok(())
    }));
}

/// How many pages the log had after the last commit of this thread.
pub(crate) fn log_pages_after_commit() -> u32 {
    LOG_PAGES.get()
}

/// What writers tell the checkpointer.
#[derive(Debug)]
pub(crate) struct Notices {
    /// Pages of the log after which a pass is due.
    every: u32,
    /// Pages of the log that the last pass has seen.
    passed: AtomicU32,
    state: Mutex<Notice>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Notice {
    due: bool,
    ended: bool,
}

impl Notices {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            every: options.checkpoint_pages,
            passed: AtomicU32::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Notice> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A commit has made the log so long.
    pub(crate) fn notice(&self, log_pages: u32) {
        let passed = self.passed.load(Ordering::Relaxed);
        // A shorter log was begun anew.
        let fresh = if log_pages < passed {
            self.passed.store(0, Ordering::Relaxed);
            log_pages
        } else {
            log_pages - passed
        };
        if fresh >= self.every {
            self.lock().due = true;
            self.changed.notify_one();
        }
    }

    /// So much of the log is in the database. What was noticed meanwhile counts from there.
    pub(super) fn passed_to(&self, log_pages: u32) {
        self.passed.store(log_pages, Ordering::Relaxed);
        self.lock().due = false;
    }

    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_one();
    }

    /// Waits for a pass to be due, for a round at the most; nothing when it is over.
    pub(super) fn next(&self) -> Option<bool> {
        let deadline = Instant::now() + ROUND;
        let mut state = self.lock();
        loop {
            if state.ended {
                return None;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.due || left.is_zero() {
                return Some(std::mem::take(&mut state.due));
            }
            state =
                self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
