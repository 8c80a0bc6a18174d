//! Jobs that ended leave in one transaction, as people write it: all that is old is copied and deleted.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::bench::retention::TABLES;
use crate::bench::work::Retired;

/// Which of the rows of a table go.
fn old(table: &str) -> &'static str {
    match table {
        "jobs" => "finished_at IS NOT NULL",
        _ => "job_id IN (SELECT id FROM main.jobs WHERE finished_at IS NOT NULL)",
    }
}

/// Lets all go; how many jobs, and how many events.
pub fn retire(
    connection: &mut Connection,
    how: Retired,
    archive: &Path,
) -> rusqlite::Result<(u64, u64)> {
    let moved = how == Retired::Moved;
    if moved {
        connection.execute("ATTACH ?1 AS archive", [archive.to_string_lossy()])?;
    }
    let gone = all_at_once(connection, moved)?;
    if moved {
        connection.execute_batch("DETACH archive")?;
    }
    Ok(gone)
}

fn all_at_once(connection: &mut Connection, moved: bool) -> rusqlite::Result<(u64, u64)> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if moved {
        for table in TABLES {
            // A lane is one file's own.
            let columns: String = transaction.query_one(
                "SELECT group_concat(name, ', ') FROM pragma_table_info(?1) WHERE name <> 'lane_id'",
                [table],
                |row| row.get(0),
            )?;
            transaction.execute(
                &format!(
                    "INSERT INTO archive.{table} ({columns})
                     SELECT {columns} FROM main.{table} WHERE {}",
                    old(table)
                ),
                [],
            )?;
        }
    }
    let events = format!("SELECT count(*) FROM main.job_events WHERE {}", old("job_events"));
    let events: i64 = transaction.query_one(&events, [], |row| row.get(0))?;
    // Everything that hangs on them goes by cascade.
    let jobs = transaction.execute(&format!("DELETE FROM main.jobs WHERE {}", old("jobs")), [])?;
    transaction.commit()?;
    Ok((jobs as u64, events.unsigned_abs()))
}
