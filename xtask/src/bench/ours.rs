//! The store, as a benchmark uses it.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use store_core::prelude::*;
use store_core::{
    Actor, Clock, Error, EventSequence, Feed, Job, JobFilter, JobId, JobStatus, LeaseKey, NewJob,
    NewResult, NewWorkflow, Page, Retention, StatusChange, SystemClock, Ticket, Timestamp,
};
use store_sqlite::{Options, SqliteStore};

use super::claims;
use super::client::{Answer, Client, Trouble};
use super::drafts::ACTOR;
use super::find::By;
use super::retention;
use super::work::Retired;
use crate::failure::{Context, Failure, Result, chain};
use crate::shared::choices::Durability;

/// Opens the store. All options but the durability are the defaults.
pub fn open(database: &Path, durability: Durability) -> Result<SqliteStore> {
    let actor = Actor::new(ACTOR).doing(|| "name the benchmark".to_owned())?;
    Options::new(database)
        .durability(durability.of_store())
        .actor(actor)
        .open()
        .doing(|| "open the store of a benchmark".to_owned())
}

/// How long one waits for events at the most before looking at the time.
const MOMENT: Duration = Duration::from_millis(500);
/// How many events are taken at once.
const EVENTS: u32 = 1000;

/// One thread's use of a store.
pub struct Ours {
    store: SqliteStore,
    under_way: VecDeque<Ticket<Job>>,
    feed: Option<Feed<SqliteStore>>,
    /// The event that was seen last, by one who looks now and then.
    place: Option<EventSequence>,
    /// What was claimed and has not ended.
    held: Vec<LeaseKey>,
}

impl Ours {
    /// Uses this one.
    pub fn new(store: &SqliteStore) -> Self {
        let (under_way, held) = (VecDeque::new(), Vec::new());
        Self { store: store.clone(), under_way, feed: None, place: None, held }
    }
}

/// The store promises never to be locked: whatever it answers ends the measurement.
fn trouble(error: Error) -> Trouble {
    Trouble::Failed(Failure::new(chain(&error)))
}

fn page(jobs: u32) -> Answer<Page> {
    Page::first(jobs).map_err(|invalid| Trouble::wrong(invalid.to_string()))
}

impl Client for Ours {
    fn create(&mut self, new: &NewJob) -> Answer<i64> {
        self.store.create_job(new).map(|job| job.id.get()).map_err(trouble)
    }

    fn create_many(&mut self, new: &[NewJob]) -> Answer<()> {
        self.store.create_jobs(new).map(drop).map_err(trouble)
    }

    fn create_in_flight(&mut self, new: &NewJob, most: usize) -> Answer<u64> {
        let new = new.clone();
        self.under_way.push_back(self.store.submit(move |w| w.create_job(&new)).map_err(trouble)?);
        let mut landed = 0;
        while self.under_way.len() >= most
            && let Some(ticket) = self.under_way.pop_front()
        {
            ticket.wait().map_err(trouble)?;
            landed += 1;
        }
        Ok(landed)
    }

    fn land(&mut self) -> Answer<u64> {
        let mut landed = 0;
        for ticket in self.under_way.drain(..) {
            ticket.wait().map_err(trouble)?;
            landed += 1;
        }
        Ok(landed)
    }

    fn change_status(&mut self, job: i64, from: JobStatus, to: JobStatus) -> Answer<()> {
        let change = StatusChange::to(to).expecting(from);
        self.store.change_status(JobId::new(job), &change).map(drop).map_err(trouble)
    }

    fn change_statuses(&mut self, changes: &[(i64, JobStatus, JobStatus)]) -> Answer<()> {
        let change = |&(job, from, to): &(i64, JobStatus, JobStatus)| {
            (JobId::new(job), StatusChange::to(to).expecting(from))
        };
        let changes: Vec<_> = changes.iter().map(change).collect();
        self.store.change_statuses(&changes).map(drop).map_err(trouble)
    }

    fn pass_through_queue(&mut self, new: &NewJob) -> Answer<()> {
        self.store.create_job(new).map_err(trouble)?;
        claims::pass_through_queue(&self.store).map_err(trouble)
    }

    fn claim(&mut self, most: u32, complete: bool) -> Answer<u32> {
        claims::claim(&self.store, most, complete).map_err(trouble)
    }

    fn complete_and_claim(&mut self, most: u32) -> Answer<(u32, u32)> {
        let completed = claims::number(&self.held);
        self.held = claims::complete_and_claim(&self.store, std::mem::take(&mut self.held), most)
            .map_err(trouble)?;
        Ok((completed, claims::number(&self.held)))
    }

    fn finish_parent(&mut self, job: i64) -> Answer<()> {
        self.change_status(job, JobStatus::Running, JobStatus::Completed)
    }

    fn create_workflow(&mut self, new: &NewWorkflow) -> Answer<()> {
        self.store.create_workflow(new).map(drop).map_err(trouble)
    }

    fn retire(&mut self, how: Retired, archive: &Path) -> Answer<(u64, u64)> {
        let old = Retention::finished_before(SystemClock.now()).at_most(retention::AT_ONCE);
        let report = match how {
            Retired::Moved => self.store.move_finished(&old, archive),
            Retired::Pruned => self.store.prune(&old),
        };
        report.map(|report| (report.jobs, report.events)).map_err(trouble)
    }

    fn write_result(&mut self, job: i64, result: &NewResult) -> Answer<()> {
        self.store.record_result(JobId::new(job), result).map(drop).map_err(trouble)
    }

    fn write_results(&mut self, jobs: &[i64], result: &NewResult) -> Answer<()> {
        let results: Vec<_> = jobs.iter().map(|job| (JobId::new(*job), result.clone())).collect();
        self.store.record_results(&results).map(drop).map_err(trouble)
    }

    fn finish(&mut self, job: i64, result: &NewResult) -> Answer<()> {
        let (job, result) = (JobId::new(job), result.clone());
        let finished = self.store.write(move |w| {
            w.record_result(job, &result)?;
            let end = StatusChange::to(JobStatus::Completed).expecting(JobStatus::Running);
            w.change_status(job, &end).map(drop)
        });
        finished.map_err(trouble)
    }

    fn get(&mut self, job: i64) -> Answer<String> {
        self.store.job(JobId::new(job)).map(|job| job.name).map_err(trouble)
    }

    fn newest(&mut self, jobs: u32) -> Answer<Vec<i64>> {
        let found = self.store.jobs(&JobFilter::all(), page(jobs)?).map_err(trouble)?;
        Ok(found.jobs.iter().map(|job| job.id.get()).collect())
    }

    fn statuses(&mut self, jobs: &[i64]) -> Answer<usize> {
        let ids: Vec<JobId> = jobs.iter().map(|id| JobId::new(*id)).collect();
        self.store.statuses(&ids).map(|found| found.len()).map_err(trouble)
    }

    fn list_all(&mut self, size: u32, after_page: &mut dyn FnMut()) -> Answer<u64> {
        let first = page(size)?;
        let (mut next, mut seen) = (Some(first.clone()), 0);
        while let Some(page) = next {
            let found = self.store.jobs(&JobFilter::all(), page).map_err(trouble)?;
            seen += found.jobs.len() as u64;
            next = found.next.map(|cursor| first.clone().after(cursor));
            after_page();
        }
        Ok(seen)
    }

    fn follow(&mut self, pause: Option<u32>) -> Answer<Vec<Timestamp>> {
        let mut events = Vec::new();
        if let Some(pause) = pause {
            let mut place = match self.place {
                Some(place) => place,
                None => self.store.newest_sequence().map_err(trouble)?,
            };
            let begun = Instant::now();
            while events.is_empty() && begun.elapsed() < MOMENT {
                std::thread::sleep(Duration::from_millis(u64::from(pause)));
                events = self.store.events_after(place, EVENTS).map_err(trouble)?;
                place = events.last().map_or(place, |event| event.sequence);
            }
            self.place = Some(place);
        } else {
            let feed = match self.feed.take() {
                Some(feed) => feed,
                None => self.store.feed_from_now().map_err(trouble)?,
            };
            let feed = self.feed.insert(feed);
            events = feed.next(EVENTS, MOMENT).map_err(trouble)?;
        }
        Ok(events.into_iter().map(|event| event.at).collect())
    }

    fn find(&mut self, by: By, jobs: u32, deep: bool) -> Answer<usize> {
        let question = by.question(jobs, deep);
        let (filter, page) = question.map_err(|invalid| Trouble::wrong(invalid.to_string()))?;
        self.store.jobs(&filter, page).map(|found| found.jobs.len()).map_err(trouble)
    }

    fn counts_by_status(&mut self) -> Answer<u64> {
        self.store.counts_by_status().map(|counts| counts.total()).map_err(trouble)
    }

    fn hold_snapshot(&mut self, between: &mut dyn FnMut()) -> Answer<()> {
        let page = page(50)?;
        let held = self.store.read(|r| {
            let before = r.jobs(&JobFilter::all(), page.clone())?;
            between();
            Ok(before == r.jobs(&JobFilter::all(), page)?)
        });
        match held.map_err(trouble)? {
            true => Ok(()),
            false => Err(Trouble::wrong("a snapshot changed while it was held")),
        }
    }
}
