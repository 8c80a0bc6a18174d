//! The history of jobs.

use rusqlite::{Row, params};
use store_core::event::NewEvent;
use store_core::repo::{EventRead, EventWrite, JobRead};
use store_core::{Actor, Event, EventSequence, JobId, JobStatus, Process, Result};

use crate::codec::{Columns, micros, to_json};
use crate::unit::{Mode, Unit, Writing};
use crate::worker::this_process;

macro_rules! columns {
    () => {
        "sequence, job_id, attempt, at, kind, from_status, to_status, actor, detail, host, pid"
    };
}

pub(super) const OF: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM job_events INDEXED BY job_events_by_job WHERE job_id = ?1 ORDER BY sequence"
);
pub(super) const AFTER: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM job_events WHERE sequence > ?1 ORDER BY sequence LIMIT ?2 + 0"
);
pub(super) const NEWEST: &str = "SELECT max(sequence) FROM job_events";

const INSERT: &str = "INSERT INTO job_events (job_id, attempt, at, kind, from_status, to_status, actor, \
                      detail, host, pid) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

fn decode(row: &Row<'_>) -> rusqlite::Result<Event> {
    let mut columns = Columns::of(row);
    Ok(Event {
        sequence: columns.id(EventSequence::new)?,
        job: columns.id(JobId::new)?,
        attempt: columns.plain()?,
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
        self.check_job(job)?;
        self.list(OF, [job.get()], decode)
    }

    fn events_after(&self, sequence: EventSequence, limit: u32) -> Result<Vec<Event>> {
        self.list(AFTER, [sequence.get(), i64::from(limit)], decode)
    }

    fn newest_sequence(&self) -> Result<EventSequence> {
        let newest: Option<i64> = self.find(NEWEST, [], |row| row.get(0))?.flatten();
        Ok(newest.map_or(EventSequence::START, EventSequence::new))
    }
}

impl EventWrite for Unit<'_, Writing> {
    fn add_note(&self, job: JobId, text: &str) -> Result<Event> {
        let job = self.job(job)?;
        let event = NewEvent::noted(&job, text, self.now())?;
        let sequence = self.record(event.clone())?;
        Ok(event.recorded(sequence, self.actor().clone(), Some(this_process().clone())))
    }
}

impl Unit<'_, Writing> {
    /// Writes an event, signed by the unit's actor.
    pub(super) fn record(&self, event: NewEvent) -> Result<EventSequence> {
        let process = this_process();
        self.execute(
            INSERT,
            params![
                event.job.get(),
                event.attempt,
                micros(event.at),
                event.kind.as_str(),
                event.from.map(JobStatus::as_str),
                event.to.map(JobStatus::as_str),
                self.actor().as_str(),
                to_json(&event.detail),
                process.host,
                process.pid,
            ],
        )?;
        Ok(EventSequence::new(self.last_id()))
    }
}
