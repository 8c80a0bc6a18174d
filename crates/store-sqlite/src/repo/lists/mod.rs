//! Lists of jobs: a filter and an order become queries that each read one range of one index.
//!
//! An index serves a list when it holds the filter's value first and the order's key next: the page is
//! read off it, and costs what it shows. A filter with several values (statuses, codes) becomes one walk
//! for each of them; the walks are merged.
//!
//! What a filter names may also be in an index that has another order: a range of times or energies, a
//! value of documents, a text; and a filter in any other order than that of creation. Then it is counted
//! how many rows the index has for it, up to [`MANY`]. If they are fewer, they are read and sorted; if not,
//! such jobs are met often, and the list's own order is walked with the filter asked of each row.

mod entry;
mod texts;
mod walk;

use rusqlite::Row;
use rusqlite::types::Type;
use store_core::{
    Cursor, Energy, EnergyUnit, Job, JobFilter, JobPage, JobStatus, Page, Result, SortKey,
};

use super::jobs::decode;
use crate::codec::Columns;
use crate::unit::{Mode, Unit};
use entry::{Choice, Part};

/// From how many rows on they are not read and sorted any more. With a page of 50 and a million jobs it is
/// about here that meeting the 50 along the list becomes as cheap as reading all.
const MANY: u32 = 5_000;

pub(super) const COUNTS: &str = "SELECT archived, status, jobs FROM job_counts";

impl<M: Mode> Unit<'_, M> {
    pub(super) fn page_of_jobs(&self, filter: &JobFilter, page: &Page) -> Result<JobPage> {
        filter.check()?;
        page.check()?;
        let choice = self.choose(filter, page.order().key)?;
        let mut found: Vec<(Cursor, Job)> = Vec::new();
        for walk in walk::walks(filter, page, &choice) {
            let parameters = rusqlite::params_from_iter(walk.parameters);
            found.extend(self.list(&walk.sql, parameters, |row| placed(row, page))?);
        }
        let walked = page.walked();
        found.sort_by(|(one, _), (other, _)| walked.compare(one, other));
        Ok(JobPage::from_walked(found, page))
    }

    pub(super) fn number_of_jobs(&self, filter: &JobFilter) -> Result<u64> {
        filter.check()?;
        let counted = JobFilter {
            statuses: filter.statuses.clone(),
            archived: filter.archived,
            ..JobFilter::all()
        };
        if *filter == counted {
            return self.counted(filter);
        }
        let choice = self.choose(filter, SortKey::Created)?;
        let mut jobs = 0;
        for entry in &choice.entries {
            let count = walk::count(filter, &choice, entry);
            jobs += self.number(&count.sql, count.parameters)?;
        }
        Ok(jobs)
    }

    /// The jobs of a filter that names statuses at the most, by the counts that are kept of them.
    fn counted(&self, filter: &JobFilter) -> Result<u64> {
        let counts = self.list(COUNTS, [], |row| {
            let mut columns = Columns::of(row);
            let archived: bool = columns.plain()?;
            Ok((archived, columns.word::<JobStatus>()?, columns.plain::<i64>()?.unsigned_abs()))
        })?;
        let admitted = counts.into_iter().filter(|(archived, status, _)| {
            filter.archived.admits(*archived)
                && (filter.statuses.is_empty() || filter.statuses.contains(status))
        });
        Ok(admitted.map(|(_, _, jobs)| jobs).sum())
    }

    /// Chooses by which indexes a list is read. Where the filter names several, the one with the fewest
    /// rows wins, and of those that have many the first.
    fn choose(&self, filter: &JobFilter, key: SortKey) -> Result<Choice> {
        let mut named = entry::named(filter);
        // All that it names is in the index of ends.
        if key == SortKey::Finished
            && named.iter().all(|one| matches!(one.part, Part::Statuses | Part::Finished))
        {
            return Ok(entry::everything(filter, key));
        }
        if let [only] = &*named
            && only.order == Some(key)
        {
            return Ok(named.remove(0));
        }
        let mut narrowest: Option<(u64, usize)> = None;
        for (index, choice) in named.iter().enumerate() {
            let size = self.size(choice)?;
            if size < u64::from(MANY) && narrowest.is_none_or(|(least, _)| size < least) {
                narrowest = Some((size, index));
            }
        }
        let chosen = narrowest
            .map(|(_, index)| index)
            .or_else(|| named.iter().position(|choice| choice.order == Some(key)));
        Ok(match chosen {
            Some(index) => named.swap_remove(index),
            None => entry::everything(filter, key),
        })
    }

    /// How many rows the indexes have for a choice, up to [`MANY`].
    fn size(&self, choice: &Choice) -> Result<u64> {
        let mut rows = 0;
        for entry in &choice.entries {
            let size = walk::size(entry, MANY);
            rows += self.number(&size.sql, size.parameters)?;
            if rows >= u64::from(MANY) {
                break;
            }
        }
        Ok(rows)
    }

    fn number(&self, sql: &str, parameters: Vec<rusqlite::types::Value>) -> Result<u64> {
        let parameters = rusqlite::params_from_iter(parameters);
        let found: Option<i64> = self.find(sql, parameters, |row| row.get(0))?;
        Ok(found.unwrap_or_default().unsigned_abs())
    }
}

/// Takes a job with its place in the page's order.
fn placed(row: &Row<'_>, page: &Page) -> rusqlite::Result<(Cursor, Job)> {
    let job = decode(row)?;
    let order = page.order();
    let energy: Option<f64> = match order.key {
        SortKey::Energy => row.get("energy_ev")?,
        _ => None,
    };
    let energy = energy.and_then(|value| Energy::new(value, EnergyUnit::ElectronVolt).ok());
    // Each walk leaves out the jobs that have no place in its order: then the index is not what the rows are.
    let unplaced = || {
        let reason = format!("job {} has no place in the order {order}", job.id);
        rusqlite::Error::FromSqlConversionFailure(0, Type::Null, reason.into())
    };
    Ok((order.place(&job, energy).ok_or_else(unplaced)?, job))
}

/// The queries that pages and counts of a filter can come to, by name, for the test of their plans. Those
/// that sort what they read say so.
#[cfg(test)]
pub(super) fn queries(filter: &JobFilter, page: &Page) -> Vec<(String, String)> {
    let key = page.order().key;
    let mut queries = Vec::new();
    let mut choices = entry::named(filter);
    choices.push(entry::everything(filter, key));
    for choice in choices {
        let verb = if choice.order == Some(key) { "walk" } else { "sort" };
        for (place, walk) in walk::walks(filter, page, &choice).into_iter().enumerate() {
            let part = choice.part;
            queries.push((format!("{verb} {part:?} {place}"), walk.sql));
        }
        if choice.part != entry::Part::Order {
            for (place, entry) in choice.entries.iter().enumerate() {
                let part = choice.part;
                let count = walk::count(filter, &choice, entry).sql;
                queries.push((format!("count {part:?} {place}"), count));
                queries.push((format!("size {part:?} {place}"), walk::size(entry, MANY).sql));
            }
        }
    }
    queries
}

#[cfg(test)]
mod tests {
    use rusqlite::{StatementStatus, params_from_iter};
    use store_core::prelude::*;
    use store_core::{
        Code, Convergence, Cursor, Energy, EnergyUnit, JobFilter, JobId, NewJob, NewResult, Order,
        Page, Placement, Result, SortKey, WorkDir,
    };

    use super::{entry, walk};
    use crate::error::Meaning;
    use crate::{Options, SqliteStore};

    const PAGE: u32 = 20;

    /// How many steps SQLite takes for a page.
    fn steps(store: &SqliteStore, page: &Page) -> Result<i32> {
        let filter = JobFilter::all();
        let choice = entry::everything(&filter, page.order().key);
        store.on_reader(|_, connection| {
            let mut steps = 0;
            for walk in walk::walks(&filter, page, &choice) {
                let mut statement = connection.prepare(&walk.sql).meaning()?;
                let parameters = params_from_iter(walk.parameters);
                let rows = statement.query_map(parameters, |_| Ok(()));
                rows.and_then(Iterator::collect::<rusqlite::Result<Vec<()>>>).meaning()?;
                steps += statement.get_status(StatementStatus::VmStep);
            }
            Ok(steps)
        })
    }

    #[test]
    fn a_page_amid_jobs_that_are_equal_costs_what_it_shows() -> Result<()> {
        let scratch = tempfile::tempdir().expect("a directory");
        let store = Options::new(scratch.path().join("project.db")).open().expect("opened");
        let below = Placement::Under(WorkDir::new("/scratch")?);
        let new = NewJob::new("MgO", Code::Crystal, below).queued();
        let jobs = store.create_jobs(&vec![new; 1_000])?;
        let mut result = NewResult::new(Convergence::Converged);
        result.energy = Some(Energy::new(-275.5, EnergyUnit::Hartree)?);
        let results: Vec<_> = jobs.iter().map(|job| (job.id, result.clone())).collect();
        store.record_results(&results)?;
        let middle = &jobs[500];
        for key in [SortKey::Created, SortKey::Queued, SortKey::Energy, SortKey::Name] {
            for order in [Order::ascending(key), Order::descending(key)] {
                let page = Page::first(PAGE)?.ordered(order);
                let first = steps(&store, &page)?;
                assert!(first > 0);
                let place = order.place(middle, result.energy).expect("it has all of them");
                let ids = |page: Page| -> Result<Vec<JobId>> {
                    let found = store.jobs(&JobFilter::all(), page)?;
                    Ok(found.jobs.iter().map(|job| job.id).collect())
                };
                for page in [page.clone().after(place.clone()), page.before(place)] {
                    let Some(Cursor { id, .. }) = page.cursor() else { unreachable!("it has one") };
                    assert!(!ids(page.clone())?.contains(id));
                    let amid = steps(&store, &page)?;
                    assert!(amid < 2 * first, "{order}: {amid} steps, of the first page {first}");
                }
            }
        }
        Ok(())
    }
}
