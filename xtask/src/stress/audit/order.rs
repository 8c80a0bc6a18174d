//! Whether the calls of workers on each job can have happened one after the other.

use std::collections::BTreeMap;

use rusqlite::Connection;
use store_core::JobId;

use super::check::Check;
use crate::failure::{Context, Result};
use crate::stress::journal;
use crate::stress::linearizability::histories::{self, Histories};
use crate::stress::linearizability::job::{Call, State};
use crate::stress::linearizability::record::Found;
use crate::stress::linearizability::search::{self, Operation};
use crate::stress::plan::Plan;

/// Reads what all processes recorded, up to the one with number `last`.
pub fn check(connection: &Connection, plan: &Plan, last: u32) -> Result<Check> {
    let mut records = BTreeMap::new();
    for process in 1..=last {
        let path = plan.calls(process);
        // One that was killed before it began has none.
        if path.exists() {
            records.insert(process, journal::read(&path)?);
        }
    }
    let found = found(connection, plan).doing(|| "read who claimed what".to_owned())?;
    let mut histories = histories::of(&records, &found);
    look(connection, &mut histories).doing(|| "look at what jobs came to".to_owned())?;
    Ok(judge(&histories))
}

/// At the end every job is looked at once more: what a call did that nobody heard of shows there.
fn look(connection: &Connection, histories: &mut Histories) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("SELECT id, status, attempt, claims FROM jobs")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, status): (i64, String) = (row.get(0)?, row.get(1)?);
        let Ok(status) = status.parse() else { continue };
        let call = Call::Seen(status, row.get(2)?, row.get(3)?);
        let end = u64::MAX;
        let seen = Operation { invoked: end, returned: Some(end), call };
        histories.entry(JobId::new(id)).or_default().push(seen);
    }
    Ok(())
}

/// Judges the history of each job.
pub fn judge(histories: &Histories) -> Check {
    let mut check = Check::new("the calls on each job have an order that explains every answer");
    for (job, history) in histories {
        check.looked_at += history.len() as u64;
        let Err(longest) = search::order(State::NEW, history) else { continue };
        let first = history
            .iter()
            .enumerate()
            .find(|(place, operation)| !longest.contains(place) && operation.returned.is_some());
        let call = first.map(|(_, operation)| format!("{:?}", operation.call)).unwrap_or_default();
        check.fault(|| {
            format!(
                "job {job}: no order explains its {} calls; one of {} goes without {call}",
                history.len(),
                longest.len()
            )
        });
    }
    check
}

/// The claims in the store's history, by who signed them.
fn found(connection: &Connection, plan: &Plan) -> rusqlite::Result<Vec<Found>> {
    let mut statement = connection
        .prepare("SELECT job_id, attempt, actor FROM job_events WHERE kind = 'claimed'")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (job, attempt, actor): (i64, u32, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if let Some((process, thread)) = plan.who(&actor) {
            found.push(Found { process, thread, job: JobId::new(job), attempt });
        }
    }
    Ok(found)
}
