//! The jobs that tests create where it does not matter which.

use store_core::{Code, NewJob, Placement, WorkDir};

/// A job of this name, in a directory that the store names.
pub fn sample(name: impl Into<String>) -> NewJob {
    let base = WorkDir::new("/scratch").expect("an absolute directory");
    NewJob::new(name, Code::Crystal, Placement::Under(base))
}
