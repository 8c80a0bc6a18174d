//! Edges between jobs.

use crate::dependency::{Dependency, DependencyKind, Readiness};
use crate::error::Result;
use crate::ids::JobId;
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
}

/// Writing dependencies.
pub trait DependencyWrite: DependencyRead {
    /// Makes `job` wait for `depends_on`. The same edge again changes nothing.
    ///
    /// # Errors
    /// [`Error::DependencyCycle`](crate::Error::DependencyCycle) with the path found;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) for a job that is not PENDING or QUEUED;
    /// [`Error::Conflict`](crate::Error::Conflict) on `depends_on`, where the edge is there with
    /// another kind; [`Error::NotFound`](crate::Error::NotFound) for either job.
    fn add_dependency(&self, job: JobId, depends_on: JobId, kind: DependencyKind) -> Result<()>;

    /// Takes an edge away.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) for the job or the edge;
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) for a job that is not PENDING or QUEUED.
    fn remove_dependency(&self, job: JobId, depends_on: JobId) -> Result<()>;
}

impl<S: Store> DependencyRead for S {
    fn dependencies_of(&self, job: JobId) -> Result<Vec<Dependency>> {
        self.read(|r| r.dependencies_of(job))
    }

    fn dependents_of(&self, job: JobId) -> Result<Vec<Dependency>> {
        self.read(|r| r.dependents_of(job))
    }

    fn readiness(&self, job: JobId) -> Result<Readiness> {
        self.read(|r| r.readiness(job))
    }
}

impl<S: Store> DependencyWrite for S {
    fn add_dependency(&self, job: JobId, depends_on: JobId, kind: DependencyKind) -> Result<()> {
        self.write(move |w| w.add_dependency(job, depends_on, kind))
    }

    fn remove_dependency(&self, job: JobId, depends_on: JobId) -> Result<()> {
        self.write(move |w| w.remove_dependency(job, depends_on))
    }
}
