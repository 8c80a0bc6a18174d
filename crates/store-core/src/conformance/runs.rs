//! Promises about how runs end, and about attempts.

use std::time::Duration;

use crate::attempt::{Attempt, AttemptOutcome};
use crate::claim::ClaimFilter;
use crate::cluster::{ClusterLimits, NewCluster};
use crate::dependency::{DependencyKind, Readiness};
use crate::error::{Error, Result};
use crate::event::EventKind;
use crate::job::NewJob;
use crate::lease::{Heartbeat, Lease};
use crate::policy::{Backoff, FailureKind, JobPolicy, OnLapse, OnUnsatisfiable};
use crate::repo::{
    ClaimRead, ClaimWrite, ClusterWrite, DependencyRead, EventRead, JobRead, JobWrite, ResultRead,
    ResultWrite,
};
use crate::run::{Cancellation, Completion, Ended, Failure};
use crate::status::{InitialStatus, JobStatus, StatusChange};
use crate::store::Store;
use crate::time::ManualClock;
use crate::worker::Process;

use super::dump::assert_untouched;
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{
    HOUR, job_in, open, sample_cluster, sample_job, sample_result, sample_worker, tick,
};

fn claim_next<S: Store>(store: &S) -> Result<Lease> {
    let mut claims = store.claim(&sample_worker("w"), &ClaimFilter::all(), 1, HOUR)?;
    Ok(claims.pop().expect("something to claim").lease)
}

fn claim_new<S: Store>(store: &S, new: NewJob) -> Result<Lease> {
    store.create_job(&new.queued())?;
    claim_next(store)
}

fn kind(word: &str) -> FailureKind {
    word.parse().expect("a word")
}

/// A completion ends the job with its result, in one step.
pub fn a_completion_lands_with_its_result<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let lease = claim_new(&store, sample_job("MgO"))?;
    let now = tick(&clock);
    let completion = Completion { exit_code: Some(0), ..Completion::with(sample_result(-1.5)) };
    let ended = store.complete(&lease.key(), &completion)?;
    assert_eq!(ended, Ended::Finally(JobStatus::Completed));
    let job = store.job(lease.job)?;
    assert_eq!((job.status, job.finished_at), (JobStatus::Completed, Some(now)));
    let result = store.newest_result(lease.job)?.expect("a result");
    assert_eq!((result.attempt, result.result), (1, sample_result(-1.5)));
    let event = store.history(lease.job)?.pop().expect("an event");
    assert_eq!(event.to, Some(JobStatus::Completed));
    assert_eq!(event.detail["exit_code"], 0);
    assert_eq!(store.leases()?, []);
    Ok(())
}

/// An end and the next claim land together, and what the end sets free is claimed: the place in the cluster,
/// and the job that waited for it.
pub fn an_end_and_the_next_claim_land_together<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let one = ClusterLimits { max_running: Some(1), ..ClusterLimits::default() };
    let cluster = store.create_cluster(&NewCluster { limits: one, ..sample_cluster("small") })?.id;
    let on_cluster = |new: NewJob| NewJob { cluster: Some(cluster), ..new.queued() };
    let first = store.create_job(&on_cluster(sample_job("MgO")))?.id;
    let after = sample_job("CaO").after(first, DependencyKind::AfterOk);
    let second = store.create_job(&on_cluster(after))?.id;
    let lease = claim_next(&store)?;
    let (worker, filter, now) = (sample_worker("w"), ClaimFilter::all(), tick(&clock));
    let completion = Completion::with(sample_result(-1.5));
    let (ended, claims) =
        store.complete_and_claim(&lease.key(), &completion, &worker, &filter, 10, HOUR)?;
    assert_eq!(ended, Ended::Finally(JobStatus::Completed));
    let claimed: Vec<_> = claims.iter().map(|claim| (claim.job.id, claim.job.status)).collect();
    assert_eq!(claimed, [(second, JobStatus::Running)]);
    assert_eq!(store.leases()?, [claims[0].lease.clone()]);
    assert_eq!(store.newest_result(first)?.expect("a result").result, sample_result(-1.5));
    assert_eq!((store.job(first)?.finished_at, claims[0].job.started_at), (Some(now), Some(now)));

    // With nothing to claim, the run has ended all the same.
    let key = claims[0].lease.key();
    let nothing = store.complete_and_claim(&key, &completion, &worker, &filter, 1, HOUR)?;
    assert_eq!(nothing, (Ended::Finally(JobStatus::Completed), vec![]));
    // The same report again takes no job that the worker would not know of.
    store.create_job(&sample_job("SrO").queued())?;
    let again = assert_untouched(&store, || {
        store.complete_and_claim(&key, &completion, &worker, &filter, 1, HOUR)
    })?;
    assert_eq!(again, (Ended::Repeated, vec![]));
    Ok(())
}

/// The same report again changes nothing and says so, even after the job has gone on; another one is refused.
pub fn the_same_report_twice_counts_once<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let lease = claim_new(&store, sample_job("MgO"))?;
    let completion = Completion::with(sample_result(-1.0));
    store.complete(&lease.key(), &completion)?;
    let again = assert_untouched(&store, || store.complete(&lease.key(), &completion))?;
    assert_eq!(again, Ended::Repeated);
    let failure = Failure::of(kind("timeout")).because("too slow");
    assert_refused!(store.fail(&lease.key(), &failure), Error::LeaseLost { .. });

    let mut new = sample_job("CaO");
    new.policy.max_attempts = 2;
    let first = claim_new(&store, new)?;
    store.fail(&first.key(), &failure)?;
    let again = assert_untouched(&store, || store.fail(&first.key(), &failure))?;
    assert_eq!(again, Ended::Repeated);
    let second = claim_next(&store)?;
    let again = assert_untouched(&store, || store.fail(&first.key(), &failure))?;
    assert_eq!(again, Ended::Repeated, "after the next claim too");
    assert_eq!(store.job(second.job)?.status, JobStatus::Running);
    assert_refused!(store.complete(&first.key(), &completion), Error::LeaseLost { .. });
    store.release(&second.key(), None, None)?;
    let again = assert_untouched(&store, || store.release(&second.key(), None, None))?;
    assert_eq!(again, Ended::Repeated);
    Ok(())
}

/// A failure is tried again as often as the job's policy says, after the pauses that it says, and not where
/// its kind is final.
pub fn a_failure_is_tried_again_as_the_policy_says<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let mut new = sample_job("MgO");
    new.policy.max_attempts = 3;
    new.policy.backoff =
        Backoff::Exponential { first_seconds: 10, longest_seconds: 60, jitter_percent: 0 };
    new.policy.not_retried = [kind("bad_input")].into();
    let failure = Failure { exit_code: Some(137), ..Failure::of(kind("out_of_memory")) };
    let mut lease = claim_new(&store, new.clone())?;
    for (attempt, pause) in [(1, 10), (2, 20)] {
        let now = tick(&clock);
        let not_before = now + Duration::from_secs(pause);
        let ended = store.fail(&lease.key(), &failure)?;
        let next = attempt + 1;
        assert_eq!(ended, Ended::Requeued { attempt: next, not_before: Some(not_before) });
        let job = store.job(lease.job)?;
        assert_eq!((job.status, job.attempt), (JobStatus::Queued, next));
        assert_eq!((job.not_before, job.queued_at), (Some(not_before), Some(now)));
        assert_eq!((job.started_at, job.pid, &job.host), (None, None, &None));
        let event = store.history(lease.job)?.pop().expect("an event");
        assert_eq!((event.kind, event.subject.attempt()), (EventKind::Requeued, Some(attempt)));
        assert_eq!((event.from, event.to), (Some(JobStatus::Running), Some(JobStatus::Queued)));
        assert_eq!(event.detail["failure_kind"], "out_of_memory");
        assert!(!store.can_claim(&ClaimFilter::all())?);
        clock.advance(Duration::from_secs(pause));
        lease = claim_next(&store)?;
        assert_eq!(lease.attempt, next);
    }
    let ended = store.fail(&lease.key(), &failure)?;
    assert_eq!(ended, Ended::Finally(JobStatus::Failed));

    let lease = claim_new(&store, new)?;
    let ended = store.fail(&lease.key(), &Failure::of(kind("bad_input")))?;
    assert_eq!(ended, Ended::Finally(JobStatus::Failed));
    Ok(())
}

/// A retry by hand gives one more attempt, whatever the policy has counted.
pub fn a_retry_by_hand_gives_one_more_attempt<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let lease = claim_new(&store, sample_job("MgO"))?;
    let failure = Failure::of(kind("timeout"));
    assert_eq!(store.fail(&lease.key(), &failure)?, Ended::Finally(JobStatus::Failed));
    let retried = store.retry_job(lease.job, InitialStatus::Queued)?;
    assert_eq!((retried.attempt, retried.not_before), (2, None));
    let lease = claim_next(&store)?;
    assert_eq!(lease.attempt, 2);
    assert_eq!(store.fail(&lease.key(), &failure)?, Ended::Finally(JobStatus::Failed));
    Ok(())
}

/// A job that is given back is queued again, from the time that is said, and no policy counts it.
pub fn a_job_that_is_given_back_is_not_counted_as_failed<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let mut lease = claim_new(&store, sample_job("MgO"))?;
    for attempt in 2..6 {
        let later = tick(&clock) + HOUR;
        let ended = store.release(&lease.key(), Some("node drained"), Some(later))?;
        assert_eq!(ended, Ended::Requeued { attempt, not_before: Some(later) });
        assert!(!store.can_claim(&ClaimFilter::all())?);
        clock.advance(HOUR);
        lease = claim_next(&store)?;
    }
    let ended = store.complete(&lease.key(), &Completion::default())?;
    assert_eq!(ended, Ended::Finally(JobStatus::Completed));
    Ok(())
}

/// Each attempt keeps its own times, worker, outcome and reason; nothing is overwritten.
pub fn each_attempt_is_kept_as_it_was<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let mut new = sample_job("MgO");
    new.policy.max_attempts = 2;
    let id = store.create_job(&new.queued())?.id;
    let process = || Some(Process { host: "node-17".to_owned(), pid: 1_234 });
    let queued = [store.job(id)?.queued_at];
    let present = store.attempts_of(id)?;
    assert_eq!(present.len(), 1);
    assert_eq!((present[0].outcome, present[0].started_at), (None, None));

    let started = tick(&clock);
    let lease = claim_next(&store)?;
    let failed = tick(&clock);
    let failure = Failure {
        exit_code: Some(9),
        result: Some(sample_result(-0.5)),
        ..Failure::of(kind("not_converged")).because("100 cycles")
    };
    store.fail(&lease.key(), &failure)?;
    let first = Attempt {
        job: id,
        attempt: 1,
        outcome: Some(AttemptOutcome::Failed),
        failure_kind: Some(kind("not_converged")),
        reason: Some("100 cycles".to_owned()),
        exit_code: Some(9),
        token: Some(lease.token),
        worker: Some("w".to_owned()),
        process: process(),
        queued_at: queued[0],
        started_at: Some(started),
        ended_at: Some(failed),
    };
    assert_eq!(store.attempts_of(id)?[0], first);
    let lease = claim_next(&store)?;
    tick(&clock);
    store.release(&lease.key(), None, None)?;
    store.change_status(id, &StatusChange::to(JobStatus::Cancelled).because("enough"))?;
    store.retry_job(id, InitialStatus::Queued)?;
    let lease = claim_next(&store)?;
    store.complete(&lease.key(), &Completion::with(sample_result(-1.0)))?;

    let attempts = store.attempts_of(id)?;
    assert_eq!(attempts[0], first, "as it was");
    let told: Vec<_> =
        attempts.iter().map(|a| (a.attempt, a.outcome, a.reason.as_deref())).collect();
    assert_eq!(
        told,
        [
            (1, Some(AttemptOutcome::Failed), Some("100 cycles")),
            (2, Some(AttemptOutcome::Released), None),
            (3, Some(AttemptOutcome::Cancelled), Some("enough")),
            (4, Some(AttemptOutcome::Completed), None),
        ]
    );
    let results: Vec<_> = store.results_of(id)?.into_iter().map(|r| r.attempt).collect();
    assert_eq!(results, [1, 4]);
    Ok(())
}

/// A claimed run that is put back by a plain change of status is an attempt of its own, as one that is given back: the
/// next worker overwrites nothing of it.
pub fn a_claimed_run_that_is_put_back_is_kept<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let back = StatusChange::to(JobStatus::Queued).because("the node goes down");
    let started = tick(&clock);
    let lease = claim_new(&store, sample_job("MgO"))?;
    store.record_result(lease.key(), &sample_result(-1.0))?;
    store.request_cancel(lease.job, None)?;
    let ended = tick(&clock);
    store.change_status(lease.key(), &back)?;
    assert_eq!((store.job(lease.job)?.attempt, store.leases()?), (2, vec![]));
    let again = tick(&clock);
    let next = claim_next(&store)?;
    assert_eq!((next.job, store.jobs_to_cancel(10)?), (lease.job, vec![]));
    store.complete(&next.key(), &Completion::with(sample_result(-2.0)))?;
    let attempts = store.attempts_of(lease.job)?;
    let facts = |a: &Attempt| (a.outcome, a.token, a.started_at, a.reason.clone());
    let reason = back.reason.clone();
    assert_eq!(
        attempts.iter().map(facts).collect::<Vec<_>>(),
        [
            (Some(AttemptOutcome::Released), Some(lease.token), Some(started), reason),
            (Some(AttemptOutcome::Completed), Some(next.token), Some(again), None),
        ]
    );
    assert_eq!(attempts[0].ended_at, Some(ended));
    assert_eq!(store.results_of(lease.job)?.len(), 2);
    Ok(())
}

/// A request to cancel ends a job that has not started, and tells a run to stop, which keeps its lease until
/// its worker reports.
pub fn a_run_that_is_to_stop_is_told_and_reported<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    for status in [JobStatus::Pending, JobStatus::Queued] {
        let id = job_in(&store, "not started", status)?.id;
        assert_eq!(store.request_cancel(id, Some("typo"))?, Cancellation::Cancelled);
        assert_eq!(store.job(id)?.status, JobStatus::Cancelled);
        let again = assert_untouched(&store, || store.request_cancel(id, None))?;
        assert_eq!(again, Cancellation::AlreadyEnded);
    }
    let lease = claim_new(&store, sample_job("MgO"))?;
    let now = tick(&clock);
    assert_eq!(store.request_cancel(lease.job, Some("typo"))?, Cancellation::Requested);
    let again = assert_untouched(&store, || store.request_cancel(lease.job, None))?;
    assert_eq!(again, Cancellation::AlreadyRequested);
    let job = store.job(lease.job)?;
    assert_eq!((job.status, job.cancel_requested_at), (JobStatus::Running, Some(now)));
    assert_eq!(store.jobs_to_cancel(10)?, [job]);
    let beat = store.heartbeat(&[lease.key()], HOUR)?.remove(0);
    assert!(matches!(beat, Heartbeat::Renewed { cancel_requested: true, .. }), "{beat:?}");
    let stopped = StatusChange::to(JobStatus::Cancelled);
    store.change_status(lease.key(), &stopped)?;
    let job = store.job(lease.job)?;
    assert_eq!((job.status, job.cancel_requested_at), (JobStatus::Cancelled, None));
    assert_eq!(store.jobs_to_cancel(10)?, []);
    Ok(())
}

/// A run that is to stop is not tried again when it fails, is given back or is lost, and is no failure that others wait
/// for, whatever its policy says.
pub fn a_run_that_is_to_stop_is_not_tried_again<F: Fixture>(fixture: &F) -> Outcome {
    type End<S> = fn(&S, &Lease) -> Result<Ended>;
    let ends: [(End<F::Store>, JobStatus); 4] = [
        (
            |store, lease| store.fail(&lease.key(), &Failure::of(kind("killed"))),
            JobStatus::Cancelled,
        ),
        (|store, lease| store.release(&lease.key(), None, None), JobStatus::Cancelled),
        (|store, lease| Ok(store.recover_lost(&[lease.key()])?[0].came_to), JobStatus::Cancelled),
        // It was too late.
        (|store, lease| store.complete(&lease.key(), &Completion::default()), JobStatus::Completed),
    ];
    let policies = [
        JobPolicy { max_attempts: 9, ..JobPolicy::default() },
        JobPolicy::default(),
        JobPolicy { not_retried: [kind("killed")].into(), max_attempts: 9, ..JobPolicy::default() },
        JobPolicy { on_lapse: Some(OnLapse::Fail), ..JobPolicy::default() },
    ];
    for ((end, expected), policy) in
        ends.into_iter().flat_map(|end| policies.clone().map(|policy| (end, policy)))
    {
        let (store, _) = open(fixture);
        let lease = claim_new(&store, NewJob { policy, ..sample_job("MgO") })?;
        let rescue = sample_job("rescue").after(lease.job, DependencyKind::AfterFailed).queued();
        let rescue = store.create_job(&rescue)?.id;
        store.request_cancel(lease.job, None)?;
        assert_eq!(end(&store, &lease)?, Ended::Finally(expected));
        let job = store.job(lease.job)?;
        assert_eq!((job.status, job.cancel_requested_at), (expected, None));
        let readiness = store.readiness(rescue)?;
        assert!(matches!(readiness, Readiness::Unsatisfiable(_)), "{readiness:?}");
    }
    Ok(())
}

/// A report that comes after a lapse was not taken before, also where the lapse counts as a failure.
pub fn a_failure_after_a_lapse_is_no_repetition<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let policy = JobPolicy { on_lapse: Some(OnLapse::Fail), ..JobPolicy::default() };
    let lease = claim_new(&store, NewJob { policy, ..sample_job("MgO") })?;
    clock.advance(HOUR);
    assert_eq!(store.recover_expired(10)?.len(), 1);
    let late = store.fail(&lease.key(), &Failure::of(FailureKind::unknown()));
    assert_refused!(late, Error::LeaseLost { .. });
    Ok(())
}

/// Whoever ends a run is told what became of the job, also where it can no longer start again.
pub fn the_end_of_a_run_tells_of_a_cancellation<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let parent = store.create_job(&sample_job("MgO"))?.id;
    let be = |status| store.change_status(parent, &StatusChange::to(status));
    let policy = JobPolicy {
        max_attempts: 9,
        on_unsatisfiable: OnUnsatisfiable::Cancel,
        ..JobPolicy::default()
    };
    type End<S> = fn(&S, &Lease, &ManualClock) -> Result<Ended>;
    let ends: [End<F::Store>; 3] = [
        |store, lease, _| store.fail(&lease.key(), &Failure::of(FailureKind::unknown())),
        |store, lease, _| store.release(&lease.key(), None, None),
        |store, _, clock| {
            clock.advance(HOUR);
            Ok(store.recover_expired(1)?.remove(0).came_to)
        },
    ];
    let mut leases = Vec::new();
    be(JobStatus::Failed)?;
    for name in ["fails", "is released", "lapses"] {
        let waits = sample_job(name).after(parent, DependencyKind::AfterFailed);
        leases.push(claim_new(&store, NewJob { policy: policy.clone(), ..waits })?);
    }
    store.retry_job(parent, InitialStatus::Queued)?;
    be(JobStatus::Completed)?;
    for (end, lease) in ends.iter().zip(&leases) {
        assert_eq!(end(&store, lease, &clock)?, Ended::Finally(JobStatus::Cancelled));
        assert_eq!(store.job(lease.job)?.status, JobStatus::Cancelled);
    }
    Ok(())
}
