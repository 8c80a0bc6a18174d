//! Watches of a store in memory: a count of the commits, and who waits for it to change.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::nesting::{self, StoreKey};
use crate::watch::Watch;

/// How often the store has committed.
#[derive(Debug, Default)]
pub(super) struct Commits {
    number: Mutex<u64>,
    grown: Condvar,
}

impl Commits {
    /// Counts one, and wakes who waits for it.
    pub(super) fn count(&self) {
        *self.number.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.grown.notify_all();
    }

    pub(super) fn number(&self) -> u64 {
        *self.number.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A watch of a store in memory. The store has no end: where its last clone is gone, no wake comes.
#[derive(Debug)]
pub struct MemoryWatch {
    key: StoreKey,
    commits: Arc<Commits>,
    seen: u64,
}

impl MemoryWatch {
    pub(super) fn of(key: StoreKey, commits: &Arc<Commits>) -> Self {
        Self { key, commits: Arc::clone(commits), seen: commits.number() }
    }

    /// Takes what was committed so far as seen.
    #[cfg(test)]
    pub(super) fn forget(&mut self) {
        self.seen = self.commits.number();
    }
}

impl Watch for MemoryWatch {
    fn wait(&mut self, timeout: Duration) -> Result<bool> {
        if nesting::is_inside(self.key) {
            return Err(Error::Nested);
        }
        let Commits { number, grown } = &*self.commits;
        let number = number.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = grown.wait_timeout_while(number, timeout, |number| *number == self.seen);
        let (number, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let woken = *number != self.seen;
        self.seen = *number;
        Ok(woken)
    }
}
