//! Results of jobs.

use rusqlite::{Row, params};
use store_core::event::NewEvent;
use store_core::repo::{ResultRead, ResultWrite};
use store_core::result::{record, replace};
use store_core::{
    Energy, EnergyUnit, Error, Job, JobId, JobResult, NewResult, Recorded, Result, ResultDocument,
    Under,
};

use crate::codec::{Columns, micros, to_json};
use crate::unit::{Mode, Unit, Writing};

macro_rules! columns {
    () => {
        "job_id, attempt, energy, energy_unit, convergence, scf_cycles, cpu_seconds, wall_seconds, \
         document_version, document, provenance, recorded_at"
    };
}

pub(super) const OF: &str =
    concat!("SELECT ", columns!(), " FROM job_results WHERE job_id = ?1 ORDER BY attempt");
pub(super) const NEWEST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM job_results WHERE job_id = ?1 ORDER BY attempt DESC LIMIT 1"
);
pub(super) const OF_ATTEMPT: &str =
    concat!("SELECT ", columns!(), " FROM job_results WHERE job_id = ?1 AND attempt = ?2");

const INSERT: &str = concat!(
    "INSERT INTO job_results (",
    columns!(),
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
);
const UPDATE: &str = "UPDATE job_results SET energy = ?3, energy_unit = ?4, convergence = ?5, \
                      scf_cycles = ?6, cpu_seconds = ?7, wall_seconds = ?8, document_version = ?9, \
                      document = ?10, provenance = ?11, recorded_at = ?12 \
                      WHERE job_id = ?1 AND attempt = ?2";

pub(super) fn decode(row: &Row<'_>) -> rusqlite::Result<JobResult> {
    let mut columns = Columns::of(row);
    let (job, attempt) = (columns.id(JobId::new)?, columns.plain()?);
    let value: Option<f64> = columns.plain()?;
    let unit: Option<EnergyUnit> = columns.optional_word()?;
    let energy = match (value, unit) {
        (Some(value), Some(unit)) => Some(columns.accept(Energy::new(value, unit))?),
        _ => None,
    };
    let result = NewResult {
        energy,
        convergence: columns.word()?,
        scf_cycles: columns.plain()?,
        cpu_seconds: columns.plain()?,
        wall_seconds: columns.plain()?,
        document: ResultDocument { version: columns.plain()?, body: columns.json()? },
        provenance: columns.json()?,
    };
    Ok(JobResult { job, attempt, result, recorded_at: columns.time()? })
}

impl<M: Mode> ResultRead for Unit<'_, M> {
    fn newest_result(&self, job: JobId) -> Result<Option<JobResult>> {
        self.check_job(job)?;
        self.find(NEWEST, [job.get()], decode)
    }

    fn results_of(&self, job: JobId) -> Result<Vec<JobResult>> {
        self.check_job(job)?;
        self.list(OF, [job.get()], decode)
    }
}

impl ResultWrite for Unit<'_, Writing> {
    fn record_result(&self, job: impl Into<Under<JobId>>, result: &NewResult) -> Result<Recorded> {
        let (job, _) = self.leased_under(job.into())?;
        match self.store_first_result(&job, result)? {
            None => Ok(Recorded::Unchanged),
            Some(event) => self.record(event).map(|_| Recorded::Stored),
        }
    }

    fn record_results<J>(&self, results: &[(J, NewResult)]) -> Result<Vec<Recorded>>
    where
        J: Into<Under<JobId>> + Copy,
    {
        self.atomically(|| {
            results.iter().map(|(job, result)| self.record_result(*job, result)).collect()
        })
    }

    fn replace_result(&self, job: impl Into<Under<JobId>>, result: &NewResult) -> Result<Recorded> {
        let (job, _) = self.leased_under(job.into())?;
        let existing = self.result_of_attempt(&job)?;
        match replace(&job, existing.as_ref(), result, self.now())? {
            None => Ok(Recorded::Unchanged),
            Some((stored, event)) => {
                self.write_result(UPDATE, &stored)?;
                self.record(event).map(|_| Recorded::Stored)
            }
        }
    }
}

impl Unit<'_, Writing> {
    fn result_of_attempt(&self, job: &Job) -> Result<Option<JobResult>> {
        self.find(OF_ATTEMPT, params![job.id.get(), job.attempt], decode)
    }

    /// Stores the result of an attempt that has none yet, or the same; the event that is to tell so, if it had none.
    pub(super) fn store_first_result(
        &self,
        job: &Job,
        result: &NewResult,
    ) -> Result<Option<NewEvent>> {
        // The first result of an attempt is the common case: only the schema is asked whether it is.
        if let Some((stored, event)) = record(job, None, result, self.now())?
            && self.write_result(INSERT, &stored)?
        {
            return Ok(Some(event));
        }
        let existing = self.result_of_attempt(job)?;
        match record(job, existing.as_ref(), result, self.now())? {
            None => Ok(None),
            Some(_) => Err(Error::Bug {
                what: format!(
                    "the result of attempt {} of job {} was refused",
                    job.attempt, job.id
                ),
                source: None,
            }),
        }
    }

    /// Stores the result of a job that is made with it.
    pub(super) fn insert_result(&self, stored: &JobResult) -> Result<()> {
        self.write_result(INSERT, stored).map(drop)
    }

    fn write_result(&self, sql: &str, stored: &JobResult) -> Result<bool> {
        let result = &stored.result;
        let written = self.try_execute(
            sql,
            params![
                stored.job.get(),
                stored.attempt,
                result.energy.map(Energy::value),
                result.energy.map(|energy| energy.unit().as_str()),
                result.convergence.as_str(),
                result.scf_cycles,
                result.cpu_seconds,
                result.wall_seconds,
                result.document.version,
                to_json(&result.document.body),
                to_json(&result.provenance),
                micros(stored.recorded_at),
            ],
        )?;
        Ok(written.is_ok())
    }
}
