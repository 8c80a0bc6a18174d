//! Retention: which jobs leave a store, and what is known of them afterwards.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::event::{EventKind, NewEvent};
use crate::ids::JobId;
use crate::job::Job;
use crate::status::JobStatus;
use crate::time::Timestamp;

/// For how long a store tells at least that a job left, so that who follows its history once a day sees each go.
const TOLD_FOR: Duration = Duration::from_secs(24 * 3600);

/// Which jobs go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// The jobs go that ended before this moment.
    pub finished_before: Timestamp,
    /// About how many one call takes.
    pub at_most: u64,
    /// Whether a call only reports what it would take.
    pub dry_run: bool,
}

impl Retention {
    /// The jobs that ended before this moment, with all that belongs to them.
    ///
    /// A job goes only with every job that it is connected with by dependencies, directly or through
    /// others, and only if all of them ended before this moment. A job with a submission that has not
    /// ended stays too: its handle may be needed.
    pub const fn finished_before(moment: Timestamp) -> Self {
        Self { finished_before: moment, at_most: u64::MAX, dry_run: false }
    }

    /// About how many jobs one call takes, and how many that had left it forgets, so that a scheduler can do a
    /// little now and then. What is connected goes as a whole, also where it is more; what is refused or held is
    /// looked at besides. Default: all.
    #[must_use]
    pub const fn at_most(mut self, jobs: u64) -> Self {
        self.at_most = jobs;
        self
    }

    /// Changes nothing, and reports what a call would take now. Default: false.
    #[must_use]
    pub const fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// The moment before which jobs must have left for the store to forget that they did.
    pub fn forgets_before(&self, now: Timestamp) -> Timestamp {
        self.finished_before.min(now - TOLD_FOR)
    }

    /// What tells that a job was pruned.
    pub fn pruned(&self, job: &Job, now: Timestamp) -> NewEvent {
        let moment = self.finished_before.to_string();
        NewEvent::departure(job, EventKind::Deleted, now).with("finished_before", moment)
    }
}

/// What tells that a job went into another store, named as people find it.
pub fn moved(job: &Job, into: &str, now: Timestamp) -> NewEvent {
    NewEvent::departure(job, EventKind::Moved, now).with("into", into)
}

/// What a call did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetentionReport {
    /// Jobs that went, or would go.
    pub jobs: u64,
    /// Events of their histories.
    pub events: u64,
    /// Jobs that had left before the moment, and a day ago at least: the store knows nothing of them any more, but
    /// that it has [forgotten](crate::repo::EventRead::newest_forgotten) some.
    pub forgotten: u64,
    /// Jobs that are old enough, and stay because of a live one that was met before them. A job that is
    /// connected with live ones may be counted or not.
    pub held: u64,
    /// Jobs that stay because they, or one that is connected with them, changed during the call; the next
    /// one looks at them anew. Some may be in the second store already: the first one's is the true one.
    pub changed: u64,
    /// Jobs that stay because the second store has no place for them: another job there has their
    /// directory, id or key, or their copy there was changed. Another store takes them.
    pub refused: Vec<JobId>,
    /// Transactions that removed something.
    pub steps: u64,
    /// How long the longest of them worked, without its commit.
    pub longest_step: Duration,
    /// Whether the call looked to the end. One that took as many as it may says false, also where nothing is left.
    pub complete: bool,
}

/// The ways in which a job has ended, put away or listed, in the order in which retention looks for them. Within each
/// the oldest come first.
pub const ENDINGS: [(bool, JobStatus); 6] = [
    (true, JobStatus::Completed),
    (true, JobStatus::Failed),
    (true, JobStatus::Cancelled),
    (false, JobStatus::Completed),
    (false, JobStatus::Failed),
    (false, JobStatus::Cancelled),
];

/// The jobs in an order in which they can be removed: each after all that wait for it. Given are those that each of
/// them waits for.
pub fn leaves_first(parents: &BTreeMap<JobId, Vec<JobId>>) -> Vec<JobId> {
    let mut waiting: BTreeMap<JobId, usize> = parents.keys().map(|job| (*job, 0)).collect();
    for parent in parents.values().flatten() {
        *waiting.entry(*parent).or_default() += 1;
    }
    let free = waiting.iter().filter(|(_, waiting)| **waiting == 0).map(|(job, _)| *job);
    let mut order: Vec<JobId> = free.collect();
    let mut next = 0;
    while let Some(job) = order.get(next).copied() {
        next += 1;
        for parent in parents.get(&job).into_iter().flatten() {
            let left = waiting.entry(*parent).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 {
                order.push(*parent);
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_job_comes_after_all_that_wait_for_it() {
        let id = JobId::new;
        // 4 waits for 2 and 3, which wait for 1; 5 waits for 1 alone.
        let parents = BTreeMap::from([
            (id(1), vec![]),
            (id(2), vec![id(1)]),
            (id(3), vec![id(1)]),
            (id(4), vec![id(2), id(3)]),
            (id(5), vec![id(1)]),
        ]);
        let order = leaves_first(&parents);
        assert_eq!(order.len(), 5);
        let place = |job| order.iter().position(|found| *found == job);
        for (job, parents) in &parents {
            for parent in parents {
                assert!(place(*job) < place(*parent), "{job} before {parent} in {order:?}");
            }
        }
    }
}
