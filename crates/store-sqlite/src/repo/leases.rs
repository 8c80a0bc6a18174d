//! Leases and attempts, row by row.

use rusqlite::{Row, params};
use store_core::run::Past;
use store_core::{
    Attempt, AttemptOutcome, FailureKind, JobId, Lease, LeaseToken, Process, Result, Worker,
};

use crate::codec::{Columns, micros, optional_micros};
use crate::unit::{Mode, Unit, Writing};

macro_rules! columns {
    () => {
        "job_id, attempt, token, worker, host, pid, boot_id, pid_started_at, claimed_at, expires_at"
    };
}

pub(super) const OF: &str = concat!("SELECT ", columns!(), " FROM job_leases WHERE job_id = ?1");
pub(super) const ALL: &str = concat!("SELECT ", columns!(), " FROM job_leases ORDER BY job_id");
pub(super) const LAPSED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM job_leases INDEXED BY job_leases_by_end WHERE expires_at <= ?1 \
     ORDER BY expires_at, job_id LIMIT ?2 + 0"
);

const INSERT: &str = concat!(
    "INSERT INTO job_leases (",
    columns!(),
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
);

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

const INSERT_ATTEMPT: &str = concat!(
    "INSERT INTO job_attempts (",
    attempt_columns!(),
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
);

fn decode(row: &Row<'_>) -> rusqlite::Result<Lease> {
    let mut columns = Columns::of(row);
    Ok(Lease {
        job: columns.id(JobId::new)?,
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
    pub(super) fn find_lease(&self, job: JobId) -> Result<Option<Lease>> {
        self.find(OF, [job.get()], decode)
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
    /// The leases that have lapsed, those that lapsed first first.
    pub(super) fn lapsed_leases(&self, limit: u32) -> Result<Vec<Lease>> {
        self.list(LAPSED, params![micros(self.now()), limit], decode)
    }

    pub(super) fn insert_lease(&self, lease: &Lease) -> Result<()> {
        let Worker { name, process, boot_id, pid_started_at } = &lease.worker;
        self.execute(
            INSERT,
            params![
                lease.job.get(),
                lease.attempt,
                lease.token.get(),
                name,
                process.host,
                process.pid,
                boot_id,
                pid_started_at,
                micros(lease.claimed_at),
                micros(lease.expires_at),
            ],
        )
        .map(drop)
    }

    pub(super) fn extend_lease(&self, lease: &Lease) -> Result<()> {
        let params = params![lease.job.get(), micros(lease.expires_at)];
        self.execute("UPDATE job_leases SET expires_at = ?2 WHERE job_id = ?1", params).map(drop)
    }

    pub(super) fn delete_lease(&self, job: JobId) -> Result<()> {
        self.execute("DELETE FROM job_leases WHERE job_id = ?1", [job.get()]).map(drop)
    }

    pub(super) fn insert_attempt(&self, attempt: &Attempt) -> Result<()> {
        self.execute(
            INSERT_ATTEMPT,
            params![
                attempt.job.get(),
                attempt.attempt,
                attempt.outcome.map(AttemptOutcome::as_str),
                attempt.failure_kind.as_ref().map(FailureKind::as_str),
                attempt.reason,
                attempt.exit_code,
                attempt.token.map(LeaseToken::get),
                attempt.worker,
                attempt.process.as_ref().map(|process| process.host.as_str()),
                attempt.process.as_ref().map(|process| process.pid),
                optional_micros(attempt.queued_at),
                optional_micros(attempt.started_at),
                optional_micros(attempt.ended_at),
            ],
        )
        .map(drop)
    }
}
