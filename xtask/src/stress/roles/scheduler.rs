//! The scheduler: it creates, queues, submits, retries, cancels, archives, prunes and moves jobs.

use store_core::prelude::*;
use store_core::{
    Clock, Code, Convergence, DependencyKind, InitialStatus, Job, JobId, JobStatus, NewJob,
    NewRemoteJob, Placement, Readiness, RemoteJob, Result, Runner, StatusChange, SystemClock,
    WorkDir,
};
use store_sqlite::SqliteStore;

use super::Lists;
use super::worker::end_submission;
use super::{clusters, janitor};
use crate::stress::effect::Effect;
use crate::stress::journal::Missed;
use crate::stress::kind::Kind;
use crate::stress::session::Session;

/// How many queued jobs keep every worker busy.
const BACKLOG: u64 = 64;
/// A job that failed so often is left alone.
const ATTEMPTS: u32 = 3;

/// Does one round of the scheduler's work.
pub fn step(session: &mut Session<'_, SqliteStore>, lists: &mut Lists) {
    let counts = session.read(Kind::Count, |store| store.counts_by_status());
    if counts.is_some_and(|counts| counts.of(JobStatus::Queued) < BACKLOG) {
        create(session);
    }
    match session.random.below(40) {
        0..4 => create_again(session),
        4..7 => poll(session),
        7..23 => queue(session, lists),
        23..30 => retry(session, lists),
        30..37 => archive(session, lists),
        37..39 => clusters::come_and_go(session),
        // A second store is opened for it, which takes its time.
        _ if session.random.chance(20) => janitor::move_away(session),
        _ => janitor::prune(session),
    }
}

/// A job to be created, from one of the decks.
pub fn draft<S: Store>(session: &mut Session<'_, S>, deck: usize) -> Option<NewJob> {
    let deck = &session.shared.decks[deck % session.shared.decks.len()];
    let plan = &session.shared.plan;
    let base = WorkDir::new(format!("/scratch/{}", plan.run)).ok()?;
    let mut new = NewJob::new(&deck.name, deck.code.clone(), Placement::Under(base))
        .with_input(deck.input.clone())
        .with_idempotency_key(session.unique());
    new.workflow = Some(format!("{} {}", plan.run, deck.name));
    new.parallelism.mpi_ranks = Some(if deck.code == Code::Vasp { 32 } else { 8 });
    Some(new)
}

fn create<S: Store>(session: &mut Session<'_, S>) {
    let number = 1 + session.random.below(8);
    let mut drafts = Vec::new();
    for _ in 0..number {
        let deck = usize::try_from(session.random.below(1 << 16)).unwrap_or(0);
        let Some(mut new) = draft(session, deck) else {
            return;
        };
        match session.random.below(10) {
            0..6 => new = new.queued(),
            6..8 => {
                new.cluster = session.random.pick(&session.shared.plan.clusters).copied();
                new.runner = Runner::Slurm;
            }
            _ => {
                let kind = session.random.pick(DependencyKind::ALL).copied();
                let parent = session.random.pick(&session.created).map(|(id, _)| *id);
                if let (Some(kind), Some(parent)) = (kind, parent) {
                    new = new.after(parent, kind);
                }
            }
        }
        drafts.push(new);
    }
    let asked = &drafts;
    let jobs = session.write(
        Kind::Create,
        |store| match asked.as_slice() {
            [one] => Ok(vec![store.create_job(one)?]),
            several => store.create_jobs(several),
        },
        |jobs| jobs.iter().zip(asked).filter_map(|(job, new)| created(job, new)).collect(),
    );
    let jobs = jobs.unwrap_or_default();
    session.created.extend(jobs.iter().map(|job| job.id).zip(drafts));
    let old = session.created.len().saturating_sub(64);
    session.created.drain(..old);
}

/// What the creation of a job acknowledges.
pub fn created(job: &Job, new: &NewJob) -> Option<Effect> {
    Some(Effect::Created {
        job: job.id,
        uuid: job.uuid,
        status: job.status,
        key: new.idempotency_key.clone()?,
        input: new.input.as_ref()?.hash(),
        dependencies: new.dependencies.clone(),
    })
}

/// As a program does that does not know what became of its creation. It makes another job only where the first
/// one was deleted.
fn create_again<S: Store>(session: &mut Session<'_, S>) {
    let Some((mut id, new)) = session.random.pick(&session.created).cloned() else {
        return;
    };
    let again = session.write(
        Kind::CreateAgain,
        |store| store.create_job(&new),
        |job| if job.id == id { Vec::new() } else { created(job, &new).into_iter().collect() },
    );
    if let Some(other) = again.map(|job| job.id).filter(|again| *again != id) {
        session.miss(Kind::CreateAgain, Missed::Job(id));
        session.created.retain(|(job, _)| *job != id);
        session.created.push((other, new.clone()));
        id = other;
    }
    let key = new.idempotency_key.unwrap_or_default();
    let found = session.read(Kind::FindByKey, |store| store.find_job_by_idempotency_key(&key));
    if let Some(None) = found {
        session.miss(Kind::FindByKey, Missed::Job(id));
    }
    let same = found.flatten().is_none_or(|job| job.id == id);
    session.expect(same, "a key leads to another job", || format!("{key} of job {id}"));
}

fn poll<S: Store>(session: &mut Session<'_, S>) {
    let Some(&cluster) = session.random.pick(&session.shared.plan.clusters) else {
        return;
    };
    let active = session.read(Kind::PollCluster, |store| store.active_remote_jobs(cluster));
    let active = active.unwrap_or_default();
    let right = |remote: &RemoteJob| remote.is_active() && remote.submission.cluster == cluster;
    session.expect(active.iter().all(right), "a submission is not active there", || {
        format!("asked for cluster {cluster}")
    });
}

/// Queues pending jobs whose dependencies are met, and cancels those whose never will be.
fn queue<S: Store>(session: &mut Session<'_, S>, lists: &mut Lists) {
    for job in lists.walk(session, JobStatus::Pending, 8) {
        match session.read(Kind::Readiness, |store| store.readiness(job.id)) {
            Some(Readiness::Ready) => submit(session, job.id),
            Some(Readiness::Unsatisfiable(_)) if session.random.chance(20) => {
                cancel(session, job.id, JobStatus::Pending);
            }
            _ => {}
        }
    }
}

/// Queues a job and records its submission, where it is for a cluster, in one unit of work.
fn submit<S: Store>(session: &mut Session<'_, S>, id: JobId) {
    let handle = session.unique();
    session.write(
        Kind::Queue,
        |store| {
            store.write(move |w| {
                let queued = StatusChange::to(JobStatus::Queued).expecting(JobStatus::Pending);
                w.change_status(id, &queued)?;
                let job = w.job(id)?;
                let remote = record(w, &job, &handle)?;
                Ok((job, remote))
            })
        },
        |(job, remote)| {
            let (from, to) = (JobStatus::Pending, JobStatus::Queued);
            let changed = Effect::StatusChanged { job: id, attempt: job.attempt, from, to };
            std::iter::once(changed).chain(remote.as_ref().map(submitted)).collect()
        },
    );
}

fn record(w: &impl RemoteJobWrite, job: &Job, handle: &str) -> Result<Option<RemoteJob>> {
    let Some(cluster) = job.cluster else {
        return Ok(None);
    };
    let mut new = NewRemoteJob::new(job.id, cluster, handle);
    new.queue = Some("normal".to_owned());
    new.work_dir = Some(job.work_dir.as_str().to_owned());
    new.scheduler_state = Some("PENDING".to_owned());
    w.record_submission(&new).map(Some)
}

fn submitted(remote: &RemoteJob) -> Effect {
    Effect::Submitted {
        job: remote.submission.job,
        attempt: remote.attempt,
        remote_job: remote.id,
        cluster: remote.submission.cluster,
        handle: remote.submission.handle.clone().unwrap_or_default(),
    }
}

fn retry<S: Store>(session: &mut Session<'_, S>, lists: &mut Lists) {
    let ended = [JobStatus::Failed, JobStatus::Failed, JobStatus::Cancelled];
    let Some(&from) = session.random.pick(&ended) else {
        return;
    };
    let jobs = lists.walk(session, from, 8);
    for job in jobs.iter().filter(|job| job.attempt < ATTEMPTS).take(2) {
        let (id, handle) = (job.id, session.unique());
        session.write(
            Kind::Retry,
            |store| {
                store.write(move |w| {
                    let before = w.job(id)?.status;
                    let job = w.retry_job(id, InitialStatus::Queued)?;
                    let remote = record(w, &job, &handle)?;
                    Ok((before, job, remote))
                })
            },
            |(from, job, remote)| {
                let (attempt, from, to) = (job.attempt, *from, job.status);
                let retried = Effect::Retried { job: id, attempt, from, to };
                std::iter::once(retried).chain(remote.as_ref().map(submitted)).collect()
            },
        );
    }
}

/// Cancels a job that is still in `from`, and its submission with it.
pub fn cancel<S: Store>(session: &mut Session<'_, S>, id: JobId, from: JobStatus) {
    session.write(
        Kind::Cancel,
        |store| {
            let now = SystemClock.now();
            store.write(move |w| {
                let to = StatusChange::to(JobStatus::Cancelled).expecting(from);
                w.change_status(id, &to.because("no longer wanted"))?;
                let remote = end_submission(w, id, Convergence::Unknown, now)?;
                Ok((w.job(id)?.attempt, remote))
            })
        },
        |(attempt, remote)| {
            let (attempt, to) = (*attempt, JobStatus::Cancelled);
            let changed = Effect::StatusChanged { job: id, attempt, from, to };
            std::iter::once(changed).chain(remote.clone()).collect()
        },
    );
}

/// Puts jobs away that were completed; another scheduler may have done so meanwhile.
fn archive<S: Store>(session: &mut Session<'_, S>, lists: &mut Lists) {
    let jobs = lists.walk(session, JobStatus::Completed, 16);
    for id in jobs.iter().map(|job| job.id).take(3) {
        session.write(
            Kind::Archive,
            |store| {
                store.write(move |w| {
                    let job = w.job(id)?;
                    if job.archived_at.is_some() {
                        return Ok(None);
                    }
                    w.archive_job(id)?;
                    Ok(Some(job.attempt))
                })
            },
            |archived| {
                archived.iter().map(|&attempt| Effect::Archived { job: id, attempt }).collect()
            },
        );
    }
}
