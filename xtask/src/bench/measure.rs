//! One measurement: a fresh database, processes that work on it, and an audit.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::audit::audit;
use super::contest::{Contestant, Metric};
use super::peers::{Peers, protocol};
use super::retention;
use super::stocks::{self, Stocks};
use super::task::{Outcome, Tally, Task};
use super::work::{Retired, Stock, Until, Work};
use crate::failure::{Context, Failure, Result};
use crate::shared::children::{GO, READY, obituary, size, wal};
use crate::shared::durations::Durations;

/// How often the size of the log is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(5);
/// A measurement that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(180);

/// Where the databases of a run are; it is gone when the run is.
pub fn folder(given: Option<&Path>) -> Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("crystalstore-bench-");
    given
        .map_or_else(|| builder.tempdir(), |directory| builder.tempdir_in(directory))
        .doing(|| "make a directory for the databases".to_owned())
}

/// What was measured.
#[derive(Debug, Default)]
pub struct Measured {
    /// Of the processes that were measured, with what each was told.
    outcomes: Vec<(Task, Outcome)>,
    log_peak: u64,
}

impl Measured {
    /// What is read off it.
    pub fn read(&self, metric: Metric) -> f64 {
        let outcomes = || self.outcomes.iter().map(|(_, outcome)| outcome);
        let rate = || self.outcomes.iter().map(|(task, outcome)| outcome.rate(task)).sum::<f64>();
        let ran = || outcomes().map(|one| one.ran).sum::<f64>();
        match metric {
            Metric::Rate => rate(),
            Metric::RateOfCore => outcomes().map(|one| one.operations as f64).sum::<f64>() / ran(),
            Metric::CoreHad => {
                let had = |(task, one): &(Task, Outcome)| one.seconds * f64::from(task.threads);
                100.0 * ran() / self.outcomes.iter().map(had).sum::<f64>()
            }
            Metric::Time => 1e3 / rate(),
            Metric::Slowest => self.durations().longest(),
            Metric::P999 => self.durations().quantile(0.999),
            Metric::P50 => self.durations().quantile(0.5),
            Metric::P99 => self.durations().quantile(0.99),
            Metric::Share => outcomes().map(|one| one.share).fold(0.0, f64::max) * 100.0,
            Metric::SmallestShare => {
                let all: u64 = outcomes().map(|outcome| outcome.operations).sum();
                let least = outcomes().map(|outcome| outcome.operations).min().unwrap_or(0);
                least as f64 * self.outcomes.len() as f64 / all as f64
            }
            Metric::Memory => outcomes().map(|one| one.memory).max().unwrap_or(0) as f64 / 1e6,
            Metric::OwnMemory => {
                outcomes().map(|one| one.own_memory).max().unwrap_or(0) as f64 / 1e6
            }
            Metric::Log => self.log_peak as f64 / 1e6,
        }
    }

    /// How often a call was refused because of a lock.
    pub fn locked(&self) -> u64 {
        self.outcomes.iter().map(|(_, outcome)| outcome.locked).sum()
    }

    /// Writes a commit, where the store counted them.
    pub fn writes_a_commit(&self) -> Option<f64> {
        let mut all = (0, 0);
        for (writes, commits) in self.outcomes.iter().filter_map(|(_, outcome)| outcome.commits) {
            all = (all.0 + writes, all.1 + commits);
        }
        (all.1 > 0).then(|| all.0 as f64 / all.1 as f64)
    }

    fn durations(&self) -> Durations {
        let mut all = Durations::default();
        self.outcomes.iter().for_each(|(_, outcome)| all.add(&outcome.durations));
        all
    }
}

/// Measures one contestant once.
pub fn measure(
    contestant: &Contestant,
    stocks: &mut Stocks,
    folder: &Path,
    peers: &Peers,
    interrupted: &AtomicBool,
) -> Result<Measured> {
    let beside = contestant.beside;
    let only_reads =
        contestant.work.only_reads() && beside.is_none_or(|beside| beside.work.only_reads());
    let retires = beside.map(|beside| beside.work);
    let own = tempfile::Builder::new().prefix("measurement-").tempdir_in(folder);
    let own = own.doing(|| "make a directory for a measurement".to_owned())?;
    let database = if only_reads {
        stocks.shared(contestant.stock)?
    } else {
        let database = own.path().join("project.db");
        if contestant.side.has_our_schema() {
            stocks.copy(contestant.stock, &database)?;
        }
        if retires == Some(Work::Retire(Retired::Moved)) {
            stocks.copy(Stock::Empty, &retention::archive(&database))?;
        }
        database
    };
    let mut run = Run::new(&database, own.path());
    for task in tasks(contestant, &database) {
        run.start(task, peers)?;
    }
    let measured = run.until_all_ended(interrupted)?;
    drop(run);
    if contestant.side.has_our_schema() {
        audit(stocks::rows(&database)?, contestant.stock, measured.1)?;
    }
    if let Some(Work::Retire(how)) = retires {
        let Tally { retired, retired_events, .. } = measured.1;
        if retired == 0 {
            return Err(Failure::new("no job left beside the writer"));
        }
        if how == Retired::Moved {
            // A job has one input and one result.
            let arrived = Tally {
                jobs: retired,
                events: retired_events,
                results: retired,
                ..Tally::default()
            };
            audit(stocks::rows(&retention::archive(&database))?, Stock::Empty, arrived)?;
        }
    }
    Ok(measured.0)
}

/// What each process does; those beside come last, and work until they are told to stop.
fn tasks(contestant: &Contestant, database: &Path) -> Vec<Task> {
    let Contestant { side, work, shape, stock, until, beside } = *contestant;
    let task = |process| Task {
        database: database.to_owned(),
        side,
        work,
        process,
        processes: shape.processes,
        threads: shape.threads,
        durability: shape.durability,
        stock,
        until,
    };
    let mut tasks: Vec<Task> = (1..=shape.processes).map(task).collect();
    tasks.extend(beside.map(|beside| Task {
        work: beside.work,
        threads: beside.threads,
        until: Until::Told,
        ..task(shape.processes + 1)
    }));
    tasks
}

struct Process {
    task: Task,
    child: Child,
    /// Closing it tells the process to stop.
    stdin: Option<ChildStdin>,
    stderr: PathBuf,
    ready: bool,
    outcome: Option<Outcome>,
}

/// The processes of one measurement. They are killed where the parent gives up.
struct Run {
    processes: Vec<Process>,
    folder: PathBuf,
    log: PathBuf,
    sender: Option<Sender<(usize, String)>>,
    receiver: Receiver<(usize, String)>,
}

impl Drop for Run {
    fn drop(&mut self) {
        for process in &mut self.processes {
            if !matches!(process.child.try_wait(), Ok(Some(_))) {
                // It may have ended just now, which is as good.
                let _ = process.child.kill();
                let _ = process.child.wait();
            }
        }
    }
}

impl Run {
    fn new(database: &Path, folder: &Path) -> Self {
        let (sender, receiver) = channel();
        let (folder, log) = (folder.to_owned(), wal(database));
        Self { processes: Vec::new(), folder, log, sender: Some(sender), receiver }
    }

    fn start(&mut self, task: Task, peers: &Peers) -> Result<()> {
        let index = self.processes.len();
        let starting = || format!("start process {} of a measurement", index + 1);
        let mut command = match peers.program(task.side) {
            Some(peer) => peer.command(),
            None => {
                let program = std::env::current_exe();
                let mut own = Command::new(program.doing(|| "find this program".to_owned())?);
                own.arg("bench-process");
                own
            }
        };
        let stderr = self.folder.join(format!("process-{index}.stderr.txt"));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&stderr).doing(starting)?)
            // Ctrl-C reaches the parent alone, which ends the others.
            .process_group(0)
            .spawn()
            .doing(starting)?;
        let (mut stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let told = serde_json::to_string(&task).doing(starting)?;
        if let Some(stdin) = &mut stdin {
            // A process that is gone is told of by its exit status.
            let _ = writeln!(stdin, "{told}");
        }
        if let (Some(stdout), Some(sender)) = (stdout, self.sender.clone()) {
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if sender.send((index, line)).is_err() {
                        break;
                    }
                }
            });
        }
        self.processes.push(Process { task, child, stdin, stderr, ready: false, outcome: None });
        Ok(())
    }

    /// What was measured, and what all processes wrote together.
    fn until_all_ended(&mut self, interrupted: &AtomicBool) -> Result<(Measured, Tally)> {
        // The channel is closed when the last process is gone.
        self.sender = None;
        let begun = Instant::now();
        let mut log_peak = 0;
        loop {
            match self.receiver.recv_timeout(SAMPLE_EVERY) {
                Ok((index, line)) => self.heard(index, &line)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            // Its size alone: to open and close it in passing would take SQLite's locks with it.
            log_peak = log_peak.max(size(&self.log));
            if interrupted.load(Ordering::Relaxed) {
                return Err(Failure::new("the benchmark was interrupted"));
            }
            if begun.elapsed() > PATIENCE {
                let seconds = PATIENCE.as_secs();
                return Err(Failure::new(format!("a measurement did not end within {seconds} s")));
            }
        }
        let (mut measured, mut written) =
            (Measured { outcomes: Vec::new(), log_peak }, Tally::default());
        for (index, process) in self.processes.iter_mut().enumerate() {
            let waiting = || format!("wait for process {}", index + 1);
            let status = process.child.wait().doing(waiting)?;
            let name = format!("process {} of a measurement", index + 1);
            let outcome = process.outcome.take().filter(|_| status.success());
            let outcome =
                outcome.ok_or_else(|| Failure::new(obituary(&name, status, &process.stderr)))?;
            written.add(outcome.tally);
            if process.task.until != Until::Told {
                measured.outcomes.push((process.task.clone(), outcome));
            }
        }
        let operations: u64 = measured.outcomes.iter().map(|(_, one)| one.operations).sum();
        if operations == 0 {
            return Err(Failure::new("nothing was done in the time of a measurement"));
        }
        Ok((measured, written))
    }

    fn heard(&mut self, index: usize, line: &str) -> Result<()> {
        let process = &mut self.processes[index];
        if line == READY {
            process.ready = true;
            if self.processes.iter().all(|process| process.ready) {
                self.say_go();
            }
            return Ok(());
        }
        process.outcome = Some(if process.task.side.is_peer() {
            protocol::outcome(line, &process.task)?
        } else {
            serde_json::from_str(line).doing(|| "understand an outcome".to_owned())?
        });
        let works =
            |process: &Process| process.task.until != Until::Told && process.outcome.is_none();
        if !self.processes.iter().any(works) {
            // Who works beside stops now.
            self.processes.iter_mut().for_each(|process| process.stdin = None);
        }
        Ok(())
    }

    fn say_go(&mut self) {
        // Those beside begin first, so that they are there from the beginning.
        for process in self.processes.iter_mut().rev() {
            if let Some(stdin) = &mut process.stdin {
                let _ = writeln!(stdin, "{GO}");
            }
            if matches!(process.task.work, Work::HoldSnapshots(_)) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::work::{Side, Stock};
    use crate::shared::choices::Durability;

    #[test]
    fn who_had_a_core_for_a_quarter_of_the_time_is_judged_by_that_quarter() {
        let task = Task {
            database: PathBuf::new(),
            side: Side::Ours,
            work: Work::GetById,
            process: 1,
            processes: 1,
            threads: 2,
            durability: Durability::Normal,
            stock: Stock::Empty,
            until: Until::Operations(100),
        };
        let outcome = Outcome { operations: 100, seconds: 2.0, ran: 1.0, ..Outcome::default() };
        let measured = Measured { outcomes: vec![(task, outcome)], log_peak: 0 };
        let read =
            [Metric::Rate, Metric::RateOfCore, Metric::CoreHad].map(|one| measured.read(one));
        assert!(
            read.iter().zip([50.0, 100.0, 25.0]).all(|(read, right)| (read - right).abs() < 1e-9)
        );
    }
}
