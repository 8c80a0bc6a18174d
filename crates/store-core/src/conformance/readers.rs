//! What readers are promised while others write.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use crate::cluster::{ClusterLimits, ClusterPatch};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::ids::EventSequence;
use crate::job::JobPatch;
use crate::patch::Edit;
use crate::query::{JobFilter, Page, StatusCounts};
use crate::repo::{ClusterWrite, EventRead, EventWrite, JobRead, JobWrite};
use crate::status::{InitialStatus, JobStatus, StatusChange};
use crate::store::{ReadUnit, Store};

use super::dump::{all_jobs, listed};
use super::fixture::Fixture;
use super::outcome::Outcome;
use super::samples::{job_in, open, sample_cluster, sample_job};
use super::threads::together;

fn recount(unit: &impl ReadUnit) -> Result<StatusCounts> {
    let jobs = listed(unit, &JobFilter::all(), 1_000)?;
    Ok(jobs.into_iter().map(|job| (job.status, 1)).collect())
}

/// Three readers see, while two writers write, only what a whole unit of work has left.
pub fn readers_see_whole_units_while_writers_write<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let debit = job_in(&store, "debit", JobStatus::Queued)?.id;
    let credit = job_in(&store, "credit", JobStatus::Pending)?.id;
    let writing = AtomicUsize::new(2);
    let transfer = |n: i32| {
        store.write(move |w| {
            let patch =
                |priority| JobPatch { priority: Edit::Set(priority), ..JobPatch::default() };
            w.update_job(debit, &patch(-n))?;
            w.create_job(&sample_job(&format!("transfer {n}")))?;
            w.update_job(credit, &patch(n)).map(drop)
        })
    };
    together(5, |thread| {
        if thread < 2 {
            let mut steps = (0..30).map(|n| 1 + 2 * n + i32::try_from(thread).unwrap_or(0));
            let outcome = steps.try_for_each(&transfer);
            writing.fetch_sub(1, Ordering::SeqCst);
            return outcome;
        }
        let mut seen = 0;
        while writing.load(Ordering::SeqCst) > 0 {
            let jobs = store.read(|r| {
                let jobs = all_jobs(r)?;
                let priority = |id| jobs.iter().find(|j| j.id == id).map_or(0, |j| j.priority);
                assert_eq!(priority(debit) + priority(credit), 0, "half a unit shows");
                assert_eq!(r.counts_by_status()?, recount(r)?, "counts of another moment");
                assert_eq!(r.events_after(EventSequence::START, u32::MAX)?.len(), {
                    // Each transfer after the first changes three jobs.
                    let transfers = jobs.len() - 2;
                    2 + 1 + 3 * transfers
                });
                Ok(jobs.len())
            })?;
            assert!(jobs >= seen, "what was committed stays");
            seen = jobs;
        }
        Ok(())
    })?;
    Ok(())
}

/// Counts always equal a recount, whatever happens to jobs meanwhile.
pub fn counts_always_equal_a_recount<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let done = AtomicBool::new(false);
    together(4, |thread| {
        if thread == 0 {
            while !done.load(Ordering::SeqCst) {
                store.read(|r| {
                    assert_eq!(r.counts_by_status()?, recount(r)?);
                    Ok(())
                })?;
            }
            return Ok(());
        }
        let work = || {
            for n in 0..8 {
                let id = store.create_job(&sample_job(&format!("{n} of {thread}")))?.id;
                for to in [JobStatus::Queued, JobStatus::Running, JobStatus::Failed] {
                    store.change_status(id, &StatusChange::to(to))?;
                }
                match n % 4 {
                    0 => store.archive_job(id)?,
                    1 => store.delete_job(id)?,
                    2 => store.retry_job(id, InitialStatus::Pending).map(drop)?,
                    _ => {
                        store.archive_job(id)?;
                        store.unarchive_job(id)?;
                    }
                }
            }
            Ok(())
        };
        let outcome = work();
        done.fetch_or(thread == 3 || outcome.is_err(), Ordering::SeqCst);
        outcome
    })?;
    let counts = store.read(|r| {
        assert_eq!(r.counts_by_status()?, recount(r)?);
        r.counts_by_status()
    })?;
    assert_eq!((counts.of(JobStatus::Failed), counts.of(JobStatus::Pending)), (6, 6));
    Ok(())
}

/// One who follows the history while others write, delete and edit clusters misses no event and sees none twice.
pub fn who_follows_the_history_misses_nothing<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let id = job_in(&store, "MgO", JobStatus::Pending)?.id;
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    let writing = AtomicUsize::new(3);
    let followed = together(4, |thread| {
        if thread > 0 {
            let write = |n: u32| match n % 3 {
                0 => store.add_note(id, "x").map(drop),
                1 => {
                    store.delete_job(store.create_job(&sample_job(&format!("{n} of {thread}")))?.id)
                }
                _ => {
                    let max_running = u32::try_from(thread).ok().map(|thread| thread * 100 + n);
                    let limits = ClusterLimits { max_running, ..ClusterLimits::default() };
                    let edit =
                        ClusterPatch { limits: Edit::Set(limits), ..ClusterPatch::default() };
                    store.update_cluster(cluster, &edit).map(drop)
                }
            };
            let outcome = (0..30).try_for_each(write);
            writing.fetch_sub(1, Ordering::SeqCst);
            return outcome.map(|()| Vec::new());
        }
        let (mut place, mut seen) = (EventSequence::START, Vec::new());
        loop {
            let last_round = writing.load(Ordering::SeqCst) == 0;
            let events = store.events_after(place, 7)?;
            place = events.last().map_or(place, |event| event.sequence);
            if events.is_empty() && last_round {
                return Ok(seen);
            }
            seen.extend(events);
        }
    })?;
    let all = store.events_after(EventSequence::START, u32::MAX)?;
    assert_eq!(all.len(), 2 + 90);
    assert!(followed[0].windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
    // Those of a job that is gone may have been seen before it went.
    let left = |event: &&Event| {
        let job = event.subject.job();
        event.kind.is_departure() || job.is_none() || job == Some(id)
    };
    assert_eq!(followed[0].iter().filter(left).cloned().collect::<Vec<_>>(), all);
    Ok(())
}

/// Readers finish while a writer is inside its unit of work.
pub fn readers_never_wait_for_a_writer<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let id = job_in(&store, "MgO", JobStatus::Pending)?.id;
    let (inside, entered) = mpsc::channel();
    let (go_on, told) = mpsc::channel::<()>();
    let writer = store.clone();
    let unit = std::thread::spawn(move || {
        writer.write(move |w| {
            w.add_note(id, "inside")?;
            inside.send(()).map_err(Error::aborted)?;
            told.recv_timeout(Duration::from_secs(20)).map_err(Error::aborted)
        })
    });
    entered.recv_timeout(Duration::from_secs(20)).map_err(Error::aborted)?;
    let read = together(3, |_| {
        store.read(|r| {
            r.jobs(&JobFilter::all(), Page::first(10)?)?;
            r.counts_by_status()
        })
    });
    let still_inside = go_on.send(()).is_ok();
    unit.join().expect("no panic")?;
    assert!(still_inside, "the readers were done while the writer was inside");
    assert_eq!(read?.len(), 3);
    Ok(())
}

/// What a write has acknowledged is seen by every read that begins afterwards, in whatever thread.
pub fn what_was_acknowledged_is_seen_at_once_by_every_thread<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let (tell, told) = mpsc::channel();
    let writer = store.clone();
    let writing = std::thread::spawn(move || {
        (0..60).try_for_each(|n| {
            let job = writer.create_job(&sample_job(&format!("job {n}")))?;
            tell.send(job).map_err(|_| Error::aborted("the reader has gone"))
        })
    });
    let mut seen = 0;
    for job in told {
        assert_eq!(store.job(job.id)?, job);
        seen += 1;
        assert!(store.counts_by_status()?.total() >= seen);
    }
    writing.join().expect("no panic")?;
    assert_eq!(seen, 60);
    Ok(())
}
