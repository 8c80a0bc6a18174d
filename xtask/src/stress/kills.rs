//! Processes that are killed in the middle of their work, and started again under new numbers.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crate::failure::{Context, Result};
use crate::stress::children::{self, Part, Processes};
use crate::stress::plan::Plan;

/// Kills one process every so often.
#[derive(Debug)]
pub struct Kills {
    every: Option<Duration>,
    plan: Plan,
    plan_file: PathBuf,
    sender: Option<Sender<(u32, String)>>,
    last: Instant,
    newest: u32,
    /// Those that were killed.
    pub killed: BTreeSet<u32>,
}

impl Kills {
    /// As the plan says. A plan without kills needs no `sender`, and keeps none.
    pub fn new(plan: &Plan, plan_file: PathBuf, sender: Sender<(u32, String)>) -> Self {
        let every = plan.kill_every.map(Duration::from_secs_f64);
        Self {
            every,
            plan: plan.clone(),
            plan_file,
            sender: every.map(|_| sender),
            last: Instant::now(),
            newest: plan.last(),
            killed: BTreeSet::new(),
        }
    }

    /// The highest number of a process.
    pub const fn newest(&self) -> u32 {
        self.newest
    }

    /// Whether anybody is still to be killed.
    pub const fn go_on(&self) -> bool {
        self.every.is_some()
    }

    /// The run has begun.
    pub fn begin(&mut self) {
        self.last = Instant::now();
    }

    /// Kills the process that has worked longest, if it is time, and starts another one. The one that has
    /// the scheduler alone is left: nobody else could give back what workers of the dead held.
    pub fn look(&mut self, processes: &mut Processes) -> Result<()> {
        let (Some(every), Some(sender)) = (self.every, &self.sender) else { return Ok(()) };
        if self.last.elapsed() < every {
            return Ok(());
        }
        let scheduler = self.plan.scheduler();
        let works = |one: &&mut children::Process| {
            Some(one.number) != scheduler && one.ready && one.ended.is_none()
        };
        let Some(victim) = processes.0.iter_mut().find(works) else { return Ok(()) };
        self.last = Instant::now();
        let killing = || format!("kill process {}", victim.number);
        victim.child.kill().doing(killing)?;
        victim.ended = Some(victim.child.wait().doing(killing)?);
        self.killed.insert(victim.number);
        self.newest += 1;
        let part = if victim.follows { Part::Follow } else { Part::Work };
        let stderr = self.plan.stderr(self.newest);
        let started = children::start(&self.plan_file, self.newest, part, &stderr, sender.clone())?;
        processes.0.push(started);
        Ok(())
    }

    /// Nobody is killed from now on.
    pub fn end(&mut self) {
        self.every = None;
        self.sender = None;
    }
}
