//! Pages of jobs, read onward from where the thread last was.

use std::collections::BTreeMap;

use store_core::prelude::*;
use store_core::{Cursor, Job, JobFilter, JobPage, JobStatus, Page, Result};

use crate::stress::kind::Kind;
use crate::stress::session::Session;

/// Where a thread is in the lists that it walks through.
#[derive(Debug, Default)]
pub struct Lists {
    cursors: BTreeMap<JobStatus, Option<Cursor>>,
}

impl Lists {
    /// The next page of the jobs in a status, of this run alone; from the newest again after the
    /// last.
    pub fn walk<S: Store>(
        &mut self,
        session: &mut Session<'_, S>,
        status: JobStatus,
        limit: u32,
    ) -> Vec<Job> {
        let cursor = self.cursors.get(&status).copied().flatten();
        let filter = JobFilter::all().status(status);
        let page = read(session, Kind::ListByStatus, filter, limit, cursor);
        self.cursors.insert(status, page.as_ref().and_then(|page| page.next));
        own(session, page)
    }

    /// The newest jobs in a status, of this run alone.
    pub fn newest<S: Store>(
        session: &mut Session<'_, S>,
        status: JobStatus,
        limit: u32,
    ) -> Vec<Job> {
        let filter = JobFilter::all().status(status);
        let page = read(session, Kind::ListByStatus, filter, limit, None);
        own(session, page)
    }
}

/// Reads a page and looks whether it is one.
pub fn read<S: Store>(
    session: &mut Session<'_, S>,
    kind: Kind,
    filter: JobFilter,
    limit: u32,
    after: Option<Cursor>,
) -> Option<JobPage> {
    let page = session.read(kind, |store| -> Result<JobPage> {
        let page = Page::first(limit)?;
        store.jobs(&filter, after.map_or(page, |cursor| page.after(cursor)))
    })?;
    let place = |job: &Job| (job.created_at, job.id);
    let places: Vec<_> = page.jobs.iter().map(place).collect();
    let ordered = places.windows(2).all(|pair| pair[0] > pair[1])
        && after.is_none_or(|cursor| {
            places.first().is_none_or(|first| *first < (cursor.created_at, cursor.id))
        });
    session.expect(ordered, "a page is out of order", || format!("{places:?} after {after:?}"));
    let admitted =
        page.jobs.len() <= limit as usize && page.jobs.iter().all(|job| filter.admits(job, None));
    session.expect(admitted, "a page has jobs that were not asked for", || format!("{filter:?}"));
    Some(page)
}

fn own<S: Store>(session: &Session<'_, S>, page: Option<JobPage>) -> Vec<Job> {
    let mut jobs = page.map(|page| page.jobs).unwrap_or_default();
    jobs.retain(|job| session.shared.plan.owns(job));
    jobs
}
