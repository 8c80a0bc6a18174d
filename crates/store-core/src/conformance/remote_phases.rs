//! What submissions promise on their way: phases go forward, what runs in vain is to be cancelled, and a
//! cluster that does not answer is no failure.

use crate::contact::ClusterContact;
use crate::error::{Error, Invalid};
use crate::patch::Edit;
use crate::remote_job::{NewRemoteJob, RemoteJobPatch, Reported};
use crate::remote_phase::RemotePhase;
use crate::repo::{ClusterWrite, EventRead, JobRead, JobWrite, RemoteJobRead, RemoteJobWrite};
use crate::slurm;
use crate::status::{InitialStatus, JobStatus, StatusChange};
use crate::submission::Confirmation;
use crate::time::Timestamp;

use super::dump::assert_untouched;
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{
    BEGINNING, open, ready_to_submit, remote_ids, sample_cluster, sample_job, tick,
};

/// From each phase each later one can be reported; an earlier one changes nothing and is told as late.
pub fn phases_go_forward_alone<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let (cluster, job) = ready_to_submit(&store)?;
    for &from in &RemotePhase::ALL[1..] {
        for &to in RemotePhase::ALL {
            let handle = format!("{from} to {to}");
            let remote = store.record_submission(NewRemoteJob::new(job, cluster, &handle))?.id;
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
    let (cluster, job) = ready_to_submit(&store)?;
    let intent = store.begin_submission(NewRemoteJob::intended(job, cluster))?;
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
    let missed = store.record_submission(NewRemoteJob::new(job, cluster, "2"))?.id;
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
    let (cluster, job) = ready_to_submit(&store)?;
    let remote = store.record_submission(NewRemoteJob::new(job, cluster, "1"))?.id;
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
    let (cluster, job) = ready_to_submit(&store)?;
    let intent = store.begin_submission(NewRemoteJob::intended(job, cluster))?.id;
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

/// The active submissions of jobs that are cancelled or have failed, and of attempts that are over are to be cancelled, and keep
/// their handles for it, until their end is reported.
pub fn what_runs_in_vain_is_to_be_cancelled<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let (cluster, job) = ready_to_submit(&store)?;
    let elsewhere = store.create_cluster(&sample_cluster("elsewhere"))?.id;
    let mut begun = Vec::new();
    for handle in ["1", "2", "3"] {
        let job = store.create_job(&sample_job("MgO"))?.id;
        let intent = store.begin_submission(NewRemoteJob::intended(job, cluster))?.id;
        begun.push((job, store.confirm_submission(intent, &Confirmation::new(handle))?));
    }
    let intent = store.begin_submission(NewRemoteJob::intended(job, cluster))?;
    store.record_submission(NewRemoteJob::new(job, elsewhere, "1"))?;
    let to_cancel = || Ok::<_, Error>(remote_ids(&store.submissions_to_cancel(cluster)?));
    assert_eq!(to_cancel()?, [0; 0]);
    store.change_status(begun[1].0, &StatusChange::to(JobStatus::Completed))?;
    assert_eq!(to_cancel()?, [0; 0], "a job that ended by itself is over at the scheduler too");
    let cancel = StatusChange::to(JobStatus::Cancelled);
    store.change_status(job, &cancel)?;
    store.change_status(begun[0].0, &cancel)?;
    assert_eq!(store.submissions_to_cancel(cluster)?, [begun[0].1.clone(), intent.clone()]);
    store.change_status(begun[2].0, &StatusChange::to(JobStatus::Failed))?;
    let three = [begun[0].1.id, begun[2].1.id, intent.id].map(crate::RemoteJobId::get);
    assert_eq!(to_cancel()?, three, "nothing comes of what runs for a job that has failed");
    store.retry_job(begun[2].0, InitialStatus::Queued)?;
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
    let (cluster, job) = ready_to_submit(&store)?;
    let remote = store.record_submission(NewRemoteJob::new(job, cluster, "1"))?;
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
