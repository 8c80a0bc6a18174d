//! Retention: jobs that ended long ago go into a second store, which is opened and searched like any other,
//! or for good.
//!
//! | question | module |
//! |---|---|
//! | Which jobs go, and which stay because a live one is connected with them? | [`components`] |
//! | Which tables hang on a job? | [`tables`] |
//! | How do jobs come into the second store? | [`copies`] |
//! | How do they leave the first one, in short steps? | [`removal`] |
//!
//! The copy is on the disk before anything is removed, and a job is removed only as it was copied. So a
//! crash at any moment leaves each job in the first store, or in both, or in the second one; the next call
//! finishes what was begun ([ADR
//! 0012](../../../../../docs/adr/0012-the-archive-is-a-store-of-its-own.md)).

pub(crate) mod components;
pub(crate) mod copies;
pub(crate) mod removal;
mod tables;

use std::panic::Location;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use store_core::{Error, Invalid, JobId, Result, Store, Timestamp};

use self::components::{Component, Search};
use self::copies::Copies;
use self::removal::{Departed, Destination};
use crate::options::{Durability, Options};
use crate::store::SqliteStore;

/// How many jobs are copied in one transaction, unless one component has more.
const BATCH: u64 = 256;

/// Which jobs go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    finished_before: Timestamp,
    at_most: u64,
    dry_run: bool,
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
}

/// What a call did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetentionReport {
    /// Jobs that went, or would go.
    pub jobs: u64,
    /// Events of their histories.
    pub events: u64,
    /// Jobs that had left before the moment, and a day ago at least: the store knows nothing of them any more.
    pub forgotten: u64,
    /// Jobs that are old enough, and stay because of a live one that was met before them. A job that is
    /// connected with live ones may be counted or not.
    pub held: u64,
    /// Jobs that stay because they, or one that is connected with them, changed during the call; the next
    /// one looks at them anew. Some may be in the second store already: the first one's is the true one.
    pub changed: u64,
    /// Jobs that stay because the second store has no place for them: another job there has their
    /// directory, id or key, or their copy there was changed. Another file takes them.
    pub refused: Vec<JobId>,
    /// Transactions that removed something.
    pub steps: u64,
    /// How long the longest of them worked, without its commit.
    pub longest_step: Duration,
    /// Whether nothing is left that this call could have taken.
    pub complete: bool,
}

impl SqliteStore {
    /// Moves jobs that ended long ago into the store at `into`, which is made if there is none: jobs with
    /// their inputs, results, attempts, submissions, edges and history, under the same ids, uuids and
    /// sequences, and the clusters that they name. Search it through a store that is opened there,
    /// [`read_only`](Options::read_only).
    ///
    /// The jobs are copied in transactions that are on the disk (`synchronous=FULL`) before the first of
    /// them is removed here. What is removed is removed in steps of about 10 milliseconds, between which
    /// other writers have their turns; each step looks whether the job is still as it was copied.
    ///
    /// The events of a job go with it, and one that tells so stays ([`EventKind::Moved`](store_core::EventKind),
    /// with the store's path) for a day at least, until a call for a moment after it, which forgets jobs that had left
    /// before. Ids and sequences do not come back.
    ///
    /// A call that ends in an error may have moved some jobs; none is lost, and calling again goes on.
    ///
    /// # Errors
    /// [`Error::Invalid`] if `into` is this store; [`Error::ReadOnly`]; [`Error::Access`] with the
    /// [`OpenError`](crate::OpenError) where the store there cannot be opened; those of reading and writing.
    pub fn move_finished(&self, retention: &Retention, into: &Path) -> Result<RetentionReport> {
        drop(self.guard()?);
        self.check_writes()?;
        if retention.dry_run {
            return self.retain(retention, None);
        }
        let archive = self.archive(into)?;
        let report = self.retain(retention, Some(&archive))?;
        archive.close()?;
        Ok(report)
    }

    /// Deletes jobs that ended long ago, with all that belongs to them, for good; in the same steps, and
    /// under the same conditions, as [`move_finished`](Self::move_finished). The event that stays is
    /// [`EventKind::Deleted`](store_core::EventKind).
    ///
    /// # Errors
    /// As [`move_finished`](Self::move_finished).
    pub fn prune(&self, retention: &Retention) -> Result<RetentionReport> {
        drop(self.guard()?);
        self.check_writes()?;
        self.retain(retention, None)
    }

    fn check_writes(&self) -> Result<()> {
        self.opened()?.writer.as_ref().map(drop).ok_or(Error::ReadOnly)
    }

    /// Opens the second store.
    fn archive(&self, into: &Path) -> Result<Self> {
        let own = self.options();
        let options = Options { path: into.to_owned(), ..own.clone() };
        let canonical = |path: &Path| std::fs::canonicalize(path).ok();
        if canonical(into).is_some_and(|found| Some(found) == canonical(&own.path)) {
            let reason = format!("{} is this store: give another file", into.display());
            return Err(Invalid::new("into", reason).into());
        }
        let archive = options.durability(Durability::Full).readers(1).open();
        archive.map_err(|error| Error::Access(error.into()))
    }

    fn retain(&self, retention: &Retention, archive: Option<&Self>) -> Result<RetentionReport> {
        let Retention { finished_before, at_most, dry_run } = *retention;
        let mut report = RetentionReport::default();
        let departed = self.read(|r| Departed::before(r, finished_before, at_most))?;
        let to = match archive {
            Some(archive) => Destination::Store(archive.path()?.display().to_string()),
            None => Destination::Nowhere(finished_before),
        };
        let mut search = Search::new(finished_before);
        loop {
            // What is refused stays, and does not keep others from going.
            let left = at_most.saturating_sub(report.jobs + report.changed);
            if left == 0 {
                break;
            }
            let refused = report.refused.len() as u64;
            let wanted = left.max(refused).min(BATCH);
            let Some(found) = self.read(|r| search.next(r, wanted))? else {
                report.complete = true;
                break;
            };
            if found.is_empty() {
                continue;
            }
            if dry_run {
                report.jobs += found.iter().map(Component::len).sum::<u64>();
                report.events += found.iter().map(Component::events).sum::<u64>();
                continue;
            }
            let found = match archive {
                Some(archive) => self.copy(found, archive, &mut report)?,
                None => found,
            };
            self.remove(found, &to, &mut report)?;
        }
        report.complete &= departed.complete;
        report.forgotten = if dry_run { departed.left } else { self.forget(departed)? };
        report.held = search.held();
        Ok(report)
    }

    /// Forgets jobs in short steps; says how many.
    fn forget(&self, mut departed: Departed) -> Result<u64> {
        let mut forgotten = 0;
        while departed.left > 0 {
            let gone = self.write(move |w| departed.forget(w))?;
            if gone == 0 {
                break;
            }
            forgotten += gone;
            departed.left = departed.left.saturating_sub(gone);
        }
        Ok(forgotten)
    }

    /// Copies components into the second store, and gives back those that are there now.
    fn copy(
        &self,
        found: Vec<Component>,
        archive: &Self,
        report: &mut RetentionReport,
    ) -> Result<Vec<Component>> {
        let opened = self.opened()?;
        let (source, sight) = (self.reader(&opened)?, Arc::clone(&opened.sight));
        let copies = Copies { source, sight, origin: Location::caller(), found };
        let copied = archive.write(move |w| copies.land(w))?;
        report.changed += copied.changed;
        report.refused.extend(copied.refused);
        Ok(copied.there)
    }

    /// Removes components in short steps.
    fn remove(
        &self,
        found: Vec<Component>,
        to: &Destination,
        report: &mut RetentionReport,
    ) -> Result<()> {
        let mut left = found;
        while !left.is_empty() {
            let to = to.clone();
            let step = self.write(move |w| removal::step(w, left, &to))?;
            report.jobs += step.jobs;
            report.events += step.events;
            report.changed += step.changed;
            report.steps += 1;
            report.longest_step = report.longest_step.max(step.worked);
            left = step.left;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use store_core::prelude::*;
    use store_core::{
        Clock, Code, DependencyKind, JobStatus, NewJob, Placement, StatusChange, SystemClock,
        WorkDir,
    };

    use super::*;

    /// How many snapshots were taken while something was done.
    fn snapshots(
        store: &SqliteStore,
        what: impl FnOnce() -> Result<RetentionReport>,
    ) -> Result<(u64, RetentionReport)> {
        let taken = || Ok::<_, Error>(store.opened()?.sight.snapshots.taken());
        let before = taken()?;
        let report = what()?;
        Ok((taken()? - before, report))
    }

    #[test]
    fn no_snapshot_is_held_for_longer_than_a_component_or_a_few_looks() -> Result<()> {
        let scratch = tempfile::tempdir().expect("a directory");
        let store = Options::new(scratch.path().join("project.db")).open().expect("opened");
        let new = |name: &str| -> Result<NewJob> {
            let dir = Placement::Under(WorkDir::new("/scratch")?);
            Ok(NewJob::new(name, Code::Crystal, dir))
        };
        let (held, free) = (1_000, 100);
        for number in 0..held + free {
            let id = store.create_job(&new(&format!("ended {number}"))?)?.id;
            if number < held {
                // One that goes on keeps it, each another one.
                store.create_job(&new("goes on")?.after(id, DependencyKind::AfterOk))?;
            }
            store.change_status(id, &StatusChange::to(JobStatus::Completed))?;
        }
        let old = Retention::finished_before(SystemClock.now());
        let (looks, report) = snapshots(&store, || store.prune(&old.dry_run(true)))?;
        assert_eq!((report.jobs, report.held, report.complete), (free, held, true));
        assert!(looks >= held / 256, "{looks} snapshots to look at {held} jobs");
        let into = scratch.path().join("history.db");
        let (copies, report) = snapshots(&store, || store.move_finished(&old, &into))?;
        assert_eq!((report.jobs, report.held, report.complete), (free, held, true));
        assert!(copies >= looks + free, "{copies} snapshots to copy {free} jobs");
        Ok(())
    }
}
