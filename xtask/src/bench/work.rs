//! The words of a benchmark: what is done, on which side, and by how many at once.

use serde::{Deserialize, Serialize};

use super::find::By;
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
    /// sqlx's pool, a program of its own.
    Sqlx,
    /// huey, a queue in Python.
    Huey,
    /// honker, a queue in Python and Rust.
    Honker,
    /// plainjob, a queue in JavaScript.
    Plainjob,
}

impl Side {
    /// Those that are programs of their own.
    pub const PEERS: [Self; 4] = [Self::Sqlx, Self::Huey, Self::Honker, Self::Plainjob];

    /// Whether it is one of those.
    pub fn is_peer(self) -> bool {
        Self::PEERS.contains(&self)
    }

    /// Whether its rows are in the schema of the store, where they can be audited.
    pub fn has_our_schema(self) -> bool {
        !self.is_peer() || self == Self::Sqlx
    }

    /// How reports call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Limit => "limit",
            Self::Pool => "pool of writers",
            Self::Mutex => "mutex",
            Self::Sqlx => "sqlx",
            Self::Huey => "huey",
            Self::Honker => "honker",
            Self::Plainjob => "plainjob",
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
    /// So many of these in one transaction.
    ChangeStatuses(u32),
    /// A result with its event.
    WriteResult,
    /// So many of these in one transaction.
    WriteResults(u32),
    /// A job is enqueued, one is claimed, and it is completed, in a transaction each.
    PassThroughQueue,
    /// What a UI, a scheduler and workers do, half of it reads.
    Mix,
    /// So many jobs are claimed at once, under a lease.
    Claim(u32),
    /// So many jobs are claimed at once, and completed in a unit of work of their own.
    ClaimAndComplete(u32),
    /// So many jobs are completed and the next ones claimed, all in one transaction.
    CompleteAndClaim(u32),
    /// A claim that finds nothing.
    ClaimNothing,
    /// A job ends that others wait for.
    FinishParent,
    /// A graph of so many jobs with so many edges is created in one call.
    CreateWorkflow(u32, u32),
    /// Jobs that ended leave the database, a little at a time, while others write.
    Retire(Retired),
    /// A job by its id.
    GetById,
    /// The newest so many.
    Newest(u32),
    /// The statuses of so many jobs.
    Statuses(u32),
    /// Every job, page by page.
    ListAll,
    /// A page of jobs that are found, the first one or a deep one.
    Find(By, bool),
    /// The jobs by status.
    CountsByStatus,
    /// A snapshot is held for so many milliseconds, and another one before it ends.
    HoldSnapshots(u32),
    /// One process is woken by the commits of the others, or looks for them every so many
    /// milliseconds.
    Follow(Option<u32>),
    /// It waits for commits where there are none.
    FollowNothing(Option<u32>),
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
                | Self::Find(..)
                | Self::CountsByStatus
                | Self::HoldSnapshots(_)
                | Self::FollowNothing(_)
        )
    }
}

/// Where jobs that ended go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retired {
    /// Into a second database.
    Moved,
    /// Nowhere.
    Pruned,
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
    /// So many that can be claimed as soon as a claim sees that their time has come.
    Delayed(u32),
    /// So many that are RUNNING, and for each of them this many that wait for it alone.
    Parents(u32, u32),
    /// So many that are COMPLETED, each with an input, a result and [`EVENTS`](Self::EVENTS) events.
    Finished(u32),
    /// So many that are RUNNING and have no result yet.
    Running(u32),
    /// So many of all statuses, most of them COMPLETED.
    Mixed(u32),
    /// As `Mixed`, with all that a filter can ask for; every fourth one has a result.
    Findable(u32),
}

impl Stock {
    /// The events of a finished job.
    pub const EVENTS: u32 = 4;
    /// How many others each job behind a queue waits for.
    pub const PARENTS: u32 = 4;

    /// How many.
    pub const fn jobs(self) -> u32 {
        match self {
            Self::Empty => 0,
            Self::Pending(jobs)
            | Self::Queued(jobs)
            | Self::Delayed(jobs)
            | Self::Finished(jobs)
            | Self::Running(jobs)
            | Self::Mixed(jobs)
            | Self::Findable(jobs) => jobs,
            Self::QueuedBeside(few, many) | Self::QueuedBefore(few, many) => few + many,
            Self::Parents(parents, children) => parents + parents * children,
        }
    }

    /// How many wait for others or for their time, where that is counted.
    pub const fn waiting(self) -> Option<u32> {
        match self {
            Self::Delayed(jobs) | Self::QueuedBefore(_, jobs) => Some(jobs),
            Self::Parents(parents, children) => Some(parents * children),
            _ => None,
        }
    }

    /// How many edges they have.
    pub const fn edges(self) -> u32 {
        match self {
            Self::Parents(parents, children) => parents * children,
            Self::QueuedBefore(_, many) => many * Self::PARENTS,
            _ => 0,
        }
    }

    /// How many of them have an input and events.
    pub const fn finished(self) -> u32 {
        match self {
            Self::Finished(jobs) => jobs,
            _ => 0,
        }
    }

    /// How many results they have.
    pub const fn results(self) -> u32 {
        match self {
            Self::Findable(jobs) => jobs / 4,
            _ => self.finished(),
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
