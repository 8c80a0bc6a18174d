//! `cargo xtask stress --profile claims`: workers that claim and end jobs under leases, processes of them
//! that are killed, and a scheduler that gives them work and takes it back from the dead.
//!
//! | question | module |
//! |---|---|
//! | What does a worker do, and a scheduler? | [`worker`], [`scheduler`] |
//! | What is a call on a claim, and what is kept of it? | [`caller`] |
//! | What runs in a process, and what is tidied up after the last one? | this one |

mod caller;
mod scheduler;
mod worker;

use std::sync::atomic::{AtomicU64, Ordering};

use caller::Caller;
use store_core::prelude::*;
use store_core::{ClusterKind, ClusterLimits, NewCluster};
use store_sqlite::SqliteStore;

use super::linearizability::record::Recorder;
use super::meter::{Pace, Totals};
use super::plan::Plan;
use super::process::Done;
use super::session::{Session, Shared};
use super::{open, prepare, process, roles};
use crate::failure::{Context, Failure, Result};

/// The clusters that some of the jobs are for, with limits so small that they are met.
pub fn clusters<S: Store>(session: &mut Session<'_, S>) -> Vec<store_core::ClusterId> {
    let limits = |max_running, nodes, cores| ClusterLimits {
        max_running,
        nodes,
        cores,
        ..ClusterLimits::default()
    };
    let run = session.shared.plan.run.clone();
    let mut clusters = Vec::new();
    for (name, limits) in [
        ("dragon", limits(Some(3), None, None)),
        ("phoenix", limits(None, Some(4), Some(12))),
        ("desk", limits(None, None, None)),
    ] {
        let mut new = NewCluster::new(
            format!("{run} {name}"),
            ClusterKind::Slurm,
            format!("{name}.example.org"),
        );
        new.limits = limits;
        clusters.extend(roles::clusters::create(session, &new).map(|created| created.id));
    }
    clusters
}

/// Runs the threads of a process to their end: of the scheduler, or of a process of workers.
pub fn work(
    store: &SqliteStore,
    shared: &Shared,
    progress: impl Fn(Done),
) -> Result<(Totals, Vec<Pace>)> {
    let recorder = Recorder::create(&shared.plan.calls(shared.process))?;
    let claimed = AtomicU64::new(0);
    let is_scheduler = Some(shared.process) == shared.plan.scheduler();
    let number = if is_scheduler { 1 } else { shared.plan.threads };
    let worked = std::thread::scope(|scope| {
        let one = |thread| {
            let (recorder, claimed) = (&recorder, &claimed);
            scope.spawn(move || {
                let role = if is_scheduler { "scheduler" } else { "worker" };
                let session = Session::new(store, shared, thread, role.to_owned())?;
                let mut caller = Caller::new(session, recorder, claimed, thread);
                if is_scheduler {
                    scheduler::run(&mut caller);
                } else {
                    worker::run(&mut caller);
                }
                Ok::<_, Failure>(caller.session.meter.finish())
            })
        };
        let threads = (1..=number).map(one).collect();
        process::gather(threads, || {
            let calls = shared.operations.load(Ordering::Relaxed);
            progress(Done { calls, claims: claimed.load(Ordering::Relaxed) });
        })
    });
    recorder.finish()?;
    worked
}

/// Takes back whatever is held, as process `number`, when all others have ended: no lease is left. What it
/// finds wrong is returned.
pub fn tidy_up(plan: &Plan, number: u32) -> Result<Totals> {
    let store = open::open(plan, number)?;
    let shared = prepare::shared(plan, number)?;
    let recorder = Recorder::create(&plan.calls(number))?;
    let claimed = AtomicU64::new(0);
    let session = Session::new(&store, &shared, 1, "scheduler".to_owned())?;
    let mut caller = Caller::new(session, &recorder, &claimed, 1);
    scheduler::recover(&mut caller, |_| true);
    let totals = caller.session.meter.finish().0;
    recorder.finish()?;
    shared.journal.finish()?;
    store.close().doing(|| "close the store".to_owned())?;
    Ok(totals)
}
