//! The suite that every backend must pass: what the traits promise, as functions that can be called.
//!
//! Each promise is a function that is named after what it promises and takes a [`Fixture`], which
//! makes fresh stores of the backend. [`conformance_tests!`](crate::conformance_tests) makes a named
//! test of each one; [`promises`] has them as a list, for other ways to run them.

mod acts;
mod cast;
mod dump;
mod fixture;
mod list;
mod outcome;
mod promise;
mod refusals;
mod samples;
mod threads;

pub mod archives;
pub mod bulk_edges;
pub mod claims;
pub mod clusters;
pub mod creation;
pub mod dependencies;
pub mod edits;
pub mod events;
pub mod fencing;
pub mod filters;
pub mod held;
pub mod inputs;
pub mod jobs;
pub mod leases;
pub mod limits;
pub mod many_ends;
pub mod orders;
pub mod pages;
pub mod races;
pub mod readers;
pub mod reasons;
pub mod remote_jobs;
pub mod remote_phases;
pub mod results;
pub mod retention;
pub mod reuse;
pub mod runs;
pub mod searches;
pub mod statuses;
pub mod submissions;
pub mod tags;
pub mod texts;
pub mod tickets;
pub mod units_of_work;
pub mod watching;
pub mod workflows;

pub use dump::Dump;
pub use fixture::{ArchiveOf, Fixture};
pub use outcome::{Broken, Outcome};
pub use promise::{PROMISES, Promise, promises};
