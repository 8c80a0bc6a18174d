//! What version 4 keeps by itself, whoever writes: lanes, loads, the queue with its counters of dependencies;
//! and what it makes of older rows.

use rusqlite::{Connection, ErrorCode};
use schema::migrations::embedded;

use crate::{TestResult, migrated};

fn job(connection: &Connection, id: i64, status: &str, columns: &str, values: &str) -> TestResult {
    connection.execute(
        &format!(
            "INSERT INTO jobs (id, uuid, name, work_dir, status, code, runner, created_at, queued_at,
                 started_at, finished_at, updated_at{columns})
             VALUES (?1, randomblob(16), 'job', '/jobs/' || ?1, ?2, 'crystal', 'slurm', 1, 1, 1,
                 iif(?2 IN ('COMPLETED', 'FAILED', 'CANCELLED'), 1, NULL), 1{values})"
        ),
        (id, status),
    )?;
    Ok(())
}

fn become_status(connection: &Connection, id: i64, to: &str, attempts: i64) -> TestResult {
    connection.execute(
        "UPDATE jobs SET status = ?2, attempt = attempt + ?3,
             finished_at = iif(?2 IN ('COMPLETED', 'FAILED', 'CANCELLED'), 1, NULL)
         WHERE id = ?1",
        (id, to, attempts),
    )?;
    Ok(())
}

/// The rows of a query, each as one text.
fn rows(connection: &Connection, query: &str) -> TestResult<Vec<String>> {
    let mut statement = connection.prepare(query)?;
    let rows = statement.query_map([], |row| row.get::<_, Option<String>>(0))?;
    Ok(rows.map(|row| Ok(row?.unwrap_or_default())).collect::<rusqlite::Result<_>>()?)
}

const CLUSTERS: &str = "INSERT INTO clusters (id, name, kind, hostname, created_at, updated_at)
                        VALUES (1, 'archer', 'slurm', 'a', 1, 1), (2, 'cirrus', 'slurm', 'c', 1, 1)";

/// The jobs whose lane is not the one that their row says.
const STRAY: &str = "SELECT jobs.id || ' is in lane ' || coalesce(lane_id, 'none') FROM jobs
                     LEFT JOIN job_lanes AS lanes ON lanes.id = jobs.lane_id
                         AND lanes.cluster_id = coalesce(jobs.cluster_id, 0)
                         AND lanes.runner = jobs.runner AND lanes.code = jobs.code
                         AND lanes.nodes = coalesce(jobs.nodes, 1)
                         AND lanes.cores = coalesce(jobs.mpi_ranks, 1) * coalesce(jobs.threads, 1)
                         AND lanes.memory_mib = coalesce(jobs.memory_mib, 0)
                     WHERE lanes.id IS NULL";

#[test]
fn a_job_is_in_the_lane_that_its_row_says_whoever_writes_it() -> TestResult {
    let connection = migrated(&embedded())?;
    connection.execute_batch(CLUSTERS)?;
    job(&connection, 1, "QUEUED", "", "")?;
    job(&connection, 2, "PENDING", ", nodes, mpi_ranks, threads", ", 1, 1, 1")?;
    job(&connection, 3, "QUEUED", ", cluster_id, memory_mib", ", 1, 500")?;
    let none: &[&str] = &[];
    assert_eq!(rows(&connection, STRAY)?, none);
    assert_eq!(rows(&connection, "SELECT CAST(count(*) AS TEXT) FROM job_lanes")?, ["2"]);
    for change in [
        "UPDATE jobs SET cluster_id = 2 WHERE id = 1",
        "UPDATE jobs SET cluster_id = NULL WHERE id = 3",
        "UPDATE jobs SET mpi_ranks = 24, threads = 2",
        "UPDATE jobs SET code = 'vasp', runner = 'ssh' WHERE id = 2",
        "UPDATE jobs SET memory_mib = NULL, nodes = 4",
    ] {
        connection.execute(change, [])?;
        assert_eq!(rows(&connection, STRAY)?, none, "{change}");
    }
    connection.execute_batch("UPDATE jobs SET lane_id = 1")?;
    assert!(!rows(&connection, STRAY)?.is_empty(), "a stray job is seen");
    Ok(())
}

const LOADS: &str =
    "SELECT cluster_id || ': ' || running || ' ' || nodes || ' ' || cores || ' ' || memory_mib
                     FROM cluster_loads ORDER BY cluster_id";
const RECOUNTED: &str = "SELECT clusters.id || ': ' || count(jobs.id) || ' ' ||
                             coalesce(sum(coalesce(jobs.nodes, 1)) FILTER (WHERE jobs.id IS NOT NULL), 0) || ' ' ||
                             coalesce(sum(coalesce(mpi_ranks, 1) * coalesce(threads, 1))
                                 FILTER (WHERE jobs.id IS NOT NULL), 0) || ' ' ||
                             coalesce(sum(coalesce(jobs.memory_mib, 0)), 0)
                         FROM clusters LEFT JOIN jobs ON jobs.cluster_id = clusters.id AND jobs.status = 'RUNNING'
                         GROUP BY clusters.id ORDER BY clusters.id";

#[test]
fn the_load_of_a_cluster_follows_every_change() -> TestResult {
    let connection = migrated(&embedded())?;
    connection.execute_batch(CLUSTERS)?;
    let needs = ", cluster_id, nodes, mpi_ranks, threads, memory_mib";
    job(&connection, 1, "RUNNING", needs, ", 1, 2, 24, 2, 1000")?;
    job(&connection, 2, "QUEUED", needs, ", 1, NULL, NULL, NULL, NULL")?;
    job(&connection, 3, "RUNNING", "", "")?;
    assert_eq!(rows(&connection, LOADS)?, ["1: 1 2 48 1000", "2: 0 0 0 0"]);
    for change in [
        "UPDATE jobs SET status = 'RUNNING' WHERE id = 2",
        "UPDATE jobs SET cluster_id = 2 WHERE id = 1",
        "UPDATE jobs SET cluster_id = 1 WHERE id = 3",
        "UPDATE jobs SET memory_mib = 7, threads = 3",
        "UPDATE jobs SET status = 'QUEUED', attempt = attempt + 1 WHERE id = 2",
        "UPDATE jobs SET status = 'FAILED', finished_at = 1 WHERE id = 3",
        "UPDATE jobs SET name = 'renamed'",
        "DELETE FROM jobs WHERE id = 1",
    ] {
        connection.execute(change, [])?;
        assert_eq!(rows(&connection, LOADS)?, rows(&connection, RECOUNTED)?, "{change}");
    }
    assert_eq!(rows(&connection, LOADS)?, ["1: 0 0 0 0", "2: 0 0 0 0"]);
    Ok(())
}

/// The queue as it is.
const QUEUE: &str = "SELECT job_id || ': ' || obstacles || ' ' || unsatisfiable || ', lane ' || lane_id || ', ' ||
                         priority || ' ' || coalesce(workflow, '-') || ' ' || coalesce(delayed_until, '-') || ' ' ||
                         created_at
                     FROM job_queue ORDER BY job_id";
/// The queue as the jobs and their edges say.
const EXPECTED: &str = "SELECT jobs.id || ': ' ||
                            (coalesce(sum(verdicts.waiting + verdicts.unsatisfiable), 0)
                                + (jobs.status = 'PENDING') + coalesce(jobs.not_before > jobs.updated_at, 0)) || ' ' ||
                            coalesce(sum(verdicts.unsatisfiable), 0) || ', lane ' || jobs.lane_id || ', ' ||
                            jobs.priority || ' ' || coalesce(jobs.workflow, '-') || ' ' ||
                            coalesce(iif(jobs.not_before > jobs.updated_at, jobs.not_before, NULL), '-') || ' ' ||
                            jobs.created_at
                        FROM jobs LEFT JOIN job_dependencies AS edges ON edges.job_id = jobs.id
                        LEFT JOIN jobs AS parents ON parents.id = edges.depends_on
                        LEFT JOIN dependency_verdicts AS verdicts
                            ON verdicts.kind = edges.kind AND verdicts.status = parents.status
                        WHERE jobs.status IN ('PENDING', 'QUEUED')
                        GROUP BY jobs.id ORDER BY jobs.id";
/// Counts edges that were inserted, as the store does.
const COUNT: &str = "UPDATE job_queue SET (obstacles, unsatisfiable) = (
                         SELECT obstacles + coalesce(sum(waiting + verdicts.unsatisfiable), 0),
                             coalesce(sum(verdicts.unsatisfiable), 0)
                         FROM job_dependencies AS edges JOIN jobs AS parents ON parents.id = edges.depends_on
                         JOIN dependency_verdicts AS verdicts
                             ON verdicts.kind = edges.kind AND verdicts.status = parents.status
                         WHERE edges.job_id = job_queue.job_id)";

#[test]
fn each_step_of_a_parent_reaches_its_children_in_the_queue() -> TestResult {
    for walk in [
        &[("QUEUED", 0), ("RUNNING", 0), ("COMPLETED", 0)][..],
        &[("RUNNING", 0), ("FAILED", 0), ("QUEUED", 1), ("RUNNING", 0), ("COMPLETED", 0)],
        &[("CANCELLED", 0), ("PENDING", 1), ("FAILED", 0), ("PENDING", 1)],
        &[("RUNNING", 0), ("QUEUED", 1), ("FAILED", 0)],
    ] {
        let connection = migrated(&embedded())?;
        for id in 1..=5 {
            job(&connection, id, "PENDING", "", "")?;
        }
        connection.execute_batch(
            "INSERT INTO job_dependencies VALUES (2, 1, 'after_ok', 1), (3, 1, 'after_any', 1),
                 (4, 1, 'after_failed', 1), (4, 2, 'after_ok', 1), (5, 4, 'after_ok', 1)",
        )?;
        connection.execute_batch(COUNT)?;
        for (to, attempts) in walk {
            become_status(&connection, 1, to, *attempts)?;
            assert_eq!(rows(&connection, QUEUE)?, rows(&connection, EXPECTED)?, "{to} of {walk:?}");
        }
    }
    Ok(())
}

#[test]
fn the_queue_follows_every_change_of_a_job() -> TestResult {
    let connection = migrated(&embedded())?;
    connection.execute_batch(CLUSTERS)?;
    job(&connection, 1, "QUEUED", "", "")?;
    job(&connection, 2, "PENDING", ", workflow, priority", ", 'oxides', 3")?;
    job(&connection, 3, "QUEUED", ", not_before", ", 5")?;
    job(&connection, 4, "RUNNING", "", "")?;
    connection.execute_batch("INSERT INTO job_dependencies VALUES (4, 1, 'after_any', 1)")?;
    assert_eq!(rows(&connection, QUEUE)?, rows(&connection, EXPECTED)?);
    for change in [
        "UPDATE jobs SET status = 'QUEUED' WHERE id = 2",
        "UPDATE jobs SET status = 'PENDING', not_before = 9, updated_at = 2 WHERE id <> 4",
        "UPDATE jobs SET priority = -1, workflow = 'halides' WHERE id IN (1, 2)",
        "UPDATE jobs SET workflow = NULL, created_at = 7 WHERE id = 2",
        "UPDATE jobs SET cluster_id = 1, mpi_ranks = 24",
        "UPDATE jobs SET not_before = 3, updated_at = 4 WHERE id = 2",
        "UPDATE jobs SET not_before = NULL WHERE id = 3",
        "UPDATE jobs SET status = 'RUNNING' WHERE id = 2",
        "UPDATE jobs SET priority = 8, not_before = 20 WHERE id = 2",
        "UPDATE jobs SET status = 'QUEUED', attempt = attempt + 1 WHERE id = 2",
        "DELETE FROM jobs WHERE id = 3",
    ] {
        connection.execute(change, [])?;
        assert_eq!(rows(&connection, QUEUE)?, rows(&connection, EXPECTED)?, "{change}");
    }
    connection.execute_batch("UPDATE jobs SET status = 'QUEUED', attempt = 2 WHERE id = 4")?;
    assert_eq!(rows(&connection, QUEUE)?, rows(&connection, EXPECTED)?, "its edge is counted");
    connection.execute_batch("UPDATE job_queue SET obstacles = obstacles + 1")?;
    assert_ne!(rows(&connection, QUEUE)?, rows(&connection, EXPECTED)?, "a wrong row is seen");
    Ok(())
}

#[test]
fn what_cannot_be_is_refused() -> TestResult {
    let connection = migrated(&embedded())?;
    job(&connection, 1, "QUEUED", "", "")?;
    for refused in [
        "UPDATE job_queue SET obstacles = -1",
        "UPDATE job_queue SET unsatisfiable = -1",
        "UPDATE job_queue SET lane_id = 99",
        "UPDATE jobs SET cancel_requested_at = 1",
        "UPDATE jobs SET probe_since = 1",
        "UPDATE jobs SET policy = '[]'",
        "UPDATE jobs SET memory_mib = 0",
        "UPDATE jobs SET lane_id = 99",
        "INSERT INTO job_leases (job_id, token, attempt, worker, host, pid, claimed_at, expires_at)
             VALUES (1, 0, 1, 'w', 'h', 1, 1, 2)",
        "INSERT INTO job_leases (job_id, token, attempt, worker, host, pid, claimed_at, expires_at)
             VALUES (1, 1, 1, 'w', 'h', 1, 2, 2)",
        "INSERT INTO job_attempts (job_id, attempt, outcome, ended_at) VALUES (1, 1, 'running', 1)",
        "INSERT INTO clusters (name, kind, hostname, created_at, updated_at, intake)
             VALUES ('a', 'ssh', 'host', 1, 1, 'shut')",
    ] {
        let error = connection.execute(refused, []).expect_err(refused);
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::ConstraintViolation), "{refused}");
    }
    Ok(())
}

#[test]
fn older_rows_get_their_lanes_queue_loads_and_attempts() -> TestResult {
    let set = embedded();
    let connection = migrated(&set.up_to(3))?;
    connection.execute_batch(CLUSTERS)?;
    job(&connection, 1, "FAILED", ", attempt", ", 3")?;
    job(&connection, 2, "QUEUED", "", "")?;
    job(&connection, 3, "RUNNING", ", cluster_id, mpi_ranks", ", 2, 24")?;
    connection.execute_batch(
        "INSERT INTO job_dependencies VALUES (2, 1, 'after_ok', 1), (2, 3, 'after_any', 1);
         INSERT INTO job_events (job_id, attempt, at, kind, from_status, to_status, actor) VALUES
             (1, 1, 10, 'status_changed', 'PENDING', 'QUEUED', 'a'),
             (1, 1, 11, 'status_changed', 'QUEUED', 'RUNNING', 'a'),
             (1, 1, 12, 'status_changed', 'RUNNING', 'FAILED', 'a'),
             (1, 2, 13, 'retried', 'FAILED', 'QUEUED', 'a'),
             (1, 2, 14, 'status_changed', 'QUEUED', 'CANCELLED', 'a'),
             (1, 3, 15, 'retried', 'CANCELLED', 'QUEUED', 'a'),
             (1, 3, 16, 'status_changed', 'QUEUED', 'FAILED', 'a')",
    )?;
    crate::migrate(&connection, &set)?;
    let none: &[&str] = &[];
    assert_eq!(rows(&connection, STRAY)?, none);
    assert_eq!(rows(&connection, QUEUE)?, rows(&connection, EXPECTED)?);
    assert_eq!(
        rows(
            &connection,
            "SELECT job_id || ': ' || obstacles || ' ' || unsatisfiable FROM job_queue"
        )?,
        ["2: 2 1"]
    );
    assert_eq!(rows(&connection, LOADS)?, ["1: 0 0 0 0", "2: 1 1 24 0"]);
    let attempts = rows(
        &connection,
        "SELECT job_id || '.' || attempt || ' ' || outcome || ' ' || coalesce(queued_at, '-') || ' ' ||
             coalesce(started_at, '-') || ' ' || ended_at FROM job_attempts ORDER BY job_id, attempt",
    )?;
    assert_eq!(attempts, ["1.1 failed 10 11 12", "1.2 cancelled 13 - 14", "1.3 failed 1 1 1"]);
    Ok(())
}

#[test]
fn edges_are_kept_with_their_kinds_and_still_reach_the_queue() -> TestResult {
    const EDGES: &str =
        "SELECT job_id || ' after ' || depends_on || ', ' || kind || ', ' || created_at
                         FROM job_dependencies ORDER BY job_id, depends_on";
    let set = embedded();
    let connection = migrated(&set.up_to(7))?;
    for id in 1..=4 {
        job(&connection, id, "PENDING", "", "")?;
    }
    connection.execute_batch(
        "INSERT INTO job_dependencies VALUES (2, 1, 'after_ok', 10), (3, 1, 'after_any', 11),
             (4, 1, 'after_failed', 12), (4, 3, 'after_ok', 13)",
    )?;
    connection.execute_batch(COUNT)?;
    let before = rows(&connection, EDGES)?;
    assert_eq!(before.len(), 4);
    crate::migrate(&connection, &set)?;
    assert_eq!(rows(&connection, EDGES)?, before);
    become_status(&connection, 1, "FAILED", 0)?;
    assert_eq!(rows(&connection, QUEUE)?, rows(&connection, EXPECTED)?);
    for refused in [
        "UPDATE job_dependencies SET kind = 'after' WHERE job_id = 2",
        "INSERT INTO job_dependencies VALUES (2, 2, 'after_ok', 1)",
        "INSERT INTO job_dependencies VALUES (2, 1, 'after_any', 1)",
        "INSERT INTO job_dependencies VALUES (2, 99, 'after_ok', 1)",
    ] {
        let error = connection.execute(refused, []).expect_err(refused);
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::ConstraintViolation), "{refused}");
    }
    Ok(())
}
