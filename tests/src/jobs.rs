//! The jobs that tests create where it does not matter which.

use store_core::prelude::*;
use store_core::{Archived, Code, JobFilter, NewJob, Page, Placement, WorkDir};
use store_sqlite::SqliteStore;

use crate::TestResult;

/// A job of this name, in a directory that the store names.
pub fn sample(name: impl Into<String>) -> NewJob {
    let base = WorkDir::new("/scratch").expect("an absolute directory");
    NewJob::new(name, Code::Crystal, Placement::Under(base))
}

/// The names of all jobs of a store that has few, sorted.
///
/// # Errors
/// Those of reading, and where it has more than one page of them.
pub fn names(store: &SqliteStore) -> TestResult<Vec<String>> {
    let filter = JobFilter { archived: Archived::Include, ..JobFilter::all() };
    let page = store.jobs(&filter, Page::first(Page::LARGEST)?)?;
    if page.next.is_some() {
        return Err("the store has more jobs than a page takes".into());
    }
    let mut names: Vec<String> = page.jobs.into_iter().map(|job| job.name).collect();
    names.sort_unstable();
    Ok(names)
}
