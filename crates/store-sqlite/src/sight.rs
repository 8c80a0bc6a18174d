//! What the parts of an open store tell each other, and `stats` tells the user.

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
}
