//! The calls of a benchmark on a connection, however a thread comes by one.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use store_core::{JobStatus, NewJob, NewResult, NewWorkflow};

use super::{claims, graphs, retire, rows};
use crate::bench::client::{Answer, Client, Trouble};
use crate::bench::work::Retired;
use crate::failure::{Failure, chain};

/// How a thread comes by a connection.
pub trait Access {
    /// Runs something on it.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T>;
}

/// A client of plain rusqlite.
pub struct Raw<A>(pub A);

fn trouble(error: rusqlite::Error) -> Trouble {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Trouble::Locked,
        _ => Trouble::Failed(Failure::new(chain(&error))),
    }
}

impl<A: Access> Raw<A> {
    fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Answer<T> {
        let written = self.0.with(|connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        });
        written.map_err(trouble)
    }

    fn read<T>(&mut self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Answer<T> {
        self.0.with(work).map_err(trouble)
    }
}

impl<A: Access> Client for Raw<A> {
    fn create(&mut self, new: &NewJob) -> Answer<i64> {
        self.write(|transaction| rows::insert_job(transaction, new))
    }

    fn create_many(&mut self, new: &[NewJob]) -> Answer<()> {
        self.write(|transaction| {
            new.iter().try_for_each(|new| rows::insert_job(transaction, new).map(drop))
        })
    }

    fn change_status(&mut self, job: i64, from: JobStatus, to: JobStatus) -> Answer<()> {
        self.write(|transaction| rows::update_status(transaction, job, from, to))
    }

    fn change_statuses(&mut self, changes: &[(i64, JobStatus, JobStatus)]) -> Answer<()> {
        self.write(|transaction| {
            changes
                .iter()
                .try_for_each(|&(job, from, to)| rows::update_status(transaction, job, from, to))
        })
    }

    fn claim(&mut self, most: u32, complete: bool) -> Answer<u32> {
        let held = self.write(|transaction| claims::claim(transaction, most))?;
        if complete && !held.is_empty() {
            self.write(|transaction| {
                held.iter().try_for_each(|job| claims::complete(transaction, *job))
            })?;
        }
        Ok(u32::try_from(held.len()).unwrap_or(u32::MAX))
    }

    fn finish_parent(&mut self, job: i64) -> Answer<()> {
        self.read(|connection| graphs::do_by_hand(connection))?;
        self.write(|transaction| graphs::finish_parent(transaction, job))
    }

    fn create_workflow(&mut self, new: &NewWorkflow) -> Answer<()> {
        self.write(|transaction| graphs::insert(transaction, new))
    }

    fn retire(&mut self, how: Retired, archive: &Path) -> Answer<(u64, u64)> {
        self.read(|connection| retire::retire(connection, how, archive))
    }

    fn write_result(&mut self, job: i64, result: &NewResult) -> Answer<()> {
        self.write(|transaction| rows::insert_result(transaction, job, result))
    }

    fn write_results(&mut self, jobs: &[i64], result: &NewResult) -> Answer<()> {
        self.write(|transaction| {
            jobs.iter().try_for_each(|job| rows::insert_result(transaction, *job, result))
        })
    }

    fn finish(&mut self, job: i64, result: &NewResult) -> Answer<()> {
        self.write(|transaction| {
            rows::insert_result(transaction, job, result)?;
            rows::update_status(transaction, job, JobStatus::Running, JobStatus::Completed)
        })
    }

    fn get(&mut self, job: i64) -> Answer<String> {
        self.read(|connection| rows::job(connection, job)).map(|job| job.name)
    }

    fn newest(&mut self, jobs: u32) -> Answer<Vec<i64>> {
        let found = self.read(|connection| rows::newest(connection, jobs, None))?;
        Ok(found.iter().map(|job| job.id).collect())
    }

    fn statuses(&mut self, jobs: &[i64]) -> Answer<usize> {
        self.read(|connection| rows::statuses(connection, jobs)).map(|found| found.len())
    }

    fn list_all(&mut self, page: u32, after_page: &mut dyn FnMut()) -> Answer<u64> {
        let (mut after, mut seen) = (None, 0);
        loop {
            let found = self.read(|connection| rows::newest(connection, page, after))?;
            seen += found.len() as u64;
            after_page();
            match found.last() {
                Some(last) if found.len() == page as usize => {
                    after = Some((last.created_at, last.id));
                }
                _ => return Ok(seen),
            }
        }
    }

    fn hold_snapshot(&mut self, between: &mut dyn FnMut()) -> Answer<()> {
        let held = self.read(|connection| {
            let transaction = connection.transaction()?;
            let before: Vec<i64> =
                rows::newest(&transaction, 50, None)?.iter().map(|job| job.id).collect();
            between();
            let after = rows::newest(&transaction, 50, None)?;
            transaction.commit()?;
            Ok(before.iter().eq(after.iter().map(|job| &job.id)))
        })?;
        match held {
            true => Ok(()),
            false => Err(Trouble::wrong("a snapshot changed while it was held")),
        }
    }
}
