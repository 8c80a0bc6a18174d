//! What finding, putting away and deleting jobs promises.

use crate::dependency::DependencyKind;
use crate::error::{Error, Noun, Result};
use crate::event::EventKind;
use crate::ids::{ClusterId, JobId, JobUuid, RemoteJobId};
use crate::job::JobPatch;
use crate::query::{Archived, JobFilter, Page};
use crate::remote_job::{NewRemoteJob, RemoteJobPatch};
use crate::remote_phase::RemotePhase;
use crate::repo::{
    ClusterRead, ClusterWrite, DependencyRead, DependencyWrite, EventRead, EventWrite, JobRead,
    JobWrite, RemoteJobRead, RemoteJobWrite, ResultRead, ResultWrite,
};
use crate::status::{InitialStatus, JobStatus, StatusChange};
use crate::submission::Confirmation;

use super::cast::Cast;
use super::dump::{Dump, assert_untouched};
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{
    dir, full_job, job_in, open, sample_cluster, sample_deck, sample_job, sample_result, tick,
};

/// A job is found by each thing that it alone has; what nobody has finds nobody.
pub fn a_job_is_found_by_what_it_alone_has<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let parent = store.create_job(&sample_job("parent"))?;
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    let job = store.create_job(&full_job("full", cluster, parent.id))?;
    assert_eq!(store.find_job_by_uuid(job.uuid)?.as_ref(), Some(&job));
    assert_eq!(store.find_job_by_work_dir(&job.work_dir)?.as_ref(), Some(&job));
    assert_eq!(store.find_job_by_idempotency_key("key of full")?.as_ref(), Some(&job));
    assert_eq!(store.find_job_by_uuid(JobUuid::from_bytes([0; 16]))?, None);
    assert_eq!(store.find_job_by_work_dir(&dir("/home/ada"))?, None);
    assert_eq!(store.find_job_by_idempotency_key("KEY OF FULL")?, None);
    assert_eq!(store.find_job_by_idempotency_key("")?, None);
    Ok(())
}

/// A store begins empty.
pub fn a_fresh_store_is_empty<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let dump = Dump::of(&store)?;
    assert!(dump.jobs.is_empty() && dump.clusters.is_empty() && dump.events.is_empty());
    assert_eq!(dump.counts.total(), 0);
    assert!(store.statuses(&[JobId::new(1)])?.is_empty());
    Ok(())
}

/// Every method says which job it did not find.
pub fn a_job_that_is_not_there_is_named_by_every_method<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let cast = Cast::enter(&store, &clock)?;
    for number in [0, -1, i64::MIN, i64::MAX, 4_711] {
        let id = JobId::new(number);
        let queued = StatusChange::to(JobStatus::Queued);
        let both = [(cast.child, queued.clone()), (id, queued.clone())];
        let after_ok = DependencyKind::AfterOk;
        let results = [(cast.child, sample_result(-1.0)), (id, sample_result(-1.0))];
        let patch = JobPatch::default();
        let submission = NewRemoteJob::new(id, cast.cluster, "1");
        let answers: Vec<Result<()>> = assert_untouched(&store, || {
            vec![
                store.job(id).map(drop),
                store.input(id).map(drop),
                store.dependencies_of(id).map(drop),
                store.dependents_of(id).map(drop),
                store.readiness(id).map(drop),
                store.history(id).map(drop),
                store.remote_jobs_of(id).map(drop),
                store.newest_remote_job(id).map(drop),
                store.newest_result(id).map(drop),
                store.results_of(id).map(drop),
                store.update_job(id, &patch).map(drop),
                store.replace_input(id, &sample_deck("MgO")),
                store.change_status(id, &queued).map(drop),
                store.change_statuses(&both).map(drop),
                store.retry_job(id, InitialStatus::Pending).map(drop),
                store.archive_job(id),
                store.unarchive_job(id),
                store.delete_job(id),
                store.add_dependency(id, cast.child, after_ok),
                store.add_dependency(cast.child, id, after_ok),
                store.add_dependency(id, id, after_ok),
                store.remove_dependency(id, cast.child),
                store.add_note(id, "x").map(drop),
                store.record_submission(&submission).map(drop),
                store.begin_submission(NewRemoteJob::intended(id, cast.cluster)).map(drop),
                store.record_result(id, &sample_result(-1.0)).map(drop),
                store.record_results(&results).map(drop),
                store.replace_result(id, &sample_result(-1.0)).map(drop),
            ]
        });
        for (index, answer) in answers.into_iter().enumerate() {
            match answer {
                Err(Error::NotFound { noun: Noun::Job, key }) if key == id.to_string() => {}
                other => panic!("call {index} on job {id} came to {other:?}"),
            }
        }
    }
    Ok(())
}

/// A cluster or a submission that is not there is named too.
pub fn a_cluster_or_submission_that_is_not_there_is_named<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let job = store.create_job(&sample_job("MgO"))?.id;
    let (cluster, remote) = (ClusterId::new(4_711), RemoteJobId::new(4_712));
    let clusters: Vec<Result<()>> = assert_untouched(&store, || {
        vec![
            store.cluster(cluster).map(drop),
            store.active_remote_jobs(cluster).map(drop),
            store.update_cluster(cluster, &crate::ClusterPatch::default()).map(drop),
            store.delete_cluster(cluster),
            store.record_submission(NewRemoteJob::new(job, cluster, "1")).map(drop),
            store.begin_submission(NewRemoteJob::intended(job, cluster)).map(drop),
            store.find_remote_job(cluster, "1").map(drop),
            store.pending_intents(Some(cluster)).map(drop),
            store.submissions_to_cancel(cluster).map(drop),
            store.cluster_contact(cluster).map(drop),
            store.report_reached(cluster).map(drop),
            store.report_unreachable(cluster, "timed out").map(drop),
        ]
    });
    for answer in clusters {
        assert_refused!(
            answer,
            Error::NotFound { noun: Noun::Cluster, key } if key == "4711"
        );
    }
    for answer in [
        store.remote_job(remote).map(drop),
        store.update_remote_job(remote, &RemoteJobPatch::default()).map(drop),
        store.confirm_submission(remote, &Confirmation::new("1")).map(drop),
        store.abandon_submission(remote, "not there").map(drop),
    ] {
        assert_refused!(
            answer,
            Error::NotFound { noun: Noun::RemoteJob, key } if key == "4712"
        );
    }
    Ok(())
}

/// A job that has ended can be put away and brought back; everything of it stays.
pub fn an_archived_job_keeps_everything_and_comes_back<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    for status in [JobStatus::Completed, JobStatus::Failed, JobStatus::Cancelled] {
        let job = job_in(&store, status.as_str(), status)?;
        store.record_result(job.id, &sample_result(-1.0))?;
        let before = Dump::of(&store)?;
        let away = tick(&clock);
        store.archive_job(job.id)?;
        let archived = store.job(job.id)?;
        assert_eq!((archived.archived_at, archived.updated_at), (Some(away), away));
        assert_eq!(archived.status, status);
        assert_eq!(store.results_of(job.id)?.len(), 1);
        assert_untouched(&store, || store.archive_job(job.id))?;

        let back = tick(&clock);
        store.unarchive_job(job.id)?;
        let mut after = Dump::of(&store)?.without_history();
        assert_eq!(after.jobs[0].job.updated_at, back);
        after.jobs[0].job.updated_at = job.updated_at;
        assert_eq!(after, before.without_history());
        assert_untouched(&store, || store.unarchive_job(job.id))?;
        let kinds: Vec<_> = store.history(job.id)?.iter().map(|event| event.kind).collect();
        assert!(kinds.ends_with(&[EventKind::Archived, EventKind::Unarchived]));
        assert_eq!(kinds.len(), 5);
    }
    Ok(())
}

/// A job that has not ended is not put away.
pub fn a_job_that_has_not_ended_is_not_archived<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    for status in [JobStatus::Pending, JobStatus::Queued, JobStatus::Running] {
        let id = job_in(&store, "MgO", status)?.id;
        assert_refused!(
            assert_untouched(&store, || store.archive_job(id)),
            Error::NotAllowed { job, status: found, .. } if (job, found) == (id, status)
        );
        assert_untouched(&store, || store.unarchive_job(id))?;
    }
    Ok(())
}

/// A job that was put away is left out of counts and lists, and found by everything else.
pub fn an_archived_job_is_left_out_of_lists_and_counts<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let kept = job_in(&store, "kept", JobStatus::Failed)?;
    let away = job_in(&store, "away", JobStatus::Failed)?;
    store.archive_job(away.id)?;
    assert_eq!(store.counts_by_status()?.of(JobStatus::Failed), 1);
    let ids = |archived| -> Result<Vec<JobId>> {
        let filter = JobFilter { archived, ..JobFilter::all() };
        let page = store.jobs(&filter, Page::first(10)?)?;
        Ok(page.jobs.into_iter().map(|job| job.id).collect())
    };
    assert_eq!(ids(Archived::Exclude)?, [kept.id]);
    assert_eq!(ids(Archived::Only)?, [away.id]);
    assert_eq!(ids(Archived::Include)?, [away.id, kept.id]);
    assert_eq!(store.statuses(&[away.id, kept.id])?.len(), 2);
    assert!(store.find_job_by_uuid(away.uuid)?.is_some());
    assert!(store.find_job_by_work_dir(&away.work_dir)?.is_some());
    Ok(())
}

/// Deleting takes everything of the job and nothing of any other.
pub fn a_deleted_job_leaves_nothing_of_itself<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let parent = store.create_job(&sample_job("parent"))?.id;
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    let before = Dump::of(&store)?;
    let place = store.newest_sequence()?;

    let job = store.create_job(&full_job("full", cluster, parent))?;
    let remote = store.record_submission(NewRemoteJob::new(job.id, cluster, "1"))?.id;
    store.change_status(job.id, &StatusChange::to(JobStatus::Failed))?;
    store.record_result(job.id, &sample_result(-1.0))?;
    store.retry_job(job.id, InitialStatus::Pending)?;
    store.record_result(job.id, &sample_result(-2.0))?;
    store.add_note(job.id, "soon gone")?;
    store.update_remote_job(remote, &RemoteJobPatch::phase(RemotePhase::Finished))?;
    store.delete_job(job.id)?;

    let mut after = Dump::of(&store)?;
    let told = after.events.pop_if(|event| event.sequence > place);
    assert_eq!(told.map(|event| event.kind), Some(EventKind::Deleted), "one event tells of it");
    assert_eq!(after, before);
    assert_refused!(store.job(job.id), Error::NotFound { noun: Noun::Job, .. });
    assert_refused!(store.remote_job(remote), Error::NotFound { noun: Noun::RemoteJob, .. });
    assert_eq!(store.find_job_by_uuid(job.uuid)?, None);
    assert_eq!(store.find_job_by_idempotency_key("key of full")?, None);
    assert_refused!(store.delete_job(job.id), Error::NotFound { .. });
    // Nothing holds what it held.
    store.delete_cluster(cluster)?;
    store.delete_job(parent)?;
    Ok(())
}

/// A job can be deleted in every status in which it cannot be running, put away or not.
pub fn a_job_that_may_be_running_is_not_deleted<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    for &status in JobStatus::ALL {
        let id = job_in(&store, "MgO", status)?.id;
        if matches!(status, JobStatus::Queued | JobStatus::Running) {
            assert_refused!(
                assert_untouched(&store, || store.delete_job(id)),
                Error::NotAllowed { job, status: found, .. } if (job, found) == (id, status)
            );
        } else {
            store.delete_job(id)?;
        }
    }
    let away = job_in(&store, "away", JobStatus::Completed)?.id;
    store.archive_job(away)?;
    store.delete_job(away)?;
    assert_eq!(store.counts_by_status()?.total(), 2);
    Ok(())
}

/// A job stays, whatever its status, while a submission of it may be at a scheduler, under a handle or only
/// under the token of its intent; otherwise nobody would know any more what is to be cancelled there.
pub fn a_job_that_a_scheduler_may_have_is_not_deleted<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    for status in [JobStatus::Pending, JobStatus::Failed, JobStatus::Cancelled] {
        let job = store.create_job(&sample_job("MgO"))?.id;
        let begin = || store.begin_submission(NewRemoteJob::intended(job, cluster));
        let refused = || {
            let answer = assert_untouched(&store, || store.delete_job(job));
            let refused = answer.expect_err("a scheduler may have it");
            assert!(
                matches!(&refused, Error::NotAllowed { job: of, status: found, .. }
                    if (*of, *found) == (job, status)),
                "{status}: {refused}"
            );
            let text = refused.to_string();
            assert!(text.contains("end") && text.contains("abandon"), "{text}");
        };
        let abandoned = begin()?.id;
        let handle = job.to_string();
        let recorded = store.record_submission(NewRemoteJob::new(job, cluster, handle))?.id;
        if status != JobStatus::Pending {
            store.change_status(job, &StatusChange::to(JobStatus::Queued))?;
            store.change_status(job, &StatusChange::to(JobStatus::Running))?;
            store.change_status(job, &StatusChange::to(status))?;
        }
        refused();
        store.abandon_submission(abandoned, "the scheduler has nothing")?;
        refused();
        store.update_remote_job(recorded, &RemoteJobPatch::phase(RemotePhase::Finished))?;
        store.delete_job(job)?;
    }
    // Neither does an intent of an earlier attempt let it go.
    let job = store.create_job(&sample_job("MgO"))?.id;
    let intent = store.begin_submission(NewRemoteJob::intended(job, cluster))?.id;
    store.change_status(job, &StatusChange::to(JobStatus::Cancelled))?;
    store.retry_job(job, InitialStatus::Pending)?;
    assert_refused!(
        assert_untouched(&store, || store.delete_job(job)),
        Error::NotAllowed { status: JobStatus::Pending, .. }
    );
    store.abandon_submission(intent, "the scheduler has nothing")?;
    store.delete_job(job)?;
    Ok(())
}

/// A job that others wait for stays until they do not.
pub fn a_job_that_others_wait_for_is_not_deleted<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let parent = store.create_job(&sample_job("parent"))?.id;
    let child = sample_job("child").after(parent, DependencyKind::AfterAny);
    let child = store.create_job(&child)?.id;
    assert_refused!(
        assert_untouched(&store, || store.delete_job(parent)),
        Error::InUse { noun: Noun::Job, key, .. } if key == parent.to_string()
    );
    // Whether it may be running is asked first.
    store.change_status(parent, &StatusChange::to(JobStatus::Queued))?;
    assert_refused!(store.delete_job(parent), Error::NotAllowed { .. });
    store.change_status(parent, &StatusChange::to(JobStatus::Pending))?;
    store.delete_job(child)?;
    store.delete_job(parent)?;
    Ok(())
}

/// The statuses of any number of jobs are told at once; those that are not there are left out.
pub fn statuses_are_told_of_any_number_of_jobs<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let mut expected = std::collections::BTreeMap::new();
    for &status in JobStatus::ALL {
        expected.insert(job_in(&store, "MgO", status)?.id, status);
    }
    let more = store.create_jobs(&vec![sample_job("CaO"); 300])?;
    expected.extend(more.iter().map(|job| (job.id, JobStatus::Pending)));
    let many: Vec<_> = (-10_000..30_000).map(JobId::new).collect();
    assert_eq!(store.statuses(&many)?, expected);
    let (twice, status) = (more[0].id, JobStatus::Pending);
    assert_eq!(store.statuses(&[twice, twice])?, [(twice, status)].into());
    assert!(store.statuses(&[])?.is_empty());
    Ok(())
}
