//! Input decks.

use rusqlite::params;
use store_core::{Error, InputDeck, InputHash, JobId, Noun, Result};

use crate::codec::micros;
use crate::unit::{Mode, Unit, Writing};

pub(super) const HASH: &str = "SELECT sha256 FROM job_inputs WHERE job_id = ?1";
pub(super) const FILES: &str = "SELECT name, content FROM job_input_files WHERE job_id = ?1";
pub(super) const EXISTS: &str = "SELECT 1 FROM jobs WHERE id = ?1";

impl<M: Mode> Unit<'_, M> {
    pub(super) fn input_of(&self, job: JobId) -> Result<Option<InputDeck>> {
        self.check_job(job)?;
        let files: Vec<(String, String)> =
            self.list(FILES, [job.get()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if files.is_empty() {
            return Ok(None);
        }
        InputDeck::set(files).map(Some).map_err(|invalid| Error::Corrupt {
            what: format!("the input of job {job} cannot be"),
            source: Some(invalid.into()),
        })
    }

    pub(super) fn input_hash_of(&self, job: JobId) -> Result<Option<InputHash>> {
        self.find(HASH, [job.get()], |row| row.get(0).map(InputHash::from_bytes))
    }

    pub(super) fn job_is_missing(&self, job: JobId) -> Result<bool> {
        Ok(self.find(EXISTS, [job.get()], |_| Ok(()))?.is_none())
    }

    /// Refuses a job that is not there.
    pub(super) fn check_job(&self, job: JobId) -> Result<()> {
        if self.job_is_missing(job)? { Err(Error::not_found(Noun::Job, job)) } else { Ok(()) }
    }
}

impl Unit<'_, Writing> {
    pub(super) fn insert_input(&self, job: JobId, deck: &InputDeck, hash: InputHash) -> Result<()> {
        self.execute(
            "INSERT INTO job_inputs (job_id, sha256, updated_at) VALUES (?1, ?2, ?3)",
            params![job.get(), hash.as_bytes().as_slice(), micros(self.now()),],
        )?;
        for (name, content) in deck.files() {
            self.execute(
                "INSERT INTO job_input_files (job_id, name, content) VALUES (?1, ?2, ?3)",
                params![job.get(), name, content],
            )?;
        }
        Ok(())
    }

    pub(super) fn delete_input(&self, job: JobId) -> Result<()> {
        // The files go by cascade.
        self.execute("DELETE FROM job_inputs WHERE job_id = ?1", [job.get()]).map(drop)
    }
}
