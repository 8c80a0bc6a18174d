//! The database as a whole: what is unique, what is counted, and what SQLite says.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Result};

use super::acknowledged::Acknowledged;
use super::check::Check;
use crate::stress::effect::Effect;
use crate::stress::plan::Plan;

pub fn checks(
    connection: &Connection,
    plan: &Plan,
    acknowledged: &Acknowledged,
) -> Result<Vec<Check>> {
    let mut checks = vec![keys(connection, plan, acknowledged)?];
    checks.extend(of_a_store(connection)?);
    Ok(checks)
}

/// What is so of every store, whoever wrote it.
pub fn of_a_store(connection: &Connection) -> Result<Vec<Check>> {
    Ok(vec![
        unique(connection)?,
        counts(connection)?,
        foreign_keys(connection)?,
        whole(connection)?,
    ])
}

/// The keys of this run, without the help of the index on them.
fn keys(connection: &Connection, plan: &Plan, acknowledged: &Acknowledged) -> Result<Check> {
    let mut check = Check::new("every idempotency key made one job");
    let mut told = BTreeSet::new();
    for effect in acknowledged.effects() {
        if let Effect::Created { key, .. } = effect {
            told.insert(key.as_str());
        }
    }
    let mut statement = connection.prepare(
        "SELECT idempotency_key, count(*) FROM jobs NOT INDEXED
         WHERE substr(idempotency_key, 1, length(?1) + 1) = ?1 || '/' GROUP BY 1",
    )?;
    let mut rows = statement.query([&plan.run])?;
    while let Some(row) = rows.next()? {
        let (key, jobs): (String, u64) = (row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs());
        check.looked_at += 1;
        if jobs > 1 {
            check.doubled(jobs - 1, || format!("key {key} made {jobs} jobs"));
        }
        let is_in_doubt =
            plan.whose(&key).is_some_and(|whose| acknowledged.in_doubt.contains(&whose));
        if !told.contains(key.as_str()) && !is_in_doubt {
            check.fault(|| format!("key {key} made a job that was never acknowledged"));
        }
    }
    Ok(check)
}

fn unique(connection: &Connection) -> Result<Check> {
    let mut check = Check::new("no two jobs share a directory or an identity");
    for column in ["work_dir", "uuid"] {
        let query =
            format!("SELECT group_concat(id), count(*) FROM jobs NOT INDEXED GROUP BY {column}");
        let mut statement = connection.prepare(&query)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (ids, jobs): (String, i64) = (row.get(0)?, row.get(1)?);
            check.looked_at += 1;
            if jobs > 1 {
                check.fault(|| format!("jobs {ids} have the same {column}"));
            }
        }
    }
    Ok(check)
}

fn counts(connection: &Connection) -> Result<Check> {
    let mut check = Check::new("the counts by status are those of a recount");
    let read = |query| -> Result<BTreeMap<(bool, String), i64>> {
        connection
            .prepare(query)?
            .query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?
            .collect()
    };
    let kept = read("SELECT archived, status, jobs FROM job_counts")?;
    let counted = read(
        "SELECT archived_at IS NOT NULL, status, count(*) FROM jobs NOT INDEXED GROUP BY 1, 2",
    )?;
    for place in kept.keys().chain(counted.keys()).collect::<BTreeSet<_>>() {
        let jobs = |of: &BTreeMap<_, i64>| of.get(place).copied().unwrap_or(0);
        let (kept, counted) = (jobs(&kept), jobs(&counted));
        check.looked_at += 1;
        if kept != counted {
            let (archived, status) = (if place.0 { "archived " } else { "" }, &place.1);
            check.fault(|| {
                format!("{kept} {archived}{status} jobs are on record, {counted} are there")
            });
        }
    }
    Ok(check)
}

fn foreign_keys(connection: &Connection) -> Result<Check> {
    let mut check = Check::new("no foreign key leads nowhere (foreign_key_check)");
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let mut rows = statement.query([])?;
    check.looked_at += 1;
    while let Some(row) = rows.next()? {
        let (table, id, parent): (String, Option<i64>, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        // A table without row ids has none to tell.
        let id = id.map_or_else(|| "?".to_owned(), |id| id.to_string());
        check.fault(|| format!("row {id} of {table} refers to no row of {parent}"));
    }
    Ok(check)
}

fn whole(connection: &Connection) -> Result<Check> {
    let mut check = Check::new("the file is whole (integrity_check)");
    let mut statement = connection.prepare("PRAGMA integrity_check")?;
    let mut rows = statement.query([])?;
    check.looked_at += 1;
    while let Some(row) = rows.next()? {
        let said: String = row.get(0)?;
        if said != "ok" {
            check.fault(|| said);
        }
    }
    Ok(check)
}
