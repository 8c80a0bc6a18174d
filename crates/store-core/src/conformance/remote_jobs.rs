//! What submissions promise.

use serde_json::json;

use crate::error::{Error, Invalid, Noun};
use crate::event::EventKind;
use crate::ids::ClusterId;
use crate::patch::{Edit, Patch};
use crate::remote_job::{NewRemoteJob, RemoteJob, RemoteJobPatch, Reported};
use crate::remote_phase::RemotePhase;
use crate::repo::{ClusterWrite, EventRead, JobRead, JobWrite, RemoteJobRead, RemoteJobWrite};
use crate::settings::ConnectionSettings;
use crate::status::{InitialStatus, JobStatus, StatusChange};
use crate::time::Timestamp;

use super::dump::assert_untouched;
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{
    BEGINNING, full_submission, job_in, object, open, sample_cluster, sample_job, tick,
};

fn ended(at: Timestamp) -> RemoteJobPatch {
    RemoteJobPatch { ended_at: Edit::Set(at), ..RemoteJobPatch::default() }
}

/// A submission comes back as it was given, of the job's present attempt; the job stays as it is.
pub fn a_submission_comes_back_as_it_was_given<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    let job = job_in(&store, "MgO", JobStatus::Failed)?.id;
    let job = store.retry_job(job, InitialStatus::Queued)?;
    let now = tick(&clock);
    for new in [
        NewRemoteJob::new(job.id, cluster, "1"),
        full_submission(job.id, cluster, "Größe 'x'; -- \"y\" 🧪"),
    ] {
        let remote = store.record_submission(&new)?;
        let expected = RemoteJob {
            id: remote.id,
            attempt: 2,
            submission: new.clone(),
            phase: RemotePhase::Submitted,
            intended_at: None,
            submitted_at: Some(now),
            pending_at: None,
            running_at: None,
            ended_at: None,
            retrieved_at: None,
            abandon_reason: None,
            exit_code: None,
            updated_at: now,
        };
        assert_eq!(remote, expected);
        assert_eq!(store.remote_job(remote.id)?, expected);
        assert_eq!(store.newest_remote_job(job.id)?, Some(expected));
        let event = store.history(job.id)?.pop().expect("an event");
        assert_eq!((event.kind, event.subject.attempt()), (EventKind::Submitted, Some(2)));
        let detail = json!({
            "remote_job": remote.id.get(), "cluster": cluster.get(), "handle": new.handle,
        });
        assert_eq!(event.detail, object(detail));
    }
    assert_eq!(store.job(job.id)?, job, "the job's own row is not touched");
    Ok(())
}

/// All submissions of a job are kept, oldest first; the last one is the newest.
pub fn the_newest_submission_is_the_last<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    let job = store.create_job(&sample_job("MgO"))?.id;
    assert_eq!(store.newest_remote_job(job)?, None);
    assert!(store.remote_jobs_of(job)?.is_empty());
    let mut ids = Vec::new();
    // The clock stands still: the order is that of the recording.
    for handle in ["9", "10", "1"] {
        ids.push(store.record_submission(NewRemoteJob::new(job, cluster, handle))?.id);
    }
    let other = store.create_job(&sample_job("CaO"))?.id;
    store.record_submission(NewRemoteJob::new(other, cluster, "11"))?;
    let found: Vec<_> = store.remote_jobs_of(job)?.iter().map(|remote| remote.id).collect();
    assert_eq!(found, ids);
    assert_eq!(store.newest_remote_job(job)?.map(|remote| remote.id), Some(ids[2]));
    // Also when the newest has ended.
    store.update_remote_job(ids[2], &ended(BEGINNING))?;
    assert_eq!(store.newest_remote_job(job)?.map(|remote| remote.id), Some(ids[2]));
    Ok(())
}

/// The active submissions of a cluster are those that have not been reported to have ended.
pub fn active_submissions_are_those_that_have_not_ended<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    let elsewhere = store.create_cluster(&sample_cluster("elsewhere"))?.id;
    let job = job_in(&store, "MgO", JobStatus::Completed)?.id;
    let submit = |cluster: ClusterId, handle: &str| {
        let new = NewRemoteJob::new(job, cluster, handle);
        Ok::<_, Error>(store.record_submission(&new)?.id)
    };
    let ids = [submit(cluster, "3")?, submit(cluster, "2")?, submit(cluster, "1")?];
    submit(elsewhere, "3")?;
    let active = || {
        let active = store.active_remote_jobs(cluster)?;
        Ok::<Vec<_>, Error>(active.iter().map(|remote| remote.id).collect())
    };
    assert_eq!(active()?, ids);
    store.update_remote_job(ids[1], &ended(BEGINNING))?;
    assert_eq!(active()?, [ids[0], ids[2]]);
    store.change_status(
        store.create_job(&sample_job("CaO"))?.id,
        &StatusChange::to(JobStatus::Cancelled),
    )?;
    assert_eq!(active()?, [ids[0], ids[2]], "the status of a job does not end a submission");
    Ok(())
}

/// While a submission is active, its handle is its own in its cluster; afterwards it is free.
pub fn a_handle_belongs_to_one_active_submission<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    let elsewhere = store.create_cluster(&sample_cluster("elsewhere"))?.id;
    let job = store.create_job(&sample_job("MgO"))?.id;
    let other = store.create_job(&sample_job("CaO"))?.id;
    let first = store.record_submission(NewRemoteJob::new(job, cluster, "17"))?.id;
    for job in [job, other] {
        assert_refused!(
            assert_untouched(&store, || {
                store.record_submission(full_submission(job, cluster, "17"))
            }),
            Error::Conflict { noun: Noun::RemoteJob, field: "handle", value } if value == "17"
        );
    }
    store.record_submission(NewRemoteJob::new(other, elsewhere, "17"))?;
    store.update_remote_job(first, &ended(tick(&clock)))?;
    let second = store.record_submission(NewRemoteJob::new(other, cluster, "17"))?;
    assert!(second.is_active());
    // Cluster, handle and time are the key: not even what has ended shares all three.
    store.update_remote_job(second.id, &ended(BEGINNING))?;
    assert_refused!(
        assert_untouched(&store, || {
            store.record_submission(NewRemoteJob::new(other, cluster, "17"))
        }),
        Error::Conflict { noun: Noun::RemoteJob, field: "submitted_at", .. }
    );
    tick(&clock);
    store.record_submission(NewRemoteJob::new(other, cluster, "17"))?;
    Ok(())
}

/// A handle means the active submission that has it, or else the newest that had it.
pub fn a_handle_that_was_used_again_means_the_newest<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    let elsewhere = store.create_cluster(&sample_cluster("elsewhere"))?.id;
    let job = store.create_job(&sample_job("MgO"))?.id;
    let found = || Ok::<_, Error>(store.find_remote_job(cluster, "17")?.map(|remote| remote.id));
    assert_eq!(found()?, None);
    let first = store.record_submission(NewRemoteJob::new(job, cluster, "17"))?.id;
    store.record_submission(NewRemoteJob::new(job, elsewhere, "17"))?;
    store.record_submission(NewRemoteJob::new(job, cluster, "170"))?;
    assert_eq!(found()?, Some(first));
    store.update_remote_job(first, &ended(tick(&clock)))?;
    assert_eq!(found()?, Some(first), "one that has ended can be asked for");
    let second = store.record_submission(NewRemoteJob::new(job, cluster, "17"))?.id;
    assert_eq!(found()?, Some(second));
    store.update_remote_job(second, &ended(tick(&clock)))?;
    assert_eq!(found()?, Some(second));
    Ok(())
}

/// A report changes what it names, and its event belongs to the attempt of the submission.
pub fn a_report_changes_what_it_names<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    let job = store.create_job(&sample_job("MgO"))?.id;
    let mut expected = store.record_submission(full_submission(job, cluster, "1"))?;
    store.change_status(job, &StatusChange::to(JobStatus::Failed))?;
    let retried = store.retry_job(job, InitialStatus::Queued)?;

    let report = RemoteJobPatch {
        queue: Patch::Set("short".to_owned()),
        scheduler_state: Patch::Set("NODE_FAIL".to_owned()),
        exit_code: Patch::Set(i32::MIN),
        ended_at: Edit::Set(Timestamp::from_micros(-5)),
        metadata: Edit::Set(object(json!({"new": true}))),
        ..RemoteJobPatch::default()
    };
    let now = tick(&clock);
    expected.submission.queue = Some("short".to_owned());
    expected.submission.scheduler_state = Some("NODE_FAIL".to_owned());
    expected.submission.metadata = object(json!({"new": true}));
    expected.exit_code = Some(i32::MIN);
    expected.ended_at = Some(Timestamp::from_micros(-5));
    expected.updated_at = now;
    expected.phase = RemotePhase::Finished;
    let reported = store.update_remote_job(expected.id, &report)?;
    assert_eq!(reported, Reported::Changed(expected.clone()));
    assert_eq!(store.remote_job(expected.id)?, expected);
    let event = store.history(job)?.pop().expect("an event");
    assert_eq!(
        (event.kind, event.subject.attempt(), event.at),
        (EventKind::RemoteJobUpdated, Some(1), now)
    );
    let detail = json!({
        "remote_job": expected.id.get(), "active": false, "phase": "finished",
        "scheduler_state": "NODE_FAIL", "exit_code": i32::MIN,
    });
    assert_eq!(event.detail, object(detail));
    let again = assert_untouched(&store, || store.update_remote_job(expected.id, &report))?;
    assert_eq!(again, Reported::Unchanged(expected));
    assert_eq!(store.job(job)?, retried, "the job's own row is not touched");
    Ok(())
}

/// What may be empty can be emptied, and is kept unless it is.
pub fn a_report_empties_only_what_it_clears<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    let job = store.create_job(&sample_job("MgO"))?.id;
    let full = store.record_submission(full_submission(job, cluster, "1"))?;
    let nodes = RemoteJobPatch {
        node_list: Patch::Set("node9".to_owned()),
        exit_code: Patch::Set(0),
        ..RemoteJobPatch::default()
    };
    let kept = store.update_remote_job(full.id, &nodes)?.into_remote().submission;
    assert_eq!(kept.queue, full.submission.queue);
    assert_eq!(kept.metadata, full.submission.metadata);
    let clear = RemoteJobPatch {
        queue: Patch::Clear,
        node_list: Patch::Clear,
        stdout_path: Patch::Clear,
        stderr_path: Patch::Clear,
        scheduler_state: Patch::Clear,
        exit_code: Patch::Clear,
        metadata: Edit::Set(serde_json::Map::new()),
        ..RemoteJobPatch::default()
    };
    let cleared = store.update_remote_job(full.id, &clear)?.into_remote();
    let expected =
        NewRemoteJob { work_dir: full.submission.work_dir, ..NewRemoteJob::new(job, cluster, "1") };
    assert_eq!((cleared.submission, cleared.exit_code), (expected, None));
    Ok(())
}

/// What `NewRemoteJob::check` refuses is neither recorded nor reported in.
pub fn what_the_check_of_a_submission_refuses_is_not_stored<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    let job = store.create_job(&sample_job("MgO"))?.id;
    let new = NewRemoteJob::new(job, cluster, "1");
    let deep = (0..101).fold(json!(1), |inner, _| json!([inner]));
    let deep = NewRemoteJob { metadata: object(json!({ "in": deep })), ..new.clone() };
    assert!(ConnectionSettings::new(deep.metadata.clone()).is_err(), "settings neither");
    let refused = [
        ("metadata", deep),
        ("handle", NewRemoteJob::new(job, cluster, "")),
        ("handle", NewRemoteJob::intended(job, cluster)),
        ("token", new.clone().with_a_token(BEGINNING)),
        ("handle", NewRemoteJob::new(job, cluster, "h".repeat(256))),
        ("queue", NewRemoteJob { queue: Some("a\nb".to_owned()), ..new.clone() }),
        ("scheduler_state", NewRemoteJob { scheduler_state: Some(" ".to_owned()), ..new.clone() }),
    ];
    for (field, new) in refused {
        assert_refused!(
            assert_untouched(&store, || store.record_submission(&new)),
            Error::Invalid(Invalid { field: named, .. }) if named == field
        );
    }
    let remote = store.record_submission(&new)?.id;
    let report = RemoteJobPatch {
        queue: Patch::Set(String::new()),
        exit_code: Patch::Set(3),
        ..RemoteJobPatch::default()
    };
    assert_refused!(
        assert_untouched(&store, || store.update_remote_job(remote, &report)),
        Error::Invalid(Invalid { field: "queue", .. })
    );
    // The check comes before what is looked up, and the job before the cluster.
    let missing = crate::JobId::new(99);
    let invalid = NewRemoteJob::new(missing, cluster, "");
    assert_refused!(store.record_submission(&invalid), Error::Invalid(_));
    let nowhere = NewRemoteJob::new(missing, ClusterId::new(99), "1");
    assert_refused!(store.record_submission(&nowhere), Error::NotFound { noun: Noun::Job, .. });
    Ok(())
}

/// The id of a submission that was deleted with its job never comes back.
pub fn ids_of_submissions_never_come_back<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    let mut newest = None;
    for _ in 0..3 {
        let job = store.create_job(&sample_job("MgO"))?.id;
        let id = store.record_submission(NewRemoteJob::new(job, cluster, "1"))?.id;
        assert!(newest < Some(id), "submission {id} came back");
        newest = Some(id);
        store.update_remote_job(id, &RemoteJobPatch::phase(RemotePhase::Finished))?;
        store.delete_job(job)?;
    }
    Ok(())
}
