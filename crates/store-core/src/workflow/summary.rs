//! A workflow in a few numbers.

use std::time::Duration;

use crate::dependency::Readiness;
use crate::ids::JobId;
use crate::job::Job;
use crate::query::StatusCounts;
use crate::status::JobStatus;
use crate::time::Timestamp;

use super::Workflow;

/// How a workflow stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowSummary {
    /// Its name.
    pub name: String,
    /// How many of its jobs have each status, those that were put away among them.
    pub counts: StatusCounts,
    /// How many of them are held: they wait for something that can no longer happen.
    pub held: u64,
    /// The chain of jobs that takes longest.
    pub critical_path: CriticalPath,
    /// When the first of its jobs was created.
    pub created_at: Timestamp,
    /// When the first of them started, in its present attempt.
    pub started_at: Option<Timestamp>,
    /// When the last of them ended, once all have.
    pub finished_at: Option<Timestamp>,
}

impl WorkflowSummary {
    /// How many jobs have ended, however they ended.
    pub fn ended(&self) -> u64 {
        let ends = JobStatus::ALL.iter().filter(|status| status.is_terminal());
        ends.map(|status| self.counts.of(*status)).sum()
    }

    /// The share of the jobs that have ended, from 0 to 1.
    pub fn progress(&self) -> f64 {
        self.ended() as f64 / self.counts.total().max(1) as f64
    }
}

/// The chain of jobs, each waiting for the one before, that takes longest: by the wall time of those that
/// have ended, and where that is the same, also where none has, by the number of jobs. Of several such
/// chains it is the one whose last jobs have the smaller ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CriticalPath {
    /// The jobs, in the order in which they run.
    pub jobs: Vec<JobId>,
    /// The wall time of those of them that have ended.
    pub wall_time: Duration,
}

impl Workflow {
    /// Sums it up.
    pub fn summary(&self) -> WorkflowSummary {
        let held = |job: &&Job| matches!(job.status, JobStatus::Pending | JobStatus::Queued);
        let readiness = self.readiness();
        let unsatisfiable =
            |job: &&Job| matches!(readiness.get(&job.id), Some(Readiness::Unsatisfiable(_)));
        let all_ended = self.jobs.iter().all(|job| job.status.is_terminal());
        let last_end = self.jobs.iter().filter_map(|job| job.finished_at).max();
        WorkflowSummary {
            name: self.name.clone(),
            counts: self.jobs.iter().map(|job| (job.status, 1)).collect(),
            held: self.jobs.iter().filter(held).filter(unsatisfiable).count() as u64,
            critical_path: self.critical_path(),
            created_at: self.jobs.iter().map(|job| job.created_at).min().unwrap_or_default(),
            started_at: self.jobs.iter().filter_map(|job| job.started_at).min(),
            finished_at: last_end.filter(|_| all_ended),
        }
    }

    /// See [`CriticalPath`].
    pub fn critical_path(&self) -> CriticalPath {
        let waits_for = self.waits_for();
        // The longest chain that ends in each job, and the job before it.
        let mut longest = vec![(Duration::ZERO, 0u64); self.jobs.len()];
        let mut before: Vec<Option<usize>> = vec![None; self.jobs.len()];
        for place in self.in_order() {
            let mut so_far = (Duration::ZERO, 0);
            for &other in &waits_for[place] {
                if longest[other] > so_far {
                    (so_far, before[place]) = (longest[other], Some(other));
                }
            }
            longest[place] = (so_far.0 + wall_time(&self.jobs[place]), so_far.1 + 1);
        }
        let lengths = longest.iter().enumerate();
        let last = lengths.max_by_key(|(place, length)| (**length, std::cmp::Reverse(*place)));
        let Some((last, length)) = last else { return CriticalPath::default() };
        let back = std::iter::successors(Some(last), |place| before[*place]);
        let mut jobs: Vec<JobId> = back.map(|place| self.jobs[place].id).collect();
        jobs.reverse();
        CriticalPath { jobs, wall_time: length.0 }
    }
}

/// How long a job ran that has ended.
fn wall_time(job: &Job) -> Duration {
    let (Some(started), Some(finished)) = (job.started_at, job.finished_at) else {
        return Duration::ZERO;
    };
    let micros = finished.as_micros().saturating_sub(started.as_micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
