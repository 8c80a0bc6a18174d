//! Edges between jobs.

use crate::dependency::{Dependency, DependencyKind, Readiness};
use crate::error::Result;
use crate::held::HeldPage;
use crate::ids::JobId;
use crate::query::Page;
use crate::store::Store;

/// Reading dependencies.
pub trait DependencyRead {
    /// What a job waits for, in order of the other jobs' ids.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such job.
    fn dependencies_of(&self, job: JobId) -> Result<Vec<Dependency>>;

    /// What waits for a job, in order of the other jobs' ids.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such job.
    fn dependents_of(&self, job: JobId) -> Result<Vec<Dependency>>;

    /// What the dependencies of a job say of it.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such job.
    fn readiness(&self, job: JobId) -> Result<Readiness>;

    /// A page of the jobs that are held, each with its reasons: PENDING and QUEUED jobs that wait for
    /// something that can no longer happen. Newest first, ties by id, newest id first.
    fn held_jobs(&self, page: Page) -> Result<HeldPage>;
}

/// Writing dependencies.
pub trait DependencyWrite: DependencyRead {
    /// Makes `job` wait for `depends_on`. The same edge again changes nothing. Where `depends_on` has
    /// ended already, that counts at once: `job` can go on, or is held, or is cancelled if its policy says
    /// so.
    ///
    /// # Errors
    /// [`Error::DependencyCycle`](crate::Error::DependencyCycle) with the path found;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) for a job that is not PENDING or QUEUED;
    /// [`Error::Conflict`](crate::Error::Conflict) on `depends_on`, where the edge is there with
    /// another kind; [`Error::NotFound`](crate::Error::NotFound) for either job.
    fn add_dependency(&self, job: JobId, depends_on: JobId, kind: DependencyKind) -> Result<()>;

    /// Makes many jobs wait: each for the second, for an end of this kind; all or none. It comes to what
    /// [`add_dependency`](Self::add_dependency) comes to for one after the other, but that the whole is
    /// looked through for circles once, in time that grows with the edges, and that jobs which ask to be
    /// cancelled are cancelled when all edges are there.
    ///
    /// # Errors
    /// As [`add_dependency`](Self::add_dependency), for the first edge that is refused by itself; if none
    /// is, [`Error::DependencyCycle`](crate::Error::DependencyCycle) for the first that closes a circle
    /// with those before it.
    fn add_dependencies(&self, edges: &[(JobId, JobId, DependencyKind)]) -> Result<()>;

    /// Takes an edge away.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) for the job or the edge;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) for a job that is not PENDING or QUEUED.
    fn remove_dependency(&self, job: JobId, depends_on: JobId) -> Result<()>;
}

impl<S: Store> DependencyRead for S {
    #[track_caller]
    fn dependencies_of(&self, job: JobId) -> Result<Vec<Dependency>> {
        self.read(|r| r.dependencies_of(job))
    }

    #[track_caller]
    fn dependents_of(&self, job: JobId) -> Result<Vec<Dependency>> {
        self.read(|r| r.dependents_of(job))
    }

    #[track_caller]
    fn readiness(&self, job: JobId) -> Result<Readiness> {
        self.read(|r| r.readiness(job))
    }

    #[track_caller]
    fn held_jobs(&self, page: Page) -> Result<HeldPage> {
        self.read(|r| r.held_jobs(page))
    }
}

impl<S: Store> DependencyWrite for S {
    #[track_caller]
    fn add_dependency(&self, job: JobId, depends_on: JobId, kind: DependencyKind) -> Result<()> {
        self.write(move |w| w.add_dependency(job, depends_on, kind))
    }

    #[track_caller]
    fn add_dependencies(&self, edges: &[(JobId, JobId, DependencyKind)]) -> Result<()> {
        let edges = edges.to_vec();
        self.write_steps(edges.len(), move |w| w.add_dependencies(&edges))
    }

    #[track_caller]
    fn remove_dependency(&self, job: JobId, depends_on: JobId) -> Result<()> {
        self.write(move |w| w.remove_dependency(job, depends_on))
    }
}
