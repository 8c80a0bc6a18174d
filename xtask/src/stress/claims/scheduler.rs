//! The scheduler: it keeps workers busy, and gives back what lapsed leases and dead workers hold.

use std::time::Duration;

use store_core::prelude::*;
use store_core::{
    Backoff, Code, DependencyKind, FailureKind, InputDeck, JobPolicy, JobStatus, Lease, LeaseKey,
    NewJob, OnLapse, Placement, Runner, WorkDir,
};
use store_sqlite::worker::is_gone;

use super::caller::Caller;
use crate::stress::kind::Kind;
use crate::stress::roles;
use crate::stress::session::Session;

/// How many jobs that have not ended keep every worker busy.
const BACKLOG: u64 = 3_000;
/// How many jobs are created together.
const TOGETHER: u64 = 200;
/// How long it rests between its rounds.
const REST: Duration = Duration::from_millis(5);

/// Works until the run is over.
pub fn run<S: Store>(caller: &mut Caller<'_, S>) {
    let mut created = 0;
    while caller.session.shared.goes_on() {
        let counts = caller.session.read(Kind::Count, |store| store.counts_by_status());
        let ended = counts.map_or(u64::MAX, |counts| {
            JobStatus::ALL.iter().filter(|one| one.is_terminal()).map(|one| counts.of(*one)).sum()
        });
        // Some of them are held for ever: what they wait for cannot happen any more.
        if created < ended.saturating_add(BACKLOG + created / 20) {
            created += create(&mut caller.session);
        }
        recover(caller, |lease| is_gone(&lease.worker));
        std::thread::sleep(REST);
    }
}

/// Gives back what has lapsed, and what workers hold that are gone.
pub fn recover<S: Store>(caller: &mut Caller<'_, S>, is_lost: impl Fn(&Lease) -> bool) {
    caller.recover_expired(100);
    let leases = caller.session.read(Kind::Leases, |store| store.leases()).unwrap_or_default();
    let lost: Vec<LeaseKey> =
        leases.iter().filter(|lease| is_lost(lease)).map(Lease::key).collect();
    if !lost.is_empty() {
        caller.recover_lost(&lost);
    }
}

/// The name of one of a few workflows.
pub fn workflow(number: u64) -> String {
    format!("workflow {number}")
}

/// A failure that no policy of this run retries.
pub fn bad_input() -> FailureKind {
    "bad_input".parse().unwrap_or_else(|_| FailureKind::unknown())
}

fn create<S: Store>(session: &mut Session<'_, S>) -> u64 {
    let drafts: Vec<NewJob> = (0..TOGETHER).filter_map(|_| draft(session)).collect();
    let jobs = session.write(
        Kind::Create,
        |store| store.create_jobs(&drafts),
        |jobs| jobs.iter().zip(&drafts).filter_map(|(job, new)| roles::created(job, new)).collect(),
    );
    let jobs = jobs.unwrap_or_default();
    let number = jobs.len() as u64;
    session.created.extend(jobs.iter().map(|job| job.id).zip(drafts));
    let old = session.created.len().saturating_sub(1_000);
    session.created.drain(..old);
    number
}

fn draft<S: Store>(session: &mut Session<'_, S>) -> Option<NewJob> {
    let run = session.shared.plan.run.clone();
    let base = WorkDir::new(format!("/scratch/{run}")).ok()?;
    let deck = InputDeck::file("mgo.d12", "CRYSTAL\n0 0 0\n225\n4.2112\nEND\n").ok()?;
    let code = if session.random.chance(50) { Code::Crystal } else { Code::Vasp };
    let mut new = NewJob::new("mgo", code, Placement::Under(base))
        .with_input(deck)
        .with_idempotency_key(session.unique())
        .queued();
    let random = &mut session.random;
    new.priority = i32::try_from(random.below(3)).unwrap_or(0);
    new.workflow = random.chance(50).then(|| workflow(random.below(3)));
    new.policy = JobPolicy {
        max_attempts: 3,
        on_lapse: Some(OnLapse::Requeue),
        not_retried: [bad_input()].into(),
        ..JobPolicy::default()
    };
    if random.chance(10) {
        new.policy.backoff = Backoff::Fixed { seconds: 1, jitter_percent: 100 };
    }
    match random.below(10) {
        0..2 => {
            new.cluster = random.pick(&session.shared.plan.clusters).copied();
            new.runner = Runner::Slurm;
            new.parallelism.nodes = Some(1 + u32::from(random.chance(30)));
            new.parallelism.mpi_ranks = Some(if random.chance(50) { 2 } else { 4 });
        }
        2..5 => {
            let kind = match random.below(50) {
                0 => DependencyKind::AfterFailed,
                1..20 => DependencyKind::AfterAny,
                _ => DependencyKind::AfterOk,
            };
            if let Some((parent, _)) = random.pick(&session.created) {
                new = new.after(*parent, kind);
            }
        }
        _ => {}
    }
    Some(new)
}
