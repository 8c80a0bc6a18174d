//! What editing jobs promises.

use crate::code::Runner;
use crate::error::{Error, Invalid, Noun};
use crate::event::EventKind;
use crate::ids::ClusterId;
use crate::job::{Job, JobPatch, Parallelism};
use crate::patch::{Edit, Patch};
use crate::repo::{ClusterWrite, EventRead, JobRead, JobWrite};
use crate::status::JobStatus;

use super::dump::assert_untouched;
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{
    BEGINNING, dir, full_job, job_at, job_in, open, sample_cluster, sample_job, sample_policy, tick,
};

fn rename(name: &str) -> JobPatch {
    JobPatch { name: Edit::Set(name.to_owned()), ..JobPatch::default() }
}

fn moved(path: &str) -> JobPatch {
    JobPatch { work_dir: Edit::Set(dir(path)), ..JobPatch::default() }
}

/// What a patch does to a job, written once more by hand.
type By = fn(&mut Job, ClusterId);

/// Each field can be edited alone; the rest stays, and the event names it.
pub fn an_edit_changes_what_it_names_and_nothing_else<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    let threads = Parallelism { threads: Some(8), ..Parallelism::default() };
    let edits: Vec<(&str, JobPatch, By)> = vec![
        ("name", rename("CaO"), |job, _| job.name = "CaO".to_owned()),
        ("work_dir", moved("/b"), |job, _| job.work_dir = dir("/b")),
        (
            "workflow",
            JobPatch { workflow: Patch::Set("w".to_owned()), ..JobPatch::default() },
            |job, _| job.workflow = Some("w".to_owned()),
        ),
        (
            "cluster",
            JobPatch { cluster: Patch::Set(cluster), ..JobPatch::default() },
            |job, cluster| job.cluster = Some(cluster),
        ),
        ("runner", JobPatch { runner: Edit::Set(Runner::Ssh), ..JobPatch::default() }, |job, _| {
            job.runner = Runner::Ssh
        }),
        (
            "parallelism",
            JobPatch { parallelism: Edit::Set(threads), ..JobPatch::default() },
            |job, _| job.parallelism.threads = Some(8),
        ),
        (
            "priority",
            JobPatch { priority: Edit::Set(i32::MAX), ..JobPatch::default() },
            |job, _| job.priority = i32::MAX,
        ),
        (
            "not_before",
            JobPatch { not_before: Patch::Set(BEGINNING), ..JobPatch::default() },
            |job, _| job.not_before = Some(BEGINNING),
        ),
        (
            "policy",
            JobPatch { policy: Edit::Set(sample_policy()), ..JobPatch::default() },
            |job, _| job.policy = sample_policy(),
        ),
    ];
    let bystander = store.create_job(&sample_job("bystander"))?;
    let mut expected = store.create_job(&job_at("MgO", "/a"))?;
    for (field, patch, edit) in edits {
        let now = tick(&clock);
        edit(&mut expected, cluster);
        expected.updated_at = now;
        assert_eq!(store.update_job(expected.id, &patch)?, expected, "{field}");
        assert_eq!(store.job(expected.id)?, expected, "{field}");
        let history = store.history(expected.id)?;
        let event = history.last().expect("an event");
        assert_eq!((event.kind, event.at), (EventKind::Updated, now));
        assert_eq!(event.detail["fields"], serde_json::json!([field]));
    }
    assert_eq!(store.job(bystander.id)?, bystander);
    Ok(())
}

/// What may be empty can be emptied, and is kept unless it is.
pub fn an_edit_empties_only_what_it_clears<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    let parent = store.create_job(&sample_job("parent"))?.id;
    let full = store.create_job(&full_job("full", cluster, parent))?;
    let renamed = store.update_job(full.id, &rename("renamed"))?;
    assert_eq!((&renamed.workflow, renamed.cluster), (&full.workflow, full.cluster));
    let cleared = JobPatch {
        workflow: Patch::Clear,
        cluster: Patch::Clear,
        not_before: Patch::Clear,
        parallelism: Edit::Set(Parallelism::default()),
        ..JobPatch::default()
    };
    let cleared = store.update_job(full.id, &cleared)?;
    assert_eq!((cleared.workflow, cleared.cluster, cleared.not_before), (None, None, None));
    assert_eq!(cleared.parallelism, Parallelism::default());
    assert_eq!(cleared.idempotency_key, full.idempotency_key);
    // The cluster is free again.
    store.delete_cluster(cluster)?;
    Ok(())
}

/// An edit to what is so already changes nothing and writes no event.
pub fn an_edit_that_changes_nothing_writes_nothing<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let job = job_in(&store, "MgO", JobStatus::Running)?;
    tick(&clock);
    let same = JobPatch {
        name: Edit::Set(job.name.clone()),
        work_dir: Edit::Set(job.work_dir.clone()),
        workflow: Patch::Clear,
        cluster: Patch::Clear,
        runner: Edit::Set(job.runner),
        parallelism: Edit::Set(job.parallelism),
        priority: Edit::Set(job.priority),
        not_before: Patch::Clear,
        policy: Edit::Set(job.policy.clone()),
    };
    for patch in [same, JobPatch::default()] {
        assert_eq!(assert_untouched(&store, || store.update_job(job.id, &patch))?, job);
    }
    Ok(())
}

/// A job can move while it is PENDING; the rest can be edited in every status.
pub fn a_directory_is_fixed_once_the_job_is_queued<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    for &status in JobStatus::ALL {
        let id = job_in(&store, "MgO", status)?.id;
        store.update_job(id, &rename("CaO"))?;
        let patch =
            JobPatch { work_dir: Edit::Set(dir(&format!("/moved/{status}"))), ..rename("SrO") };
        if status == JobStatus::Pending {
            let job = store.update_job(id, &patch)?;
            assert_eq!(store.find_job_by_work_dir(&dir("/moved/PENDING"))?, Some(job));
        } else {
            assert_refused!(
                assert_untouched(&store, || store.update_job(id, &patch)),
                Error::NotAllowed { job, status: found, .. } if (job, found) == (id, status)
            );
        }
    }
    Ok(())
}

/// A directory that another job has is refused; one that was left is free.
pub fn a_job_does_not_move_into_the_directory_of_another<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let one = store.create_job(&job_at("one", "/a"))?.id;
    let other = store.create_job(&job_at("other", "/b"))?.id;
    let patch = JobPatch { priority: Edit::Set(3), ..moved("/a") };
    assert_refused!(
        assert_untouched(&store, || store.update_job(other, &patch)),
        Error::Conflict { noun: Noun::Job, field: "work_dir", value } if value == "/a"
    );
    store.update_job(one, &moved("/c"))?;
    store.update_job(other, &moved("/a"))?;
    store.create_job(&job_at("third", "/b"))?;
    Ok(())
}

/// A cluster that is not there is refused, before a directory that is taken.
pub fn a_job_is_not_sent_to_a_missing_cluster<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    store.create_job(&job_at("one", "/a"))?;
    let other = store.create_job(&job_at("other", "/b"))?.id;
    let patch = JobPatch { cluster: Patch::Set(ClusterId::new(77)), ..moved("/a") };
    assert_refused!(
        assert_untouched(&store, || store.update_job(other, &patch)),
        Error::NotFound { noun: Noun::Cluster, key } if key == "77"
    );
    Ok(())
}

/// What no new job could have, no edit can give it.
pub fn an_invalid_edit_leaves_nothing<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let id = store.create_job(&sample_job("MgO"))?.id;
    let zero = Parallelism { nodes: Some(0), ..Parallelism::default() };
    let refused = [
        ("name", rename("")),
        ("name", rename(&"x".repeat(256))),
        ("name", rename("a\tb")),
        ("workflow", JobPatch { workflow: Patch::Set(" ".to_owned()), ..JobPatch::default() }),
        ("nodes", JobPatch { parallelism: Edit::Set(zero), ..rename("CaO") }),
    ];
    for (field, patch) in refused {
        assert_refused!(
            assert_untouched(&store, || store.update_job(id, &patch)),
            Error::Invalid(Invalid { field: named, .. }) if named == field
        );
    }
    Ok(())
}
