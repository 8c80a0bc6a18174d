//! Workflows in memory.

use std::collections::BTreeMap;

use crate::dependency::Dependency;
use crate::error::{Error, Noun, Result};
use crate::held::asks_to_be_cancelled;
use crate::ids::JobId;
use crate::job::Job;
use crate::repo::{WorkflowRead, WorkflowWrite};
use crate::run;
use crate::status::{self, InitialStatus};
use crate::workflow::{NewWorkflow, Workflow, WorkflowPlan};

use super::state::State;
use super::unit::{Signature, Unit, Writing};

impl<Mode> WorkflowRead for Unit<'_, Mode> {
    fn workflow(&self, name: &str) -> Result<Workflow> {
        self.state().workflow(name)
    }
}

impl WorkflowWrite for Unit<'_, Writing> {
    fn create_workflow(&self, new: &NewWorkflow) -> Result<Vec<Job>> {
        let parents = new.check()?;
        self.change(|state, signature| {
            if state.jobs.values().any(|job| job.workflow.as_ref() == Some(&new.name)) {
                return Err(Error::conflict(Noun::Workflow, "name", &new.name));
            }
            for (place, parent) in new.waited_for() {
                state.job(parent).map_err(|error| new.refused_at(place, error))?;
            }
            let mut ids = Vec::new();
            for place in 0..new.jobs.len() {
                let created = state.create_anew(&new.job_at(place), signature);
                ids.push(created.map_err(|error| new.refused_at(place, error))?.id);
            }
            for (place, parents) in parents.iter().enumerate() {
                for &(parent, kind) in parents {
                    let (job, depends_on) = (ids[place], ids[parent]);
                    let edge = Dependency { job, depends_on, kind, created_at: signature.now };
                    state.dependencies.insert((job, depends_on), edge);
                }
            }
            ids.iter().for_each(|id| state.settle(*id, signature));
            ids.iter().map(|id| state.job(*id).cloned()).collect()
        })
    }

    fn cancel_workflow(&self, name: &str) -> Result<WorkflowPlan> {
        self.change(|state, signature| {
            let plan = state.workflow(name)?.plan_cancel();
            for id in plan.to_cancel() {
                let reason = WorkflowPlan::reason(name, &signature.actor.author);
                let (_, step) = run::request_cancel(state.job(id)?, Some(&reason), signature.now)?;
                if let Some(step) = step {
                    state.store(step, signature);
                }
            }
            Ok(plan)
        })
    }

    fn retry_workflow(&self, name: &str, to: InitialStatus) -> Result<WorkflowPlan> {
        self.change(|state, signature| {
            let plan = state.workflow(name)?.plan_retry(to);
            for change in &plan.changes {
                let step = status::retry(state.job(change.job)?, to, signature.now)?;
                state.store(step, signature);
            }
            Ok(plan)
        })
    }
}

impl State {
    /// Creates a job, and never finds one that there is.
    fn create_anew(&mut self, new: &crate::job::NewJob, signature: Signature<'_>) -> Result<Job> {
        if let Some(key) = &new.idempotency_key
            && self.find_job_by_key(key).is_some()
        {
            return Err(Error::conflict(Noun::Job, "idempotency_key", key));
        }
        self.create_unsettled(new, signature)
    }

    fn workflow(&self, name: &str) -> Result<Workflow> {
        let own = |job: &Job| job.workflow.as_deref() == Some(name);
        let jobs: Vec<Job> =
            self.jobs.values().filter(|job| own(job)).map(|job| Job::clone(job)).collect();
        if jobs.is_empty() {
            return Err(Error::not_found(Noun::Workflow, name));
        }
        let mut members: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
        let mut others = BTreeMap::new();
        let mut seen = 0;
        while let Some(&member) = members.get(seen) {
            seen += 1;
            for edge in self.dependents_of(member) {
                let child = self.job(edge.job)?;
                let is_new = !own(child) && !others.contains_key(&child.id);
                if is_new && asks_to_be_cancelled(child) {
                    others.insert(child.id, child.clone());
                    members.push(child.id);
                }
            }
        }
        let waits = |edge: &&Dependency| members.contains(&edge.job);
        let edges: Vec<Dependency> = self.dependencies.values().filter(waits).copied().collect();
        for edge in &edges {
            let parent = self.job(edge.depends_on)?;
            if !own(parent) {
                others.insert(parent.id, parent.clone());
            }
        }
        Ok(Workflow { name: name.to_owned(), jobs, edges, others })
    }
}
