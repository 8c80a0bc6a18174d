//! Graphs and the ends of parents, by hand: the same rows that the store writes.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use store_core::{Clock, DependencyKind, JobStatus, NewWorkflow, SystemClock};

use super::rows;

/// The jobs of a graph, its edges, and how many of those each job waits for.
pub fn insert(connection: &Connection, new: &NewWorkflow) -> rusqlite::Result<()> {
    let now = SystemClock.now().as_micros();
    let mut ids = HashMap::with_capacity(new.jobs.len());
    for (place, job) in new.jobs.iter().enumerate() {
        let id = rows::insert_job(connection, &new.job_at(place))?;
        ids.insert(job.local_name.as_str(), id);
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO job_dependencies (job_id, depends_on, kind, created_at) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let mut count = connection
        .prepare_cached("UPDATE job_queue SET obstacles = obstacles + ?2 WHERE job_id = ?1")?;
    for job in &new.jobs {
        let id = ids[job.local_name.as_str()];
        for (other, kind) in &job.after {
            insert.execute(params![id, ids[other.as_str()], kind.as_str(), now])?;
        }
        if !job.after.is_empty() {
            count.execute(params![id, job.after.len() as i64])?;
        }
    }
    Ok(())
}

/// Takes the work of a parent's end from the schema, so that it can be done by hand.
pub fn do_by_hand(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("DROP TRIGGER IF EXISTS jobs_dependents_on_update")
}

/// The end of a job, and an UPDATE for each that waits for it.
pub fn finish_parent(connection: &Connection, job: i64) -> rusqlite::Result<()> {
    rows::update_status(connection, job, JobStatus::Running, JobStatus::Completed)?;
    let mut children = connection.prepare_cached(
        "SELECT job_id FROM job_dependencies WHERE depends_on = ?1 AND kind = ?2",
    )?;
    let found = children
        .query_map(params![job, DependencyKind::AfterOk.as_str()], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<i64>>>()?;
    let mut update = connection
        .prepare_cached("UPDATE job_queue SET obstacles = obstacles - 1 WHERE job_id = ?1")?;
    found.into_iter().try_for_each(|child| update.execute([child]).map(drop))
}
