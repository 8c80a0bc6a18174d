//! What rules decide about jobs, stored for many of them at once.
//!
//! A statement that fires triggers may be refused in its middle, so SQLite copies each page before the statement
//! changes it first ("Temporary Files Used By SQLite", statement journals). The rows of many jobs lie on few pages:
//! one statement for all of them copies each page once, a statement a job copies it for each job.

use std::mem;

use rusqlite::params_from_iter;
use rusqlite::types::Value;
use store_core::event::{EventKind, NewEvent};
use store_core::held::asks_to_be_cancelled;
use store_core::status::Step;
use store_core::{Job, JobId, JobStatus, Lease, Result, Timestamp};

use crate::codec::{micros, to_json};
use crate::unit::{Unit, Writing};

/// More jobs in a statement spare nothing more, and each costs memory until it is stored.
const MOST_TOGETHER: usize = 256;

/// A statement that changes the rows of one job, or of several alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Update {
    pub(super) one: &'static str,
    pub(super) several: &'static str,
}

macro_rules! update {
    ($set:literal) => {
        Update {
            one: concat!("UPDATE jobs SET ", $set, " WHERE id = ?1"),
            several: concat!(
                "UPDATE jobs NOT INDEXED SET ",
                $set,
                " WHERE id IN (SELECT value FROM json_each(?1) AS wanted)"
            ),
        }
    };
}

// Each column that is set costs the triggers and indexes that have it, so there is more than one.
pub(super) const START: Update =
    update!("status = ?2, pid = ?3, host = ?4, started_at = ?5, updated_at = ?6, claims = ?7");
/// A change of a job to RUNNING, by whoever needs no lease.
pub(super) const BEGIN: Update =
    update!("status = ?2, pid = ?3, host = ?4, started_at = ?5, updated_at = ?6");
pub(super) const ASK_TO_END: Update = update!("updated_at = ?2, cancel_requested_at = ?3");
pub(super) const END: Update = update!(
    "status = ?2, finished_at = ?3, updated_at = ?4, cancel_requested_at = NULL, probe_since = NULL"
);
pub(super) const CHANGE: Update = update!(
    "status = ?2, attempt = ?3, pid = ?4, host = ?5, queued_at = ?6, started_at = ?7, finished_at = ?8, \
     updated_at = ?9, not_before = ?10, cancel_requested_at = ?11, probe_since = ?12"
);

/// What becomes of a row of `jobs`: the statement, and what it sets.
type Written = (Update, Vec<Value>);

/// What is decided about a job.
#[derive(Debug)]
pub(super) struct Decided {
    step: Step,
    /// That its result came before.
    result: Option<NewEvent>,
    /// Of a claim: the lease that begins with it.
    lease: Option<Lease>,
}

impl From<Step> for Decided {
    fn from(step: Step) -> Self {
        Self { step, result: None, lease: None }
    }
}

impl Decided {
    pub(super) fn claim(step: Step, lease: Lease) -> Self {
        Self { lease: Some(lease), ..Self::from(step) }
    }

    /// After the result that `event` tells of.
    pub(super) fn with_result(step: Step, event: Option<NewEvent>) -> Self {
        Self { result: event, ..Self::from(step) }
    }

    /// As it will be.
    pub(super) const fn job(&self) -> &Job {
        &self.step.job
    }

    /// What becomes of the row of the job, but for which job it is.
    fn written(&self) -> Written {
        let job = &self.step.job;
        let text = |text: &str| Value::Text(text.to_owned());
        let time = |time: Option<Timestamp>| Value::from(time.map(micros));
        let mut values = vec![text(job.status.as_str())];
        let (pid, host) = (Value::from(job.pid), Value::from(job.host.clone()));
        let updated = Value::from(micros(job.updated_at));
        if let Some(lease) = &self.lease {
            let token = Value::from(lease.token.get());
            values.extend([pid, host, time(job.started_at), updated, token]);
            return (START, values);
        }
        if job.status.is_terminal() {
            values.extend([time(job.finished_at), updated]);
            return (END, values);
        }
        let event = &self.step.event;
        if event.kind == EventKind::CancelRequested {
            return (ASK_TO_END, vec![updated, time(job.cancel_requested_at)]);
        }
        if event.to == Some(JobStatus::Running) {
            values.extend([pid, host, time(job.started_at), updated]);
            return (BEGIN, values);
        }
        values.extend([
            Value::from(job.attempt),
            pid,
            host,
            time(job.queued_at),
            time(job.started_at),
            time(job.finished_at),
            updated,
            time(job.not_before),
            time(job.cancel_requested_at),
            time(job.probe_since),
        ]);
        (CHANGE, values)
    }
}

/// What is decided and not stored yet.
///
/// What is read meanwhile is as it was before what is kept. So that is stored first where the job of a kept step is
/// read ([`before`](Self::before)), where a claim reads on in a lane that it has taken jobs of, and at once where
/// something follows for jobs that ask to be cancelled. Runs may be read before all of it: what is decided about one
/// changes no other.
pub(super) struct Steps<'u, 't> {
    unit: &'u Unit<'t, Writing>,
    kept: Vec<Decided>,
}

impl Steps<'_, '_> {
    /// Called before what is stored of a job is read.
    pub(super) fn before(&mut self, job: JobId) -> Result<()> {
        match self.kept.iter().any(|kept| kept.step.job.id == job) {
            true => self.store(),
            false => Ok(()),
        }
    }

    /// Takes what is decided about a job, with what follows of it for those that wait.
    pub(super) fn take(&mut self, decided: Decided) -> Result<()> {
        let job = &decided.step.job;
        let settles = asks_to_be_cancelled(job) || self.unit.lets_down(job)?;
        let settled = settles.then(|| job.clone());
        self.kept.push(decided);
        if let Some(job) = settled {
            self.store()?;
            return self.unit.settle(&job);
        }
        if self.kept.len() < MOST_TOGETHER { Ok(()) } else { self.store() }
    }

    /// Stores what is kept, in the order in which it was taken.
    pub(super) fn store(&mut self) -> Result<()> {
        self.unit.store_all(mem::take(&mut self.kept))
    }
}

impl Unit<'_, Writing> {
    /// Stores what a rule decided, and what follows of it for those that wait.
    pub(super) fn store(&self, step: Step) -> Result<()> {
        self.storing(|steps| steps.take(step.into()))
    }

    /// Stores what `decide` decides by its end.
    pub(super) fn storing<T>(
        &self,
        decide: impl FnOnce(&mut Steps<'_, '_>) -> Result<T>,
    ) -> Result<T> {
        let mut steps = Steps { unit: self, kept: Vec::new() };
        let decided = decide(&mut steps)?;
        steps.store()?;
        Ok(decided)
    }

    pub(super) fn store_alone(&self, step: Step) -> Result<()> {
        self.store_all(vec![Decided::from(step)])
    }

    fn store_all(&self, decided: Vec<Decided>) -> Result<()> {
        let mut updates: Vec<(Written, Vec<JobId>)> = Vec::new();
        for one in &decided {
            let written = one.written();
            match updates.iter_mut().find(|(other, _)| *other == written) {
                Some((_, jobs)) => jobs.push(one.job().id),
                None => updates.push((written, vec![one.job().id])),
            }
        }
        for ((update, values), jobs) in updates {
            let (sql, first) = match jobs.as_slice() {
                [job] => (update.one, Value::from(job.get())),
                jobs => (update.several, Value::from(to_json(&jobs))),
            };
            self.execute(sql, params_from_iter(std::iter::once(first).chain(values)))?;
        }
        let (mut over, mut leases, mut attempts) = (Vec::new(), Vec::new(), Vec::new());
        let mut events = Vec::with_capacity(decided.len());
        for Decided { step: Step { job, event, ended }, result, lease } in decided {
            // A job that is not RUNNING has none.
            let was_running = event.from.is_none_or(|from| from == JobStatus::Running);
            if was_running && (job.status != JobStatus::Running || job.probe_since.is_some()) {
                over.push(job.id);
            }
            leases.extend(lease);
            attempts.extend(ended);
            events.extend(result);
            events.push(event);
        }
        self.delete_leases(&over)?;
        self.insert_leases(leases)?;
        self.insert_attempts(attempts)?;
        self.record_all(events)
    }
}
