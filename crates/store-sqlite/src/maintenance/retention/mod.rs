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

use std::collections::VecDeque;
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;

use store_core::{Error, Invalid, Result, Retention, RetentionReport, Store};

use self::components::{Component, Search};
use self::copies::Copies;
use self::removal::{Departed, Destination};
use crate::options::{Durability, Options};
use crate::store::SqliteStore;

/// How many jobs are copied in one transaction, unless one component has more.
const BATCH: u64 = 256;

impl SqliteStore {
    pub(crate) fn move_into(&self, retention: &Retention, into: &Path) -> Result<RetentionReport> {
        drop(self.guard()?);
        self.check_writes()?;
        self.check_is_another(into)?;
        if retention.dry_run {
            return self.retain(retention, None);
        }
        let archive = self.archive(into)?;
        let report = self.retain(retention, Some(&archive))?;
        archive.close()?;
        Ok(report)
    }

    pub(crate) fn prune_in_steps(&self, retention: &Retention) -> Result<RetentionReport> {
        drop(self.guard()?);
        self.check_writes()?;
        self.retain(retention, None)
    }

    fn check_writes(&self) -> Result<()> {
        self.opened()?.writer.as_ref().map(drop).ok_or(Error::ReadOnly)
    }

    fn check_is_another(&self, into: &Path) -> Result<()> {
        let canonical = |path: &Path| std::fs::canonicalize(path).ok();
        if canonical(into).is_some_and(|found| Some(found) == canonical(&self.options().path)) {
            let reason = format!("{} is this store: give another file", into.display());
            return Err(Invalid::new("into", reason).into());
        }
        Ok(())
    }

    /// Opens the second store.
    fn archive(&self, into: &Path) -> Result<Self> {
        let options = Options { path: into.to_owned(), ..self.options().clone() };
        let archive = options.durability(Durability::Full).readers(1).open();
        archive.map_err(|error| Error::Access(error.into()))
    }

    fn retain(&self, retention: &Retention, archive: Option<&Self>) -> Result<RetentionReport> {
        let Retention { finished_before, at_most, dry_run, .. } = *retention;
        let mut report = RetentionReport::default();
        let departed = self.read(|r| Departed::before(r, retention))?;
        let to = match archive {
            Some(archive) => Destination::Store(archive.path()?.display().to_string()),
            None => Destination::Nowhere(*retention),
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
                Some(archive) => self.copy(found, left, archive, &mut report)?,
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

    /// Copies components into the second store until so many jobs are there, and gives back those that are there now.
    fn copy(
        &self,
        found: Vec<Component>,
        at_most: u64,
        archive: &Self,
        report: &mut RetentionReport,
    ) -> Result<Vec<Component>> {
        let opened = self.opened()?;
        let (source, sight) = (self.reader(&opened)?, Arc::clone(&opened.sight));
        let copies = Copies { source, sight, origin: Location::caller(), found, at_most };
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
        let mut left = VecDeque::from(found);
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
