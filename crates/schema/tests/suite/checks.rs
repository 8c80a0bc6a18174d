//! The checks of jobs: what they accept, and that they compare instead of building tables.

use rusqlite::Connection;
use schema::data;
use schema::inspect::foreign_key_violations;
use schema::migrations::embedded;

use crate::{TestResult, migrate, migrated};

/// The last version in which a check of `jobs` builds a table.
const BEFORE_COMPARING: i32 = 8;

/// The tables that a worker writes for each job.
const WRITTEN_FOR_EACH_JOB: [&str; 9] = [
    "jobs",
    "job_queue",
    "job_inputs",
    "job_input_files",
    "job_leases",
    "job_attempts",
    "job_dependencies",
    "job_events",
    "job_counts",
];

/// The tables for whose checks a new row makes SQLite build a table first.
fn tables_that_build(connection: &Connection) -> TestResult<Vec<&'static str>> {
    // What triggers do is not what the checks do.
    let mut triggers =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")?;
    let triggers: Vec<String> =
        triggers.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for trigger in triggers {
        connection.execute_batch(&format!("DROP TRIGGER {trigger}"))?;
    }
    let mut building = Vec::new();
    for table in WRITTEN_FOR_EACH_JOB {
        let mut program =
            connection.prepare(&format!("EXPLAIN INSERT INTO {table} DEFAULT VALUES"))?;
        let steps: Vec<String> =
            program.query_map([], |row| row.get(1))?.collect::<Result<_, _>>()?;
        assert!(
            steps.iter().any(|step| step == "Insert" || step == "IdxInsert"),
            "{table}: {steps:?}"
        );
        if steps.iter().any(|step| step == "OpenEphemeral") {
            building.push(table);
        }
    }
    Ok(building)
}

#[test]
fn no_check_of_what_is_written_for_each_job_builds_a_table() -> TestResult {
    assert_eq!(tables_that_build(&migrated(&embedded())?)?, [""; 0]);
    assert_eq!(tables_that_build(&migrated(&embedded().up_to(BEFORE_COMPARING))?)?, ["jobs"]);
    Ok(())
}

/// What becomes of a job with each of many statuses, runners, ends and sources.
fn verdicts(connection: &Connection) -> TestResult<Vec<(String, bool)>> {
    let statuses =
        ["PENDING", "QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "DONE", "queued", ""];
    let runners = ["local", "ssh", "slurm", "pbs", "SLURM", ""];
    let mut verdicts = Vec::new();
    for status in statuses {
        for runner in runners {
            for (finished, source) in [
                ("NULL", "NULL"),
                ("7", "NULL"),
                ("7", "zeroblob(16)"),
                ("7", "zeroblob(15)"),
                ("NULL", "zeroblob(16)"),
            ] {
                let sql = format!(
                    "INSERT INTO jobs (uuid, name, work_dir, status, code, runner, created_at, queued_at,
                         started_at, finished_at, cached_from, updated_at)
                     VALUES (randomblob(16), 'job', '/jobs/{}', '{status}', 'crystal', '{runner}', 1, 1,
                         1, {finished}, {source}, 1)",
                    verdicts.len()
                );
                let name = format!("{status} {runner} {finished} {source}");
                verdicts.push((name, connection.execute(&sql, []).is_ok()));
            }
        }
    }
    Ok(verdicts)
}

#[test]
fn comparing_accepts_what_was_accepted() -> TestResult {
    let now = verdicts(&migrated(&embedded())?)?;
    assert_eq!(now, verdicts(&migrated(&embedded().up_to(BEFORE_COMPARING))?)?);
    // Three statuses without an end and three with one, of three runners; one may have a source.
    assert_eq!(now.iter().filter(|(_, accepted)| *accepted).count(), (3 + 3 + 1) * 3);
    Ok(())
}

#[test]
fn jobs_that_are_made_anew_lose_nothing() -> TestResult {
    let set = embedded().up_to(BEFORE_COMPARING + 1);
    let connection = migrated(&set.up_to(BEFORE_COMPARING))?;
    connection.execute_batch(
        "INSERT INTO clusters (id, name, kind, hostname, created_at, updated_at)
             VALUES (1, 'a', 'slurm', 'host', 1, 1);
         INSERT INTO jobs (id, uuid, name, work_dir, status, attempt, code, runner, workflow, priority,
             nodes, mpi_ranks, threads, pid, host, idempotency_key, created_at, queued_at, started_at,
             finished_at, updated_at, archived_at, cluster_id, memory_mib, not_before, policy, claims)
             VALUES (1, randomblob(16), 'a', '/a', 'QUEUED', 2, 'crystal', 'slurm', 'scan', 3,
                 4, 5, 6, 7, 'host', 'key', 8, 9, 10, NULL, 11, NULL, 1, 12, 13, '{}', 14),
                 (2, randomblob(16), 'b', '/b', 'COMPLETED', 1, 'vasp', 'local', NULL, 0,
                 NULL, NULL, NULL, NULL, NULL, NULL, 1, 2, 3, 4, 5, 6, NULL, NULL, NULL, NULL, 0),
                 (3, randomblob(16), 'c', '/c', 'RUNNING', 1, 'vasp', 'local', NULL, 0,
                 NULL, NULL, NULL, NULL, NULL, NULL, 1, 2, 3, NULL, 5, NULL, 1, NULL, NULL, NULL, 1),
                 (41, randomblob(16), 'd', '/d', 'PENDING', 1, 'vasp', 'local', NULL, 0,
                 NULL, NULL, NULL, NULL, NULL, NULL, 1, NULL, NULL, NULL, 5, NULL, NULL, NULL, NULL, NULL, 0);
         UPDATE jobs SET cached_from = zeroblob(16) WHERE id = 2;
         UPDATE jobs SET cancel_requested_at = 6, probe_since = 7 WHERE id = 3;
         INSERT INTO job_dependencies (job_id, depends_on, kind, created_at) VALUES (1, 2, 'after_ok', 1);
         INSERT INTO job_tags (job_id, key, value, created_at) VALUES (1, 'owner', 'Ada', 8);
         INSERT INTO job_inputs (job_id, sha256, updated_at) VALUES (1, zeroblob(32), 1);
         INSERT INTO job_events (job_id, attempt, at, kind, actor) VALUES (1, 1, 1, 'created', 'ada');
         DELETE FROM jobs WHERE id = 41;",
    )?;
    let before = data::rows(&connection)?;
    migrate(&connection, &set)?;
    assert_eq!(data::rows(&connection)?, before);
    assert_eq!(foreign_key_violations(&connection)?, []);
    // The id that was given out last does not come back, and what belongs to a job goes with it.
    connection.execute(
        "INSERT INTO jobs (uuid, name, work_dir, status, code, runner, created_at, updated_at)
             VALUES (randomblob(16), 'e', '/e', 'PENDING', 'vasp', 'local', 1, 1)",
        [],
    )?;
    assert_eq!(connection.last_insert_rowid(), 42);
    connection.execute("DELETE FROM jobs WHERE id = 1", [])?;
    let rows = data::rows(&connection)?;
    for table in ["job_tags", "job_inputs", "job_events", "job_dependencies"] {
        assert!(rows[table].is_empty(), "{table}: {:?}", rows[table]);
    }
    Ok(())
}
