//! Several processes open, upgrade and write one file at the same moment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schema::migrations::embedded;
use store_core::{InitialStatus, JobFilter, JobStatus, NewJob, Page, StatusChange, prelude::*};
use store_sqlite::{CheckDepth, Durability, Options};
use tests::child::{self, Child, Stage};
use tests::raw::{self, Contents};
use tests::{TestResult, jobs, population};

const PROCESSES: usize = 8;
/// The threads of a process that writes, and how many units each of them writes.
const THREADS: usize = 2;
const UNITS: usize = 10;

/// How often a race is run. `CRYSTALSTORE_ROUNDS` asks for more.
fn rounds() -> usize {
    let asked = std::env::var("CRYSTALSTORE_ROUNDS").ok();
    asked.map_or(5, |rounds| rounds.parse().expect("CRYSTALSTORE_ROUNDS is a number"))
}

/// A part: waits for the start, then opens the store of the first argument.
fn open(stage: &Stage) -> TestResult {
    let path = stage.argument(0);
    stage.say("ready");
    stage.listen();
    let store = Options::new(path).open()?;
    stage.say(&format!("schema {}", store.stats()?.schema_version));
    Ok(())
}

/// A part: as [`open`], and then writes from several threads, as durable as the second argument says.
fn open_and_write(stage: &Stage) -> TestResult {
    let durability = match stage.argument(1).as_str() {
        "full" => Durability::Full,
        _ => Durability::Normal,
    };
    stage.say("ready");
    stage.listen();
    let store = Options::new(stage.argument(0)).durability(durability).open()?;
    let process = std::process::id();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = store.clone();
            scope.spawn(move || {
                for unit in 0..UNITS {
                    let name = format!("{process}-{thread}-{unit}");
                    let straight = store.create_job(&jobs::sample(format!("{name}-straight")));
                    let job = straight.expect("it is written").id;
                    let queued = StatusChange::to(JobStatus::Queued);
                    store.change_status(job, &queued).expect("it is written");
                    let written = store.write(move |w| {
                        let new = NewJob { status: InitialStatus::Queued, ..jobs::sample(&name) };
                        let first = w.create_job(&new)?.id;
                        let then = jobs::sample(format!("{name}-then"));
                        w.create_job(&then.after(first, store_core::DependencyKind::AfterOk))
                    });
                    written.expect("it is written");
                }
            });
        }
    });
    stage.say("written");
    Ok(())
}

/// A part: writes and cuts the log to nothing, over and over, until it is killed.
fn write_and_checkpoint(stage: &Stage) -> TestResult {
    let store = Options::new(stage.argument(0)).open()?;
    for number in 0.. {
        store.create_job(&jobs::sample(format!("{}-{number}", std::process::id())))?;
        store.checkpoint()?;
        stage.say(&number.to_string());
    }
    Ok(())
}

#[test]
fn child_process() -> TestResult {
    child::enter(&[
        ("open", open),
        ("open and write", open_and_write),
        ("write and checkpoint", write_and_checkpoint),
    ])
}

/// Starts children that all wait, lets them go at once, and hears what each of them said.
fn race(
    part: &str,
    path: &Path,
    argument: impl Fn(usize) -> &'static str,
) -> TestResult<Vec<String>> {
    let path = path.to_str().ok_or("a temporary path is text")?;
    let mut children = (0..PROCESSES)
        .map(|number| Child::begin(part, &[path, argument(number)]))
        .collect::<TestResult<Vec<_>>>()?;
    for child in &mut children {
        child.expect("ready")?;
    }
    for child in &mut children {
        child.tell("go")?;
    }
    let mut said = Vec::new();
    for child in &mut children {
        said.extend(child.finish()?);
    }
    Ok(said)
}

fn in_scratch() -> TestResult<(tempfile::TempDir, PathBuf)> {
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("project.db");
    Ok((scratch, path))
}

/// Finds a whole store in which every migration ran once.
fn whole(path: &Path) -> TestResult<Contents> {
    let store = Options::new(path).open()?;
    let report = store.check(CheckDepth::Full)?;
    assert!(report.is_ok(), "{report:?}");
    store.close()?;
    let contents = Contents::at(path)?;
    assert_eq!(contents.versions(), embedded().versions().collect::<Vec<_>>(), "each ran once");
    Ok(contents)
}

#[test]
fn a_new_store_is_made_once_however_many_open_it() -> TestResult {
    let newest = format!("schema {}", embedded().newest());
    for _ in 0..rounds() {
        let (_scratch, path) = in_scratch()?;
        let said = race("open", &path, |_| "")?;
        assert_eq!(said, vec![newest.clone(); PROCESSES]);
        whole(&path)?;
    }
    Ok(())
}

#[test]
fn an_old_store_is_upgraded_once_however_many_open_it() -> TestResult {
    let newest = format!("schema {}", embedded().newest());
    for _ in 0..rounds() {
        let (scratch, path) = in_scratch()?;
        population::create(&path, 1)?;
        let said = race("open", &path, |_| "")?;
        assert_eq!(said, vec![newest.clone(); PROCESSES]);
        let upgraded = whole(&path)?;
        assert_eq!(imported_once(&path)?, Vec::<String>::new());
        assert_eq!(upgraded.rows["job_events"].len(), upgraded.rows["jobs"].len());
        let files = raw::files_in(scratch.path())?;
        let copies = files.iter().filter(|name| name.contains("backup")).count();
        assert_eq!(copies, 1, "{files:?}");
    }
    Ok(())
}

/// The jobs that have not just one `imported` event.
fn imported_once(path: &Path) -> TestResult<Vec<String>> {
    let connection = raw::connect(path)?;
    let mut statement = connection.prepare(
        "SELECT 'job ' || jobs.id || ': ' || count(kind) FROM jobs
         LEFT JOIN job_events ON job_id = jobs.id AND kind = 'imported'
         GROUP BY jobs.id HAVING count(kind) <> 1",
    )?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

#[test]
fn a_migration_that_ran_twice_is_seen() -> TestResult {
    let (_scratch, path) = in_scratch()?;
    population::create(&path, 1)?;
    Options::new(&path).open()?.close()?;
    raw::connect(&path)?.execute_batch(
        "INSERT INTO job_events (job_id, attempt, at, kind, to_status, actor)
         SELECT id, attempt, updated_at, 'imported', status, 'migration V3' FROM jobs WHERE id < 3;",
    )?;
    assert_eq!(imported_once(&path)?, ["job 1: 2", "job 2: 2"]);
    Ok(())
}

#[test]
fn writers_of_several_processes_lose_nothing_whatever_their_durability() -> TestResult {
    let (_scratch, path) = in_scratch()?;
    let durability = |number: usize| if number.is_multiple_of(2) { "full" } else { "normal" };
    let said = race("open and write", &path, durability)?;
    assert_eq!(said, vec!["written".to_owned(); PROCESSES]);
    let contents = whole(&path)?;
    let units = PROCESSES * THREADS * UNITS;
    let rows: BTreeMap<_, _> =
        contents.rows.iter().map(|(table, rows)| (table.as_str(), rows.len())).collect();
    assert_eq!(rows["jobs"], 3 * units);
    assert_eq!(rows["job_dependencies"], units);
    assert_eq!(rows["job_events"], 4 * units, "three creations and a change of status each");

    let store = Options::new(&path).open()?;
    let counts = store.counts_by_status()?;
    let counted = [JobStatus::Queued, JobStatus::Pending].map(|status| counts.of(status));
    assert_eq!(counted, [2 * units as u64, units as u64]);
    let mut names = std::collections::BTreeSet::new();
    let jobs = store.jobs(&JobFilter::all(), Page::first(Page::LARGEST)?)?.jobs;
    assert!(jobs.iter().all(|job| names.insert(job.name.clone())), "a job was written twice");
    Ok(())
}

#[test]
fn a_store_can_be_opened_at_any_moment_while_others_write_and_cut_the_log() -> TestResult {
    let (_scratch, path) = in_scratch()?;
    let text = path.to_str().ok_or("a temporary path is text")?;
    let mut writers = (0..2)
        .map(|_| Child::begin("write and checkpoint", &[text, ""]))
        .collect::<TestResult<Vec<_>>>()?;
    for writer in &writers {
        writer.hear().ok_or("it writes")?;
    }
    let mut seen = 0;
    for open in 0..20 * rounds() {
        let store = Options::new(&path).read_only(open % 2 == 0).open()?;
        let total = store.counts_by_status()?.total();
        assert!(total >= seen, "{total} jobs after {seen}");
        seen = total;
    }
    for writer in &mut writers {
        writer.kill()?;
    }
    whole(&path)?;
    Ok(())
}
