//! The parent: it starts the processes of the mix, and watches them and the log.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde::Serialize;
use store_core::{Clock, SystemClock};

use super::children::{Part, Processes};
use super::kills::Kills;
use super::meter::Outcome;
use super::plan::{Limit, Plan};
use super::process::Done;
use super::{children, journal, progress};
use crate::failure::{Context, Failure, Result};
use crate::shared::children::{READY, obituary, size, wal};

/// How often the size of the log is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(50);
/// A run in which no call returns for so long is given up; the store's own deadline is half of it.
const PATIENCE: Duration = Duration::from_secs(60);
/// A process that was told to stop and does not is killed after so long.
const GRACE: Duration = Duration::from_secs(15);
/// Stands for the status of a process that cannot be waited for: exited with 255.
const NO_STATUS: i32 = 255 << 8;

/// The size of the log at a moment.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Sample {
    /// Seconds from the start.
    pub at: f64,
    /// Bytes.
    pub bytes: u64,
}

/// What the parent saw.
#[derive(Debug, Default)]
pub struct Watched {
    /// What each process told at its end, as far as it came there.
    pub outcomes: Vec<Outcome>,
    /// What went wrong with processes.
    pub failures: Vec<String>,
    /// The processes whose journals may lack their last lines.
    pub in_doubt: BTreeSet<u32>,
    /// The highest number of a process.
    pub last: u32,
    /// The processes that were killed on purpose, each with the calls that it had told of.
    pub killed: BTreeMap<u32, u64>,
    /// When the work began, in microseconds since 1970.
    pub started_at: i64,
    /// For how long it went on before the processes were told to stop, where they were.
    pub seconds: Option<f64>,
    /// The size of the log over time.
    pub wal: Vec<Sample>,
    /// Its size when all processes had closed the store.
    pub wal_end_bytes: u64,
}

/// Runs all processes to their end.
pub fn run(plan: &Plan, interrupted: Arc<AtomicBool>) -> Result<Watched> {
    let plan_file = plan.write()?;
    let (sender, receiver) = channel();
    let mut processes = Processes(Vec::new());
    for process in 1..=plan.last() {
        let stderr = plan.stderr(process);
        let follows = Some(process) == plan.follower();
        let part = if follows { Part::Follow } else { Part::Work };
        processes.0.push(children::start(&plan_file, process, part, &stderr, sender.clone())?);
    }
    let kills = Kills::new(plan, plan_file, sender);
    let mut watch = Watch::new(plan, processes, kills, interrupted);
    watch.until_all_ended(&receiver);
    watch.finish(plan)
}

struct Watch {
    processes: Processes,
    kills: Kills,
    interrupted: Arc<AtomicBool>,
    log: PathBuf,
    bar: ProgressBar,
    limit: Limit,
    seen: Watched,
    started: Option<Instant>,
    progressed: Instant,
    sampled: Option<Instant>,
    stopping: Option<Instant>,
}

impl Watch {
    fn new(plan: &Plan, processes: Processes, kills: Kills, interrupted: Arc<AtomicBool>) -> Self {
        Self {
            processes,
            kills,
            interrupted,
            log: wal(&plan.database),
            bar: bar(plan.limit),
            limit: plan.limit,
            seen: Watched::default(),
            started: None,
            progressed: Instant::now(),
            sampled: None,
            stopping: None,
        }
    }

    fn until_all_ended(&mut self, receiver: &Receiver<(u32, String)>) {
        loop {
            match receiver.recv_timeout(SAMPLE_EVERY / 2) {
                Ok((number, word)) => self.heard(number, &word),
                Err(RecvTimeoutError::Timeout) => {}
                // All have closed their ends and are about to exit.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(SAMPLE_EVERY / 10),
            }
            self.sample();
            self.look_after_processes();
            if self.processes.0.iter().all(|process| process.ended.is_some()) {
                break;
            }
            self.look_after_run();
            self.kill();
            self.stop_followers();
        }
        self.bar.finish_and_clear();
    }

    fn heard(&mut self, number: u32, word: &str) {
        let Some(process) = self.processes.0.iter_mut().find(|one| one.number == number) else {
            return;
        };
        if word == READY {
            process.ready = true;
            if self.started.is_some() {
                process.go();
            }
        } else if let Some(done) = Done::read(word) {
            // Who follows goes on calling when all others are stuck.
            if process.done != done && !process.follows {
                self.progressed = Instant::now();
            }
            process.done = done;
        }
        if self.started.is_none() && self.processes.0.iter().all(|process| process.ready) {
            self.go();
        }
        self.show();
    }

    fn go(&mut self) {
        self.started = Some(Instant::now());
        self.seen.started_at = SystemClock.now().as_micros();
        self.progressed = Instant::now();
        self.processes.go();
        self.kills.begin();
    }

    fn kill(&mut self) {
        if self.started.is_none() || self.stopping.is_some() {
            return;
        }
        if let Err(failure) = self.kills.look(&mut self.processes) {
            self.seen.failures.push(failure.to_string());
            self.stop();
        }
    }

    fn show(&self) {
        let done = self.done();
        let elapsed = self.started.map(|started| started.elapsed()).unwrap_or_default();
        match self.limit {
            Limit::Seconds(_) => {
                self.bar.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
            }
            Limit::Operations(_) => self.bar.set_position(done.calls),
            Limit::Claims(_) => self.bar.set_position(done.claims),
        }
        self.bar.set_message(match self.limit {
            Limit::Claims(_) => format!("{} claims", done.claims),
            Limit::Seconds(_) | Limit::Operations(_) => format!("{} operations", done.calls),
        });
    }

    /// What all processes that work have done together, those that were killed among them.
    fn done(&self) -> Done {
        let works = || self.processes.0.iter().filter(|process| !process.follows);
        let done = || works().map(|process| process.done);
        Done {
            calls: done().map(|done| done.calls).sum(),
            claims: done().map(|done| done.claims).sum(),
        }
    }

    /// Looks at the size of the log, and never into it: a file of SQLite's that is opened and closed
    /// in passing takes the locks of its own process with it.
    fn sample(&mut self) {
        let Some(started) = self.started else {
            return;
        };
        if self.sampled.is_some_and(|last| last.elapsed() < SAMPLE_EVERY) {
            return;
        }
        self.sampled = Some(Instant::now());
        let (at, bytes) = (started.elapsed().as_secs_f64(), size(&self.log));
        self.seen.wal.push(Sample { at, bytes });
    }

    fn look_after_processes(&mut self) {
        let mut failed = false;
        for process in self.processes.0.iter_mut().filter(|process| process.ended.is_none()) {
            match process.child.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) => {
                    process.ended = Some(status);
                    failed |= !status.success();
                }
                Err(error) => {
                    let text = format!("process {} cannot be waited for: {error}", process.number);
                    self.seen.failures.push(text);
                    process.ended = Some(ExitStatus::from_raw(NO_STATUS));
                    failed = true;
                }
            }
        }
        if failed {
            self.stop();
        }
    }

    fn look_after_run(&mut self) {
        if self.interrupted.load(Ordering::Relaxed) && self.stopping.is_none() {
            self.seen.failures.push("the run was interrupted".to_owned());
            self.stop();
        }
        let is_enough = match self.limit {
            Limit::Claims(claims) => self.done().claims >= claims,
            Limit::Operations(operations) => self.kills.go_on() && self.done().calls >= operations,
            Limit::Seconds(_) => false,
        };
        if is_enough {
            self.stop();
        }
        // Who was started in the place of another one would go on for as long as the run was to take.
        if let (Limit::Seconds(seconds), Some(started)) = (self.limit, self.started)
            && self.kills.go_on()
            && started.elapsed().as_secs_f64() >= seconds
        {
            self.stop();
        }
        if self.progressed.elapsed() > PATIENCE && self.stopping.is_none() {
            let text = format!("no call of any process returned for {} s", PATIENCE.as_secs());
            self.seen.failures.push(text);
            self.stop();
        }
        if self.stopping.is_some_and(|since| since.elapsed() > GRACE) {
            for process in self.processes.0.iter_mut().filter(|one| one.ended.is_none()) {
                let text = format!(
                    "process {} did not stop within {} s and was killed",
                    process.number,
                    GRACE.as_secs()
                );
                self.seen.failures.push(text);
                // It may have ended just now, which is as good.
                let _ = process.child.kill();
            }
            self.stopping = Some(Instant::now());
        }
    }

    /// Those that follow see the last of the others.
    fn stop_followers(&mut self) {
        if self.processes.stop_followers(self.started.is_some()) {
            self.stop();
            self.stopping = Some(Instant::now());
        }
    }

    fn stop(&mut self) {
        self.stopping.get_or_insert_with(Instant::now);
        let worked = self.started.map(|started| started.elapsed().as_secs_f64());
        self.seen.seconds.get_or_insert(worked.unwrap_or_default());
        self.kills.end();
        self.processes.stop();
    }

    fn finish(mut self, plan: &Plan) -> Result<Watched> {
        let mut seen = std::mem::take(&mut self.seen);
        seen.wal_end_bytes = size(&self.log);
        let started = self.started.is_some();
        seen.last = self.kills.newest();
        for process in &self.processes.0 {
            let number = process.number;
            let status = process.ended.unwrap_or_default();
            if self.kills.killed.contains(&number) {
                seen.in_doubt.insert(number);
                seen.killed.insert(number, process.done.calls);
                seen.outcomes.push(told_by_journal(plan, number)?);
                seen.failures.extend(complaints(&plan.stderr(number), number)?);
            } else if !status.success() {
                seen.failures.push(obituary(
                    &format!("process {number}"),
                    status,
                    &plan.stderr(number),
                ));
                seen.in_doubt.insert(number);
            } else if process.begun {
                seen.outcomes.push(outcome(&plan.outcome(number))?);
            }
        }
        if !started && seen.failures.is_empty() {
            return Err(Failure::new("the processes ended before they began to work"));
        }
        Ok(seen)
    }
}

/// What a process that was killed would have told, as far as its journal has it: the calls that changed
/// something.
fn told_by_journal(plan: &Plan, number: u32) -> Result<Outcome> {
    let path = plan.journal(number);
    // Killed before it began, it has none.
    let lines = if path.exists() { journal::read(&path)? } else { Vec::new() };
    Ok(Outcome::of_journal(&lines))
}

/// What a process that was killed had to complain of before: it had no other way to tell of a fault.
fn complaints(stderr: &Path, number: u32) -> Result<Option<String>> {
    let reading = || format!("read {}", stderr.display());
    let said = String::from_utf8_lossy(&std::fs::read(stderr).doing(reading)?).into_owned();
    let said = said.trim();
    Ok((!said.is_empty()).then(|| format!("process {number}, which was killed, said: {said}")))
}

fn outcome(path: &Path) -> Result<Outcome> {
    let reading = || format!("read what a process told in {}", path.display());
    let text = std::fs::read_to_string(path).doing(reading)?;
    serde_json::from_str(&text).doing(reading)
}

fn bar(limit: Limit) -> ProgressBar {
    match limit {
        Limit::Seconds(seconds) => {
            progress::bar((seconds * 1e3) as u64, "{wide_bar:.cyan/blue} {msg}")
        }
        Limit::Operations(operations) | Limit::Claims(operations) => {
            progress::bar(operations, "{wide_bar:.cyan/blue} {msg} of {len}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_that_a_killed_process_met_fails_the_run() -> Result<()> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("stderr.txt");
        std::fs::write(&path, "").expect("written");
        assert_eq!(complaints(&path, 3)?, None);
        std::fs::write(&path, "a page is out of order: 7\n").expect("written");
        let said = "process 3, which was killed, said: a page is out of order: 7";
        assert_eq!(complaints(&path, 3)?.as_deref(), Some(said));
        Ok(())
    }
}
