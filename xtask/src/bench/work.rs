//! The words of a benchmark: what is done, on which side, and by how many at once.

use serde::{Deserialize, Serialize};

use crate::shared::choices::Durability;

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The store.
    Ours,
    /// One connection, prepared statements, nothing around it.
    Limit,
    /// A pool with a connection a thread.
    Pool,
    /// One connection behind a mutex.
    Mutex,
}

impl Side {
    /// How reports call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Limit => "limit",
            Self::Pool => "pool of writers",
            Self::Mutex => "mutex",
        }
    }
}

/// What is done, over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// A job is created with its input and event.
    Create,
    /// So many at once.
    CreateMany(u32),
    /// They are created one by one, so many of them in flight.
    CreateInFlight(u32),
    /// PENDING to QUEUED or back, with its event.
    ChangeStatus,
    /// A result with its event.
    WriteResult,
    /// What a UI, a scheduler and workers do, half of it reads.
    Mix,
    /// So many jobs are claimed at once, under a lease.
    Claim(u32),
    /// So many jobs are claimed at once and completed in one unit of work.
    ClaimAndComplete(u32),
    /// A claim that finds nothing.
    ClaimNothing,
    /// A job by its id.
    GetById,
    /// The newest so many.
    Newest(u32),
    /// The statuses of so many jobs.
    Statuses(u32),
    /// Every job, page by page.
    ListAll,
    /// A snapshot is held for so many milliseconds, and another one before it ends.
    HoldSnapshots(u32),
}

impl Work {
    /// Whether it leaves the database as it was.
    pub const fn only_reads(self) -> bool {
        matches!(
            self,
            Self::GetById
                | Self::ClaimNothing
                | Self::Newest(_)
                | Self::Statuses(_)
                | Self::ListAll
                | Self::HoldSnapshots(_)
        )
    }
}

/// How many do it at once, and what a commit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shape {
    /// Processes.
    pub processes: u32,
    /// Threads of each.
    pub threads: u32,
    /// What an acknowledged write survives.
    pub durability: Durability,
}

impl Shape {
    /// One thread of one process.
    pub const fn alone(durability: Durability) -> Self {
        Self { processes: 1, threads: 1, durability }
    }
}

/// The jobs that are there before the work begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stock {
    /// None.
    Empty,
    /// So many that are PENDING.
    Pending(u32),
    /// So many that can be claimed.
    Queued(u32),
    /// So few that can be claimed, and this many that are COMPLETED.
    QueuedBeside(u32, u32),
    /// So few that can be claimed, and this many behind them that wait for four others each.
    QueuedBefore(u32, u32),
    /// So many that are RUNNING and have no result yet.
    Running(u32),
    /// So many of all statuses, most of them COMPLETED.
    Mixed(u32),
}

impl Stock {
    /// How many.
    pub const fn jobs(self) -> u32 {
        match self {
            Self::Empty => 0,
            Self::Pending(jobs) | Self::Queued(jobs) | Self::Running(jobs) | Self::Mixed(jobs) => {
                jobs
            }
            Self::QueuedBeside(few, many) | Self::QueuedBefore(few, many) => few + many,
        }
    }
}

/// When a process stops.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// After so many seconds.
    Seconds(f64),
    /// After so many operations of each thread.
    Operations(u64),
    /// When the parent says so.
    Told,
}

/// A process beside the measured ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beside {
    /// What it does.
    pub work: Work,
    /// How many threads it has.
    pub threads: u32,
}
