//! What a process of a benchmark is told to do, and what it tells of it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::work::{Side, Stock, Until, Work};
use crate::shared::choices::Durability;
use crate::shared::durations::Durations;

/// What one process does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// The database.
    pub database: PathBuf,
    /// What it is used through.
    pub side: Side,
    /// What is done.
    pub work: Work,
    /// Which process this is, from 1; no two that write to one database have the same number.
    pub process: u32,
    /// How many share the work.
    pub processes: u32,
    /// How many threads this one has.
    pub threads: u32,
    /// What an acknowledged write survives.
    pub durability: Durability,
    /// What is in the database.
    pub stock: Stock,
    /// When it stops.
    pub until: Until,
}

/// The rows that were written, as the writers were told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Jobs, each with its input.
    pub jobs: u64,
    /// Events.
    pub events: u64,
    /// Results.
    pub results: u64,
    /// Edges between jobs.
    pub edges: u64,
    /// Jobs that waited, and can be claimed or were claimed.
    pub freed: u64,
    /// Jobs that left, each with its input and result.
    pub retired: u64,
    /// Events that left with them.
    pub retired_events: u64,
}

impl Tally {
    /// Counts those of another too.
    pub const fn add(&mut self, other: Self) {
        self.jobs += other.jobs;
        self.events += other.events;
        self.results += other.results;
        self.edges += other.edges;
        self.freed += other.freed;
        self.retired += other.retired;
        self.retired_events += other.retired_events;
    }
}

/// How it went.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Operations that were done.
    pub operations: u64,
    /// Those of them that were done in time, where there is a time.
    pub in_time: u64,
    /// Seconds from the word to start until the last thread was done.
    pub seconds: f64,
    /// Seconds in which its threads had a core, all together.
    pub ran: f64,
    /// How long each call took.
    pub durations: Durations,
    /// How often a call ended in "database is locked".
    pub locked: u64,
    /// What was written.
    pub tally: Tally,
    /// Writes of the store that were committed, and the commits that they shared.
    pub commits: Option<(u64, u64)>,
    /// The largest memory of the process in bytes.
    pub memory: u64,
    /// The largest that was seen of it without mapped files.
    pub own_memory: u64,
    /// What it took of a core while it waited.
    pub share: f64,
}

impl Outcome {
    /// Operations a second. Of several at once only what was done in time counts: one that came too
    /// late would otherwise stretch the time of all.
    pub fn rate(&self, task: &Task) -> f64 {
        let several = task.threads * task.processes > 1;
        match task.until {
            Until::Seconds(seconds) if several && self.in_time > 0 => {
                self.in_time as f64 / self.seconds.min(seconds)
            }
            _ => self.operations as f64 / self.seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_thread_does_not_stretch_the_time_of_all() {
        let mut task = Task {
            database: PathBuf::new(),
            side: Side::Pool,
            work: Work::Create,
            process: 1,
            processes: 1,
            threads: 8,
            durability: Durability::Full,
            stock: Stock::Empty,
            until: Until::Seconds(0.5),
        };
        let outcome = Outcome { operations: 101, in_time: 100, seconds: 4.0, ..Outcome::default() };
        assert!((outcome.rate(&task) - 200.0).abs() < 1e-9);
        task.threads = 1;
        assert!((outcome.rate(&task) - 25.25).abs() < 1e-9);
        let json = serde_json::to_string(&task).expect("it has a form");
        assert_eq!(serde_json::from_str::<Task>(&json).expect("it is read"), task);
    }
}
