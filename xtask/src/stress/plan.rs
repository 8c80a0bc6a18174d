//! What one run does: written by the parent, read by its processes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use store_core::{ClusterId, EventSequence, Job};

use crate::failure::{Context, Result};
use crate::shared::choices::Durability;

/// What the processes of a run do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// A UI, a scheduler and workers in each process, and one process that follows the history
    Mix,
    /// Workers that claim jobs under leases, and one process with a scheduler
    Claims,
}

impl Profile {
    /// The word on the command line and in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mix => "mix",
            Self::Claims => "claims",
        }
    }
}

/// When a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// After so many seconds.
    Seconds(f64),
    /// After so many operations of all processes together.
    Operations(u64),
    /// After so many jobs were claimed; what is under way is finished.
    Claims(u64),
}

/// What one run does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// The name of the run. It begins every actor, key, workflow and handle of it, so that runs on
    /// one store, and the jobs of people, are told apart.
    pub run: String,
    /// The database.
    pub database: PathBuf,
    /// Whether the database was there before.
    pub existing: bool,
    /// Where the journals and the outcomes of the processes go; beside the database.
    pub folder: PathBuf,
    /// Where the input decks are.
    pub decks: PathBuf,
    /// How many processes.
    pub processes: u32,
    /// How many threads each.
    pub threads: u32,
    /// How many further jobs the store is filled with.
    pub jobs: u64,
    /// How often all processes open one new file at once.
    pub open_rounds: u32,
    /// What the processes do.
    pub profile: Profile,
    /// Every so many seconds a process is killed; none unless set.
    pub kill_every: Option<f64>,
    /// When to stop.
    pub limit: Limit,
    /// What an acknowledged write survives.
    pub durability: Durability,
    /// Where the random choices begin.
    pub seed: u64,
    /// The clusters of the run, once they are there.
    pub clusters: Vec<ClusterId>,
    /// The newest event when the store was filled: what comes after it is followed.
    pub follow_after: EventSequence,
}

impl Plan {
    /// Reads one that the parent wrote.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).doing(|| format!("read the plan {}", path.display()))?;
        serde_json::from_str(&text).doing(|| format!("understand the plan {}", path.display()))
    }

    /// Writes it for the processes, and returns where.
    pub fn write(&self) -> Result<PathBuf> {
        let path = self.folder.join("plan.json");
        let text = serde_json::to_string_pretty(self).doing(|| "write the plan".to_owned())?;
        std::fs::write(&path, text).doing(|| format!("write the plan {}", path.display()))?;
        Ok(path)
    }

    /// The journal of a process; 0 is the parent, which fills the store.
    pub fn journal(&self, process: u32) -> PathBuf {
        self.folder.join(format!("process-{process}.journal.jsonl"))
    }

    /// How long a line of a journal may stay in memory. Where processes are killed on purpose, it is
    /// known to the call what they had done.
    pub const fn flush_every(&self) -> Duration {
        match (self.profile, self.kill_every) {
            (Profile::Mix, None) => Duration::from_millis(100),
            (Profile::Mix, Some(_)) | (Profile::Claims, _) => Duration::ZERO,
        }
    }

    /// The calls on claims that a process recorded.
    pub fn calls(&self, process: u32) -> PathBuf {
        self.folder.join(format!("process-{process}.calls.jsonl"))
    }

    /// The store that jobs which have ended are moved into.
    pub fn moved(&self) -> PathBuf {
        self.folder.join("moved.db")
    }

    /// What a follower saw.
    pub fn sights(&self, process: u32) -> PathBuf {
        self.folder.join(format!("process-{process}.sights.jsonl"))
    }

    /// The number of the process that follows the history from the beginning, in the mix.
    pub const fn follower(&self) -> Option<u32> {
        match self.profile {
            Profile::Mix => Some(self.processes + 1),
            Profile::Claims => None,
        }
    }

    /// The number of the process that has the scheduler alone, in the profile of claims.
    pub const fn scheduler(&self) -> Option<u32> {
        match self.profile {
            Profile::Mix => None,
            Profile::Claims => Some(self.processes + 1),
        }
    }

    /// The highest number of a process that is there from the beginning.
    pub const fn last(&self) -> u32 {
        // The one that has the scheduler, or follows.
        self.processes + 1
    }

    /// What a process tells of itself at its end.
    pub fn outcome(&self, process: u32) -> PathBuf {
        self.folder.join(format!("process-{process}.outcome.json"))
    }

    /// What a process says on standard error.
    pub fn stderr(&self, process: u32) -> PathBuf {
        self.folder.join(format!("process-{process}.stderr.txt"))
    }

    /// Who signs the changes of a thread.
    pub fn actor(&self, process: u32, thread: u32) -> String {
        format!("{} process {process} thread {thread}", self.run)
    }

    /// The process and the thread that signed so.
    pub fn who(&self, actor: &str) -> Option<(u32, u32)> {
        let rest = actor.strip_prefix(self.run.as_str())?.strip_prefix(" process ")?;
        let (process, thread) = rest.split_once(" thread ")?;
        Some((process.parse().ok()?, thread.parse().ok()?))
    }

    /// A text that no other thread has.
    pub fn unique(&self, process: u32, thread: u32, number: u64) -> String {
        format!("{}/{process}-{thread}-{number}", self.run)
    }

    /// The actor of the thread that has a text of its own.
    pub fn whose(&self, unique: &str) -> Option<String> {
        let rest = unique.strip_prefix(self.run.as_str())?.strip_prefix('/')?;
        let mut numbers = rest.split('-').map_while(|part| part.parse().ok());
        Some(self.actor(numbers.next()?, numbers.next()?))
    }

    /// Whether this run created the job: it leaves all others alone.
    pub fn owns(&self, job: &Job) -> bool {
        job.idempotency_key
            .as_deref()
            .and_then(|key| key.strip_prefix(self.run.as_str()))
            .is_some_and(|rest| rest.starts_with('/'))
    }

    /// The operations of one process, where they are limited and it counts them itself. Where processes
    /// are killed, the parent counts those of all.
    pub fn budget(&self, process: u32) -> Option<u64> {
        let Limit::Operations(all) = self.limit else {
            return None;
        };
        if self.kill_every.is_some() {
            return None;
        }
        let (each, left) = (all / u64::from(self.processes), all % u64::from(self.processes));
        Some(each + u64::from(u64::from(process) <= left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processes_share_all_operations() {
        let mut plan = Plan {
            run: "r".to_owned(),
            database: PathBuf::new(),
            existing: false,
            folder: PathBuf::new(),
            decks: PathBuf::new(),
            processes: 3,
            threads: 1,
            jobs: 0,
            open_rounds: 0,
            profile: Profile::Mix,
            kill_every: None,
            limit: Limit::Operations(11),
            durability: Durability::Normal,
            seed: 0,
            clusters: Vec::new(),
            follow_after: EventSequence::START,
        };
        assert_eq!([1, 2, 3].map(|p| plan.budget(p)), [Some(4), Some(4), Some(3)]);
        plan.kill_every = Some(1.0);
        assert_eq!(plan.budget(1), None);
        assert_eq!(plan.whose(&plan.unique(12, 3, 45)), Some(plan.actor(12, 3)));
        assert_eq!(plan.whose("somebody/12-3-45"), None);
        (plan.limit, plan.kill_every) = (Limit::Seconds(1.0), None);
        assert_eq!(plan.budget(1), None);
    }
}
