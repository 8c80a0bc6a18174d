//! What many edges at once promise.

use crate::dependency::DependencyKind::{AfterAny, AfterFailed, AfterOk};
use crate::error::{Error, Noun, Result};
use crate::event::EventKind;
use crate::ids::{EventSequence, JobId};
use crate::repo::{DependencyRead, DependencyWrite, EventRead, JobWrite};
use crate::status::{JobStatus, StatusChange};
use crate::store::Store;

use super::dump::assert_untouched;
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{open, sample_job};

fn jobs<S: Store>(store: &S, count: usize) -> Result<Vec<JobId>> {
    let created = store.create_jobs(&vec![sample_job("MgO"); count])?;
    Ok(created.into_iter().map(|job| job.id).collect())
}

/// Many edges come to what one after the other comes to, each with its event, in order.
pub fn many_edges_come_to_what_single_ones_do<F: Fixture>(fixture: &F) -> Outcome {
    let (one_by_one, _) = open(fixture);
    let (at_once, _) = open(fixture);
    let ids = jobs(&one_by_one, 5)?;
    assert_eq!(jobs(&at_once, 5)?, ids);
    for store in [&one_by_one, &at_once] {
        store.change_status(ids[0], &StatusChange::to(JobStatus::Failed))?;
        store.add_dependency(ids[4], ids[2], AfterOk)?;
    }
    let edges = [
        (ids[3], ids[0], AfterAny),
        (ids[2], ids[0], AfterOk),
        (ids[4], ids[2], AfterOk),
        (ids[4], ids[1], AfterFailed),
        (ids[3], ids[0], AfterAny),
        (ids[1], ids[3], AfterOk),
    ];
    for (job, depends_on, kind) in edges {
        one_by_one.add_dependency(job, depends_on, kind)?;
    }
    at_once.add_dependencies(&edges)?;
    for id in ids {
        assert_eq!(at_once.dependencies_of(id)?, one_by_one.dependencies_of(id)?);
        assert_eq!(at_once.readiness(id)?, one_by_one.readiness(id)?);
    }
    let told = |store: &F::Store| store.events_after(EventSequence::START, u32::MAX);
    assert_eq!(told(&at_once)?, told(&one_by_one)?);
    let added = told(&at_once)?.into_iter().filter(|e| e.kind == EventKind::DependencyAdded);
    assert_eq!(added.count(), 5, "what is there already is not told again");
    Ok(())
}

/// Many edges are added all or none.
pub fn many_edges_are_added_all_or_none<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let ids = jobs(&store, 3)?;
    let good = (ids[1], ids[0], AfterOk);
    let refused =
        |last| assert_untouched(&store, || store.add_dependencies(&[good, last]).map(drop));
    let nobody = JobId::new(99);
    assert_refused!(
        refused((ids[2], nobody, AfterOk)),
        Error::NotFound { noun: Noun::Job, key } if key == "99"
    );
    assert_refused!(
        refused((ids[1], ids[0], AfterAny)),
        Error::Conflict { noun: Noun::Dependency, field: "depends_on", .. }
    );
    assert_refused!(
        refused((ids[2], ids[2], AfterOk)),
        Error::DependencyCycle { path } if path == [ids[2], ids[2]]
    );
    store.change_status(ids[2], &StatusChange::to(JobStatus::Running))?;
    assert_refused!(
        refused((ids[2], ids[0], AfterOk)),
        Error::NotAllowed { job, .. } if job == ids[2]
    );
    store.add_dependencies(&[])?;
    Ok(())
}

/// Of many edges the first that closes a circle is told, with the shortest path, whether the circle is of
/// new edges alone or not.
pub fn the_first_of_many_that_closes_a_circle_is_told<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let ids = jobs(&store, 6)?;
    let [a, b, c, d, e, f] = ids[..] else { unreachable!("six jobs") };
    let new_alone = [(a, b, AfterOk), (b, c, AfterOk), (c, a, AfterOk), (b, a, AfterOk)];
    assert_refused!(
        assert_untouched(&store, || store.add_dependencies(&new_alone)),
        Error::DependencyCycle { path } if path == [c, a, b, c]
    );
    store.add_dependencies(&[(b, a, AfterOk), (c, b, AfterOk), (c, a, AfterAny)])?;
    let mixed = [(e, d, AfterOk), (a, f, AfterOk), (f, e, AfterOk), (d, c, AfterOk)];
    assert_refused!(
        assert_untouched(&store, || store.add_dependencies(&mixed)),
        Error::DependencyCycle { path } if path == [d, c, a, f, e, d]
    );
    store.add_dependencies(&mixed[..3])?;
    Ok(())
}
