//! What is there before the processes begin: a directory, a store, clusters, a job of each deck.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Instant;

use serde_json::json;
use store_core::prelude::*;
use store_core::{
    Clock, ClusterId, ClusterKind, ConnectionSettings, DependencyKind, EventSequence, Job,
    JobStatus, NewCluster, NewJob, StatusChange, SystemClock,
};

use super::arguments::Arguments;
use super::effect::Effect;
use super::journal::Journal;
use super::kind::Kind;
use super::plan::{Plan, Profile};
use super::session::{Session, Shared};
use super::{claims, decks, open, progress, roles};
use crate::failure::{Context, Failure, Result};
use crate::workspace;

/// How many of the further jobs one call creates.
const CHUNK: u64 = 500;

/// Finds a name and a place for the run.
pub fn plan(arguments: &Arguments) -> Result<Plan> {
    let now = SystemClock.now().as_micros();
    let run = format!("stress-{now:x}");
    let database = match &arguments.db {
        Some(given) => absolute(given)?,
        None => new_directory()?.join("project.db"),
    };
    let folder = database.with_file_name(format!("{run}.journals"));
    Ok(Plan {
        run,
        existing: database.exists(),
        database,
        folder,
        decks: workspace::decks(),
        processes: arguments.processes(),
        threads: arguments.threads,
        jobs: arguments.jobs,
        open_rounds: arguments.open_rounds,
        profile: arguments.profile,
        kill_every: arguments.kill_every(),
        limit: arguments.limit(),
        durability: arguments.durability,
        seed: arguments.seed.unwrap_or_else(|| now.unsigned_abs()),
        clusters: Vec::new(),
        follow_after: EventSequence::START,
    })
}

/// Fills the store, closes it again, and writes the plan for the processes.
pub fn fill(plan: &mut Plan) -> Result<()> {
    let store = open::open(plan, 0).map_err(|failure| {
        // Whoever named a file that is no store is told so as for any other argument.
        if plan.existing { Failure::usage(failure.to_string()) } else { failure }
    })?;
    // Not before: nothing is left beside a file that is refused.
    let folder = &plan.folder;
    std::fs::create_dir(folder).doing(|| format!("make the directory {}", folder.display()))?;
    let shared = shared(plan, 0)?;
    let mut session = Session::new(&store, &shared, 0, String::new())?;
    match plan.profile {
        Profile::Mix => {
            plan.clusters = clusters(&mut session, &plan.run)?;
            first_jobs(&mut session);
        }
        Profile::Claims => plan.clusters = claims::clusters(&mut session),
    }
    further_jobs(&mut session, plan.jobs);
    let totals = &session.meter.totals;
    let faults = totals.locked.iter().chain(&totals.errors).chain(&totals.contradictions);
    if let Some((sort, tally)) = faults.into_iter().next() {
        return Err(Failure::new(format!("could not fill the store: {sort}: {}", tally.example)));
    }
    drop(session);
    let newest = store.newest_sequence();
    plan.follow_after = newest.doing(|| "read the history".to_owned())?;
    shared.journal.finish()?;
    store.close().doing(|| "close the store".to_owned())
}

/// What the threads of a process share, at its beginning.
pub fn shared(plan: &Plan, process: u32) -> Result<Shared> {
    Ok(Shared {
        plan: plan.clone(),
        process,
        decks: decks::read(&plan.decks)?,
        journal: Journal::create(&plan.journal(process), plan.flush_every())?,
        stop: Arc::new(AtomicBool::new(false)),
        operations: AtomicU64::new(0),
        started: Instant::now(),
    })
}

fn clusters<S: Store>(session: &mut Session<'_, S>, run: &str) -> Result<Vec<ClusterId>> {
    let mut clusters = Vec::new();
    for (name, kind) in [
        ("dragon", ClusterKind::Slurm),
        ("phoenix", ClusterKind::Slurm),
        ("desk", ClusterKind::Ssh),
    ] {
        let hostname = format!("{name}.example.org");
        let mut new = NewCluster::new(format!("{run} {name}"), kind, hostname);
        let settings = json!({ "identity_file": "~/.ssh/id_ed25519", "proxy_jump": "login" });
        let settings = settings.as_object().cloned().unwrap_or_default();
        new.settings =
            ConnectionSettings::new(settings).doing(|| "describe a cluster".to_owned())?;
        new.setup_commands = vec!["module load intel".to_owned()];
        clusters.extend(roles::clusters::create(session, &new).map(|created| created.id));
    }
    Ok(clusters)
}

/// A job of each deck; bands wait for the density that they are calculated from.
fn first_jobs<S: Store>(session: &mut Session<'_, S>) {
    let mut jobs = Vec::new();
    // Backwards, because the density comes after the bands by name.
    for index in (0..session.shared.decks.len()).rev() {
        let Some(mut new) = roles::draft(session, index) else {
            continue;
        };
        let density = new.name.strip_suffix("_bands").map(|system| format!("{system}_scf"));
        let parent = jobs.iter().find(|(name, _)| Some(name) == density.as_ref());
        if let Some((_, parent)) = parent {
            new = new.after(*parent, DependencyKind::AfterOk);
        }
        let effects = |job: &_| roles::created(job, &new).into_iter().collect();
        let created = session.write(Kind::Create, |store| store.create_job(&new), effects);
        jobs.extend(created.map(|job| (job.name, job.id)));
    }
}

/// So many jobs more, of all decks in turn. They were called off: a store of many jobs has few that
/// wait, and schedulers that had thousands to queue would create none.
fn further_jobs<S: Store>(session: &mut Session<'_, S>, jobs: u64) {
    let bar = progress::bar(jobs, "{wide_bar:.cyan/blue} {pos} of {len} jobs");
    let (mut deck, mut left) = (0, jobs);
    while left > 0 {
        let mut drafts = Vec::new();
        for _ in 0..left.min(CHUNK) {
            drafts.extend(roles::draft(session, deck));
            deck += 1;
        }
        let asked = drafts.clone();
        let created = session.write(
            Kind::Create,
            |store| {
                store.write(move |w| {
                    let jobs = w.create_jobs(&asked)?;
                    let off = StatusChange::to(JobStatus::Cancelled).because("to fill the store");
                    let changes: Vec<_> = jobs.iter().map(|job| (job.id, off.clone())).collect();
                    w.change_statuses(&changes)?;
                    Ok(jobs)
                })
            },
            |jobs| jobs.iter().zip(&drafts).flat_map(|(job, new)| called_off(job, new)).collect(),
        );
        // The caller tells why.
        if created.is_none() {
            break;
        }
        left -= left.min(CHUNK);
        bar.set_position(jobs - left);
    }
    bar.finish_and_clear();
}

/// What is acknowledged of a job that was created and called off at once.
fn called_off(job: &Job, new: &NewJob) -> impl Iterator<Item = Effect> {
    let (from, to) = (job.status, JobStatus::Cancelled);
    let changed = Effect::StatusChanged { job: job.id, attempt: job.attempt, from, to };
    roles::created(job, new).into_iter().chain([changed])
}

fn new_directory() -> Result<PathBuf> {
    let directory = tempfile::Builder::new()
        .prefix("crystalstore-stress-")
        .tempdir()
        .doing(|| "make a directory for the database".to_owned())?;
    absolute(&directory.keep())
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).doing(|| format!("find {}", path.display()))
}
