//! Edges between jobs in memory.

use std::collections::{BTreeMap, VecDeque};

use crate::dependency::{self, Dependency, DependencyKind, Readiness, Unmet};
use crate::error::{Error, Noun, Result};
use crate::event::{EventKind, NewEvent};
use crate::held::{self, HeldJob, HeldPage};
use crate::ids::JobId;
use crate::job::Job;
use crate::query::{Cursor, Page};
use crate::repo::{DependencyRead, DependencyWrite};
use crate::status::JobStatus;

use super::state::State;
use super::unit::{Signature, Unit, Writing};

impl<Mode> DependencyRead for Unit<'_, Mode> {
    fn dependencies_of(&self, job: JobId) -> Result<Vec<Dependency>> {
        let state = self.state();
        state.job(job)?;
        Ok(state.dependencies_of(job).copied().collect())
    }

    fn dependents_of(&self, job: JobId) -> Result<Vec<Dependency>> {
        let state = self.state();
        state.job(job)?;
        Ok(state.dependents_of(job).copied().collect())
    }

    fn readiness(&self, job: JobId) -> Result<Readiness> {
        self.state().readiness(job)
    }

    fn held_jobs(&self, page: Page) -> Result<HeldPage> {
        let state = self.state();
        let place = |cursor: Cursor| (cursor.created_at, cursor.id);
        let mut held = Vec::new();
        for job in state.jobs.values().rev() {
            let can_wait = matches!(job.status, JobStatus::Pending | JobStatus::Queued);
            let after = page.cursor().is_none_or(|c| place(Cursor::after(job)) < place(c));
            if let Readiness::Unsatisfiable(reasons) = state.readiness(job.id)?
                && can_wait
                && after
            {
                held.push(HeldJob { job: Job::clone(job), reasons });
            }
        }
        held.sort_by_key(|held| std::cmp::Reverse(place(Cursor::after(&held.job))));
        held.truncate(page.limit() as usize + 1);
        Ok(HeldPage::from_jobs(held, page))
    }
}

impl DependencyWrite for Unit<'_, Writing> {
    fn add_dependency(&self, job: JobId, depends_on: JobId, kind: DependencyKind) -> Result<()> {
        self.add_dependencies(&[(job, depends_on, kind)])
    }

    fn add_dependencies(&self, edges: &[(JobId, JobId, DependencyKind)]) -> Result<()> {
        self.change(|state, signature| {
            let mut new: Vec<Dependency> = Vec::new();
            for &(job, depends_on, kind) in edges {
                let before = new.iter().find(|e| (e.job, e.depends_on) == (job, depends_on));
                let edge = Dependency { job, depends_on, kind, created_at: signature.now };
                if before.is_some_and(|before| before.kind == kind) {
                    continue;
                } else if before.is_some() {
                    return Err(Error::conflict(Noun::Dependency, "depends_on", depends_on));
                } else if state.check_edge(&edge)? {
                    new.push(edge);
                }
            }
            for edge in &new {
                state.add_edge(*edge, signature)?;
            }
            for edge in new {
                state.settle(edge.job, signature);
            }
            Ok(())
        })
    }

    fn remove_dependency(&self, job: JobId, depends_on: JobId) -> Result<()> {
        self.change(|state, Signature { actor, now }| {
            let waiting = state.job(job)?;
            let Some(edge) = state.dependencies.get(&(job, depends_on)) else {
                let key = format!("of job {job} on job {depends_on}");
                return Err(Error::not_found(Noun::Dependency, key));
            };
            waiting.check_can_wait()?;
            let event = NewEvent::dependency(waiting, EventKind::DependencyRemoved, edge, now);
            state.dependencies.remove(&(job, depends_on));
            state.record(event, actor);
            Ok(())
        })
    }
}

impl State {
    /// What the dependencies of a job say of it.
    pub(super) fn readiness(&self, job: JobId) -> Result<Readiness> {
        self.job(job)?;
        let edges: Result<Vec<Unmet>> = self
            .dependencies_of(job)
            .map(|edge| {
                let other = self.job(edge.depends_on)?;
                Ok(Unmet {
                    depends_on: other.id,
                    name: other.name.clone(),
                    status: other.status,
                    kind: edge.kind,
                })
            })
            .collect();
        Ok(Readiness::of(edges?))
    }

    /// Refuses an edge that cannot be, whatever else waits for what; says whether it is new.
    fn check_edge(&self, edge: &Dependency) -> Result<bool> {
        let &Dependency { job, depends_on, kind, .. } = edge;
        let waiting = self.job(job)?;
        self.job(depends_on)?;
        dependency::check_self_edge(job, depends_on)?;
        match self.dependencies.get(&(job, depends_on)) {
            Some(existing) if existing.kind == kind => Ok(false),
            Some(_) => Err(Error::conflict(Noun::Dependency, "depends_on", depends_on)),
            None => waiting.check_can_wait().map(|()| true),
        }
    }

    fn add_edge(
        &mut self,
        edge: Dependency,
        Signature { actor, now }: Signature<'_>,
    ) -> Result<()> {
        if let Some(chain) = self.chain(edge.depends_on, edge.job) {
            return Err(dependency::cycle(edge.job, chain));
        }
        let waiting = self.job(edge.job)?;
        let event = NewEvent::dependency(waiting, EventKind::DependencyAdded, &edge, now);
        self.dependencies.insert((edge.job, edge.depends_on), edge);
        self.record(event, actor);
        Ok(())
    }

    /// Cancels a job that asks for it rather than to be held, and when it has ended those that wait for
    /// it, all the way down.
    pub(super) fn settle(&mut self, job: JobId, signature: Signature<'_>) {
        self.cancel_unsatisfiable(job, signature);
        let mut front = VecDeque::from([job]);
        while let Some(ended) = front.pop_front() {
            let children: Vec<JobId> = self.dependents_of(ended).map(|edge| edge.job).collect();
            let cancelled =
                children.into_iter().filter(|id| self.cancel_unsatisfiable(*id, signature));
            front.extend(cancelled);
        }
    }

    /// Whether it was to be cancelled.
    fn cancel_unsatisfiable(&mut self, id: JobId, signature: Signature<'_>) -> bool {
        let (Ok(job), Ok(readiness)) = (self.job(id), self.readiness(id)) else { return false };
        let step = held::settle(job, &readiness, signature.now);
        let step = step.expect("a job that has not started can be cancelled");
        let is_to_be = step.is_some();
        if let Some(step) = step {
            self.store_alone(step, signature);
        }
        is_to_be
    }

    /// The shortest chain by which `from` waits for `to`, both included; of several the one with the
    /// smaller ids first.
    fn chain(&self, from: JobId, to: JobId) -> Option<Vec<JobId>> {
        let mut reached_by = BTreeMap::from([(from, None)]);
        let mut next = VecDeque::from([from]);
        while let Some(job) = next.pop_front() {
            if job == to {
                let back = std::iter::successors(Some(to), |job| reached_by[job]);
                let mut chain: Vec<JobId> = back.collect();
                chain.reverse();
                return Some(chain);
            }
            for edge in self.dependencies_of(job) {
                reached_by.entry(edge.depends_on).or_insert_with(|| {
                    next.push_back(edge.depends_on);
                    Some(job)
                });
            }
        }
        None
    }
}
