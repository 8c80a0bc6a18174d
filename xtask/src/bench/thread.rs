//! One thread of a process: it does its work over and over, and keeps count.

mod changes;
mod crowds;
mod follow;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use store_core::NewResult;

use super::client::{Answer, Client, Trouble};
use super::drafts::{self, Drafts};
use super::graphs::WARM_PARENTS;
use super::memory;
use super::task::{Tally, Task};
use super::work::{Stock, Until, Work};
use crate::failure::{Failure, Result};
use crate::shared::durations::Durations;
use crate::shared::random::Random;

/// How long readers read before they are measured, so that nothing is cold.
const WARM_UP: Duration = Duration::from_millis(50);
/// The jobs of a page when all are listed.
const PAGE: u32 = 1000;

/// What the threads of a process share.
#[derive(Debug)]
pub struct Shared {
    stop: Arc<AtomicBool>,
    /// Jobs of the stock that were taken for results.
    taken: AtomicU64,
}

impl Shared {
    /// They stop when this is set.
    pub fn new(stop: Arc<AtomicBool>) -> Self {
        Self { stop, taken: AtomicU64::new(0) }
    }
}

/// What a thread did.
#[derive(Debug, Default)]
pub struct Worked {
    /// Operations that were done.
    pub operations: u64,
    /// Those of them that were done in time.
    pub in_time: u64,
    /// Seconds from the start.
    pub seconds: f64,
    /// Seconds of these in which the thread had a core.
    pub ran: f64,
    /// How long each call took.
    pub durations: Durations,
    /// How often a call was refused because of a lock.
    pub locked: u64,
    /// What was written.
    pub tally: Tally,
    /// The largest memory of its own that was seen.
    pub own_memory: u64,
    /// How long the process ran while it waited for nothing.
    pub busy: Duration,
    /// How long that was.
    pub waited: Duration,
}

/// One thread.
pub struct Worker<'t> {
    task: &'t Task,
    thread: u32,
    client: Box<dyn Client + Send>,
    drafts: Drafts,
    result: NewResult,
    random: Random,
    worked: Worked,
    turns: u64,
    /// The job that the mix is at, and what it listed last.
    current: i64,
    listed: Vec<i64>,
}

impl<'t> Worker<'t> {
    /// The thread of this number, from 0.
    pub fn new(task: &'t Task, thread: u32, client: Box<dyn Client + Send>) -> Result<Self> {
        Ok(Self {
            task,
            thread,
            client,
            drafts: Drafts::new(task.process, thread)?,
            result: drafts::result()?,
            random: Random::new(7, task.process, thread),
            worked: Worked::default(),
            turns: 0,
            current: 0,
            listed: Vec::new(),
        })
    }

    /// Warms up, waits for the start, and works from there; not at all if there is none.
    pub fn warm_up(
        mut self,
        shared: &Shared,
        start: impl FnOnce() -> Option<Instant>,
    ) -> Result<Worked> {
        let begun = Instant::now();
        let mut warm = Ok(true);
        let short = matches!(
            self.task.work,
            Work::GetById
                | Work::Newest(_)
                | Work::Statuses(_)
                | Work::Find(..)
                | Work::CountsByStatus
                | Work::ClaimNothing
        );
        while short && matches!(warm, Ok(true)) && begun.elapsed() < WARM_UP {
            warm = self.step(shared);
        }
        if self.task.work == Work::FinishParent {
            for _ in 0..WARM_PARENTS {
                warm = warm.and_then(|_| self.step(shared));
            }
        }
        // What was written is there all the same.
        self.worked = Worked { tally: self.worked.tally, ..Worked::default() };
        // Everybody comes here, also who cannot go on: the others wait.
        let started = start();
        warm?;
        let Some(started) = started else { return Ok(self.worked) };
        let before = running_time();
        let done = self.work(shared, started);
        self.worked.ran = running_time() - before;
        if done.is_err() {
            shared.stop.store(true, Ordering::Relaxed);
        }
        done.map(|()| self.worked)
    }

    fn work(&mut self, shared: &Shared, started: Instant) -> Result<()> {
        let in_time = |now: Instant| match self.task.until {
            Until::Seconds(seconds) => now - started < Duration::from_secs_f64(seconds),
            Until::Operations(_) | Until::Told => true,
        };
        if let Work::HoldSnapshots(milliseconds) = self.task.work {
            // The next one begins while this one is held.
            let share = self.thread * milliseconds / self.task.threads;
            std::thread::sleep(Duration::from_millis(u64::from(share)));
        }
        loop {
            let enough = match self.task.until {
                Until::Operations(most) => self.worked.operations >= most,
                Until::Seconds(_) | Until::Told => false,
            };
            let begun = Instant::now();
            if enough || shared.stop.load(Ordering::Relaxed) || !in_time(begun) {
                break;
            }
            let before = self.worked.operations;
            if !self.step(shared)? {
                break;
            }
            let now = Instant::now();
            let by_itself = matches!(
                self.task.work,
                Work::Follow(_) | Work::FinishParent | Work::CreateWorkflow(..) | Work::Retire(_)
            );
            if !by_itself {
                self.worked.durations.record(now - begun);
            }
            if in_time(now) {
                self.worked.in_time += self.worked.operations - before;
            }
        }
        let landed = match self.client.land() {
            Ok(landed) => landed,
            Err(trouble) => return Err(failure(trouble)),
        };
        self.created(landed);
        self.worked.operations += landed;
        self.worked.seconds = started.elapsed().as_secs_f64();
        Ok(())
    }

    /// Does it once; says whether there was anything left to do.
    fn step(&mut self, shared: &Shared) -> Result<bool> {
        match self.task.work {
            Work::Create => {
                let new = self.drafts.next()?;
                self.call(|client| client.create(&new))?;
                self.created(1);
            }
            Work::CreateMany(number) => {
                let new = self.drafts.take(number)?;
                self.call(|client| client.create_many(&new))?;
                self.created(u64::from(number));
                // The jobs count, not the batches.
                self.worked.operations += u64::from(number);
                return Ok(true);
            }
            Work::CreateInFlight(most) => {
                let new = self.drafts.next()?;
                let landed = self.call(|client| client.create_in_flight(&new, most as usize))?;
                self.created(landed);
                self.worked.operations += landed;
                return Ok(true);
            }
            Work::ChangeStatus => self.change_status()?,
            Work::ChangeStatuses(number) => return self.change_statuses(number),
            Work::WriteResult => return self.write_results(shared, 1),
            Work::WriteResults(number) => return self.write_results(shared, number),
            Work::PassThroughQueue => {
                let new = self.drafts.next()?.queued();
                self.call(|client| client.pass_through_queue(&new))?;
                self.worked.tally.add(Tally { jobs: 1, events: 3, ..Tally::default() });
            }
            Work::Claim(most) | Work::ClaimAndComplete(most) => {
                let complete = matches!(self.task.work, Work::ClaimAndComplete(_));
                let claimed = u64::from(self.call(|client| client.claim(most, complete))?);
                let events = if complete { 2 * claimed } else { claimed };
                let waited = matches!(self.task.stock, Stock::Delayed(_));
                let freed = if waited { claimed } else { 0 };
                self.worked.tally.add(Tally { events, freed, ..Tally::default() });
                // The jobs count, not the calls.
                self.worked.operations += claimed;
                return Ok(claimed > 0);
            }
            Work::CompleteAndClaim(most) => {
                let (completed, claimed) = self.call(|client| client.complete_and_claim(most))?;
                let events = u64::from(completed) + u64::from(claimed);
                self.worked.tally.add(Tally { events, ..Tally::default() });
                // What is still held at the end does not count.
                self.worked.operations += u64::from(completed);
                return Ok(events > 0);
            }
            Work::ClaimNothing => {
                let claimed = self.call(|client| client.claim(1, false))?;
                expect(claimed == 0, || "there was something to claim".to_owned())?;
            }
            Work::Mix => self.mix()?,
            Work::FinishParent => return self.finish_parent(),
            Work::CreateWorkflow(jobs, edges) => return self.create_workflow(jobs, edges),
            Work::Retire(how) => return self.retire(how),
            Work::Follow(pause) => return self.follow(pause),
            Work::FollowNothing(pause) => return self.follow_nothing(pause),
            Work::GetById => {
                let job = id(1 + self.random.below(u64::from(self.task.stock.jobs())));
                let name = self.call(|client| client.get(job))?;
                expect(name == format!("job_{job}"), || format!("job {job} is called {name}"))?;
            }
            Work::Newest(number) => {
                let newest = self.call(|client| client.newest(number))?;
                let stock = self.task.stock.jobs();
                let right = newest.len() == number.min(stock) as usize
                    && newest.first() == Some(&i64::from(stock));
                expect(right, || format!("{} newest jobs of {stock} were listed", newest.len()))?;
            }
            Work::Statuses(number) => {
                let stock = u64::from(self.task.stock.jobs());
                let first = self.random.below(stock);
                let apart = (stock / u64::from(number)).max(1);
                let ids: Vec<i64> = (0..u64::from(number))
                    .map(|index| id(1 + (first + index * apart) % stock))
                    .collect();
                let found = self.call(|client| client.statuses(&ids))?;
                expect(found == ids.len(), || format!("{found} of {number} statuses came"))?;
            }
            Work::ListAll => {
                let mut largest = 0;
                let seen = self.call(|client| {
                    client.list_all(PAGE, &mut || largest = largest.max(memory::own()))
                })?;
                self.worked.own_memory = largest;
                let stock = u64::from(self.task.stock.jobs());
                expect(seen == stock, || format!("{seen} of {stock} jobs were listed"))?;
            }
            Work::Find(by, deep) => {
                let stock = self.task.stock.jobs();
                let found = self.call(|client| client.find(by, stock, deep))?;
                expect(found > 0, || format!("nothing was found of {stock} jobs by {by:?}"))?;
            }
            Work::CountsByStatus => {
                let counted = self.call(|client| client.counts_by_status())?;
                let stock = u64::from(self.task.stock.jobs());
                expect(counted == stock, || format!("{counted} of {stock} jobs were counted"))?;
            }
            Work::HoldSnapshots(milliseconds) => {
                let hold = Duration::from_millis(u64::from(milliseconds));
                self.call(|client| client.hold_snapshot(&mut || std::thread::sleep(hold)))?;
            }
        }
        self.worked.operations += 1;
        Ok(true)
    }

    fn created(&mut self, jobs: u64) {
        self.worked.tally.add(Tally { jobs, events: jobs, ..Tally::default() });
    }

    /// Makes a call, again while a lock refuses it.
    fn call<T>(&mut self, mut call: impl FnMut(&mut dyn Client) -> Answer<T>) -> Result<T> {
        loop {
            match call(&mut *self.client) {
                Ok(value) => return Ok(value),
                Err(Trouble::Locked) => self.worked.locked += 1,
                Err(trouble) => return Err(failure(trouble)),
            }
        }
    }
}

/// How long this thread has had a core since it began, in seconds.
fn running_time() -> f64 {
    let ran = clock_gettime(ClockId::ThreadCPUTime);
    ran.tv_sec as f64 + ran.tv_nsec as f64 / 1e9
}

fn failure(trouble: Trouble) -> Failure {
    match trouble {
        Trouble::Locked => Failure::new("the database is locked"),
        Trouble::Failed(failure) => failure,
    }
}

fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Failure::new(otherwise())) }
}

fn id(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
