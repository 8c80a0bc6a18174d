//! What is promised of jobs that move into a second store.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::ClusterPatch;
use crate::error::Result;
use crate::event::{Event, EventKind};
use crate::ids::{EventSequence, JobId};
use crate::job::NewJob;
use crate::patch::Edit;
use crate::repo::{ClusterRead, ClusterWrite, EventRead, EventWrite, JobRead, JobWrite};
use crate::status::{InitialStatus, JobStatus, StatusChange};
use crate::store::Store;
use crate::work_dir::Placement;

use super::fixture::Fixture;
use super::outcome::Outcome;
use super::retention::{DAY, Jobs, counts, departures, jobs_of, until_now};
use super::samples::{HOUR, dir, job_in, open, sample_cluster, sample_job};

/// What moves is in the second store as it was in the first, under the same numbers, with its clusters; and it is no
/// longer in the first, which tells where it went.
pub fn what_moves_is_whole_in_the_second_store<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let jobs = Jobs::create(&store)?;
    clock.advance(DAY);
    let before = jobs_of(&store)?;
    let archive = fixture.archive(clock.clone());
    let store = store.because("the year is over")?;
    let report = store.move_finished(&until_now(&clock), archive.borrow())?;
    assert_eq!((counts(&report), report.refused), ((4, 0, true), vec![]));
    let second = fixture.open_archive(archive.borrow(), clock.clone());
    let (moved, stay): (BTreeMap<_, _>, _) =
        before.into_iter().partition(|(job, _)| jobs.old().contains(job));
    assert_eq!(jobs_of(&second)?, moved);
    assert_eq!(jobs_of(&store)?, stay);
    assert_eq!(second.clusters()?, store.clusters()?);
    assert_eq!(departures(&second)?, []);
    let told = departures(&store)?;
    assert!(told.iter().all(|e| e.kind == EventKind::Moved && e.detail["into"].is_string()));
    assert!(told.iter().all(|e| e.detail["reason"] == "the year is over"));
    assert_eq!(told.len(), 4);
    // More comes to what is there, and new numbers are given out after those that came.
    let later = job_in(&store, "later", JobStatus::Failed)?.id;
    clock.advance(DAY);
    drop(second);
    assert_eq!(store.move_finished(&until_now(&clock), archive.borrow())?.jobs, 1);
    let second = fixture.open_archive(archive.borrow(), clock.clone());
    assert_eq!(jobs_of(&second)?.len(), 5);
    assert!(second.add_note(later, "looked at again")?.sequence > told[3].sequence);
    assert!(second.create_job(&sample_job("new there"))?.id > later);
    Ok(())
}

/// Jobs for which the second store has no place stay where they are, and keep no others from going; nor do more go
/// for their sake than were asked for.
pub fn a_job_without_a_place_in_the_second_store_stays<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let archive = fixture.archive(clock.clone());
    let again = |name: &str| -> Result<Vec<JobId>> {
        let one = |number| {
            let placement = Placement::At(dir(&format!("/scratch/again/{number}")));
            let id = store.create_job(&NewJob { placement, ..sample_job(name) })?.id;
            store.change_status(id, &StatusChange::to(JobStatus::Completed))?;
            Ok(id)
        };
        (0..4).map(one).collect()
    };
    let first = again("first")?;
    clock.advance(DAY);
    assert_eq!(store.move_finished(&until_now(&clock), archive.borrow())?.jobs, 4);
    let refused = again("refused")?;
    for number in 0..4 {
        job_in(&store, &format!("goes {number}"), JobStatus::Completed)?;
    }
    clock.advance(DAY);
    let one = until_now(&clock).at_most(1);
    for (jobs, complete) in [(1, false), (1, false), (1, false), (1, false), (0, true)] {
        let report = store.move_finished(&one, archive.borrow())?;
        assert_eq!((report.jobs, report.complete), (jobs, complete));
        assert_eq!(report.refused, refused);
    }
    let second = fixture.open_archive(archive.borrow(), clock.clone());
    for (first, refused) in first.into_iter().zip(refused) {
        assert_eq!(second.job(first)?.name, "first");
        assert!(store.job(refused).is_ok() && second.job(refused).is_err());
    }
    Ok(())
}

/// Clusters come along under the names that they have now. One that had the name before, and was deleted since, gets
/// its id after it.
pub fn clusters_come_along_under_their_names_of_today<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let archive = fixture.archive(clock.clone());
    let mut clusters = Vec::new();
    for round in 0..2 {
        let cluster = store.create_cluster(&sample_cluster("archer"))?.id;
        let new = NewJob { cluster: Some(cluster), ..sample_job(&format!("round {round}")) };
        let id = store.create_job(&new)?.id;
        store.change_status(id, &StatusChange::to(JobStatus::Completed))?;
        let port = ClusterPatch { port: Edit::Set(2_222), ..ClusterPatch::default() };
        let cluster = store.update_cluster(cluster, &port)?;
        clock.advance(DAY);
        store.move_finished(&until_now(&clock), archive.borrow())?;
        store.delete_cluster(cluster.id)?;
        clusters.push(cluster);
    }
    let second = fixture.open_archive(archive.borrow(), clock.clone());
    assert_eq!(second.cluster(clusters[1].id)?, clusters[1]);
    let name = format!("archer ({})", clusters[0].id);
    assert_eq!(second.cluster(clusters[0].id)?.config.name, name);
    assert!(second.create_cluster(&sample_cluster("new"))?.id > clusters[1].id);
    Ok(())
}

/// A second store that wrote events of its own, such as those of its pruning, takes more jobs, under their numbers;
/// its own events are kept under new ones.
pub fn a_second_store_that_was_pruned_takes_more<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let archive = fixture.archive(clock.clone());
    let ended = |name: &str| job_in(&store, name, JobStatus::Failed).map(|job| job.id);
    (0..5).try_for_each(|number| ended(&format!("first {number}")).map(drop))?;
    clock.advance(DAY);
    store.move_finished(&until_now(&clock), archive.borrow())?;
    let second = fixture.open_archive(archive.borrow(), clock.clone());
    assert_eq!(second.prune(&until_now(&clock))?.jobs, 5);
    for number in 0..20 {
        second.create_cluster(&sample_cluster(&format!("cluster {number}")))?;
    }
    let own = second.events_after(EventSequence::START, u32::MAX)?;
    drop(second);
    let later = ended("second")?;
    let history = store.history(later)?;
    assert!(own.iter().any(|event| event.sequence == history[0].sequence), "the numbers meet");
    clock.advance(DAY);
    let report = store.move_finished(&until_now(&clock), archive.borrow())?;
    assert_eq!((report.jobs, report.refused), (1, vec![]));
    let second = fixture.open_archive(archive.borrow(), clock.clone());
    assert_eq!(second.history(later)?, history, "under their numbers");
    let of_own = |event: &Event| event.subject.job() != Some(later);
    let facts = |event: &Event| format!("{:?} {:?} {:?}", event.subject, event.kind, event.detail);
    let kept = second.events_after(EventSequence::START, u32::MAX)?;
    let kept: BTreeSet<_> = kept.iter().filter(|event| of_own(event)).map(facts).collect();
    assert_eq!(kept, own.iter().map(facts).collect(), "nothing of its own is lost");
    Ok(())
}

/// A job that comes back from where it went is as it was, in each of its ways; and each store goes on telling of every
/// time that it left.
pub fn a_job_that_comes_back_is_as_it_was<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let job = job_in(&store, "wanders", JobStatus::Failed)?.id;
    store.add_note(job, "looked at")?;
    let before = jobs_of(&store)?;
    let events = store.history(job)?.len() as u64;
    let (near, far) = (fixture.archive(clock.clone()), fixture.archive(clock.clone()));
    clock.advance(HOUR);
    store.move_finished(&until_now(&clock), near.borrow())?;
    for round in 0..3 {
        for (from, into) in [(&near, &far), (&far, &near)] {
            clock.advance(HOUR);
            let left = fixture.open_archive(from.borrow(), clock.clone());
            let report = left.move_finished(&until_now(&clock), into.borrow())?;
            assert_eq!((report.jobs, report.events, report.refused), (1, events, vec![]));
            let told = departures(&left)?;
            assert_eq!(told.len(), round + 1);
            assert_eq!(left.history(job)?, told);
            drop(left);
            let there = fixture.open_archive(into.borrow(), clock.clone());
            assert_eq!(jobs_of(&there)?, before);
        }
    }
    let back = fixture.open_archive(near.borrow(), clock.clone());
    back.retry_job(job, InitialStatus::Queued)?;
    assert_eq!(back.history(job)?.len() as u64, events + 1);
    Ok(())
}
