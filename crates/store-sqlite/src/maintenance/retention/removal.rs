//! How jobs leave the first store: in steps that hold the writer for a moment, each job only as it was
//! copied.

use std::time::{Duration, Instant};

use rusqlite::params;
use store_core::{JobId, Result};

use super::components::{Component, State, state_of};
use crate::repo;
use crate::unit::{Unit, Writing};

/// How long a step goes on taking jobs. A batch of other writes may share its transaction for 20
/// milliseconds, and together they stay below 50.
const STEP: Duration = Duration::from_millis(10);

/// How many jobs are looked at before the first of a component goes: what is larger is looked at job by
/// job.
const LOOKED_AT_FIRST: usize = 100;

/// The oldest events of a job before its newest one.
pub(crate) const EVENTS: &str = "DELETE FROM job_events WHERE sequence IN (\
     SELECT sequence FROM job_events INDEXED BY job_events_by_job \
     WHERE job_id = ?1 AND sequence < ?2 ORDER BY sequence LIMIT 200)";

/// What a step did.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) jobs: u64,
    pub(super) events: u64,
    pub(super) changed: u64,
    pub(super) worked: Duration,
    /// What is still to be removed.
    pub(super) left: Vec<Component>,
}

/// Removes jobs until the time of a step is over.
pub(super) fn step(w: &Unit<'_, Writing>, mut left: Vec<Component>) -> Result<Step> {
    let begun = Instant::now();
    let mut step = Step::default();
    while let Some(mut component) = left.pop() {
        let whole = remove(w, &mut component, begun, &mut step)?;
        if !whole {
            left.push(component);
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
        // The newest event stays to the end: it tells the state.
        if let Some(newest) = state.newest_event {
            while w.execute(EVENTS, params![job.get(), newest])? > 0 {
                if begun.elapsed() >= STEP {
                    return Ok(false);
                }
            }
        }
        // Everything that hangs on it goes by cascade.
        w.execute(repo::DELETE_JOB, [job.get()])?;
        component.jobs.pop_front();
        step.jobs += 1;
        step.events += events;
    }
    Ok(true)
}

fn is_still(w: &Unit<'_, Writing>, job: JobId, state: &State) -> Result<bool> {
    Ok(state_of(w, job)?.is_some_and(|(found, _)| found == *state))
}
