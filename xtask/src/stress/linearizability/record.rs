//! What threads ask and hear: one line of JSON before a call and one after it, written through, so that a
//! process that is killed leaves the beginning of every call that may have had an effect.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use store_core::{JobId, LeaseKey};

use super::job::{Beat, Came, Report};
use crate::failure::{Context, Result};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// Jobs.
    Claim,
    /// To hold these longer.
    Heartbeat(Vec<LeaseKey>),
    /// To record a result under this.
    Record(LeaseKey),
    /// To end these in one transaction.
    End(Report, Vec<LeaseKey>),
    /// To complete this and get jobs, in one transaction.
    CompleteAndClaim(LeaseKey),
    /// To take jobs away from whoever lost them.
    Recover,
}

impl Asked {
    /// Whether jobs are asked for.
    pub const fn claims(&self) -> bool {
        matches!(self, Self::Claim | Self::CompleteAndClaim(_))
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Heard {
    /// These jobs are the caller's.
    Claimed(Vec<LeaseKey>),
    /// What became of each lease.
    Beats(Vec<(LeaseKey, Beat)>),
    /// The result is there.
    Recorded,
    /// What became of each run.
    Ended(Vec<(LeaseKey, Came)>),
    /// What became of the run, and these jobs are the caller's.
    EndedAndClaimed(Came, Vec<LeaseKey>),
    /// All were refused, because this lease was lost.
    LeaseLost(LeaseKey),
    /// An error that leaves open what was done.
    Unknown,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// A thread begins a call.
    Invoked {
        /// Which one; it makes one call at a time.
        thread: u32,
        /// In nanoseconds of the machine's monotonic clock.
        at: u64,
        /// The call.
        asked: Asked,
    },
    /// It has its answer.
    Returned {
        /// Which one.
        thread: u32,
        /// When.
        at: u64,
        /// The answer.
        heard: Heard,
    },
}

/// Nanoseconds of the clock that all processes of a machine share and that nobody sets
/// (`CLOCK_MONOTONIC`, clock_gettime(2)). `Instant` has the same and does not tell it.
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    part(now.tv_sec) * 1_000_000_000 + part(now.tv_nsec)
}

/// Where a process records its calls.
#[derive(Debug)]
pub struct Recorder(Mutex<Written>);

#[derive(Debug)]
struct Written {
    file: File,
    /// The first error; told at the end, because the call was made.
    failed: Option<std::io::Error>,
}

impl Recorder {
    /// Begins a new file.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create_new(path).doing(|| format!("begin {}", path.display()))?;
        Ok(Self(Mutex::new(Written { file, failed: None })))
    }

    /// Records the beginning of a call.
    pub fn invoked(&self, thread: u32, asked: Asked) {
        // Read before it is written: the call begins no earlier than it is said to.
        let at = now();
        self.write(&Record::Invoked { thread, at, asked });
    }

    /// Records an answer that came at `at`.
    pub fn returned(&self, thread: u32, at: u64, heard: Heard) {
        self.write(&Record::Returned { thread, at, heard });
    }

    fn write(&self, record: &Record) {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = serde_json::to_vec(record).map_err(std::io::Error::from);
        let done = line.and_then(|mut line| {
            line.push(b'\n');
            written.file.write_all(&line)
        });
        if let Err(error) = done {
            written.failed.get_or_insert(error);
        }
    }

    /// Tells whether everything was recorded.
    pub fn finish(&self) -> Result<()> {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = written.failed.take();
        failed
            .map_or(Ok(()), Err)
            .doing(|| "record the calls, so their order is unknown".to_owned())
    }
}

/// A claim that the store's history tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// The process of whoever signed it.
    pub process: u32,
    /// The thread.
    pub thread: u32,
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: u32,
}
