//! One process: it opens the database, waits for the word, works, and tells how it went.

use std::io::BufRead;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Barrier, OnceLock};
use std::time::Instant;

use store_sqlite::SqliteStore;

use super::client::Client;
use super::memory;
use super::ours::{self, Ours};
use super::references::connection;
use super::references::limit::Limit;
use super::references::mutex::Behind;
use super::references::pool::Pool;
use super::references::raw::Raw;
use super::task::{Outcome, Task};
use super::thread::{Shared, Worked, Worker};
use super::work::Side;
use crate::failure::{Context, Failure, Result};
use crate::shared::children::{GO, READY, stop_with_parent, tell};

/// What the threads of a process share of a side.
enum Opened {
    Ours(SqliteStore),
    Limit,
    Pool(Pool),
    Mutex(Behind),
}

impl Opened {
    fn open(task: &Task) -> Result<Self> {
        let (database, durability) = (&task.database, task.durability);
        Ok(match task.side {
            Side::Ours => Self::Ours(ours::open(database, durability)?),
            Side::Limit => Self::Limit,
            Side::Pool => Self::Pool(Pool::open(database, durability, task.threads)?),
            Side::Mutex => {
                let opened = connection::open_set_up(database, durability);
                Self::Mutex(Behind::new(opened.doing(|| "open a connection".to_owned())?))
            }
            Side::Sqlx | Side::Huey | Side::Honker | Side::Plainjob => {
                return Err(Failure::new("a peer is a program of its own"));
            }
        })
    }

    fn client(&self, task: &Task) -> Result<Box<dyn Client + Send>> {
        Ok(match self {
            Self::Ours(store) => Box::new(Ours::new(store)),
            Self::Limit => {
                let opened = connection::open_set_up(&task.database, task.durability);
                Box::new(Raw(Limit(opened.doing(|| "open a connection".to_owned())?)))
            }
            Self::Pool(pool) => Box::new(Raw(pool.clone())),
            Self::Mutex(shared) => Box::new(Raw(shared.clone())),
        })
    }

    /// Closes it, and tells of the commits of the store.
    fn close(self) -> Result<Option<(u64, u64)>> {
        let Self::Ours(store) = self else { return Ok(None) };
        let stats = store.stats().doing(|| "count what the store did".to_owned())?;
        store.close().doing(|| "close the store".to_owned())?;
        Ok(Some((stats.activity.writes, stats.activity.commits)))
    }
}

/// Runs a process whose parent is at the other end of standard input and output.
pub fn run() -> Result<()> {
    let hear = || {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).doing(|| "hear the parent".to_owned())?;
        Ok::<_, Failure>(line)
    };
    let task: Task = serde_json::from_str(&hear()?).doing(|| "understand the task".to_owned())?;
    let stop = Arc::new(AtomicBool::new(false));
    let outcome = work(&task, Arc::clone(&stop), || {
        tell(READY);
        let go = hear()?.trim_end() == GO;
        stop_with_parent(stop);
        Ok(go)
    })?;
    if let Some(outcome) = outcome {
        tell(&serde_json::to_string(&outcome).doing(|| "tell the outcome".to_owned())?);
    }
    Ok(())
}

/// Does a task once `ready` has returned; nothing if that says no.
fn work(
    task: &Task,
    stop: Arc<AtomicBool>,
    ready: impl FnOnce() -> Result<bool>,
) -> Result<Option<Outcome>> {
    let opened = Opened::open(task)?;
    let (shared, started) = (Shared::new(stop), OnceLock::new());
    let barrier = Barrier::new(task.threads as usize + 1);
    let mut workers = Vec::new();
    for thread in 0..task.threads {
        workers.push(Worker::new(task, thread, opened.client(task)?)?);
    }
    let worked: Option<Vec<Worked>> = std::thread::scope(|scope| {
        let threads: Vec<_> = workers
            .into_iter()
            .map(|worker| {
                let (barrier, started, shared) = (&barrier, &started, &shared);
                scope.spawn(move || {
                    worker.warm_up(shared, || {
                        barrier.wait();
                        // Not set where the parent wants no work.
                        barrier.wait();
                        started.get().copied()
                    })
                })
            })
            .collect();
        // All are warm.
        barrier.wait();
        let go = ready();
        if matches!(go, Ok(true)) {
            let _first = started.set(Instant::now());
        }
        barrier.wait();
        let mut all = Vec::new();
        for thread in threads {
            let panicked = |_| Failure::new("a thread of the benchmark panicked");
            all.push(thread.join().map_err(panicked)??);
        }
        Ok::<_, Failure>(go?.then_some(all))
    })?;
    let Some(worked) = worked else { return Ok(None) };
    let mut outcome = Outcome { commits: opened.close()?, ..Outcome::default() };
    for one in worked {
        outcome.operations += one.operations;
        outcome.in_time += one.in_time;
        outcome.seconds = outcome.seconds.max(one.seconds);
        outcome.ran += one.ran;
        outcome.durations.add(&one.durations);
        outcome.locked += one.locked;
        outcome.tally.add(one.tally);
        outcome.own_memory = outcome.own_memory.max(one.own_memory);
        outcome.share = outcome.share.max(one.share());
    }
    outcome.memory = memory::peak();
    Ok(Some(outcome))
}
