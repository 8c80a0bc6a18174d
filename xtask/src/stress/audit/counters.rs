//! What the store counts as it goes, counted again from the rows.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Result};

use super::check::Check;

pub fn checks(connection: &Connection) -> Result<Vec<Check>> {
    Ok(vec![dependencies(connection)?, loads(connection)?])
}

/// What a dependency says: whether to wait, and whether it can no longer be met.
pub fn verdict(kind: &str, parent: &str) -> (i64, i64) {
    match (kind, parent) {
        (_, "PENDING" | "QUEUED" | "RUNNING") => (1, 0),
        ("after_ok", "COMPLETED") => (0, 0),
        ("after_any", "COMPLETED" | "FAILED" | "CANCELLED") => (0, 0),
        ("after_failed", "FAILED") => (0, 0),
        _ => (0, 1),
    }
}

fn dependencies(connection: &Connection) -> Result<Check> {
    let mut check = Check::new("the counters of unmet dependencies are those of a recount");
    let mut counted: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    let mut statement = connection.prepare(
        "SELECT edges.job_id, edges.kind, parents.status
         FROM job_dependencies AS edges JOIN jobs AS parents ON parents.id = edges.depends_on",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (job, kind, parent): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (waiting, unsatisfiable) = verdict(&kind, &parent);
        let counters = counted.entry(job).or_default();
        *counters = (counters.0 + waiting, counters.1 + unsatisfiable);
    }
    // Jobs that are neither PENDING nor QUEUED have no row there, and so no counters.
    let mut statement = connection.prepare(
        "SELECT jobs.id, jobs.status IN ('PENDING', 'QUEUED'),
             queue.obstacles - queue.unsatisfiable - (jobs.status = 'PENDING')
                 - (queue.delayed_until IS NOT NULL),
             queue.unsatisfiable
         FROM jobs NOT INDEXED LEFT JOIN job_queue AS queue ON queue.job_id = jobs.id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (job, waits): (i64, bool) = (row.get(0)?, row.get(1)?);
        let kept: (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
        let counted = counted.get(&job).copied().unwrap_or_default();
        let counted = if waits { (Some(counted.0), Some(counted.1)) } else { (None, None) };
        check.looked_at += 1;
        if kept != counted {
            check.fault(|| {
                format!("job {job} has {kept:?} (waiting, unsatisfiable) on record, {counted:?} are there")
            });
        }
    }
    Ok(check)
}

/// Jobs, nodes, cores and MiB.
type Load = [i64; 4];

fn loads(connection: &Connection) -> Result<Check> {
    let mut check = Check::new("what clusters are loaded with is that of a recount");
    let read = |query| -> Result<BTreeMap<i64, Load>> {
        connection
            .prepare(query)?
            .query_map([], |row| {
                Ok((row.get(0)?, [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]))
            })?
            .collect()
    };
    let kept = read("SELECT cluster_id, running, nodes, cores, memory_mib FROM cluster_loads")?;
    let counted = read(
        "SELECT cluster_id, count(*), sum(coalesce(nodes, 1)),
             sum(coalesce(mpi_ranks, 1) * coalesce(threads, 1)), sum(coalesce(memory_mib, 0))
         FROM jobs NOT INDEXED WHERE status = 'RUNNING' AND cluster_id IS NOT NULL GROUP BY 1",
    )?;
    for cluster in kept.keys().chain(counted.keys()).collect::<BTreeSet<_>>() {
        let load = |of: &BTreeMap<i64, Load>| of.get(cluster).copied().unwrap_or_default();
        let (kept, counted) = (load(&kept), load(&counted));
        check.looked_at += 1;
        if kept != counted {
            check.fault(|| {
                format!("cluster {cluster} has {kept:?} (jobs, nodes, cores, MiB) on record, {counted:?} run")
            });
        }
    }
    Ok(check)
}
