//! What can be asked of a store, one noun a file, each with a half that reads and a half that writes.
//!
//! The traits are implemented by a backend's units of work, and here, once for all backends, by
//! every [`Store`](crate::Store): a straight call is a transaction of its own.
//!
//! # Contract of every method
//! - A method that writes MUST do all of it or, when it returns an error, nothing; also within a unit
//!   of work that goes on after the error.
//! - It MUST write the event of each change in the same transaction, signed by the store's actor and
//!   with the time of the store's clock.
//! - It MUST refuse what the domain type's `check` refuses, with [`Error::Invalid`], before it writes.
//! - An id that the store does not have is [`Error::NotFound`] with the noun and the id.
//! - A report of what is so already changes nothing, writes no event, and is `Ok`.
//!
//! [`Error::Invalid`]: crate::Error::Invalid
//! [`Error::NotFound`]: crate::Error::NotFound

mod claims;
mod clusters;
mod dependencies;
mod events;
mod jobs;
mod remote_jobs;
mod results;
mod workflows;

pub use claims::{ClaimRead, ClaimWrite};
pub use clusters::{ClusterRead, ClusterWrite};
pub use dependencies::{DependencyRead, DependencyWrite};
pub use events::{EventRead, EventWrite};
pub use jobs::{JobRead, JobWrite};
pub use remote_jobs::{RemoteJobRead, RemoteJobWrite};
pub use results::{ResultRead, ResultWrite};
pub use workflows::{WorkflowRead, WorkflowWrite};
