//! The harness of the tests that cross crates: what several of them need.
//!
//! | question | module |
//! |---|---|
//! | How is a database looked at, or made, without a store? | [`raw`] |
//! | What does a migration look like that rebuilds a table? | [`rebuild`] |
//! | What was in databases of earlier releases? | [`population`] |
//! | How does a test run a part of itself in another process? | [`child`] |
//! | How does a disk fail, and what is on it after a power cut? | [`faults`], [`disk`] |
//! | Which jobs, and which chances, do tests take where it does not matter? | [`jobs`], [`random`] |
//! | How are two stores driven and compared? | [`model`] |
//! | What must no source file say, and who may depend on whom? | [`tidy`], [`arrows`] |
//! | What must the manifests, the lock and `deny.toml` agree on? | [`manifests`] |

pub mod arrows;
pub mod child;
pub mod disk;
pub mod faults;
pub mod jobs;
pub mod manifests;
pub mod model;
pub mod population;
pub mod random;
pub mod raw;
pub mod rebuild;
pub mod tidy;

/// The examples of the page on scheduling, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/scheduling.md")]
pub mod scheduling {}

/// The examples of the page on submission, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/submission.md")]
pub mod submission {}

/// The example of the page on workflows, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/workflows.md")]
pub mod workflows {}

/// The example of the page on finding jobs, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/finding.md")]
pub mod finding {}

/// What a test comes to.
pub type TestResult<T = ()> = Result<T, Box<dyn std::error::Error>>;
