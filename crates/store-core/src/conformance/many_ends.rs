//! Promises about the ends of many runs that are reported together.

use crate::attempt::AttemptOutcome;
use crate::claim::ClaimFilter;
use crate::dependency::DependencyKind;
use crate::error::{Error, Noun, Result};
use crate::event::EventKind;
use crate::ids::JobId;
use crate::job::NewJob;
use crate::lease::{LeaseKey, LeaseLoss};
use crate::policy::{FailureKind, OnUnsatisfiable};
use crate::repo::{ClaimRead, ClaimWrite, EventRead, JobRead, JobWrite, ResultRead, ResultWrite};
use crate::run::{Completion, Ended, Failure, RunEnd};
use crate::status::JobStatus;
use crate::store::Store;

use super::dump::assert_untouched;
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{HOUR, open, sample_job, sample_result, sample_worker, tick};

/// So many runs; all but the first may be tried twice.
fn runs<S: Store>(store: &S, number: usize) -> Result<Vec<LeaseKey>> {
    for place in 0..number {
        let mut new = sample_job("MgO").queued();
        new.policy.max_attempts = if place == 0 { 1 } else { 2 };
        store.create_job(&new)?;
    }
    let count = u32::try_from(number).unwrap_or(u32::MAX);
    let claims = store.claim(&sample_worker("w"), &ClaimFilter::all(), count, HOUR)?;
    assert_eq!(claims.len(), number);
    Ok(claims.iter().map(|claim| claim.lease.key()).collect())
}

fn completed() -> RunEnd {
    Completion::default().into()
}

fn failed() -> RunEnd {
    Failure::of(FailureKind::unknown()).because("a bus error").into()
}

fn released() -> RunEnd {
    RunEnd::Released { reason: Some("going home".to_owned()), not_before: None }
}

/// Each of many runs ends as it is reported, whatever becomes of the others, and is told in its place.
pub fn each_of_many_runs_ends_as_it_is_reported<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let keys = runs(&store, 6)?;
    let now = tick(&clock);
    let ends = [
        (keys[0], failed()),
        (keys[1], completed()),
        (keys[2], failed()),
        (keys[3], Completion::with(sample_result(-3.0)).into()),
        (keys[4], released()),
        (keys[5], completed()),
    ];
    let again = Ended::Requeued { attempt: 2, not_before: None };
    let came_to = [
        Ok(Ended::Finally(JobStatus::Failed)),
        Ok(Ended::Finally(JobStatus::Completed)),
        Ok(again),
        Ok(Ended::Finally(JobStatus::Completed)),
        Ok(again),
        Ok(Ended::Finally(JobStatus::Completed)),
    ];
    assert_eq!(store.end_runs(&ends)?, came_to);
    assert_eq!(store.leases()?, []);
    let outcomes: Vec<_> = keys
        .iter()
        .map(|key| store.attempts_of(key.job).map(|attempts| attempts[0].outcome))
        .collect::<Result<_>>()?;
    use AttemptOutcome::{Completed, Failed, Released};
    assert_eq!(outcomes, [Failed, Completed, Failed, Completed, Released, Completed].map(Some));
    assert_eq!(store.job(keys[5].job)?.finished_at, Some(now));
    let result = store.newest_result(keys[3].job)?.expect("a result");
    assert_eq!(result.result, sample_result(-3.0));
    // One after the other, each with its result before its end.
    let begun = store.history(keys[0].job)?[1].sequence;
    let told: Vec<_> = store.events_after(begun, 100)?.into_iter().skip(5).collect();
    let told: Vec<_> = told.iter().map(|event| (event.subject.job(), event.kind)).collect();
    use EventKind::{Requeued, ResultRecorded, StatusChanged};
    let expected = [
        (keys[0], StatusChanged),
        (keys[1], StatusChanged),
        (keys[2], Requeued),
        (keys[3], ResultRecorded),
        (keys[3], StatusChanged),
        (keys[4], Requeued),
        (keys[5], StatusChanged),
    ];
    assert_eq!(told, expected.map(|(key, kind)| (Some(key.job), kind)));
    // The same report again changes nothing, and says so of each.
    let repeated = assert_untouched(&store, || store.end_runs(&ends))?;
    assert_eq!(repeated, [Ok(Ended::Repeated); 6]);
    assert_eq!(store.end_runs(&[])?, []);
    Ok(())
}

/// A lease that is lost is told in its place, and all others land; a run that is reported twice ends once.
pub fn one_lost_lease_refuses_no_other_end<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let keys = runs(&store, 4)?;
    store.release(&keys[1], None, None)?;
    let claimed = store.claim(&sample_worker("next"), &ClaimFilter::all(), 1, HOUR)?;
    assert_eq!(claimed[0].job.id, keys[1].job);
    store.delete_job({
        store.complete(&keys[2], &Completion::default())?;
        keys[2].job
    })?;
    let ends = [
        (keys[0], completed()),
        (keys[1], completed()),
        (keys[2], failed()),
        (keys[3], completed()),
        (keys[0], completed()),
        (keys[0], failed()),
    ];
    let came_to = [
        Ok(Ended::Finally(JobStatus::Completed)),
        Err(LeaseLoss::ClaimedAgain),
        Err(LeaseLoss::Deleted),
        Ok(Ended::Finally(JobStatus::Completed)),
        Ok(Ended::Repeated),
        Err(LeaseLoss::NotRunning(JobStatus::Completed)),
    ];
    assert_eq!(store.end_runs(&ends)?, came_to);
    assert_eq!(store.job(keys[1].job)?.status, JobStatus::Running, "it is the next worker's");
    assert_eq!(store.leases()?, [claimed[0].lease.clone()]);
    Ok(())
}

/// An end that is refused for what it says refuses all of them.
pub fn many_ends_land_all_or_none<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let keys = runs(&store, 3)?;
    store.record_result(keys[2], &sample_result(-1.0))?;
    let other_result = [
        (keys[0], completed()),
        (keys[1], Completion::with(sample_result(-2.0)).into()),
        (keys[2], Completion::with(sample_result(-2.0)).into()),
    ];
    assert_refused!(
        assert_untouched(&store, || store.end_runs(&other_result)),
        Error::Conflict { noun: Noun::Result, .. }
    );
    // Also in a unit of work that goes on.
    let within = other_result.clone();
    let kept = assert_untouched(&store, || store.write(move |w| Ok(w.end_runs(&within))))?;
    assert_refused!(kept, Error::Conflict { noun: Noun::Result, .. });
    let no_reason = [
        (keys[0], completed()),
        (keys[1], RunEnd::Released { reason: Some("\0".to_owned()), not_before: None }),
    ];
    let refused = assert_untouched(&store, || store.end_runs(&no_reason));
    let told = refused.as_ref().err().map(ToString::to_string).unwrap_or_default();
    assert!(told.contains(&format!("the report on job {}", keys[1].job)), "{told}");
    assert_refused!(refused, Error::Invalid(_));
    Ok(())
}

/// Those that wait for runs that end together are let go, held or cancelled as by one end after the other, also
/// where one of them ends with what it waits for.
pub fn what_follows_of_many_ends_is_what_follows_of_each<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let keys = runs(&store, 3)?;
    let waiting = |on: &[JobId], policy: OnUnsatisfiable| {
        let mut new: NewJob = sample_job("CaO").queued();
        new.policy.on_unsatisfiable = policy;
        on.iter().fold(new, |new, on| new.after(*on, DependencyKind::AfterOk))
    };
    let (first, second) = (keys[0].job, keys[1].job);
    let ready = store.create_job(&waiting(&[second, keys[2].job], OnUnsatisfiable::Hold))?.id;
    let held = store.create_job(&waiting(&[first, second], OnUnsatisfiable::Hold))?.id;
    let gone = store.create_job(&waiting(&[second, first], OnUnsatisfiable::Cancel))?.id;
    let behind = store.create_job(&waiting(&[gone], OnUnsatisfiable::Cancel))?.id;
    // A key of what one of the ends cancels is told so.
    let stray = LeaseKey { job: gone, ..keys[0] };
    let came_to = store.end_runs(&[
        (keys[1], completed()),
        (keys[0], failed()),
        (stray, completed()),
        (keys[2], completed()),
    ])?;
    assert_eq!(came_to[2], Err(LeaseLoss::NotRunning(JobStatus::Cancelled)));
    let statuses = store.statuses(&[ready, held, gone, behind])?;
    let status = |job: JobId| statuses[&job];
    assert_eq!((status(ready), status(held)), (JobStatus::Queued, JobStatus::Queued));
    assert_eq!((status(gone), status(behind)), (JobStatus::Cancelled, JobStatus::Cancelled));
    let claims = store.claim(&sample_worker("w"), &ClaimFilter::all(), 10, HOUR)?;
    assert_eq!(claims.iter().map(|claim| claim.job.id).collect::<Vec<_>>(), [ready]);
    Ok(())
}
