//! Leases, with the jobs that they are on, and attempts.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{Row, params};
use store_core::run::Past;
use store_core::{
    Attempt, AttemptOutcome, Error, FailureKind, Job, JobId, Lease, LeaseToken, Noun, Process,
    Result, Worker,
};

use super::jobs::{columns, decode_columns};
use crate::codec::{Columns, micros, optional_micros, to_json};
use crate::insert::{Insert, insert};
use crate::unit::{Mode, Unit, Writing};

macro_rules! lease_columns {
    () => {
        "leases.job_id, leases.attempt, leases.token, leases.worker, leases.host, leases.pid, \
         leases.boot_id, leases.pid_started_at, leases.claimed_at, leases.expires_at"
    };
}

macro_rules! leased_columns {
    () => {
        concat!(columns!(), ", ", lease_columns!())
    };
}

pub(super) const ALL: &str =
    concat!("SELECT ", lease_columns!(), " FROM job_leases AS leases ORDER BY leases.job_id");
pub(super) const LAPSED: &str = concat!(
    "SELECT ",
    leased_columns!(),
    " FROM job_leases AS leases INDEXED BY job_leases_by_end \
     CROSS JOIN jobs NOT INDEXED ON jobs.id = leases.job_id \
     WHERE leases.expires_at <= ?1 AND jobs.status = 'RUNNING' \
     ORDER BY leases.expires_at, leases.job_id LIMIT ?2 + 0"
);

/// Jobs, each with its lease if it has one, as none has that is not RUNNING.
macro_rules! leased {
    ($wanted:literal) => {
        concat!(
            "SELECT ",
            leased_columns!(),
            " FROM ",
            $wanted,
            " LEFT JOIN job_leases AS leases ON leases.job_id = jobs.id AND jobs.status = 'RUNNING'"
        )
    };
}

pub(super) const LEASED: &str = concat!(leased!("jobs"), " WHERE jobs.id = ?1");
pub(super) const LEASED_AMONG: &str =
    leased!("json_each(?1) AS wanted CROSS JOIN jobs NOT INDEXED ON jobs.id = wanted.value");

const INSERT: Insert<10> = insert!(
    "job_leases",
    "job_id, attempt, token, worker, host, pid, boot_id, pid_started_at, claimed_at, expires_at",
    "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
);

pub(super) const DELETE_SEVERAL: &str =
    "DELETE FROM job_leases WHERE job_id IN (SELECT value FROM json_each(?1) AS wanted)";

macro_rules! attempt_columns {
    () => {
        "job_id, attempt, outcome, failure_kind, reason, exit_code, token, worker, host, pid, queued_at, \
         started_at, ended_at"
    };
}

pub(super) const ATTEMPTS: &str =
    concat!("SELECT ", attempt_columns!(), " FROM job_attempts WHERE job_id = ?1 ORDER BY attempt");
pub(super) const ATTEMPT: &str =
    concat!("SELECT ", attempt_columns!(), " FROM job_attempts WHERE job_id = ?1 AND attempt = ?2");
pub(super) const OUTCOMES: &str = "SELECT outcome FROM job_attempts WHERE job_id = ?1";

const INSERT_ATTEMPT: Insert<13> =
    insert!("job_attempts", attempt_columns!(), "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");

fn decode(row: &Row<'_>) -> rusqlite::Result<Lease> {
    let mut columns = Columns::of(row);
    let job = columns.id(JobId::new)?;
    decode_rest(job, &mut columns)
}

fn decode_rest(job: JobId, columns: &mut Columns<'_, '_>) -> rusqlite::Result<Lease> {
    Ok(Lease {
        job,
        attempt: columns.plain()?,
        token: columns.id(LeaseToken::new)?,
        worker: Worker {
            name: columns.plain()?,
            process: Process { host: columns.plain()?, pid: columns.plain()? },
            boot_id: columns.plain()?,
            pid_started_at: columns.plain()?,
        },
        claimed_at: columns.time()?,
        expires_at: columns.time()?,
    })
}

/// A job and the lease on it, if it has one.
pub(super) type Leased = (Job, Option<Lease>);

/// Both, where the job may not be there.
pub(super) fn apart(found: Option<Leased>) -> (Option<Job>, Option<Lease>) {
    let (job, lease) = found.unzip();
    (job, lease.flatten())
}

fn decode_leased(row: &Row<'_>) -> rusqlite::Result<Leased> {
    let mut columns = Columns::of(row);
    let job = decode_columns(&mut columns)?;
    let leased = columns.optional_id(JobId::new)?;
    let lease = leased.map(|job| decode_rest(job, &mut columns)).transpose()?;
    Ok((job, lease))
}

fn decode_attempt(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    let mut columns = Columns::of(row);
    Ok(Attempt {
        job: columns.id(JobId::new)?,
        attempt: columns.plain()?,
        outcome: columns.optional_word()?,
        failure_kind: columns.optional_word::<FailureKind>()?,
        reason: columns.plain()?,
        exit_code: columns.plain()?,
        token: columns.optional_id(LeaseToken::new)?,
        worker: columns.plain()?,
        process: match (columns.plain::<Option<String>>()?, columns.plain::<Option<u32>>()?) {
            (Some(host), Some(pid)) => Some(Process { host, pid }),
            _ => None,
        },
        queued_at: columns.optional_time()?,
        started_at: columns.optional_time()?,
        ended_at: columns.optional_time()?,
    })
}

impl<M: Mode> Unit<'_, M> {
    pub(super) fn find_leased(&self, job: JobId) -> Result<Option<Leased>> {
        self.find(LEASED, [job.get()], decode_leased)
    }

    pub(super) fn leased(&self, job: JobId) -> Result<Leased> {
        self.find_leased(job)?.ok_or_else(|| Error::not_found(Noun::Job, job))
    }

    /// Those of these jobs that are there.
    pub(super) fn leased_among(&self, jobs: &[JobId]) -> Result<BTreeMap<JobId, Leased>> {
        let found = match jobs {
            [job] => self.find_leased(*job)?.into_iter().collect(),
            jobs => self.list(LEASED_AMONG, [to_json(&jobs)], decode_leased)?,
        };
        Ok(found.into_iter().map(|leased| (leased.0.id, leased)).collect())
    }

    pub(super) fn all_leases(&self) -> Result<Vec<Lease>> {
        self.list(ALL, [], decode)
    }

    /// The attempts of a job that are over, oldest first.
    pub(super) fn past_attempts(&self, job: JobId) -> Result<Vec<Attempt>> {
        self.list(ATTEMPTS, [job.get()], decode_attempt)
    }

    pub(super) fn past_attempt(&self, job: JobId, attempt: u32) -> Result<Option<Attempt>> {
        self.find(ATTEMPT, params![job.get(), attempt], decode_attempt)
    }

    pub(super) fn past(&self, job: JobId) -> Result<Past> {
        let outcomes =
            self.list(OUTCOMES, [job.get()], |row| Columns::of(row).word::<AttemptOutcome>())?;
        Ok(Past::of(outcomes))
    }
}

impl Unit<'_, Writing> {
    /// The runs whose leases have lapsed, those that lapsed first first.
    pub(super) fn lapsed(&self, limit: u32) -> Result<Vec<Leased>> {
        self.list(LAPSED, params![micros(self.now()), limit], decode_leased)
    }

    pub(super) fn insert_leases(&self, leases: Vec<Lease>) -> Result<()> {
        let row = |lease: Lease| {
            let Worker { name, process, boot_id, pid_started_at } = lease.worker;
            [
                Value::from(lease.job.get()),
                Value::from(lease.attempt),
                Value::from(lease.token.get()),
                Value::from(name),
                Value::from(process.host),
                Value::from(process.pid),
                Value::from(boot_id),
                Value::from(pid_started_at),
                Value::from(micros(lease.claimed_at)),
                Value::from(micros(lease.expires_at)),
            ]
        };
        self.insert_all(&INSERT, &leases.into_iter().map(row).collect::<Vec<_>>())
    }

    pub(super) fn extend_lease(&self, lease: &Lease) -> Result<()> {
        let params = params![lease.job.get(), micros(lease.expires_at)];
        self.execute("UPDATE job_leases SET expires_at = ?2 WHERE job_id = ?1", params).map(drop)
    }

    pub(super) fn delete_leases(&self, jobs: &[JobId]) -> Result<()> {
        match jobs {
            [] => return Ok(()),
            [job] => self.execute("DELETE FROM job_leases WHERE job_id = ?1", [job.get()]),
            jobs => self.execute(DELETE_SEVERAL, [to_json(&jobs)]),
        }
        .map(drop)
    }

    pub(super) fn insert_attempts(&self, attempts: Vec<Attempt>) -> Result<()> {
        let row = |attempt: Attempt| {
            let word = |outcome: AttemptOutcome| outcome.as_str().to_owned();
            let kind = |kind: FailureKind| kind.as_str().to_owned();
            let (host, pid) = attempt.process.map(|process| (process.host, process.pid)).unzip();
            [
                Value::from(attempt.job.get()),
                Value::from(attempt.attempt),
                Value::from(attempt.outcome.map(word)),
                Value::from(attempt.failure_kind.map(kind)),
                Value::from(attempt.reason),
                Value::from(attempt.exit_code),
                Value::from(attempt.token.map(LeaseToken::get)),
                Value::from(attempt.worker),
                Value::from(host),
                Value::from(pid),
                Value::from(optional_micros(attempt.queued_at)),
                Value::from(optional_micros(attempt.started_at)),
                Value::from(optional_micros(attempt.ended_at)),
            ]
        };
        self.insert_all(&INSERT_ATTEMPT, &attempts.into_iter().map(row).collect::<Vec<_>>())
    }
}
