//! What is promised of jobs that wait for something that can no longer happen.

use crate::dependency::DependencyKind::{self, AfterAny, AfterFailed, AfterOk};
use crate::dependency::Readiness;
use crate::error::Result;
use crate::event::EventKind;
use crate::ids::JobId;
use crate::job::{JobPatch, NewJob};
use crate::patch::Edit;
use crate::policy::{JobPolicy, OnUnsatisfiable};
use crate::query::Page;
use crate::repo::{DependencyRead, DependencyWrite, EventRead, JobRead, JobWrite};
use crate::status::{InitialStatus, JobStatus, StatusChange};
use crate::store::Store;

use super::fixture::Fixture;
use super::outcome::Outcome;
use super::samples::{job_in, open, sample_job, tick};

fn cancelling() -> JobPolicy {
    JobPolicy { on_unsatisfiable: OnUnsatisfiable::Cancel, ..JobPolicy::default() }
}

/// A queued job that asks to be cancelled.
fn asking(parent: JobId, kind: DependencyKind) -> NewJob {
    NewJob { policy: cancelling(), ..sample_job("asking").queued().after(parent, kind) }
}

fn held<S: Store>(store: &S) -> Result<Vec<JobId>> {
    let page = store.held_jobs(Page::first(100)?)?;
    Ok(page.jobs.iter().map(|held| held.job.id).collect())
}

/// A held job says so with its reasons, and comes back when what it waits for is retried.
pub fn a_held_job_comes_back_with_a_retry<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let parent = store.create_job(&sample_job("parent"))?.id;
    let child = store.create_job(&sample_job("child").queued().after(parent, AfterOk))?;
    store.create_job(&sample_job("other").after(parent, AfterAny))?;
    assert!(held(&store)?.is_empty());
    store.change_status(parent, &StatusChange::to(JobStatus::Failed))?;
    let page = store.held_jobs(Page::first(10)?)?;
    let [found] = &page.jobs[..] else { panic!("{page:?}") };
    assert_eq!((&found.job, page.next), (&store.job(child.id)?, None));
    assert_eq!(Readiness::Unsatisfiable(found.reasons.clone()), store.readiness(child.id)?);
    assert_eq!(store.job(child.id)?, child, "its own row is not touched");
    store.retry_job(parent, InitialStatus::Queued)?;
    assert!(held(&store)?.is_empty());
    store.change_status(parent, &StatusChange::to(JobStatus::Cancelled))?;
    assert_eq!(held(&store)?, [child.id]);
    store.change_status(child.id, &StatusChange::to(JobStatus::Cancelled))?;
    assert!(held(&store)?.is_empty(), "a job that has ended waits for nothing");
    Ok(())
}

/// Held jobs are listed newest first, page by page, ties by id.
pub fn held_jobs_are_listed_page_by_page<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let parent = job_in(&store, "parent", JobStatus::Failed)?.id;
    let mut expected = Vec::new();
    for number in 0..7 {
        if number % 3 == 0 {
            tick(&clock);
        }
        expected.push(store.create_job(&sample_job("child").after(parent, AfterOk))?.id);
    }
    expected.reverse();
    for limit in [1, 2, 3, 7, 8] {
        let (mut page, mut found) = (Page::first(limit)?, Vec::new());
        loop {
            let read = store.held_jobs(page.clone())?;
            assert!(read.jobs.len() <= limit as usize);
            found.extend(read.jobs.iter().map(|held| held.job.id));
            match read.next {
                Some(next) => page = page.after(next),
                None => break,
            }
        }
        assert_eq!(found, expected, "in pages of {limit}");
    }
    Ok(())
}

/// A job that asks for it is cancelled with what it waits for, and so are those behind it, each with an
/// event that names the reason; one that does not ask is held, and ends the chain.
pub fn a_job_that_asks_for_it_is_cancelled_all_the_way_down<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let root = store.create_job(&sample_job("root"))?.id;
    let first = store.create_job(&asking(root, AfterOk))?.id;
    let second = store.create_job(&asking(first, AfterOk).after(root, AfterAny))?.id;
    let spared = store.create_job(&asking(second, AfterAny))?.id;
    let holding = store.create_job(&sample_job("holding").queued().after(second, AfterOk))?.id;
    let behind = store.create_job(&asking(holding, AfterOk))?.id;
    let now = tick(&clock);
    store.change_status(root, &StatusChange::to(JobStatus::Failed))?;
    let status = |id| store.job(id).map(|job| job.status);
    for (job, because_of) in [(first, root), (second, first)] {
        assert_eq!(status(job)?, JobStatus::Cancelled);
        let event = store.history(job)?.pop().expect("an event");
        assert_eq!((event.kind, event.at), (EventKind::StatusChanged, now));
        assert_eq!((event.from, event.to), (Some(JobStatus::Queued), Some(JobStatus::Cancelled)));
        assert_eq!(event.detail["because_of"], serde_json::json!(because_of.get()));
        let reason = event.detail["reason"].as_str().expect("a reason").to_owned();
        assert!(reason.contains(&format!("after_ok job {because_of} (")), "{reason}");
    }
    for job in [spared, holding, behind] {
        assert_eq!(status(job)?, JobStatus::Queued);
    }
    assert_eq!(store.readiness(spared)?, Readiness::Ready);
    assert_eq!(held(&store)?, [holding]);
    Ok(())
}

/// A very deep chain is cancelled as well as a short one.
pub fn a_deep_chain_is_cancelled<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let root = store.create_job(&sample_job("root"))?.id;
    let last = store.write(move |w| {
        (0..300).try_fold(root, |parent, _| Ok(w.create_job(&asking(parent, AfterOk))?.id))
    })?;
    store.change_status(root, &StatusChange::to(JobStatus::Cancelled))?;
    assert_eq!(store.job(last)?.status, JobStatus::Cancelled);
    assert_eq!(store.counts_by_status()?.of(JobStatus::Cancelled), 301);
    Ok(())
}

/// A job that asks to be cancelled is never held, by whichever way it came to that.
pub fn a_job_that_asks_to_be_cancelled_is_never_held<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let failed = job_in(&store, "failed", JobStatus::Failed)?.id;
    let completed = job_in(&store, "completed", JobStatus::Completed)?.id;
    let cancelled = |id| store.job(id).map(|job| job.status == JobStatus::Cancelled);
    // Created so; the answer says it.
    let job = store.create_job(&asking(failed, AfterOk))?;
    assert_eq!(job, store.job(job.id)?);
    assert_eq!(job.status, JobStatus::Cancelled);
    assert!(!cancelled(store.create_job(&asking(failed, AfterFailed))?.id)?);
    // An edge is added.
    let free = || NewJob { policy: cancelling(), ..sample_job("free") };
    let job = store.create_job(&free())?.id;
    store.add_dependency(job, completed, AfterOk)?;
    assert!(!cancelled(job)?);
    store.add_dependency(job, completed, AfterOk)?;
    store.add_dependency(job, failed, AfterOk)?;
    assert!(cancelled(job)?);
    let [one, other] = [store.create_job(&free())?.id, store.create_job(&free())?.id];
    store.add_dependencies(&[(one, failed, AfterOk), (other, one, AfterOk)])?;
    assert!(cancelled(one)? && cancelled(other)?);
    // It is retried before what it waits for.
    let retried = store.retry_job(one, InitialStatus::Queued)?;
    assert_eq!((retried.attempt, retried.status), (2, JobStatus::Cancelled));
    // It changes its mind.
    let holding = store.create_job(&sample_job("holding").after(completed, AfterFailed))?.id;
    assert_eq!(held(&store)?, [holding]);
    let patch = JobPatch { policy: Edit::Set(cancelling()), ..JobPatch::default() };
    assert_eq!(store.update_job(holding, &patch)?.status, JobStatus::Cancelled);
    assert!(held(&store)?.is_empty());
    // What it waits for is retried first.
    store.retry_job(failed, InitialStatus::Queued)?;
    assert_eq!(store.retry_job(one, InitialStatus::Queued)?.status, JobStatus::Queued);
    Ok(())
}
