//! Databases as earlier releases left them: every table of theirs with rows.
//!
//! Each page of SQL adds what its version brought, in that version's own words; a database of a
//! version gets its page after those of all versions before it.

use std::path::Path;

use schema::migrations::embedded;

use crate::TestResult;
use crate::raw;

/// The pages by version. A release adds one.
pub const PAGES: &[(i32, &str)] =
    &[(1, include_str!("v1.sql")), (2, include_str!("v2.sql")), (3, include_str!("v3.sql"))];

/// Makes a populated database of `version` at `path`, as a program of that time closed it: in WAL
/// mode, with nothing left in the log.
///
/// # Errors
/// Those of SQLite, where a page does not fit its schema.
pub fn create(path: &Path, version: i32) -> TestResult {
    let connection = raw::create(path, &embedded().up_to(version))?;
    for (page, sql) in PAGES {
        if *page <= version {
            connection.execute_batch(sql)?;
        }
    }
    raw::close(connection)
}
