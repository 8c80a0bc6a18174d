//! What lists promise about their order and their pages.

use std::time::Duration;

use crate::error::Result;
use crate::ids::JobId;
use crate::query::{JobFilter, JobPage, Page};
use crate::repo::{JobRead, JobWrite};
use crate::status::JobStatus;
use crate::store::Store;
use crate::time::{Clock, ManualClock, Timestamp};

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
    let clock = std::sync::Arc::new(Jumping(std::sync::Mutex::new(0)));
    let store = fixture.fresh(std::sync::Arc::clone(&clock) as std::sync::Arc<dyn Clock>);
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

/// A clock that is set to anything.
#[derive(Debug)]
struct Jumping(std::sync::Mutex<i64>);

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
