//! What lists promise in every order and in both directions.

use crate::error::{Error, Result};
use crate::ids::JobId;
use crate::job::{Job, JobPatch};
use crate::patch::Edit;
use crate::query::{Archived, Cursor, JobFilter, JobPage, Order, Page, SortKey};
use crate::repo::{JobRead, JobWrite, ResultWrite};
use crate::status::{JobStatus, StatusChange};
use crate::store::{ReadUnit, Store};
use crate::time::TimeRange;
use crate::units::{Energy, EnergyUnit};

use super::dump::all_jobs;
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{open, sample_job, sample_result, tick};

fn orders() -> Vec<Order> {
    let both = |key: &SortKey| [Order::ascending(*key), Order::descending(*key)];
    SortKey::ALL.iter().flat_map(both).collect()
}

/// Jobs with ties in each of the keys; some have no energy, some were never queued or did not start, and some
/// are put away.
fn populate<F: Fixture>(fixture: &F) -> Result<F::Store> {
    let (store, clock) = open(fixture);
    let names = ["MgO", "mgo", "Fe₂O₃", " a%", "MgO "];
    for n in 0..60_usize {
        if n % 3 == 0 {
            tick(&clock);
        }
        let mut new = sample_job(names[(n * 7 + n / 5) % 5]).tagged("n", (n % 4).to_string());
        new.priority = [0, i32::MAX, -1, i32::MIN, 0, 7][n % 6];
        let id = store.create_job(&new)?.id;
        if n % 4 != 0 {
            let mut result = sample_result(-1.0);
            let unit = EnergyUnit::ALL[n % 3];
            result.energy = Some(Energy::new([-275.5, 0.0, 1e-9, -551.0][(n / 2) % 4], unit)?);
            store.record_result(id, &result)?;
        }
        let steps = [JobStatus::Queued, JobStatus::Running, JobStatus::Failed];
        let taken = [0..3, 1..3, 2..3, 0..1, 0..2, 0..0][n % 6].clone();
        let has_failed = taken.end == steps.len();
        for (place, step) in taken.clone().zip(&steps[taken]) {
            if (n + place) % 4 == 0 {
                tick(&clock);
            }
            store.change_status(id, &StatusChange::to(*step))?;
        }
        if has_failed && n % 5 == 0 {
            store.archive_job(id)?;
        }
        if n % 9 == 8 {
            if !has_failed {
                store.change_status(id, &StatusChange::to(JobStatus::Failed))?;
            }
            store.retry_job(id, crate::InitialStatus::Queued)?;
        }
    }
    Ok(store)
}

/// The jobs that a filter admits by its row and its tags, sorted by the meaning of the order.
fn sorted(unit: &impl ReadUnit, filter: &JobFilter, order: Order) -> Result<Vec<JobId>> {
    let mut places: Vec<Cursor> = Vec::new();
    for job in all_jobs(unit)? {
        let present = |job: &Job| -> Result<_> {
            let results = unit.results_of(job.id)?;
            Ok(results.into_iter().find(|result| result.attempt == job.attempt))
        };
        let (tags, result) = (unit.tags_of(job.id)?, present(&job)?.map(|found| found.result));
        let findings = crate::query::JobFindings { tags: &tags, result: result.as_ref() };
        if filter.admits(&job, findings) {
            places.extend(order.place(&job, result.as_ref().and_then(|result| result.energy)));
        }
    }
    places.sort_by(|one, other| order.compare(one, other));
    Ok(places.into_iter().map(|place| place.id).collect())
}

fn ids(page: &JobPage) -> Vec<JobId> {
    page.jobs.iter().map(|job| job.id).collect()
}

/// Reads a list to its end, page by page.
fn forwards(
    unit: &impl ReadUnit,
    filter: &JobFilter,
    page: &Page,
) -> Result<(Vec<JobId>, Option<Cursor>)> {
    let (mut found, mut at) = (Vec::new(), page.clone());
    loop {
        let read = unit.jobs(filter, at)?;
        found.extend(ids(&read));
        match read.next {
            Some(next) => at = page.clone().after(next),
            None => return Ok((found, read.previous)),
        }
    }
}

/// Whatever the order and the size of the pages, each job is listed once, in its place. In the order
/// of energies, jobs without one are left out.
pub fn each_order_lists_each_job_once_in_both_directions<F: Fixture>(fixture: &F) -> Outcome {
    let store = populate(fixture)?;
    for order in orders() {
        for archived in [Archived::Exclude, Archived::Include, Archived::Only] {
            let filter = JobFilter { archived, ..JobFilter::all() };
            let expected = store.read(|r| sorted(r, &filter, order))?;
            assert!(expected.len() >= 2, "{order}: {expected:?}");
            for limit in [1, 3, Page::LARGEST] {
                let page = Page::first(limit)?.ordered(order);
                let (found, _) = store.read(|r| forwards(r, &filter, &page))?;
                assert_eq!(found, expected, "{order}, {archived:?}, {limit} a page");
            }
        }
    }
    let by_energy = Page::first(Page::LARGEST)?.ordered(Order::ascending(SortKey::Energy));
    let all = store.count_jobs(&JobFilter::all())? as usize;
    assert!(store.jobs(&JobFilter::all(), by_energy)?.jobs.len() < all);
    Ok(())
}

/// Filters admit the same jobs in every order.
pub fn orders_hold_under_filters<F: Fixture>(fixture: &F) -> Outcome {
    let store = populate(fixture)?;
    let energies = crate::query::EnergyRange {
        least: None,
        most: Some(Energy::new(0.0, EnergyUnit::Rydberg)?),
    };
    let times = |place: usize| Ok::<_, Error>(store.job(JobId::new(place as i64))?.created_at);
    let (early, late) = (times(15)?, times(45)?);
    let until_late = TimeRange { from: None, until: Some(late) };
    let from_early = TimeRange { from: Some(early), until: None };
    let between = TimeRange { from: Some(early), until: Some(late) };
    let filters = [
        JobFilter { queued: from_early, ..JobFilter::all() },
        JobFilter { started: until_late, archived: Archived::Include, ..JobFilter::all() },
        JobFilter { finished: between, ..JobFilter::all() },
        JobFilter { finished: between, archived: Archived::Include, ..JobFilter::all() }
            .status(JobStatus::Failed),
        JobFilter::all().status(JobStatus::Pending),
        JobFilter::all().status(JobStatus::Failed).status(JobStatus::Queued),
        JobFilter::all().tag("n", "1"),
        JobFilter::all().text("MGO"),
        JobFilter::all().text("o "),
        JobFilter { energy: Some(energies), ..JobFilter::all() },
        JobFilter { energy: Some(energies), archived: Archived::Include, ..JobFilter::all() }
            .tag("n", "3"),
    ];
    for filter in &filters {
        for order in orders() {
            let expected = store.read(|r| sorted(r, filter, order))?;
            let page = Page::first(4)?.ordered(order);
            let (found, _) = store.read(|r| forwards(r, filter, &page))?;
            assert_eq!(found, expected, "{order}, {filter:?}");
        }
    }
    Ok(())
}

/// From any place, the previous page has what precedes it, in the order of the list; read back from
/// its end, a list is what it was.
pub fn a_list_is_read_backwards_as_forwards<F: Fixture>(fixture: &F) -> Outcome {
    let store = populate(fixture)?;
    for filter in [JobFilter::all(), JobFilter::all().tag("n", "2"), JobFilter::all().text("mgo")] {
        for order in orders() {
            for limit in [1, 3, 7] {
                let page = Page::first(limit)?.ordered(order);
                let (all, mut previous) = store.read(|r| forwards(r, &filter, &page))?;
                let last = all.len() % limit as usize;
                let last = if last == 0 { limit as usize } else { last };
                let mut back = all[all.len() - last..].to_vec();
                while let Some(cursor) = previous {
                    let read = store.jobs(&filter, page.clone().before(cursor))?;
                    assert!(!read.jobs.is_empty(), "{order}: something preceded");
                    back.splice(0..0, ids(&read));
                    previous = read.previous;
                }
                assert_eq!(back, all, "{order}, {filter:?}, {limit} a page");
            }
        }
    }
    Ok(())
}

/// The first page has none before it, the last one none after it, and one in the middle both.
pub fn a_page_tells_what_precedes_it<F: Fixture>(fixture: &F) -> Outcome {
    let store = populate(fixture)?;
    let page = Page::first(5)?.ordered(Order::ascending(SortKey::Name));
    let first = store.jobs(&JobFilter::all(), page.clone())?;
    assert_eq!(first.previous, None);
    let second =
        store.jobs(&JobFilter::all(), page.clone().after(first.next.clone().expect("more")))?;
    let previous = second.previous.clone().expect("the first");
    let again = store.jobs(&JobFilter::all(), page.clone().before(previous))?;
    assert_eq!((&again.jobs, &again.previous), (&first.jobs, &None));
    let onward = store.jobs(&JobFilter::all(), page.after(again.next.expect("the second")))?;
    assert_eq!(onward.jobs, second.jobs);
    let whole = store.jobs(&JobFilter::all(), Page::first(Page::LARGEST)?)?;
    assert_eq!((whole.previous, whole.next), (None, None));
    Ok(())
}

/// A cursor of one order is refused by a list in another, in either direction of reading.
pub fn a_cursor_of_another_order_is_refused<F: Fixture>(fixture: &F) -> Outcome {
    let store = populate(fixture)?;
    for order in orders() {
        let page = Page::first(3)?.ordered(order);
        let cursor = store.jobs(&JobFilter::all(), page)?.next.expect("more");
        assert_eq!(cursor.order(), order);
        for other in orders().into_iter().filter(|other| *other != order) {
            let page = Page::first(3)?.ordered(other);
            for page in [page.clone().after(cursor.clone()), page.before(cursor.clone())] {
                let answer = store.jobs(&JobFilter::all(), page);
                assert_refused!(answer, Error::Invalid(invalid) if invalid.field == "cursor");
            }
        }
    }
    Ok(())
}

/// In every order a cursor stays where it is: jobs that come, go or change their place meanwhile, the
/// one that it was made of too, shift nothing.
pub fn a_cursor_of_any_order_survives_what_happens_between_pages<F: Fixture>(
    fixture: &F,
) -> Outcome {
    for order in orders() {
        let store = populate(fixture)?;
        let page = Page::first(6)?.ordered(order);
        let before = store.read(|r| sorted(r, &JobFilter::all(), order))?;
        let first = store.jobs(&JobFilter::all(), page.clone())?;
        let cursor = first.next.clone().expect("more");
        // The job of the cursor, and one on each side of it.
        for place in [5, 2, 8] {
            let cancel = StatusChange::to(JobStatus::Cancelled);
            if !store.job(before[place])?.status.is_terminal() {
                store.change_status(before[place], &cancel)?;
            }
            store.delete_job(before[place])?;
        }
        // It changes its place among priorities and names.
        let patch = JobPatch {
            priority: Edit::Set(i32::MAX),
            name: Edit::Set("zz".to_owned()),
            ..JobPatch::default()
        };
        store.update_job(before[9], &patch)?;
        store.create_job(&sample_job("\u{21}"))?;
        let now = store.read(|r| sorted(r, &JobFilter::all(), order))?;
        let moved = |id: &JobId| *id == before[9] || !before.contains(id);
        for (page, side) in [
            (page.clone().after(cursor.clone()), &before[6..]),
            (page.clone().before(cursor), &before[..5]),
        ] {
            let found = ids(&store.jobs(&JobFilter::all(), page)?);
            let stayed: Vec<_> = found.iter().filter(|id| !moved(id)).collect();
            let expected: Vec<_> =
                side.iter().filter(|id| now.contains(id) && !moved(id)).collect();
            assert!(
                expected.starts_with(&stayed) || expected.ends_with(&stayed),
                "{order}: {stayed:?} of {expected:?}"
            );
            assert!(stayed.len() >= expected.len().min(4), "{order}: {stayed:?}");
        }
    }
    Ok(())
}
