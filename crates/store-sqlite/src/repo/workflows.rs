//! Workflows.

use std::collections::BTreeMap;

use rusqlite::params;
use store_core::held::asks_to_be_cancelled;
use store_core::repo::{JobRead, WorkflowRead, WorkflowWrite};
use store_core::{
    Dependency, Error, InitialStatus, Job, JobId, NewWorkflow, Noun, Result, UnmetCounts, Workflow,
    WorkflowPlan,
};

use super::creation::Creation;
use super::dependencies;
use super::jobs::{columns, decode};
use crate::unit::{Mode, Unit, Writing};

pub(super) const EXISTS: &str =
    "SELECT 1 FROM jobs INDEXED BY jobs_by_workflow WHERE workflow = ?1 LIMIT 1";
pub(super) const JOBS: &str =
    concat!("SELECT ", columns!(), " FROM jobs INDEXED BY jobs_by_workflow WHERE workflow = ?1");
pub(super) const EDGES: &str = "SELECT edges.job_id, edges.depends_on, edges.kind, edges.created_at \
                                FROM jobs INDEXED BY jobs_by_workflow \
                                CROSS JOIN job_dependencies AS edges ON edges.job_id = jobs.id \
                                WHERE jobs.workflow = ?1";
pub(super) const FOLLOWERS: &str = "SELECT children.id \
     FROM jobs INDEXED BY jobs_by_workflow \
     CROSS JOIN job_dependencies AS edges INDEXED BY job_dependencies_by_parent \
     ON edges.depends_on = jobs.id \
     CROSS JOIN jobs AS children NOT INDEXED ON children.id = edges.job_id \
     WHERE jobs.workflow = ?1 AND children.workflow IS NOT ?1 \
     AND children.status IN ('PENDING', 'QUEUED') \
     AND children.policy ->> 'on_unsatisfiable' = 'cancel'";

impl<M: Mode> WorkflowRead for Unit<'_, M> {
    fn workflow(&self, name: &str) -> Result<Workflow> {
        let mut jobs = self.list(JOBS, [name], decode)?;
        if jobs.is_empty() {
            return Err(Error::not_found(Noun::Workflow, name));
        }
        jobs.sort_unstable_by_key(|job| job.id);
        let mut edges = self.list(EDGES, [name], dependencies::decode)?;
        let mut others = BTreeMap::new();
        let mut followers: Vec<JobId> =
            self.list(FOLLOWERS, [name], |row| row.get(0).map(JobId::new))?;
        while let Some(id) = followers.pop() {
            if others.contains_key(&id) {
                continue;
            }
            let job = self.job(id)?;
            if job.workflow.as_deref() != Some(name) && asks_to_be_cancelled(&job) {
                edges.extend(self.list(dependencies::OF, [id.get()], dependencies::decode)?);
                let next = self.list(dependencies::ON, [id.get()], dependencies::decode)?;
                followers.extend(next.iter().map(|edge| edge.job));
                others.insert(id, job);
            }
        }
        edges.sort_unstable_by_key(|edge: &Dependency| (edge.job, edge.depends_on));
        let own = |id: JobId| jobs.binary_search_by_key(&id, |job| job.id).is_ok();
        for edge in &edges {
            if !own(edge.depends_on) && !others.contains_key(&edge.depends_on) {
                others.insert(edge.depends_on, self.job(edge.depends_on)?);
            }
        }
        Ok(Workflow { name: name.to_owned(), jobs, edges, others })
    }
}

impl WorkflowWrite for Unit<'_, Writing> {
    fn create_workflow(&self, new: &NewWorkflow) -> Result<Vec<Job>> {
        let parents = new.check()?;
        if self.find(EXISTS, params![new.name], |_| Ok(()))?.is_some() {
            return Err(Error::conflict(Noun::Workflow, "name", &new.name));
        }
        for (place, parent) in new.waited_for() {
            if self.status_of(parent)?.is_none() {
                return Err(new.refused_at(place, Error::not_found(Noun::Job, parent)));
            }
        }
        self.atomically(|| {
            let mut creation = Creation::begin(self)?;
            let mut jobs = Vec::with_capacity(new.jobs.len());
            for (place, parents) in parents.iter().enumerate() {
                // Those that it waits for are new too, and are taken not to have ended.
                let waiting = i64::try_from(parents.len()).unwrap_or(i64::MAX);
                let unmet = UnmetCounts { waiting, unsatisfiable: 0 };
                let created = creation.create_anew(&new.job_at(place), unmet);
                jobs.push(created.map_err(|error| new.refused_at(place, error))?);
            }
            for (job, parents) in jobs.iter().zip(&parents) {
                for &(parent, kind) in parents {
                    let parent = &jobs[parent];
                    self.insert_dependency(job.id, parent.id, kind)?;
                    if parent.status.is_terminal() {
                        // It was completed from an earlier one.
                        let mut unmet = UnmetCounts { waiting: -1, unsatisfiable: 0 };
                        unmet.count(kind.verdict(parent.status));
                        self.count_unmet(job.id, unmet)?;
                    }
                }
            }
            self.settle_new(new, &mut jobs)?;
            Ok(jobs)
        })
    }

    fn cancel_workflow(&self, name: &str) -> Result<WorkflowPlan> {
        let plan = self.workflow(name)?.plan_cancel();
        let reason = WorkflowPlan::reason(name, self.author());
        self.atomically(|| {
            self.storing(|steps| {
                let mut cancel = |id| self.ask_to_end(steps, id, Some(&reason)).map(drop);
                plan.to_cancel().try_for_each(&mut cancel)
            })
        })?;
        Ok(plan)
    }

    fn retry_workflow(&self, name: &str, to: InitialStatus) -> Result<WorkflowPlan> {
        let plan = self.workflow(name)?.plan_retry(to);
        self.atomically(|| {
            self.storing(|steps| {
                plan.changes.iter().try_for_each(|change| self.retry(steps, change.job, to))
            })
        })?;
        Ok(plan)
    }
}

impl Unit<'_, Writing> {
    /// Cancels the new jobs that ask for it because of a job that was there before or was completed from
    /// one, and those behind.
    fn settle_new(&self, new: &NewWorkflow, jobs: &mut [Job]) -> Result<()> {
        let asks = |job: &&Job| asks_to_be_cancelled(job);
        if !jobs.iter().any(|job| asks(&job))
            || new.jobs.iter().all(|new| new.job.dependencies.is_empty() && new.job.reuse.is_none())
        {
            return Ok(());
        }
        for job in jobs.iter().filter(asks) {
            self.settle(&self.job(job.id)?)?;
        }
        for job in jobs {
            *job = self.job(job.id)?;
        }
        Ok(())
    }
}
