//! How jobs leave the first store: in steps that hold the writer for a moment, each job only as it was
//! copied.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rusqlite::params;
use store_core::event::NewEvent;
use store_core::repo::JobRead;
use store_core::{Job, JobId, Result, Retention, Timestamp, retention};

use super::components::{Component, State, state_of};
use crate::codec::micros;
use crate::unit::{Mode, Unit, Writing};

/// How long a step goes on taking jobs. A batch of other writes may share its transaction for 20
/// milliseconds, and together they stay below 50.
const STEP: Duration = Duration::from_millis(10);

/// How many jobs are looked at before the first of a component goes: what is larger is looked at job by
/// job.
const LOOKED_AT_FIRST: usize = 100;

/// The oldest events of jobs that left the store before a moment, and were there when the call began.
pub(crate) const DEPARTED: &str = "DELETE FROM store_events WHERE sequence IN (\
     SELECT sequence FROM store_events INDEXED BY store_events_departed \
     WHERE job_id IS NOT NULL AND at < ?1 AND sequence <= ?2 ORDER BY at LIMIT ?3 + 0)";

/// How many of those there are, and the newest of them.
pub(crate) const COUNT_DEPARTED: &str = "SELECT count(*), max(sequence) FROM store_events \
     INDEXED BY store_events_departed WHERE job_id IS NOT NULL AND at < ?1";

/// How many of those go in a step.
const DEPARTED_A_STEP: u64 = 500;

/// Where jobs go, as the event of each says.
#[derive(Debug, Clone)]
pub(super) enum Destination {
    /// Into another store, of this path.
    Store(String),
    /// Nowhere, because they are old enough.
    Nowhere(Retention),
}

impl Destination {
    fn departure(&self, job: &Job, now: Timestamp) -> NewEvent {
        match self {
            Self::Store(path) => retention::moved(job, path, now),
            Self::Nowhere(retention) => retention.pruned(job, now),
        }
    }
}

/// Jobs that left before a moment, and that nobody needs to know of any more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Departed {
    moment: Timestamp,
    newest: i64,
    pub(super) left: u64,
    /// Whether those that are left are all.
    pub(super) complete: bool,
}

impl Departed {
    /// Those that a call may forget; the events of others are still to be seen by who follows them.
    pub(super) fn before<M: Mode>(unit: &Unit<'_, M>, retention: &Retention) -> Result<Self> {
        let moment = retention.forgets_before(unit.now());
        let counted = unit.find(COUNT_DEPARTED, [micros(moment)], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))
        })?;
        let (count, newest) = counted.unwrap_or_default();
        let count = count.unsigned_abs();
        let left = retention.at_most.min(count);
        Ok(Self { moment, newest: newest.unwrap_or(0), left, complete: left == count })
    }

    /// Forgets as many as a step takes; says how many.
    pub(super) fn forget(self, w: &Unit<'_, Writing>) -> Result<u64> {
        let limit = self.left.min(DEPARTED_A_STEP).cast_signed();
        let forgotten = w.execute(DEPARTED, params![micros(self.moment), self.newest, limit])?;
        Ok(forgotten as u64)
    }
}

/// What a step did.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) jobs: u64,
    pub(super) events: u64,
    pub(super) changed: u64,
    pub(super) worked: Duration,
    /// What is still to be removed.
    pub(super) left: VecDeque<Component>,
}

/// Removes jobs until the time of a step is over.
pub(super) fn step(
    w: &Unit<'_, Writing>,
    mut left: VecDeque<Component>,
    to: &Destination,
) -> Result<Step> {
    let begun = Instant::now();
    let mut step = Step::default();
    while let Some(mut component) = left.pop_front() {
        let whole = remove(w, &mut component, to, begun, &mut step)?;
        if !whole {
            left.push_front(component);
            break;
        }
    }
    step.left = left;
    step.worked = begun.elapsed();
    Ok(step)
}

/// Says whether nothing is left to do of a component.
fn remove(
    w: &Unit<'_, Writing>,
    component: &mut Component,
    to: &Destination,
    begun: Instant,
    step: &mut Step,
) -> Result<bool> {
    if !component.begun && component.jobs.len() <= LOOKED_AT_FIRST {
        for (job, state, _) in &component.jobs {
            if !is_still(w, *job, state)? {
                step.changed += component.len();
                return Ok(true);
            }
        }
    }
    while let Some((job, state, events)) = component.jobs.front().copied() {
        if begun.elapsed() >= STEP {
            return Ok(false);
        }
        component.begun = true;
        // One that waits for it may have come since, and one that has gone on is not the copied one.
        if !is_still(w, job, &state)? || w.has_dependents(job)? {
            step.changed += component.len();
            return Ok(true);
        }
        // Whole, however long its history is: if it changed between two steps, it would stay without a part of it.
        w.remove_job(to.departure(&w.job(job)?, w.now()))?;
        component.jobs.pop_front();
        step.jobs += 1;
        step.events += events;
    }
    Ok(true)
}

fn is_still(w: &Unit<'_, Writing>, job: JobId, state: &State) -> Result<bool> {
    Ok(state_of(w, job)?.is_some_and(|(found, _)| found == *state))
}
