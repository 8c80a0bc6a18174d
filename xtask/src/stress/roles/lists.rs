//! Pages of jobs, read onward from where the thread last was.

use std::collections::BTreeMap;

use store_core::prelude::*;
use store_core::{Cursor, Job, JobFilter, JobPage, JobStatus, Order, Page, Result};

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
        let cursor = self.cursors.get(&status).cloned().flatten();
        let filter = JobFilter::all().status(status);
        let page = read(session, Kind::ListByStatus, filter, limit, cursor);
        self.cursors.insert(status, page.as_ref().and_then(|page| page.next.clone()));
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
        let page = match &after {
            Some(cursor) => page.after(cursor.clone()),
            None => page,
        };
        store.jobs(&filter, page)
    })?;
    let places: Vec<Cursor> =
        after.iter().cloned().chain(page.jobs.iter().map(Cursor::of)).collect();
    let ordered = places.windows(2).all(|pair| Order::NEWEST.compare(&pair[0], &pair[1]).is_lt());
    session.expect(ordered, "a page is out of order", || format!("{places:?}"));
    let admitted =
        page.jobs.len() <= limit as usize && page.jobs.iter().all(|job| filter.admits_row(job));
    session.expect(admitted, "a page has jobs that were not asked for", || format!("{filter:?}"));
    Some(page)
}

fn own<S: Store>(session: &Session<'_, S>, page: Option<JobPage>) -> Vec<Job> {
    let mut jobs = page.map(|page| page.jobs).unwrap_or_default();
    jobs.retain(|job| session.shared.plan.owns(job));
    jobs
}
