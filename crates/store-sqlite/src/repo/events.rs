//! The history of jobs and clusters.
//!
//! The events of a job hang on its row, and go with it. What is to outlive its subject is in a table of its own, and
//! both are numbered as one.

use rusqlite::types::Value;
use rusqlite::{Row, params};
use store_core::event::{NewEvent, Subject};
use store_core::repo::{ClusterRead, EventRead, EventWrite, JobRead};
use store_core::{
    Actor, ClusterId, Error, Event, EventSequence, Invalid, JobId, JobStatus, Process, Result,
};

use crate::codec::{Columns, micros, to_json};
use crate::insert::{Insert, insert};
use crate::unit::{Mode, Unit, Writing};
use crate::worker::this_process;

macro_rules! of_jobs {
    () => {
        "SELECT sequence, job_id, NULL AS cluster_id, attempt, at, kind, from_status, to_status, actor, detail, host, \
         pid FROM job_events"
    };
}

macro_rules! of_the_store {
    () => {
        "SELECT sequence, job_id, cluster_id, attempt, at, kind, from_status, NULL AS to_status, actor, detail, host, \
         pid FROM store_events"
    };
}

pub(super) const OF: &str =
    concat!(of_jobs!(), " INDEXED BY job_events_by_job WHERE job_id = ?1 ORDER BY sequence");
pub(super) const DEPARTURE: &str =
    concat!(of_the_store!(), " INDEXED BY store_events_by_job WHERE job_id = ?1 ORDER BY sequence");
pub(super) const OF_CLUSTER: &str = concat!(
    of_the_store!(),
    " INDEXED BY store_events_by_cluster WHERE cluster_id = ?1 ORDER BY sequence"
);
pub(super) const NEWEST_THAT_NAMES: &str = concat!(
    of_the_store!(),
    " INDEXED BY store_events_by_cluster WHERE cluster_id = ?1 AND detail -> ?2 IS NOT NULL \
     ORDER BY sequence DESC LIMIT 1"
);
pub(super) const AFTER: &str = concat!(
    of_jobs!(),
    " WHERE sequence > ?1 UNION ALL ",
    of_the_store!(),
    " WHERE sequence > ?1 ORDER BY sequence LIMIT ?2 + 0"
);
pub(super) const NEWEST: &str = "SELECT max(coalesce((SELECT max(sequence) FROM job_events), 0), \
                                 coalesce((SELECT max(sequence) FROM store_events), 0), \
                                 (SELECT newest FROM events_forgotten WHERE id = 1))";
pub(super) const NEWEST_FORGOTTEN: &str = "SELECT newest FROM events_forgotten WHERE id = 1";

const INSERT: Insert<10> = insert!(
    "job_events",
    "job_id, attempt, at, kind, from_status, to_status, actor, detail, host, pid",
    "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
);
/// Takes the number that the next event of a job would have.
const NUMBER: &str = "UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'job_events'";
const NUMBER_ANEW: &str = "UPDATE store_events SET sequence = taken.seq FROM sqlite_sequence AS taken \
                           WHERE store_events.sequence = ?1 AND taken.name = 'job_events'";
const INSERT_LASTING: &str = "INSERT INTO store_events (sequence, job_id, cluster_id, attempt, at, kind, from_status, actor, detail, host, pid) \
     SELECT seq, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 FROM sqlite_sequence WHERE name = 'job_events'";

fn decode(row: &Row<'_>) -> rusqlite::Result<Event> {
    let mut columns = Columns::of(row);
    let sequence = columns.id(EventSequence::new)?;
    let (job, cluster, attempt) = (columns.plain()?, columns.plain()?, columns.plain()?);
    let subject = match (job, cluster, attempt) {
        (Some(id), None, Some(attempt)) => Subject::Job { id: JobId::new(id), attempt },
        (None, Some(id), None) => Subject::Cluster(ClusterId::new(id)),
        _ => {
            let reason = "is neither of a job nor of a cluster".to_owned();
            return columns.accept(Err(Invalid::new("event", reason)));
        }
    };
    Ok(Event {
        sequence,
        subject,
        at: columns.time()?,
        kind: columns.word()?,
        from: columns.optional_word()?,
        to: columns.optional_word()?,
        actor: columns.checked(Actor::new)?,
        detail: columns.json()?,
        process: match (columns.plain::<Option<String>>()?, columns.plain::<Option<u32>>()?) {
            (Some(host), Some(pid)) => Some(Process { host, pid }),
            _ => None,
        },
    })
}

impl<M: Mode> EventRead for Unit<'_, M> {
    fn history(&self, job: JobId) -> Result<Vec<Event>> {
        let mut events = self.list(OF, [job.get()], decode)?;
        if events.is_empty() {
            events = self.list(DEPARTURE, [job.get()], decode)?;
        }
        if events.is_empty() {
            self.check_job(job)?;
        }
        Ok(events)
    }

    fn cluster_history(&self, cluster: ClusterId) -> Result<Vec<Event>> {
        let events = self.list(OF_CLUSTER, [cluster.get()], decode)?;
        if events.is_empty() {
            self.cluster(cluster)?;
        }
        Ok(events)
    }

    fn events_after(&self, sequence: EventSequence, limit: u32) -> Result<Vec<Event>> {
        self.list(AFTER, [sequence.get(), i64::from(limit)], decode)
    }

    fn newest_sequence(&self) -> Result<EventSequence> {
        let newest: Option<i64> = self.find(NEWEST, [], |row| row.get(0))?;
        Ok(newest.map_or(EventSequence::START, EventSequence::new))
    }

    fn newest_forgotten(&self) -> Result<EventSequence> {
        let newest = self.find(NEWEST_FORGOTTEN, [], |row| row.get(0).map(EventSequence::new))?;
        newest.ok_or_else(|| {
            let what = "events_forgotten is empty".to_owned();
            self.damaged(what, None)
        })
    }
}

impl<M: Mode> Unit<'_, M> {
    /// For each of these details, the newest event of a cluster that has it.
    pub(super) fn newest_that_name(
        &self,
        cluster: ClusterId,
        details: impl Iterator<Item = &'static str>,
    ) -> Result<Vec<Event>> {
        let found =
            details.map(|name| self.find(NEWEST_THAT_NAMES, params![cluster.get(), name], decode));
        found.filter_map(Result::transpose).collect()
    }
}

impl EventWrite for Unit<'_, Writing> {
    fn add_note(&self, job: JobId, text: &str) -> Result<Event> {
        let job = self.job(job)?;
        let event = NewEvent::noted(&job, text, self.now())?;
        let sequence = self.record(event.clone())?;
        Ok(event.recorded(sequence, self.author(), Some(this_process().clone())))
    }
}

impl Unit<'_, Writing> {
    /// Writes an event, signed by the unit's author.
    pub(crate) fn record(&self, event: NewEvent) -> Result<EventSequence> {
        if event.subject.job().is_some() && !event.kind.is_departure() {
            self.insert_all(&INSERT, &[self.row_of(event)])?;
            return Ok(EventSequence::new(self.last_id()));
        }
        let event = event.signed_by(self.author());
        let process = this_process();
        self.execute(NUMBER, [])?;
        let params = params![
            event.subject.job().map(JobId::get),
            event.subject.cluster().map(ClusterId::get),
            event.subject.attempt(),
            micros(event.at),
            event.kind.as_str(),
            event.from.map(JobStatus::as_str),
            self.author().actor().as_str(),
            to_json(&event.detail),
            process.host,
            process.pid
        ];
        match self.execute(INSERT_LASTING, params)? {
            0 => Err(self.numberless()),
            _ => Ok(EventSequence::new(self.last_id())),
        }
    }

    /// Writes events of jobs that stay, in their order.
    pub(super) fn record_all(&self, events: Vec<NewEvent>) -> Result<()> {
        let rows: Vec<_> = events.into_iter().map(|event| self.row_of(event)).collect();
        self.insert_all(&INSERT, &rows)
    }

    fn row_of(&self, event: NewEvent) -> [Value; 10] {
        let event = event.signed_by(self.author());
        let process = this_process();
        let word = |status: JobStatus| status.as_str().to_owned();
        [
            Value::from(event.subject.job().map(JobId::get)),
            Value::from(event.subject.attempt()),
            Value::from(micros(event.at)),
            Value::from(event.kind.as_str().to_owned()),
            Value::from(event.from.map(word)),
            Value::from(event.to.map(word)),
            Value::from(self.author().actor().as_str().to_owned()),
            Value::from(to_json(&event.detail)),
            Value::from(process.host.clone()),
            Value::from(process.pid),
        ]
    }

    /// Gives an event that outlives its subject the next number of all.
    pub(crate) fn number_anew(&self, sequence: EventSequence) -> Result<()> {
        self.execute(NUMBER, [])?;
        match self.execute(NUMBER_ANEW, [sequence.get()])? {
            0 => Err(self.numberless()),
            _ => Ok(()),
        }
    }

    fn numberless(&self) -> Error {
        let what = "events have no number: sqlite_sequence has no job_events".to_owned();
        self.damaged(what, None)
    }
}
