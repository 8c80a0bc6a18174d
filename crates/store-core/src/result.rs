//! What a job yielded.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Invalid, Noun, Result};
use crate::event::{EventKind, NewEvent};
use crate::ids::{JobId, JobUuid};
use crate::input::InputHash;
use crate::job::Job;
use crate::time::Timestamp;
use crate::units::Energy;
use crate::words::{check_depth, check_optional_name, words};

words! {
    /// Whether the calculation reached self-consistency, as its output says.
    pub enum Convergence as "convergence" {
        /// It did.
        Converged = "converged",
        /// It did not.
        NotConverged = "not_converged",
        /// The output does not say.
        Unknown = "unknown",
    }
}

/// A JSON document whose meaning is fixed by a version of the caller's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultDocument {
    /// The version of the document's form, from 1.
    pub version: u32,
    /// The document.
    pub body: Value,
}

impl Default for ResultDocument {
    /// An empty object of version 1.
    fn default() -> Self {
        Self { version: 1, body: Value::Object(serde_json::Map::new()) }
    }
}

/// Where a result comes from, as far as known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Provenance {
    /// The version of the code that calculated it, as the code prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_version: Option<String>,
    /// The input that was calculated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_sha256: Option<InputHash>,
    /// The jobs whose results went into the input.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<JobUuid>,
}

/// A result to be recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewResult {
    /// The total energy, in the unit in which the code prints it.
    pub energy: Option<Energy>,
    /// Whether it converged.
    pub convergence: Convergence,
    /// How many cycles the self-consistent field took.
    pub scf_cycles: Option<u32>,
    /// Processor time in seconds, over all processes; finite and not negative.
    pub cpu_seconds: Option<f64>,
    /// Elapsed time in seconds; finite and not negative.
    pub wall_seconds: Option<f64>,
    /// Everything else that was read from the output.
    pub document: ResultDocument,
    /// Where it comes from.
    pub provenance: Provenance,
}

impl NewResult {
    /// A result of which only this is known.
    pub fn new(convergence: Convergence) -> Self {
        Self {
            energy: None,
            convergence,
            scf_cycles: None,
            cpu_seconds: None,
            wall_seconds: None,
            document: ResultDocument::default(),
            provenance: Provenance::default(),
        }
    }

    /// With a total energy.
    #[must_use]
    pub fn with_energy(mut self, energy: Energy) -> Self {
        self.energy = Some(energy);
        self
    }

    /// Refuses what no store takes. Backends call it before they write.
    ///
    /// # Errors
    /// [`Invalid`] with the field's name.
    pub fn check(&self) -> std::result::Result<(), Invalid> {
        for (field, seconds) in
            [("cpu_seconds", self.cpu_seconds), ("wall_seconds", self.wall_seconds)]
        {
            if let Some(seconds) = seconds.filter(|s| !s.is_finite() || *s < 0.0) {
                let reason =
                    format!("is {seconds}: give a finite number of seconds from 0, or none");
                return Err(Invalid::new(field, reason));
            }
        }
        if self.document.version == 0 {
            let reason = "is 0: count the versions of your documents from 1".to_owned();
            return Err(Invalid::new("document version", reason));
        }
        check_depth("document", [&self.document.body])?;
        check_optional_name("code_version", self.provenance.code_version.as_deref())
    }
}

/// A result, as stored: one for each attempt of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobResult {
    /// The job.
    pub job: JobId,
    /// The attempt of the job that yielded it.
    pub attempt: u32,
    /// What was recorded.
    pub result: NewResult,
    /// When.
    pub recorded_at: Timestamp,
}

/// What the recording of a result came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is stored: the attempt had none, or another that was to be replaced.
    Stored,
    /// The attempt has the same result already; nothing was written.
    Unchanged,
}

/// Decides what `record_result` writes, given what the attempt has already: the result and its event, or
/// nothing where the attempt has the same result. Backends store what this returns.
///
/// # Errors
/// [`Error::Conflict`] where the attempt has another result: it is never overwritten by accident.
pub fn record(
    job: &Job,
    existing: Option<&JobResult>,
    new: &NewResult,
    now: Timestamp,
) -> Result<Option<(JobResult, NewEvent)>> {
    new.check()?;
    match existing {
        Some(existing) if existing.result == *new => Ok(None),
        Some(_) => {
            let value =
                format!("{} of job {}; replace_result puts another in", job.attempt, job.id);
            Err(Error::conflict(Noun::Result, "attempt", value))
        }
        None => {
            let event = NewEvent::of(job, EventKind::ResultRecorded, now);
            Ok(Some((stored(job, new, now), describe(event, new))))
        }
    }
}

/// Decides what `replace_result` writes: the event keeps the old result.
///
/// # Errors
/// [`Error::NotFound`] where the attempt has no result yet.
pub fn replace(
    job: &Job,
    existing: Option<&JobResult>,
    new: &NewResult,
    now: Timestamp,
) -> Result<Option<(JobResult, NewEvent)>> {
    new.check()?;
    let Some(existing) = existing else {
        let key = format!("of attempt {} of job {}", job.attempt, job.id);
        return Err(Error::not_found(Noun::Result, key));
    };
    if existing.result == *new {
        return Ok(None);
    }
    let old = serde_json::to_value(&existing.result).map_err(|error| Error::Bug {
        what: "a stored result has no JSON".to_owned(),
        source: Some(error.into()),
    })?;
    let event = NewEvent::of(job, EventKind::ResultReplaced, now).with("replaced", old);
    Ok(Some((stored(job, new, now), describe(event, new))))
}

fn stored(job: &Job, new: &NewResult, now: Timestamp) -> JobResult {
    JobResult { job: job.id, attempt: job.attempt, result: new.clone(), recorded_at: now }
}

pub(crate) fn describe(event: NewEvent, new: &NewResult) -> NewEvent {
    let event = event.with("convergence", new.convergence.as_str());
    match new.energy {
        Some(energy) => event.with("energy_ev", energy.electron_volts()),
        None => event,
    }
}
