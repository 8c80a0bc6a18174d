//! Processes that are killed while they write lose nothing that was acknowledged, leave no halves, and
//! keep nobody waiting.

use std::collections::BTreeMap;
use std::path::Path;

use store_core::{Archived, Job, JobFilter, Page, Store, prelude::*};
use store_sqlite::{CheckDepth, Durability, Options, SqliteStore};
use tests::child::{self, Child, Stage};
use tests::random::Random;
use tests::{TestResult, jobs};

const ROUNDS: u64 = 4;
const THREADS: usize = 3;

/// A part: writes pairs of jobs from several threads until it is killed, and says the key of each pair
/// once it is acknowledged.
fn write_pairs(stage: &Stage) -> TestResult {
    let durability = match stage.argument(1).as_str() {
        "full" => Durability::Full,
        _ => Durability::Normal,
    };
    let store = Options::new(stage.argument(0)).durability(durability).open()?;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = store.clone();
            scope.spawn(move || {
                for number in 0.. {
                    let key = format!("{}-{thread}-{number}", std::process::id());
                    write_pair(&store, &key).expect("it is written");
                    stage.say(&key);
                }
            });
        }
    });
    Ok(())
}

/// Two jobs that belong together, and a note on each.
fn write_pair(store: &SqliteStore, key: &str) -> store_core::Result<()> {
    let key = key.to_owned();
    store.write(move |w| {
        for half in ["left", "right"] {
            let key = format!("{key}/{half}");
            let job = w.create_job(&jobs::sample(&key).with_idempotency_key(&key))?;
            w.add_note(job.id, "a half")?;
        }
        Ok(())
    })
}

#[test]
fn child_process() -> TestResult {
    child::enter(&[("write pairs", write_pairs)])
}

/// What is wrong with the jobs of a store: pairs that are not whole, or acknowledged and not there.
fn faults(jobs: &[Job], acknowledged: &[String]) -> Vec<String> {
    let mut halves: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for job in jobs {
        let (key, half) = job.name.split_once('/').unwrap_or((&job.name, "no half"));
        halves.entry(key).or_default().push(half);
    }
    for found in halves.values_mut() {
        found.sort_unstable();
    }
    let torn = halves.iter().filter(|(_, found)| **found != ["left", "right"]);
    let mut faults: Vec<String> = torn.map(|(key, found)| format!("{key} is {found:?}")).collect();
    let lost = acknowledged.iter().filter(|key| !halves.contains_key(key.as_str()));
    faults.extend(lost.map(|key| format!("{key} is lost")));
    faults
}

/// All jobs, of one moment.
fn all_jobs(store: &SqliteStore) -> TestResult<Vec<Job>> {
    let filter = JobFilter { archived: Archived::Include, ..JobFilter::all() };
    let jobs = store.read(|r| {
        let mut page = Page::first(Page::LARGEST)?;
        let mut jobs = Vec::new();
        loop {
            let found = r.jobs(&filter, page.clone())?;
            jobs.extend(found.jobs);
            match found.next {
                Some(next) => page = page.after(next),
                None => return Ok(jobs),
            }
        }
    })?;
    Ok(jobs)
}

/// Hears so many acknowledgements.
fn hear(child: &Child, how_many: u64, heard: &mut Vec<String>) -> TestResult {
    for _ in 0..how_many {
        heard.push(child.hear().ok_or("the writer ended by itself")?);
    }
    Ok(())
}

#[test]
fn what_was_acknowledged_survives_kills_and_nothing_is_left_half_done() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("project.db");
    let path_text = path.to_str().ok_or("a temporary path is text")?;
    let store = Options::new(&path).open()?;
    let mut random = Random::seeded(20_240_229);
    let mut acknowledged = Vec::new();
    let mut survivor = Child::begin("write pairs", &[path_text, "normal"])?;
    for round in 0..ROUNDS {
        let durability = if random.below(2) == 0 { "full" } else { "normal" };
        let mut victim = Child::begin("write pairs", &[path_text, durability])?;
        // Where a pair is in its commit when the signal comes is up to chance.
        hear(&victim, 1 + random.below(60), &mut acknowledged)?;
        acknowledged.extend(victim.kill()?);

        write_pair(&store, &format!("parent-{round}"))?;
        acknowledged.push(format!("parent-{round}"));
        hear(&survivor, 30, &mut acknowledged)?;
        assert_eq!(faults(&all_jobs(&store)?, &acknowledged), [""; 0], "round {round}");
        whole(&store)?;
    }
    acknowledged.extend(survivor.kill()?);
    let jobs = all_jobs(&store)?;
    assert_eq!(faults(&jobs, &acknowledged), [""; 0]);
    assert!(jobs.len() >= 2 * acknowledged.len());
    for key in &acknowledged {
        for half in ["left", "right"] {
            let found = store.find_job_by_idempotency_key(&format!("{key}/{half}"))?;
            let history = store.history(found.ok_or("it is there under its key")?.id)?;
            assert_eq!(history.len(), 2, "{key}/{half}");
        }
    }
    store.close()?;
    // As the next program finds it.
    let store = Options::new(&path).open()?;
    assert_eq!(all_jobs(&store)?.len(), jobs.len());
    whole(&store)
}

fn whole(store: &SqliteStore) -> TestResult {
    let report = store.check(CheckDepth::Full)?;
    assert!(report.is_ok(), "{report:?}");
    Ok(())
}

#[test]
fn everybody_killed_at_once_leaves_a_whole_store() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("project.db");
    let path_text = path.to_str().ok_or("a temporary path is text")?;
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let mut writers = (0..3)
            .map(|_| Child::begin("write pairs", &[path_text, "normal"]))
            .collect::<TestResult<Vec<_>>>()?;
        for writer in &writers {
            hear(writer, 5 + 7 * round, &mut acknowledged)?;
        }
        for writer in &mut writers {
            acknowledged.extend(writer.kill()?);
        }
        // Nobody has the file open, so this open recovers the log.
        let store = Options::new(&path).open()?;
        assert_eq!(faults(&all_jobs(&store)?, &acknowledged), [""; 0], "round {round}");
        whole(&store)?;
    }
    Ok(())
}

#[test]
fn a_half_and_a_lost_pair_are_seen() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let store = Options::new(Path::new(scratch.path()).join("project.db")).open()?;
    write_pair(&store, "whole")?;
    store.create_job(&jobs::sample("torn/left"))?;
    let acknowledged = ["whole", "torn", "gone"].map(str::to_owned);
    let faults = faults(&all_jobs(&store)?, &acknowledged);
    assert_eq!(faults, [r#"torn is ["left"]"#, "gone is lost"]);
    Ok(())
}
