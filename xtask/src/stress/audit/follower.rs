//! What followers saw of the history while it was written: all of it, in its order, and each job go.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Row};
use store_core::EventKind;

use super::acknowledged::Acknowledged;
use super::check::Check;
use crate::failure::Result;
use crate::stress::effect::Of;
use crate::stress::journal;
use crate::stress::plan::Plan;
use crate::stress::sights::{Look, Sight};

/// The looks of all followers, one after the other.
#[derive(Debug, Clone, Default)]
pub struct Followed {
    /// In the order in which they were made.
    pub looks: Vec<Look>,
    /// Whether the last follower may have ended before it saw the end.
    pub cut_off: bool,
}

impl Followed {
    /// Reads what all processes saw, up to the one with number `last`.
    pub fn read(plan: &Plan, last: u32, in_doubt: &BTreeSet<u32>) -> Result<Self> {
        let mut all = Self::default();
        for process in 1..=last {
            let path = plan.sights(process);
            // One that was killed before it began has none, and whoever does other work.
            if path.exists() {
                all.looks.extend(journal::read::<Look>(&path)?);
                all.cut_off = in_doubt.contains(&process);
            }
        }
        Ok(all)
    }

    /// How many events there were.
    pub fn count(&self) -> u64 {
        self.looks.iter().map(|look| look.events.len() as u64).sum()
    }

    fn place(&self, plan: &Plan) -> i64 {
        self.looks.last().map_or(plan.follow_after.get(), Look::place)
    }

    /// Whether the last look was up to the end of everything.
    fn is_complete(&self) -> bool {
        self.looks.last().is_some_and(|look| look.is_last && look.up_to_now)
    }

    fn events(&self) -> impl Iterator<Item = &Sight> {
        self.looks.iter().flat_map(|look| &look.events)
    }
}

impl Sight {
    fn of_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            sequence: row.get(0)?,
            job: row.get(1)?,
            cluster: row.get(2)?,
            attempt: row.get(3)?,
            at: row.get(4)?,
            kind: row.get(5)?,
            from: row.get(6)?,
            to: row.get(7)?,
            actor: row.get(8)?,
        })
    }

    fn is_departure(&self) -> bool {
        self.kind.parse().is_ok_and(EventKind::is_departure)
    }
}

/// Compares what was seen with what is there.
pub fn checks(
    connection: &Connection,
    second: Option<&Connection>,
    plan: &Plan,
    acknowledged: &Acknowledged,
    followed: &Followed,
) -> rusqlite::Result<Vec<Check>> {
    let here: BTreeSet<i64> = connection
        .prepare("SELECT id FROM jobs")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(vec![
        order(plan, followed),
        everything(connection, plan, &here, followed)?,
        moved(second, &here, followed)?,
        departures(&here, followed),
        in_time(acknowledged, followed),
        told(acknowledged, &here, followed),
    ])
}

fn order(plan: &Plan, followed: &Followed) -> Check {
    let mut check = Check::new("the follower saw numbers that only grow, and went on where it was");
    let mut place = plan.follow_after.get();
    for look in &followed.looks {
        if look.after != place {
            check.fault(|| format!("a page begins after event {}, not after {place}", look.after));
        }
        for event in &look.events {
            check.looked_at += 1;
            if event.sequence <= place {
                check.fault(|| format!("event {} comes after event {place}", event.sequence));
            }
            place = event.sequence;
        }
    }
    check
}

fn everything(
    connection: &Connection,
    plan: &Plan,
    here: &BTreeSet<i64>,
    followed: &Followed,
) -> rusqlite::Result<Check> {
    let mut check = Check::new("the follower saw every event that is there, as it is");
    if !followed.is_complete() && !followed.cut_off {
        check.fault(|| "the follower ended before it saw the end".to_owned());
    }
    let end = if followed.is_complete() { i64::MAX } else { followed.place(plan) };
    let mut seen: BTreeMap<i64, &Sight> =
        followed.events().map(|event| (event.sequence, event)).collect();
    let mut statement = connection.prepare(
        "SELECT sequence, job_id, NULL AS cluster_id, attempt, at, kind, from_status, to_status, actor
         FROM job_events WHERE sequence > ?1 AND sequence <= ?2
         UNION ALL
         SELECT sequence, job_id, cluster_id, attempt, at, kind, from_status, NULL AS to_status, actor
         FROM store_events WHERE sequence > ?1 AND sequence <= ?2
         ORDER BY sequence",
    )?;
    let mut rows = statement.query([plan.follow_after.get(), end])?;
    while let Some(row) = rows.next()? {
        let event = Sight::of_row(row)?;
        check.looked_at += 1;
        match seen.remove(&event.sequence) {
            Some(sight) if *sight == event => {}
            Some(sight) => check.fault(|| format!("{event:?} was seen as {sight:?}")),
            None => check.fault(|| format!("{event:?} was not seen")),
        }
    }
    // What is left was seen and is not there.
    for event in seen.values() {
        let went = event.job.is_some_and(|job| !here.contains(&job)) && !event.is_departure();
        if !went {
            check.fault(|| format!("{event:?} was seen, and is not there"));
        }
    }
    Ok(check)
}

/// What was seen of jobs that have moved since went with them as it was.
fn moved(
    second: Option<&Connection>,
    here: &BTreeSet<i64>,
    followed: &Followed,
) -> rusqlite::Result<Check> {
    let mut check =
        Check::new("what the follower saw of moved jobs is in the second store, as it was");
    let Some(second) = second else { return Ok(check) };
    let mut there: BTreeMap<i64, Vec<Sight>> = BTreeMap::new();
    let mut statement = second.prepare(
        "SELECT sequence, job_id, NULL, attempt, at, kind, from_status, to_status, actor
         FROM job_events ORDER BY sequence",
    )?;
    for event in statement.query_map([], Sight::of_row)? {
        let event = event?;
        there.entry(event.job.unwrap_or(0)).or_default().push(event);
    }
    for event in followed.events().filter(|event| !event.is_departure()) {
        let Some(job) = event.job.filter(|job| !here.contains(job)) else { continue };
        let Some(events) = there.get(&job) else { continue };
        check.looked_at += 1;
        if !events.contains(event) {
            check.lost(|| format!("{event:?} was seen, and did not move with its job"));
        }
    }
    Ok(check)
}

fn departures(here: &BTreeSet<i64>, followed: &Followed) -> Check {
    let mut check =
        Check::new("the follower saw each job go that it knew and that is gone, at its end");
    let mut by_job: BTreeMap<i64, Vec<&Sight>> = BTreeMap::new();
    for event in followed.events() {
        if let Some(job) = event.job {
            by_job.entry(job).or_default().push(event);
        }
    }
    for (job, events) in by_job {
        let left = events.iter().position(|event| event.is_departure());
        check.looked_at += u64::from(left.is_some());
        match left {
            None if here.contains(&job) => {}
            // It may have gone after the last look.
            None if !followed.is_complete() => {}
            None => check.fault(|| format!("job {job} was known, and is gone unseen")),
            Some(_) if here.contains(&job) => {
                check.fault(|| format!("job {job} was seen to go, and is there"));
            }
            Some(place) if place + 1 < events.len() => {
                let after = &events[place + 1];
                check.fault(|| format!("{after:?} was seen after job {job} had gone"));
            }
            Some(_) => {}
        }
    }
    check
}

/// A page with room left has all that was committed before the call. Of notes it is known when they were.
fn in_time(acknowledged: &Acknowledged, followed: &Followed) -> Check {
    let mut check = Check::new("no page with room left lacked a note that was acknowledged before");
    let looks: Vec<&Look> = followed.looks.iter().filter(|look| look.up_to_now).collect();
    for (answered, sequence) in &acknowledged.noted {
        let next = looks.partition_point(|look| look.begin <= *answered);
        let Some(look) = looks.get(next) else { continue };
        check.looked_at += 1;
        let (begin, place) = (look.begin, look.place());
        if place < sequence.get() {
            check.fault(|| {
                format!("event {sequence} was acknowledged at {answered}, and a page of {begin} ends at {place}")
            });
        }
    }
    check
}

/// Job, attempt, kind, status before, status after, actor.
type Change = (i64, u32, String, Option<String>, Option<String>, String);

/// The file has nothing left of a job that is gone: what was seen of it is compared with what callers were told.
fn told(acknowledged: &Acknowledged, here: &BTreeSet<i64>, followed: &Followed) -> Check {
    let mut check = Check::new("what the follower saw of jobs that are gone was acknowledged");
    let mut changes: BTreeMap<Change, (u64, u64)> = BTreeMap::new();
    for (actor, effect) in &acknowledged.effects {
        let trace = effect.trace();
        if let Of::Job(job, attempt) = trace.of {
            let kind = trace.kind.to_string();
            let change = (job, attempt, kind, trace.from, trace.to, actor.clone());
            changes.entry(change).or_default().0 += 1;
        }
    }
    for event in followed.events().filter(|event| !event.is_departure()) {
        if let (Some(job), Some(attempt)) = (event.job, event.attempt)
            && !here.contains(&job)
        {
            let Sight { kind, from, to, actor, .. } = event.clone();
            changes.entry((job, attempt, kind, from, to, actor)).or_default().1 += 1;
        }
    }
    for (change, (told, seen)) in changes {
        check.looked_at += seen;
        if seen > told && !acknowledged.in_doubt.contains(&change.5) {
            check.fault(|| format!("{change:?} was seen {seen} times, and acknowledged {told}"));
        }
    }
    check
}
