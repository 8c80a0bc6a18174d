//! Jobs by status.

use std::collections::BTreeMap;

use crate::status::JobStatus;

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
