//! Waiting for changes: a watch that wakes when anybody has committed, and a feed of the events.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::event::Event;
use crate::ids::EventSequence;
use crate::repo::EventRead;
use crate::store::Store;

/// Wakes its owner when any thread of any process has committed to a store; made by
/// [`Store::watch`].
///
/// It tells that something happened, not what: a [`Feed`] hands out the events. Whoever wants to see
/// everything makes the watch, reads, and then waits; in that order nothing is missed.
///
/// It blocks its thread. An async program waits in its runtime's pool for blocking work, one thread a
/// watch, and takes the watch back with the answer.
///
/// # Contract
/// - No wake is lost: a commit that was acknowledged after the watch was made, or after the last wait
///   that answered `true` had begun, MUST end the next wait, also if it came while nobody waited.
/// - Several commits may be one wake. Rarely a wake may come without a commit, where a backend cannot
///   tell.
/// - It MUST hold no snapshot and no lock while it waits.
pub trait Watch: Send + 'static {
    /// Waits until somebody has committed, for `timeout` at the most, and tells whether; zero only looks.
    ///
    /// # Errors
    /// [`Error::Closed`] once the store was closed, also for who waits
    /// already; [`Error::Nested`] inside a unit of work of the same store, whose
    /// commit it would wait for; [`Error::Moved`] where the store is no longer
    /// where it was.
    fn wait(&mut self, timeout: Duration) -> Result<bool>;
}

/// Hands out the events of a store as they are committed, by whatever process, each once and in the
/// order of their commits.
///
/// ```
/// # #[cfg(feature = "memory")] {
/// use std::time::Duration;
/// use store_core::{memory::MemoryStore, prelude::*};
/// use store_core::{Code, EventKind, NewJob, Placement, WorkDir};
///
/// let store = MemoryStore::new();
/// let mut feed = store.feed_from_now()?;
/// let dir = Placement::At(WorkDir::new("/scratch/mgo")?);
/// store.create_job(&NewJob::new("MgO", Code::Crystal, dir))?;
/// let events = feed.next(100, Duration::from_secs(1))?;
/// assert_eq!(events[0].kind, EventKind::Created);
/// # }
/// # Ok::<(), store_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Feed<S: Store> {
    store: S,
    watch: S::Watch,
    place: EventSequence,
    /// What was forgotten up to here is nothing that its reader could know of.
    unknown: EventSequence,
}

impl<S: Store> Feed<S> {
    /// The events after `place`: [`EventSequence::START`] for all of them, or a [`place`](Self::place)
    /// that was kept.
    ///
    /// # Errors
    /// Those of [`Store::watch`] and of reading.
    pub fn after(store: &S, place: EventSequence) -> Result<Self> {
        let watch = store.watch()?;
        // Who begins at the start knows no job that has left.
        let unknown = match place {
            EventSequence::START => store.newest_forgotten()?,
            kept => kept,
        };
        Ok(Self { watch, store: store.clone(), place, unknown })
    }

    /// The events from now on.
    ///
    /// # Errors
    /// Those of [`Store::watch`] and of reading.
    pub fn from_now(store: &S) -> Result<Self> {
        Self::after(store, store.newest_sequence()?)
    }

    /// The sequence of the last event that was handed out. A program that keeps it goes on from there
    /// when it is started again. One from before [`EventRead::newest_forgotten`] is refused, also where the feed had
    /// begun at the start and missed nothing.
    pub const fn place(&self) -> EventSequence {
        self.place
    }

    /// The next events, `limit` of them at the most; waits for the first one, for `timeout` at the
    /// most, and hands out none where that has passed.
    ///
    /// A call that returns an error has handed out nothing, and the next one goes on where it was.
    ///
    /// # Errors
    /// Those of [`Watch::wait`] and of reading; [`Error::Forgotten`] where retention has forgotten meanwhile that jobs
    /// left, which takes a day at least. Such a feed does not go on: take a new one [from now](Self::from_now), then read
    /// what is there.
    pub fn next(&mut self, limit: u32, timeout: Duration) -> Result<Vec<Event>> {
        let begun = Instant::now();
        loop {
            // The watch is older than this look, so that what it does not see ends the wait.
            let events = self.store.read(|r| {
                let (after, newest) = (self.place, r.newest_forgotten()?);
                if newest > after.max(self.unknown) {
                    return Err(Error::Forgotten { after, newest });
                }
                r.events_after(after, limit)
            })?;
            if let Some(last) = events.last() {
                self.place = last.sequence;
                return Ok(events);
            }
            let left = timeout.saturating_sub(begun.elapsed());
            if !self.watch.wait(left)? && left.is_zero() {
                return Ok(events);
            }
        }
    }
}
