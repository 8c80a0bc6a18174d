//! What cancelling or retrying a workflow would do, worked out without doing it.

use std::collections::{BTreeMap, VecDeque};

use crate::dependency::{Dependency, Readiness, Unmet};
use crate::event::Author;
use crate::held::asks_to_be_cancelled;
use crate::ids::JobId;
use crate::job::Job;
use crate::status::{InitialStatus, JobStatus};

use super::Workflow;

/// What is done to a workflow, in order; of a dry run, what would be done.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WorkflowPlan {
    /// The changes of status, each with its event.
    pub changes: Vec<PlannedChange>,
    /// The RUNNING jobs that are asked to stop, in order of their ids; whoever runs them ends them.
    pub asked_to_stop: Vec<JobId>,
    /// The jobs that are left as they are.
    pub left_out: Vec<LeftOut>,
}

/// One change of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedChange {
    /// The job.
    pub job: JobId,
    /// Its name.
    pub name: String,
    /// What it is.
    pub from: JobStatus,
    /// What it becomes.
    pub to: JobStatus,
    /// The other job because of which it is cancelled, where it asked for that.
    pub because_of: Option<JobId>,
}

/// A job that a retry leaves as it is, because it could not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The job.
    pub job: JobId,
    /// Its dependencies that the retry does not help, in order of the other jobs' ids.
    pub reasons: Vec<Unmet>,
}

impl WorkflowPlan {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.asked_to_stop.is_empty()
    }

    /// The jobs that a store is to cancel one by one when it cancels a workflow; the others follow of
    /// themselves.
    pub fn to_cancel(&self) -> impl Iterator<Item = JobId> + '_ {
        let by_itself = self.changes.iter().filter(|change| change.because_of.is_none());
        by_itself.map(|change| change.job).chain(self.asked_to_stop.iter().copied())
    }

    /// Why a job is cancelled when its workflow is, unless its author says why.
    pub fn reason(workflow: &str, author: &Author) -> String {
        let given = author.reason().map(str::to_owned);
        given.unwrap_or_else(|| format!("workflow {workflow:?} was cancelled"))
    }
}

impl Workflow {
    /// What cancelling it does: its PENDING and QUEUED jobs are CANCELLED, those that wait before those
    /// that are waited for; its RUNNING ones are asked to stop, once; and the jobs of others that wait
    /// for them are cancelled, all the way down, if they ask for that.
    pub fn plan_cancel(&self) -> WorkflowPlan {
        let mut simulation = Simulation::of(self);
        for place in self.in_order().into_iter().rev() {
            let job = &self.jobs[place];
            if matches!(job.status, JobStatus::Pending | JobStatus::Queued) {
                simulation.end(job, JobStatus::Cancelled);
            }
        }
        let running = self
            .jobs
            .iter()
            .filter(|job| job.status == JobStatus::Running && job.cancel_requested_at.is_none());
        WorkflowPlan {
            changes: simulation.changes,
            asked_to_stop: running.map(|job| job.id).collect(),
            left_out: Vec::new(),
        }
    }

    /// What retrying its failed part does: its FAILED and CANCELLED jobs, and so what was cancelled
    /// because of them, get a new attempt, those that are waited for first. A job that could not start
    /// even so, because of a job of another workflow or one that has COMPLETED, is left out.
    pub fn plan_retry(&self, to: InitialStatus) -> WorkflowPlan {
        let mut simulation = Simulation::of(self);
        let mut left_out = Vec::new();
        for place in self.in_order() {
            let job = &self.jobs[place];
            if !matches!(job.status, JobStatus::Failed | JobStatus::Cancelled) {
                continue;
            }
            match simulation.readiness(job.id) {
                Readiness::Unsatisfiable(reasons) => {
                    left_out.push(LeftOut { job: job.id, reasons });
                }
                Readiness::Ready | Readiness::Waiting(_) => {
                    simulation.set(job, JobStatus::from(to), None);
                }
            }
        }
        WorkflowPlan { changes: simulation.changes, asked_to_stop: Vec::new(), left_out }
    }
}

/// A workflow whose statuses change as a store would change them.
struct Simulation<'w> {
    workflow: &'w Workflow,
    statuses: BTreeMap<JobId, JobStatus>,
    waits_for: BTreeMap<JobId, Vec<&'w Dependency>>,
    waited_for_by: BTreeMap<JobId, Vec<&'w Dependency>>,
    changes: Vec<PlannedChange>,
}

impl<'w> Simulation<'w> {
    fn of(workflow: &'w Workflow) -> Self {
        let mut waits_for: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut waited_for_by: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for edge in &workflow.edges {
            waits_for.entry(edge.job).or_default().push(edge);
            waited_for_by.entry(edge.depends_on).or_default().push(edge);
        }
        let jobs = workflow.jobs.iter().chain(workflow.others.values());
        let statuses = jobs.map(|job| (job.id, job.status)).collect();
        Self { workflow, statuses, waits_for, waited_for_by, changes: Vec::new() }
    }

    fn readiness(&self, job: JobId) -> Readiness {
        let edges = self.waits_for.get(&job).into_iter().flatten();
        Readiness::of(edges.filter_map(|edge| {
            let other = self.workflow.find(edge.depends_on)?;
            Some(Unmet {
                depends_on: other.id,
                name: other.name.clone(),
                status: self.statuses[&other.id],
                kind: edge.kind,
            })
        }))
    }

    fn set(&mut self, job: &Job, to: JobStatus, because_of: Option<JobId>) {
        let from = self.statuses.insert(job.id, to).unwrap_or(job.status);
        let name = job.name.clone();
        self.changes.push(PlannedChange { job: job.id, name, from, to, because_of });
    }

    /// Ends a job, and cancels what waits for it and asks for that, as a store does.
    fn end(&mut self, job: &Job, to: JobStatus) {
        self.set(job, to, None);
        let mut front = VecDeque::from([job.id]);
        while let Some(ended) = front.pop_front() {
            for edge in self.waited_for_by.get(&ended).cloned().unwrap_or_default() {
                let Some(child) = self.workflow.find(edge.job) else { continue };
                let child = Job { status: self.statuses[&child.id], ..child.clone() };
                let Readiness::Unsatisfiable(reasons) = self.readiness(child.id) else { continue };
                if let Some(first) = reasons.first().filter(|_| asks_to_be_cancelled(&child)) {
                    self.set(&child, JobStatus::Cancelled, Some(first.depends_on));
                    front.push_back(child.id);
                }
            }
        }
    }
}
