//! Edges between jobs in memory.

use std::collections::{BTreeMap, VecDeque};

use crate::dependency::{self, Dependency, DependencyKind, Readiness, Unmet};
use crate::error::{Error, Noun, Result};
use crate::event::{EventKind, NewEvent};
use crate::ids::JobId;
use crate::repo::{DependencyRead, DependencyWrite};

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
}

impl DependencyWrite for Unit<'_, Writing> {
    fn add_dependency(&self, job: JobId, depends_on: JobId, kind: DependencyKind) -> Result<()> {
        self.change(|state, Signature { actor, now }| {
            let waiting = state.job(job)?;
            state.job(depends_on)?;
            dependency::check_self_edge(job, depends_on)?;
            if let Some(existing) = state.dependencies.get(&(job, depends_on)) {
                return if existing.kind == kind {
                    Ok(())
                } else {
                    Err(Error::conflict(Noun::Dependency, "depends_on", depends_on))
                };
            }
            waiting.check_can_wait()?;
            if let Some(chain) = state.chain(depends_on, job) {
                return Err(dependency::cycle(job, chain));
            }
            let edge = Dependency { job, depends_on, kind, created_at: now };
            let event = NewEvent::dependency(waiting, EventKind::DependencyAdded, &edge, now);
            state.dependencies.insert((job, depends_on), edge);
            state.record(event, actor);
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
