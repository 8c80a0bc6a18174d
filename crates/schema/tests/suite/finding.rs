//! What the database keeps by itself for finding jobs, whoever writes to it.

use rusqlite::Connection;
use schema::migrations::embedded;

use crate::{TestResult, migrate, migrated};

/// The version that brought finding.
const FINDING: &str = "finding";

fn job(connection: &Connection, id: i64, name: &str) -> rusqlite::Result<usize> {
    connection.execute(
        "INSERT INTO jobs (id, uuid, name, work_dir, status, code, runner, created_at, updated_at)
         VALUES (?1, randomblob(16), ?2, '/jobs/' || ?1, 'PENDING', 'crystal', 'local', ?1 * 10, 1)",
        (id, name),
    )
}

fn result(connection: &Connection, job: i64, document: &str) -> rusqlite::Result<usize> {
    connection.execute(
        "INSERT INTO job_results (job_id, attempt, convergence, document_version, document, provenance,
             recorded_at)
         VALUES (?1, 1, 'unknown', 1, ?2, '{}', 1)",
        (job, document),
    )
}

fn lines(connection: &Connection, query: &str) -> TestResult<Vec<String>> {
    let mut statement = connection.prepare(query)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn texts_are_right(connection: &Connection) -> bool {
    let check = "INSERT INTO job_texts (job_texts, rank) VALUES ('integrity-check', 1)";
    connection.execute(check, []).is_ok()
}

fn found(connection: &Connection, text: &str) -> TestResult<Vec<String>> {
    let query =
        format!("SELECT rowid || '' FROM job_texts WHERE job_texts MATCH '{text}' ORDER BY rowid");
    lines(connection, &query)
}

#[test]
fn a_tag_has_the_time_of_its_job() -> TestResult {
    let connection = migrated(&embedded())?;
    job(&connection, 1, "MgO")?;
    let tag = "INSERT INTO job_tags (job_id, key, value, created_at) VALUES (1, 'a', 'b', ?1)";
    assert!(connection.execute(tag, [11]).is_err());
    connection.execute(tag, [10])?;
    assert!(connection.execute("UPDATE job_tags SET created_at = 11", []).is_err());
    connection.execute("UPDATE jobs SET created_at = 12", [])?;
    assert_eq!(lines(&connection, "SELECT created_at || '' FROM job_tags")?, ["12"]);
    Ok(())
}

#[test]
fn keys_and_values_follow_every_change_of_tags() -> TestResult {
    let connection = migrated(&embedded())?;
    let counts = |expected: &[&str]| -> TestResult {
        let kept = "SELECT key || ' ' || jobs FROM tag_keys
            UNION ALL SELECT key || '=' || value || ' ' || jobs FROM tag_values ORDER BY 1";
        let counted = "SELECT key || ' ' || count(*) FROM job_tags GROUP BY key
            UNION ALL SELECT key || '=' || value || ' ' || count(*) FROM job_tags GROUP BY key, value
            ORDER BY 1";
        assert_eq!(lines(&connection, kept)?, expected);
        assert_eq!(lines(&connection, counted)?, expected);
        Ok(())
    };
    for (id, name) in [(1, "MgO"), (2, "CaO"), (3, "NiO")] {
        job(&connection, id, name)?;
    }
    connection.execute_batch(
        "INSERT INTO job_tags (job_id, key, value, created_at)
         SELECT id, 'by', iif(id < 3, 'ada', 'bob'), created_at FROM jobs",
    )?;
    counts(&["by 3", "by=ada 2", "by=bob 1"])?;
    connection.execute("UPDATE job_tags SET value = 'bob' WHERE job_id = 1", [])?;
    counts(&["by 3", "by=ada 1", "by=bob 2"])?;
    connection.execute("UPDATE job_tags SET key = 'for' WHERE job_id = 2", [])?;
    counts(&["by 2", "by=bob 2", "for 1", "for=ada 1"])?;
    // A job that goes takes its tags with it.
    connection.execute("DELETE FROM jobs WHERE id IN (2, 3)", [])?;
    counts(&["by 1", "by=bob 1"])?;
    connection.execute("DELETE FROM job_tags", [])?;
    counts(&[])
}

#[test]
fn values_of_documents_follow_their_results() -> TestResult {
    let connection = migrated(&embedded())?;
    job(&connection, 1, "MgO")?;
    let values = || {
        let all = "SELECT path || ' ' || typeof(value) || ' ' || ifnull(substr(value, 1, 8), '')
            FROM job_result_values ORDER BY path";
        lines(&connection, all)
    };
    result(
        &connection,
        1,
        r#"{"gap": 7, "a_b": {"x y": "P1", "c": null}, "bands": [1, {"k": 2}], "gap": 8}"#,
    )?;
    let expected = [
        "$.\"a_b\" null ",
        "$.\"a_b\".\"x y\" text P1",
        "$.\"a_b\".c null ",
        "$.bands null ",
        "$.gap real 7.0",
    ];
    assert_eq!(values()?, expected);
    connection.execute(
        "UPDATE job_results SET document = json_object('long', printf('%.300c', 'x'))",
        [],
    )?;
    assert_eq!(values()?, ["$.long text xxxxxxxx"]);
    assert_eq!(lines(&connection, "SELECT length(value) || '' FROM job_result_values")?, ["255"]);
    connection.execute("DELETE FROM jobs", [])?;
    assert_eq!(values()?, [""; 0]);
    Ok(())
}

#[test]
fn texts_are_taken_in_together_and_follow_their_jobs() -> TestResult {
    let connection = migrated(&embedded())?;
    for id in 1..=300 {
        job(&connection, id, if id == 7 { "periclase" } else { "job" })?;
        assert_eq!(found(&connection, "ric")?.len(), usize::from(id >= 256));
    }
    assert_eq!(lines(&connection, "SELECT indexed_to || '' FROM job_text_progress")?, ["256"]);
    assert!(texts_are_right(&connection));
    connection.execute("UPDATE jobs SET name = 'lime' WHERE id IN (7, 290)", [])?;
    connection.execute("DELETE FROM jobs WHERE id IN (8, 291)", [])?;
    assert!(texts_are_right(&connection));
    assert_eq!(found(&connection, "ric")?, [""; 0]);
    assert_eq!(found(&connection, "lim")?, ["7"]);
    // An old id that somebody gives by hand, and one far ahead.
    job(&connection, 8, "wustite")?;
    assert_eq!(found(&connection, "wus")?, ["8"]);
    job(&connection, 9_000, "bunsenite")?;
    assert_eq!(found(&connection, "lim OR bun")?, ["7", "290", "9000"]);
    assert!(texts_are_right(&connection));
    // The check sees a text that the index does not know.
    connection.execute_batch(
        "DROP TRIGGER jobs_texts_on_update; UPDATE jobs SET name = 'x y z' WHERE id = 7",
    )?;
    assert!(!texts_are_right(&connection));
    Ok(())
}

#[test]
fn what_was_there_before_is_found() -> TestResult {
    let set = embedded();
    let version = set.iter().find(|one| one.name() == FINDING).ok_or("it is among them")?.version();
    let connection = migrated(&set.up_to(version - 1))?;
    job(&connection, 1, "MgO")?;
    job(&connection, 5, "periclase")?;
    result(&connection, 5, r#"{"gap": 7.5, "cell": {"group": "Fm-3m"}, "bands": [[1]]}"#)?;
    migrate(&connection, &set)?;
    assert_eq!(found(&connection, "MGO")?, ["1"]);
    assert_eq!(found(&connection, "ric")?, ["5"]);
    assert!(texts_are_right(&connection));
    let values = "SELECT job_id || path || ifnull(value, '') FROM job_result_values ORDER BY path";
    let expected = ["5$.bands", "5$.cell", "5$.cell.groupFm-3m", "5$.gap7.5"];
    assert_eq!(lines(&connection, values)?, expected);
    // The next jobs wait to be taken in.
    job(&connection, 6, "wustite")?;
    assert_eq!(found(&connection, "wus")?, [""; 0]);
    assert!(texts_are_right(&connection));
    Ok(())
}
