//! What the database keeps of submissions whoever writes to it, and what an upgrade makes of old ones.

use rusqlite::{Connection, ErrorCode};
use schema::inspect::foreign_key_violations;
use schema::migrations::embedded;

use crate::{TestResult, migrate, migrated};

/// The last version whose submissions have no phases.
const BEFORE_PHASES: i32 = 5;

const TOKEN: &str = "cs-018bcfe56800700080000000000000a1";

/// Two clusters and three jobs.
fn ground(connection: &Connection) -> TestResult {
    connection.execute_batch(
        "INSERT INTO clusters (id, name, kind, hostname, created_at, updated_at)
             VALUES (1, 'a', 'slurm', 'host', 1, 1), (2, 'b', 'slurm', 'host', 1, 1);
         INSERT INTO jobs (id, uuid, name, work_dir, status, code, runner, created_at, queued_at, updated_at)
             SELECT value, randomblob(16), 'job', '/jobs/' || value, 'QUEUED', 'crystal', 'slurm', 1, 1, 1
             FROM json_each('[1, 2, 3]');",
    )?;
    Ok(())
}

/// One intent, one submission of each other phase, and one intent that was abandoned.
fn one_of_each(connection: &Connection) -> TestResult {
    ground(connection)?;
    connection.execute_batch(&format!(
        "INSERT INTO remote_jobs (id, job_id, attempt, cluster_id, phase, token, handle, intended_at,
             submitted_at, pending_at, running_at, ended_at, retrieved_at, abandon_reason, updated_at) VALUES
         (1, 1, 1, 1, 'intended',  '{TOKEN}', NULL, 1, NULL, NULL, NULL, NULL, NULL, NULL, 1),
         (2, 1, 1, 1, 'submitted', NULL, '2', NULL, 1, NULL, NULL, NULL, NULL, NULL, 1),
         (3, 1, 1, 1, 'pending',   NULL, '3', NULL, 1, 2, NULL, NULL, NULL, NULL, 1),
         (4, 1, 1, 1, 'running',   NULL, '4', NULL, 1, 2, 3, NULL, NULL, NULL, 1),
         (5, 1, 1, 1, 'finished',  NULL, '5', NULL, 1, NULL, NULL, 4, NULL, NULL, 1),
         (6, 1, 1, 1, 'retrieved', NULL, '6', NULL, 1, NULL, 3, 4, 5, NULL, 1),
         (7, 2, 1, 1, 'intended',  'cs-{:032}', NULL, 1, NULL, NULL, NULL, 2, NULL, 'not there', 1);",
        7
    ))?;
    Ok(())
}

fn assert_refused(connection: &Connection, sql: &str) {
    let error = connection.execute(sql, []).expect_err(sql);
    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::ConstraintViolation), "{sql}: {error}");
}

#[test]
fn a_submission_has_what_its_phase_asks_for() -> TestResult {
    let connection = migrated(&embedded())?;
    one_of_each(&connection)?;
    for refused in [
        "UPDATE remote_jobs SET handle = '1' WHERE id = 1",
        "UPDATE remote_jobs SET submitted_at = 1 WHERE id = 1",
        "UPDATE remote_jobs SET token = NULL, intended_at = NULL WHERE id = 1",
        "UPDATE remote_jobs SET intended_at = NULL WHERE id = 1",
        "UPDATE remote_jobs SET ended_at = 1 WHERE id = 1",
        "UPDATE remote_jobs SET abandon_reason = 'not there' WHERE id = 1",
        "UPDATE remote_jobs SET phase = 'submitted' WHERE id = 1",
        "UPDATE remote_jobs SET token = 'cs-1' WHERE id = 1",
        "UPDATE remote_jobs SET token = upper(token) WHERE id = 1",
        "UPDATE remote_jobs SET token = replace(token, 'a1', 'g1') WHERE id = 1",
        "UPDATE remote_jobs SET phase = 'gone' WHERE id = 2",
        "UPDATE remote_jobs SET phase = 'pending' WHERE id = 2",
        "UPDATE remote_jobs SET phase = 'running' WHERE id = 2",
        "UPDATE remote_jobs SET phase = 'finished' WHERE id = 2",
        "UPDATE remote_jobs SET ended_at = 1 WHERE id = 2",
        "UPDATE remote_jobs SET handle = NULL WHERE id = 2",
        "UPDATE remote_jobs SET handle = '' WHERE id = 2",
        "UPDATE remote_jobs SET submitted_at = NULL WHERE id = 2",
        "UPDATE remote_jobs SET retrieved_at = 1 WHERE id = 5",
        "UPDATE remote_jobs SET phase = 'retrieved' WHERE id = 5",
        "UPDATE remote_jobs SET abandon_reason = '' WHERE id = 7",
        "UPDATE remote_jobs SET exit_code = 2147483648 WHERE id = 5",
        "INSERT INTO cluster_contacts (cluster_id, failures) VALUES (1, 1)",
        "INSERT INTO cluster_contacts (cluster_id, last_failure_at) VALUES (1, 1)",
        "INSERT INTO cluster_contacts (cluster_id) VALUES (9)",
    ] {
        assert_refused(&connection, refused);
    }
    Ok(())
}

#[test]
fn phases_go_forward_and_an_end_is_final() -> TestResult {
    let connection = migrated(&embedded())?;
    one_of_each(&connection)?;
    let phases = ["intended", "submitted", "pending", "running", "finished", "retrieved"];
    for (id, from) in (1..).zip(phases) {
        for to in phases {
            // The others share its attempt.
            connection.execute_batch("SAVEPOINT attempt")?;
            connection.execute("DELETE FROM remote_jobs WHERE id <> ?1", [id])?;
            // With all that the phase asks for, so that nothing else can refuse it.
            let changed = connection.execute(
                "UPDATE remote_jobs SET phase = ?2,
                     handle = iif(?2 = 'intended', NULL, '9'),
                     token = coalesce(token, 'cs-' || printf('%032d', id)), intended_at = 1,
                     submitted_at = iif(?2 = 'intended', NULL, 1),
                     pending_at = 1, running_at = 1,
                     ended_at = iif(?2 IN ('finished', 'retrieved'), 1, NULL),
                     retrieved_at = iif(?2 = 'retrieved', 1, NULL)
                 WHERE id = ?1",
                (id, to),
            );
            connection.execute_batch("ROLLBACK TO attempt; RELEASE attempt")?;
            let place = |phase| phases.iter().position(|&known| known == phase);
            let message = changed.as_ref().err().map(ToString::to_string);
            if place(to) < place(from) {
                assert_eq!(message.as_deref(), Some("a submission goes forward"), "{from}, {to}");
            } else {
                assert_eq!(message, None, "{from} to {to}");
            }
        }
    }
    for refused in [
        "UPDATE remote_jobs SET phase = 'running', running_at = 1, ended_at = NULL WHERE id = 5",
        "UPDATE remote_jobs SET ended_at = NULL, abandon_reason = NULL WHERE id = 7",
        "UPDATE remote_jobs SET phase = 'finished', handle = '7', submitted_at = 1,
             abandon_reason = NULL WHERE id = 7",
    ] {
        assert_refused(&connection, refused);
    }
    Ok(())
}

#[test]
fn a_handle_a_token_and_an_attempt_have_one_submission() -> TestResult {
    let connection = migrated(&embedded())?;
    one_of_each(&connection)?;
    let columns = "job_id, attempt, cluster_id, phase, token, handle, intended_at, submitted_at, ended_at, \
                   updated_at";
    let insert = |row: &str| format!("INSERT INTO remote_jobs ({columns}) VALUES {row}");
    for refused in [
        // An active handle, a handle of one time, a token, a second intent of an attempt.
        "(3, 1, 1, 'submitted', NULL, '2', NULL, 9, NULL, 1)",
        "(3, 1, 1, 'finished', NULL, '5', NULL, 1, 2, 1)",
        &format!("(3, 1, 1, 'intended', '{TOKEN}', NULL, 1, NULL, NULL, 1)"),
        &format!("(1, 1, 1, 'intended', 'cs-{:032}', NULL, 1, NULL, NULL, 1)", 8),
    ] {
        assert_refused(&connection, &insert(refused));
    }
    for taken in [
        "(3, 1, 2, 'submitted', NULL, '2', NULL, 9, NULL, 1)",
        "(3, 1, 1, 'submitted', NULL, '5', NULL, 9, NULL, 1)",
        "(3, 1, 1, 'finished', NULL, '2', NULL, 9, 10, 1)",
        &format!("(1, 2, 1, 'intended', 'cs-{:032}', NULL, 1, NULL, NULL, 1)", 8),
        &format!("(2, 1, 1, 'intended', 'cs-{:032}', NULL, 1, NULL, NULL, 1)", 9),
    ] {
        connection.execute(&insert(taken), []).map_err(|error| format!("{taken}: {error}"))?;
    }
    Ok(())
}

/// The old submissions, one line each, as the new version has them.
fn upgraded(connection: &Connection) -> TestResult<Vec<String>> {
    let mut statement = connection.prepare(
        "SELECT concat_ws(' ', id, phase, handle, submitted_at, coalesce(ended_at, '-'), token, metadata)
         FROM remote_jobs ORDER BY id",
    )?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

#[test]
fn submissions_from_before_there_were_phases_get_one() -> TestResult {
    let set = embedded();
    let connection = migrated(&set.up_to(BEFORE_PHASES))?;
    ground(&connection)?;
    // Three that share cluster, handle and time, which nothing forbade; two active ones of one job; one
    // that is deleted again.
    connection.execute_batch(
        r#"INSERT INTO remote_jobs (id, job_id, attempt, cluster_id, handle, submitted_at, ended_at,
               scheduler_state, metadata, updated_at) VALUES
           (2, 1, 1, 1, '17', 100, 200, 'TIMEOUT', '{}', 1),
           (3, 2, 1, 1, '17', 100, 150, NULL, '{"a":[1,2.5,null]}', 1),
           (4, 3, 2, 1, '17', 101, 180, NULL, '{}', 1),
           (5, 1, 1, 1, '17', 101, NULL, 'RUNNING', '{}', 1),
           (6, 1, 1, 1, '18', 100, NULL, NULL, '{}', 1),
           (7, 2, 1, 2, '17', 100, NULL, NULL, '{}', 1),
           (9, 2, 1, 2, '20', 100, NULL, NULL, '{}', 1);
           DELETE FROM remote_jobs WHERE id = 9;"#,
    )?;
    migrate(&connection, &set)?;
    assert_eq!(
        upgraded(&connection)?,
        [
            "2 finished 17 100 200 {}",
            r#"3 finished 17 101 150 {"a":[1,2.5,null]}"#,
            "4 finished 17 102 180 {}",
            "5 submitted 17 103 - {}",
            "6 submitted 18 100 - {}",
            "7 submitted 17 100 - {}",
        ]
    );
    assert_eq!(foreign_key_violations(&connection)?, []);
    // The id that was given out last does not come back, and rows go with their job.
    connection.execute(
        "INSERT INTO remote_jobs (job_id, attempt, cluster_id, phase, handle, submitted_at, updated_at)
             VALUES (3, 1, 2, 'submitted', '99', 1, 1)",
        [],
    )?;
    assert_eq!(connection.last_insert_rowid(), 10);
    connection.execute("DELETE FROM jobs WHERE id = 1", [])?;
    assert_eq!(upgraded(&connection)?.len(), 4);
    Ok(())
}

#[test]
fn an_upgrade_without_submissions_keeps_their_counter() -> TestResult {
    let set = embedded();
    let connection = migrated(&set.up_to(BEFORE_PHASES))?;
    ground(&connection)?;
    connection.execute_batch(
        "INSERT INTO remote_jobs (id, job_id, attempt, cluster_id, handle, submitted_at, updated_at)
             VALUES (41, 1, 1, 1, '17', 1, 1);
         DELETE FROM remote_jobs;",
    )?;
    migrate(&connection, &set)?;
    let counters = "SELECT group_concat(seq) FROM sqlite_sequence WHERE name LIKE 'remote_jobs%'";
    let counter: String = connection.query_one(counters, [], |row| row.get(0))?;
    assert_eq!(counter, "41");
    Ok(())
}
