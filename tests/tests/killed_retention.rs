//! Processes that are killed while they move old jobs into a second store lose none and double none.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use store_core::prelude::*;
use store_core::{
    Archived, DependencyKind, EventSequence, JobFilter, JobId, JobStatus, Page, Retention,
    StatusChange, Store, SystemClock,
};
use store_sqlite::{CheckDepth, Options, SqliteStore};
use tests::child::{self, Child, Stage};
use tests::random::Random;
use tests::{TestResult, jobs};

const JOBS: usize = 240;

fn old() -> Retention {
    use store_core::Clock;
    Retention::finished_before(SystemClock.now() + Duration::from_secs(3600))
}

/// A part: moves a few jobs at a time until none is left or it is killed.
fn retain(stage: &Stage) -> TestResult {
    let store = Options::new(stage.argument(0)).open()?;
    loop {
        let moved = store.move_finished(&old().at_most(12), Path::new(&stage.argument(1)))?;
        stage.say(&moved.jobs.to_string());
        if moved.complete {
            stage.wait_to_be_killed();
        }
    }
}

#[test]
fn child_process() -> TestResult {
    child::enter(&[("retain", retain)])
}

/// Everything of each job, as it prints.
fn portraits(store: &SqliteStore) -> TestResult<BTreeMap<JobId, String>> {
    let filter = JobFilter { archived: Archived::Include, ..JobFilter::all() };
    Ok(store.read(|r| {
        let found = r.jobs(&filter, Page::first(Page::LARGEST)?)?.jobs;
        let portrait = |id| {
            let edges = (r.dependencies_of(id)?, r.dependents_of(id)?);
            let rest = (r.input(id)?, r.results_of(id)?, r.history(id)?);
            Ok((id, format!("{:?} {edges:?} {rest:?}", r.job(id)?)))
        };
        found.into_iter().map(|job| portrait(job.id)).collect()
    })?)
}

/// What is wrong between the two stores; `finished` where no job may be in both.
fn faults(
    before: &BTreeMap<JobId, String>,
    here: &BTreeMap<JobId, String>,
    there: &BTreeMap<JobId, String>,
    finished: bool,
) -> Vec<String> {
    let mut faults = Vec::new();
    for (id, portrait) in before {
        let (one, two) = (here.get(id), there.get(id));
        if one != Some(portrait) && two != Some(portrait) {
            faults.push(format!("job {id} is lost"));
        }
        if finished && one.is_some() && two.is_some() {
            faults.push(format!("job {id} is there twice"));
        }
    }
    let strange = here.keys().chain(there.keys()).filter(|id| !before.contains_key(id));
    faults.extend(strange.map(|id| format!("job {id} was never there")));
    faults
}

fn populate(store: &SqliteStore) -> TestResult {
    store.write(|w| {
        let mut parent: Option<JobId> = None;
        for number in 0..JOBS {
            let mut new = jobs::sample(format!("job {number}"));
            // Chains of up to seven.
            if let Some(parent) = parent.filter(|_| number % 7 > 0) {
                new = new.after(parent, DependencyKind::AfterAny);
            }
            let id = w.create_job(&new)?.id;
            parent = Some(id);
            for _ in 0..number % 40 {
                w.add_note(id, "a note")?;
            }
        }
        let all = w.events_after(EventSequence::START, u32::MAX)?.into_iter();
        let mut ids: Vec<JobId> = all.filter_map(|event| event.subject.job()).collect();
        ids.dedup();
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().try_for_each(|id| {
            w.change_status(id, &StatusChange::to(JobStatus::Completed)).map(drop)
        })
    })?;
    Ok(())
}

#[test]
fn a_kill_at_any_moment_loses_no_job_and_doubles_none() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let (path, into) = (scratch.path().join("project.db"), scratch.path().join("history.db"));
    let store = Options::new(&path).open()?;
    populate(&store)?;
    let before = portraits(&store)?;
    assert_eq!(before.len(), JOBS);
    let text = |path: &Path| path.to_str().map(str::to_owned).ok_or("a temporary path is text");
    let (path, into_text) = (text(&path)?, text(&into)?);
    let mut random = Random::seeded(20_261_125);
    for round in 0..8 {
        let mut mover = Child::begin("retain", &[&path, &into_text])?;
        mover.hear().ok_or("the mover ended by itself")?;
        // Where it is when the signal comes is up to chance.
        std::thread::sleep(Duration::from_micros(random.below(20_000)));
        mover.kill()?;
        let there = portraits(&Options::new(&into).open()?)?;
        let faults = faults(&before, &portraits(&store)?, &there, false);
        assert_eq!(faults, [""; 0], "round {round}");
    }
    let moved = store.move_finished(&old(), &into)?;
    assert!(moved.complete && moved.refused.is_empty(), "{moved:?}");
    let archive = Options::new(&into).open()?;
    let (here, there) = (portraits(&store)?, portraits(&archive)?);
    assert_eq!(faults(&before, &here, &there, true), [""; 0]);
    assert_eq!((here.len(), there.len()), (0, JOBS));
    for store in [&store, &archive] {
        let report = store.check(CheckDepth::Full)?;
        assert!(report.is_ok(), "{report:?}");
    }
    Ok(())
}

#[test]
fn a_lost_a_doubled_and_a_changed_job_are_seen() {
    let of = |ids: &[(i64, &str)]| -> BTreeMap<JobId, String> {
        ids.iter().map(|(id, text)| (JobId::new(*id), (*text).to_owned())).collect()
    };
    let before = of(&[(1, "a"), (2, "b"), (3, "c")]);
    let (here, there) = (of(&[(1, "a"), (4, "d")]), of(&[(1, "a"), (3, "other")]));
    let expected =
        ["job 1 is there twice", "job 2 is lost", "job 3 is lost", "job 4 was never there"];
    assert_eq!(faults(&before, &here, &there, true), expected);
    assert_eq!(faults(&before, &here, &there, false), &expected[1..]);
}
