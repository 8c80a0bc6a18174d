//! Looking after a store: copies, checks, the log, numbers. What people type PRAGMAs for is one call
//! here.

pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod checkpoint;
pub(crate) mod retention;
pub(crate) mod stats;

pub use check::{CheckDepth, CheckReport};
pub use checkpoint::CheckpointReport;
pub use stats::{PoolUse, Stats};
