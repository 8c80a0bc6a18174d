//! Who has the turn that a caller waited for in vain, and what it does with it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Who holds what a caller waited for, as far as it can be told: as it was when the caller gave up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// The name of its program.
    pub program: Option<String>,
    /// What the operating system says of it.
    pub state: Option<ProcessState>,
    /// What it says of itself. Short work says nothing, and neither do other programs.
    pub occupation: Option<Occupation>,
}

impl Holder {
    /// A process of which nothing more is known.
    pub const fn new(pid: u32) -> Self {
        Self { pid, program: None, state: None, occupation: None }
    }

    /// Whether it is stopped (by SIGSTOP or a debugger), so that waiting is in vain.
    pub fn is_stopped(&self) -> bool {
        self.state == Some(ProcessState::Stopped)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        if let Some(program) = &self.program {
            write!(f, " ({program})")?;
        }
        match (&self.occupation, self.state) {
            (Some(occupation), Some(state)) => write!(f, ", which {occupation} and {state}"),
            (Some(occupation), None) => write!(f, ", which {occupation}"),
            (None, Some(state)) => write!(f, ", which {state}"),
            (None, None) => Ok(()),
        }
    }
}

/// What the operating system says of a process: of the thread that has the turn where that is known,
/// otherwise of its threads together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProcessState {
    /// It uses a processor, or waits for one.
    Running,
    /// It waits, for something else than a disk.
    Sleeping,
    /// It waits inside the system for a disk or a file system (an uninterruptible sleep).
    WaitingForDisk,
    /// It is stopped by a signal or a debugger.
    Stopped,
}

impl fmt::Display for ProcessState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "runs",
            Self::Sleeping => "sleeps",
            Self::WaitingForDisk => "waits for its disk",
            Self::Stopped => "is stopped, so continue or end it",
        })
    }
}

/// What a process does in its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Occupation {
    /// What.
    pub kind: OccupationKind,
    /// For how long so far, if that is known.
    pub lasted: Option<Duration>,
}

impl Occupation {
    /// Says what is done, and for how long so far.
    pub const fn new(kind: OccupationKind, lasted: Option<Duration>) -> Self {
        Self { kind, lasted }
    }
}

impl fmt::Display for Occupation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lasted {
            Some(lasted) => write!(f, "has been {} for {lasted:.1?}", self.kind),
            None => write!(f, "is {}", self.kind),
        }
    }
}

/// The kinds of [`Occupation`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OccupationKind {
    /// Opens the store.
    Opening,
    /// Brings the store to this schema, while it opens it.
    Upgrading {
        /// The number of the schema.
        to: i32,
    },
    /// Runs a write: the closure of a unit of work, or one call.
    Writing {
        /// The place of this write among those that will share its commit, from 1.
        number: u64,
        /// Where in the program it was asked for: file and line of the call.
        origin: String,
    },
    /// Commits.
    Committing {
        /// How many writes.
        writes: u64,
    },
    /// Has the turn, and waits for a program that writes without taking turns.
    WaitingForOutsiders,
    /// Does not have the turn but is the next to get it, or waits for it.
    WaitingForTurn,
    /// Looks after the store.
    Maintaining {
        /// How: "emptying the write-ahead log".
        task: String,
    },
}

impl fmt::Display for OccupationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opening => f.write_str("opening the store"),
            Self::Upgrading { to } => write!(f, "upgrading the store to schema {to}"),
            Self::Writing { number: 1, origin } => write!(f, "writing (called at {origin})"),
            Self::Writing { number, origin } => {
                write!(f, "writing (called at {origin}, write {number} of its commit)")
            }
            Self::Committing { writes: 1 } => f.write_str("committing a write"),
            Self::Committing { writes } => write!(f, "committing {writes} writes"),
            Self::WaitingForOutsiders => {
                f.write_str("waiting for a program that writes without taking turns")
            }
            Self::WaitingForTurn => f.write_str("waiting for the turn itself"),
            Self::Maintaining { task } => f.write_str(task),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_says_in_words_what_is_known_of_it() {
        let mut holder = Holder::new(42);
        assert_eq!(holder.to_string(), "process 42");
        holder.program = Some("crystal-tui".to_owned());
        holder.state = Some(ProcessState::Stopped);
        assert!(holder.is_stopped());
        assert_eq!(
            holder.to_string(),
            "process 42 (crystal-tui), which is stopped, so continue or end it"
        );
        let kind = OccupationKind::Writing { number: 3, origin: "src/import.rs:12".to_owned() };
        holder.occupation = Some(Occupation::new(kind, Some(Duration::from_millis(31_200))));
        holder.state = Some(ProcessState::WaitingForDisk);
        assert_eq!(
            holder.to_string(),
            "process 42 (crystal-tui), which has been writing (called at src/import.rs:12, write 3 \
             of its commit) for 31.2s and waits for its disk"
        );
        holder.state = None;
        holder.occupation = Some(Occupation::new(OccupationKind::WaitingForTurn, None));
        assert_eq!(
            holder.to_string(),
            "process 42 (crystal-tui), which is waiting for the turn itself"
        );
    }
}
