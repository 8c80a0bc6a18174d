//! A workflow to be created.

use std::collections::{BTreeMap, BTreeSet};

use crate::dependency::DependencyKind;
use crate::error::{Error, Invalid, Result};
use crate::ids::JobId;
use crate::job::NewJob;
use crate::words::check_name;

use super::order::topological;
use super::problem::WorkflowProblem;

/// Jobs that wait for each other, to be created in one call. They name each other by names that mean
/// something within the call alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWorkflow {
    /// Its name, 1 to 255 characters: `workflow` of each of its jobs.
    pub name: String,
    /// Its jobs, at least one. They get ascending ids in this order; one may wait for a later one.
    pub jobs: Vec<NewWorkflowJob>,
}

/// One job of a workflow to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWorkflowJob {
    /// What the others call it: 1 to 255 characters, and no other job's.
    pub local_name: String,
    /// The job. Its `workflow` is set by the store; its `dependencies` are jobs that exist already.
    pub job: NewJob,
    /// The jobs of the workflow that it waits for, each once.
    pub after: Vec<(String, DependencyKind)>,
}

impl NewWorkflow {
    /// A workflow without jobs.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), jobs: Vec::new() }
    }

    /// With one more job, which waits for none of the others.
    #[must_use]
    pub fn job(self, local_name: impl Into<String>, job: NewJob) -> Self {
        self.job_after(local_name, job, [])
    }

    /// With one more job, which waits for some of the others.
    #[must_use]
    pub fn job_after<'n>(
        mut self,
        local_name: impl Into<String>,
        job: NewJob,
        after: impl IntoIterator<Item = (&'n str, DependencyKind)>,
    ) -> Self {
        let after = after.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect();
        self.jobs.push(NewWorkflowJob { local_name: local_name.into(), job, after });
        self
    }

    /// Refuses what no store takes, and tells for each job the places of those that it waits for.
    /// Backends call it before they write.
    ///
    /// # Errors
    /// [`Error::Workflow`]: the first problem of the names, of the jobs, of what they wait for, or a
    /// circle, in this order.
    pub fn check(&self) -> Result<Vec<Vec<(usize, DependencyKind)>>> {
        let resolved = self.names().and_then(|()| self.resolve());
        resolved.map_err(|problem| self.refused(problem))
    }

    fn names(&self) -> std::result::Result<(), WorkflowProblem> {
        check_name("workflow", &self.name)?;
        if self.jobs.is_empty() {
            return Err(Invalid::new("jobs", "are none: give at least one".to_owned()).into());
        }
        for NewWorkflowJob { local_name, job, .. } in &self.jobs {
            check_name("local_name", local_name)?;
            if let Some(other) = job.workflow.as_ref().filter(|other| **other != self.name) {
                let (local_name, other) = (local_name.clone(), other.clone());
                return Err(WorkflowProblem::OtherWorkflow { local_name, other });
            }
            job.check().map_err(|invalid| WorkflowProblem::Job {
                local_name: local_name.clone(),
                error: Box::new(invalid.into()),
            })?;
        }
        Ok(())
    }

    fn resolve(&self) -> std::result::Result<Vec<Vec<(usize, DependencyKind)>>, WorkflowProblem> {
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for (place, job) in self.jobs.iter().enumerate() {
            if places.insert(&job.local_name, place).is_some() {
                return Err(WorkflowProblem::NameTwice { local_name: job.local_name.clone() });
            }
        }
        let mut resolved = Vec::with_capacity(self.jobs.len());
        for job in &self.jobs {
            let mut seen = BTreeSet::new();
            let mut others = Vec::with_capacity(job.after.len());
            for (after, kind) in &job.after {
                let names = || (job.local_name.clone(), after.clone());
                let Some(&place) = places.get(after.as_str()) else {
                    let (local_name, after) = names();
                    return Err(WorkflowProblem::UnknownName { local_name, after });
                };
                if !seen.insert(place) {
                    let (local_name, after) = names();
                    return Err(WorkflowProblem::AfterTwice { local_name, after });
                }
                others.push((place, *kind));
            }
            resolved.push(others);
        }
        let bare: Vec<Vec<usize>> = resolved
            .iter()
            .map(|others| others.iter().map(|(place, _)| *place).collect())
            .collect();
        topological(&bare).map_err(|circle| {
            let around = circle.iter().chain(circle.first());
            let path = around.map(|place| self.jobs[*place].local_name.clone()).collect();
            WorkflowProblem::Cycle { path }
        })?;
        Ok(resolved)
    }

    /// The job at a place as it is to be created: it belongs to the workflow, and asks for no earlier
    /// result where it waits for others ([`NewJob::wanted_result`]).
    pub fn job_at(&self, place: usize) -> NewJob {
        let NewWorkflowJob { job, after, .. } = &self.jobs[place];
        let reuse = job.reuse.filter(|_| after.is_empty());
        NewJob { workflow: Some(self.name.clone()), reuse, ..job.clone() }
    }

    /// The jobs outside that its jobs wait for, each with the place of the one that waits. Backends look for
    /// all of them before they create the first: an id that a new job is about to get could close a circle.
    pub fn waited_for(&self) -> impl Iterator<Item = (usize, JobId)> {
        let places = self.jobs.iter().enumerate();
        places.flat_map(|(place, new)| new.job.dependencies.iter().map(move |(id, _)| (place, *id)))
    }

    /// The error of the whole, where the store refused the job at a place for what its author can
    /// change. Any other error is passed on.
    pub fn refused_at(&self, place: usize, error: Error) -> Error {
        match error {
            Error::NotFound { .. }
            | Error::Conflict { .. }
            | Error::Invalid(_)
            | Error::NotAllowed { .. }
            | Error::InUse { .. } => {
                let local_name = self.jobs[place].local_name.clone();
                self.refused(WorkflowProblem::Job { local_name, error: Box::new(error) })
            }
            other => other,
        }
    }

    fn refused(&self, problem: WorkflowProblem) -> Error {
        Error::Workflow { workflow: self.name.clone(), problem: Box::new(problem) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, Placement, WorkDir};
    use DependencyKind::AfterOk;

    fn job(name: &str) -> NewJob {
        let base = WorkDir::new("/scratch").expect("absolute");
        NewJob::new(name, Code::Crystal, Placement::Under(base))
    }

    fn said(workflow: &NewWorkflow) -> String {
        workflow.check().expect_err("refused").to_string()
    }

    #[test]
    fn a_job_may_wait_for_one_that_is_named_later() {
        let workflow = NewWorkflow::new("gap")
            .job_after("properties", job("p"), [("scf", AfterOk)])
            .job("scf", job("s"));
        assert_eq!(workflow.check().expect("well formed"), [vec![(1, AfterOk)], vec![]]);
    }

    #[test]
    fn refusals_name_the_jobs_as_their_author_does() {
        let new = || NewWorkflow::new("gap");
        let after = |name| [(name, AfterOk)];
        assert_eq!(said(&new()), "workflow \"gap\" was refused: jobs are none: give at least one");
        let twice = new().job("a", job("x")).job("a", job("y"));
        assert!(said(&twice).ends_with("it has two jobs \"a\": name each differently"));
        let unknown = new().job_after("a", job("x"), after("b"));
        assert!(said(&unknown).contains("\"a\" waits for \"b\", which is not among its jobs"));
        let again = [("b", AfterOk), ("b", DependencyKind::AfterAny)];
        let again = new().job("b", job("x")).job_after("a", job("x"), again);
        assert!(said(&again).contains("\"a\" waits for \"b\" twice"));
        let circle = new()
            .job_after("c", job("x"), after("b"))
            .job_after("a", job("x"), after("b"))
            .job_after("b", job("x"), after("c"));
        assert!(said(&circle).ends_with("wait in a circle: c waits for b waits for c"));
        let elsewhere = NewJob { workflow: Some("dos".to_owned()), ..job("x") };
        assert!(said(&new().job("a", elsewhere)).contains("\"a\" names the workflow \"dos\""));
        assert!(said(&new().job("a", job(""))).contains("\"a\" is refused: name is empty"));
        assert!(said(&new().job("", job("x"))).contains("local_name is empty"));
        assert!(said(&NewWorkflow::new(" ").job("a", job("x"))).contains("workflow is empty"));
    }
}
