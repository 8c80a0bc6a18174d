//! The history of jobs and clusters.

use crate::error::Result;
use crate::event::Event;
use crate::ids::{ClusterId, EventSequence, JobId};
use crate::store::Store;

/// Reading the history.
pub trait EventRead {
    /// The events of a job, oldest first; of one that was deleted or moved into another store, the events
    /// that tell so, until the store's retention forgets them.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such job, and nothing is known of one.
    fn history(&self, job: JobId) -> Result<Vec<Event>>;

    /// The events of a cluster, oldest first; they stay when it is removed. A cluster from before they were kept may
    /// have none.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such cluster, and nothing is known of one.
    fn cluster_history(&self, cluster: ClusterId) -> Result<Vec<Event>>;

    /// The first `limit` events of all jobs and clusters after `sequence`, in the order of their commits. Going
    /// on from the last one misses none that is there and repeats none, whatever is committed meanwhile.
    ///
    /// The events of a job go with it, when it is deleted or moved into another store, but for the one that
    /// tells so, which has its last status. That one stays for a day at least: who looks once a day sees each job go,
    /// and each change of those that stay. Who looks less often may miss that jobs left, and goes on from a place
    /// before [`newest_forgotten`](Self::newest_forgotten); a [`Feed`](crate::Feed) tells so.
    fn events_after(&self, sequence: EventSequence, limit: u32) -> Result<Vec<Event>>;

    /// The sequence of the newest event that is there or was forgotten, or [`EventSequence::START`]; every event that
    /// is committed later comes after it.
    fn newest_sequence(&self) -> Result<EventSequence>;

    /// The sequence of the newest event that retention has forgotten, or [`EventSequence::START`]. Who goes on from
    /// there, or from a later place, has missed nothing.
    fn newest_forgotten(&self) -> Result<EventSequence>;
}

/// Writing the history. Every other method that changes a job or a cluster adds to it by itself; `heartbeat`, and
/// reports of how a cluster answers, change neither.
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
    fn cluster_history(&self, cluster: ClusterId) -> Result<Vec<Event>> {
        self.read(|r| r.cluster_history(cluster))
    }

    #[track_caller]
    fn events_after(&self, sequence: EventSequence, limit: u32) -> Result<Vec<Event>> {
        self.read(|r| r.events_after(sequence, limit))
    }

    #[track_caller]
    fn newest_sequence(&self) -> Result<EventSequence> {
        self.ask(|r| r.newest_sequence())
    }

    #[track_caller]
    fn newest_forgotten(&self) -> Result<EventSequence> {
        self.ask(|r| r.newest_forgotten())
    }
}

impl<S: Store> EventWrite for S {
    #[track_caller]
    fn add_note(&self, job: JobId, text: &str) -> Result<Event> {
        let text = text.to_owned();
        self.change(move |w| w.add_note(job, &text))
    }
}
