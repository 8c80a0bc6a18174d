//! What tickets promise: writes that were handed in are run in order, and their outcome is told.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, Result};
use crate::query::{JobFilter, Page};
use crate::repo::{JobRead, JobWrite};
use crate::store::Store;

use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{open, sample_job};

/// A thousand writes in flight from one thread land in the order in which they were handed in.
pub fn writes_in_flight_land_in_their_order<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let mut tickets = Vec::new();
    for number in 0..1000 {
        let job = sample_job(&format!("job {number}"));
        tickets.push(store.submit(move |w| w.create_job(&job))?);
    }
    let mut last = None;
    for (number, ticket) in tickets.into_iter().enumerate() {
        let job = ticket.wait()?;
        assert_eq!(job.name, format!("job {number}"));
        assert!(last < Some(job.id), "{:?} after {last:?}", job.id);
        assert_eq!(store.job(job.id)?, job, "what a ticket tells is committed");
        last = Some(job.id);
    }
    Ok(())
}

/// An error or a panic of one write that was handed in is told by its own ticket alone.
pub fn a_failing_ticket_disturbs_no_other<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let mut tickets = Vec::new();
    for number in 0..30 {
        let job = sample_job(&format!("job {number}"));
        tickets.push(store.submit(move |w| -> Result<()> {
            w.create_job(&job)?;
            match number % 3 {
                0 => Ok(()),
                1 => Err(Error::aborted(format!("number {number}"))),
                _ => panic!("number {number}"),
            }
        })?);
    }
    for (number, ticket) in tickets.into_iter().enumerate() {
        let told = catch_unwind(AssertUnwindSafe(|| ticket.wait()));
        match (number % 3, told) {
            (0, Ok(kept)) => kept?,
            (1, Ok(given_up)) => {
                let reason = format!("number {number}");
                assert_refused!(&given_up, Error::Aborted(why) if why.to_string() == reason);
            }
            (2, Err(panic)) => {
                assert_eq!(panic.downcast_ref(), Some(&format!("number {number}")));
            }
            (_, other) => panic!("number {number}: {other:?}"),
        }
    }
    let jobs = store.jobs(&JobFilter::all(), Page::first(100)?)?.jobs;
    let mut kept: Vec<_> = jobs.into_iter().map(|job| job.name).collect();
    kept.sort_by_key(|name| name.len());
    assert_eq!(kept.len(), 10);
    assert!(kept.contains(&"job 27".to_owned()), "{kept:?}");
    Ok(())
}

/// A write whose ticket nobody keeps is run all the same, before what is written after it.
pub fn a_dropped_ticket_takes_nothing_back<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let job = sample_job("nobody waits");
    drop(store.submit(move |w| w.create_job(&job))?);
    store.create_job(&sample_job("somebody waits"))?;
    let jobs = store.jobs(&JobFilter::all(), Page::first(10)?)?.jobs;
    let names: Vec<_> = jobs.iter().map(|job| job.name.as_str()).collect();
    assert_eq!(names, ["somebody waits", "nobody waits"], "newest first");
    Ok(())
}
