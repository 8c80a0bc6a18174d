//! Faults of workflows.

use crate::error::{Error, Result};
use crate::job::Job;
use crate::memory::unit::Writing;
use crate::repo::{JobWrite, WorkflowRead, WorkflowWrite};
use crate::status::{InitialStatus, JobStatus};
use crate::workflow::{NewWorkflow, Workflow, WorkflowPlan};

use super::Fault;
use super::unit::pass_on;

pass_on! {
    impl<Mode> WorkflowRead for Mode {
        fn workflow(name: &str) -> Workflow;
    }
}

pass_on! {
    impl<> WorkflowWrite for Writing {
        fn cancel_workflow(name: &str) -> WorkflowPlan;
    } but {
        fn create_workflow(&self, new: &NewWorkflow) -> Result<Vec<Job>> {
            let mut added = new.clone();
            if self.fault == Fault::AddsToWorkflows
                && let Err(Error::Conflict { .. }) = self.inner.create_workflow(new)
            {
                added.name.push('_');
            }
            self.inner.create_workflow(&added)
        }

        fn retry_workflow(&self, name: &str, to: InitialStatus) -> Result<WorkflowPlan> {
            let plan = self.inner.workflow(name)?.plan_retry(to);
            if self.fault != Fault::RetriesTheFailedAlone {
                return self.inner.retry_workflow(name, to);
            }
            let mut failed = plan.changes.iter().filter(|change| change.from == JobStatus::Failed);
            failed.try_for_each(|change| self.inner.retry_job(change.job, to).map(drop))?;
            Ok(plan)
        }
    }
}
