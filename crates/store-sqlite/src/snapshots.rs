//! Who holds a snapshot, and for how long: an old one keeps the write-ahead log from being emptied.

use std::panic::Location;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The snapshots that are held in this process.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    next: u64,
    /// As many as there are readers at the most.
    by_age: Vec<Snapshot>,
}

#[derive(Debug)]
struct Snapshot {
    number: u64,
    since: Instant,
    origin: &'static Location<'static>,
    thread: thread::Thread,
    reported: bool,
}

/// A snapshot that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldSnapshot {
    /// For how long.
    pub age: Duration,
    /// Where in the program it was taken: file and line of the call.
    pub origin: String,
    /// The thread that holds it, by name if it has one.
    pub thread: String,
}

impl std::fmt::Display for HeldSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1?}, taken at {} by {}", self.age, self.origin, self.thread)
    }
}

impl Snapshot {
    fn describe(&self) -> HeldSnapshot {
        let name = self.thread.name().map(str::to_owned);
        HeldSnapshot {
            age: self.since.elapsed(),
            origin: format!("{}:{}", self.origin.file(), self.origin.line()),
            thread: name.unwrap_or_else(|| format!("{:?}", self.thread.id())),
        }
    }
}

/// Says, while it lives, that a snapshot is held.
#[derive(Debug)]
pub(crate) struct Holding<'s> {
    snapshots: &'s Snapshots,
    number: u64,
    since: Instant,
}

impl Holding<'_> {
    /// For how long it has been held.
    pub(crate) fn age(&self) -> Duration {
        self.since.elapsed()
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        let mut held = self.snapshots.lock();
        held.by_age.retain(|snapshot| snapshot.number != self.number);
    }
}

impl Snapshots {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a snapshot that is taken now.
    pub(crate) fn hold(&self, origin: &'static Location<'static>) -> Holding<'_> {
        let (since, thread) = (Instant::now(), thread::current());
        let mut held = self.lock();
        let number = held.next;
        held.next += 1;
        held.by_age.push(Snapshot { number, since, origin, thread, reported: false });
        Holding { snapshots: self, number, since }
    }

    /// How many were taken so far.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> u64 {
        self.lock().next
    }

    /// The one that is held longest.
    pub(crate) fn oldest(&self) -> Option<HeldSnapshot> {
        self.lock().by_age.first().map(Snapshot::describe)
    }

    /// Those that are older than `limit` and were not reported before.
    pub(crate) fn newly_older_than(&self, limit: Duration) -> Vec<HeldSnapshot> {
        let mut held = self.lock();
        let old = held.by_age.iter_mut().take_while(|found| found.since.elapsed() > limit);
        let mut found = Vec::new();
        for snapshot in old.filter(|snapshot| !snapshot.reported) {
            snapshot.reported = true;
            found.push(snapshot.describe());
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_named_once_while_it_is_held() {
        let snapshots = Snapshots::default();
        assert_eq!(snapshots.oldest(), None);
        let first = snapshots.hold(Location::caller());
        let second = snapshots.hold(Location::caller());
        let old = snapshots.newly_older_than(Duration::ZERO);
        assert_eq!(old.len(), 2);
        assert!(old[0].origin.contains("snapshots.rs:"), "{}", old[0].origin);
        assert!(old[0].thread.contains("a_snapshot_is_named_once"), "{}", old[0].thread);
        assert!(snapshots.newly_older_than(Duration::ZERO).is_empty());
        drop(first);
        assert!(snapshots.oldest().is_some());
        drop(second);
        assert_eq!(snapshots.oldest(), None);
    }
}
