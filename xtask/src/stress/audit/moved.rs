//! The jobs that were moved: the second store has each of them as it was, with its history.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, Result};

use super::acknowledged::Acknowledged;
use super::check::Check;
use super::connection;
use super::departures::{self, Departure, Departures};
use super::{counters, histories, integrity, rows};
use crate::failure::Context;
use crate::stress::effect::Effect;
use crate::stress::plan::Plan;

/// A job as the second store has it: its identity, its status, and how many events it has.
type Row = (String, String, u64);

/// Opens the second store, if it is one: whoever began to make it may have been killed before it had a table.
pub fn open(database: &Path) -> crate::failure::Result<Option<Connection>> {
    if !database.exists() {
        return Ok(None);
    }
    let second = connection::open(database)?;
    let is_store = second
        .prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'jobs'")
        .and_then(|mut found| found.exists([]))
        .doing(|| format!("read the schema of {}", database.display()))?;
    Ok(is_store.then_some(second))
}

/// Compares the second store, if there is one, with what left for it.
pub fn check(
    first: &Connection,
    second: Option<&Connection>,
    plan: &Plan,
    acknowledged: &Acknowledged,
    departures: &Departures,
) -> Result<Check> {
    let mut check =
        Check::new("every job that was moved is in the second store, with all of its own");
    let Some(second) = second else {
        for Departure { job, .. } in departures.those_moved() {
            check.lost(|| format!("job {job} was moved, and there is no second store"));
        }
        return Ok(check);
    };
    let doubtful = !acknowledged.in_doubt.is_empty();
    check.take(rows::of(second, plan, doubtful, || {
        let is_there =
            |effect: &&Effect| effect.job().is_some_and(|job| departures.moved(job.get()));
        acknowledged.effects().filter(is_there)
    })?);
    check.take(histories::checks(second)?);
    check.take(counters::checks(second)?);
    check.take(integrity::of_a_store(second)?);
    check.take(vec![attempts(second)?, clusters(first, second)?]);
    let found: BTreeMap<i64, (Row, i64)> = second
        .prepare(
            "SELECT id, lower(hex(uuid)), status, count(sequence), max(sequence)
             FROM jobs LEFT JOIN job_events ON job_id = id GROUP BY id",
        )?
        .query_map([], |row| {
            let (events, newest): (i64, Option<i64>) = (row.get(3)?, row.get(4)?);
            let there = (row.get(1)?, row.get(2)?, events.unsigned_abs());
            Ok((row.get(0)?, (there, newest.unwrap_or(0))))
        })?
        .collect::<Result<_>>()?;
    let changes = departures::changes(acknowledged);
    for Departure { sequence, job, uuid, from, .. } in departures.those_moved() {
        let events = changes.get(job).copied().unwrap_or(0);
        let there = found.get(job).map(|(there, _)| there);
        // Somebody may not have told of all that it did.
        let more = there.map(|there| there.2).filter(|there| doubtful && *there > events);
        let status = from.clone().unwrap_or_default();
        let left = (uuid.replace('-', ""), status, more.unwrap_or(events));
        check.must_be(|| format!("job {job} (uuid, status, events)"), &left, there);
        if let Some((_, newest)) = found.get(job).filter(|(_, newest)| newest >= sequence) {
            check.fault(|| format!("job {job} left with event {sequence}, and has event {newest}"));
        }
    }
    Ok(check)
}

/// Of each job there is every attempt, the last one with its end.
fn attempts(second: &Connection) -> Result<Check> {
    let mut check = Check::new("every job has its attempts");
    let mut statement = second.prepare(
        "SELECT jobs.id, jobs.attempt, count(job_attempts.attempt),
             max(CASE WHEN job_attempts.attempt = jobs.attempt THEN outcome END) IS lower(jobs.status)
         FROM jobs LEFT JOIN job_attempts ON job_id = id GROUP BY 1",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (job, attempt, there): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        check.looked_at += 1;
        if there != attempt || !row.get::<_, bool>(3)? {
            check.fault(|| format!("job {job} ended in attempt {attempt}, and has {there} ends"));
        }
    }
    Ok(check)
}

/// Nobody renames a cluster in a run.
fn clusters(first: &Connection, second: &Connection) -> Result<Check> {
    let mut check = Check::new("the clusters of moved jobs have their names");
    let read = |of: &Connection| -> Result<BTreeMap<i64, String>> {
        let mut statement = of.prepare("SELECT id, name FROM clusters")?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    };
    let here = read(first)?;
    for (cluster, name) in read(second)? {
        check.looked_at += 1;
        if here.get(&cluster).is_some_and(|here| *here != name) {
            check.fault(|| format!("cluster {cluster} is {name} in the second store"));
        }
    }
    Ok(check)
}
