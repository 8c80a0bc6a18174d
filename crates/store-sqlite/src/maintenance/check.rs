//! Whether a store is whole.

use std::collections::BTreeSet;

use rusqlite::Connection;
use schema::inspect::{Structure, foreign_key_violations};
use schema::migrations::MigrationSet;
use store_core::{Error, JobStatus, Result};

use crate::create::fresh_in_memory;
use crate::error::Meaning;
use crate::pool::{Scope, on_snapshot};
use crate::store::SqliteStore;

/// How deep a check goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckDepth {
    /// Every page is well formed (`PRAGMA quick_check`), references lead somewhere, the structure and
    /// the counts are right.
    Quick,
    /// Also every index agrees with its table (`PRAGMA integrity_check`); takes several times as long.
    Full,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// One line for each problem; none where the store is whole.
    pub problems: Vec<String>,
}

impl CheckReport {
    /// Whether nothing was found.
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }
}

impl SqliteStore {
    /// Checks the store on one snapshot, while others go on reading and writing.
    ///
    /// SQLite keeps no checksums of pages: a bit that changed inside a value is not found.
    ///
    /// # Errors
    /// Those of reading. What is wrong with the store is in the report, not an error.
    #[track_caller]
    pub fn check(&self, depth: CheckDepth) -> Result<CheckReport> {
        let pragma = match depth {
            CheckDepth::Quick => "quick_check",
            CheckDepth::Full => "integrity_check",
        };
        let migrations = &self.options().migrations;
        self.on_reader(|_, connection| {
            on_snapshot(connection, || {
                let mut problems = integrity(connection, pragma)?;
                let broken = |error: schema::Error| Error::Corrupt {
                    what: "its structure cannot be read".to_owned(),
                    source: Some(error.into()),
                };
                let violations = foreign_key_violations(connection).map_err(broken)?;
                problems.extend(violations.iter().map(ToString::to_string));
                let released = released(migrations)?;
                let found = Structure::of(connection).map_err(broken)?;
                let differences = found.differences(&Structure::of(&released).map_err(fault)?);
                problems.extend(differences.iter().map(ToString::to_string));
                if differences.is_empty() {
                    let (here, there) = (steps(connection)?, steps(&released)?);
                    let wrong = here.symmetric_difference(&there);
                    problems.extend(wrong.map(|step| format!("job_status_transitions: {step}")));
                    let (here, there) = (verdicts(connection)?, verdicts(&released)?);
                    let wrong = here.symmetric_difference(&there);
                    problems.extend(wrong.map(|verdict| format!("dependency_verdicts: {verdict}")));
                    problems.extend(miscounts(connection)?);
                    problems.extend(misjudged(connection)?);
                }
                Ok(CheckReport { problems })
            })
        })
    }
}

/// What SQLite's own check says; nothing where it says "ok".
pub(crate) fn integrity(connection: &Connection, pragma: &str) -> Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("PRAGMA {pragma}")).meaning()?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).meaning()?;
    let lines: Vec<String> = rows.collect::<rusqlite::Result<_>>().meaning()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

/// A database as the migrations make it.
fn released(migrations: &MigrationSet) -> Result<Connection> {
    let fresh = fresh_in_memory().meaning()?;
    let scope = Scope::begin(&fresh, "BEGIN IMMEDIATE").meaning()?;
    schema::apply(&fresh, migrations).map_err(fault)?;
    scope.commit().meaning()?;
    Ok(fresh)
}

fn fault(error: schema::Error) -> Error {
    let what = "the released structure cannot be made".to_owned();
    Error::Bug { what, source: Some(error.into()) }
}

/// The status machine's steps, as the database refuses others.
fn steps(connection: &Connection) -> Result<BTreeSet<String>> {
    const STEPS: &str = "SELECT from_status || ' to ' || to_status || ', ' || opens_attempt \
                         FROM job_status_transitions";
    let mut statement = connection.prepare(STEPS).meaning()?;
    let rows = statement.query_map([], |row| row.get(0)).meaning()?;
    rows.collect::<rusqlite::Result<_>>().meaning()
}

/// What each dependency says in which status, as the triggers go by it.
fn verdicts(connection: &Connection) -> Result<BTreeSet<String>> {
    const VERDICTS: &str = "SELECT kind || ' ' || status || ': waiting ' || waiting || \
                            ', unsatisfiable ' || unsatisfiable FROM dependency_verdicts";
    let mut statement = connection.prepare(VERDICTS).meaning()?;
    let rows = statement.query_map([], |row| row.get(0)).meaning()?;
    rows.collect::<rusqlite::Result<_>>().meaning()
}

/// Jobs whose counters of unmet dependencies are not those of their edges.
fn misjudged(connection: &Connection) -> Result<Vec<String>> {
    const MISJUDGED: &str = "WITH counted (job_id, waiting, unsatisfiable) AS MATERIALIZED ( \
             SELECT edges.job_id, sum(verdicts.waiting), sum(verdicts.unsatisfiable) \
             FROM job_dependencies AS edges \
             CROSS JOIN jobs AS parents ON parents.id = edges.depends_on \
             CROSS JOIN dependency_verdicts AS verdicts \
             ON verdicts.kind = edges.kind AND verdicts.status = parents.status \
             GROUP BY edges.job_id) \
         SELECT jobs.id, jobs.waiting_dependencies, jobs.unsatisfiable_dependencies, \
             coalesce(counted.waiting, 0), coalesce(counted.unsatisfiable, 0) \
         FROM jobs LEFT JOIN counted ON counted.job_id = jobs.id \
         WHERE jobs.waiting_dependencies <> coalesce(counted.waiting, 0) \
             OR jobs.unsatisfiable_dependencies <> coalesce(counted.unsatisfiable, 0) \
         ORDER BY jobs.id LIMIT 100";
    let mut statement = connection.prepare(MISJUDGED).meaning()?;
    let rows = statement.query_map([], |row| {
        let number = |column| row.get::<_, i64>(column);
        let (job, waiting, unsatisfiable) = (number(0)?, number(1)?, number(2)?);
        Ok(format!(
            "jobs: job {job} has {waiting} waiting and {unsatisfiable} unsatisfiable dependencies \
             there, {} and {} in job_dependencies",
            number(3)?,
            number(4)?
        ))
    });
    rows.and_then(Iterator::collect::<rusqlite::Result<_>>).meaning()
}

/// Statuses whose count, which triggers keep, is not that of the jobs.
fn miscounts(connection: &Connection) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for (archived, half) in [(0, "listed"), (1, "archived")] {
        for status in JobStatus::ALL {
            let count = |sql| -> Result<Option<i64>> {
                let params = rusqlite::params![archived, status.as_str()];
                let found = connection.query_one(sql, params, |row| row.get(0));
                match found {
                    Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
                    found => found.map(Some).meaning(),
                }
            };
            let kept = count("SELECT jobs FROM job_counts WHERE archived = ?1 AND status = ?2")?;
            let counted = count(
                "SELECT count(*) FROM jobs INDEXED BY jobs_by_status \
                 WHERE archived = ?1 AND status = ?2",
            )?;
            if kept != counted {
                let [kept, counted] = [kept, counted].map(Option::unwrap_or_default);
                problems.push(format!(
                    "job_counts: {kept} {half} jobs are {status} there, {counted} in jobs"
                ));
            }
        }
    }
    Ok(problems)
}
