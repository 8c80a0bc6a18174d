//! What the reuse of results promises: nothing is calculated twice that need not be, and each job says
//! where its result is from.

use crate::code::Code;
use crate::dependency::DependencyKind;
use crate::error::Result;
use crate::event::EventKind;
use crate::ids::JobId;
use crate::input::InputDeck;
use crate::job::{Job, NewJob};
use crate::query::JobFilter;
use crate::repo::{EventRead, JobRead, JobWrite, ResultRead, ResultWrite};
use crate::result::{Convergence, NewResult};
use crate::reuse::Reuse;
use crate::status::{JobStatus, StatusChange};
use crate::store::Store;

use super::dump::assert_untouched;
use super::fixture::Fixture;
use super::outcome::Outcome;
use super::samples::{full_result, open, sample_deck, sample_job, sample_result, tick};
use super::threads::together;

fn calculation(name: &str) -> NewJob {
    sample_job(name).with_input(sample_deck("MgO"))
}

/// Creates a job and completes it with a result.
fn calculated(store: &impl Store, new: &NewJob, result: &NewResult) -> Result<Job> {
    let (new, result) = (new.clone(), result.clone());
    store.write(move |w| {
        let id = w.create_job(&new)?.id;
        w.record_result(id, &result)?;
        w.change_status(id, &StatusChange::to(JobStatus::Completed))?;
        w.job(id)
    })
}

/// A job that asks for it is COMPLETED from the beginning, has the result in full, and says whose it is.
pub fn a_job_is_completed_from_an_earlier_one_that_is_the_same<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let source = calculated(&store, &calculation("source"), &full_result())?;
    let found = store.find_completed(&source.code, sample_deck("MgO").hash(), Reuse::Converged)?;
    assert_eq!(found.as_ref(), Some(&source));
    let now = tick(&clock);
    let new = calculation("again").queued().reusing(Reuse::Converged);
    let job = store.create_job(&new)?;
    assert_eq!(store.job(job.id)?, job);
    let expected = Job {
        status: JobStatus::Completed,
        queued_at: None,
        finished_at: Some(now),
        cached_from: Some(source.uuid),
        uuid: job.uuid,
        ..new.to_job(job.id, job.work_dir.clone(), now)
    };
    assert_eq!(job, expected);
    assert_eq!(store.input(job.id)?, new.input);
    let result = store.newest_result(job.id)?.expect("it has the result");
    assert_eq!((result.job, result.attempt, result.recorded_at), (job.id, 1, now));
    assert_eq!(result.result, full_result(), "with its provenance");
    assert_eq!(store.results_of(source.id)?.len(), 1);
    let history = store.history(job.id)?;
    assert_eq!(history.len(), 1, "{history:?}");
    assert_eq!((history[0].kind, history[0].from), (EventKind::Created, None));
    assert_eq!(history[0].to, Some(JobStatus::Completed));
    let told = history[0].detail.get("cached_from").and_then(|found| found.as_str());
    assert_eq!(told, Some(source.uuid.to_string().as_str()));
    assert_eq!(store.counts_by_status()?.of(JobStatus::Completed), 2);

    // It outlives its source.
    store.delete_job(source.id)?;
    assert_eq!(store.job(job.id)?.cached_from, Some(source.uuid));
    Ok(())
}

/// A job that does not ask is created as usual, whatever is there.
pub fn nothing_is_used_again_unasked<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    calculated(&store, &calculation("source"), &sample_result(-1.0))?;
    let job = store.create_job(&calculation("anew").queued())?;
    assert_eq!((job.status, job.cached_from), (JobStatus::Queued, None));
    assert!(store.results_of(job.id)?.is_empty());
    Ok(())
}

/// Another code, another input, another end, no result, or a job that waits for others: nothing is used
/// again, and nothing is wrong.
pub fn without_an_earlier_one_the_job_is_created_as_usual<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let as_usual = |new: NewJob| -> Outcome {
        let job = store.create_job(&new.reusing(Reuse::AnyResult))?;
        assert_eq!((job.status, job.cached_from), (JobStatus::Pending, None), "{}", job.name);
        assert_eq!(store.history(job.id)?.len(), 1);
        assert!(store.results_of(job.id)?.is_empty());
        Ok(())
    };
    as_usual(calculation("nothing is there"))?;
    // The same, but not COMPLETED, or without a result.
    let failed = store.create_job(&calculation("failed"))?.id;
    store.record_result(failed, &sample_result(-1.0))?;
    store.change_status(failed, &StatusChange::to(JobStatus::Failed))?;
    let bare = store.create_job(&calculation("bare"))?.id;
    store.change_status(bare, &StatusChange::to(JobStatus::Completed))?;
    as_usual(calculation("no result"))?;

    let source = calculated(&store, &calculation("source"), &sample_result(-1.0))?;
    as_usual(NewJob { code: Code::Vasp, ..calculation("another code") })?;
    as_usual(sample_job("another input").with_input(sample_deck("CaO")))?;
    as_usual(sample_job("no input"))?;
    as_usual(calculation("waits").after(source.id, DependencyKind::AfterOk))?;
    let reused = store.create_job(&calculation("the same").reusing(Reuse::AnyResult))?;
    assert_eq!(reused.cached_from, Some(source.uuid), "the control");
    Ok(())
}

/// A result that did not converge is used again only where any may be.
pub fn only_what_converged_is_used_again_unless_asked<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    for convergence in [Convergence::NotConverged, Convergence::Unknown] {
        let deck = InputDeck::file("a.d12", convergence.as_str())?;
        let new = |name: &str| sample_job(name).with_input(deck.clone());
        let source = calculated(&store, &new("source"), &NewResult::new(convergence))?;
        let find = |which| store.find_completed(&Code::Crystal, deck.hash(), which);
        assert_eq!(find(Reuse::Converged)?, None);
        assert_eq!(find(Reuse::AnyResult)?.map(|job| job.id), Some(source.id));
        let job = store.create_job(&new("converged").reusing(Reuse::Converged))?;
        assert_eq!(job.status, JobStatus::Pending);
        let job = store.create_job(&new("any").reusing(Reuse::AnyResult))?;
        assert_eq!((job.status, job.cached_from), (JobStatus::Completed, Some(source.uuid)));
    }
    Ok(())
}

/// Of several earlier jobs the newest is taken, one that was put away among them; a copy of a copy names the
/// job that calculated.
pub fn the_newest_earlier_one_is_taken_and_who_calculated_is_named<F: Fixture>(
    fixture: &F,
) -> Outcome {
    let (store, _) = open(fixture);
    calculated(&store, &calculation("old"), &sample_result(-1.0))?;
    let newer = calculated(&store, &calculation("newer"), &sample_result(-2.0))?;
    calculated(&store, &calculation("newest"), &NewResult::new(Convergence::NotConverged))?;
    store.archive_job(newer.id)?;
    let first = store.create_job(&calculation("first").reusing(Reuse::Converged))?;
    let second = store.create_job(&calculation("second").reusing(Reuse::Converged))?;
    let input = sample_deck("MgO").hash();
    let found = store.find_completed(&Code::Crystal, input, Reuse::Converged)?;
    assert_eq!(found.map(|job| job.id), Some(second.id));
    for job in [first, second] {
        assert_eq!(job.cached_from, Some(newer.uuid));
        let result = store.newest_result(job.id)?.map(|result| result.result);
        assert_eq!(result, Some(sample_result(-2.0)));
    }
    // Under its key, the job comes back and is no second copy.
    let keyed = calculation("keyed").with_idempotency_key("k").reusing(Reuse::Converged);
    let job = store.create_job(&keyed)?;
    assert_eq!(assert_untouched(&store, || store.create_job(&keyed))?, job);
    Ok(())
}

/// Who asks at the same moment as others gets a job of its own.
pub fn two_creations_at_once_make_two_jobs<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let source = calculated(&store, &calculation("source"), &sample_result(-1.0))?;
    let made = together(8, |thread| {
        let new = calculation(&format!("number {thread}")).reusing(Reuse::Converged);
        store.create_job(&new)
    })?;
    let mut ids: Vec<JobId> = made.iter().map(|job| job.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 8);
    for job in made {
        assert_eq!((job.status, job.cached_from), (JobStatus::Completed, Some(source.uuid)));
        assert_eq!(store.results_of(job.id)?.len(), 1);
    }
    let page = crate::query::Page::first(100)?;
    assert_eq!(store.jobs(&JobFilter::all(), page)?.jobs.len(), 9);
    Ok(())
}
