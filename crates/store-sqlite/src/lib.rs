#![doc = include_str!("../README.md")]
//!
//! # Where to look
//!
//! | question | module |
//! |---|---|
//! | What can be set? | [`options`] |
//! | How is a file opened, and when is it refused? | [`open`](crate::OpenError) |
//! | Who writes when, and who was in the way? | `writer`, `gate`, `holder`, `note` |
//! | What tells that somebody has committed? | `watch` |
//! | What keeps the log small? | `checkpointer`, `snapshots` |
//! | How is a noun stored? | `repo` |
//! | Which process is this, and is another one gone? | [`worker`] |
//! | How is a store backed up and looked after? | [`maintenance`] |

mod checkpointer;
mod codec;
mod counters;
mod create;
mod error;
mod gate;
mod holder;
mod identity;
mod insert;
mod location;
mod migrate;
mod note;
mod open;
mod patience;
mod pool;
mod pragmas;
mod repo;
mod sight;
mod snapshots;
mod store;
mod unit;
mod watch;
mod writer;

pub mod maintenance;
pub mod options;
pub mod worker;

pub use counters::{Activity, Distribution};
pub use error::OpenError;
pub use maintenance::{CheckDepth, CheckReport, CheckpointReport, Stats};
pub use options::{Durability, Options, WhenFull};
pub use snapshots::HeldSnapshot;
pub use store::SqliteStore;
pub use unit::{Reading, Unit, Writing};
pub use watch::SqliteWatch;

/// The traits that a program which uses a store wants in scope.
pub mod prelude {
    pub use store_core::prelude::*;
}
