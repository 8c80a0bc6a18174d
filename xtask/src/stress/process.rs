//! One process: it opens the store, waits for the word, works, and tells how it went.

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use store_core::{Clock, SystemClock};
use store_sqlite::SqliteStore;

use super::meter::{Outcome, Pace, Totals};
use super::plan::{Plan, Profile};
use super::roles::{self, Lists, Role};
use super::session::{Session, Shared};
use super::{claims, follower, open, prepare};
use crate::failure::{Context, Failure, Result};
use crate::shared::children::{GO, READY, stop_with_parent, tell};

/// How often the parent is told how much is done.
const TELL_EVERY: Duration = Duration::from_millis(20);

/// How much a process has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Calls that have returned.
    pub calls: u64,
    /// Jobs that were claimed, in the profile of claims.
    pub claims: u64,
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.calls, self.claims)
    }
}

impl Done {
    /// As a process told it.
    pub fn read(word: &str) -> Option<Self> {
        let (calls, claims) = word.split_once(' ')?;
        Some(Self { calls: calls.parse().ok()?, claims: claims.parse().ok()? })
    }
}

/// Runs a process whose parent is at the other end of standard input and output.
pub fn run(plan: Plan, process: u32, follows: bool) -> Result<()> {
    let begun = Instant::now();
    let store = open::open(&plan, process)?;
    let open_ms = begun.elapsed().as_secs_f64() * 1e3;
    let mut shared = prepare::shared(&plan, process)?;
    if !hears_go()? {
        return Ok(());
    }
    stop_with_parent(Arc::clone(&shared.stop));
    shared.started = Instant::now();
    let started_at = SystemClock.now().as_micros();
    let progress = |done: Done| tell(&done.to_string());
    let worked = match plan.profile {
        Profile::Mix if follows => follower::work(&store, &shared, progress),
        Profile::Mix => work(&store, &shared, progress),
        Profile::Claims => claims::work(&store, &shared, progress),
    };
    shared.journal.finish()?;
    let (totals, paces) = worked?;
    store.close().doing(|| "close the store".to_owned())?;
    let outcome = Outcome { totals, paces, open_ms, started_at };
    let path = plan.outcome(process);
    let text = serde_json::to_string(&outcome).doing(|| "write the outcome".to_owned())?;
    std::fs::write(&path, text).doing(|| format!("write {}", path.display()))
}

/// Runs a process that opens a file when the word comes, says how many nanoseconds it took, and is gone:
/// the first may close it while others open it.
pub fn run_opening(plan: &Plan, process: u32, database: &Path) -> Result<()> {
    if !hears_go()? {
        return Ok(());
    }
    let begun = Instant::now();
    let store = open::open_at(plan, database, process)?;
    let took = begun.elapsed();
    store.close().doing(|| "close the store".to_owned())?;
    // After the closing: whoever could not close is not among those that opened.
    tell(&took.as_nanos().to_string());
    Ok(())
}

/// Runs the threads of a process to their end.
pub fn work(
    store: &SqliteStore,
    shared: &Shared,
    progress: impl Fn(Done),
) -> Result<(Totals, Vec<Pace>)> {
    std::thread::scope(|scope| {
        let spawn = |thread| scope.spawn(move || one_thread(store, shared, thread));
        let threads = (1..=shared.plan.threads).map(spawn).collect();
        gather(threads, || {
            progress(Done { calls: shared.operations.load(Ordering::Relaxed), claims: 0 });
        })
    })
}

/// Waits for the threads of a process, calls `tell_progress` meanwhile, and adds up what they did.
pub fn gather(
    threads: Vec<ScopedJoinHandle<'_, Result<(Totals, Pace)>>>,
    tell_progress: impl Fn(),
) -> Result<(Totals, Vec<Pace>)> {
    while !threads.iter().all(ScopedJoinHandle::is_finished) {
        std::thread::sleep(TELL_EVERY);
        tell_progress();
    }
    let (mut totals, mut paces) = (Totals::default(), Vec::new());
    for (index, thread) in threads.into_iter().enumerate() {
        let panicked = |_| Failure::new(format!("thread {} panicked", index + 1));
        let (of_thread, pace) = thread.join().map_err(panicked)??;
        totals.add(of_thread);
        paces.push(pace);
    }
    Ok((totals, paces))
}

fn one_thread(store: &SqliteStore, shared: &Shared, thread: u32) -> Result<(Totals, Pace)> {
    let roles = Role::of(thread, shared.plan.threads);
    let mut names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    names.dedup();
    let mut session = Session::new(store, shared, thread, names.join(", "))?;
    let mut lists = Lists::default();
    while shared.goes_on() {
        roles::step(&mut session, &mut lists, roles);
    }
    Ok(session.meter.finish())
}

/// Says that it is ready, and waits; false if the word never comes.
fn hears_go() -> Result<bool> {
    tell(READY);
    let mut word = String::new();
    std::io::stdin().lock().read_line(&mut word).doing(|| "hear the parent".to_owned())?;
    Ok(word.trim_end() == GO)
}
