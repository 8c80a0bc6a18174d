//! Promises about claims.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::claim::{ClaimFilter, Explanation, LARGEST_CLAIM, Obstacle};
use crate::code::{Code, Runner};
use crate::dependency::DependencyKind;
use crate::error::{Error, Result};
use crate::event::EventKind;
use crate::ids::JobId;
use crate::job::{JobPatch, NewJob};
use crate::lease::Claim;
use crate::patch::Patch;
use crate::repo::{
    ClaimRead, ClaimWrite, ClusterWrite, DependencyRead, EventRead, JobRead, JobWrite,
};
use crate::run::{Completion, Failure};
use crate::status::{InitialStatus, JobStatus, StatusChange};
use crate::store::Store;
use crate::worker::Worker;

use super::dump::assert_untouched;
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{
    BEGINNING, HOUR, job_in, open, sample_cluster, sample_job, sample_worker, tick,
};
use super::threads::together;

fn claim<S: Store>(store: &S, filter: &ClaimFilter, count: u32) -> Result<Vec<JobId>> {
    let claims = store.claim(&sample_worker("w"), filter, count, HOUR)?;
    Ok(claims.iter().map(|claim| claim.job.id).collect())
}

fn queue<S: Store>(store: &S, new: NewJob) -> Result<JobId> {
    Ok(store.create_job(&new.queued())?.id)
}

/// A claimed job is RUNNING on the worker's process, under a lease that begins now; the event says so.
pub fn a_claim_makes_a_job_running_under_a_lease<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let id = queue(&store, sample_job("MgO"))?;
    let now = tick(&clock);
    let worker = sample_worker("node-17 slot 3");
    let claims = store.claim(&worker, &ClaimFilter::all(), 5, HOUR)?;
    let [Claim { job, lease }] = claims.as_slice() else { panic!("{claims:?}") };
    assert_eq!((job.id, job.status, job.attempt), (id, JobStatus::Running, 1));
    assert_eq!((job.started_at, job.pid), (Some(now), Some(worker.process.pid)));
    assert_eq!(job.host.as_ref(), Some(&worker.process.host));
    assert_eq!(store.job(id)?, *job);
    assert_eq!((lease.job, lease.attempt, lease.token.get()), (id, 1, 1));
    assert_eq!((&lease.worker, lease.claimed_at, lease.expires_at), (&worker, now, now + HOUR));
    assert_eq!(store.lease_of(id)?.as_ref(), Some(lease));
    assert_eq!(store.leases()?, std::slice::from_ref(lease));
    let history = store.history(id)?;
    let event = history.last().expect("an event");
    assert_eq!((event.kind, event.at), (EventKind::Claimed, now));
    assert_eq!((event.from, event.to), (Some(JobStatus::Queued), Some(JobStatus::Running)));
    assert_eq!(event.detail["worker"], "node-17 slot 3");
    Ok(())
}

/// The best priority goes first, then the oldest job; a batch is what single claims would take.
pub fn the_best_priority_goes_first_then_the_oldest<F: Fixture>(fixture: &F) -> Outcome {
    for count in [1, 2, 100] {
        let (store, clock) = open(fixture);
        let mut expected = Vec::new();
        for (n, priority) in [0, 5, -3, 5, i32::MAX, 0, i32::MIN, 5].into_iter().enumerate() {
            tick(&clock);
            // Jobs of different kinds stand in one order all the same.
            let code = if n % 2 == 0 { Code::Vasp } else { Code::Crystal };
            let id = queue(&store, NewJob { priority, code, ..sample_job("job") })?;
            expected.push((std::cmp::Reverse(priority), id));
        }
        expected.sort_unstable();
        let mut claimed = Vec::new();
        loop {
            let batch = claim(&store, &ClaimFilter::all(), count)?;
            if batch.is_empty() {
                break;
            }
            claimed.extend(batch);
        }
        let expected: Vec<JobId> = expected.into_iter().map(|(_, id)| id).collect();
        assert_eq!(claimed, expected, "{count} at a time");
    }
    Ok(())
}

/// Only QUEUED jobs are claimed, and a claimed one is not claimed again.
pub fn only_queued_jobs_are_claimed<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    for &status in JobStatus::ALL {
        job_in(&store, "job", status)?;
    }
    let claimed = claim(&store, &ClaimFilter::all(), 100)?;
    assert_eq!(claimed.len(), 1);
    let empty = assert_untouched(&store, || claim(&store, &ClaimFilter::all(), 100))?;
    assert_eq!(empty, []);
    Ok(())
}

/// Each condition of a filter admits what it names, alone and together.
pub fn a_claim_takes_what_its_filter_admits<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    let other = store.create_cluster(&sample_cluster("d"))?.id;
    let mut jobs = BTreeMap::new();
    for runner in [Runner::Local, Runner::Slurm] {
        for cluster in [None, Some(cluster), Some(other)] {
            for code in [Code::Crystal, Code::Vasp] {
                for workflow in [None, Some("oxides".to_owned())] {
                    let new = NewJob {
                        runner,
                        cluster,
                        code: code.clone(),
                        workflow,
                        ..sample_job("job")
                    };
                    jobs.insert(queue(&store, new.clone())?, new);
                }
            }
        }
    }
    let filters = [
        ClaimFilter::all().workflow("nitrides"),
        ClaimFilter::all().runner(Runner::Ssh),
        ClaimFilter::all()
            .runner(Runner::Slurm)
            .cluster(cluster)
            .code(Code::Vasp)
            .workflow("oxides"),
        ClaimFilter::all().cluster(cluster).code(Code::Crystal),
        ClaimFilter::all().workflow("oxides").code(Code::Crystal),
        ClaimFilter::all().cluster(other),
        ClaimFilter::all().workflow("oxides"),
        ClaimFilter::all().runner(Runner::Slurm),
        ClaimFilter::all(),
    ];
    for filter in filters {
        let mut expected = Vec::new();
        for id in jobs.keys().copied() {
            let job = store.job(id)?;
            if job.status == JobStatus::Queued && filter.admits(&job) {
                expected.push(id);
            }
        }
        assert_eq!(store.can_claim(&filter)?, !expected.is_empty(), "{filter:?}");
        assert_eq!(claim(&store, &filter, 100)?, expected, "{filter:?}");
        assert!(!store.can_claim(&filter)?, "{filter:?}");
    }
    assert_eq!(store.counts_by_status()?.of(JobStatus::Queued), 0, "all were claimed in the end");
    Ok(())
}

/// A job is claimed once all of its dependencies are met, of whatever kind, and not while one is not.
pub fn a_job_is_claimed_only_once_its_dependencies_are_met<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let parents = [JobStatus::Pending; 3].map(|status| job_in(&store, "parent", status));
    let [ok, any, failed] = parents.map(|job| job.map(|job| job.id));
    let (ok, any, failed) = (ok?, any?, failed?);
    let child = sample_job("child")
        .after(ok, DependencyKind::AfterOk)
        .after(any, DependencyKind::AfterAny)
        .after(failed, DependencyKind::AfterFailed);
    let child = queue(&store, child)?;
    let all = ClaimFilter::all();
    for (parent, end) in [(ok, JobStatus::Completed), (failed, JobStatus::Failed)] {
        assert_eq!(claim(&store, &all, 1)?, []);
        store.change_status(parent, &StatusChange::to(end))?;
    }
    assert_eq!(claim(&store, &all, 1)?, []);
    store.change_status(any, &StatusChange::to(JobStatus::Cancelled))?;
    // What was met is undone by a retry.
    store.retry_job(failed, InitialStatus::Pending)?;
    assert_eq!(claim(&store, &all, 1)?, []);
    store.change_status(failed, &StatusChange::to(JobStatus::Completed))?;
    assert_eq!(claim(&store, &all, 1)?, [], "it can no longer be met");
    assert!(matches!(
        store.explain(child)?,
        Explanation::NotStarted(why) if matches!(why.as_slice(), [Obstacle::Unsatisfiable(_)])
    ));
    store.write(move |w| crate::repo::DependencyWrite::remove_dependency(w, child, failed))?;
    assert_eq!(store.dependencies_of(child)?.len(), 2);
    assert_eq!(claim(&store, &all, 1)?, [child]);
    Ok(())
}

/// A parent that is retried by its policy has not ended: its children wait on.
pub fn a_failure_that_is_tried_again_releases_nobody<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let mut parent = sample_job("parent");
    parent.policy.max_attempts = 2;
    let parent = queue(&store, parent)?;
    for kind in [DependencyKind::AfterFailed, DependencyKind::AfterAny] {
        queue(&store, sample_job("child").after(parent, kind))?;
    }
    let all = ClaimFilter::all();
    for expected in [1, 3] {
        let claims = store.claim(&sample_worker("w"), &all, 10, HOUR)?;
        let [first] = claims.as_slice() else { panic!("{claims:?}") };
        assert_eq!(first.job.id, parent);
        store.fail(&first.lease.key(), &Failure::of("timeout".parse()?))?;
        let counts = store.counts_by_status()?;
        assert_eq!(counts.of(JobStatus::Queued), if expected == 1 { 3 } else { 2 });
    }
    assert_eq!(claim(&store, &all, 10)?.len(), 2);
    Ok(())
}

/// A job is not claimed before its time, and from that very moment on.
pub fn a_job_is_not_claimed_before_its_time<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let later = BEGINNING + Duration::from_secs(10);
    let late = NewJob { not_before: Some(later), priority: 9, ..sample_job("late") };
    let late = queue(&store, late)?;
    let all = ClaimFilter::all();
    assert!(!store.can_claim(&all)?);
    assert_eq!(assert_untouched(&store, || claim(&store, &all, 1))?, []);
    assert_eq!(store.explain(late)?, Explanation::NotStarted(vec![Obstacle::NotBefore(later)]));
    let soon = queue(&store, sample_job("soon"))?;
    clock.advance(Duration::from_secs(10) - Duration::from_micros(1));
    assert_eq!(claim(&store, &all, 9)?, [soon]);
    clock.advance(Duration::from_micros(1));
    assert!(store.can_claim(&all)?);
    assert_eq!(claim(&store, &all, 9)?, [late]);
    assert_eq!(store.job(late)?.not_before, Some(later), "what was said stays");

    // A time can be set and cleared later.
    let edited = queue(&store, sample_job("edited"))?;
    let until = |time| JobPatch { not_before: time, ..JobPatch::default() };
    store.update_job(edited, &until(Patch::Set(later + HOUR)))?;
    assert_eq!(claim(&store, &all, 9)?, []);
    store.update_job(edited, &until(Patch::Clear))?;
    assert_eq!(claim(&store, &all, 9)?, [edited]);
    Ok(())
}

/// What cannot be meant is refused before anything is claimed.
pub fn a_claim_that_cannot_be_meant_is_refused<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    queue(&store, sample_job("MgO"))?;
    let (good, all) = (sample_worker("w"), ClaimFilter::all());
    let nameless = Worker { name: " ".to_owned(), ..good.clone() };
    let without_process = Worker::new("w", "host", 0);
    for (worker, count, lease) in [
        (&nameless, 1, HOUR),
        (&without_process, 1, HOUR),
        (&good, 0, HOUR),
        (&good, LARGEST_CLAIM + 1, HOUR),
        (&good, 1, Duration::from_micros(999)),
    ] {
        let refused = assert_untouched(&store, || store.claim(worker, &all, count, lease));
        assert_refused!(refused, Error::Invalid(_));
    }
    Ok(())
}

/// Workers that claim at once get each job once between them, whatever the size of their claims, and
/// finish it.
pub fn each_job_is_claimed_once_by_workers_that_meet<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let mut expected = BTreeSet::new();
    for n in 0..60 {
        expected.insert(queue(&store, NewJob { priority: n % 3, ..sample_job("job") })?);
    }
    let claimed = together(6, |thread| {
        let worker = sample_worker(&format!("worker {thread}"));
        let count = u32::try_from(thread % 3).expect("small") + 1;
        let mut claimed = Vec::new();
        loop {
            let claims = store.claim(&worker, &ClaimFilter::all(), count, HOUR)?;
            if claims.is_empty() {
                return Ok(claimed);
            }
            for Claim { job, lease } in claims {
                assert_eq!(lease.worker, worker);
                store.complete(&lease.key(), &Completion::default())?;
                claimed.push(job.id);
            }
        }
    })?;
    let claimed: Vec<JobId> = claimed.into_iter().flatten().collect();
    assert_eq!(claimed.len(), expected.len(), "none twice");
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>(), expected, "none lost");
    assert_eq!(store.counts_by_status()?.of(JobStatus::Completed), 60);
    Ok(())
}

/// The reasons why a job is not running are told with names, and who runs it.
pub fn a_job_says_why_it_is_not_running<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let parent = job_in(&store, "parent", JobStatus::Pending)?.id;
    let child = sample_job("child").after(parent, DependencyKind::AfterOk);
    let child = store.create_job(&child)?.id;
    let Explanation::NotStarted(obstacles) = store.explain(child)? else { panic!("it runs") };
    let told: Vec<String> = obstacles.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "it is PENDING: queue it".to_owned(),
            format!("it waits for after_ok job {parent} (parent), which is PENDING"),
        ]
    );
    let free = queue(&store, sample_job("free"))?;
    assert_eq!(store.explain(free)?, Explanation::NotStarted(vec![]));
    let lease = store.claim(&sample_worker("w"), &ClaimFilter::all(), 1, HOUR)?.remove(0).lease;
    let held = |has_lapsed| Explanation::Held {
        lease: lease.clone(),
        has_lapsed,
        cancel_requested: false,
    };
    assert_eq!(store.explain(free)?, held(false));
    clock.advance(HOUR);
    assert_eq!(store.explain(free)?, held(true));
    store.complete(&lease.key(), &Completion::default())?;
    assert_eq!(store.explain(free)?, Explanation::Ended(JobStatus::Completed));
    let alone = job_in(&store, "alone", JobStatus::Running)?.id;
    assert_eq!(store.explain(alone)?, Explanation::Unheld { probe_since: None });
    Ok(())
}
