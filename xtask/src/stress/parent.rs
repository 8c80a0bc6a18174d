//! The parent: it starts the processes of the mix, and watches them and the log.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde::Serialize;

use super::children::Processes;
use super::claims::kills::Kills;
use super::meter::Outcome;
use super::plan::{Limit, Plan};
use super::{children, progress};
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
    /// How many processes were killed on purpose.
    pub kills: u64,
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
        processes.0.push(children::start(&plan_file, process, None, &stderr, sender.clone())?);
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
        } else if let Ok(operations) = word.parse() {
            if process.operations != operations {
                self.progressed = Instant::now();
            }
            process.operations = operations;
        }
        if self.started.is_none() && self.processes.0.iter().all(|process| process.ready) {
            self.go();
        }
        self.show();
    }

    fn go(&mut self) {
        self.started = Some(Instant::now());
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
        let operations: u64 = self.processes.0.iter().map(|process| process.operations).sum();
        let elapsed = self.started.map(|started| started.elapsed()).unwrap_or_default();
        match self.limit {
            Limit::Seconds(_) => {
                self.bar.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
            }
            Limit::Operations(_) | Limit::Claims(_) => self.bar.set_position(operations),
        }
        let what = if matches!(self.limit, Limit::Claims(_)) { "claims" } else { "operations" };
        self.bar.set_message(format!("{operations} {what}"));
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
        if let Limit::Claims(claims) = self.limit
            && self.processes.0.iter().map(|process| process.operations).sum::<u64>() >= claims
        {
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

    fn stop(&mut self) {
        self.stopping.get_or_insert_with(Instant::now);
        self.kills.end();
        self.processes.stop();
    }

    fn finish(mut self, plan: &Plan) -> Result<Watched> {
        let mut seen = std::mem::take(&mut self.seen);
        seen.wal_end_bytes = size(&self.log);
        let started = self.started.is_some();
        seen.last = self.kills.newest();
        seen.kills = self.kills.killed.len() as u64;
        for process in &self.processes.0 {
            let number = process.number;
            let status = process.ended.unwrap_or_default();
            if self.kills.killed.contains(&number) {
                seen.in_doubt.insert(number);
            } else if !status.success() {
                seen.failures.push(obituary(
                    &format!("process {number}"),
                    status,
                    &plan.stderr(number),
                ));
                seen.in_doubt.insert(number);
            } else if started {
                seen.outcomes.push(outcome(&plan.outcome(number))?);
            }
        }
        if !started && seen.failures.is_empty() {
            return Err(Failure::new("the processes ended before they began to work"));
        }
        Ok(seen)
    }
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
