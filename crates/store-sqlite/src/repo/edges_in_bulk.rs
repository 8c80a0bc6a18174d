//! Many edges at once.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use store_core::dependency::{check_self_edge, cycle};
use store_core::event::NewEvent;
use store_core::held::asks_to_be_cancelled;
use store_core::repo::JobRead;
use store_core::workflow::order::topological;
use store_core::{
    Dependency, DependencyKind, Error, EventKind, Job, JobId, JobStatus, Noun, Result, UnmetCounts,
};

use super::dependencies::{OF, WAITED_FOR, decode};
use crate::unit::{Unit, Writing};

/// An edge to be inserted: the job that waits, the one that it waits for, and for which end.
type Edge = (JobId, JobId, DependencyKind);

/// A job that is to wait for more.
struct Waiting {
    job: Job,
    /// What it waits for, with the edges to be inserted.
    kinds: BTreeMap<JobId, DependencyKind>,
    more: UnmetCounts,
}

impl Unit<'_, Writing> {
    /// As [`add_dependencies`](store_core::repo::DependencyWrite::add_dependencies), within a savepoint.
    pub(super) fn insert_many_dependencies(&self, edges: &[Edge]) -> Result<()> {
        let mut waiting: HashMap<JobId, Waiting> = HashMap::new();
        let mut statuses: HashMap<JobId, JobStatus> = HashMap::new();
        let mut new: Vec<Edge> = Vec::with_capacity(edges.len());
        for &(job, depends_on, kind) in edges {
            let row = match waiting.entry(job) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => place.insert(self.waiting(job)?),
            };
            let status = match statuses.get(&depends_on) {
                Some(status) => *status,
                None => {
                    let found = self.status_of(depends_on)?;
                    let status = found.ok_or_else(|| Error::not_found(Noun::Job, depends_on))?;
                    statuses.insert(depends_on, status);
                    status
                }
            };
            check_self_edge(job, depends_on)?;
            match row.kinds.get(&depends_on) {
                Some(existing) if *existing == kind => continue,
                Some(_) => return Err(Error::conflict(Noun::Dependency, "depends_on", depends_on)),
                None => row.job.check_can_wait()?,
            }
            row.kinds.insert(depends_on, kind);
            row.more.count(kind.verdict(status));
            new.push((job, depends_on, kind));
        }
        self.check_circles(&new)?;
        for &(job, depends_on, kind) in &new {
            let edge: Dependency = self.insert_dependency(job, depends_on, kind)?;
            let event = EventKind::DependencyAdded;
            self.record(NewEvent::dependency(&waiting[&job].job, event, &edge, self.now()))?;
        }
        for (job, row) in &waiting {
            self.count_unmet(*job, row.more)?;
        }
        for (job, _, _) in &new {
            if asks_to_be_cancelled(&waiting[job].job) {
                // It may have been cancelled by one before it.
                self.settle(&self.job(*job)?)?;
            }
        }
        Ok(())
    }

    fn waiting(&self, job: JobId) -> Result<Waiting> {
        let job = self.job(job)?;
        let edges = self.list(OF, [job.id.get()], decode)?;
        let kinds = edges.into_iter().map(|edge| (edge.depends_on, edge.kind)).collect();
        Ok(Waiting { job, kinds, more: UnmetCounts::default() })
    }

    /// Refuses edges that close a circle, by themselves or with those that are there.
    fn check_circles(&self, new: &[Edge]) -> Result<()> {
        let existing = self.edges_above(new)?;
        let closes = |count: usize| {
            let (existing, new) = (existing.iter().copied(), new[..count].iter());
            has_circle(existing.chain(new.map(|(job, depends_on, _)| (*job, *depends_on))))
        };
        if !closes(new.len()) {
            return Ok(());
        }
        // The first that closes one with those before it, as if they came one by one.
        let (mut open, mut closed) = (0, new.len());
        while open + 1 < closed {
            let middle = open + (closed - open) / 2;
            if closes(middle) { closed = middle } else { open = middle }
        }
        for &(job, depends_on, kind) in &new[..open] {
            self.insert_dependency(job, depends_on, kind)?;
        }
        let (job, depends_on, _) = new[open];
        let chain = self.chain(depends_on, job)?.unwrap_or_default();
        Err(cycle(job, chain))
    }

    /// The edges that are there and can be part of a circle with new ones: those by which what is waited
    /// for waits in turn. There are none if nobody waits for a job that gets a new edge, as is so for jobs
    /// that were just created: then every edge of a circle is new.
    fn edges_above(&self, new: &[Edge]) -> Result<Vec<(JobId, JobId)>> {
        let jobs: BTreeSet<JobId> = new.iter().map(|(job, _, _)| *job).collect();
        let mut is_waited_for = false;
        for job in &jobs {
            if self.has_dependents(*job)? {
                is_waited_for = true;
                break;
            }
        }
        let mut edges = Vec::new();
        if !is_waited_for {
            return Ok(edges);
        }
        let mut seen: BTreeSet<JobId> = new.iter().map(|(_, depends_on, _)| *depends_on).collect();
        let mut front: Vec<JobId> = seen.iter().copied().collect();
        while let Some(job) = front.pop() {
            for next in self.list(WAITED_FOR, [job.get()], |row| row.get(0).map(JobId::new))? {
                edges.push((job, next));
                if seen.insert(next) {
                    front.push(next);
                }
            }
        }
        Ok(edges)
    }
}

fn has_circle(edges: impl Iterator<Item = (JobId, JobId)>) -> bool {
    let mut places: HashMap<JobId, usize> = HashMap::new();
    let mut waits_for: Vec<Vec<usize>> = Vec::new();
    for (job, depends_on) in edges {
        let [job, depends_on] = [job, depends_on].map(|id| {
            *places.entry(id).or_insert_with(|| {
                waits_for.push(Vec::new());
                waits_for.len() - 1
            })
        });
        waits_for[job].push(depends_on);
    }
    topological(&waits_for).is_err()
}
