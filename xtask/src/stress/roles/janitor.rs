//! What takes jobs out of the store: a person deletes one, the scheduler prunes those that have ended, or moves them
//! into a second store.

use std::time::Duration;

use store_core::prelude::*;
use store_core::{Clock, EventKind, Job, JobStatus, Retention, SystemClock, Timestamp};
use store_sqlite::SqliteStore;

use crate::stress::effect::Effect;
use crate::stress::journal::Asked;
use crate::stress::kind::Kind;
use crate::stress::session::Session;

/// How many jobs a call takes at the most, unless more are connected.
const AT_MOST: u64 = 8;
/// A job may have to have ended so long ago.
const OLDEST: u64 = 1_000_000;

/// Deletes a job. It is refused where others wait for the job, or have queued it meanwhile.
pub fn delete<S: Store>(session: &mut Session<'_, S>, job: &Job) {
    let id = job.id;
    session.ask(Kind::Delete, Asked::Deletion(id));
    // One that was completed stays as it is, so that a call alone tells all that its event must say.
    let alone = job.status == JobStatus::Completed && session.random.chance(50);
    let deleted = session.write(
        Kind::Delete,
        |store| {
            if alone {
                store.delete_job(id)?;
                return Ok((job.clone(), None));
            }
            store.write(move |w| {
                let (job, events) = (w.job(id)?, w.history(id)?.len());
                w.delete_job(id)?;
                Ok((job, Some(events as u64)))
            })
        },
        |(job, events)| {
            let (attempt, from, events) = (job.attempt, job.status, *events);
            vec![Effect::Deleted { job: id, attempt, from, events }]
        },
    );
    let Some((job, _)) = deleted else { return };
    let left = session.read(Kind::LookBack, |store| store.history(id)).unwrap_or_default();
    let told = left.iter().map(|event| (event.kind, event.from)).collect::<Vec<_>>();
    let right = told == [(EventKind::Deleted, Some(job.status))];
    session.expect(right, "a deleted job has another history than its end", || {
        format!("job {id}, which was {}: {told:?}", job.status)
    });
    let there = session.read(Kind::LookBack, |store| store.job(id));
    session.expect(there.is_none(), "a deleted job is there", || format!("{there:?}"));
}

/// Prunes a few of the jobs that have ended, unless there may be jobs of others among them.
pub fn prune(session: &mut Session<'_, SqliteStore>) {
    if session.shared.plan.existing {
        return;
    }
    let (moment, old) = some(session);
    let before = moment.to_string();
    session.ask(Kind::Prune, Asked::Pruning(before.clone()));
    session.write(
        Kind::Prune,
        |store| store.prune(&old),
        |report| vec![Effect::Pruned { before, jobs: report.jobs, events: report.events }],
    );
}

/// Moves a few of them into the second store, which the processes share, unless there may be jobs of others among
/// them.
pub fn move_away(session: &mut Session<'_, SqliteStore>) {
    if session.shared.plan.existing {
        return;
    }
    let (_, old) = some(session);
    let path = session.shared.plan.moved();
    let into = path.display().to_string();
    session.ask(Kind::Move, Asked::Moving(into.clone()));
    session.write(
        Kind::Move,
        |store| store.move_finished(&old, &path),
        |report| vec![Effect::Moved { into, jobs: report.jobs, events: report.events }],
    );
}

/// A few of the jobs that ended before a moment.
fn some(session: &mut Session<'_, SqliteStore>) -> (Timestamp, Retention) {
    let moment = SystemClock.now() - Duration::from_micros(session.random.below(OLDEST));
    let at_most = 1 + session.random.below(AT_MOST);
    (moment, Retention::finished_before(moment).at_most(at_most))
}
