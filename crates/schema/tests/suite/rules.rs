//! The rules that the database keeps whoever writes to it.

use rusqlite::{Connection, ErrorCode};
use schema::migrations::embedded;

use crate::{TestResult, migrated};

const STATUSES: [&str; 6] = ["PENDING", "QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"];

/// A job of a status, with the times that the status asks for.
fn job(connection: &Connection, id: i64, status: &str) -> TestResult {
    connection.execute(
        "INSERT INTO jobs (id, uuid, name, work_dir, status, code, runner, created_at, queued_at,
             started_at, finished_at, updated_at)
         VALUES (?1, randomblob(16), 'job', '/jobs/' || ?1, ?2, 'crystal', 'local', 1, 1, 1,
             iif(?2 IN ('COMPLETED', 'FAILED', 'CANCELLED'), 1, NULL), 1)",
        (id, status),
    )?;
    Ok(())
}

/// Changes status and attempt as a writer would, with the time that a terminal status asks for.
fn change(connection: &Connection, id: i64, to: &str, attempts: i64) -> rusqlite::Result<usize> {
    connection.execute(
        "UPDATE jobs SET status = ?2, attempt = attempt + ?3,
             finished_at = iif(?2 IN ('COMPLETED', 'FAILED', 'CANCELLED'), 1, NULL)
         WHERE id = ?1",
        (id, to, attempts),
    )
}

fn counts(connection: &Connection, query: &str) -> TestResult<Vec<(bool, String, i64)>> {
    let mut statement = connection.prepare(query)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn assert_counts(connection: &Connection) -> TestResult {
    let kept = counts(
        connection,
        "SELECT archived, status, jobs FROM job_counts WHERE jobs > 0 ORDER BY 1, 2",
    )?;
    let scanned = counts(
        connection,
        "SELECT archived, status, count(*) FROM jobs GROUP BY 1, 2 ORDER BY 1, 2",
    )?;
    assert_eq!(kept, scanned);
    Ok(())
}

#[test]
fn a_status_changes_only_as_the_machine_allows() -> TestResult {
    let connection = migrated(&embedded())?;
    let live = ["PENDING", "QUEUED", "RUNNING"];
    let mut id = 0;
    for from in STATUSES {
        for to in STATUSES {
            for attempts in [-1, 0, 1, 2] {
                id += 1;
                job(&connection, id, from)?;
                let retries = matches!(from, "FAILED" | "CANCELLED");
                let requeued = (from, to) == ("RUNNING", "QUEUED");
                let allowed = match attempts {
                    0 if from == to => true,
                    0 => {
                        live.contains(&from) && to != "PENDING"
                            || (from, to) == ("QUEUED", "PENDING")
                    }
                    1 => requeued || retries && matches!(to, "PENDING" | "QUEUED"),
                    _ => false,
                };
                match change(&connection, id, to, attempts) {
                    Ok(_) => assert!(allowed, "{from} became {to}, attempt by {attempts}"),
                    Err(error) => {
                        assert!(!allowed, "{from} to {to}, attempt by {attempts}: {error}");
                        let code = error.sqlite_error_code();
                        assert_eq!(code, Some(ErrorCode::ConstraintViolation), "{error}");
                    }
                }
            }
        }
    }
    assert_counts(&connection)
}

#[test]
fn the_counts_follow_every_change() -> TestResult {
    let connection = migrated(&embedded())?;
    for (id, status) in (1..).zip(STATUSES) {
        job(&connection, id, status)?;
    }
    for change in [
        "UPDATE jobs SET status = 'QUEUED' WHERE id = 1",
        "UPDATE jobs SET archived_at = 5 WHERE id IN (1, 4)",
        "UPDATE jobs SET archived_at = 6 WHERE id = 4",
        "UPDATE jobs SET status = 'RUNNING', archived_at = NULL WHERE id = 1",
        "DELETE FROM jobs WHERE id IN (4, 5)",
    ] {
        connection.execute(change, [])?;
        assert_counts(&connection)?;
    }
    Ok(())
}

#[test]
fn every_check_refuses_with_a_constraint() -> TestResult {
    let connection = migrated(&embedded())?;
    job(&connection, 1, "PENDING")?;
    job(&connection, 2, "COMPLETED")?;
    for refused in [
        "UPDATE jobs SET uuid = x'00'",
        "UPDATE jobs SET name = ''",
        "UPDATE jobs SET work_dir = 'relative' WHERE id = 1",
        "UPDATE jobs SET work_dir = '/jobs/2' WHERE id = 1",
        "UPDATE jobs SET code = 'Crystal'",
        "UPDATE jobs SET runner = 'cloud'",
        "UPDATE jobs SET priority = 2147483648",
        "UPDATE jobs SET nodes = 0",
        "UPDATE jobs SET created_at = 'today'",
        "UPDATE jobs SET finished_at = NULL WHERE id = 2",
        "UPDATE jobs SET finished_at = 1 WHERE id = 1",
        "UPDATE jobs SET queued_at = NULL, status = 'QUEUED' WHERE id = 1",
        "UPDATE jobs SET cluster_id = 9",
        "INSERT INTO clusters (name, kind, hostname, settings, created_at, updated_at)
             VALUES ('a', 'ssh', 'host', '{', 1, 1)",
        "INSERT INTO clusters (name, kind, hostname, setup_commands, created_at, updated_at)
             VALUES ('a', 'ssh', 'host', '{}', 1, 1)",
        "INSERT INTO job_dependencies VALUES (1, 1, 'after_ok', 1)",
        "INSERT INTO job_input_files VALUES (1, 'INPUT', '')",
        "INSERT INTO job_results (job_id, attempt, energy, energy_unit, convergence,
             document_version, document, provenance, recorded_at)
             VALUES (2, 1, 9e999, 'hartree', 'converged', 1, '{}', '{}', 1)",
        "INSERT INTO job_results (job_id, attempt, energy, convergence, document_version,
             document, provenance, recorded_at) VALUES (2, 1, 1.0, 'converged', 1, '{}', '{}', 1)",
        "INSERT INTO job_events (job_id, attempt, at, kind, actor) VALUES (1, 1, 1, 'Bad', 'me')",
    ] {
        let error = connection.execute(refused, []).expect_err(refused);
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::ConstraintViolation), "{refused}");
    }
    Ok(())
}

#[test]
fn jobs_from_before_there_was_a_history_get_one() -> TestResult {
    let set = embedded();
    let connection = migrated(&set.up_to(2))?;
    job(&connection, 5, "RUNNING")?;
    job(&connection, 6, "FAILED")?;
    crate::migrate(&connection, &set)?;
    let mut statement = connection.prepare(
        "SELECT job_id || ' ' || kind || ' ' || to_status FROM job_events ORDER BY sequence",
    )?;
    let events: Vec<String> =
        statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    assert_eq!(events, ["5 imported RUNNING", "6 imported FAILED"]);
    Ok(())
}

#[test]
fn energies_of_different_units_compare() -> TestResult {
    let connection = migrated(&embedded())?;
    for (id, unit, energy) in
        [(1, "hartree", 1.0), (2, "rydberg", 2.0), (3, "electron_volt", 27.211386245981)]
    {
        job(&connection, id, "COMPLETED")?;
        connection.execute(
            "INSERT INTO job_results (job_id, attempt, energy, energy_unit, convergence,
                 document_version, document, provenance, recorded_at)
             VALUES (?1, 1, ?2, ?3, 'converged', 1, '{}', '{}', 1)",
            (id, energy, unit),
        )?;
    }
    let distinct: i64 =
        connection
            .query_row("SELECT count(DISTINCT energy_ev) FROM job_results", [], |row| row.get(0))?;
    assert_eq!(distinct, 1);
    Ok(())
}
