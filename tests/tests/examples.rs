//! The programs of `examples/`, run as a user runs them: commands are run once each by schedulers that
//! share a store, whoever of them is killed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use store_core::{
    AttemptOutcome, EventKind, EventSequence, Job, JobFilter, JobId, JobStatus, Page, prelude::*,
};
use store_sqlite::{Options, SqliteStore};
use tests::{TestResult, jobs, tidy};

/// When a test that waits for something is given up as hung.
const HUNG: Duration = Duration::from_secs(60);

/// The examples, as they are now: cargo builds none for the tests of another package.
fn program(name: &str) -> TestResult<Command> {
    static BUILT: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    let path = BUILT.get_or_init(|| build().expect("the examples can be built")).get(name);
    Ok(Command::new(path.ok_or("there is such an example")?))
}

fn build() -> TestResult<BTreeMap<String, PathBuf>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--workspace", "--examples", "--offline", "--message-format=json"])
        .current_dir(tidy::root())
        .output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut built = BTreeMap::new();
    for line in output.stdout.lines() {
        let message: Value = serde_json::from_str(&line?)?;
        let target = &message["target"];
        let is_example =
            target["kind"].as_array().is_some_and(|kinds| kinds.contains(&"example".into()));
        if let (true, Some(name), Some(path)) =
            (is_example, target["name"].as_str(), message["executable"].as_str())
        {
            built.insert(name.to_owned(), path.into());
        }
    }
    Ok(built)
}

/// A folder with a store, and files that commands write.
struct Place {
    folder: tempfile::TempDir,
    path: PathBuf,
    store: SqliteStore,
}

impl Place {
    fn new() -> TestResult<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("project.db");
        let store = Options::new(&path).open()?;
        Ok(Self { folder, path, store })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What an example prints on this store.
    fn says(&self, name: &str, arguments: &[&str]) -> TestResult<String> {
        let output = program(name)?.arg(&self.path).args(arguments).output()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Queues commands that each append their number to a file once another file is there.
    fn submit(&self, numbers: std::ops::RangeInclusive<u32>, once: &str) -> TestResult {
        let (lines, once) = (self.file("lines"), self.file(once));
        let (lines, once) = (lines.display(), once.display());
        let commands = numbers.map(|number| {
            format!("until test -e {once}; do sleep 0.02; done; echo {number} >>{lines}\n")
        });
        std::fs::write(self.file("commands"), commands.collect::<String>())?;
        self.says("submit", &["--file", &self.file("commands").to_string_lossy()]).map(drop)
    }

    fn let_go(&self, name: &str) -> TestResult {
        Ok(std::fs::write(self.file(name), "")?)
    }

    /// The numbers that commands have written, in order.
    fn written(&self) -> TestResult<Vec<u32>> {
        let text = std::fs::read_to_string(self.file("lines"))?;
        let mut numbers = text.lines().map(str::parse).collect::<Result<Vec<u32>, _>>()?;
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn jobs(&self) -> TestResult<Vec<Job>> {
        Ok(self.store.jobs(&JobFilter::all(), Page::first(100)?)?.jobs)
    }

    fn outcomes(&self, job: JobId) -> TestResult<Vec<Option<AttemptOutcome>>> {
        Ok(self.store.attempts_of(job)?.iter().map(|attempt| attempt.outcome).collect())
    }

    /// Waits until this process holds leases on just these jobs.
    fn until_held(&self, by: &Running, jobs: &[i64]) -> TestResult {
        until("the jobs are held", || {
            let leases = self.store.leases()?;
            let held = leases.iter().filter(|lease| lease.worker.process.pid == by.0.id());
            Ok(held.map(|lease| lease.job.get()).eq(jobs.iter().copied()))
        })
    }
}

fn until(what: &str, is_so: impl Fn() -> TestResult<bool>) -> TestResult {
    let begun = Instant::now();
    while !is_so()? {
        assert!(begun.elapsed() < HUNG, "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// A program that runs, killed when dropped.
struct Running(Child);

impl Running {
    fn scheduler(place: &Place) -> TestResult<Self> {
        let mut command = program("scheduler")?;
        Ok(Self(command.arg(&place.path).stdout(Stdio::null()).spawn()?))
    }

    fn signal(&self, signal: Signal) -> TestResult {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        Ok(kill_process(pid.ok_or("a process has a positive id")?, signal)?)
    }

    /// Waits until it has ended by itself.
    fn finish(mut self) -> TestResult {
        let status = self.0.wait()?;
        assert!(status.success(), "{status}");
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[test]
fn two_schedulers_run_each_command_once() -> TestResult {
    let place = Place::new()?;
    place.submit(1..=20, "go")?;
    let schedulers = [Running::scheduler(&place)?, Running::scheduler(&place)?];
    until("both have work", || {
        let leases = place.store.leases()?;
        let of = |pid| leases.iter().filter(|lease| lease.worker.process.pid == pid).count();
        Ok(schedulers.iter().all(|scheduler| of(scheduler.0.id()) == 2))
    })?;
    place.let_go("go")?;
    for scheduler in schedulers {
        scheduler.finish()?;
    }
    assert_eq!(place.written()?, (1..=20).collect::<Vec<_>>());
    for job in place.jobs()? {
        assert_eq!(job.status, JobStatus::Completed);
        assert_eq!(place.outcomes(job.id)?, [Some(AttemptOutcome::Completed)]);
    }
    Ok(())
}

#[test]
fn a_scheduler_that_is_killed_leaves_its_commands_to_another_which_runs_none_twice() -> TestResult {
    let place = Place::new()?;
    place.submit(1..=2, "later")?;
    place.submit(3..=20, "go")?;
    let mut killed = Running::scheduler(&place)?;
    place.until_held(&killed, &[1, 2])?;
    let begun = |job: &Job| Path::new(job.work_dir.as_str()).join("group").exists();
    until("its commands run", || Ok(place.jobs()?.iter().filter(|job| begun(job)).count() == 2))?;
    killed.0.kill()?;
    killed.0.wait()?;

    let other = Running::scheduler(&place)?;
    until("the jobs are taken back", || {
        let events = place.store.events_after(EventSequence::START, 1_000)?;
        Ok(events.iter().filter(|event| event.kind == EventKind::Requeued).count() == 2)
    })?;
    place.let_go("go")?;
    // The commands of the killed one are still there: the other one waits for them.
    place.until_held(&other, &[1, 2])?;
    place.let_go("later")?;
    other.finish()?;

    assert_eq!(place.written()?, (1..=20).collect::<Vec<_>>());
    for job in place.jobs()? {
        let lapsed = job.id.get() <= 2;
        let expected = [Some(AttemptOutcome::Lapsed), Some(AttemptOutcome::Completed)];
        assert_eq!(job.status, JobStatus::Completed);
        assert_eq!(place.outcomes(job.id)?, expected[usize::from(!lapsed)..], "job {}", job.id);
    }
    Ok(())
}

/// Whether the first job's command, or anything that it has started, lives: it has the lock on its output.
fn first_runs(place: &Place) -> TestResult<bool> {
    let job = place.store.job(JobId::new(1))?;
    let dir = Path::new(job.work_dir.as_str());
    match File::open(dir.join("output")) {
        Ok(output) => Ok(dir.join("group").exists() && output.try_lock().is_err()),
        Err(_) => Ok(false),
    }
}

#[test]
fn a_command_is_ended_when_its_job_is_to_be_cancelled() -> TestResult {
    let place = Place::new()?;
    place.submit(1..=1, "never")?;
    let scheduler = Running::scheduler(&place)?;
    until("the command runs", || first_runs(&place))?;
    assert_eq!(place.says("submit", &["--cancel", "1"])?, "job 1: requested\n");
    scheduler.finish()?;
    assert_eq!(place.outcomes(JobId::new(1))?, [Some(AttemptOutcome::Cancelled)]);
    assert!(!first_runs(&place)?, "something of it is left");
    Ok(())
}

#[test]
fn a_scheduler_that_is_interrupted_ends_its_commands_and_gives_their_jobs_back() -> TestResult {
    let place = Place::new()?;
    place.submit(1..=1, "go")?;
    let scheduler = Running::scheduler(&place)?;
    until("the command runs", || first_runs(&place))?;
    scheduler.signal(Signal::INT)?;
    scheduler.finish()?;
    assert!(!first_runs(&place)?, "something of it is left");
    assert_eq!(place.outcomes(JobId::new(1))?, [Some(AttemptOutcome::Released), None]);
    assert_eq!(place.store.leases()?, []);
    place.let_go("go")?;
    Running::scheduler(&place)?.finish()?;
    assert_eq!(place.written()?, [1]);
    Ok(())
}

#[test]
fn the_demonstration_waits_fails_tries_again_and_ends() -> TestResult {
    let place = Place::new()?;
    place.says("submit", &[])?;
    let waiting = place.says("jobs", &["--workflow", "demonstration", "--text", "all is done"])?;
    assert!(waiting.contains("it waits for after_ok job 2"), "{waiting}");
    Running::scheduler(&place)?.finish()?;
    assert!(place.jobs()?.iter().all(|job| job.status == JobStatus::Completed));
    let expected = [AttemptOutcome::Failed, AttemptOutcome::Completed].map(Some);
    assert_eq!(place.outcomes(JobId::new(3))?, expected);
    Ok(())
}

#[test]
fn the_list_has_the_newest_first_and_what_a_filter_admits() -> TestResult {
    let place = Place::new()?;
    for name in ["MgO bulk", "MgO slab", "NaCl bulk"] {
        place.store.create_job(&jobs::sample(name).queued())?;
    }
    place.store.request_cancel(JobId::new(2), None)?;
    let ids = |arguments: &[&str]| -> TestResult<Vec<i64>> {
        let said = place.says("jobs", arguments)?;
        let first_word = |line: &str| line.split_whitespace().next()?.parse().ok();
        let rows = said.lines().filter(|line| line.starts_with(' '));
        Ok(rows.filter_map(first_word).collect())
    };
    assert_eq!(ids(&[])?, [3, 2, 1]);
    assert_eq!(ids(&["--limit", "2"])?, [3, 2]);
    assert_eq!(ids(&["--text", "mgo"])?, [2, 1]);
    assert_eq!(ids(&["--status", "QUEUED"])?, [3, 1]);
    assert_eq!(ids(&["--workflow", "none"])?, [0_i64; 0]);
    let said = place.says("jobs", &["--status", "QUEUED", "--limit", "1"])?;
    assert!(said.contains("can be claimed"), "{said}");
    assert!(said.ends_with("2 QUEUED, 0 RUNNING, 0 COMPLETED, 0 FAILED, 1 CANCELLED\n"), "{said}");
    Ok(())
}

#[test]
fn the_list_follows_what_other_processes_do() -> TestResult {
    let place = Place::new()?;
    let mut command = program("jobs")?;
    command.arg(&place.path).args(["--follow", "--text", "bulk"]).stdout(Stdio::piped());
    let mut list = Running(command.spawn()?);
    let output = BufReader::new(list.0.stdout.take().ok_or("it was piped")?);
    let mut lines = output.lines();
    let mut next = || -> TestResult<String> { Ok(lines.next().ok_or("the list has ended")??) };
    assert!(next()?.contains("status"));
    assert!(next()?.starts_with("0 PENDING"));
    // After the list was printed, and after its feed began.
    for name in ["MgO slab", "MgO bulk"] {
        place.store.create_job(&jobs::sample(name))?;
    }
    place.store.request_cancel(JobId::new(2), None)?;
    let (created, cancelled) = (next()?, next()?);
    assert!(created.contains(" MgO bulk ") && created.contains("[created by "), "{created}");
    assert!(cancelled.contains(" CANCELLED "), "{cancelled}");
    Ok(())
}
