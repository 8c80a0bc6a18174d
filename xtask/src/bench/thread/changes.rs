//! What concerns jobs one by one, or many of them in one transaction: statuses, results, and the mix of all work.

use std::sync::atomic::Ordering;

use store_core::JobStatus;

use super::{Shared, Worker, expect, id};
use crate::bench::task::Tally;
use crate::failure::Result;

impl Worker<'_> {
    /// Changes the next status.
    pub(super) fn change_status(&mut self) -> Result<()> {
        let (job, from, to) = self.next_change()?;
        self.moved(job, from, to)
    }

    /// Changes so many statuses in one transaction.
    pub(super) fn change_statuses(&mut self, number: u32) -> Result<bool> {
        let changes: Vec<_> = (0..number).map(|_| self.next_change()).collect::<Result<_>>()?;
        self.call(|client| client.change_statuses(&changes))?;
        let number = u64::from(number);
        self.worked.tally.add(Tally { events: number, ..Tally::default() });
        // The jobs count, not the calls.
        self.worked.operations += number;
        Ok(true)
    }

    /// Writes the results of the next so many jobs, in one transaction.
    pub(super) fn write_results(&mut self, shared: &Shared, number: u32) -> Result<bool> {
        let task = self.task;
        let mut jobs = Vec::new();
        for _ in 0..number {
            let taken = shared.taken.fetch_add(1, Ordering::Relaxed);
            let job = taken * u64::from(task.processes) + u64::from(task.process);
            if job <= u64::from(task.stock.jobs()) {
                jobs.push(id(job));
            }
        }
        let result = self.result.clone();
        match *jobs.as_slice() {
            [] => return Ok(false),
            [job] => self.call(|client| client.write_result(job, &result))?,
            _ => self.call(|client| client.write_results(&jobs, &result))?,
        }
        let written = jobs.len() as u64;
        self.worked.tally.add(Tally { events: written, results: written, ..Tally::default() });
        self.worked.operations += written;
        Ok(true)
    }

    /// Each thread has jobs of its own, which go to and fro.
    fn next_change(&mut self) -> Result<(i64, JobStatus, JobStatus)> {
        let task = self.task;
        let all = u64::from(task.threads * task.processes);
        let place = u64::from((task.process - 1) * task.threads + self.thread);
        let own = (u64::from(task.stock.jobs()).saturating_sub(place)).div_ceil(all);
        expect(own > 0, || "there are more threads than jobs".to_owned())?;
        let (round, index) = (self.turns / own, self.turns % own);
        self.turns += 1;
        let job = id(1 + place + index * all);
        let (from, to) = match round.is_multiple_of(2) {
            true => (JobStatus::Pending, JobStatus::Queued),
            false => (JobStatus::Queued, JobStatus::Pending),
        };
        Ok((job, from, to))
    }

    /// A UI lists and looks, a scheduler creates and queues, a worker runs and finishes.
    pub(super) fn mix(&mut self) -> Result<()> {
        let (turn, job) = (self.turns % 8, self.current);
        self.turns += 1;
        match turn {
            0 => {
                self.listed = self.call(|client| client.newest(50))?;
                expect(self.listed.len() == 50, || "fewer than 50 jobs were listed".to_owned())
            }
            1 => {
                let new = self.drafts.next()?;
                self.current = self.call(|client| client.create(&new))?;
                self.created(1);
                Ok(())
            }
            2 | 6 => self.call(|client| client.get(job)).map(drop),
            3 => self.moved(job, JobStatus::Pending, JobStatus::Queued),
            4 => {
                let listed = std::mem::take(&mut self.listed);
                let found = self.call(|client| client.statuses(&listed))?;
                expect(found == listed.len(), || format!("{found} statuses of 50 came"))
            }
            5 => self.moved(job, JobStatus::Queued, JobStatus::Running),
            _ => {
                let result = self.result.clone();
                self.call(|client| client.finish(job, &result))?;
                self.worked.tally.add(Tally { events: 2, results: 1, ..Tally::default() });
                Ok(())
            }
        }
    }

    fn moved(&mut self, job: i64, from: JobStatus, to: JobStatus) -> Result<()> {
        self.call(|client| client.change_status(job, from, to))?;
        self.worked.tally.add(Tally { events: 1, ..Tally::default() });
        Ok(())
    }
}
