//! A list of the jobs of a store, newest first, each with what it waits for or how it ended. It can follow
//! what happens.

use std::collections::HashSet;
use std::io::{ErrorKind, Write, stdout};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use store_core::*;
use store_sqlite::{Options, SqliteStore, prelude::*};

/// Lists the jobs of a store, newest first
#[derive(Parser)]
struct Arguments {
    /// The store
    store: PathBuf,
    /// Only jobs of this status (QUEUED, RUNNING, …); again for another one
    #[arg(long)]
    status: Vec<JobStatus>,
    /// Only jobs of this workflow
    #[arg(long)]
    workflow: Option<String>,
    /// Only jobs with this text in their name or directory
    #[arg(long)]
    text: Option<String>,
    /// How many at the most
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// Then go on with every change
    #[arg(long)]
    follow: bool,
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let filter = JobFilter {
        statuses: arguments.status,
        workflow: arguments.workflow,
        text: arguments.text,
        ..JobFilter::all()
    };
    // It cannot be in anybody's way: it writes nothing, and holds no snapshot while it waits.
    let store = Options::new(arguments.store).read_only(true).open()?;
    let printed = loop {
        // Older than the list, so that nothing is missed between them.
        let feed = arguments.follow.then(|| store.feed_from_now()).transpose()?;
        let printed = list(&store, &filter, Page::first(arguments.limit)?)
            .and_then(|shown| feed.map_or(Ok(()), |feed| follow(&store, &filter, feed, shown)));
        // Jobs may have left unseen, for example while the machine slept: the list is printed anew.
        if !matches!(printed, Err(Error::Forgotten { .. })) {
            break printed;
        }
    };
    match printed {
        // Whoever read it has seen enough.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        printed => Ok(printed?),
    }
}

/// Prints a page of jobs and the counts, and says which jobs those are.
fn list(store: &SqliteStore, filter: &JobFilter, page: Page) -> Result<HashSet<JobId>> {
    // Everything that is printed is of one moment.
    let (jobs, rows, counts) = store.read(|unit| {
        let jobs = unit.jobs(filter, page)?.jobs;
        let rows: Result<Vec<_>> = jobs.iter().map(|job| row(unit, job)).collect();
        Ok((jobs, rows?, unit.counts_by_status()?))
    })?;
    print(&format!("{:>6} {:<9} {:>3} {:<30} ", "job", "status", "try", "name"))?;
    rows.iter().try_for_each(|row| print(row))?;
    let count = |status: &JobStatus| format!("{} {status}", counts.of(*status));
    print(&JobStatus::ALL.iter().map(count).collect::<Vec<_>>().join(", "))?;
    Ok(jobs.into_iter().map(|job| job.id).collect())
}

/// Prints each event of the jobs that are meant, and how they stand by now; of one that is gone, if it was shown.
fn follow(
    store: &SqliteStore,
    filter: &JobFilter,
    mut feed: Feed<SqliteStore>,
    mut shown: HashSet<JobId>,
) -> Result<()> {
    loop {
        for event in feed.next(1_000, Duration::from_secs(60))? {
            let why = event.detail.get("reason").map(|why| format!(": {why}")).unwrap_or_default();
            let told = format!("{} by {}{why}", event.kind, event.actor);
            let Some(job) = event.subject.job() else {
                let name = event.detail.get("name").map(ToString::to_string).unwrap_or_default();
                print(&format!("{name}  [{told}]"))?;
                continue;
            };
            if event.kind.is_departure() && shown.remove(&job) {
                print(&format!("{job:>6} is {told}"))?;
            }
            let row = store.read(|unit| {
                let job = unit.job(job)?;
                if filter.admits_row(&job) { row(unit, &job).map(Some) } else { Ok(None) }
            });
            match row {
                Ok(Some(row)) => {
                    shown.insert(job);
                    print(&format!("{row}  [{told}]"))?;
                }
                // A job that is not meant, or has left since.
                Ok(None) | Err(Error::NotFound { .. }) => {}
                Err(other) => return Err(other),
            }
        }
    }
}

fn row(unit: &impl ReadUnit, job: &Job) -> Result<String> {
    let why = match unit.explain(job.id)? {
        Explanation::NotStarted(obstacles) if obstacles.is_empty() => "can be claimed".to_owned(),
        Explanation::NotStarted(obstacles) => {
            obstacles.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        }
        Explanation::Held { cancel_requested: true, .. } => "is told to stop".to_owned(),
        Explanation::Held { lease, has_lapsed, .. } => {
            let until = if has_lapsed { "lapsed at" } else { "until" };
            let worker = &lease.worker;
            format!("{}, {}, {until} {}", worker.name, worker.process, lease.expires_at)
        }
        Explanation::Unheld { probe_since: Some(since) } => format!("is looked for since {since}"),
        Explanation::Unheld { probe_since: None } => "runs without a lease".to_owned(),
        Explanation::Ended(_) => {
            let last = unit.attempts_of(job.id)?.pop();
            let kind = last.as_ref().and_then(|last| last.failure_kind.as_ref());
            let code = last.as_ref().and_then(|last| last.exit_code);
            let words =
                [kind.map(ToString::to_string), code.map(|code| format!("exit code {code}"))];
            words.into_iter().flatten().collect::<Vec<_>>().join(", ")
        }
    };
    let Job { id, status, attempt, name, .. } = job;
    let name: String = name.chars().take(30).collect();
    Ok(format!("{id:>6} {status:<9} {attempt:>3} {name:<30} {why}"))
}

fn print(line: &str) -> Result<()> {
    writeln!(stdout(), "{}", line.trim_end()).map_err(Error::aborted)
}

fn is_broken_pipe(error: &Error) -> bool {
    let Error::Aborted(source) = error else { return false };
    let source = source.downcast_ref::<std::io::Error>();
    source.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
