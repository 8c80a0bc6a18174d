//! What a job waits for.

use crate::error::{Error, Result};
use crate::ids::JobId;
use crate::status::JobStatus;
use crate::time::Timestamp;
use crate::words::words;

words! {
    /// Which end of the other job lets this one go on (Slurm's `--dependency`).
    pub enum DependencyKind as "dependency kind" {
        /// COMPLETED.
        AfterOk = "after_ok",
        /// Any end.
        AfterAny = "after_any",
        /// FAILED.
        AfterFailed = "after_failed",
    }
}

impl DependencyKind {
    /// What a dependency of this kind says while the other job has `status`.
    pub const fn verdict(self, status: JobStatus) -> Verdict {
        match (self, status) {
            (_, JobStatus::Pending | JobStatus::Queued | JobStatus::Running) => Verdict::Waiting,
            (Self::AfterAny, _)
            | (Self::AfterOk, JobStatus::Completed)
            | (Self::AfterFailed, JobStatus::Failed) => Verdict::Met,
            (Self::AfterOk, JobStatus::Failed | JobStatus::Cancelled)
            | (Self::AfterFailed, JobStatus::Completed | JobStatus::Cancelled) => {
                Verdict::Unsatisfiable
            }
        }
    }
}

/// What one dependency says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Met,
    /// The other job has not ended.
    Waiting,
    /// The other job has ended in another way; only a retry of it can help.
    Unsatisfiable,
}

/// How many dependencies of a job say "wait", and how many can no longer be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnmetCounts {
    /// Those that are not met yet.
    pub waiting: i64,
    /// Those that can no longer be met.
    pub unsatisfiable: i64,
}

impl UnmetCounts {
    /// Counts one more dependency.
    pub const fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Met => {}
            Verdict::Waiting => self.waiting += 1,
            Verdict::Unsatisfiable => self.unsatisfiable += 1,
        }
    }
}

/// An edge between two jobs: `job` waits for `depends_on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependency {
    /// The job that waits.
    pub job: JobId,
    /// The job that it waits for.
    pub depends_on: JobId,
    /// For which end.
    pub kind: DependencyKind,
    /// Since when the edge is there.
    pub created_at: Timestamp,
}

/// A dependency that is not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// The job that is waited for.
    pub depends_on: JobId,
    /// Its name.
    pub name: String,
    /// Its status.
    pub status: JobStatus,
    /// For which end.
    pub kind: DependencyKind,
}

impl std::fmt::Display for Unmet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { depends_on, name, status, kind } = self;
        write!(f, "{kind} job {depends_on} ({name}), which is {status}")
    }
}

/// What the dependencies of a job say of it, with the reasons in order of the other jobs' ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// All are met.
    Ready,
    /// Some are not met yet.
    Waiting(Vec<Unmet>),
    /// Some can no longer be met, unless the other job is retried: the job is held. Only those are
    /// listed.
    Unsatisfiable(Vec<Unmet>),
}

impl Readiness {
    /// Sums up the dependencies of one job: each with the other job's name and status.
    pub fn of(edges: impl IntoIterator<Item = Unmet>) -> Self {
        let (mut waiting, mut unsatisfiable) = (Vec::new(), Vec::new());
        for edge in edges {
            match edge.kind.verdict(edge.status) {
                Verdict::Met => {}
                Verdict::Waiting => waiting.push(edge),
                Verdict::Unsatisfiable => unsatisfiable.push(edge),
            }
        }
        if !unsatisfiable.is_empty() {
            unsatisfiable.sort_by_key(|edge| edge.depends_on);
            Self::Unsatisfiable(unsatisfiable)
        } else if !waiting.is_empty() {
            waiting.sort_by_key(|edge| edge.depends_on);
            Self::Waiting(waiting)
        } else {
            Self::Ready
        }
    }
}

/// The error of an edge from `job` to `depends_on` that closes a circle, given the chain by which
/// `depends_on` already waits for `job`, from the one to the other.
pub fn cycle(job: JobId, chain: impl IntoIterator<Item = JobId>) -> Error {
    Error::DependencyCycle { path: std::iter::once(job).chain(chain).collect() }
}

/// Refuses an edge from a job to itself.
///
/// # Errors
/// [`Error::DependencyCycle`] with the job twice.
pub fn check_self_edge(job: JobId, depends_on: JobId) -> Result<()> {
    if job == depends_on { Err(cycle(job, [depends_on])) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_met_by_its_ends_alone() {
        let row = |kind: DependencyKind| -> String {
            let mark = |status: &JobStatus| match kind.verdict(*status) {
                Verdict::Met => 'm',
                Verdict::Waiting => 'w',
                Verdict::Unsatisfiable => 'u',
            };
            JobStatus::ALL.iter().map(mark).collect()
        };
        assert_eq!(row(DependencyKind::AfterOk), "wwwmuu");
        assert_eq!(row(DependencyKind::AfterAny), "wwwmmm");
        assert_eq!(row(DependencyKind::AfterFailed), "wwwumu");
    }
}
