//! The parts that threads play.

pub mod clusters;
pub mod janitor;
mod lists;
mod scheduler;
mod ui;
mod worker;

use store_sqlite::SqliteStore;

use super::session::Session;
pub use lists::Lists;
pub use scheduler::{created, draft};

/// What a thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Looks at lists and jobs, and sometimes changes or deletes one, or edits a cluster.
    Ui,
    /// Creates, queues, submits, retries, archives, prunes and moves jobs; makes clusters and removes them.
    Scheduler,
    /// Takes queued jobs, runs and finishes them.
    Worker,
}

impl Role {
    /// How reports call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ui => "ui",
            Self::Scheduler => "scheduler",
            Self::Worker => "worker",
        }
    }

    /// The roles of a thread, from 1, of so many; with several it takes turns.
    pub fn of(thread: u32, threads: u32) -> &'static [Self] {
        match (threads, thread % 4) {
            (1, _) => &[Self::Ui, Self::Scheduler, Self::Worker, Self::Worker],
            (2, 1) => &[Self::Ui, Self::Scheduler],
            (2, _) => &[Self::Worker],
            (_, 1) => &[Self::Ui],
            (_, 2) => &[Self::Scheduler],
            _ => &[Self::Worker],
        }
    }
}

/// Does one piece of work, which is one call or a few.
pub fn step(session: &mut Session<'_, SqliteStore>, lists: &mut Lists, roles: &[Role]) {
    match session.random.pick(roles) {
        Some(Role::Ui) => ui::step(session, lists),
        Some(Role::Scheduler) => scheduler::step(session, lists),
        Some(Role::Worker) => worker::step(session, lists),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_is_played_whatever_the_number_of_threads() {
        for threads in 1..=9 {
            let played: Vec<Role> =
                (1..=threads).flat_map(|thread| Role::of(thread, threads)).copied().collect();
            for role in [Role::Ui, Role::Scheduler, Role::Worker] {
                assert!(played.contains(&role), "{threads} threads: {role:?}");
            }
        }
    }
}
