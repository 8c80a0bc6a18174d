//! The jobs that left the store in a run: each was asked to go, left once and whole, and nobody missed one before.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Result, Row};
use store_core::{JobId, JobUuid};

use super::acknowledged::Acknowledged;
use super::check::Check;
use crate::stress::effect::{Effect, Of};
use crate::stress::journal::{Asked, Missed};
use crate::stress::plan::Plan;

/// That a job left, as the store tells it.
#[derive(Debug)]
pub struct Departure {
    pub sequence: i64,
    pub job: i64,
    at: i64,
    kind: String,
    pub from: Option<String>,
    actor: String,
    pub uuid: String,
    /// The moment of a pruning, or the second store of a move.
    which: Option<String>,
}

/// All jobs that left in a run.
#[derive(Debug, Default)]
pub struct Departures {
    by_job: BTreeMap<i64, Vec<Departure>>,
    /// The jobs whose departure was acknowledged, or was asked for by somebody of whom not all is known.
    explained: BTreeSet<i64>,
}

impl Departure {
    fn read(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            sequence: row.get(0)?,
            job: row.get(1)?,
            at: row.get(2)?,
            kind: row.get(3)?,
            from: row.get(4)?,
            actor: row.get(5)?,
            uuid: row.get::<_, Option<String>>(6)?.unwrap_or_default(),
            which: row.get(7)?,
        })
    }

    /// What must have been asked for, if that can be told.
    fn asked(&self) -> Option<(String, Asked)> {
        let asked = match (self.kind.as_str(), &self.which) {
            ("deleted", None) => Asked::Deletion(JobId::new(self.job)),
            ("deleted", Some(before)) => Asked::Pruning(before.clone()),
            ("moved", Some(into)) => Asked::Moving(into.clone()),
            _ => return None,
        };
        Some((self.actor.clone(), asked))
    }
}

/// How many changes of each job were acknowledged, but for its end.
pub fn changes(acknowledged: &Acknowledged) -> BTreeMap<i64, u64> {
    let mut changes: BTreeMap<i64, u64> = BTreeMap::new();
    for effect in acknowledged.effects() {
        if let (Of::Job(job, _), false) =
            (effect.trace().of, matches!(effect, Effect::Deleted { .. }))
        {
            *changes.entry(job).or_default() += 1;
        }
    }
    changes
}

impl Departures {
    /// Reads those that this run has signed.
    pub fn read(connection: &Connection, plan: &Plan, acknowledged: &Acknowledged) -> Result<Self> {
        let mut all = Self::default();
        let mut statement = connection.prepare(
            "SELECT sequence, job_id, at, kind, from_status, actor,
                 detail ->> '$.uuid', coalesce(detail ->> '$.finished_before', detail ->> '$.into')
             FROM store_events
             WHERE job_id IS NOT NULL AND substr(actor, 1, length(?1) + 1) = ?1 || ' '
             ORDER BY sequence",
        )?;
        let mut rows = statement.query([&plan.run])?;
        let mut left: BTreeMap<(String, Asked), u64> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let departure = Departure::read(row)?;
            if let Some(asked) = departure.asked() {
                *left.entry(asked).or_default() += 1;
            }
            all.by_job.entry(departure.job).or_default().push(departure);
        }
        let mut told: BTreeMap<(String, Asked), u64> = BTreeMap::new();
        for (actor, effect) in &acknowledged.effects {
            let (asked, jobs) = match effect {
                Effect::Deleted { job, .. } => (Asked::Deletion(*job), 1),
                Effect::Pruned { before, jobs, .. } => (Asked::Pruning(before.clone()), *jobs),
                Effect::Moved { into, jobs, .. } => (Asked::Moving(into.clone()), *jobs),
                _ => continue,
            };
            *told.entry((actor.clone(), asked)).or_default() += jobs;
        }
        for departure in all.by_job.values().flatten() {
            let Some(asked) = departure.asked() else { continue };
            let told = told.get(&asked).copied().unwrap_or(0);
            let is_told = left.get(&asked).is_some_and(|left| *left <= told);
            let is_possible = acknowledged.asked.contains(&asked)
                && acknowledged.in_doubt.contains(&departure.actor);
            if is_told || is_possible {
                all.explained.insert(departure.job);
            }
        }
        Ok(all)
    }

    /// Whether a job may be gone, for a reason that is known.
    pub fn explain(&self, job: i64) -> bool {
        self.explained.contains(&job)
    }

    /// Whether a job may be in the second store.
    pub fn moved(&self, job: i64) -> bool {
        let last = self.by_job.get(&job).and_then(|all| all.last());
        self.explain(job) && last.is_some_and(|last| last.kind == "moved")
    }

    /// The departures of the jobs that may be in the second store.
    pub fn those_moved(&self) -> impl Iterator<Item = &Departure> {
        let moved = self.by_job.iter().filter(|(job, _)| self.moved(**job));
        moved.filter_map(|(_, all)| all.last())
    }

    /// How many jobs left.
    pub fn count(&self) -> u64 {
        self.by_job.len() as u64
    }

    /// The checks of what left.
    pub fn checks(
        &self,
        connection: &Connection,
        acknowledged: &Acknowledged,
    ) -> Result<Vec<Check>> {
        Ok(vec![
            self.asked(acknowledged),
            self.histories(acknowledged),
            self.remains(connection)?,
            self.missed(connection, acknowledged)?,
        ])
    }

    fn asked(&self, acknowledged: &Acknowledged) -> Check {
        let mut check =
            Check::new("every job that left was created, was asked to go, and left once");
        let mut created: BTreeMap<i64, JobUuid> = BTreeMap::new();
        for effect in acknowledged.effects() {
            if let Effect::Created { job, uuid, .. } = effect {
                created.insert(job.get(), *uuid);
            }
        }
        for (job, departures) in &self.by_job {
            check.looked_at += 1;
            let more = departures.len() as u64 - 1;
            if more > 0 {
                check.doubled(more, || format!("job {job} left {} times", more + 1));
            }
            for departure in departures {
                let Departure { sequence, uuid, actor, kind, .. } = departure;
                match created.get(job) {
                    Some(known) if known.to_string() == *uuid => {}
                    Some(known) => check.fault(|| {
                        format!("event {sequence}: job {job} left as {uuid}, and was {known}")
                    }),
                    // Its creation may be what somebody could not tell any more.
                    None if !acknowledged.in_doubt.is_empty() => {}
                    None => check.fault(|| {
                        format!("event {sequence}: job {job} left, and was never created")
                    }),
                }
                if !departure.asked().is_some_and(|asked| acknowledged.asked.contains(&asked)) {
                    check.fault(|| {
                        format!("event {sequence}: {actor} did not ask for job {job} to be {kind}")
                    });
                }
                let ended = ["COMPLETED", "FAILED", "CANCELLED"];
                let had_to_end = departure.which.is_some();
                let from = departure.from.as_deref();
                if had_to_end && !from.is_some_and(|from| ended.contains(&from)) {
                    check.fault(|| format!("event {sequence}: job {job} was {from:?}, and {kind}"));
                }
            }
        }
        check
    }

    /// The events of a job went with it. Who took it away has counted them.
    fn histories(&self, acknowledged: &Acknowledged) -> Check {
        let mut check =
            Check::new("as many events went with a job as changes of it were acknowledged");
        let changes = changes(acknowledged);
        // Jobs, and changes or events of them.
        let mut left: BTreeMap<(String, Asked), (u64, u64)> = BTreeMap::new();
        for departure in self.by_job.values().flatten() {
            if let Some(asked) = departure.asked() {
                let (jobs, told) = left.entry(asked).or_default();
                *jobs += 1;
                *told += changes.get(&departure.job).copied().unwrap_or(0);
            }
        }
        // A thread moves jobs into the same store now and then.
        let mut took: BTreeMap<(String, Asked), (u64, u64)> = BTreeMap::new();
        for (actor, effect) in &acknowledged.effects {
            let (asked, jobs, events) = match effect {
                Effect::Deleted { job, events: Some(events), .. } => {
                    (Asked::Deletion(*job), 1, events)
                }
                Effect::Pruned { before, jobs, events } => {
                    (Asked::Pruning(before.clone()), *jobs, events)
                }
                Effect::Moved { into, jobs, events } => {
                    (Asked::Moving(into.clone()), *jobs, events)
                }
                _ => continue,
            };
            let all = took.entry((actor.clone(), asked)).or_default();
            *all = (all.0 + jobs, all.1 + events);
        }
        for (asked, (jobs, went)) in took {
            let (found, told) = left.get(&asked).copied().unwrap_or_default();
            check.looked_at += told;
            // That it took more or fewer jobs than it told of is judged where events are counted.
            if found != jobs {
                continue;
            }
            let (actor, what) = asked;
            let say = || {
                format!("{what:?} by {actor}: {told} changes were acknowledged, {went} events went")
            };
            if went < told {
                check.lost += told - went - 1;
                check.lost(say);
            } else if went > told && acknowledged.in_doubt.is_empty() {
                check.doubled(went - told, say);
            }
        }
        check
    }

    /// Every table that says of which job its rows are.
    fn remains(&self, connection: &Connection) -> Result<Check> {
        let mut check = Check::new("nothing of a job that left is in any table");
        let columns: Vec<(String, String)> = connection
            .prepare(
                "SELECT tables.name, columns.name
                 FROM pragma_table_list AS tables JOIN pragma_table_info(tables.name) AS columns
                 WHERE tables.schema = 'main' AND tables.type = 'table' AND tables.name <> 'store_events'
                     AND (columns.name IN ('job_id', 'depends_on')
                         OR (tables.name = 'jobs' AND columns.name = 'id'))
                 ORDER BY 1, 2",
            )?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_>>()?;
        for (table, column) in columns {
            let query = format!("SELECT {column}, count(*) FROM {table} GROUP BY 1");
            let mut statement = connection.prepare(&query)?;
            let mut rows = statement.query([])?;
            check.looked_at += self.count();
            while let Some(row) = rows.next()? {
                let (job, there): (i64, i64) = (row.get(0)?, row.get(1)?);
                if self.by_job.contains_key(&job) {
                    check.fault(|| format!("job {job} left, and {there} rows of {table} name it"));
                }
            }
        }
        Ok(check)
    }

    /// A departure has the time of its unit of work, which is before that of any answer that knows of it.
    fn missed(&self, connection: &Connection, acknowledged: &Acknowledged) -> Result<Check> {
        let mut check = Check::new("what a call did not find had left before it answered");
        let clusters: BTreeMap<i64, i64> = connection
            .prepare("SELECT cluster_id, at FROM store_events WHERE kind = 'cluster_deleted'")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_>>()?;
        for (answered, missed) in &acknowledged.missed {
            check.looked_at += 1;
            let (what, left) = match missed {
                Missed::Job(job) => {
                    let departures = self.by_job.get(&job.get());
                    let first = departures.and_then(|all| all.first());
                    (format!("job {job}"), first.map(|first| first.at))
                }
                Missed::Cluster(cluster) => {
                    (format!("cluster {cluster}"), clusters.get(&cluster.get()).copied())
                }
            };
            match left {
                Some(left) if left <= *answered => {}
                Some(left) => check.fault(|| {
                    format!("{what} was not found at {answered}, and left at {left} only")
                }),
                None => check.fault(|| format!("{what} was not found, and has not left")),
            }
        }
        Ok(check)
    }
}
