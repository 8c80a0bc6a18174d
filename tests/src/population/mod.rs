//! Databases as earlier releases left them: every table of theirs with rows.
//!
//! Each page of SQL adds what its version brought, in that version's own words; a database of a
//! version gets its page after those of all versions before it.

use std::path::Path;

use schema::migrations::embedded;

use crate::TestResult;
use crate::raw;

/// The pages by version. A release adds one.
pub const PAGES: &[(i32, &str)] = &[
    (1, include_str!("v1.sql")),
    (2, include_str!("v2.sql")),
    (3, include_str!("v3.sql")),
    (4, include_str!("v4.sql")),
    (5, include_str!("v5.sql")),
    (6, include_str!("v6.sql")),
    (7, include_str!("v7.sql")),
    (8, include_str!("v8.sql")),
    (9, include_str!("v9.sql")),
    (10, include_str!("v10.sql")),
    (11, include_str!("v11.sql")),
    (12, include_str!("v12.sql")),
];

/// The version that the first pages fit together. Later ones build on what was upgraded from it, as the
/// databases of users do.
const GROUND: i32 = 3;

/// Makes a populated database of `version` at `path`, as a program of that time closed it: in WAL
/// mode, with nothing left in the log.
///
/// # Errors
/// Those of SQLite, where a page does not fit its schema.
pub fn create(path: &Path, version: i32) -> TestResult {
    let ground = version.min(GROUND);
    let connection = raw::create(path, &embedded().up_to(ground))?;
    for (page, sql) in PAGES.iter().filter(|(page, _)| *page <= version) {
        if *page > ground {
            raw::migrate(&connection, &embedded().up_to(*page))?;
        }
        connection.execute_batch(sql)?;
    }
    raw::close(connection)
}
