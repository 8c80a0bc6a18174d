//! The store at rest: how fast it opens, and answers, when nobody writes.
//!
//! The figures are for people to judge; they never decide whether a run has passed.

use std::time::Instant;

use serde::Serialize;
use store_core::prelude::*;
use store_core::{Archived, Cursor, JobFilter, Page};
use store_sqlite::SqliteStore;

use super::open;
use super::plan::Plan;
use crate::failure::{Context, Result};
use crate::shared::durations::Durations;
use crate::shared::random::Random;

/// How often the store is opened.
const OPENINGS: u32 = 20;
/// How many new stores are made.
const FRESH: u32 = 5;
/// How often each question is asked.
const READS: u32 = 200;

/// What is typical, and what is not, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Typical {
    /// Half of the calls took no longer.
    pub p50: f64,
    /// The longest.
    pub max: f64,
    /// How many calls there were.
    #[serde(skip)]
    pub count: u64,
}

impl From<&Durations> for Typical {
    fn from(durations: &Durations) -> Self {
        let (p50, max) = (durations.quantile(0.5), durations.longest());
        Self { p50, max, count: durations.count() }
    }
}

/// The store at rest. The names of the fields are those of the JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AtRest {
    /// How many jobs the store holds, those that were put away included.
    pub jobs: u64,
    /// Opening it, up to date as it is.
    pub open_ms: Typical,
    /// Opening a new one, which is created and migrated.
    pub open_fresh_ms: Typical,
    /// The newest 50 jobs.
    pub list_newest_50_ms: Typical,
    /// 50 jobs from somewhere in the older half of the list.
    pub list_deep_50_ms: Typical,
    /// A job by its id.
    pub get_by_id_ms: Typical,
    /// How many jobs have each status.
    pub counts_by_status_ms: Typical,
}

impl AtRest {
    /// All figures with what they are of.
    pub fn rows(&self) -> [(&'static str, Typical); 6] {
        [
            ("open, up to date", self.open_ms),
            ("open, fresh", self.open_fresh_ms),
            ("list newest 50", self.list_newest_50_ms),
            ("list deep 50", self.list_deep_50_ms),
            ("get by id", self.get_by_id_ms),
            ("counts by status", self.counts_by_status_ms),
        ]
    }
}

/// Measures the store of a run, which no process uses any more.
pub fn measure(plan: &Plan) -> Result<AtRest> {
    let open_ms = openings(plan)?;
    let open_fresh_ms = fresh_openings(plan)?;
    let store = open::open(plan, 0)?;
    let measured = questions(&store, plan.seed).doing(|| "read the store at rest".to_owned());
    let ([list_newest_50_ms, list_deep_50_ms, get_by_id_ms, counts_by_status_ms], jobs) = measured?;
    close(store)?;
    Ok(AtRest {
        jobs,
        open_ms,
        open_fresh_ms,
        list_newest_50_ms,
        list_deep_50_ms,
        get_by_id_ms,
        counts_by_status_ms,
    })
}

fn openings(plan: &Plan) -> Result<Typical> {
    let mut durations = Durations::default();
    for _ in 0..OPENINGS {
        close(timed(&mut durations, || open::open(plan, 0))?)?;
    }
    Ok((&durations).into())
}

fn fresh_openings(plan: &Plan) -> Result<Typical> {
    let mut durations = Durations::default();
    let making = || "make a directory for a fresh store".to_owned();
    for _ in 0..FRESH {
        // On the disk of the run's store; a temporary directory may be in memory.
        let folder = tempfile::Builder::new().prefix("fresh-").tempdir_in(&plan.folder);
        let folder = folder.doing(making)?;
        let database = folder.path().join("project.db");
        close(timed(&mut durations, || open::open_at(plan, &database, 0))?)?;
        folder.close().doing(|| "remove a fresh store".to_owned())?;
    }
    Ok((&durations).into())
}

/// The newest jobs, deep pages, jobs by id, counts; and how many jobs there are.
fn questions(store: &SqliteStore, seed: u64) -> store_core::Result<([Typical; 4], u64)> {
    let mut durations: [Durations; 4] = Default::default();
    let [newest, deep, by_id, counts] = &mut durations;
    let (all, page) = (JobFilter::all(), Page::first(50)?);
    // Before the list is walked through, which would leave every page of it in memory.
    for _ in 0..READS {
        timed(newest, || store.jobs(&all, page.clone()))?;
    }
    let places = places(store)?;
    let (_, older_half) = places.split_at(places.len() / 2);
    let mut random = Random::new(seed, 0, 0);
    for _ in 0..READS {
        if let Some(place) = random.pick(older_half) {
            timed(deep, || store.jobs(&all, page.clone().after(place.clone())))?;
        }
        if let Some(place) = random.pick(&places) {
            timed(by_id, || store.job(place.id))?;
        }
        timed(counts, || store.counts_by_status())?;
    }
    let typical = durations.each_ref().map(Typical::from);
    Ok((typical, places.len() as u64))
}

/// The place of every job in the list, newest first.
fn places(store: &SqliteStore) -> store_core::Result<Vec<Cursor>> {
    let all = JobFilter { archived: Archived::Include, ..JobFilter::all() };
    let (mut places, mut page) = (Vec::new(), Page::first(Page::LARGEST)?);
    loop {
        let found = store.jobs(&all, page.clone())?;
        places.extend(found.jobs.iter().map(Cursor::of));
        match found.next {
            Some(next) => page = page.after(next),
            None => return Ok(places),
        }
    }
}

/// Makes a call, and records how long it took if it was answered.
fn timed<T, E>(
    durations: &mut Durations,
    call: impl FnOnce() -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let begun = Instant::now();
    let answer = call()?;
    durations.record(begun.elapsed());
    Ok(answer)
}

fn close(store: SqliteStore) -> Result<()> {
    store.close().doing(|| "close the store".to_owned())
}
