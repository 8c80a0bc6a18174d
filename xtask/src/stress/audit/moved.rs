//! The jobs that were moved: the second store has each of them as it was, with its history.

use std::collections::BTreeMap;

use rusqlite::{Connection, Result};

use super::acknowledged::Acknowledged;
use super::check::Check;
use super::departures::{self, Departures};
use super::rows;
use crate::stress::plan::Plan;

/// A job as the second store has it: its identity, its status, and how many events it has.
type Row = (String, String, u64);

/// Compares the second store, if there is one, with what left for it.
pub fn check(
    second: Option<&Connection>,
    plan: &Plan,
    acknowledged: &Acknowledged,
    departures: &Departures,
) -> Result<Check> {
    let mut check =
        Check::new("every job that was moved is in the second store, with all of its own");
    let Some(second) = second else {
        for (job, ..) in departures.those_moved() {
            check.lost(|| format!("job {job} was moved, and there is no second store"));
        }
        return Ok(check);
    };
    let doubtful = !acknowledged.in_doubt.is_empty();
    check.take(rows::of(second, plan, doubtful, || {
        let is_there = |effect: &&_| {
            let job = crate::stress::effect::Effect::job(effect);
            job.is_some_and(|job| departures.moved(job.get()))
        };
        acknowledged.effects().filter(is_there)
    })?);
    let found: BTreeMap<i64, Row> = second
        .prepare(
            "SELECT id, lower(hex(uuid)), status,
                 (SELECT count(*) FROM job_events WHERE job_id = jobs.id) FROM jobs",
        )?
        .query_map([], |row| {
            let events: i64 = row.get(3)?;
            Ok((row.get(0)?, (row.get(1)?, row.get(2)?, events.unsigned_abs())))
        })?
        .collect::<Result<_>>()?;
    let changes = departures::changes(acknowledged);
    for (job, uuid, status) in departures.those_moved() {
        let events = changes.get(&job).copied().unwrap_or(0);
        let there = found.get(&job);
        // Somebody may not have told of all that it did.
        let more = there.map(|there| there.2).filter(|there| doubtful && *there > events);
        let left =
            (uuid.replace('-', ""), status.unwrap_or_default().to_owned(), more.unwrap_or(events));
        check.must_be(|| format!("job {job} (uuid, status, events)"), &left, there);
    }
    Ok(check)
}
