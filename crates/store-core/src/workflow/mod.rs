//! Workflows: jobs that belong together and wait for each other.
//!
//! A workflow is its jobs: those whose `workflow` is its name. It is created whole, looked at whole, and
//! cancelled or retried whole.

pub mod order;

mod dot;
mod mermaid;
mod new;
mod plan;
mod problem;
mod summary;

use std::collections::BTreeMap;

use crate::dependency::{Dependency, Readiness, Unmet};
use crate::ids::JobId;
use crate::job::Job;

pub use new::{NewWorkflow, NewWorkflowJob};
pub use plan::{LeftOut, PlannedChange, WorkflowPlan};
pub use problem::WorkflowProblem;
pub use summary::{CriticalPath, WorkflowSummary};

/// A workflow as it stands at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Workflow {
    /// Its name.
    pub name: String,
    /// Its jobs in order of their ids, those that were put away among them; at least one.
    pub jobs: Vec<Job>,
    /// What its jobs wait for, and what the jobs of `others` that would be cancelled with them wait for;
    /// in order of the waiting jobs and then of the others.
    pub edges: Vec<Dependency>,
    /// Jobs that do not belong to it: those that an edge names, and those that would be cancelled with
    /// its jobs, because they wait for them, directly or through each other, and ask for it.
    pub others: BTreeMap<JobId, Job>,
}

impl Workflow {
    /// The job of this id, one of its own or of the others.
    pub fn find(&self, id: JobId) -> Option<&Job> {
        match self.place(id) {
            Some(place) => self.jobs.get(place),
            None => self.others.get(&id),
        }
    }

    /// What the dependencies of each job say, for those jobs that wait for any.
    pub fn readiness(&self) -> BTreeMap<JobId, Readiness> {
        let mut unmet: BTreeMap<JobId, Vec<Unmet>> = BTreeMap::new();
        for edge in &self.edges {
            let reasons = unmet.entry(edge.job).or_default();
            reasons.extend(self.find(edge.depends_on).map(|other| Unmet {
                depends_on: other.id,
                name: other.name.clone(),
                status: other.status,
                kind: edge.kind,
            }));
        }
        unmet.into_iter().map(|(job, edges)| (job, Readiness::of(edges))).collect()
    }

    /// Where a job of its own is among `jobs`.
    fn place(&self, id: JobId) -> Option<usize> {
        self.jobs.binary_search_by_key(&id, |job| job.id).ok()
    }

    /// For each of its own jobs the places of those of its own that it waits for.
    fn waits_for(&self) -> Vec<Vec<usize>> {
        let mut waits_for = vec![Vec::new(); self.jobs.len()];
        for edge in &self.edges {
            if let (Some(job), Some(other)) = (self.place(edge.job), self.place(edge.depends_on)) {
                waits_for[job].push(other);
            }
        }
        waits_for
    }

    /// The places of its own jobs, each after those that it waits for. A store refuses circles; were
    /// there one, the jobs would stand in order of their ids.
    fn in_order(&self) -> Vec<usize> {
        order::topological(&self.waits_for()).unwrap_or_else(|_| (0..self.jobs.len()).collect())
    }
}
