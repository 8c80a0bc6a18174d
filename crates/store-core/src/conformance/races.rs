//! Promises that are kept by many threads at once.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::cluster::ClusterPatch;
use crate::error::{Error, Result};
use crate::event::EventKind;
use crate::ids::{EventSequence, JobId};
use crate::job::JobPatch;
use crate::patch::Edit;
use crate::remote_job::NewRemoteJob;
use crate::repo::{
    ClusterRead, ClusterWrite, EventRead, EventWrite, JobRead, JobWrite, RemoteJobRead,
    RemoteJobWrite, ResultRead, ResultWrite,
};
use crate::result::Recorded;
use crate::status::{JobStatus, StatusChange};
use crate::store::Store;

use super::fixture::Fixture;
use super::outcome::Outcome;
use super::samples::{job_in, open, sample_cluster, sample_job, sample_result};
use super::threads::together;

fn create_queued<S: Store>(store: &S, jobs: usize) -> Result<Vec<JobId>> {
    let new: Vec<_> = (0..jobs).map(|n| sample_job(&format!("job {n}")).queued()).collect();
    Ok(store.create_jobs(&new)?.into_iter().map(|job| job.id).collect())
}

/// Adds one to a job's priority, reading it first.
fn add_one<S: Store>(store: &S, id: JobId) -> Result<()> {
    store.write(move |w| {
        let priority = Edit::Set(w.job(id)?.priority + 1);
        let patch = JobPatch { priority, ..JobPatch::default() };
        w.update_job(id, &patch).map(drop)
    })
}

fn each_starts_once<F: Fixture>(fixture: &F, jobs: usize, threads: usize) -> Outcome {
    let (store, _) = open(fixture);
    let ids = create_queued(&store, jobs)?;
    let start = StatusChange::to(JobStatus::Running).expecting(JobStatus::Queued);
    let won = together(threads, |thread| {
        let mut won = Vec::new();
        // Each thread begins elsewhere, so that they meet everywhere.
        for turn in 0..jobs {
            let id = ids[(turn + thread * jobs / threads) % jobs];
            match store.change_status(id, &start) {
                Ok(_) => won.push(id),
                Err(Error::StaleStatus { actual: JobStatus::Running, .. }) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(won)
    })?;
    let mut won: Vec<_> = won.into_iter().flatten().collect();
    won.sort_unstable();
    assert_eq!(won, ids, "each job was started by exactly one thread");
    for id in ids {
        let history = store.history(id)?;
        let starts = history.iter().filter(|e| e.to == Some(JobStatus::Running)).count();
        assert_eq!(starts, 1, "job {id} started once");
    }
    Ok(())
}

/// Of many that start the same jobs, each job has exactly one that succeeds.
pub fn each_job_is_started_exactly_once_by_eight_threads<F: Fixture>(fixture: &F) -> Outcome {
    each_starts_once(fixture, 40, 8)
}

/// Five workers start twenty jobs.
pub fn twenty_jobs_are_started_exactly_once_by_five_threads<F: Fixture>(fixture: &F) -> Outcome {
    each_starts_once(fixture, 20, 5)
}

fn each_is_created_once<F: Fixture>(fixture: &F, threads: usize, each: usize) -> Outcome {
    let (store, _) = open(fixture);
    let created = together(threads, |thread| {
        (0..each)
            .map(|n| store.create_job(&sample_job(&format!("job {n} of thread {thread}"))))
            .collect::<Result<Vec<_>>>()
    })?;
    let created: Vec<_> = created.into_iter().flatten().collect();
    let ids: BTreeSet<_> = created.iter().map(|job| job.id).collect();
    let uuids: BTreeSet<_> = created.iter().map(|job| job.uuid).collect();
    let dirs: BTreeSet<_> = created.iter().map(|job| &job.work_dir).collect();
    let all = threads * each;
    assert_eq!((ids.len(), uuids.len(), dirs.len()), (all, all, all));
    for job in &created {
        assert_eq!(store.job(job.id)?, *job, "acknowledged is there");
    }
    assert_eq!(store.counts_by_status()?.of(JobStatus::Pending), all as u64);
    assert_eq!(store.events_after(EventSequence::START, 1_000)?.len(), all);
    Ok(())
}

/// Twenty jobs that five threads create at once: none is lost, and none is there twice.
pub fn twenty_jobs_created_by_five_threads_at_once_are_all_there_once<F: Fixture>(
    fixture: &F,
) -> Outcome {
    each_is_created_once(fixture, 5, 4)
}

/// Ten threads create a hundred jobs: none is lost, and no id, uuid or directory is given twice.
pub fn a_hundred_jobs_of_ten_threads_are_all_there<F: Fixture>(fixture: &F) -> Outcome {
    each_is_created_once(fixture, 10, 10)
}

/// Directories below one base are unique, also for jobs of the same name.
pub fn directories_given_at_once_are_unique<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let dirs = together(8, |_| {
        let jobs = store.create_jobs(&vec![sample_job("MgO"); 5])?;
        Ok(jobs.into_iter().map(|job| job.work_dir).collect::<Vec<_>>())
    })?;
    let dirs: BTreeSet<_> = dirs.into_iter().flatten().collect();
    assert_eq!(dirs.len(), 40);
    Ok(())
}

/// Many who create the same job under one key get one job.
pub fn one_idempotency_key_makes_one_job_however_many_try<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let new = sample_job("MgO").with_idempotency_key("once");
    let ids = together(8, |_| Ok(store.create_job(&new)?.id))?;
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(store.counts_by_status()?.total(), 1);
    assert_eq!(store.history(ids[0])?.len(), 1);
    Ok(())
}

/// Of many that want one directory, one gets it.
pub fn one_directory_goes_to_one_job_however_many_try<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let answers = together(8, |n| {
        let new = super::samples::job_at(&format!("job {n}"), "/scratch/wanted");
        match store.create_job(&new) {
            Ok(_) => Ok(1),
            Err(Error::Conflict { field: "work_dir", .. }) => Ok(0),
            Err(other) => Err(other),
        }
    })?;
    assert_eq!(answers.iter().sum::<i32>(), 1);
    Ok(())
}

/// What a unit has read is still so when it writes: no update is lost.
pub fn no_update_is_lost<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let id = job_in(&store, "counter", JobStatus::Pending)?.id;
    together(8, |_| (0..25).try_for_each(|_| add_one(&store, id)))?;
    assert_eq!(store.job(id)?.priority, 200);
    Ok(())
}

/// Two hundred writes of ten threads that never pause are all done, none is refused.
pub fn two_hundred_aggressive_writes_are_all_done<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let id = job_in(&store, "MgO", JobStatus::Pending)?.id;
    together(10, |thread| {
        (0..20).try_for_each(|n| store.add_note(id, &format!("{n} of {thread}")).map(drop))
    })?;
    let history = store.history(id)?;
    let notes = history.iter().filter(|event| event.kind == EventKind::Noted).count();
    assert_eq!(notes, 200);
    for thread in 0..10 {
        let of_thread = format!(" of {thread}");
        let order: Vec<_> = history
            .iter()
            .filter_map(|event| event.detail.get("text")?.as_str()?.strip_suffix(&of_thread))
            .filter_map(|n| n.parse::<u32>().ok())
            .collect();
        assert_eq!(order, (0..20).collect::<Vec<_>>(), "in the order of the thread's calls");
    }
    Ok(())
}

/// Jobs walk through the status machine side by side, and the history tells each step in order.
pub fn statuses_change_at_once_without_a_gap_in_the_history<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let ids = create_queued(&store, 20)?;
    together(5, |thread| {
        for id in ids.iter().skip(thread).step_by(5) {
            for to in [JobStatus::Running, JobStatus::Queued, JobStatus::Running] {
                store.change_status(*id, &StatusChange::to(to))?;
            }
            store.change_status(*id, &StatusChange::to(JobStatus::Completed))?;
        }
        Ok(())
    })?;
    assert_eq!(store.counts_by_status()?.of(JobStatus::Completed), 20);
    for id in ids {
        let steps: Vec<_> = store.history(id)?.into_iter().map(|e| (e.from, e.to)).collect();
        assert_eq!(steps.len(), 5);
        assert!(steps.windows(2).all(|pair| pair[0].1 == pair[1].0), "{steps:?}");
    }
    Ok(())
}

/// Results that are recorded at once are all there; of several reports of one, one is written.
pub fn results_recorded_at_once_are_each_written_once<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let ids = create_queued(&store, 20)?;
    let written = together(4, |_| {
        let mut written = 0;
        for (n, id) in (0..).zip(&ids) {
            let result = sample_result(-f64::from(n));
            written += usize::from(store.record_result(*id, &result)? == Recorded::Stored);
        }
        Ok(written)
    })?;
    assert_eq!(written.iter().sum::<usize>(), 20);
    for (n, id) in (0..).zip(ids) {
        let stored = store.newest_result(id)?.expect("a result");
        assert_eq!(stored.result, sample_result(-f64::from(n)));
    }
    Ok(())
}

/// Clusters and submissions that are written at once are all there.
pub fn clusters_change_at_once<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let job = job_in(&store, "MgO", JobStatus::Pending)?.id;
    let shared = store.create_cluster(&sample_cluster("shared"))?.id;
    let submitted = AtomicUsize::new(0);
    together(5, |thread| {
        for n in 0..4 {
            let own = store.create_cluster(&sample_cluster(&format!("{n} of {thread}")))?;
            let patch = ClusterPatch {
                hostname: Edit::Set(format!("host-{thread}-{n}")),
                ..ClusterPatch::default()
            };
            store.update_cluster(shared, &patch)?;
            // The same handle everywhere: one of each four lands.
            match store.record_submission(NewRemoteJob::new(job, shared, n.to_string())) {
                Ok(_) => submitted.fetch_add(1, Ordering::SeqCst),
                Err(Error::Conflict { field: "handle", .. }) => 0,
                Err(other) => return Err(other),
            };
            if n % 2 == 0 {
                store.delete_cluster(own.id)?;
            }
        }
        Ok(())
    })?;
    assert_eq!(store.clusters()?.len(), 1 + 5 * 2);
    assert_eq!(submitted.into_inner(), 4);
    assert_eq!(store.active_remote_jobs(shared)?.len(), 4);
    assert!(store.cluster(shared)?.config.hostname.ends_with("-3"));
    Ok(())
}

/// Units that err or panic among others that land disturb none of them, and none of theirs stays.
pub fn a_unit_that_fails_does_not_disturb_its_neighbours<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    together(8, |thread| {
        for n in 0..15 {
            let new = sample_job(&format!("{n} of {thread}"));
            let ending = (n + thread) % 3;
            let unit = || {
                store.write(move |w| {
                    let id = w.create_job(&new)?.id;
                    match ending {
                        0 => Ok(id),
                        1 => Err(Error::aborted("on purpose")),
                        _ => panic!("on purpose"),
                    }
                })
            };
            match (ending, catch_unwind(AssertUnwindSafe(unit))) {
                (0, Ok(Ok(id))) => assert_eq!(store.job(id)?.id, id),
                (1, Ok(Err(Error::Aborted(_)))) | (2, Err(_)) => {}
                (_, Ok(Err(other))) => return Err(other),
                (_, outcome) => panic!("ending {ending} came to {outcome:?}"),
            }
        }
        Ok(())
    })?;
    assert_eq!(store.counts_by_status()?.total(), 8 * 5);
    assert_eq!(store.events_after(EventSequence::START, 1_000)?.len(), 8 * 5);
    Ok(())
}
