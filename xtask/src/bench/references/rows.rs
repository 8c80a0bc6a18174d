//! The rows, by hand: the same ones that the store writes and reads.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params};
use serde_json::{Value, json};
use store_core::{
    Clock, Energy, InputDeck, JobStatus, JobUuid, NewJob, NewResult, Placement, SystemClock,
};

use store_sqlite::worker::this_process;

use crate::bench::drafts::ACTOR;

/// A job as it is read.
#[derive(Debug)]
#[expect(dead_code, reason = "whoever reads a job reads all of it, as the store does")]
pub struct JobRow {
    pub id: i64,
    pub uuid: [u8; 16],
    pub name: String,
    pub work_dir: String,
    pub status: String,
    pub attempt: u32,
    pub code: String,
    pub runner: String,
    pub workflow: Option<String>,
    pub cluster: Option<i64>,
    pub nodes: Option<u32>,
    pub mpi_ranks: Option<u32>,
    pub threads: Option<u32>,
    pub pid: Option<u32>,
    pub host: Option<String>,
    pub priority: i32,
    pub idempotency_key: Option<String>,
    pub created_at: i64,
    pub queued_at: Option<i64>,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
    pub updated_at: i64,
    pub archived_at: Option<i64>,
    pub memory_mib: Option<u32>,
    pub not_before: Option<i64>,
    pub policy: Option<String>,
    pub cancel_requested_at: Option<i64>,
    pub probe_since: Option<i64>,
    pub cached_from: Option<[u8; 16]>,
}

macro_rules! columns {
    () => {
        "id, uuid, name, work_dir, status, attempt, code, runner, workflow, cluster_id, nodes, \
         mpi_ranks, threads, pid, host, priority, idempotency_key, created_at, queued_at, \
         started_at, finished_at, updated_at, archived_at, memory_mib, not_before, policy, \
         cancel_requested_at, probe_since, cached_from"
    };
}

fn decode(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    Ok(JobRow {
        id: row.get(0)?,
        uuid: row.get(1)?,
        name: row.get(2)?,
        work_dir: row.get(3)?,
        status: row.get(4)?,
        attempt: row.get(5)?,
        code: row.get(6)?,
        runner: row.get(7)?,
        workflow: row.get(8)?,
        cluster: row.get(9)?,
        nodes: row.get(10)?,
        mpi_ranks: row.get(11)?,
        threads: row.get(12)?,
        pid: row.get(13)?,
        host: row.get(14)?,
        priority: row.get(15)?,
        idempotency_key: row.get(16)?,
        created_at: row.get(17)?,
        queued_at: row.get(18)?,
        started_at: row.get(19)?,
        finished_at: row.get(20)?,
        updated_at: row.get(21)?,
        archived_at: row.get(22)?,
        memory_mib: row.get(23)?,
        not_before: row.get(24)?,
        policy: row.get(25)?,
        cancel_requested_at: row.get(26)?,
        probe_since: row.get(27)?,
        cached_from: row.get(28)?,
    })
}

/// A job, its input and its event.
pub fn insert_job(connection: &Connection, new: &NewJob) -> rusqlite::Result<i64> {
    let moment = SystemClock.now();
    let now = moment.as_micros();
    let work_dir = match &new.placement {
        Placement::At(dir) | Placement::Under(dir) => dir.as_str(),
    };
    connection
        .prepare_cached(
            "INSERT INTO jobs (uuid, name, work_dir, status, code, runner, workflow, cluster_id, \
             nodes, mpi_ranks, threads, priority, idempotency_key, created_at, queued_at, updated_at) \
             VALUES (?1, ?2, ?3, 'PENDING', ?4, ?5, ?6, NULL, ?7, ?8, ?9, ?10, ?11, ?12, NULL, ?12)",
        )?
        .execute(params![
            JobUuid::new_at(moment).as_bytes().as_slice(),
            new.name,
            work_dir,
            new.code.as_str(),
            new.runner.as_str(),
            new.workflow,
            new.parallelism.nodes,
            new.parallelism.mpi_ranks,
            new.parallelism.threads,
            new.priority,
            new.idempotency_key,
            now,
        ])?;
    let id = connection.last_insert_rowid();
    if let Some(deck) = &new.input {
        connection
            .prepare_cached(
                "INSERT INTO job_inputs (job_id, sha256, updated_at) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![id, InputDeck::hash(deck).as_bytes().as_slice(), now])?;
        for (name, content) in deck.files() {
            connection
                .prepare_cached(
                    "INSERT INTO job_input_files (job_id, name, content) VALUES (?1, ?2, ?3)",
                )?
                .execute(params![id, name, content])?;
        }
    }
    insert_event(connection, id, now, "created", (None, Some(JobStatus::Pending)), None)?;
    Ok(id)
}

pub fn insert_event(
    connection: &Connection,
    job: i64,
    now: i64,
    kind: &str,
    (from, to): (Option<JobStatus>, Option<JobStatus>),
    detail: Option<&Value>,
) -> rusqlite::Result<()> {
    let detail = detail.map_or_else(|| "{}".to_owned(), Value::to_string);
    connection
        .prepare_cached(
            "INSERT INTO job_events (job_id, attempt, at, kind, from_status, to_status, actor, \
             detail, host, pid) VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            job,
            now,
            kind,
            from.map(JobStatus::as_str),
            to.map(JobStatus::as_str),
            ACTOR,
            detail,
            this_process().host,
            this_process().pid
        ])
        .map(drop)
}

/// A status, if it is still what it was, and its event.
pub fn update_status(
    connection: &Connection,
    job: i64,
    from: JobStatus,
    to: JobStatus,
) -> rusqlite::Result<()> {
    let now = SystemClock.now().as_micros();
    let changed = connection
        .prepare_cached(
            "UPDATE jobs SET status = ?3, updated_at = ?4, \
             queued_at = CASE ?3 WHEN 'QUEUED' THEN ?4 WHEN 'PENDING' THEN NULL ELSE queued_at END, \
             started_at = CASE ?3 WHEN 'RUNNING' THEN coalesce(started_at, ?4) ELSE started_at END, \
             finished_at = CASE WHEN ?3 IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN ?4 END \
             WHERE id = ?1 AND status = ?2",
        )?
        .execute(params![job, from.as_str(), to.as_str(), now])?;
    if changed != 1 {
        return Err(rusqlite::Error::StatementChangedRows(changed));
    }
    if to.is_terminal() {
        connection
            .prepare_cached(
                "INSERT INTO job_attempts (job_id, attempt, outcome, queued_at, started_at, ended_at) \
                 SELECT id, attempt, lower(status), queued_at, started_at, finished_at FROM jobs \
                 WHERE id = ?1",
            )?
            .execute([job])?;
    }
    insert_event(connection, job, now, "status_changed", (Some(from), Some(to)), None)
}

/// A result and its event.
pub fn insert_result(
    connection: &Connection,
    job: i64,
    result: &NewResult,
) -> rusqlite::Result<()> {
    let now = SystemClock.now().as_micros();
    connection
        .prepare_cached(
            "INSERT INTO job_results (job_id, attempt, energy, energy_unit, convergence, scf_cycles, \
             cpu_seconds, wall_seconds, document_version, document, provenance, recorded_at) \
             VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, '{}', ?10)",
        )?
        .execute(params![
            job,
            result.energy.map(Energy::value),
            result.energy.map(|energy| energy.unit().as_str()),
            result.convergence.as_str(),
            result.scf_cycles,
            result.cpu_seconds,
            result.wall_seconds,
            result.document.version,
            result.document.body.to_string(),
            now,
        ])?;
    let detail = json!({
        "convergence": result.convergence.as_str(),
        "energy_ev": result.energy.map(Energy::electron_volts),
    });
    insert_event(connection, job, now, "result_recorded", (None, None), Some(&detail))
}

/// A job by its id.
pub fn job(connection: &Connection, id: i64) -> rusqlite::Result<JobRow> {
    connection
        .prepare_cached(concat!("SELECT ", columns!(), " FROM jobs WHERE id = ?1"))?
        .query_one([id], decode)
}

/// The newest jobs after a place in the list.
pub fn newest(
    connection: &Connection,
    jobs: u32,
    after: Option<(i64, i64)>,
) -> rusqlite::Result<Vec<JobRow>> {
    let (created_at, id) = after.unwrap_or((i64::MAX, i64::MAX));
    connection
        .prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM jobs INDEXED BY jobs_by_created WHERE archived = 0 AND (created_at, id) < (?1, ?2) \
             ORDER BY created_at DESC, id DESC LIMIT ?3"
        ))?
        .query_map(params![created_at, id, jobs], decode)?
        .collect()
}

/// The statuses of jobs.
pub fn statuses(connection: &Connection, ids: &[i64]) -> rusqlite::Result<BTreeMap<i64, String>> {
    let wanted = json!(ids).to_string();
    connection
        .prepare_cached(
            "SELECT id, status FROM jobs WHERE id IN (SELECT value FROM json_each(?1))",
        )?
        .query_map([wanted], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::client::{Client, Trouble};
    use crate::bench::drafts::{self, Drafts};
    use crate::bench::graphs::graph;
    use crate::bench::ours::{self, Ours};
    use crate::bench::references::connection;
    use crate::bench::references::limit::Limit;
    use crate::bench::references::raw::Raw;
    use crate::failure::{Context, Failure, Result};
    use crate::shared::choices::Durability;

    fn write(client: &mut dyn Client) -> Result<()> {
        let told = |trouble| match trouble {
            Trouble::Locked => Failure::new("locked"),
            Trouble::Failed(failure) => failure,
        };
        let (mut drafts, result) = (Drafts::new(1, 1)?, drafts::result()?);
        let one = client.create(&drafts.next()?).map_err(told)?;
        client.create_many(&drafts.take(2)?).map_err(told)?;
        let steps = [JobStatus::Queued, JobStatus::Pending, JobStatus::Queued, JobStatus::Running];
        let mut from = JobStatus::Pending;
        for to in steps {
            client.change_status(one, from, to).map_err(told)?;
            from = to;
        }
        client.finish(one, &result).map_err(told)?;
        client.write_result(one + 1, &result).map_err(told)?;
        let first = one + 3;
        client.create_workflow(&graph(&mut drafts, 1, 20, 40)?).map_err(told)?;
        for (from, to) in
            [(JobStatus::Pending, JobStatus::Queued), (JobStatus::Queued, JobStatus::Running)]
        {
            client.change_status(first, from, to).map_err(told)?;
        }
        client.finish_parent(first).map_err(told)?;
        let (from, to) = (JobStatus::Pending, JobStatus::Queued);
        client.change_statuses(&[(one + 1, from, to), (one + 2, from, to)]).map_err(told)?;
        assert_eq!(client.claim(2, true).map_err(told)?, 2);
        client.write_results(&[one + 2, first], &result).map_err(told)
    }

    /// Every row, but for identities; a time says only whether there is one.
    fn dump(connection: &Connection) -> rusqlite::Result<Vec<String>> {
        let mut dump = Vec::new();
        let tables = [
            "jobs",
            "job_inputs",
            "job_input_files",
            "job_results",
            "job_attempts",
            "job_leases",
            "job_dependencies",
            "job_queue",
            "job_events",
            "job_counts",
        ];
        for table in tables {
            let mut statement = connection.prepare(&format!("SELECT * FROM {table}"))?;
            let names: Vec<String> =
                statement.column_names().into_iter().map(str::to_owned).collect();
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                for (index, name) in names.iter().enumerate() {
                    let value: rusqlite::types::Value = row.get(index)?;
                    let is_time = name.ends_with("_at") || name == "at";
                    let shown = match value {
                        rusqlite::types::Value::Integer(_) if is_time => "a time".to_owned(),
                        _ if name == "uuid" => "an identity".to_owned(),
                        other => format!("{other:?}"),
                    };
                    dump.push(format!("{table}.{name}: {shown}"));
                }
            }
        }
        Ok(dump)
    }

    /// The columns that the store reads of a job: all but those that say how it is kept.
    #[test]
    fn a_job_is_read_as_the_store_reads_it() -> Result<()> {
        let folder = tempfile::tempdir().doing(|| "make a folder".to_owned())?;
        let database = folder.path().join("project.db");
        ours::open(&database, Durability::Normal)?.close().doing(|| "close".to_owned())?;
        let told = || "read the columns of jobs".to_owned();
        let connection = connection::open(&database).doing(told)?;
        let sql = "SELECT name FROM pragma_table_xinfo('jobs') \
                   WHERE name NOT IN ('archived', 'claims', 'lane_id')";
        let mut statement = connection.prepare(sql).doing(told)?;
        let names = statement.query_map([], |row| row.get(0));
        let mut there: Vec<String> = names.and_then(Iterator::collect).doing(told)?;
        let mut read: Vec<&str> = columns!().split(", ").collect();
        there.sort();
        read.sort_unstable();
        assert_eq!(read, there);
        Ok(())
    }

    #[test]
    fn the_rows_are_those_that_the_store_writes() -> Result<()> {
        let folder = tempfile::tempdir().doing(|| "make a folder".to_owned())?;
        let [one, other] = ["ours.db", "theirs.db"].map(|name| folder.path().join(name));
        for database in [&one, &other] {
            ours::open(database, Durability::Normal)?.close().doing(|| "close".to_owned())?;
        }
        let store = ours::open(&one, Durability::Normal)?;
        write(&mut Ours::new(&store))?;
        store.close().doing(|| "close".to_owned())?;
        let open =
            |database: &std::path::Path| connection::open_set_up(database, Durability::Normal);
        let theirs = open(&other).doing(|| "open".to_owned())?;
        write(&mut Raw(Limit(theirs)))?;
        let dumps = [one, other].map(|database| open(&database).and_then(|found| dump(&found)));
        let [ours, theirs] = dumps.map(|dumped| dumped.doing(|| "dump the rows".to_owned()));
        let (ours, theirs) = (ours?, theirs?);
        assert!(ours.len() > 100, "{ours:?}");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs);
        }
        assert_eq!(ours.len(), theirs.len());
        Ok(())
    }
}
