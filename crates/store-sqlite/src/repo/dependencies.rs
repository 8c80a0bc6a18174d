//! Edges between jobs.

use std::collections::{BTreeMap, VecDeque};

use rusqlite::{Row, params};
use store_core::dependency::{check_self_edge, cycle};
use store_core::event::NewEvent;
use store_core::repo::{DependencyRead, DependencyWrite, JobRead};
use store_core::{
    Dependency, DependencyKind, Error, EventKind, HeldPage, JobId, Noun, Page, Readiness, Result,
    Unmet, UnmetCounts,
};

use crate::codec::{Columns, micros};
use crate::unit::{Mode, Unit, Writing};

pub(super) const OF: &str = "SELECT job_id, depends_on, kind, created_at FROM job_dependencies \
                             WHERE job_id = ?1 ORDER BY depends_on";
pub(super) const ON: &str = "SELECT job_id, depends_on, kind, created_at FROM job_dependencies \
                             INDEXED BY job_dependencies_by_parent \
                             WHERE depends_on = ?1";
pub(super) const EDGE: &str = "SELECT job_id, depends_on, kind, created_at FROM job_dependencies \
                               WHERE job_id = ?1 AND depends_on = ?2";
pub(super) const PARENTS: &str = "SELECT parents.id, parents.name, parents.status, edges.kind \
                                  FROM job_dependencies AS edges \
                                  CROSS JOIN jobs AS parents NOT INDEXED ON parents.id = edges.depends_on \
                                  WHERE edges.job_id = ?1";
pub(super) const WAITED_FOR: &str = "SELECT depends_on FROM job_dependencies WHERE job_id = ?1 \
                                     ORDER BY depends_on";
const COUNT: &str = "UPDATE job_queue SET obstacles = obstacles + ?2 + ?3, \
                     unsatisfiable = unsatisfiable + ?3 WHERE job_id = ?1";
pub(super) const HAS_DEPENDENTS: &str = "SELECT 1 FROM job_dependencies \
                                         INDEXED BY job_dependencies_by_parent \
                                         WHERE depends_on = ?1 LIMIT 1";

pub(super) fn decode(row: &Row<'_>) -> rusqlite::Result<Dependency> {
    let mut columns = Columns::of(row);
    Ok(Dependency {
        job: columns.id(JobId::new)?,
        depends_on: columns.id(JobId::new)?,
        kind: columns.word()?,
        created_at: columns.time()?,
    })
}

impl<M: Mode> Unit<'_, M> {
    /// Whether other jobs wait for it.
    pub(crate) fn has_dependents(&self, job: JobId) -> Result<bool> {
        Ok(self.find(HAS_DEPENDENTS, [job.get()], |_| Ok(()))?.is_some())
    }
}

impl<M: Mode> DependencyRead for Unit<'_, M> {
    fn dependencies_of(&self, job: JobId) -> Result<Vec<Dependency>> {
        self.check_job(job)?;
        self.list(OF, [job.get()], decode)
    }

    fn dependents_of(&self, job: JobId) -> Result<Vec<Dependency>> {
        self.check_job(job)?;
        let mut edges = self.list(ON, [job.get()], decode)?;
        // The index has them by kind.
        edges.sort_unstable_by_key(|edge| edge.job);
        Ok(edges)
    }

    fn readiness(&self, job: JobId) -> Result<Readiness> {
        self.check_job(job)?;
        let edges = self.list(PARENTS, [job.get()], |row| {
            let mut columns = Columns::of(row);
            Ok(Unmet {
                depends_on: columns.id(JobId::new)?,
                name: columns.plain()?,
                status: columns.word()?,
                kind: columns.word()?,
            })
        })?;
        Ok(Readiness::of(edges))
    }

    fn held_jobs(&self, page: Page) -> Result<HeldPage> {
        self.page_of_held_jobs(page)
    }
}

impl DependencyWrite for Unit<'_, Writing> {
    fn add_dependency(&self, job: JobId, depends_on: JobId, kind: DependencyKind) -> Result<()> {
        let waiting = self.job(job)?;
        self.check_job(depends_on)?;
        check_self_edge(job, depends_on)?;
        match self.find(EDGE, [job.get(), depends_on.get()], decode)? {
            Some(edge) if edge.kind == kind => return Ok(()),
            Some(_) => return Err(Error::conflict(Noun::Dependency, "depends_on", depends_on)),
            None => {}
        }
        waiting.check_can_wait()?;
        if let Some(chain) = self.chain(depends_on, job)? {
            return Err(cycle(job, chain));
        }
        let edge = self.insert_dependency(job, depends_on, kind)?;
        self.count_unmet(job, self.unmet(depends_on, kind)?)?;
        let event = NewEvent::dependency(&waiting, EventKind::DependencyAdded, &edge, self.now());
        self.record(event)?;
        self.settle(&waiting)
    }

    fn add_dependencies(&self, edges: &[(JobId, JobId, DependencyKind)]) -> Result<()> {
        self.atomically(|| self.insert_many_dependencies(edges))
    }

    fn remove_dependency(&self, job: JobId, depends_on: JobId) -> Result<()> {
        let waiting = self.job(job)?;
        let found = self.find(EDGE, [job.get(), depends_on.get()], decode)?;
        let edge = found.ok_or_else(|| {
            Error::not_found(Noun::Dependency, format!("of job {job} on job {depends_on}"))
        })?;
        waiting.check_can_wait()?;
        self.execute(
            "DELETE FROM job_dependencies WHERE job_id = ?1 AND depends_on = ?2",
            [job.get(), depends_on.get()],
        )?;
        let UnmetCounts { waiting: less, unsatisfiable } = self.unmet(depends_on, edge.kind)?;
        self.count_unmet(job, UnmetCounts { waiting: -less, unsatisfiable: -unsatisfiable })?;
        let event = NewEvent::dependency(&waiting, EventKind::DependencyRemoved, &edge, self.now());
        self.record(event).map(drop)
    }
}

impl Unit<'_, Writing> {
    pub(super) fn insert_dependency(
        &self,
        job: JobId,
        depends_on: JobId,
        kind: DependencyKind,
    ) -> Result<Dependency> {
        self.execute(
            "INSERT INTO job_dependencies (job_id, depends_on, kind, created_at) \
             VALUES (?1, ?2, ?3, ?4)",
            params![job.get(), depends_on.get(), kind.as_str(), micros(self.now())],
        )?;
        Ok(Dependency { job, depends_on, kind, created_at: self.now() })
    }

    /// What one dependency adds to the counters of the job that waits.
    fn unmet(&self, depends_on: JobId, kind: DependencyKind) -> Result<UnmetCounts> {
        let mut unmet = UnmetCounts::default();
        if let Some(status) = self.status_of(depends_on)? {
            unmet.count(kind.verdict(status));
        }
        Ok(unmet)
    }

    /// Adds to the counters of a job.
    pub(super) fn count_unmet(&self, job: JobId, more: UnmetCounts) -> Result<()> {
        if more == UnmetCounts::default() {
            return Ok(());
        }
        let params = params![job.get(), more.waiting, more.unsatisfiable];
        self.execute(COUNT, params).map(drop)
    }

    /// The shortest chain of edges by which `from` waits for `to`, both included; of several, the one
    /// with the smaller ids first.
    pub(super) fn chain(&self, from: JobId, to: JobId) -> Result<Option<Vec<JobId>>> {
        // Most edges go from a job that nobody waits for.
        if !self.has_dependents(to)? {
            return Ok(None);
        }
        let mut reached_by = BTreeMap::from([(from, from)]);
        let mut front = VecDeque::from([from]);
        while let Some(job) = front.pop_front() {
            if job == to {
                let mut chain = vec![job];
                let mut place = job;
                while place != from {
                    place = reached_by[&place];
                    chain.push(place);
                }
                chain.reverse();
                return Ok(Some(chain));
            }
            for next in self.list(WAITED_FOR, [job.get()], |row| row.get(0).map(JobId::new))? {
                reached_by.entry(next).or_insert_with(|| {
                    front.push_back(next);
                    job
                });
            }
        }
        Ok(None)
    }
}
