//! How jobs are listed: filters, pages, counts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::code::{Code, Runner};
use crate::error::Invalid;
use crate::ids::{ClusterId, JobId};
use crate::job::Job;
use crate::status::JobStatus;
use crate::time::{TimeRange, Timestamp};
use crate::units::Energy;

/// Whether jobs that were put away are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Archived {
    /// They are left out.
    #[default]
    Exclude,
    /// They are listed with the others.
    Include,
    /// They alone are listed.
    Only,
}

impl Archived {
    /// Whether a job that is `archived` or not is listed.
    pub const fn admits(self, archived: bool) -> bool {
        match self {
            Self::Exclude => !archived,
            Self::Include => true,
            Self::Only => archived,
        }
    }
}

/// Energies from `least` to `most`, both included, in whatever units; a side that is `None` is open.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct EnergyRange {
    /// The lowest energy in the range.
    pub least: Option<Energy>,
    /// The highest energy in the range.
    pub most: Option<Energy>,
}

impl EnergyRange {
    /// Whether `energy` lies in the range; compared in electronvolts.
    pub fn contains(&self, energy: Energy) -> bool {
        let energy = energy.electron_volts();
        self.least.is_none_or(|least| energy >= least.electron_volts())
            && self.most.is_none_or(|most| energy <= most.electron_volts())
    }
}

/// Which jobs are meant. Everything that is set must hold; a list that is empty admits all.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JobFilter {
    /// Jobs in one of these statuses.
    pub statuses: Vec<JobStatus>,
    /// Jobs of one of these codes.
    pub codes: Vec<Code>,
    /// Jobs of this runner.
    pub runner: Option<Runner>,
    /// Jobs meant for this cluster.
    pub cluster: Option<ClusterId>,
    /// Jobs of this workflow.
    pub workflow: Option<String>,
    /// Jobs created in this range.
    pub created: TimeRange,
    /// Jobs whose present attempt has a result with an energy in this range.
    pub energy: Option<EnergyRange>,
    /// Whether jobs that were put away are meant; not unless set.
    pub archived: Archived,
}

impl JobFilter {
    /// Every job that was not put away.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only jobs in this status; called again, in either.
    #[must_use]
    pub fn status(mut self, status: JobStatus) -> Self {
        self.statuses.push(status);
        self
    }

    /// Only jobs of this code; called again, of either.
    #[must_use]
    pub fn code(mut self, code: Code) -> Self {
        self.codes.push(code);
        self
    }

    /// Only jobs of this workflow.
    #[must_use]
    pub fn workflow(mut self, workflow: impl Into<String>) -> Self {
        self.workflow = Some(workflow.into());
        self
    }

    /// Only jobs meant for this cluster.
    #[must_use]
    pub const fn cluster(mut self, cluster: ClusterId) -> Self {
        self.cluster = Some(cluster);
        self
    }

    /// Whether it admits a job, given the energy of its present attempt: the meaning of the filter,
    /// which a backend expresses in its own way.
    pub fn admits(&self, job: &Job, energy: Option<Energy>) -> bool {
        let listed = |is_empty: bool, contains: bool| is_empty || contains;
        listed(self.statuses.is_empty(), self.statuses.contains(&job.status))
            && listed(self.codes.is_empty(), self.codes.contains(&job.code))
            && self.runner.is_none_or(|runner| job.runner == runner)
            && self.cluster.is_none_or(|cluster| job.cluster == Some(cluster))
            && self.workflow.as_ref().is_none_or(|w| job.workflow.as_ref() == Some(w))
            && self.created.contains(job.created_at)
            && self.energy.is_none_or(|range| energy.is_some_and(|e| range.contains(e)))
            && self.archived.admits(job.archived_at.is_some())
    }
}

/// A place in a list, newest first: just after the job that it names. It stays valid whatever is
/// created or deleted meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// When the last listed job was created.
    pub created_at: Timestamp,
    /// Its id, for jobs created at the same moment.
    pub id: JobId,
}

impl Cursor {
    /// Just after `job`.
    pub const fn after(job: &Job) -> Self {
        Self { created_at: job.created_at, id: job.id }
    }
}

/// A piece of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    limit: u32,
    after: Option<Cursor>,
}

impl Page {
    /// The most jobs that a page can have.
    pub const LARGEST: u32 = 10_000;

    /// The newest `limit` jobs.
    ///
    /// # Errors
    /// [`Invalid`] unless `limit` is from 1 to [`LARGEST`](Self::LARGEST).
    pub fn first(limit: u32) -> Result<Self, Invalid> {
        if limit == 0 || limit > Self::LARGEST {
            let reason = format!("is {limit}: give 1 to {}, and go on page by page", Self::LARGEST);
            return Err(Invalid::new("page limit", reason));
        }
        Ok(Self { limit, after: None })
    }

    /// The page of the same size after `cursor`.
    #[must_use]
    pub const fn after(self, cursor: Cursor) -> Self {
        Self { limit: self.limit, after: Some(cursor) }
    }

    /// The most jobs that it has.
    pub const fn limit(self) -> u32 {
        self.limit
    }

    /// Where it begins; at the newest job where there is none.
    pub const fn cursor(self) -> Option<Cursor> {
        self.after
    }
}

/// Jobs of one page, newest first, ties by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// Where the next page begins; none where this was the last.
    pub next: Option<Cursor>,
}

impl JobPage {
    /// Makes a page of up to one job more than its limit; that one says that there is a next page.
    pub fn from_jobs(mut jobs: Vec<Job>, page: Page) -> Self {
        let limit = page.limit() as usize;
        let more = jobs.len() > limit;
        jobs.truncate(limit);
        let next = if more { jobs.last().map(Cursor::after) } else { None };
        Self { jobs, next }
    }
}

/// How many jobs that were not put away have each status.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatusCounts(BTreeMap<JobStatus, u64>);

impl StatusCounts {
    /// The jobs in `status`.
    pub fn of(&self, status: JobStatus) -> u64 {
        self.0.get(&status).copied().unwrap_or(0)
    }

    /// All jobs.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

impl FromIterator<(JobStatus, u64)> for StatusCounts {
    fn from_iter<I: IntoIterator<Item = (JobStatus, u64)>>(counts: I) -> Self {
        let mut sums = BTreeMap::new();
        for (status, jobs) in counts {
            *sums.entry(status).or_default() += jobs;
        }
        sums.retain(|_, jobs| *jobs > 0);
        Self(sums)
    }
}
