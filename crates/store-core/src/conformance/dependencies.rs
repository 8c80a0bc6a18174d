//! What dependencies promise.

use crate::dependency::{Dependency, DependencyKind, Readiness, Unmet};
use crate::error::{Error, Noun, Result};
use crate::event::EventKind;
use crate::ids::JobId;
use crate::repo::{DependencyRead, DependencyWrite, EventRead, JobRead, JobWrite};
use crate::status::{InitialStatus, JobStatus, StatusChange};
use crate::store::Store;

use super::dump::assert_untouched;
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{job_in, object, open, sample_job, tick};

use DependencyKind::{AfterAny, AfterFailed, AfterOk};

/// So many PENDING jobs.
fn jobs<S: Store>(store: &S, count: usize) -> Result<Vec<JobId>> {
    let created = store.create_jobs(&vec![sample_job("MgO"); count])?;
    Ok(created.into_iter().map(|job| job.id).collect())
}

/// An edge is found from both sides, in order of the other jobs' ids, and the job's history tells.
pub fn an_edge_is_found_from_both_sides<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let ids = jobs(&store, 4)?;
    let child = store.job(ids[1])?;
    let now = tick(&clock);
    for (parent, kind) in [(3, AfterFailed), (0, AfterOk), (2, AfterAny)] {
        store.add_dependency(ids[1], ids[parent], kind)?;
        let event = store.history(ids[1])?.pop().expect("an event");
        assert_eq!((event.kind, event.at), (EventKind::DependencyAdded, now));
        let detail = serde_json::json!({"depends_on": ids[parent].get(), "kind": kind.as_str()});
        assert_eq!(event.detail, object(detail));
        assert_eq!(store.history(ids[parent])?.len(), 1, "the event is the waiting job's");
    }
    store.add_dependency(ids[3], ids[0], AfterAny)?;
    let edge = |job: usize, depends_on: usize, kind| Dependency {
        job: ids[job],
        depends_on: ids[depends_on],
        kind,
        created_at: now,
    };
    let of_child = [edge(1, 0, AfterOk), edge(1, 2, AfterAny), edge(1, 3, AfterFailed)];
    assert_eq!(store.dependencies_of(ids[1])?, of_child);
    let on_first = [edge(1, 0, AfterOk), edge(3, 0, AfterAny)];
    assert_eq!(store.dependents_of(ids[0])?, on_first);
    assert!(store.dependencies_of(ids[0])?.is_empty());
    assert_eq!(store.job(ids[1])?, child, "the job's own row is not touched");
    Ok(())
}

/// The same edge again changes nothing; with another kind it is a conflict. Both in every status.
pub fn the_same_edge_again_changes_nothing<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let ids = jobs(&store, 2)?;
    let again = |kind| assert_untouched(&store, || store.add_dependency(ids[1], ids[0], kind));
    store.add_dependency(ids[1], ids[0], AfterAny)?;
    for status in [JobStatus::Pending, JobStatus::Running, JobStatus::Completed] {
        store.change_status(ids[1], &StatusChange::to(status))?;
        again(AfterAny)?;
        assert_refused!(
            again(AfterOk),
            Error::Conflict { noun: Noun::Dependency, field: "depends_on", value }
                if value == ids[0].to_string()
        );
    }
    Ok(())
}

/// An edge can be taken away and put back with another kind.
pub fn an_edge_can_be_taken_away<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let ids = jobs(&store, 3)?;
    store.add_dependency(ids[2], ids[0], AfterOk)?;
    store.add_dependency(ids[2], ids[1], AfterOk)?;
    let now = tick(&clock);
    store.remove_dependency(ids[2], ids[0])?;
    let left: Vec<_> = store.dependencies_of(ids[2])?.iter().map(|e| e.depends_on).collect();
    assert_eq!(left, [ids[1]]);
    let event = store.history(ids[2])?.pop().expect("an event");
    assert_eq!((event.kind, event.at), (EventKind::DependencyRemoved, now));
    let detail = serde_json::json!({"depends_on": ids[0].get(), "kind": "after_ok"});
    assert_eq!(event.detail, object(detail));
    store.add_dependency(ids[2], ids[0], AfterFailed)?;
    assert_eq!(store.dependencies_of(ids[2])?[0].kind, AfterFailed);
    Ok(())
}

/// An edge that is not there cannot be taken away, not even the other way round.
pub fn an_edge_that_is_not_there_is_not_found<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let ids = jobs(&store, 2)?;
    store.add_dependency(ids[1], ids[0], AfterOk)?;
    for (job, depends_on) in [(ids[0], ids[1]), (ids[0], ids[0]), (ids[0], JobId::new(99))] {
        assert_refused!(
            assert_untouched(&store, || store.remove_dependency(job, depends_on)),
            Error::NotFound { noun: Noun::Dependency, key }
                if key == format!("of job {job} on job {depends_on}")
        );
    }
    Ok(())
}

/// Only a PENDING or QUEUED job can begin or cease to wait; what it waits for may stand anywhere.
pub fn only_a_job_that_has_not_started_can_wait<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    for &status in JobStatus::ALL {
        let parent = job_in(&store, "parent", status)?.id;
        let other = job_in(&store, "other", status)?.id;
        let child = sample_job("child").after(parent, AfterAny);
        let child = store.create_job(&child)?.id;
        store.change_status(child, &StatusChange::to(status))?;
        if matches!(status, JobStatus::Pending | JobStatus::Queued) {
            store.add_dependency(child, other, AfterOk)?;
            store.remove_dependency(child, parent)?;
            continue;
        }
        for answer in [
            assert_untouched(&store, || store.add_dependency(child, other, AfterOk)),
            assert_untouched(&store, || store.remove_dependency(child, parent)),
        ] {
            assert_refused!(
                answer,
                Error::NotAllowed { job, status: found, .. } if (job, found) == (child, status)
            );
        }
    }
    Ok(())
}

/// A job cannot wait for itself, neither at once nor by way of others; the path found is told.
pub fn a_circle_is_refused_with_its_path<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let ids = jobs(&store, 6)?;
    let refused = |job: JobId, depends_on: JobId, expected: &[JobId]| {
        assert_refused!(
            assert_untouched(&store, || store.add_dependency(job, depends_on, AfterAny)),
            Error::DependencyCycle { path } if path == expected
        );
    };
    refused(ids[0], ids[0], &[ids[0], ids[0]]);
    for pair in ids.windows(2) {
        store.add_dependency(pair[1], pair[0], AfterOk)?;
    }
    refused(ids[0], ids[1], &[ids[0], ids[1], ids[0]]);
    let around = [ids[0], ids[5], ids[4], ids[3], ids[2], ids[1], ids[0]];
    refused(ids[0], ids[5], &around);
    refused(ids[2], ids[4], &[ids[2], ids[4], ids[3], ids[2]]);
    // What is no circle is allowed, however near to one.
    store.add_dependency(ids[5], ids[0], AfterOk)?;
    store.remove_dependency(ids[3], ids[2])?;
    store.add_dependency(ids[2], ids[4], AfterAny)?;
    Ok(())
}

/// Of several circles the shortest is told, and of those the one with the smaller ids first.
pub fn the_shortest_circle_is_told<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let ids = jobs(&store, 6)?;
    let [root, a, b, c, long, top] = ids[..] else {
        unreachable!("six jobs");
    };
    // top waits for root by way of c, of b, and the long way over a.
    for (job, depends_on) in
        [(a, root), (long, a), (top, long), (c, root), (top, c), (b, root), (top, b)]
    {
        store.add_dependency(job, depends_on, AfterOk)?;
    }
    assert_refused!(
        store.add_dependency(root, top, AfterOk),
        Error::DependencyCycle { path } if path == [root, top, b, root]
    );
    store.remove_dependency(top, b)?;
    assert_refused!(
        store.add_dependency(root, top, AfterOk),
        Error::DependencyCycle { path } if path == [root, top, c, root]
    );
    store.remove_dependency(c, root)?;
    assert_refused!(
        store.add_dependency(root, top, AfterOk),
        Error::DependencyCycle { path } if path == [root, top, long, a, root]
    );
    Ok(())
}

/// A graph with very many ways is searched once a job, not once a way.
pub fn a_graph_of_many_ways_is_searched_quickly<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let ids = jobs(&store, 82)?;
    // Forty diamonds one on another: 2^40 ways from the top to the bottom.
    let edges: Vec<_> = (2..ids.len())
        .flat_map(|n| {
            let below = (n / 2 - 1) * 2;
            [(ids[n], ids[below]), (ids[n], ids[below + 1])]
        })
        .collect();
    store.write(move |w| {
        edges.iter().try_for_each(|(job, on)| w.add_dependency(*job, *on, AfterOk))
    })?;
    assert_refused!(
        store.add_dependency(ids[0], ids[81], AfterOk),
        Error::DependencyCycle { path } if path.len() == 42
    );
    assert_refused!(store.add_dependency(ids[1], ids[80], AfterOk), Error::DependencyCycle { .. });
    let free = store.create_job(&sample_job("free"))?.id;
    store.add_dependency(free, ids[81], AfterOk)?;
    Ok(())
}

/// Refusals of an edge come in one order.
pub fn the_refusals_of_an_edge_have_an_order<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let job = job_in(&store, "MgO", JobStatus::Running)?.id;
    let (one, other) = (JobId::new(98), JobId::new(99));
    assert_refused!(
        store.add_dependency(one, other, AfterOk),
        Error::NotFound { noun: Noun::Job, key } if key == "98"
    );
    assert_refused!(
        store.add_dependency(job, other, AfterOk),
        Error::NotFound { noun: Noun::Job, key } if key == "99"
    );
    assert_refused!(store.add_dependency(job, job, AfterOk), Error::DependencyCycle { .. });
    let child = store.create_job(&sample_job("child").after(job, AfterOk))?.id;
    // The running job can no longer wait, before it is asked whether that closed a circle.
    assert_refused!(store.add_dependency(job, child, AfterOk), Error::NotAllowed { .. });
    assert_refused!(
        store.remove_dependency(job, child),
        Error::NotFound { noun: Noun::Dependency, .. }
    );
    Ok(())
}

/// Readiness follows the other jobs: each kind is met by its ends alone, and a retry makes a job
/// wait again.
pub fn readiness_follows_what_is_waited_for<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    for &kind in DependencyKind::ALL {
        for &status in JobStatus::ALL {
            let parent = job_in(&store, "parent", status)?.id;
            let child = store.create_job(&sample_job("child").after(parent, kind))?.id;
            let unmet =
                |status| Unmet { depends_on: parent, name: "parent".to_owned(), status, kind };
            assert_eq!(store.readiness(child)?, Readiness::of([unmet(status)]));
            if matches!(status, JobStatus::Failed | JobStatus::Cancelled) {
                store.retry_job(parent, InitialStatus::Queued)?;
                let waiting = Readiness::Waiting(vec![unmet(JobStatus::Queued)]);
                assert_eq!(store.readiness(child)?, waiting);
            }
        }
    }
    Ok(())
}

/// Reasons are in order of ids, and those that can no longer be met stand alone.
pub fn readiness_tells_its_reasons_in_order<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let ids = jobs(&store, 5)?;
    let child = ids[4];
    assert_eq!(store.readiness(child)?, Readiness::Ready);
    for index in [3, 0, 2, 1] {
        store.add_dependency(child, ids[index], AfterOk)?;
    }
    let waiting = |readiness| match readiness {
        Readiness::Waiting(reasons) => reasons.iter().map(|r| r.depends_on).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(waiting(store.readiness(child)?), ids[..4]);
    store.change_status(ids[1], &StatusChange::to(JobStatus::Completed))?;
    assert_eq!(waiting(store.readiness(child)?), [ids[0], ids[2], ids[3]]);
    for lost in [3, 0] {
        store.change_status(ids[lost], &StatusChange::to(JobStatus::Failed))?;
    }
    match store.readiness(child)? {
        Readiness::Unsatisfiable(reasons) => {
            let found: Vec<_> = reasons.iter().map(|r| (r.depends_on, r.status)).collect();
            assert_eq!(found, [(ids[0], JobStatus::Failed), (ids[3], JobStatus::Failed)]);
        }
        other => panic!("{other:?}"),
    }
    store.remove_dependency(child, ids[0])?;
    store.remove_dependency(child, ids[3])?;
    assert_eq!(waiting(store.readiness(child)?), [ids[2]]);
    store.change_status(ids[2], &StatusChange::to(JobStatus::Completed))?;
    assert_eq!(store.readiness(child)?, Readiness::Ready);
    Ok(())
}
