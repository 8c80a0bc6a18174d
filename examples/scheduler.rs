//! A scheduler with workers: runs shell commands as jobs of a store, beside others like it; if one is
//! killed, another goes on with its jobs. `docs/scheduling.md` tells why it is done so.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use std::{fs, io, path::Path, sync::Arc, thread};

use rustix::process::{Pid, Signal, kill_process_group};
use store_core::*;
use store_sqlite::{Options, SqliteStore, prelude::*, worker::this_worker};

const LEASE: Duration = Duration::from_secs(15);
/// The pause between heartbeats of a run, and between looks at what others have left behind.
const BEAT: Duration = Duration::from_millis(500);
/// Writes the exit code down, so that it is not lost with the worker that is to report it.
const SCRIPT: &str = "echo $$ >group; sh ./run.sh; c=$?; echo $c >c && mv c \"$1\"; exit $c";

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: scheduler STORE [WORKERS]")?;
    let workers: u32 = std::env::args().nth(2).map_or(Ok(2), |number| number.parse())?;
    let store = Options::new(path).open()?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let (store, stop) = (&store, &*stop);
    thread::scope(|scope| {
        let work = |number| scope.spawn(move || work(store, &format!("worker {number}"), stop));
        let workers: Vec<_> = (1..=workers).map(work).collect();
        let supervised = supervise(store, stop);
        stop.store(true, Relaxed);
        let worked = workers.into_iter().map(|worker| worker.join().expect("no worker panics"));
        Ok(worked.fold(supervised, Result::and)?)
    })
}

/// Takes jobs back from workers that are gone, until every job has ended.
fn supervise(store: &SqliteStore, stop: &AtomicBool) -> Result<()> {
    while !stop.load(Relaxed) {
        let recovered = [store.recover_dead_workers()?, store.recover_expired(1_000)?].concat();
        for Recovered { job, lease, came_to } in recovered {
            println!("job {job}: {came_to:?}, because {} is gone", lease.worker.process);
        }
        let counts = store.counts_by_status()?;
        if counts.of(JobStatus::Queued) + counts.of(JobStatus::Running) == 0 {
            break;
        }
        thread::sleep(BEAT);
    }
    Ok(())
}

/// Claims and runs one job after the other.
fn work(store: &SqliteStore, name: &str, stop: &AtomicBool) -> Result<()> {
    let worker = this_worker(name);
    let filter = ClaimFilter::all().runner(Runner::Local).code("sh".parse()?);
    let mut watch = store.watch()?;
    while !stop.load(Relaxed) {
        let Some(Claim { job, lease }) = store.claim(&worker, &filter, 1, LEASE)?.pop() else {
            // Until somebody commits; that a job's time has come wakes nobody.
            watch.wait(BEAT)?;
            continue;
        };
        println!("job {}: attempt {} by {name}: {}", job.id, job.attempt, job.name);
        match run(store, &job, lease.key(), stop) {
            Ok(ended) => println!("job {}: {ended:?}", job.id),
            // The job has gone on without this worker, which has nothing to say of it any more.
            Err(lost @ Error::LeaseLost { .. }) => println!("job {}: {lost}", job.id),
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

/// Runs the command of a job, or waits for one that has outlived its worker, and reports how it ended.
fn run(store: &SqliteStore, job: &Job, key: LeaseKey, stop: &AtomicBool) -> Result<Ended> {
    // Runs after the same failures are one, which is done once, however many workers were lost in it.
    let failed = |attempt: &&Attempt| attempt.outcome == Some(AttemptOutcome::Failed);
    let mark = format!("exit.{}", store.attempts_of(job.id)?.iter().filter(failed).count());
    let (dir, deck) = (Path::new(job.work_dir.as_str()), store.input(job.id)?);
    let (mut child, mut beaten, mut is_told, mut is_cancelled) =
        (None, Instant::now(), false, false);
    let code = loop {
        match look(dir, &mark, deck.as_ref(), &mut child, is_told) {
            Ok(None) => thread::sleep(Duration::from_millis(10)),
            Ok(Some(code)) => break code,
            Err(error) => {
                let failure = Failure::of("not_run".parse()?).because(error.to_string());
                return store.fail(&key, &failure);
            }
        }
        if beaten.elapsed() >= BEAT {
            beaten = Instant::now();
            let beat = store.heartbeat(&[key], LEASE)?.remove(0);
            is_cancelled = matches!(beat, Heartbeat::Renewed { cancel_requested: true, .. });
            // Where the lease is lost, the report says so.
            is_told = is_cancelled || stop.load(Relaxed) || matches!(beat, Heartbeat::Lost(_));
        }
        if is_told {
            let group = fs::read_to_string(dir.join("group")).unwrap_or_default();
            let group = group.trim().parse().ok().and_then(Pid::from_raw);
            let _gone = group.map(|group| kill_process_group(group, Signal::KILL));
        }
    };
    let _reaped = child.map(|mut child| child.wait());
    match code {
        0 => store.complete(&key, &Completion { exit_code: Some(0), result: None }),
        _ if is_cancelled => {
            let cancelled = StatusChange::to(JobStatus::Cancelled);
            store.change_status(key, &cancelled).map(|_| Ended::Finally(cancelled.to))
        }
        _ if is_told => store.release(&key, Some("its scheduler was stopped"), None),
        _ => {
            let failure = Failure::of("nonzero_exit".parse()?).because("see its file output");
            store.fail(&key, &Failure { exit_code: Some(code), ..failure })
        }
    }
}

/// The exit code of a job's command, once that has ended; begins it where it was not.
fn look(
    dir: &Path,
    mark: &str,
    deck: Option<&InputDeck>,
    child: &mut Option<Child>,
    is_told: bool,
) -> io::Result<Option<i32>> {
    fs::create_dir_all(dir)?;
    let output = fs::File::options().create(true).append(true).open(dir.join("output"))?;
    // The command inherits this lock, and holds it as long as it lives.
    if let Err(fs::TryLockError::WouldBlock) = output.try_lock() {
        return Ok(None);
    }
    if let Ok(code) = fs::read_to_string(dir.join(mark)) {
        return code.trim().parse().map(Some).map_err(io::Error::other);
    }
    if child.is_some() || is_told {
        return Ok(Some(-1));
    }
    for (name, content) in deck.iter().flat_map(|deck| deck.files()) {
        fs::write(dir.join(name), content)?;
    }
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT, "sh", mark]).current_dir(dir).process_group(0).stdin(Stdio::null());
    *child = Some(command.stdout(output.try_clone()?).stderr(output).spawn()?);
    Ok(None)
}
