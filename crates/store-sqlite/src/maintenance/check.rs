//! Whether a store is whole.

use rusqlite::Connection;
use schema::inspect::{Structure, foreign_key_violations};
use store_core::{Error, Result};

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
                let released = released_structure(migrations)?;
                let found = Structure::of(connection).map_err(broken)?;
                let differences = found.differences(&released);
                problems.extend(differences.iter().map(ToString::to_string));
                if differences.is_empty() {
                    problems.extend(miscounts(connection)?);
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

/// The structure that the migrations make.
fn released_structure(migrations: &schema::migrations::MigrationSet) -> Result<Structure> {
    let fault = |error: schema::Error| Error::Bug {
        what: "the released structure cannot be made".to_owned(),
        source: Some(error.into()),
    };
    let fresh = fresh_in_memory().meaning()?;
    let scope = Scope::begin(&fresh, "BEGIN IMMEDIATE").meaning()?;
    schema::apply(&fresh, migrations).map_err(fault)?;
    scope.commit().meaning()?;
    Structure::of(&fresh).map_err(fault)
}

/// Statuses whose count, which triggers keep, is not that of the jobs.
fn miscounts(connection: &Connection) -> Result<Vec<String>> {
    let mut statement = connection
        .prepare(
            "SELECT counts.archived, counts.status, counts.jobs, \
             (SELECT count(*) FROM jobs WHERE jobs.archived = counts.archived \
              AND jobs.status = counts.status) AS counted \
             FROM job_counts AS counts WHERE counts.jobs <> counted",
        )
        .meaning()?;
    let rows = statement
        .query_map([], |row| {
            let (archived, status): (bool, String) = (row.get(0)?, row.get(1)?);
            let (kept, counted): (i64, i64) = (row.get(2)?, row.get(3)?);
            let which = if archived { "archived" } else { "listed" };
            Ok(format!("job_counts: {kept} {which} jobs are {status} there, {counted} in jobs"))
        })
        .meaning()?;
    rows.collect::<rusqlite::Result<_>>().meaning()
}
