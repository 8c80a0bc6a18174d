//! A store in memory: the specification that runs.
//!
//! It says what the traits mean in the plainest way there is: maps, copied for each change. Other
//! backends are compared with it, and programs use it in their own tests. It forgets everything when
//! its last clone is dropped, and it counts and lists by going through all jobs, because that is
//! obvious; a backend that keeps its jobs anywhere else MUST NOT.

mod claims;
mod clusters;
mod dependencies;
mod events;
mod jobs;
mod lists;
mod remote_jobs;
mod results;
mod retention;
mod state;
mod store;
mod tags;
mod unit;
mod watch;
mod workflows;

#[cfg(all(test, feature = "conformance"))]
mod control;
#[cfg(all(test, feature = "conformance"))]
mod faulty;

pub use store::MemoryStore;
pub use unit::{Reading, Unit, Writing};
pub use watch::MemoryWatch;
