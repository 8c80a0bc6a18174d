//! Rounds in which all processes open one new file at the same moment.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::at_rest::Typical;
use super::children::{self, Part, Processes};
use super::plan::Plan;
use super::{audit, progress};
use crate::failure::{Context, Result};
use crate::shared::children::{READY, obituary};
use crate::shared::durations::Durations;

/// How often the processes are looked after.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A round that takes so long is given up; the store's own deadline is half of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// One opening, as the slowest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SlowestOpening {
    /// How long it took.
    pub milliseconds: f64,
    /// In which round, from 1.
    pub round: u32,
    /// The process.
    pub process: u32,
}

/// How the rounds went.
#[derive(Debug, Clone, Serialize)]
pub struct OpenRounds {
    /// How many rounds were begun.
    pub rounds: u32,
    /// How many processes opened the file in each.
    pub processes: u32,
    /// How many openings succeeded, of all rounds.
    pub opened: u64,
    /// How long they took.
    pub open_ms: Typical,
    /// The slowest of them.
    pub slowest: Option<SlowestOpening>,
    /// What went wrong; told with the other failures of a run.
    #[serde(skip)]
    pub failures: Vec<String>,
}

/// Runs the rounds that were asked for, up to the first in which anything goes wrong: its files are
/// kept.
pub fn run(plan: &Plan, interrupted: &AtomicBool) -> Option<OpenRounds> {
    if plan.open_rounds == 0 {
        return None;
    }
    let bar = progress::bar(
        u64::from(plan.open_rounds),
        "{wide_bar:.cyan/blue} {pos} of {len} rounds of opening",
    );
    let mut rounds = 0;
    let mut failures = Vec::new();
    let mut durations = Durations::default();
    let mut slowest: Option<SlowestOpening> = None;
    while rounds < plan.open_rounds && failures.is_empty() {
        rounds += 1;
        let told = match round(plan, rounds, interrupted) {
            Ok(seen) => {
                for (process, took) in seen.opened {
                    durations.record(took);
                    let milliseconds = took.as_secs_f64() * 1e3;
                    if slowest.is_none_or(|slowest| slowest.milliseconds < milliseconds) {
                        slowest = Some(SlowestOpening { milliseconds, round: rounds, process });
                    }
                }
                seen.failures
            }
            Err(failure) => vec![failure.to_string()],
        };
        failures.extend(told.iter().map(|text| format!("opening at once, round {rounds}: {text}")));
        bar.set_position(u64::from(rounds));
    }
    bar.finish_and_clear();
    Some(OpenRounds {
        rounds,
        processes: plan.processes,
        opened: durations.count(),
        open_ms: (&durations).into(),
        slowest,
        failures,
    })
}

/// What was seen in one round.
#[derive(Debug, Default)]
struct Seen {
    /// The processes that opened the file, and how long each took.
    opened: Vec<(u32, Duration)>,
    failures: Vec<String>,
}

fn round(plan: &Plan, number: u32, interrupted: &AtomicBool) -> Result<Seen> {
    let folder = plan.folder.join(format!("open-round-{number}"));
    std::fs::create_dir(&folder).doing(|| format!("make the directory {}", folder.display()))?;
    let database = folder.join("project.db");
    let mut seen = open_at_once(plan, &folder, &database, interrupted)?;
    if seen.failures.is_empty() {
        seen.failures.extend(audit::ledger_fault(&database)?);
    }
    if seen.failures.is_empty() {
        std::fs::remove_dir_all(&folder).doing(|| format!("remove {}", folder.display()))?;
    } else {
        seen.failures.push(format!("its files are kept in {}", folder.display()));
    }
    Ok(seen)
}

fn open_at_once(
    plan: &Plan,
    folder: &Path,
    database: &Path,
    interrupted: &AtomicBool,
) -> Result<Seen> {
    let plan_file = plan.write()?;
    let stderr = |process: u32| folder.join(format!("process-{process}.stderr.txt"));
    let (sender, receiver) = channel();
    let mut processes = Processes(Vec::new());
    for process in 1..=plan.processes {
        let sender = sender.clone();
        let started =
            children::start(&plan_file, process, Part::Open(database), &stderr(process), sender)?;
        processes.0.push(started);
    }
    drop(sender);
    let (mut seen, begun, mut ready) = (Seen::default(), Instant::now(), 0);
    loop {
        match receiver.recv_timeout(LOOK_EVERY) {
            Ok((_, word)) if word == READY => {
                ready += 1;
                if ready == plan.processes {
                    processes.go();
                }
                continue;
            }
            Ok((process, word)) => {
                if let Ok(nanos) = word.parse() {
                    seen.opened.push((process, Duration::from_nanos(nanos)));
                }
                continue;
            }
            Err(RecvTimeoutError::Timeout) => {}
            // All have closed their ends and are about to exit.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(LOOK_EVERY / 10),
        }
        look_after(&mut processes, &mut seen, &stderr);
        if processes.0.iter().all(|process| process.ended.is_some()) {
            break;
        }
        if interrupted.load(Ordering::Relaxed) {
            seen.failures.push("the run was interrupted".to_owned());
            break;
        }
        if begun.elapsed() > PATIENCE {
            let text = format!("it was not over after {} s", PATIENCE.as_secs());
            seen.failures.push(text);
            break;
        }
        // Those that still wait for the word would wait for a process that is gone.
        if ready < plan.processes && !seen.failures.is_empty() {
            processes.stop();
        }
    }
    let opened = seen.opened.len();
    if opened < plan.processes as usize && seen.failures.is_empty() {
        seen.failures.push(format!("{opened} of {} processes opened it", plan.processes));
    }
    Ok(seen)
}

/// Notes which processes have ended, and what those that failed said.
fn look_after(
    processes: &mut Processes,
    seen: &mut Seen,
    stderr: &impl Fn(u32) -> std::path::PathBuf,
) {
    for process in processes.0.iter_mut().filter(|process| process.ended.is_none()) {
        let number = process.number;
        match process.child.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) => {
                process.ended = Some(status);
                if !status.success() {
                    seen.failures.push(obituary(
                        &format!("process {number}"),
                        status,
                        &stderr(number),
                    ));
                }
            }
            Err(error) => {
                seen.failures.push(format!("process {number} cannot be waited for: {error}"));
                process.ended = Some(std::process::ExitStatus::default());
            }
        }
    }
}
