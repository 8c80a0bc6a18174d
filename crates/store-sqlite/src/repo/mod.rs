//! The SQL of each noun. Every query names its columns and, where there is a choice, its index.

mod claims;
mod clusters;
mod contacts;
mod creation;
mod dependencies;
mod edges_in_bulk;
mod events;
mod held;
mod inputs;
mod jobs;
mod lanes;
mod leases;
mod lists;
mod remote_jobs;
mod results;
mod reuse;
mod steps;
mod tags;
mod workflows;

/// A job with everything that hangs on it, by cascade; what is kept about that is looked at before.
pub(crate) use jobs::DELETE as DELETE_JOB;

#[cfg(test)]
mod plans;
