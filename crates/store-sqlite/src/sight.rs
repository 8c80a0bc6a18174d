//! What the parts of an open store tell each other, and `stats` tells the user.

use std::time::Duration;

use crate::checkpointer::Notices;
use crate::counters::Counters;
use crate::options::Options;
use crate::snapshots::Snapshots;

/// Shared by the callers, the writer and the checkpointer of one store.
#[derive(Debug)]
pub(crate) struct Sight {
    pub(crate) counters: Counters,
    pub(crate) snapshots: Snapshots,
    pub(crate) notices: Notices,
}

impl Sight {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            counters: Counters::default(),
            snapshots: Snapshots::default(),
            notices: Notices::new(options),
        }
    }

    /// Warns of the snapshots that have become older than `limit`, each once, while they are held.
    pub(crate) fn tell_of_snapshots_older_than(&self, limit: Duration) {
        for snapshot in self.snapshots.newly_older_than(limit) {
            self.counters.slow_snapshot();
            tracing::warn!(%snapshot, "a snapshot is held for long; the log cannot be emptied");
        }
    }
}
