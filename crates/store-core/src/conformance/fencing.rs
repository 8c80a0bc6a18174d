//! Promises about what a worker writes under its lease: it lands while the job is the worker's, and is refused
//! once the job has gone on.

use std::sync::Arc;

use crate::claim::ClaimFilter;
use crate::error::{Error, Invalid, Noun, Result};
use crate::ids::{ClusterId, LeaseToken, RemoteJobId};
use crate::job::NewJob;
use crate::lease::{LeaseKey, LeaseLoss, Under};
use crate::policy::{FailureKind, OnLapse};
use crate::remote_job::{NewRemoteJob, RemoteJobPatch};
use crate::remote_phase::RemotePhase;
use crate::repo::{
    ClaimRead, ClaimWrite, ClusterWrite, JobRead, JobWrite, RemoteJobRead, RemoteJobWrite,
    ResultRead, ResultWrite,
};
use crate::result::Recorded;
use crate::run::{Completion, Failure, RunEnd};
use crate::status::{InitialStatus, JobStatus, StatusChange};
use crate::store::{Store, WriteUnit};
use crate::submission::Confirmation;
use crate::time::ManualClock;

use super::dump::assert_untouched;
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{
    HOUR, open, remote_ids, sample_cluster, sample_job, sample_result, sample_worker,
};

/// A run, and what its worker has written so far.
#[derive(Clone, Copy)]
struct Run {
    key: LeaseKey,
    cluster: ClusterId,
    /// Begun, and neither confirmed nor abandoned.
    intent: RemoteJobId,
    /// Active, under the handle 1.
    remote: RemoteJobId,
}

fn claim_next<S: Store>(store: &S) -> Result<LeaseKey> {
    let mut claims = store.claim(&sample_worker("w"), &ClaimFilter::all(), 1, HOUR)?;
    Ok(claims.pop().expect("something to claim").lease.key())
}

fn claim_new<S: Store>(store: &S, on_lapse: OnLapse) -> Result<LeaseKey> {
    let mut new = sample_job("MgO").queued();
    new.policy.on_lapse = Some(on_lapse);
    store.create_job(&new)?;
    claim_next(store)
}

fn begin<S: Store>(store: &S, on_lapse: OnLapse) -> Result<Run> {
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    let key = claim_new(store, on_lapse)?;
    let intent = store.begin_submission(NewRemoteJob::intended(key.job, cluster).under(key))?.id;
    let recorded = NewRemoteJob::new(key.job, cluster, "1").under(key);
    Ok(Run { key, cluster, intent, remote: store.record_submission(recorded)?.id })
}

/// A report of a worker.
type Report<W> = fn(&W, &Run) -> Result<()>;

/// All that a worker writes about its run, in an order in which all of it can land.
fn reports<W: WriteUnit>() -> [(&'static str, Report<W>); 16] {
    [
        ("check_lease", |w, run| w.check_lease(&run.key).map(drop)),
        ("update_remote_job", |w, run| {
            let finished = RemoteJobPatch::phase(RemotePhase::Finished);
            w.update_remote_job(run.remote.under(run.key), &finished).map(drop)
        }),
        ("confirm_submission", |w, run| {
            w.confirm_submission(run.intent.under(run.key), &Confirmation::new("2")).map(drop)
        }),
        ("update_remote_job", |w, run| {
            let finished = RemoteJobPatch::phase(RemotePhase::Finished);
            w.update_remote_job(run.intent.under(run.key), &finished).map(drop)
        }),
        ("begin_submission and abandon_submission", |w, run| {
            let new = NewRemoteJob::intended(run.key.job, run.cluster).under(run.key);
            let begun = w.begin_submission(new)?.id;
            w.abandon_submission(begun.under(run.key), "sbatch: error").map(drop)
        }),
        ("record_submission", |w, run| {
            let new = NewRemoteJob::new(run.key.job, run.cluster, "3").under(run.key);
            w.record_submission(new).map(drop)
        }),
        ("record_result", |w, run| w.record_result(run.key, &sample_result(-1.0)).map(drop)),
        ("replace_result", |w, run| w.replace_result(run.key, &sample_result(-2.0)).map(drop)),
        ("record_results", |w, run| w.record_results(&[(run.key, sample_result(-2.0))]).map(drop)),
        ("change_status", |w, run| {
            w.change_status(run.key, &StatusChange::to(JobStatus::Running)).map(drop)
        }),
        ("change_statuses", |w, run| {
            w.change_statuses(&[(run.key, StatusChange::to(JobStatus::Running))]).map(drop)
        }),
        ("complete", |w, run| w.complete(&run.key, &Completion::default()).map(drop)),
        ("complete_and_claim", |w, run| {
            let (done, late, all) =
                (Completion::default(), sample_worker("late"), ClaimFilter::all());
            w.complete_and_claim(&run.key, &done, &late, &all, 1, HOUR).map(drop)
        }),
        ("fail", |w, run| w.fail(&run.key, &Failure::of(FailureKind::unknown())).map(drop)),
        ("release", |w, run| w.release(&run.key, None, None).map(drop)),
        ("end_runs", |w, run| {
            let end = RunEnd::from(Failure::of(FailureKind::unknown()));
            let came_to = w.end_runs(&[(run.key, end)])?;
            came_to.into_iter().try_for_each(|came_to| {
                came_to.map(drop).map_err(|loss| Error::lease_lost(run.key, loss))
            })
        }),
    ]
}

/// Each report of a worker lands while it holds its job, also after the lease has lapsed, as long as nobody
/// has taken the job away.
pub fn what_a_worker_reports_lands_while_it_holds_the_job<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let run = begin(&store, OnLapse::Requeue)?;
    clock.advance(HOUR * 2);
    for (name, report) in reports().into_iter().take(12) {
        if let Err(refused) = report(&store, &run) {
            panic!("{name} was refused: {refused}");
        }
    }
    assert_eq!(store.job(run.key.job)?.status, JobStatus::Completed);
    let energies: Vec<_> = store.results_of(run.key.job)?.iter().map(|r| r.result.energy).collect();
    assert_eq!(energies, [sample_result(-2.0).energy]);
    let handles: Vec<_> = store
        .remote_jobs_of(run.key.job)?
        .iter()
        .map(|remote| (remote.submission.handle.clone(), remote.is_active()))
        .collect();
    let known = |handle: &str| Some(handle.to_owned());
    assert_eq!(
        handles,
        [(known("2"), false), (known("1"), false), (None, false), (known("3"), true)]
    );
    // Its end has taken the lease along.
    let late = assert_untouched(&store, || store.record_result(run.key, &sample_result(-2.0)));
    assert_refused!(late, Error::LeaseLost { .. });
    Ok(())
}

/// How a job goes on without its worker.
type Loss<S> = fn(&S, &Arc<ManualClock>, &Run) -> Result<()>;

/// How a job goes on without its worker, by what the worker is told.
fn losses<S: Store>() -> [(OnLapse, Loss<S>, LeaseLoss); 10] {
    fn recover<S: Store>(store: &S, clock: &Arc<ManualClock>) -> Result<()> {
        clock.advance(HOUR);
        store.recover_expired(10).map(|recovered| assert_eq!(recovered.len(), 1))
    }
    fn end<S: Store>(store: &S, run: &Run, status: JobStatus) -> Result<()> {
        store.change_status(run.key.job, &StatusChange::to(status)).map(drop)
    }
    use LeaseLoss::{ClaimedAgain, Deleted, Lapsed, NotRunning, ToBeProbed};
    use OnLapse::{Fail, Probe, Requeue};
    [
        (Requeue, |store, clock, _| recover(store, clock), NotRunning(JobStatus::Queued)),
        (
            Requeue,
            |store, clock, _| {
                recover(store, clock)?;
                claim_next(store).map(drop)
            },
            ClaimedAgain,
        ),
        (Fail, |store, clock, _| recover(store, clock), NotRunning(JobStatus::Failed)),
        (Probe, |store, clock, _| recover(store, clock), ToBeProbed),
        (
            Probe,
            |store, clock, run| {
                recover(store, clock)?;
                store.adopt(run.key.job, &sample_worker("finder"), HOUR).map(drop)
            },
            ClaimedAgain,
        ),
        (
            Requeue,
            |store, _, run| end(store, run, JobStatus::Cancelled),
            NotRunning(JobStatus::Cancelled),
        ),
        (
            Requeue,
            |store, _, run| end(store, run, JobStatus::Completed),
            NotRunning(JobStatus::Completed),
        ),
        (
            Requeue,
            |store, clock, run| {
                recover(store, clock)?;
                end(store, run, JobStatus::Running)
            },
            Lapsed,
        ),
        (
            Requeue,
            |store, _, run| {
                end(store, run, JobStatus::Cancelled)?;
                store.retry_job(run.key.job, InitialStatus::Queued)?;
                claim_next(store).map(drop)
            },
            ClaimedAgain,
        ),
        (
            Requeue,
            |store, _, run| {
                end(store, run, JobStatus::Cancelled)?;
                store.abandon_submission(run.intent, "the scheduler has nothing")?;
                let finished = RemoteJobPatch::phase(RemotePhase::Finished);
                store.update_remote_job(run.remote, &finished)?;
                store.delete_job(run.key.job)
            },
            Deleted,
        ),
    ]
}

/// Whichever way the job has gone on without its worker, each report of it is refused, straight and in a unit
/// of work that goes on, and nothing of it stays.
pub fn no_report_lands_once_the_job_has_gone_on<F: Fixture>(fixture: &F) -> Outcome {
    for (on_lapse, lose, why) in losses::<F::Store>() {
        let (store, clock) = open(fixture);
        let run = begin(&store, on_lapse)?;
        lose(&store, &clock, &run)?;
        // Somebody has said of the attempt just what this one says, which then changes nothing.
        let is_so = move |name: &str| {
            name.starts_with("complete") && why == LeaseLoss::NotRunning(JobStatus::Completed)
        };
        for (name, report) in reports().into_iter().filter(|(name, _)| !is_so(name)) {
            let answer = assert_untouched(&store, || report(&store, &run));
            let Err(Error::LeaseLost { key, loss, .. }) = answer else {
                panic!("{why:?}: {name} came to {answer:?}");
            };
            assert_eq!((key, loss), (run.key, why), "{name}");
        }
        assert_untouched(&store, || {
            store.write(move |w| {
                for (name, report) in reports().into_iter().filter(|(name, _)| !is_so(name)) {
                    let answer = report(w, &run);
                    assert!(matches!(answer, Err(Error::LeaseLost { .. })), "{name}: {answer:?}");
                }
                Ok(())
            })
        })?;
    }
    Ok(())
}

/// A handle that comes too late is refused, and the refusal says what to do: without the lease it is taken, for
/// its own attempt, and is to be cancelled unless it is the run of whoever has the job now.
pub fn a_handle_that_comes_too_late_is_kept_for_cancelling<F: Fixture>(fixture: &F) -> Outcome {
    for (on_lapse, lose, why) in losses::<F::Store>() {
        let (store, clock) = open(fixture);
        let run = begin(&store, on_lapse)?;
        lose(&store, &clock, &run)?;
        let answer = Confirmation::new("2");
        let intent = run.intent.under(run.key);
        let recorded = NewRemoteJob::new(run.key.job, run.cluster, "3").under(run.key);
        for refused in
            [store.confirm_submission(intent, &answer), store.record_submission(recorded.clone())]
        {
            let refused = refused.expect_err("the lease is lost").to_string();
            assert!(!refused.contains("report nothing"), "{refused}");
            assert!(refused.contains("cancel what has this handle at the scheduler"), "{refused}");
            assert_eq!(refused.contains("without_lease"), why != LeaseLoss::Deleted, "{refused}");
        }
        if why == LeaseLoss::Deleted {
            continue;
        }
        let confirmed = store.confirm_submission(intent.without_lease(), &answer)?;
        let recorded = store.record_submission(recorded.without_lease())?;
        assert_eq!((recorded.attempt, recorded.submission.attempt), (run.key.attempt, None));
        assert_eq!(store.remote_job(recorded.id)?, recorded);
        let job = store.job(run.key.job)?;
        let listed = remote_ids(&store.submissions_to_cancel(run.cluster)?);
        let is_its_run = job.attempt == run.key.attempt && job.status != JobStatus::Failed;
        let in_vain = [confirmed.id, run.remote, recorded.id].map(RemoteJobId::get);
        match (why, is_its_run) {
            (LeaseLoss::NotRunning(JobStatus::Cancelled), _) | (_, false) => {
                assert_eq!(listed, in_vain, "{why:?}");
            }
            _ => assert_eq!(listed, [0; 0], "{why:?}: it is the run of the present attempt"),
        }
        let found = store.find_remote_job(run.cluster, "2")?;
        assert_eq!(found.map(|found| found.id), Some(confirmed.id));
    }
    Ok(())
}

/// Where the submissions were removed with their cluster, a handle that comes too late is told to be cancelled
/// by the refusal itself, and the store has nothing that it could be reported of.
pub fn a_handle_of_a_cluster_that_is_gone_is_not_taken<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let run = begin(&store, OnLapse::Requeue)?;
    let answer = Confirmation::new("2");
    let intent = run.intent.under(run.key);
    let recorded = NewRemoteJob::new(run.key.job, run.cluster, "3").under(run.key);
    store.change_status(run.key.job, &StatusChange::to(JobStatus::Cancelled))?;
    assert_eq!(store.force_delete_cluster(run.cluster)?.submissions, 2);
    for refused in
        [store.confirm_submission(intent, &answer), store.record_submission(recorded.clone())]
    {
        let refused = refused.expect_err("the job was cancelled").to_string();
        assert!(refused.contains("cancel what has this handle at the scheduler"), "{refused}");
    }
    assert_refused!(
        assert_untouched(&store, || store.confirm_submission(intent.without_lease(), &answer)),
        Error::NotFound { noun: Noun::RemoteJob, .. }
    );
    assert_refused!(
        assert_untouched(&store, || store.record_submission(recorded.without_lease())),
        Error::NotFound { noun: Noun::Cluster, .. }
    );
    // It has no submission any more.
    store.delete_job(run.key.job)?;
    Ok(())
}

/// The lease on one job lets nothing in that is about another, nor does a token that was never given.
pub fn a_lease_is_good_for_its_own_job_alone<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let run = begin(&store, OnLapse::Requeue)?;
    let other = claim_new(&store, OnLapse::Requeue)?;
    let elsewhere = Run { key: other, ..run };
    let crossed = Under { what: run.key.job, lease: Some(other) };
    let running = StatusChange::to(JobStatus::Running);
    let finished = RemoteJobPatch::phase(RemotePhase::Finished);
    let new = NewRemoteJob::new(run.key.job, run.cluster, "3");
    let intent = NewRemoteJob::intended(run.key.job, run.cluster);
    let answers = assert_untouched(&store, || {
        [
            store.record_result(crossed, &sample_result(-1.0)).map(drop),
            store.replace_result(crossed, &sample_result(-1.0)).map(drop),
            store.record_results(&[(crossed, sample_result(-1.0))]).map(drop),
            store.change_status(crossed, &running).map(drop),
            store.change_statuses(&[(crossed, running.clone())]).map(drop),
            store.record_submission(new.clone().under(other)).map(drop),
            store.begin_submission(intent.clone().under(other)).map(drop),
            store.confirm_submission(run.intent.under(other), &Confirmation::new("2")).map(drop),
            store.abandon_submission(run.intent.under(other), "not there").map(drop),
            store.update_remote_job(run.remote.under(other), &finished).map(drop),
        ]
    });
    for answer in answers {
        assert_refused!(answer, Error::Invalid(Invalid { field: "lease", .. }));
    }
    for key in [
        LeaseKey { token: LeaseToken::new(run.key.token.get() + 1), ..run.key },
        LeaseKey { attempt: run.key.attempt + 1, ..run.key },
    ] {
        for (name, report) in reports() {
            let answer = assert_untouched(&store, || report(&store, &Run { key, ..run }));
            assert!(matches!(answer, Err(Error::LeaseLost { .. })), "{name}: {answer:?}");
        }
    }
    assert_eq!(store.check_lease(&elsewhere.key)?.key(), other, "nobody took it");
    Ok(())
}

/// Many results may each be under a lease of its own, or under none; when one lease is lost, none of them is
/// recorded, and the error names that one.
pub fn of_many_results_none_lands_when_one_lease_is_lost<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let lost = claim_new(&store, OnLapse::Requeue)?;
    clock.advance(HOUR);
    store.recover_expired(1)?;
    let held = claim_new(&store, OnLapse::Requeue)?;
    let alone = store.create_job(&NewJob { priority: -1, ..sample_job("alone") })?.id;
    let result = |energy| sample_result(energy);
    let all = [
        (Under::from(held), result(-1.0)),
        (Under::from(alone), result(-2.0)),
        (Under::from(lost), result(-3.0)),
    ];
    let within = all.clone();
    for answer in [
        assert_untouched(&store, || store.record_results(&all)),
        assert_untouched(&store, || store.write(move |w| Ok(w.record_results(&within))))?,
    ] {
        assert_refused!(answer, Error::LeaseLost { key, .. } if key == lost);
    }
    assert_eq!(store.record_results(&all[..2])?, [Recorded::Stored; 2]);
    for (job, energy) in [(held.job, -1.0), (alone, -2.0)] {
        let stored = store.newest_result(job)?.map(|stored| stored.result);
        assert_eq!(stored, Some(result(energy)));
    }
    Ok(())
}
