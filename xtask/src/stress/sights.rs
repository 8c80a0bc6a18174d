//! What a follower of the history saw: one line of JSON for each look, written before the next one begins.

use std::fs::File;
use std::io::Write;

use serde::{Deserialize, Serialize};
use store_core::{Event, EventSequence};

use super::journal;
use super::plan::Plan;
use crate::failure::{Context, Result};

/// An event as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// Its number.
    pub sequence: i64,
    /// The job that it is of, if it is of one.
    pub job: Option<i64>,
    /// The cluster otherwise.
    pub cluster: Option<i64>,
    /// The attempt of the job.
    pub attempt: Option<u32>,
    /// When it happened, in microseconds since 1970.
    pub at: i64,
    /// What happened.
    pub kind: String,
    /// The status before.
    pub from: Option<String>,
    /// The status after.
    pub to: Option<String>,
    /// Who signed it.
    pub actor: String,
}

impl From<&Event> for Sight {
    fn from(event: &Event) -> Self {
        Self {
            sequence: event.sequence.get(),
            job: event.subject.job().map(store_core::JobId::get),
            cluster: event.subject.cluster().map(store_core::ClusterId::get),
            attempt: event.subject.attempt(),
            at: event.at.as_micros(),
            kind: event.kind.to_string(),
            from: event.from.map(|status| status.to_string()),
            to: event.to.map(|status| status.to_string()),
            actor: event.actor.to_string(),
        }
    }
}

/// One page of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// When the call began, in microseconds since 1970.
    pub begin: i64,
    /// After which number it was to begin.
    pub after: i64,
    /// Whether the page had room left, so that it went up to the newest event of its moment.
    pub up_to_now: bool,
    /// Whether all others had ended before the call.
    pub is_last: bool,
    /// What was on it.
    pub events: Vec<Sight>,
}

impl Look {
    /// After which number the next one begins.
    pub fn place(&self) -> i64 {
        self.events.last().map_or(self.after, |event| event.sequence)
    }
}

/// The looks of one process.
#[derive(Debug)]
pub struct Sights(File);

impl Sights {
    /// Begins to keep those of a process.
    pub fn create(plan: &Plan, process: u32) -> Result<Self> {
        let path = plan.sights(process);
        let file = File::create_new(&path).doing(|| format!("begin {}", path.display()))?;
        Ok(Self(file))
    }

    /// Keeps a look. A process that is killed loses the one that it is in.
    pub fn keep(&mut self, look: &Look) -> Result<()> {
        let keeping = || "keep what was seen".to_owned();
        let mut line = serde_json::to_vec(look).doing(keeping)?;
        line.push(b'\n');
        self.0.write_all(&line).doing(keeping)
    }
}

/// The place up to which those before this process have seen everything.
pub fn place(plan: &Plan, process: u32) -> Result<EventSequence> {
    for earlier in (1..process).rev() {
        let path = plan.sights(earlier);
        // One that was killed before it began has none, and whoever does other work.
        let looks = if path.exists() { journal::read::<Look>(&path)? } else { Vec::new() };
        if let Some(look) = looks.last() {
            return Ok(EventSequence::new(look.place()));
        }
    }
    Ok(plan.follow_after)
}
