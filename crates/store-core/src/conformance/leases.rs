//! Promises about leases.

use std::sync::Arc;
use std::time::Duration;

use crate::claim::{ClaimFilter, Explanation};
use crate::code::Runner;
use crate::error::{Error, Result};
use crate::event::EventKind;
use crate::ids::{JobId, LeaseToken};
use crate::job::NewJob;
use crate::lease::{Claim, Heartbeat, Lease, LeaseKey, LeaseLoss};
use crate::policy::OnLapse;
use crate::remote_job::NewRemoteJob;
use crate::repo::{
    ClaimRead, ClaimWrite, ClusterWrite, EventRead, EventWrite, JobRead, JobWrite, RemoteJobRead,
    RemoteJobWrite, ResultRead, ResultWrite,
};
use crate::run::{Completion, Ended, Failure};
use crate::status::{JobStatus, StatusChange};
use crate::store::Store;
use crate::time::{Clock, ManualClock, Timestamp};

use super::dump::assert_untouched;
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{
    HOUR, job_in, open, sample_cluster, sample_job, sample_result, sample_worker, tick,
};

fn claim_new<S: Store>(store: &S, new: NewJob) -> Result<Lease> {
    store.create_job(&new.queued())?;
    claim_next(store)
}

fn claim_next<S: Store>(store: &S) -> Result<Lease> {
    let mut claims = store.claim(&sample_worker("w"), &ClaimFilter::all(), 1, HOUR)?;
    Ok(claims.pop().expect("something to claim").lease)
}

/// A heartbeat renews each lease from now on, until the moment at which it lapses, and writes no event.
pub fn a_heartbeat_renews_a_lease_until_it_lapses<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let (one, other) =
        (claim_new(&store, sample_job("one"))?, claim_new(&store, sample_job("other"))?);
    let events = store.history(one.job)?.len();
    clock.advance(HOUR - Duration::from_micros(1));
    let now = clock.now();
    let beats = store.heartbeat(&[one.key()], HOUR)?;
    let renewed = Lease { expires_at: now + HOUR, ..one.clone() };
    assert_eq!(beats, [Heartbeat::Renewed { lease: renewed.clone(), cancel_requested: false }]);
    assert_eq!(store.lease_of(one.job)?, Some(renewed.clone()));
    assert_eq!(store.history(one.job)?.len(), events);
    clock.advance(Duration::from_micros(1));
    let beats = store.heartbeat(&[other.key(), one.key(), other.key()], HOUR)?;
    assert_eq!(beats[0], Heartbeat::Lost(LeaseLoss::Lapsed));
    assert!(matches!(&beats[1], Heartbeat::Renewed { lease, .. } if lease.token == one.token));
    assert_eq!(beats[2], beats[0]);
    assert_eq!(store.lease_of(other.job)?, Some(other), "it can still be shown");
    Ok(())
}

/// A lease that has lapsed is good until somebody takes the job away; then everything that its worker
/// writes is refused, and nothing of it stays: neither what it writes by its key, nor what it writes in one
/// unit of work with a look at its lease, before or after.
pub fn whoever_lost_a_lease_is_refused<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let cluster = store.create_cluster(&sample_cluster("busy"))?.id;
    let submit = |key: LeaseKey| {
        store.write(move |w| {
            w.check_lease(&key)?;
            w.record_result(key.job, &sample_result(-1.0))?;
            w.begin_submission(NewRemoteJob::intended(key.job, cluster))
        })
    };
    let old = claim_new(&store, sample_job("MgO"))?.key();
    clock.advance(HOUR * 2);
    assert_eq!(store.check_lease(&old)?.key(), old);
    assert_eq!(store.recover_expired(10)?.len(), 1);

    let refused = |why: LeaseLoss| {
        let completion = Completion::with(sample_result(-1.0));
        let change = StatusChange::to(JobStatus::Completed);
        let note = |store: &F::Store| {
            store.write(move |w| {
                w.add_note(old.job, "a note of the past")?;
                w.record_result(old.job, &sample_result(-1.0))?;
                w.check_lease(&old)
            })
        };
        let answers = assert_untouched(&store, || {
            [
                store.complete(&old, &completion).map(drop),
                store.fail(&old, &Failure::of("timeout".parse().expect("a word"))).map(drop),
                store.release(&old, None, None).map(drop),
                store.change_status(old, &change).map(drop),
                store.check_lease(&old).map(drop),
                note(&store).map(drop),
                submit(old).map(drop),
            ]
        });
        for answer in answers {
            assert_refused!(answer, Error::LeaseLost { key, loss, .. } if key == old && loss == why);
        }
        let beats = store.heartbeat(&[old], HOUR).expect("an answer");
        assert_eq!(beats, [Heartbeat::Lost(why)]);
    };
    refused(LeaseLoss::NotRunning(JobStatus::Queued));
    let new = claim_next(&store)?;
    assert!(new.token > old.token, "the token grows with every claim");
    assert_eq!((new.job, new.attempt), (old.job, old.attempt + 1));
    refused(LeaseLoss::ClaimedAgain);
    store.complete(&new.key(), &Completion::default())?;
    refused(LeaseLoss::NotRunning(JobStatus::Completed));

    let stranger = LeaseKey { job: JobId::new(999), attempt: 1, token: LeaseToken::new(1) };
    let nobody = store.complete(&stranger, &Completion::default());
    assert_refused!(nobody, Error::LeaseLost { loss: LeaseLoss::Deleted, .. });

    // Of whoever holds the lease, the same unit lands whole.
    let holder = claim_new(&store, sample_job("CaO"))?.key();
    let intent = submit(holder)?;
    assert_eq!(store.newest_remote_job(holder.job)?, Some(intent));
    assert!(store.newest_result(holder.job)?.is_some());
    Ok(())
}

/// A change of status that is not the worker's takes its lease away.
pub fn a_lease_ends_with_its_run<F: Fixture>(fixture: &F) -> Outcome {
    for end in [JobStatus::Queued, JobStatus::Completed, JobStatus::Failed, JobStatus::Cancelled] {
        let (store, _) = open(fixture);
        let key = claim_new(&store, sample_job("MgO"))?.key();
        store.change_status(key.job, &StatusChange::to(end))?;
        assert_eq!(store.lease_of(key.job)?, None, "{end}");
        assert_eq!(store.leases()?, []);
        assert_refused!(store.check_lease(&key), Error::LeaseLost { .. });
    }
    Ok(())
}

/// A recovery takes the jobs away whose leases have lapsed, those that lapsed first first, and no other.
pub fn a_recovery_never_touches_a_live_lease<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let worker = sample_worker("w");
    let mut leases = Vec::new();
    for minutes in [3, 1, 2, 9] {
        store.create_job(&sample_job("job").queued())?;
        let length = Duration::from_secs(60 * minutes);
        let Claim { lease, .. } = store.claim(&worker, &ClaimFilter::all(), 1, length)?.remove(0);
        leases.push(lease);
    }
    assert_eq!(assert_untouched(&store, || store.recover_expired(10))?, []);
    clock.advance(Duration::from_secs(180));
    let first = store.recover_expired(1)?;
    assert_eq!(first.iter().map(|r| &r.lease).collect::<Vec<_>>(), [&leases[1]]);
    let others = store.recover_expired(10)?;
    let recovered: Vec<_> = others.iter().map(|r| &r.lease).collect();
    assert_eq!(recovered, [&leases[2], &leases[0]]);
    for recovered in first.iter().chain(&others) {
        assert_eq!(recovered.job, recovered.lease.job);
        assert_eq!(recovered.came_to, Ended::Requeued { attempt: 2, not_before: None });
        assert_eq!(store.job(recovered.job)?.status, JobStatus::Queued);
    }
    assert_eq!(assert_untouched(&store, || store.recover_expired(10))?, []);
    assert_eq!(store.leases()?, [leases[3].clone()]);
    Ok(())
}

/// A job whose lease lapsed is queued again, fails, or waits to be looked for, as its policy says; unless it
/// says, a local job is queued again and one of another machine is looked for first.
pub fn a_lapse_goes_by_the_jobs_own_policy<F: Fixture>(fixture: &F) -> Outcome {
    let cases = [
        (Runner::Local, None, JobStatus::Queued),
        (Runner::Slurm, None, JobStatus::Running),
        (Runner::Ssh, None, JobStatus::Running),
        (Runner::Slurm, Some(OnLapse::Requeue), JobStatus::Queued),
        (Runner::Local, Some(OnLapse::Fail), JobStatus::Failed),
        (Runner::Local, Some(OnLapse::Probe), JobStatus::Running),
    ];
    for (runner, on_lapse, expected) in cases {
        let (store, clock) = open(fixture);
        let mut new = NewJob { runner, ..sample_job("MgO") };
        new.policy.on_lapse = on_lapse;
        let key = claim_new(&store, new)?.key();
        clock.advance(HOUR);
        let now = tick(&clock);
        let came_to = store.recover_expired(10)?.remove(0).came_to;
        let job = store.job(key.job)?;
        assert_eq!(job.status, expected, "{runner} {on_lapse:?}");
        assert_eq!(store.lease_of(key.job)?, None);
        let event = store.history(key.job)?.pop().expect("an event");
        assert!(event.detail["reason"].as_str().is_some_and(|why| why.contains("was lost")));
        match expected {
            JobStatus::Running => {
                assert_eq!((came_to, event.kind), (Ended::ToBeProbed, EventKind::ProbeNeeded));
                assert_eq!((job.probe_since, job.attempt), (Some(now), 1));
                assert_eq!(store.jobs_to_probe(10)?, [job]);
                let why = Explanation::Unheld { probe_since: Some(now) };
                assert_eq!(store.explain(key.job)?, why);
                let beats = store.heartbeat(&[key], HOUR)?;
                assert_eq!(beats, [Heartbeat::Lost(LeaseLoss::ToBeProbed)]);
                assert!(!store.can_claim(&ClaimFilter::all())?, "it may still run");
            }
            JobStatus::Failed => {
                assert_eq!(came_to, Ended::Finally(JobStatus::Failed));
                assert_eq!(event.detail["failure_kind"], "lease_lapsed");
            }
            _ => assert_eq!(came_to, Ended::Requeued { attempt: 2, not_before: None }),
        }
    }
    Ok(())
}

/// Whoever finds a lost run takes it over, in the same attempt, and reports on it like on any other.
pub fn a_lost_run_that_is_found_is_adopted<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let old = claim_new(&store, NewJob { runner: Runner::Slurm, ..sample_job("MgO") })?.key();
    let finder = sample_worker("finder");
    let held = assert_untouched(&store, || store.adopt(old.job, &finder, HOUR));
    assert_refused!(held, Error::NotAllowed { .. });
    clock.advance(HOUR);
    store.recover_expired(1)?;
    let now = tick(&clock);
    let Claim { job, lease } = store.adopt(old.job, &finder, HOUR)?;
    assert_eq!((job.status, job.attempt, job.probe_since), (JobStatus::Running, 1, None));
    assert!(lease.token > old.token);
    assert_eq!((&lease.worker, lease.claimed_at), (&finder, now));
    assert_eq!(store.jobs_to_probe(10)?, []);
    assert_refused!(store.complete(&old, &Completion::default()), Error::LeaseLost { .. });
    let ended = store.complete(&lease.key(), &Completion::default())?;
    assert_eq!(ended, Ended::Finally(JobStatus::Completed));
    assert_eq!(store.attempts_of(old.job)?.len(), 1);

    // A run that was started without a claim can be taken over too, and nothing else.
    let alone = job_in(&store, "alone", JobStatus::Running)?.id;
    assert_eq!(store.adopt(alone, &finder, HOUR)?.lease.token, LeaseToken::new(1));
    for status in [JobStatus::Pending, JobStatus::Queued, JobStatus::Failed] {
        let id = job_in(&store, "other", status)?.id;
        assert_refused!(store.adopt(id, &finder, HOUR), Error::NotAllowed { .. });
    }
    Ok(())
}

/// The leases of workers that are known to be gone are taken away at once; keys of the past are passed over.
pub fn what_a_dead_worker_held_is_recovered_at_once<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let dead = claim_new(&store, sample_job("dead"))?;
    let alive = claim_new(&store, sample_job("alive"))?;
    let past = LeaseKey { token: LeaseToken::new(99), ..alive.key() };
    let recovered = store.recover_lost(&[past, dead.key(), dead.key()])?;
    assert_eq!(recovered.len(), 1);
    assert_eq!((&recovered[0].lease, recovered[0].job), (&dead, dead.job));
    assert_eq!(store.leases()?, [alive]);
    Ok(())
}

/// A job that takes its workers down is not queued for ever.
pub fn a_job_that_is_lost_too_often_fails<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let mut new = sample_job("poison");
    new.policy.max_lapses = 2;
    let id = claim_new(&store, new)?.job;
    for lapse in 1..=3 {
        clock.advance(HOUR);
        let came_to = store.recover_expired(1)?.remove(0).came_to;
        if lapse <= 2 {
            assert_eq!(came_to, Ended::Requeued { attempt: lapse + 1, not_before: None });
            claim_next(&store)?;
        } else {
            assert_eq!(came_to, Ended::Finally(JobStatus::Failed));
        }
    }
    assert_eq!(store.job(id)?.status, JobStatus::Failed);
    assert_eq!(store.attempts_of(id)?.len(), 3);
    Ok(())
}

/// A clock that was set back to before the claim ends no lease before it began, and loses none.
pub fn a_lease_is_renewed_though_the_clock_was_set_back<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    store.create_job(&sample_job("MgO").queued())?;
    let mut claims = store.claim(&sample_worker("w"), &ClaimFilter::all(), 1, HOUR)?;
    let lease = claims.pop().expect("a claim").lease;
    let earlier = Arc::new(ManualClock::at(Timestamp::from_micros(0)));
    assert!(earlier.now() < lease.claimed_at && clock.now() == lease.claimed_at);
    let Some(store) = fixture.reopen(store, earlier) else { return Ok(()) };
    let beat = store.heartbeat(&[lease.key()], HOUR)?.remove(0);
    let Heartbeat::Renewed { lease: renewed, .. } = beat else { panic!("lost: {beat:?}") };
    assert_eq!(renewed.expires_at, lease.claimed_at + HOUR);
    assert_eq!(store.lease_of(lease.job)?, Some(renewed));
    Ok(())
}
