//! The SQL of each noun. Every query names its columns and, where there is a choice, its index.

mod claims;
mod clusters;
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
mod workflows;

#[cfg(test)]
mod plans;
