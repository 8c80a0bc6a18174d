//! For each acknowledged change an event, and for each event an acknowledgement.

use std::collections::BTreeMap;

use rusqlite::{Connection, Result};

use super::acknowledged::Acknowledged;
use super::check::Check;
use crate::stress::journal::Effect;
use crate::stress::plan::Plan;

/// Job, attempt, kind, status before, status after, actor.
type Key = (i64, u32, String, Option<String>, Option<String>, String);

/// What became of the events of a run.
#[derive(Debug)]
pub struct Events {
    /// The checks.
    pub checks: Vec<Check>,
    /// Events of which nobody was told, although nothing went wrong.
    pub unacknowledged: u64,
    /// Events of which nobody was told because something went wrong.
    pub unknown: u64,
}

pub fn examine(
    connection: &Connection,
    plan: &Plan,
    acknowledged: &Acknowledged,
) -> Result<Events> {
    let mut counts: BTreeMap<Key, (u64, u64)> = BTreeMap::new();
    for (actor, effect) in &acknowledged.effects {
        if let Some(key) = key(actor, effect) {
            counts.entry(key).or_default().0 += 1;
        }
    }
    let mut statement = connection.prepare(
        "SELECT job_id, attempt, kind, from_status, to_status, actor, at FROM job_events
         WHERE substr(actor, 1, length(?1) + 1) = ?1 || ' ' ORDER BY sequence",
    )?;
    let mut of_cut_off: BTreeMap<String, Vec<(Key, i64)>> = BTreeMap::new();
    let mut rows = statement.query([&plan.run])?;
    while let Some(row) = rows.next()? {
        let key: Key =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?);
        if acknowledged.cut_off.contains(&key.5) {
            of_cut_off.entry(key.5.clone()).or_default().push((key.clone(), row.get(6)?));
        }
        counts.entry(key).or_default().1 += 1;
    }
    let mut check =
        Check::new("every acknowledged change has its event, signed by who made it, once");
    let (mut unacknowledged, mut unknown) = (0, 0);
    for (key, (told, found)) in &counts {
        check.looked_at += told;
        let (told, found) = (*told, *found);
        if found < told {
            // One event too few is one write that was lost; `fault` counts what is told in words.
            check.lost += told - found - 1;
            check.lost(|| format!("{} was acknowledged {told} times, {found} are there", say(key)));
        }
        let more = found.saturating_sub(told);
        if more == 0 {
            continue;
        }
        if acknowledged.in_doubt.contains(&key.5) {
            unknown += more;
        } else if told > 0 {
            check.doubled(more, || {
                format!("{} was acknowledged {told} times, {found} are there", say(key))
            });
        } else {
            unacknowledged += more;
            check.fault(|| format!("{} is there and was never acknowledged", say(key)));
        }
    }
    let mut checks = vec![check, notes(connection, acknowledged)?];
    if !acknowledged.cut_off.is_empty() {
        checks.push(last_words(&counts, &of_cut_off));
    }
    Ok(Events { checks, unacknowledged, unknown })
}

/// A thread makes one call at a time, and a call is one unit of work, whose changes have one time. So what a
/// killed thread could not tell any more is one unit, and comes after all that it has told.
fn last_words(
    counts: &BTreeMap<Key, (u64, u64)>,
    of_cut_off: &BTreeMap<String, Vec<(Key, i64)>>,
) -> Check {
    let mut check =
        Check::new("what a killed thread did and did not tell is its last unit of work");
    for (actor, events) in of_cut_off {
        check.looked_at += 1;
        let mut told: BTreeMap<&Key, u64> = BTreeMap::new();
        let mut untold: Option<i64> = None;
        for (key, at) in events {
            let left = told.entry(key).or_insert_with(|| counts.get(key).map_or(0, |both| both.0));
            if *left > 0 {
                *left -= 1;
                if untold.is_some() {
                    check.fault(|| {
                        format!("{actor} told of {} after one that it did not", say(key))
                    });
                }
            } else if untold.is_none_or(|other| other == *at) {
                untold = Some(*at);
            } else {
                check
                    .fault(|| format!("{actor} did not tell of two calls, {} is of one", say(key)));
            }
        }
    }
    check
}

/// A note's answer has its place in the order of all events.
fn notes(connection: &Connection, acknowledged: &Acknowledged) -> Result<Check> {
    let mut check = Check::new("every note has the place in the history that was acknowledged");
    let mut statement =
        connection.prepare("SELECT job_id, kind, actor FROM job_events WHERE sequence = ?1")?;
    for (actor, effect) in &acknowledged.effects {
        let Effect::Noted { job, sequence, .. } = effect else {
            continue;
        };
        let mut rows = statement.query([sequence.get()])?;
        let found: Option<(i64, String, String)> = match rows.next()? {
            Some(row) => Some((row.get(0)?, row.get(1)?, row.get(2)?)),
            None => None,
        };
        let expected = (job.get(), "noted".to_owned(), actor.clone());
        check.must_be(|| format!("the note at event {sequence}"), &expected, found.as_ref());
    }
    Ok(check)
}

fn key(actor: &str, effect: &Effect) -> Option<Key> {
    let (job, attempt, kind, from, to) = effect.trace()?;
    let word = |status: Option<store_core::JobStatus>| status.map(|status| status.to_string());
    Some((job.get(), attempt, kind.to_string(), word(from), word(to), actor.to_owned()))
}

fn say((job, attempt, kind, from, to, actor): &Key) -> String {
    let status = |status: &Option<String>| status.clone().unwrap_or_else(|| "none".to_owned());
    let change = if from.is_some() || to.is_some() {
        format!(" from {} to {}", status(from), status(to))
    } else {
        String::new()
    };
    format!("event {kind}{change} of attempt {attempt} of job {job} by {actor}")
}
