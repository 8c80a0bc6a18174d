//! Is everything there that was acknowledged, once, and does it fit together?
//!
//! The audit knows the schema and the journals, and nothing of the store's code: it counts again, on a
//! connection of its own that cannot write.
//!
//! | question | module |
//! |---|---|
//! | How is the database opened? | [`connection`] |
//! | What was acknowledged? | [`acknowledged`] |
//! | Is there a row for it, with the same values? | [`rows`] |
//! | Is there an event for it, and only one? | [`events`] |
//! | Do histories fit the jobs? | [`histories`] |
//! | Is the database whole? | [`integrity`] |
//! | Did each migration run once? | [`ledger`] |

mod acknowledged;
mod check;
mod connection;
mod events;
mod histories;
mod integrity;
mod ledger;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use acknowledged::Acknowledged;
pub use check::Check;
pub use ledger::fault as ledger_fault;

use super::plan::Plan;
use crate::failure::{Context, Result};

/// What the audit found.
#[derive(Debug)]
pub struct Audit {
    /// The checks, each with what it found.
    pub checks: Vec<Check>,
    /// How many changes were acknowledged.
    pub acknowledged: u64,
    /// Rows and events that were acknowledged and are not there, or are with other values.
    pub lost: u64,
    /// Changes that are there more often than they were acknowledged.
    pub doubled: u64,
    /// Changes that are there and that nobody was told of, although nothing went wrong.
    pub unacknowledged: u64,
    /// Changes of which nobody was told because a call failed or a process died.
    pub unknown: u64,
    /// The version of SQLite that read the database.
    pub sqlite_version: String,
}

impl Audit {
    /// Whether nothing was found.
    pub fn ok(&self) -> bool {
        self.checks.iter().all(Check::ok)
    }
}

/// Compares the database of a run with its journals. The last writes of the processes `in_doubt` may
/// be missing from theirs.
pub fn audit(plan: &Plan, in_doubt: &BTreeSet<u32>) -> Result<Audit> {
    let acknowledged = Acknowledged::read(plan, in_doubt)?;
    let connection = connection::open(&plan.database)?;
    examine(&connection, plan, &acknowledged).doing(|| format!("audit {}", plan.database.display()))
}

fn examine(
    connection: &rusqlite::Connection,
    plan: &Plan,
    acknowledged: &Acknowledged,
) -> rusqlite::Result<Audit> {
    let mut checks = rows::checks(connection, plan, acknowledged)?;
    let events = events::examine(connection, plan, acknowledged)?;
    checks.extend(events.checks);
    checks.extend(histories::checks(connection)?);
    checks.extend(integrity::checks(connection, plan, acknowledged)?);
    Ok(Audit {
        acknowledged: acknowledged.effects.len() as u64,
        lost: checks.iter().map(|check| check.lost).sum(),
        doubled: checks.iter().map(|check| check.doubled).sum(),
        unacknowledged: events.unacknowledged,
        unknown: events.unknown,
        checks,
        sqlite_version: rusqlite::version().to_owned(),
    })
}
