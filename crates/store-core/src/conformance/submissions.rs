//! What crash-safe submission promises: intents, tokens, phases, and clusters that do not answer.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::error::{Error, Invalid, Noun};
use crate::event::EventKind;
use crate::ids::{ClusterId, JobId};
use crate::remote_job::{NewRemoteJob, RemoteJob, RemoteJobPatch};
use crate::remote_phase::RemotePhase;
use crate::repo::{ClusterWrite, EventRead, JobRead, JobWrite, RemoteJobRead, RemoteJobWrite};
use crate::status::{InitialStatus, JobStatus, StatusChange};
use crate::submission::{Confirmation, SubmissionToken};
use crate::time::Timestamp;

use super::dump::assert_untouched;
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{
    full_submission, job_in, object, open, ready_to_submit, remote_ids, sample_cluster, sample_job,
    tick,
};
use super::threads::together;

/// An intent comes back as it was begun, with a token of its own, and is listed until it is settled.
pub fn an_intent_is_kept_until_it_is_settled<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let (cluster, job) = ready_to_submit(&store)?;
    store.change_status(job, &StatusChange::to(JobStatus::Failed))?;
    let job = store.retry_job(job, InitialStatus::Queued)?;
    let now = tick(&clock);
    let full = full_submission(job.id, cluster, "1");
    let new = NewRemoteJob { handle: None, scheduler_state: None, ..full };
    let intent = store.begin_submission(&new)?;
    let token = intent.submission.token.expect("an intent has a token");
    let expected = RemoteJob {
        id: intent.id,
        attempt: 2,
        submission: NewRemoteJob { token: Some(token), ..new },
        phase: RemotePhase::Intended,
        intended_at: Some(now),
        submitted_at: None,
        pending_at: None,
        running_at: None,
        ended_at: None,
        retrieved_at: None,
        abandon_reason: None,
        exit_code: None,
        updated_at: now,
    };
    assert_eq!(intent, expected);
    assert!(intent.is_active() && intent.is_pending_intent());
    assert_eq!(store.remote_job(intent.id)?, intent);
    assert_eq!(store.find_remote_job_by_token(token)?, Some(intent.clone()));
    assert_eq!(store.active_remote_jobs(cluster)?, std::slice::from_ref(&intent));
    let event = store.history(job.id)?.pop().expect("an event");
    assert_eq!((event.kind, event.subject.attempt()), (EventKind::SubmissionIntended, Some(2)));
    let detail = json!({
        "remote_job": intent.id.get(), "cluster": cluster.get(), "token": token.to_string(),
    });
    assert_eq!(event.detail, object(detail));
    assert_eq!(store.job(job.id)?, job, "the job's own row is not touched");

    let elsewhere = store.create_cluster(&sample_cluster("elsewhere"))?.id;
    let other = store.create_job(&sample_job("CaO"))?.id;
    let there = store.begin_submission(NewRemoteJob::intended(other, elsewhere))?;
    assert_ne!(there.submission.token, intent.submission.token);
    let third = store.create_job(&sample_job("SrO"))?.id;
    let last = store.begin_submission(NewRemoteJob::intended(third, cluster))?;
    assert_eq!(
        remote_ids(&store.pending_intents(Some(cluster))?),
        remote_ids(&[intent.clone(), last.clone()])
    );
    let all = [intent.clone(), last.clone(), there.clone()];
    assert_eq!(store.pending_intents(None)?, all, "by cluster, then oldest first");
    store.confirm_submission(intent.id, &Confirmation::new("1"))?;
    store.abandon_submission(last.id, "sbatch: error: invalid partition")?;
    assert_eq!(store.pending_intents(None)?, [there]);
    assert!(store.pending_intents(Some(cluster))?.is_empty());
    Ok(())
}

/// What was submitted is of an attempt that the job has had, and an intent of the present one.
pub fn only_attempts_that_were_are_recorded<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let (cluster, job) = ready_to_submit(&store)?;
    store.change_status(job, &StatusChange::to(JobStatus::Failed))?;
    store.retry_job(job, InitialStatus::Queued)?;
    let new = NewRemoteJob::new(job, cluster, "7");
    for never in [0, 3, u32::MAX] {
        assert_refused!(
            assert_untouched(&store, || store.record_submission(new.clone().of_attempt(never))),
            Error::Invalid(Invalid { field: "attempt", .. })
        );
    }
    let intent = NewRemoteJob::intended(job, cluster).of_attempt(2);
    assert_refused!(
        assert_untouched(&store, || store.begin_submission(&intent)),
        Error::Invalid(Invalid { field: "attempt", .. })
    );
    assert_eq!(store.record_submission(new.of_attempt(2))?.attempt, 2);
    Ok(())
}

/// A confirmed intent has its handle and its time; the same handle again is the same report.
pub fn an_intent_ends_with_the_handle_it_was_given<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let (cluster, job) = ready_to_submit(&store)?;
    let before = store.job(job)?;
    let intent = store.begin_submission(NewRemoteJob::intended(job, cluster))?;
    let now = tick(&clock);
    let answer = Confirmation::new("17");
    let mut expected = intent.clone();
    expected.submission.handle = Some("17".to_owned());
    expected.phase = RemotePhase::Submitted;
    (expected.submitted_at, expected.updated_at) = (Some(now), now);
    assert_eq!(store.confirm_submission(intent.id, &answer)?, expected);
    assert_eq!(store.remote_job(intent.id)?, expected);
    assert_eq!(store.find_remote_job(cluster, "17")?, Some(expected.clone()));
    let event = store.history(job)?.pop().expect("an event");
    assert_eq!(
        (event.kind, event.subject.attempt(), event.at),
        (EventKind::Submitted, Some(1), now)
    );
    assert_eq!(event.detail["handle"], "17");
    assert_eq!(store.job(job)?, before, "the job's own row is not touched");
    tick(&clock);
    let again = assert_untouched(&store, || store.confirm_submission(intent.id, &answer))?;
    assert_eq!(again, expected);
    assert_refused!(
        assert_untouched(&store, || {
            store.confirm_submission(intent.id, &Confirmation::new("18"))
        }),
        Error::WrongPhase { phase: RemotePhase::Submitted, remote, .. } if remote == intent.id
    );

    let other = store.create_job(&sample_job("CaO"))?.id;
    let second = store.begin_submission(NewRemoteJob::intended(other, cluster))?.id;
    assert_refused!(
        assert_untouched(&store, || store.confirm_submission(second, &answer)),
        Error::Conflict { noun: Noun::RemoteJob, field: "handle", value } if value == "17"
    );
    // What the scheduler tells of the time is kept: it is how a reused id is told apart.
    let told = Timestamp::from_micros(1_600_000_000_000_000);
    let confirmed = store.confirm_submission(second, &Confirmation::new("18").at(told))?;
    assert_eq!(confirmed.submitted_at, Some(told));
    Ok(())
}

/// An abandoned intent has its reason, never gets a handle, and makes room for the next.
pub fn what_never_reached_the_scheduler_is_abandoned<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let (cluster, job) = ready_to_submit(&store)?;
    let intent = store.begin_submission(NewRemoteJob::intended(job, cluster))?;
    let now = tick(&clock);
    let abandoned = store.abandon_submission(intent.id, "squeue has nothing under it")?;
    let expected = RemoteJob {
        ended_at: Some(now),
        abandon_reason: Some("squeue has nothing under it".to_owned()),
        updated_at: now,
        ..intent.clone()
    };
    assert_eq!(abandoned, expected);
    assert!(abandoned.is_abandoned() && !abandoned.is_active());
    assert_eq!(store.remote_job(intent.id)?, expected);
    let event = store.history(job)?.pop().expect("an event");
    assert_eq!(event.kind, EventKind::SubmissionAbandoned);
    assert_eq!(event.detail["reason"], "squeue has nothing under it");
    assert_eq!(store.job(job)?.status, JobStatus::Queued);
    let again = assert_untouched(&store, || store.abandon_submission(intent.id, "again"))?;
    assert_eq!(again, expected);
    assert_refused!(
        assert_untouched(&store, || store.confirm_submission(intent.id, &Confirmation::new("1"))),
        Error::WrongPhase { phase: RemotePhase::Intended, .. }
    );
    let next = store.begin_submission(NewRemoteJob::intended(job, cluster))?;
    store.confirm_submission(next.id, &Confirmation::new("1"))?;
    assert_refused!(
        assert_untouched(&store, || store.abandon_submission(next.id, "too late")),
        Error::WrongPhase { phase: RemotePhase::Submitted, .. }
    );
    for reason in ["", " \n", "nul\0"] {
        let third = store.create_job(&sample_job("CaO"))?.id;
        let third = store.begin_submission(NewRemoteJob::intended(third, cluster))?.id;
        assert_refused!(
            assert_untouched(&store, || store.abandon_submission(third, reason)),
            Error::Invalid(Invalid { field: "reason", .. })
        );
    }
    Ok(())
}

/// While an attempt has an active submission, however it came there, it is not begun again.
pub fn an_attempt_is_submitted_once<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let (cluster, job) = ready_to_submit(&store)?;
    let new = NewRemoteJob::intended(job, cluster);
    let refused = |by: &RemoteJob, phase: RemotePhase| {
        assert_refused!(
            assert_untouched(&store, || store.begin_submission(&new)),
            Error::AlreadySubmitted { job: named, remote, phase: told }
                if (named, remote, told) == (job, by.id, phase)
        );
    };
    let first = store.begin_submission(&new)?;
    refused(&first, RemotePhase::Intended);
    store.confirm_submission(first.id, &Confirmation::new("1"))?;
    refused(&first, RemotePhase::Submitted);
    store.update_remote_job(first.id, &RemoteJobPatch::phase(RemotePhase::Running))?;
    refused(&first, RemotePhase::Running);
    store.update_remote_job(first.id, &RemoteJobPatch::phase(RemotePhase::Finished))?;
    let recorded = store.record_submission(NewRemoteJob::new(job, cluster, "2"))?;
    refused(&recorded, RemotePhase::Submitted);
    // Another attempt is another submission. The earlier one is to be cancelled, and its own intents
    // stay to be looked up.
    store.change_status(job, &StatusChange::to(JobStatus::Failed))?;
    store.retry_job(job, InitialStatus::Queued)?;
    tick(&clock);
    let second = store.begin_submission(&new)?;
    assert_eq!(second.attempt, 2);
    assert_eq!(store.pending_intents(None)?, [second]);
    assert_eq!(remote_ids(&store.submissions_to_cancel(cluster)?), [recorded.id.get()]);
    Ok(())
}

/// Of many threads that begin to submit the same attempt, one may call the scheduler.
pub fn one_attempt_is_begun_once_however_many_try<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let (cluster, job) = ready_to_submit(&store)?;
    let begun = AtomicUsize::new(0);
    together(8, |_| {
        match store.begin_submission(NewRemoteJob::intended(job, cluster)) {
            Ok(_) => begun.fetch_add(1, Ordering::SeqCst),
            Err(Error::AlreadySubmitted { .. }) => 0,
            Err(other) => return Err(other),
        };
        Ok(())
    })?;
    assert_eq!(begun.into_inner(), 1);
    assert_eq!(store.pending_intents(None)?.len(), 1);
    Ok(())
}

/// A call whose outcome is not known can be repeated under the token that it was given.
pub fn beginning_again_under_the_same_token_returns_the_first<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let (cluster, job) = ready_to_submit(&store)?;
    let token = SubmissionToken::from_bytes([0x5a; 16]);
    let new = NewRemoteJob { token: Some(token), ..NewRemoteJob::intended(job, cluster) };
    let first = store.begin_submission(&new)?;
    assert_eq!(first.submission.token, Some(token));
    tick(&clock);
    assert_eq!(assert_untouched(&store, || store.begin_submission(&new))?, first);
    let confirmed = store.confirm_submission(first.id, &Confirmation::new("1"))?;
    assert_eq!(assert_untouched(&store, || store.begin_submission(&new))?, confirmed);

    let elsewhere = store.create_cluster(&sample_cluster("elsewhere"))?.id;
    let other = store.create_job(&sample_job("CaO"))?.id;
    let others = [
        NewRemoteJob { cluster: elsewhere, ..new.clone() },
        NewRemoteJob { job: other, ..new.clone() },
    ];
    let conflict = |new: &NewRemoteJob| {
        assert_refused!(
            assert_untouched(&store, || store.begin_submission(new)),
            Error::Conflict { noun: Noun::RemoteJob, field: "token", value }
                if value == token.to_string()
        );
    };
    others.iter().for_each(conflict);
    store.update_remote_job(first.id, &RemoteJobPatch::phase(RemotePhase::Finished))?;
    conflict(&new);
    assert_eq!(store.find_remote_job_by_token(token)?.map(|found| found.id), Some(first.id));
    let unknown = SubmissionToken::from_bytes([0x5b; 16]);
    assert_eq!(store.find_remote_job_by_token(unknown)?, None);
    Ok(())
}

/// A job that was cancelled a moment ago is not submitted.
pub fn a_job_that_has_ended_is_not_begun<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    for &status in JobStatus::ALL {
        let job = job_in(&store, "MgO", status)?.id;
        let new = NewRemoteJob::intended(job, cluster);
        if status.is_terminal() {
            assert_refused!(
                assert_untouched(&store, || store.begin_submission(&new)),
                Error::NotAllowed { status: told, .. } if told == status
            );
        } else {
            store.begin_submission(&new)?;
        }
    }
    Ok(())
}

/// What an intent cannot have is not begun, and what is no handle is not confirmed.
pub fn what_the_check_of_an_intent_refuses_is_not_stored<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let (cluster, job) = ready_to_submit(&store)?;
    let new = NewRemoteJob::intended(job, cluster);
    for (field, refused) in [
        ("handle", NewRemoteJob::new(job, cluster, "1")),
        ("queue", NewRemoteJob { queue: Some(String::new()), ..new.clone() }),
        (
            "scheduler_state",
            NewRemoteJob { scheduler_state: Some("PENDING".to_owned()), ..new.clone() },
        ),
    ] {
        assert_refused!(
            assert_untouched(&store, || store.begin_submission(&refused)),
            Error::Invalid(Invalid { field: named, .. }) if named == field
        );
    }
    let nowhere = NewRemoteJob::intended(JobId::new(99), ClusterId::new(99));
    assert_refused!(store.begin_submission(&nowhere), Error::NotFound { noun: Noun::Job, .. });
    let intent = store.begin_submission(&new)?.id;
    for handle in ["", "h\n", &"h".repeat(256)] {
        assert_refused!(
            assert_untouched(&store, || {
                store.confirm_submission(intent, &Confirmation::new(handle))
            }),
            Error::Invalid(Invalid { field: "handle", .. })
        );
    }
    Ok(())
}
