//! Finding among so many jobs that every way of reading a list is taken: what filters, orders and pages
//! promise is in the conformance suite, which has few jobs.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use store_core::prelude::*;
use store_core::query::JobFindings;
use store_core::{
    Archived, Clock, Code, Comparison, Convergence, Cursor, DocumentCondition, Energy, EnergyRange,
    EnergyUnit, Job, JobFilter, JobId, JobPatch, JobStatus, NewJob, NewResult, Order, Page,
    Placement, Runner, SortKey, StatusChange, Tags, TimeRange, Timestamp, WorkDir,
};
use store_sqlite::{CheckDepth, Options, SqliteStore};

type TestResult<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// More than are read and sorted, however they are entered.
const JOBS: usize = 11_000;

/// A clock that jumps back now and then: some jobs are created before those before them, and some end
/// before they were created.
#[derive(Debug, Default)]
struct Jumpy(AtomicI64);

impl Clock for Jumpy {
    fn now(&self) -> Timestamp {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        let jump = match number {
            n if n % 8 == 0 => 3,
            n if n % 6 == 5 => 7,
            _ => 0,
        };
        Timestamp::from_micros(number - jump)
    }
}

struct Known {
    job: Job,
    tags: Tags,
    result: Option<NewResult>,
}

fn new_job(n: usize) -> TestResult<NewJob> {
    let name = format!(
        "{}_{n}",
        ["MgO bulk", "CaO bulk", "slab"][usize::from(n.is_multiple_of(2)) + n % 101 / 100]
    );
    let place = Placement::At(WorkDir::new(format!("/w/{}/{n:05}", n % 7))?);
    let code = if n.is_multiple_of(3) { Code::Vasp } else { Code::Crystal };
    let mut new = NewJob::new(name, code, place).tagged("batch", (n % 2).to_string());
    if n.is_multiple_of(900) {
        new = new.tagged("checked by", "ada");
    }
    new.runner = if n.is_multiple_of(5) { Runner::Local } else { Runner::Slurm };
    new.workflow = Some(if n < 20 { "old" } else { "new" }.to_owned());
    new.priority = i32::try_from(n % 13)?;
    Ok(new)
}

fn new_result(n: usize) -> TestResult<NewResult> {
    let energy = Energy::new(-1.0 - (n % 1000) as f64, EnergyUnit::Rydberg)?;
    let mut result = NewResult::new(Convergence::Converged).with_energy(energy);
    let group = if n.is_multiple_of(700) { "Fm-3m" } else { "P1" };
    result.document.body =
        serde_json::json!({"gap_ev": (n % 100) as f64, "cell": {"group": group}});
    Ok(result)
}

fn populate(options: Options) -> TestResult<(SqliteStore, Vec<Known>)> {
    let store = options.clock(Arc::new(Jumpy::default())).open()?;
    let mut known = Vec::new();
    for first in (0..JOBS).step_by(500) {
        let new = (first..first + 500).map(new_job).collect::<TestResult<Vec<_>>>()?;
        let results = (first..first + 500).map(new_result).collect::<TestResult<Vec<_>>>()?;
        let tags: Vec<Tags> = new.iter().map(|new| new.tags.clone()).collect();
        let made = results.clone();
        let jobs = store.create_jobs(&new)?;
        let jobs = store.write(move |w| {
            for (job, (n, result)) in jobs.iter().zip((first..).zip(&made)) {
                if n % 4 > 0 {
                    w.record_result(job.id, result)?;
                    w.change_status(job.id, &StatusChange::to(JobStatus::Completed))?;
                }
                if n % 40 == 1 {
                    w.archive_job(job.id)?;
                }
            }
            jobs.iter().map(|job| w.job(job.id)).collect::<store_core::Result<Vec<_>>>()
        })?;
        known.extend(jobs.into_iter().zip(tags).zip((first..).zip(results)).map(
            |((job, tags), (n, result))| Known { job, tags, result: (n % 4 > 0).then_some(result) },
        ));
    }
    Ok((store, known))
}

fn filters() -> TestResult<Vec<JobFilter>> {
    let all = JobFilter::all;
    let energy = |least, most| -> TestResult<_> {
        let energy = |value| Energy::new(value, EnergyUnit::Rydberg);
        Ok(Some(EnergyRange { least: Some(energy(least)?), most: Some(energy(most)?) }))
    };
    let times = |from, until| TimeRange {
        from: Some(Timestamp::from_micros(from)),
        until: Some(Timestamp::from_micros(until)),
    };
    // More than are read and sorted.
    let before = TimeRange { from: None, until: Some(Timestamp::from_micros(33)) };
    let gap = |comparison| DocumentCondition::new("$.gap_ev", comparison);
    let group = DocumentCondition::new("$.cell.group", Comparison::Equal("Fm-3m".into()))?;
    Ok(vec![
        all(),
        JobFilter { archived: Archived::Include, ..all() },
        all().status(JobStatus::Completed),
        all().status(JobStatus::Pending).status(JobStatus::Completed),
        all().code(Code::Vasp),
        JobFilter { runner: Some(Runner::Local), ..all() },
        all().workflow("old"),
        all().workflow("new").tag("checked by", "ada"),
        all().tag("batch", "1"),
        all().tag("checked by", "ada").tag("batch", "0"),
        JobFilter { energy: energy(-1000.0, -1.0)?, ..all() },
        JobFilter { energy: energy(-3.0, -2.0)?, archived: Archived::Include, ..all() },
        JobFilter { created: times(10, 30), ..all() },
        JobFilter { finished: times(5, 40), ..all() },
        JobFilter { finished: before, ..all() },
        JobFilter { finished: before, created: times(12, 100), ..all() },
        JobFilter { finished: before, created: times(0, 20), ..all() },
        JobFilter { finished: before, archived: Archived::Include, ..all() }.tag("batch", "1"),
        JobFilter { finished: before, ..all() }.status(JobStatus::Completed).code(Code::Crystal),
        JobFilter { finished: times(0, i64::MAX), ..all() }.code(Code::Vasp),
        all().document(gap(Comparison::Exists)?),
        all().document(gap(Comparison::Below(1.0.into()))?),
        all().document(group.clone()).document(gap(Comparison::AtLeast(50.0.into()))?),
        all().text("MGO BULK"),
        all().text("bulk_10"),
        all().text("slab_"),
        all().text("_b"),
        all().text("/w/3/").status(JobStatus::Pending),
        all().text("nowhere"),
        all().text("10999"),
    ])
}

fn admitted(known: &[Known], filter: &JobFilter, order: Order) -> Vec<JobId> {
    let mut places: Vec<Cursor> = known
        .iter()
        .filter(|one| {
            let findings = JobFindings { tags: &one.tags, result: one.result.as_ref() };
            filter.admits(&one.job, findings)
        })
        .filter_map(|one| order.place(&one.job, one.result.as_ref().and_then(|r| r.energy)))
        .collect();
    places.sort_by(|one, other| order.compare(one, other));
    places.into_iter().map(|place| place.id).collect()
}

fn ids(jobs: &[Job]) -> Vec<JobId> {
    jobs.iter().map(|job| job.id).collect()
}

#[test]
fn every_way_of_reading_a_list_gives_the_same_jobs() -> TestResult {
    let (_scratch, path) = common::scratch();
    let (store, known) = populate(Options::new(path))?;
    for filter in filters()? {
        let count = admitted(&known, &filter, Order::NEWEST).len();
        assert_eq!(store.count_jobs(&filter)?, count as u64, "{filter:?}");
        for key in SortKey::ALL {
            for order in [Order::ascending(*key), Order::descending(*key)] {
                let expected = admitted(&known, &filter, order);
                let page = Page::first(3_000)?.ordered(order);
                let first = store.jobs(&filter, page.clone())?;
                let end = expected.len().min(3_000);
                assert_eq!(ids(&first.jobs), expected[..end], "{order}, {filter:?}");
                assert_eq!(first.next.is_some(), expected.len() > end);
                let Some(next) = first.next else { continue };
                let second = store.jobs(&filter, page.clone().after(next))?;
                let after = expected.len().min(6_000);
                assert_eq!(ids(&second.jobs), expected[end..after], "{order}, {filter:?}");
                let back = second.previous.ok_or("there is a page before")?;
                let again = store.jobs(&filter, page.before(back))?;
                assert_eq!(ids(&again.jobs), expected[..end], "{order}, {filter:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn texts_that_were_taken_in_follow_edits_and_deletions() -> TestResult {
    let (_scratch, path) = common::scratch();
    let store = Options::new(path).open()?;
    let new = (0..600).map(new_job).collect::<TestResult<Vec<_>>>()?;
    let jobs = store.create_jobs(&new)?;
    let finds = |text: &str| -> TestResult<Vec<JobId>> {
        Ok(ids(&store.jobs(&JobFilter::all().text(text), Page::first(700)?)?.jobs))
    };
    for (early, text) in [(&jobs[3], "_3"), (&jobs[590], "_590")] {
        assert!(finds(&early.name)?.contains(&early.id));
        let patch = JobPatch {
            name: store_core::Edit::Set(format!("periclase {text}")),
            ..JobPatch::default()
        };
        store.update_job(early.id, &patch)?;
        assert_eq!(finds(&format!("periclase {text}"))?, [early.id]);
        assert!(!finds(&early.name)?.contains(&early.id));
        store.delete_job(early.id)?;
        assert!(finds("periclase")?.is_empty());
    }
    assert_eq!(store.check(CheckDepth::Full)?.problems, [""; 0]);
    Ok(())
}
