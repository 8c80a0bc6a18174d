//! Queues shell commands as jobs of a store, for the example `scheduler`; or asks a job to end.

use clap::Parser;
use store_core::*;
use store_sqlite::{Options, prelude::*};

/// Queues shell commands as jobs of a store
#[derive(Parser)]
struct Arguments {
    /// The store; made if it is not there
    store: std::path::PathBuf,
    /// The commands, a job each; without any, a workflow to look at
    commands: Vec<String>,
    /// A file with commands, one a line
    #[arg(long)]
    file: Option<std::path::PathBuf>,
    /// Ask this job to end, and queue nothing
    #[arg(long, conflicts_with_all = ["commands", "file"])]
    cancel: Option<JobId>,
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let Arguments { store, mut commands, file, cancel } = Arguments::parse();
    let store = Options::new(store).open()?;
    if let Some(id) = cancel {
        println!("job {id}: {}", store.request_cancel(id, None)?);
        return Ok(());
    }
    if let Some(file) = file {
        let text = std::fs::read_to_string(file)?;
        commands.extend(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned));
    }
    let base = WorkDir::new(store.path()?.with_extension("jobs").to_string_lossy())?;
    let backoff =
        Backoff::Exponential { first_seconds: 1, longest_seconds: 60, jitter_percent: 20 };
    let policy = JobPolicy { max_attempts: 3, backoff, ..JobPolicy::default() };
    let job = |command: &str| -> Result<NewJob> {
        let name: String = command.chars().take(60).collect();
        let new = NewJob::new(name, "sh".parse()?, Placement::Under(base.clone())).queued();
        let deck = InputDeck::file("run.sh", command)?;
        Ok(NewJob { policy: policy.clone(), ..new }.with_input(deck))
    };
    let created = if commands.is_empty() {
        let after = |name| (name, DependencyKind::AfterOk);
        let flaky = "test -e tried || { touch tried; exit 3; }";
        // Its name is the key of the creation: a second call is refused.
        let workflow = NewWorkflow::new("demonstration")
            .job("prepare", job("sleep 1; date >../prepared")?)
            .job_after("slow", job("sleep 3; cat ../prepared")?, [after("prepare")])
            .job_after("flaky", job(flaky)?, [after("prepare")])
            .job_after("collect", job("echo all is done")?, [after("slow"), after("flaky")]);
        store.create_workflow(&workflow)?
    } else {
        let new = commands.iter().map(|command| job(command));
        store.create_jobs(&new.collect::<Result<Vec<_>>>()?)?
    };
    for job in created {
        println!("job {}: {}", job.id, job.name);
    }
    Ok(())
}
