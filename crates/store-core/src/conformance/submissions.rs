//! What crash-safe submission promises: intents, tokens, phases, and clusters that do not answer.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::contact::ClusterContact;
use crate::error::{Error, Invalid, Noun};
use crate::event::EventKind;
use crate::ids::{ClusterId, JobId};
use crate::patch::Edit;
use crate::remote_job::{NewRemoteJob, RemoteJob, RemoteJobPatch, Reported};
use crate::remote_phase::RemotePhase;
use crate::repo::{ClusterWrite, EventRead, JobRead, JobWrite, RemoteJobRead, RemoteJobWrite};
use crate::slurm;
use crate::status::{InitialStatus, JobStatus, StatusChange};
use crate::store::Store;
use crate::submission::{Confirmation, SubmissionToken};
use crate::time::Timestamp;

use super::dump::assert_untouched;
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{
    BEGINNING, full_submission, job_in, object, open, sample_cluster, sample_job, tick,
};
use super::threads::together;

/// A cluster, and a job that waits to be submitted.
fn ground<S: Store>(store: &S) -> crate::Result<(ClusterId, JobId)> {
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    Ok((cluster, job_in(store, "MgO", JobStatus::Queued)?.id))
}

fn ids(remotes: &[RemoteJob]) -> Vec<i64> {
    remotes.iter().map(|remote| remote.id.get()).collect()
}

/// An intent comes back as it was begun, with a token of its own, and is listed until it is settled.
pub fn an_intent_is_kept_until_it_is_settled<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let (cluster, job) = ground(&store)?;
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
    assert_eq!((event.kind, event.attempt), (EventKind::SubmissionIntended, 2));
    let detail = json!({
        "remote_job": intent.id.get(), "cluster": cluster.get(), "token": token.to_string(),
    });
    assert_eq!(event.detail, object(detail));
    assert_eq!(store.job(job.id)?, job, "the job's own row is not touched");

    let elsewhere = store.create_cluster(&sample_cluster("elsewhere"))?.id;
    let other = store.create_job(&sample_job("CaO"))?.id;
    let there = store.begin_submission(&NewRemoteJob::intended(other, elsewhere))?;
    assert_ne!(there.submission.token, intent.submission.token);
    let third = store.create_job(&sample_job("SrO"))?.id;
    let last = store.begin_submission(&NewRemoteJob::intended(third, cluster))?;
    assert_eq!(ids(&store.pending_intents(Some(cluster))?), ids(&[intent.clone(), last.clone()]));
    let all = [intent.clone(), last.clone(), there.clone()];
    assert_eq!(store.pending_intents(None)?, all, "by cluster, then oldest first");
    store.confirm_submission(intent.id, &Confirmation::new("1"))?;
    store.abandon_submission(last.id, "sbatch: error: invalid partition")?;
    assert_eq!(store.pending_intents(None)?, [there]);
    assert!(store.pending_intents(Some(cluster))?.is_empty());
    Ok(())
}

/// A confirmed intent has its handle and its time; the same handle again is the same report.
pub fn an_intent_ends_with_the_handle_it_was_given<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let (cluster, job) = ground(&store)?;
    let before = store.job(job)?;
    let intent = store.begin_submission(&NewRemoteJob::intended(job, cluster))?;
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
    assert_eq!((event.kind, event.attempt, event.at), (EventKind::Submitted, 1, now));
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
    let second = store.begin_submission(&NewRemoteJob::intended(other, cluster))?.id;
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
    let (cluster, job) = ground(&store)?;
    let intent = store.begin_submission(&NewRemoteJob::intended(job, cluster))?;
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
    let next = store.begin_submission(&NewRemoteJob::intended(job, cluster))?;
    store.confirm_submission(next.id, &Confirmation::new("1"))?;
    assert_refused!(
        assert_untouched(&store, || store.abandon_submission(next.id, "too late")),
        Error::WrongPhase { phase: RemotePhase::Submitted, .. }
    );
    for reason in ["", " \n", "nul\0"] {
        let third = store.create_job(&sample_job("CaO"))?.id;
        let third = store.begin_submission(&NewRemoteJob::intended(third, cluster))?.id;
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
    let (cluster, job) = ground(&store)?;
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
    let recorded = store.record_submission(&NewRemoteJob::new(job, cluster, "2"))?;
    refused(&recorded, RemotePhase::Submitted);
    // Another attempt is another submission. The earlier one is to be cancelled, and its own intents
    // stay to be looked up.
    store.change_status(job, &StatusChange::to(JobStatus::Failed))?;
    store.retry_job(job, InitialStatus::Queued)?;
    tick(&clock);
    let second = store.begin_submission(&new)?;
    assert_eq!(second.attempt, 2);
    assert_eq!(store.pending_intents(None)?, [second]);
    assert_eq!(ids(&store.submissions_to_cancel(cluster)?), [recorded.id.get()]);
    Ok(())
}

/// Of many threads that begin to submit the same attempt, one may call the scheduler.
pub fn one_attempt_is_begun_once_however_many_try<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let (cluster, job) = ground(&store)?;
    let begun = AtomicUsize::new(0);
    together(8, |_| {
        match store.begin_submission(&NewRemoteJob::intended(job, cluster)) {
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
    let (cluster, job) = ground(&store)?;
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
    let (cluster, job) = ground(&store)?;
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

/// From each phase each later one can be reported; an earlier one changes nothing and is told as late.
pub fn phases_go_forward_alone<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let (cluster, job) = ground(&store)?;
    for &from in &RemotePhase::ALL[1..] {
        for &to in RemotePhase::ALL {
            let handle = format!("{from} to {to}");
            let remote = store.record_submission(&NewRemoteJob::new(job, cluster, &handle))?.id;
            store.update_remote_job(remote, &RemoteJobPatch::phase(from))?;
            tick(&clock);
            // What else a late report says is as old as its phase.
            let report = RemoteJobPatch { phase: Edit::Set(to), ..slurm::read("PENDING") };
            let before = store.remote_job(remote)?;
            if to < from {
                let late = assert_untouched(&store, || store.update_remote_job(remote, &report))?;
                assert_eq!(late, Reported::Late(before), "{handle}");
            } else {
                let reported = store.update_remote_job(remote, &report)?;
                assert!(matches!(reported, Reported::Changed(_)), "{handle}: {reported:?}");
                let remote = reported.remote();
                assert_eq!((remote.phase, remote.is_active()), (to, !to.has_ended()), "{handle}");
            }
        }
    }
    assert_eq!(store.job(job)?.status, JobStatus::Queued, "a phase is not a status");
    Ok(())
}

/// Each phase that was seen has its time, and an end the time that the scheduler tells.
pub fn a_report_dates_what_it_tells<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let (cluster, job) = ground(&store)?;
    let intent = store.begin_submission(&NewRemoteJob::intended(job, cluster))?;
    let submitted = tick(&clock);
    store.confirm_submission(intent.id, &Confirmation::new("1"))?;
    let pending = tick(&clock);
    store.update_remote_job(intent.id, &slurm::read("PENDING"))?;
    let running = tick(&clock);
    store.update_remote_job(intent.id, &slurm::read("RUNNING"))?;
    tick(&clock);
    let ended = Timestamp::from_micros(1_600_000_000_000_000);
    let report = RemoteJobPatch { ended_at: Edit::Set(ended), ..slurm::read("TIMEOUT") };
    store.update_remote_job(intent.id, &report)?;
    let retrieved = tick(&clock);
    store.update_remote_job(intent.id, &RemoteJobPatch::phase(RemotePhase::Retrieved))?;
    let known = store.remote_job(intent.id)?;
    let times = [known.submitted_at, known.pending_at, known.running_at];
    assert_eq!(known.intended_at, Some(BEGINNING));
    assert_eq!(times, [submitted, pending, running].map(Some));
    assert_eq!((known.ended_at, known.retrieved_at), (Some(ended), Some(retrieved)));
    assert_eq!(known.submission.scheduler_state.as_deref(), Some("TIMEOUT"));
    assert_eq!(store.job(job)?.status, JobStatus::Queued, "what it means is for the caller to say");

    // What nobody saw has no time.
    let missed = store.record_submission(&NewRemoteJob::new(job, cluster, "2"))?.id;
    let now = tick(&clock);
    let phase = RemoteJobPatch::phase(RemotePhase::Retrieved);
    let known = store.update_remote_job(missed, &phase)?.into_remote();
    assert_eq!((known.pending_at, known.running_at), (None, None));
    assert_eq!((known.ended_at, known.retrieved_at), (Some(now), Some(now)));
    let contradiction = RemoteJobPatch { phase: Edit::Set(RemotePhase::Running), ..report };
    assert_refused!(
        assert_untouched(&store, || store.update_remote_job(missed, &contradiction)),
        Error::Invalid(Invalid { field: "ended_at", .. })
    );
    Ok(())
}

/// A job that Slurm puts back into its queue keeps the phase that it had reached.
pub fn a_requeue_keeps_its_phase_and_its_word<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let (cluster, job) = ground(&store)?;
    let remote = store.record_submission(&NewRemoteJob::new(job, cluster, "1"))?.id;
    let report = |word: &str| {
        let remote = store.update_remote_job(remote, &slurm::read(word))?.into_remote();
        Ok::<_, Error>((remote.phase, remote.submission.scheduler_state))
    };
    let told = |phase, word: &str| (phase, Some(word.to_owned()));
    assert_eq!(report("RUNNING")?, told(RemotePhase::Running, "RUNNING"));
    assert_eq!(report("REQUEUED")?, told(RemotePhase::Running, "REQUEUED"));
    assert_eq!(report("PENDING")?, told(RemotePhase::Running, "REQUEUED"));
    assert_eq!(report("RUNNING")?, told(RemotePhase::Running, "RUNNING"));
    assert_eq!(report("A_NEW_WORD")?, told(RemotePhase::Running, "A_NEW_WORD"));
    assert_eq!(report("NODE_FAIL")?, told(RemotePhase::Finished, "NODE_FAIL"));
    Ok(())
}

/// Before it is known whether an intent reached the scheduler, and once it is known that it did not,
/// nothing can be reported of its phase; what else is known of it can.
pub fn an_intent_is_not_reported_on_before_it_is_settled<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let (cluster, job) = ground(&store)?;
    let intent = store.begin_submission(&NewRemoteJob::intended(job, cluster))?.id;
    let refuse = || {
        let end = RemoteJobPatch { ended_at: Edit::Set(BEGINNING), ..RemoteJobPatch::default() };
        let phases = RemotePhase::ALL[1..].iter().map(|&phase| RemoteJobPatch::phase(phase));
        for report in phases.chain([end]) {
            assert_refused!(
                assert_untouched(&store, || store.update_remote_job(intent, &report)),
                Error::WrongPhase { remote, phase: RemotePhase::Intended, .. } if remote == intent
            );
        }
    };
    refuse();
    let queue = RemoteJobPatch {
        queue: crate::Patch::Set("short".to_owned()),
        ..RemoteJobPatch::default()
    };
    assert!(matches!(store.update_remote_job(intent, &queue)?, Reported::Changed(_)));
    store.abandon_submission(intent, "sbatch refused it")?;
    refuse();
    Ok(())
}

/// The active submissions of cancelled jobs and of attempts that are over are to be cancelled, and keep
/// their handles for it, until their end is reported.
pub fn what_runs_in_vain_is_to_be_cancelled<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let (cluster, job) = ground(&store)?;
    let elsewhere = store.create_cluster(&sample_cluster("elsewhere"))?.id;
    let mut begun = Vec::new();
    for handle in ["1", "2", "3"] {
        let job = store.create_job(&sample_job("MgO"))?.id;
        let intent = store.begin_submission(&NewRemoteJob::intended(job, cluster))?.id;
        begun.push((job, store.confirm_submission(intent, &Confirmation::new(handle))?));
    }
    let intent = store.begin_submission(&NewRemoteJob::intended(job, cluster))?;
    store.record_submission(&NewRemoteJob::new(job, elsewhere, "1"))?;
    let to_cancel = || Ok::<_, Error>(ids(&store.submissions_to_cancel(cluster)?));
    assert_eq!(to_cancel()?, [0; 0]);
    store.change_status(begun[1].0, &StatusChange::to(JobStatus::Completed))?;
    assert_eq!(to_cancel()?, [0; 0], "a job that ended by itself is over at the scheduler too");
    let cancel = StatusChange::to(JobStatus::Cancelled);
    store.change_status(job, &cancel)?;
    store.change_status(begun[0].0, &cancel)?;
    assert_eq!(store.submissions_to_cancel(cluster)?, [begun[0].1.clone(), intent.clone()]);
    store.change_status(begun[2].0, &StatusChange::to(JobStatus::Failed))?;
    store.retry_job(begun[2].0, InitialStatus::Queued)?;
    let three = [begun[0].1.id, begun[2].1.id, intent.id].map(crate::RemoteJobId::get);
    assert_eq!(to_cancel()?, three);
    tick(&clock);
    store.update_remote_job(begun[0].1.id, &slurm::read("CANCELLED by 1000"))?;
    store.abandon_submission(intent.id, "the job was cancelled before")?;
    assert_eq!(to_cancel()?, [begun[2].1.id.get()]);
    assert_eq!(store.submissions_to_cancel(elsewhere)?.len(), 1);
    Ok(())
}

/// That a cluster does not answer is counted and changes nothing else, until it answers again.
pub fn an_unreachable_cluster_is_no_failure<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let (cluster, job) = ground(&store)?;
    let remote = store.record_submission(&NewRemoteJob::new(job, cluster, "1"))?;
    store.change_status(job, &StatusChange::to(JobStatus::Running))?;
    let before = (store.job(job)?, store.history(job)?);
    assert_eq!(store.cluster_contact(cluster)?, ClusterContact::none(cluster));
    let mut expected = ClusterContact::none(cluster);
    expected.last_contact_at = Some(tick(&clock));
    assert_eq!(store.report_reached(cluster)?, expected);
    for failures in 1..=3 {
        expected.last_failure_at = Some(tick(&clock));
        expected.last_error = Some(format!("timed out {failures}"));
        expected.failures = failures;
        let told = store.report_unreachable(cluster, &format!("timed out {failures}"))?;
        assert_eq!(told, expected);
    }
    assert_eq!(store.cluster_contact(cluster)?, expected);
    assert_eq!((store.job(job)?, store.history(job)?), before);
    assert_eq!(store.remote_job(remote.id)?, remote);
    expected.last_contact_at = Some(tick(&clock));
    expected.failures = 0;
    assert_eq!(store.report_reached(cluster)?, expected, "the last failure stays to be read");
    Ok(())
}
