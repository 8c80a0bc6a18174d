//! For each acknowledged change an event, and for each event an acknowledgement.

use std::collections::BTreeMap;

use rusqlite::{Connection, Result, Row};

use super::acknowledged::Acknowledged;
use super::check::Check;
use super::departures::Departures;
use crate::stress::effect::{Effect, Of};
use crate::stress::plan::Plan;

/// The events of a run in both tables; what a cluster was edited from and to stands in the detail.
const EVENTS: &str = "
    SELECT sequence, job_id, NULL AS cluster_id, attempt, kind, from_status, to_status, NULL AS reason, actor, at
    FROM job_events WHERE substr(actor, 1, length(?1) + 1) = ?1 || ' '
    UNION ALL
    SELECT sequence, job_id, cluster_id, attempt, kind,
        coalesce(from_status, detail ->> '$.intake.from', CAST(detail ->> '$.limits.from.max_running' AS TEXT)),
        coalesce(detail ->> '$.intake.to', CAST(detail ->> '$.limits.to.max_running' AS TEXT)),
        coalesce(detail ->> '$.finished_before', detail ->> '$.into', detail ->> '$.reason'), actor, at
    FROM store_events WHERE substr(actor, 1, length(?1) + 1) = ?1 || ' '
    ORDER BY sequence";

/// What is counted as told and as found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    of: Of,
    kind: String,
    from: Option<String>,
    to: Option<String>,
    reason: Option<String>,
    actor: String,
}

impl Key {
    fn of_effect(actor: &str, effect: &Effect) -> (Self, u64) {
        let trace = effect.trace();
        let (kind, actor) = (trace.kind.to_string(), actor.to_owned());
        let (of, from, to, reason) = (trace.of, trace.from, trace.to, trace.reason);
        (Self { of, kind, from, to, reason, actor }, trace.times)
    }

    fn of_event(row: &Row<'_>) -> Result<Self> {
        let (job, cluster): (Option<i64>, Option<i64>) = (row.get(1)?, row.get(2)?);
        let attempt = row.get::<_, Option<u32>>(3)?.unwrap_or(0);
        let of = match (job, cluster) {
            (Some(job), _) => Of::Job(job, attempt),
            (None, cluster) => Of::Cluster(cluster.unwrap_or(0)),
        };
        let key = Self {
            of,
            kind: row.get(4)?,
            from: row.get(5)?,
            to: row.get(6)?,
            reason: row.get(7)?,
            actor: row.get(8)?,
        };
        // Who prunes or moves is told how many jobs went, and not which.
        let of = match (key.kind.as_str(), key.reason.as_deref()) {
            ("moved", Some(into)) => Some(Of::Moving(into.to_owned())),
            ("deleted", Some(before)) => Some(Of::Pruning(before.to_owned())),
            _ => None,
        };
        Ok(match of {
            Some(of) => Self { of, from: None, to: None, reason: None, ..key },
            None => key,
        })
    }

    /// What a call does at once. One that prunes or moves has several transactions, whose events have several times.
    fn unit(&self, at: i64) -> String {
        match &self.of {
            Of::Pruning(which) | Of::Moving(which) => which.clone(),
            Of::Job(..) | Of::Cluster(_) => at.to_string(),
        }
    }
}

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
    departures: &Departures,
) -> Result<Events> {
    let mut counts: BTreeMap<Key, (u64, u64)> = BTreeMap::new();
    for (actor, effect) in &acknowledged.effects {
        let (key, times) = Key::of_effect(actor, effect);
        // The events of a job went with it, but for the one that tells so.
        let went = effect.job().is_some_and(|job| departures.explain(job.get()));
        if !went || matches!(effect, Effect::Deleted { .. }) {
            counts.entry(key).or_default().0 += times;
        }
    }
    let mut statement = connection.prepare(EVENTS)?;
    let mut of_cut_off: BTreeMap<String, Vec<(Key, String)>> = BTreeMap::new();
    let mut rows = statement.query([&plan.run])?;
    while let Some(row) = rows.next()? {
        let key = Key::of_event(row)?;
        if acknowledged.cut_off.contains(&key.actor) {
            let unit = key.unit(row.get(9)?);
            of_cut_off.entry(key.actor.clone()).or_default().push((key.clone(), unit));
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
        if acknowledged.in_doubt.contains(&key.actor) {
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
    let mut checks = vec![check, notes(connection, acknowledged, departures)?];
    if !acknowledged.cut_off.is_empty() {
        checks.push(last_words(&counts, &of_cut_off));
    }
    Ok(Events { checks, unacknowledged, unknown })
}

/// A thread makes one call at a time, and a call is one unit of work, whose changes have one time. So what a
/// killed thread could not tell any more is one unit, and comes after all that it has told.
fn last_words(
    counts: &BTreeMap<Key, (u64, u64)>,
    of_cut_off: &BTreeMap<String, Vec<(Key, String)>>,
) -> Check {
    let mut check =
        Check::new("what a killed thread did and did not tell is its last unit of work");
    for (actor, events) in of_cut_off {
        check.looked_at += 1;
        let mut told: BTreeMap<&Key, u64> = BTreeMap::new();
        let mut untold: Option<&str> = None;
        for (key, unit) in events {
            let left = told.entry(key).or_insert_with(|| counts.get(key).map_or(0, |both| both.0));
            if *left > 0 {
                *left -= 1;
                if untold.is_some() {
                    check.fault(|| {
                        format!("{actor} told of {} after one that it did not", say(key))
                    });
                }
            } else if untold.is_none_or(|other| other == unit) {
                untold = Some(unit);
            } else {
                check
                    .fault(|| format!("{actor} did not tell of two calls, {} is of one", say(key)));
            }
        }
    }
    check
}

/// A note's answer has its place in the order of all events.
fn notes(
    connection: &Connection,
    acknowledged: &Acknowledged,
    departures: &Departures,
) -> Result<Check> {
    let mut check = Check::new("every note has the place in the history that was acknowledged");
    let mut statement =
        connection.prepare("SELECT job_id, kind, actor FROM job_events WHERE sequence = ?1")?;
    for (actor, effect) in &acknowledged.effects {
        let Effect::Noted { job, sequence, .. } = effect else {
            continue;
        };
        if departures.explain(job.get()) {
            continue;
        }
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

fn say(Key { of, kind, from, to, actor, .. }: &Key) -> String {
    let status = |status: &Option<String>| status.clone().unwrap_or_else(|| "none".to_owned());
    let change = if from.is_some() || to.is_some() {
        format!(" from {} to {}", status(from), status(to))
    } else {
        String::new()
    };
    let of = match of {
        Of::Job(job, attempt) => format!("attempt {attempt} of job {job}"),
        Of::Cluster(cluster) => format!("cluster {cluster}"),
        Of::Pruning(before) => format!("a job that ended before {before}"),
        Of::Moving(into) => format!("a job that is in {into}"),
    };
    format!("event {kind}{change} of {of} by {actor}")
}
