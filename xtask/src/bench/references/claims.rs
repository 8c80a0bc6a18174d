//! Claims and the ends of runs, by hand: the same rows that the store writes.

use rusqlite::{Connection, params};
use serde_json::json;
use store_core::{Clock, JobStatus, SystemClock};

use super::rows;
use crate::bench::claims::{LEASE, worker};

/// A job that was claimed, and under which token.
pub type Held = (i64, i64);

/// Takes the best of what can be claimed; all of it is of one kind here, so that there is one lane.
pub fn claim(connection: &Connection, most: u32) -> rusqlite::Result<Vec<Held>> {
    let mut best = connection.prepare_cached(
        "SELECT job_id FROM job_queue INDEXED BY job_queue_claimable WHERE obstacles = 0 \
         ORDER BY lane_id, priority DESC, job_id LIMIT ?1 + 0",
    )?;
    let found: Vec<i64> = best.query_map([most], |row| row.get(0))?.collect::<Result<_, _>>()?;
    found.into_iter().map(|job| start(connection, job)).collect()
}

fn start(connection: &Connection, job: i64) -> rusqlite::Result<Held> {
    let now = SystemClock.now();
    let worker = worker();
    let (host, pid) = (&worker.process.host, worker.process.pid);
    // A worker reads what it is to run.
    rows::job(connection, job)?;
    let token: i64 = connection
        .prepare_cached(
            "UPDATE jobs SET status = 'RUNNING', pid = ?2, host = ?3, started_at = ?4, \
             updated_at = ?4, claims = claims + 1 WHERE id = ?1 RETURNING claims",
        )?
        .query_one(params![job, pid, host, now.as_micros()], |row| row.get(0))?;
    connection
        .prepare_cached(
            "INSERT INTO job_leases (job_id, attempt, token, worker, host, pid, boot_id, \
             pid_started_at, claimed_at, expires_at) VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            job,
            token,
            worker.name,
            host,
            pid,
            worker.boot_id,
            worker.pid_started_at,
            now.as_micros(),
            (now + LEASE).as_micros(),
        ])?;
    let detail = json!({ "worker": worker.name, "token": token });
    let change = (Some(JobStatus::Queued), Some(JobStatus::Running));
    rows::insert_event(connection, job, now.as_micros(), "claimed", change, Some(&detail))?;
    Ok((job, token))
}

/// Ends the run of a job well, if it is still held under this token.
pub fn complete(connection: &Connection, (job, token): Held) -> rusqlite::Result<()> {
    let now = SystemClock.now().as_micros();
    let ended = connection
        .prepare_cached(
            "UPDATE jobs SET status = 'COMPLETED', finished_at = ?3, updated_at = ?3 \
             WHERE id = ?1 AND status = 'RUNNING' AND claims = ?2",
        )?
        .execute([job, token, now])?;
    if ended != 1 {
        return Err(rusqlite::Error::StatementChangedRows(ended));
    }
    connection
        .prepare_cached(
            "INSERT INTO job_attempts (job_id, attempt, outcome, token, worker, host, pid, queued_at, \
             started_at, ended_at) SELECT jobs.id, jobs.attempt, 'completed', leases.token, \
             leases.worker, leases.host, leases.pid, jobs.queued_at, jobs.started_at, ?2 \
             FROM jobs CROSS JOIN job_leases AS leases ON leases.job_id = jobs.id WHERE jobs.id = ?1",
        )?
        .execute([job, now])?;
    connection.prepare_cached("DELETE FROM job_leases WHERE job_id = ?1")?.execute([job])?;
    let change = (Some(JobStatus::Running), Some(JobStatus::Completed));
    rows::insert_event(connection, job, now, "status_changed", change, None)
}
