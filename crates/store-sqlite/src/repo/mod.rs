//! The SQL of each noun. Every query names its columns and, where there is a choice, its index.

mod clusters;
mod creation;
mod dependencies;
mod events;
mod inputs;
mod jobs;
mod lists;
mod remote_jobs;
mod results;
mod tags;

#[cfg(test)]
mod plans;
