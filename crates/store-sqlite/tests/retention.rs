//! Moving jobs that ended long ago into a second store, and deleting them.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::{Outcome, another_program, job, open_with_clock, scratch};
use serde_json::json;
use store_core::conformance::Dump;
use store_core::prelude::*;
use store_core::{
    Clock, ClusterId, ClusterKind, Convergence, DependencyKind, Edit, Error, Event, EventKind,
    InitialStatus, JobId, JobStatus, ManualClock, NewCluster, NewJob, NewRemoteJob, NewResult,
    RemoteJobPatch, Retention, StatusChange, Timestamp,
};
use store_sqlite::{CheckDepth, Options, SqliteStore};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A store whose clock the test moves, and whose writers give up soon.
fn open(path: &Path) -> (SqliteStore, Arc<ManualClock>) {
    open_with_clock(Options::new(path).deadline(Duration::from_millis(300)))
}

/// A store that is there, to search it.
fn search(path: &Path) -> SqliteStore {
    Options::new(path).read_only(true).open().expect("a store that can be searched")
}

/// Everything of each job, as it prints.
fn portraits(store: &SqliteStore) -> BTreeMap<i64, String> {
    let dump = Dump::of(store).expect("a store that can be read");
    dump.jobs.into_iter().map(|found| (found.job.id.get(), format!("{found:#?}"))).collect()
}

fn whole(store: &SqliteStore) {
    let report = store.check(CheckDepth::Full).expect("a store that can be checked");
    assert!(report.is_ok(), "{report:?}");
}

/// Ends a job, with a result and a submission that is over.
fn finish(store: &SqliteStore, id: JobId, cluster: ClusterId, to: JobStatus) -> Outcome {
    let remote = store.record_submission(NewRemoteJob::new(id, cluster, id.to_string()))?;
    let ended_at = Edit::Set(Timestamp::from_micros(1));
    store
        .update_remote_job(remote.id, &RemoteJobPatch { ended_at, ..RemoteJobPatch::default() })?;
    store.record_result(id, &NewResult::new(Convergence::Converged))?;
    store.change_status(id, &StatusChange::to(to))?;
    Ok(())
}

/// A chain of three that ended, one alone that ended, one that ended and that a queued one waits for, and
/// one with a submission that goes on.
fn populate(store: &SqliteStore) -> Result<[JobId; 7], Box<dyn std::error::Error>> {
    let cluster = store.create_cluster(&NewCluster::new("c", ClusterKind::Slurm, "host"))?.id;
    let new = |name: &str| NewJob { cluster: Some(cluster), ..job(name) };
    let first = store.create_job(&new("first"))?.id;
    let second = store.create_job(&new("second").after(first, DependencyKind::AfterOk))?.id;
    let third = store.create_job(&new("third").after(second, DependencyKind::AfterAny))?.id;
    let alone = store.create_job(&new("alone"))?.id;
    let parent = store.create_job(&new("parent"))?.id;
    let child = store.create_job(&new("child").after(parent, DependencyKind::AfterOk).queued())?.id;
    let active = store.create_job(&new("active"))?.id;
    finish(store, first, cluster, JobStatus::Completed)?;
    finish(store, second, cluster, JobStatus::Failed)?;
    finish(store, third, cluster, JobStatus::Cancelled)?;
    finish(store, alone, cluster, JobStatus::Completed)?;
    finish(store, parent, cluster, JobStatus::Completed)?;
    store.archive_job(alone)?;
    store.record_submission(NewRemoteJob::new(active, cluster, "goes on"))?;
    store.change_status(active, &StatusChange::to(JobStatus::Cancelled))?;
    Ok([first, second, third, alone, parent, child, active])
}

#[test]
fn what_ended_long_ago_moves_whole_and_is_found_there() -> Outcome {
    let (directory, path) = scratch();
    let (store, clock) = open(&path);
    let [first, second, third, alone, parent, child, active] = populate(&store)?;
    let before = portraits(&store);
    let place = store.newest_sequence()?;
    clock.advance(DAY);
    let young = store.create_job(&job("young"))?.id;
    store.change_status(young, &StatusChange::to(JobStatus::Completed))?;
    let into = directory.path().join("history.db");
    let old = Retention::finished_before(Timestamp::from_micros(clock.now().as_micros()));

    let dry = store.move_finished(&old.dry_run(true), &into)?;
    assert_eq!((dry.jobs, dry.steps, dry.complete), (4, 0, true));
    assert!(!into.exists() && store.job(first).is_ok());

    let moved = store.because("the project is over")?.move_finished(&old, &into)?;
    assert_eq!((moved.jobs, moved.events), (dry.jobs, dry.events));
    assert!(moved.complete && moved.refused.is_empty() && moved.steps > 0, "{moved:?}");
    let archive = search(&into);
    let (here, there) = (portraits(&store), portraits(&archive));
    for id in [first, second, third, alone].map(JobId::get) {
        assert_eq!(there.get(&id), before.get(&id));
        assert!(!here.contains_key(&id));
    }
    for id in [parent, child, active].map(JobId::get) {
        assert_eq!(here.get(&id), before.get(&id));
        assert!(!there.contains_key(&id));
    }
    assert!(here.contains_key(&young.get()));
    assert_eq!(archive.clusters()?, store.clusters()?);
    let told = store.events_after(place, 100)?;
    let (moved, others): (Vec<_>, Vec<_>) =
        told.into_iter().partition(|event| event.kind == EventKind::Moved);
    let jobs: BTreeSet<_> = moved.iter().filter_map(|event| event.subject.job()).collect();
    assert_eq!((moved.len(), jobs), (4, BTreeSet::from([first, second, third, alone])));
    assert!(others.iter().all(|event| event.subject.job() == Some(young)));
    let file = json!(archive.path()?);
    let why = json!("the project is over");
    let is_told = |event: &Event| event.detail["into"] == file && event.detail["reason"] == why;
    assert!(moved.iter().all(is_told), "{moved:?}");
    assert_eq!(store.history(first)?.len(), 1, "what became of it");
    assert_eq!(
        archive.history(first)?.last().map(|event| event.kind),
        Some(EventKind::StatusChanged)
    );
    whole(&store);
    whole(&archive);
    // Once more: nothing is left to do, and ids do not come back.
    assert_eq!(store.move_finished(&old, &into)?.jobs, 0);
    assert!(store.create_job(&job("next"))?.id > young);

    // When the child has ended, its component goes too.
    store.change_status(child, &StatusChange::to(JobStatus::Cancelled))?;
    clock.advance(DAY);
    let moved = store.move_finished(&Retention::finished_before(clock.now()), &into)?;
    assert_eq!(moved.jobs, 3, "parent, child and the young one: {moved:?}");
    whole(&store);
    whole(&search(&into));
    Ok(())
}

#[test]
fn what_fails_between_the_two_files_loses_nothing_and_doubles_nothing() -> Outcome {
    let (directory, path) = scratch();
    let (store, clock) = open(&path);
    let [first, second, third, alone, ..] = populate(&store)?;
    let before = portraits(&store);
    clock.advance(DAY);
    let old = Retention::finished_before(clock.now());
    let into = directory.path().join("history.db");

    // Somebody who ignores the gate holds the first store, so that nothing can be removed.
    let holder = another_program(&path);
    holder.execute_batch("BEGIN IMMEDIATE")?;
    let refused = store.move_finished(&old, &into);
    assert!(matches!(refused, Err(Error::Contended { .. })), "{refused:?}");
    assert_eq!(portraits(&store), before, "nothing is gone");
    assert_eq!(portraits(&search(&into)).len(), 4, "the copies are there");
    holder.execute_batch("ROLLBACK")?;

    // What is copied goes on: it is live again, so all that it is connected with stays.
    store.retry_job(second, InitialStatus::Queued)?;
    let moved = store.move_finished(&old, &into)?;
    assert_eq!(moved.jobs, 1, "the one alone: {moved:?}");
    assert!(store.job(alone).is_err() && store.job(third).is_ok());

    // When it has ended again, the component moves as it is now.
    store.change_status(second, &StatusChange::to(JobStatus::Completed))?;
    store.add_note(first, "seen")?;
    let now = portraits(&store);
    clock.advance(DAY);
    let moved = store.move_finished(&Retention::finished_before(clock.now()), &into)?;
    assert_eq!((moved.jobs, moved.refused.len()), (3, 0), "{moved:?}");
    let there = portraits(&search(&into));
    for id in [first, second, third].map(JobId::get) {
        assert_eq!(there.get(&id), now.get(&id), "{id}");
        assert!(!portraits(&store).contains_key(&id));
    }
    assert_eq!(there.len(), 4);
    whole(&store);
    whole(&search(&into));
    Ok(())
}

#[test]
fn a_copy_that_somebody_wrote_to_is_not_overwritten() -> Outcome {
    let (directory, path) = scratch();
    let (store, clock) = open(&path);
    let into = directory.path().join("history.db");
    let kept = store.create_job(&job("kept"))?.id;
    store.change_status(kept, &StatusChange::to(JobStatus::Failed))?;
    clock.advance(DAY);
    let holder = another_program(&path);
    holder.execute_batch("BEGIN IMMEDIATE")?;
    let old = Retention::finished_before(clock.now());
    assert!(store.move_finished(&old, &into).is_err());
    holder.execute_batch("ROLLBACK")?;
    Options::new(&into).open()?.add_note(kept, "written there")?;
    let moved = store.move_finished(&old, &into)?;
    assert_eq!((moved.jobs, moved.refused), (0, vec![kept]));
    assert!(store.job(kept).is_ok(), "it is not removed either");
    // Another file has a place for it.
    let another = directory.path().join("history-2.db");
    let moved = store.move_finished(&old, &another)?;
    assert_eq!((moved.jobs, moved.refused.len()), (1, 0));
    assert!(search(&another).job(kept).is_ok());
    Ok(())
}

/// Retries jobs of long histories while they are pruned; says how many were retried in time.
fn retried_while_pruned() -> Result<u64, Box<dyn std::error::Error>> {
    let (_directory, path) = scratch();
    let (store, clock) = open_with_clock(Options::new(&path));
    let (jobs, notes) = (16, 6_000);
    let mut ids = Vec::new();
    for number in 0..jobs {
        let id = store.create_job(&job(&format!("job {number}")))?.id;
        store.write(move |w| {
            (0..notes).try_for_each(|note| w.add_note(id, &note.to_string()).map(drop))?;
            w.change_status(id, &StatusChange::to(JobStatus::Failed)).map(drop)
        })?;
        ids.push(id);
    }
    clock.advance(DAY);
    let old = Retention::finished_before(clock.now());
    let (pruning, begun) = (store.clone(), store.newest_sequence()?);
    let pruned = std::thread::spawn(move || pruning.prune(&old));
    while store.newest_sequence()? == begun && !pruned.is_finished() {}
    let mut retried = 0;
    while let Some(id) = ids.iter().copied().find(|id| store.job(*id).is_ok()) {
        // It is let in between two steps; the first that is left is the one that would be worked on.
        if store.retry_job(id, InitialStatus::Queued).is_ok() {
            assert_eq!(store.history(id)?.len(), notes + 3, "job {id}");
            retried += 1;
        }
        ids.retain(|left| *left > id);
    }
    let report = pruned.join().expect("no panic")?;
    assert_eq!(report.jobs + retried, jobs, "{report:?}");
    Ok(retried)
}

/// Steps end between jobs: of a history that was removed piece by piece, the beginning was gone where the job was
/// retried meanwhile.
#[test]
fn a_job_that_changes_while_others_go_keeps_its_whole_history() -> Outcome {
    for _ in 0..20 {
        if retried_while_pruned()? > 0 {
            return Ok(());
        }
    }
    panic!("no job was retried in time");
}

#[test]
fn little_at_a_time_and_long_histories_come_to_the_same() -> Outcome {
    let (directory, path) = scratch();
    let (store, clock) = open(&path);
    let chatty = store.create_job(&job("chatty"))?.id;
    store.write(move |w| {
        (0..5_000).try_for_each(|n| w.add_note(chatty, &n.to_string()).map(drop))
    })?;
    store.change_status(chatty, &StatusChange::to(JobStatus::Completed))?;
    for number in 0..25 {
        let id = store.create_job(&job(&format!("job {number}")))?.id;
        store.change_status(id, &StatusChange::to(JobStatus::Failed))?;
    }
    let before = portraits(&store);
    clock.advance(DAY);
    let into = directory.path().join("history.db");
    let some = Retention::finished_before(clock.now()).at_most(10);
    let calls: Vec<u64> = (0..4)
        .map(|_| Ok(store.move_finished(&some, &into)?.jobs))
        .collect::<Result<_, Error>>()?;
    assert_eq!(calls, [10, 10, 6, 0]);
    assert_eq!(portraits(&search(&into)), before);
    assert!(portraits(&store).is_empty());
    whole(&search(&into));

    // Pruning the second store is pruning a store.
    let archive = Options::new(&into).open()?;
    let dry = archive.prune(&some.dry_run(true))?;
    assert_eq!((dry.jobs, portraits(&archive).len()), (10, 26));
    let pruned = archive.prune(&Retention::finished_before(clock.now()))?;
    assert_eq!((pruned.jobs, pruned.complete), (26, true));
    assert!(portraits(&archive).is_empty());
    whole(&archive);
    Ok(())
}

#[test]
fn a_store_does_not_move_into_itself_and_one_that_only_reads_moves_nothing() -> Outcome {
    let (directory, path) = scratch();
    let (store, clock) = open(&path);
    let old = Retention::finished_before(clock.now());
    for old in [old, old.dry_run(true)] {
        let refused = store.move_finished(&old, &directory.path().join(".").join("project.db"));
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
    let refused = store.move_finished(&old, Path::new("/no/such/place.db"));
    assert!(matches!(refused, Err(Error::Access(_))), "{refused:?}");
    let reading = search(&path);
    assert!(matches!(reading.prune(&old), Err(Error::ReadOnly)));
    assert!(matches!(store.write(move |_| reading.prune(&old)), Err(Error::ReadOnly)));
    let inside = store.clone();
    assert!(matches!(store.write(move |_| inside.prune(&old)), Err(Error::Nested)));
    Ok(())
}
