//! Why a workflow is not created.

use thiserror::Error;

use crate::error::{Error, Invalid};

/// What is wrong with a workflow that was to be created, by the names that its author gave the jobs.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WorkflowProblem {
    /// Its name cannot be one, or it has no jobs.
    #[error(transparent)]
    Invalid(#[from] Invalid),

    /// Two jobs have one name.
    #[error("it has two jobs {local_name:?}: name each differently")]
    NameTwice {
        /// The name.
        local_name: String,
    },

    /// A job waits for one that is not in the workflow.
    #[error(
        "{local_name:?} waits for {after:?}, which is not among its jobs: look for a typing error"
    )]
    UnknownName {
        /// The job that waits.
        local_name: String,
        /// What it waits for.
        after: String,
    },

    /// A job waits for another one twice.
    #[error("{local_name:?} waits for {after:?} twice: name each job once")]
    AfterTwice {
        /// The job that waits.
        local_name: String,
        /// What it waits for.
        after: String,
    },

    /// Jobs wait for each other in a circle.
    #[error("its jobs wait in a circle: {}", .path.join(" waits for "))]
    Cycle {
        /// The names of the circle, each waiting for the next; the first is the last again.
        path: Vec<String>,
    },

    /// A job says that it belongs elsewhere.
    #[error("{local_name:?} names the workflow {other:?}: leave that out, the store sets it")]
    OtherWorkflow {
        /// The job.
        local_name: String,
        /// The workflow that it names.
        other: String,
    },

    /// A job was refused.
    #[error("{local_name:?} is refused: {error}")]
    Job {
        /// The job.
        local_name: String,
        /// Why; as `create_job` would say it.
        error: Box<Error>,
    },
}
