//! The runs of jobs that were claimed, walked through in the order in which everything happened.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Result, Row};

use super::acknowledged::Acknowledged;
use super::check::Check;
use super::counters::verdict;
use crate::stress::effect::Effect;

/// What a job needs, and where: cluster, nodes, cores.
type Needs = (Option<i64>, i64, i64);
/// The end of an attempt: job, attempt, outcome, token.
type End = (i64, u32, String, Option<i64>);

/// The checks of a walk.
struct Walk {
    exclusive: Check,
    limits: Check,
    parents: Check,
    once: Check,
    statuses: BTreeMap<i64, String>,
    /// Jobs that run, with their tokens.
    running: BTreeMap<i64, i64>,
    tokens: BTreeMap<i64, i64>,
    loads: BTreeMap<i64, [i64; 3]>,
    ends: Vec<End>,
}

struct Event {
    sequence: i64,
    job: i64,
    attempt: u32,
    kind: String,
    from: Option<String>,
    to: String,
    token: Option<i64>,
    outcome: Option<String>,
}

impl Event {
    fn read(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            sequence: row.get(0)?,
            job: row.get(1)?,
            attempt: row.get(2)?,
            kind: row.get(3)?,
            from: row.get(4)?,
            to: row.get(5)?,
            token: row.get(6)?,
            outcome: row.get(7)?,
        })
    }
}

/// Checks a store in which every run was claimed, and no job was retried by hand.
pub fn checks(connection: &Connection, acknowledged: &Acknowledged) -> Result<Vec<Check>> {
    let jobs: BTreeMap<i64, Needs> = connection
        .prepare(
            "SELECT id, cluster_id, coalesce(nodes, 1), coalesce(mpi_ranks, 1) * coalesce(threads, 1)
             FROM jobs",
        )?
        .query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?))))?
        .collect::<Result<_>>()?;
    let limits: BTreeMap<i64, [Option<i64>; 3]> = connection
        .prepare("SELECT id, max_running, nodes, cores FROM clusters")?
        .query_map([], |row| Ok((row.get(0)?, [row.get(1)?, row.get(2)?, row.get(3)?])))?
        .collect::<Result<_>>()?;
    let mut edges: BTreeMap<i64, Vec<(i64, String)>> = BTreeMap::new();
    let mut statement =
        connection.prepare("SELECT job_id, depends_on, kind FROM job_dependencies")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        edges.entry(row.get(0)?).or_default().push((row.get(1)?, row.get(2)?));
    }
    let mut walk = Walk {
        exclusive: Check::new(
            "no job ran under two leases at the same time, and tokens grow by one",
        ),
        limits: Check::new("no cluster was ever loaded above its limits"),
        parents: Check::new("no job started before what it waits for"),
        once: Check::new("every job has ended once, or can be claimed as soon as nothing holds it"),
        statuses: BTreeMap::new(),
        running: BTreeMap::new(),
        tokens: BTreeMap::new(),
        loads: BTreeMap::new(),
        ends: Vec::new(),
    };
    let mut statement = connection.prepare(
        "SELECT sequence, job_id, attempt, kind, from_status, to_status,
             json_extract(detail, '$.token'), json_extract(detail, '$.outcome')
         FROM job_events WHERE to_status IS NOT NULL ORDER BY sequence",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let event = Event::read(row)?;
        let needs = jobs.get(&event.job).copied().unwrap_or((None, 1, 1));
        let parents = edges.get(&event.job).map_or(&[][..], Vec::as_slice);
        walk.step(event, needs, &limits, parents);
    }
    walk.finish(connection, acknowledged)
}

impl Walk {
    fn step(
        &mut self,
        event: Event,
        (cluster, nodes, cores): Needs,
        limits: &BTreeMap<i64, [Option<i64>; 3]>,
        edges: &[(i64, String)],
    ) {
        let Event { sequence, job, attempt, .. } = event;
        let needs = [1, nodes, cores];
        if event.kind == "claimed" {
            self.exclusive.looked_at += 1;
            let before = self.tokens.insert(job, event.token.unwrap_or(0)).unwrap_or(0);
            if let Some(other) = self.running.insert(job, event.token.unwrap_or(0)) {
                self.exclusive.fault(|| {
                    format!("event {sequence}: job {job} is claimed while token {other} runs it")
                });
            }
            if event.token != Some(before + 1) {
                let token = event.token;
                self.exclusive.fault(|| {
                    format!(
                        "event {sequence}: job {job} is claimed with token {token:?} after {before}"
                    )
                });
            }
            for (parent, kind) in edges {
                self.parents.looked_at += 1;
                let status = self.statuses.get(parent).map_or("nothing", String::as_str);
                if verdict(kind, status) != (0, 0) {
                    self.parents.fault(|| {
                        format!("event {sequence}: job {job} starts, which is {kind} of job {parent}, {status}")
                    });
                }
            }
            if let Some(cluster) = cluster {
                let load = self.loads.entry(cluster).or_default();
                *load = std::array::from_fn(|place| load[place] + needs[place]);
                let limits = limits.get(&cluster).copied().unwrap_or_default();
                self.limits.looked_at += 1;
                if load.iter().zip(limits).any(|(used, most)| most.is_some_and(|most| *used > most))
                {
                    let load = *load;
                    self.limits.fault(|| {
                        format!("event {sequence}: cluster {cluster} runs {load:?} of {limits:?} (jobs, nodes, cores)")
                    });
                }
            }
        } else if event.from.as_deref() == Some("RUNNING") {
            let token = self.running.remove(&job);
            if let Some(cluster) = cluster {
                let load = self.loads.entry(cluster).or_default();
                *load = std::array::from_fn(|place| load[place] - needs[place]);
            }
            let outcome = event.outcome.unwrap_or_else(|| event.to.to_lowercase());
            self.ends.push((job, attempt, outcome, token));
        }
        let before = self.statuses.insert(job, event.to);
        if before.as_deref().is_some_and(is_terminal) {
            self.once.fault(|| format!("event {sequence}: job {job} goes on after its end"));
        }
    }

    fn finish(
        mut self,
        connection: &Connection,
        acknowledged: &Acknowledged,
    ) -> Result<Vec<Check>> {
        for (job, status) in &self.statuses {
            self.once.looked_at += 1;
            if !is_terminal(status) && status != "QUEUED" {
                self.once.lost(|| format!("job {job} is {status}, and nobody can claim it"));
            }
        }
        let leases: i64 =
            connection.query_row("SELECT count(*) FROM job_leases", [], |row| row.get(0))?;
        if leases > 0 {
            self.once.fault(|| format!("{leases} leases are left when all workers are gone"));
        }
        let attempts = attempts(connection, acknowledged, self.ends)?;
        Ok(vec![self.exclusive, self.limits, self.parents, self.once, attempts])
    }
}

fn is_terminal(status: &str) -> bool {
    matches!(status, "COMPLETED" | "FAILED" | "CANCELLED")
}

/// Nothing is overwritten: each end of a run is there with its own row, and its token.
fn attempts(connection: &Connection, acknowledged: &Acknowledged, ends: Vec<End>) -> Result<Check> {
    let mut check =
        Check::new("every run that ended has a row of its own, as history and callers say");
    let found: Vec<End> = connection
        .prepare(
            "SELECT job_id, attempt, outcome, token FROM job_attempts ORDER BY job_id, attempt",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<Result<_>>()?;
    check.looked_at += ends.len() as u64;
    let rows: BTreeSet<&End> = found.iter().collect();
    let told: BTreeSet<&End> = ends.iter().collect();
    if told.len() < ends.len() {
        check.fault(|| "an end of a run is in the history twice".to_owned());
    }
    for end in told.difference(&rows) {
        check.lost(|| {
            format!("{end:?} (job, attempt, outcome, token) is in the history, and has no row")
        });
    }
    for row in rows.difference(&told) {
        check.fault(|| format!("{row:?} (job, attempt, outcome, token) has a row, and no history"));
    }
    let tokens: BTreeMap<(i64, u32), Option<i64>> =
        found.iter().map(|(job, attempt, _, token)| ((*job, *attempt), *token)).collect();
    for effect in acknowledged.effects() {
        let Effect::RunEnded { job, attempt, token, .. } = effect else { continue };
        let what = || format!("the end of attempt {attempt} of job {job}");
        check.must_be(what, &Some(token.get()), tokens.get(&(job.get(), *attempt)));
    }
    Ok(check)
}
