//! Lists of jobs in memory: every job is looked at.

use crate::error::Result;
use crate::job::Job;
use crate::query::{Cursor, JobFilter, JobFindings, JobPage, Page};

use super::state::State;

impl State {
    pub(super) fn page_of_jobs(&self, filter: &JobFilter, page: &Page) -> Result<JobPage> {
        filter.check()?;
        page.check()?;
        let (order, walked) = (page.order(), page.walked());
        let energy = |job: &Job| self.present_result(job).and_then(|found| found.result.energy);
        let admitted = self.jobs.values().filter(|job| self.admits(filter, job));
        // A cursor is a place of the list's order, in whichever direction it is read.
        let place = |job: &Job| Some((order.place(job, energy(job))?, job.clone()));
        let is_ahead =
            |at: &Cursor| page.cursor().is_none_or(|from| walked.compare(from, at).is_lt());
        let mut found: Vec<(Cursor, Job)> =
            admitted.filter_map(|job| place(job)).filter(|(at, _)| is_ahead(at)).collect();
        found.sort_by(|(one, _), (other, _)| walked.compare(one, other));
        found.truncate(page.limit() as usize + 1);
        Ok(JobPage::from_walked(found, page))
    }

    pub(super) fn count_jobs(&self, filter: &JobFilter) -> Result<u64> {
        filter.check()?;
        Ok(self.jobs.values().filter(|job| self.admits(filter, job)).count() as u64)
    }

    fn admits(&self, filter: &JobFilter, job: &Job) -> bool {
        let result = self.present_result(job).map(|found| &found.result);
        filter.admits(job, JobFindings { tags: self.tags_of(job.id), result })
    }
}
