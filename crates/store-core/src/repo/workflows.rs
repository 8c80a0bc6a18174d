//! Workflows.

use crate::error::Result;
use crate::job::Job;
use crate::status::InitialStatus;
use crate::store::Store;
use crate::workflow::{NewWorkflow, Workflow, WorkflowPlan};

/// Reading workflows.
pub trait WorkflowRead {
    /// A workflow with all its jobs and edges, of one moment. It sums itself up
    /// ([`Workflow::summary`]), draws itself ([`Workflow::to_dot`], [`Workflow::to_mermaid`]), and tells
    /// what a cancellation or a retry would do ([`Workflow::plan_cancel`], [`Workflow::plan_retry`]).
    /// `JobFilter::workflow` lists its jobs page by page.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if no job belongs to it.
    fn workflow(&self, name: &str) -> Result<Workflow>;
}

/// Writing workflows.
pub trait WorkflowWrite: WorkflowRead {
    /// Creates a workflow: its jobs, in order, with ascending ids, and the edges between them. Answers
    /// the jobs in that order.
    ///
    /// The name is the key of the creation: it is refused where any job belongs to a workflow of that
    /// name, so that a repeated call makes nothing twice. After
    /// [`Error::CommitUnknown`](crate::Error::CommitUnknown), [`WorkflowRead::workflow`] tells whether it
    /// is there; it is whole or not at all. A job is added to a workflow by
    /// [`create_job`](crate::repo::JobWrite::create_job).
    ///
    /// # Atomicity
    /// All of it or nothing.
    ///
    /// # Errors
    /// [`Error::Workflow`](crate::Error::Workflow) with the first problem, which names the jobs as the
    /// caller does; [`Error::Conflict`](crate::Error::Conflict) on `name`. An idempotency key that a job
    /// has already is a conflict of its own here.
    fn create_workflow(&self, new: &NewWorkflow) -> Result<Vec<Job>>;

    /// Cancels what has not ended of a workflow, as [`Workflow::plan_cancel`] says, and answers what was
    /// done.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if no job belongs to it.
    fn cancel_workflow(&self, name: &str) -> Result<WorkflowPlan>;

    /// Retries what has failed or was cancelled of a workflow, as [`Workflow::plan_retry`] says, and
    /// answers what was done.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if no job belongs to it.
    fn retry_workflow(&self, name: &str, to: InitialStatus) -> Result<WorkflowPlan>;
}

impl<S: Store> WorkflowRead for S {
    #[track_caller]
    fn workflow(&self, name: &str) -> Result<Workflow> {
        self.read(|r| r.workflow(name))
    }
}

impl<S: Store> WorkflowWrite for S {
    #[track_caller]
    fn create_workflow(&self, new: &NewWorkflow) -> Result<Vec<Job>> {
        let new = new.clone();
        self.write_steps(new.jobs.len(), move |w| w.create_workflow(&new))
    }

    #[track_caller]
    fn cancel_workflow(&self, name: &str) -> Result<WorkflowPlan> {
        let name = name.to_owned();
        self.write_steps(usize::MAX, move |w| w.cancel_workflow(&name))
    }

    #[track_caller]
    fn retry_workflow(&self, name: &str, to: InitialStatus) -> Result<WorkflowPlan> {
        let name = name.to_owned();
        self.write_steps(usize::MAX, move |w| w.retry_workflow(&name, to))
    }
}
