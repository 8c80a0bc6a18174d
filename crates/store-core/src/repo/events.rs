//! The history of jobs.

use crate::error::Result;
use crate::event::Event;
use crate::ids::{EventSequence, JobId};
use crate::store::Store;

/// Reading the history.
pub trait EventRead {
    /// The events of a job, oldest first.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such job.
    fn history(&self, job: JobId) -> Result<Vec<Event>>;

    /// The first `limit` events of all jobs after `sequence`, in the order of their commits. Going
    /// on from the last one misses none and repeats none, whatever is committed meanwhile.
    ///
    /// The events of a job go with it: a deletion leaves no trace here, nor does a job that is moved
    /// into another store.
    fn events_after(&self, sequence: EventSequence, limit: u32) -> Result<Vec<Event>>;

    /// The sequence of the newest event that is there, or [`EventSequence::START`]; every event that
    /// is committed later comes after it.
    fn newest_sequence(&self) -> Result<EventSequence>;
}

/// Writing the history. Every other method that changes a job adds to it by itself; but `heartbeat` changes none,
/// and what is deleted takes its history along.
pub trait EventWrite: EventRead {
    /// Adds a note to a job's history and returns its event.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such job.
    fn add_note(&self, job: JobId, text: &str) -> Result<Event>;
}

impl<S: Store> EventRead for S {
    #[track_caller]
    fn history(&self, job: JobId) -> Result<Vec<Event>> {
        self.read(|r| r.history(job))
    }

    #[track_caller]
    fn events_after(&self, sequence: EventSequence, limit: u32) -> Result<Vec<Event>> {
        self.read(|r| r.events_after(sequence, limit))
    }

    #[track_caller]
    fn newest_sequence(&self) -> Result<EventSequence> {
        self.read(|r| r.newest_sequence())
    }
}

impl<S: Store> EventWrite for S {
    #[track_caller]
    fn add_note(&self, job: JobId, text: &str) -> Result<Event> {
        let text = text.to_owned();
        self.change(move |w| w.add_note(job, &text))
    }
}
