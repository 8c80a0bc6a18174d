//! What lists promise about their order and their pages.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::error::Result;
use crate::ids::JobId;
use crate::job::{Job, NewJob};
use crate::query::{JobFilter, JobPage, Order, Page, SortKey};
use crate::repo::{JobRead, JobWrite};
use crate::status::{JobStatus, StatusChange};
use crate::store::Store;
use crate::time::{Clock, ManualClock, TimeRange, Timestamp};

use super::dump::listed;
use super::fixture::Fixture;
use super::outcome::Outcome;
use super::samples::{open, sample_job, tick};

/// Creates so many jobs, three at each moment.
fn populate<S: Store>(store: &S, clock: &ManualClock, jobs: usize) -> Result<Vec<JobId>> {
    let mut newest_first = Vec::new();
    for n in 0..jobs {
        if n % 3 == 0 {
            tick(clock);
        }
        newest_first.insert(0, store.create_job(&sample_job(&format!("job {n}")))?.id);
    }
    Ok(newest_first)
}

fn ids(page: &JobPage) -> Vec<JobId> {
    page.jobs.iter().map(|job| job.id).collect()
}

/// Lists are newest first, and jobs of one moment are listed by id, newest id first; whatever the
/// size of the pages, each job is listed once.
pub fn pages_of_any_size_list_each_job_once_newest_first<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let newest_first = populate(&store, &clock, 20)?;
    for limit in [1, 2, 3, 7, 19, 20, 21, Page::LARGEST] {
        let jobs = store.read(|r| listed(r, &JobFilter::all(), limit))?;
        let found: Vec<_> = jobs.iter().map(|job| job.id).collect();
        assert_eq!(found, newest_first, "{limit} a page");
    }
    Ok(())
}

/// A page says whether there is a next one, also where the jobs fill it to the last place.
pub fn a_page_tells_whether_there_is_a_next_one<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let empty = store.jobs(&JobFilter::all(), Page::first(1)?)?;
    assert!(empty.jobs.is_empty() && empty.next.is_none());
    populate(&store, &clock, 4)?;
    let first = store.jobs(&JobFilter::all(), Page::first(2)?)?;
    let cursor = first.next.expect("two more");
    assert_eq!(first.jobs.len(), 2);
    let second = store.jobs(&JobFilter::all(), Page::first(2)?.after(cursor))?;
    assert_eq!((second.jobs.len(), second.next), (2, None));
    assert_eq!(store.jobs(&JobFilter::all(), Page::first(4)?)?.next, None);
    assert!(Page::first(0).is_err() && Page::first(Page::LARGEST + 1).is_err());
    Ok(())
}

/// Jobs that are listed are whole: as reading them one by one gives them.
pub fn a_listed_job_is_the_job<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    populate(&store, &clock, 5)?;
    let cast = super::cast::Cast::enter(&store, &clock)?;
    for job in store.jobs(&JobFilter::all(), Page::first(100)?)?.jobs {
        assert_eq!(store.job(job.id)?, job);
        assert_ne!(job.id, cast.archived);
    }
    Ok(())
}

/// A cursor stays valid: jobs created meanwhile are newer than it, and jobs deleted meanwhile,
/// even the one that it names, shift nothing.
pub fn a_cursor_survives_what_happens_between_pages<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let newest_first = populate(&store, &clock, 12)?;
    let first = store.jobs(&JobFilter::all(), Page::first(4)?)?;
    assert_eq!(ids(&first), newest_first[..4]);
    let cursor = first.next.expect("more");

    store.delete_job(newest_first[3])?;
    store.delete_job(newest_first[5])?;
    store.delete_job(newest_first[0])?;
    // One of the very moment of the newest, and one later.
    store.create_job(&sample_job("at the same moment"))?;
    tick(&clock);
    store.create_job(&sample_job("later"))?;

    let second = store.jobs(&JobFilter::all(), Page::first(4)?.after(cursor))?;
    let expected = [4, 6, 7, 8].map(|index: usize| newest_first[index]);
    assert_eq!(ids(&second), expected);
    Ok(())
}

/// Pages can be read under a filter, and a job that leaves the filter meanwhile shifts nothing.
pub fn pages_under_a_filter_go_on_where_they_were<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let newest_first = populate(&store, &clock, 12)?;
    let (odd, even): (Vec<_>, Vec<_>) =
        newest_first.iter().partition(|id: &&JobId| id.get() % 2 == 1);
    for id in &odd {
        store.change_status(*id, &crate::StatusChange::to(JobStatus::Queued))?;
    }
    let pending = JobFilter::all().status(JobStatus::Pending);
    let first = store.jobs(&pending, Page::first(2)?)?;
    assert_eq!(ids(&first), even[..2]);
    store.change_status(even[1], &crate::StatusChange::to(JobStatus::Queued))?;
    let page = Page::first(100)?.after(first.next.expect("more"));
    assert_eq!(ids(&store.jobs(&pending, page)?), even[2..]);
    Ok(())
}

/// Time may go backwards, before 1970 and to its ends; the order is that of the clock's times.
pub fn lists_follow_the_clock_wherever_it_goes<F: Fixture>(fixture: &F) -> Outcome {
    let moments = [0, -1, i64::MAX, i64::MIN, 1, -62_000_000_000_000_000];
    let clock = Arc::new(Jumping(Mutex::new(0)));
    let store = fixture.fresh(Arc::clone(&clock) as Arc<dyn Clock>);
    for moment in moments {
        *clock.0.lock().expect("no panic") = moment;
        let job = store.create_job(&sample_job("MgO"))?;
        assert_eq!(job.created_at, Timestamp::from_micros(moment));
        assert_eq!(store.job(job.id)?, job);
    }
    let jobs = store.read(|r| listed(r, &JobFilter::all(), 1))?;
    let times: Vec<_> = jobs.iter().map(|job| job.created_at.as_micros()).collect();
    let mut expected = moments.to_vec();
    expected.sort_by_key(|moment| std::cmp::Reverse(*moment));
    assert_eq!(times, expected);
    Ok(())
}

/// A job is found by when it was queued, began and ended though the clock was set back after its creation,
/// whatever else is asked for, in either direction and from page to page.
pub fn jobs_are_found_by_their_times_though_the_clock_was_set_back<F: Fixture>(
    fixture: &F,
) -> Outcome {
    let clock = Arc::new(Jumping(Mutex::new(0)));
    let store = fixture.fresh(Arc::clone(&clock) as Arc<dyn Clock>);
    let set = |moment| *clock.0.lock().expect("no panic") = moment;
    let ended = |new: &NewJob, created, ended| -> Result<Job> {
        set(created);
        let id = store.create_job(new)?.id;
        set(ended);
        for next in [JobStatus::Queued, JobStatus::Running, JobStatus::Completed] {
            store.change_status(id, &StatusChange::to(next))?;
        }
        store.job(id)
    };
    let mut jobs = Vec::new();
    let new = NewJob { workflow: Some("asked for".to_owned()), ..sample_job("MgO") };
    for moments in [
        (10, 15),
        (20, 90),
        (30, 35),
        (100, 40),
        (100, 8),
        (200, 25),
        (200, 95),
        (300, 310),
        (50, 5),
    ] {
        jobs.push(ended(&new, moments.0, moments.1)?);
    }
    // With more jobs in the range, what else is asked for is the narrower way to them.
    for _ in 0..20 {
        ended(&sample_job("CaO"), 1, 2)?;
    }
    let moment = |micros: i64| Some(Timestamp::from_micros(micros));
    let until = |micros| TimeRange { from: None, until: moment(micros) };
    let created =
        [TimeRange::default(), until(150), until(10), TimeRange { from: moment(60), until: None }];
    for (end, created) in
        [6, 26, 41, 100, 250].into_iter().flat_map(|end| created.map(|c| (end, c)))
    {
        let asked = || JobFilter { created, ..JobFilter::all().workflow("asked for") };
        let mut expected: Vec<&Job> = jobs
            .iter()
            .filter(|job| created.contains(job.created_at) && until(end).contains(job.updated_at))
            .collect();
        expected.sort_by_key(|job| (job.created_at, job.id));
        for descending in [false, true] {
            let order = Order { key: SortKey::Created, descending };
            for filter in [
                JobFilter { queued: until(end), ..asked() },
                JobFilter { started: until(end), ..asked() },
                JobFilter { finished: until(end), ..asked() },
            ] {
                for limit in [1, 2, 100] {
                    let mut page = Some(Page::first(limit)?.ordered(order));
                    let mut found = Vec::new();
                    while let Some(next) = page.take() {
                        let read = store.jobs(&filter, next.clone())?;
                        page = read.next.map(|cursor| next.after(cursor));
                        found.extend(read.jobs);
                    }
                    assert!(found.iter().eq(expected.iter().copied()), "{filter:?}, {order}");
                }
            }
            expected.reverse();
        }
    }
    Ok(())
}

/// A clock that is set to anything.
#[derive(Debug)]
pub(super) struct Jumping(pub(super) Mutex<i64>);

impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(*self.0.lock().expect("no panic"))
    }
}

/// A list of thousands is read to its end.
pub fn a_long_list_is_read_to_its_end<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    for n in 0..3_u32 {
        store.create_jobs(&vec![sample_job(&format!("batch {n}")); 400])?;
        clock.advance(Duration::from_micros(1));
    }
    let jobs = store.read(|r| listed(r, &JobFilter::all(), 500))?;
    assert_eq!(jobs.len(), 1_200);
    assert!(jobs.windows(2).all(|pair| pair[0].id > pair[1].id));
    Ok(())
}
