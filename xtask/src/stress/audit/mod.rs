//! Is everything there that was acknowledged, once, and does it fit together?
//!
//! The audit knows the schema and the journals, and nothing of the store's code: it counts again, on a
//! connection of its own that cannot write.
//!
//! | question | module |
//! |---|---|
//! | How is the database opened? | [`connection`] |
//! | What was acknowledged? | [`acknowledged`] |
//! | Which jobs left, and was that asked for? | [`departures`] |
//! | Has the second store what was moved? | [`moved`] |
//! | Is there a row for what is there, with the same values? | [`rows`] |
//! | Is there an event for it, and only one? | [`events`] |
//! | Do histories fit the jobs, and the clusters? | [`histories`], [`clusters`] |
//! | Are counters what a recount says? | [`counters`] |
//! | Did claims exclude each other, and keep limits and dependencies? | [`runs`] |
//! | Can the calls of workers have happened in some order? | [`order`] |
//! | Did who followed the history see all of it? | [`follower`] |
//! | Is the database whole? | [`integrity`] |
//! | Did each migration run once? | [`ledger`] |

mod acknowledged;
mod check;
#[cfg(test)]
mod claims_tests;
mod clusters;
mod connection;
#[cfg(test)]
mod control;
mod counters;
mod departures;
#[cfg(test)]
mod departures_tests;
mod events;
mod follower;
#[cfg(test)]
mod follower_tests;
mod histories;
mod integrity;
mod ledger;
mod moved;
pub mod order;
mod rows;
mod runs;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use acknowledged::Acknowledged;
pub use check::Check;
use departures::Departures;
use follower::Followed;
pub use ledger::fault as ledger_fault;

use super::plan::{Plan, Profile};
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
    /// Jobs that were claimed, by the history; counted in the profile of claims.
    pub claims: u64,
    /// Jobs that left the store.
    pub departed: u64,
    /// Events that a follower saw.
    pub followed: u64,
    /// The version of SQLite that read the database.
    pub sqlite_version: String,
}

impl Audit {
    fn add(&mut self, checks: Vec<Check>) {
        self.lost += checks.iter().map(|check| check.lost).sum::<u64>();
        self.doubled += checks.iter().map(|check| check.doubled).sum::<u64>();
        self.checks.extend(checks);
    }

    /// Whether nothing was found.
    pub fn ok(&self) -> bool {
        self.checks.iter().all(Check::ok)
    }
}

/// Compares the database of a run with the journals of its processes, up to the one with number `last`.
/// The last writes of the processes `in_doubt` may be missing from theirs.
pub fn audit(plan: &Plan, last: u32, in_doubt: &BTreeSet<u32>) -> Result<Audit> {
    let acknowledged = Acknowledged::read(plan, last, in_doubt)?;
    let connection = connection::open(&plan.database)?;
    let auditing = || format!("audit {}", plan.database.display());
    let second = moved::open(&plan.moved())?;
    let mut audit = examine(&connection, second.as_ref(), plan, &acknowledged).doing(auditing)?;
    if plan.follower().is_some() {
        let followed = Followed::read(plan, last, in_doubt)?;
        audit.followed = followed.count();
        let checks = follower::checks(&connection, second.as_ref(), plan, &acknowledged, &followed);
        audit.add(checks.doing(auditing)?);
    }
    if plan.profile == Profile::Claims {
        audit.add(runs::checks(&connection, &acknowledged).doing(auditing)?);
        audit.add(vec![order::check(&connection, plan, last)?]);
        let count = "SELECT count(*) FROM job_events WHERE kind = 'claimed'";
        let claims: i64 = connection.query_row(count, [], |row| row.get(0)).doing(auditing)?;
        audit.claims = claims.unsigned_abs();
    }
    Ok(audit)
}

fn examine(
    connection: &rusqlite::Connection,
    second: Option<&rusqlite::Connection>,
    plan: &Plan,
    acknowledged: &Acknowledged,
) -> rusqlite::Result<Audit> {
    let departures = Departures::read(connection, plan, acknowledged)?;
    let mut checks = rows::checks(connection, plan, acknowledged, &departures)?;
    let events = events::examine(connection, plan, acknowledged, &departures)?;
    checks.extend(events.checks);
    checks.extend(departures.checks(connection, acknowledged)?);
    checks.push(moved::check(connection, second, plan, acknowledged, &departures)?);
    checks.extend(histories::checks(connection)?);
    checks.extend(clusters::checks(connection, acknowledged)?);
    checks.extend(counters::checks(connection)?);
    checks.extend(integrity::checks(connection, plan, acknowledged)?);
    Ok(Audit {
        acknowledged: acknowledged.effects.len() as u64,
        lost: checks.iter().map(|check| check.lost).sum(),
        doubled: checks.iter().map(|check| check.doubled).sum(),
        unacknowledged: events.unacknowledged,
        unknown: events.unknown,
        claims: 0,
        departed: departures.count(),
        followed: 0,
        checks,
        sqlite_version: rusqlite::version().to_owned(),
    })
}
