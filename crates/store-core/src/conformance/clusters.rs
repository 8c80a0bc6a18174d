//! What clusters promise.

use std::collections::BTreeMap;

use serde_json::json;

use crate::cluster::{
    Cluster, ClusterKind, ClusterLimits, ClusterPatch, ClusterStatus, Intake, NewCluster,
};
use crate::code::Code;
use crate::error::{Error, Invalid, Noun, Result};
use crate::event::{EventKind, Subject};
use crate::ids::{ClusterId, EventSequence};
use crate::job::{JobPatch, NewJob};
use crate::patch::{Edit, Patch};
use crate::remote_job::{NewRemoteJob, RemoteJobPatch};
use crate::repo::{
    ClusterRead, ClusterWrite, EventRead, JobRead, JobWrite, RemoteJobRead, RemoteJobWrite,
};
use crate::settings::ConnectionSettings;
use crate::status::JobStatus;

use super::dump::assert_untouched;
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{
    BEGINNING, full_cluster, object, open, sample_cluster, sample_job, settings, tick,
};

/// A cluster comes back as it was given, found by its id and its name.
pub fn a_cluster_comes_back_as_it_was_given<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    for new in [sample_cluster("plain"), full_cluster("Größe 'x'; -- \"y\" 🧪")] {
        let created = store.create_cluster(&new)?;
        let expected = new.clone().into_cluster(created.id, BEGINNING);
        assert_eq!(created, expected);
        assert_eq!(store.cluster(created.id)?, expected);
        assert_eq!(store.find_cluster_by_name(&new.name)?, Some(expected));
    }
    assert_eq!(store.find_cluster_by_name("PLAIN")?, None);
    assert_eq!(store.find_cluster_by_name("")?, None);
    Ok(())
}

/// All clusters are listed, in the order of the bytes of their names.
pub fn clusters_are_listed_by_name<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    for name in ["b", "é", "B", "a 2", "a 10", "a", "Z", "_", "🧪"] {
        store.create_cluster(&sample_cluster(name))?;
    }
    let names: Vec<_> = store.clusters()?.into_iter().map(|c| c.config.name).collect();
    assert_eq!(names, ["B", "Z", "_", "a", "a 10", "a 2", "b", "é", "🧪"]);
    Ok(())
}

/// A name belongs to one cluster, in its exact letters.
pub fn no_two_clusters_share_a_name<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let one = store.create_cluster(&sample_cluster("one"))?.id;
    let other = store.create_cluster(&sample_cluster("other"))?.id;
    store.create_cluster(&sample_cluster("ONE"))?;
    assert_refused!(
        assert_untouched(&store, || store.create_cluster(&full_cluster("one"))),
        Error::Conflict { noun: Noun::Cluster, field: "name", value } if value == "one"
    );
    let rename = |name: &str| ClusterPatch {
        name: Edit::Set(name.to_owned()),
        port: Edit::Set(1),
        ..ClusterPatch::default()
    };
    assert_refused!(
        assert_untouched(&store, || store.update_cluster(other, &rename("one"))),
        Error::Conflict { noun: Noun::Cluster, field: "name", value } if value == "one"
    );
    store.update_cluster(one, &rename("one"))?;
    store.update_cluster(one, &rename("renamed"))?;
    store.update_cluster(other, &rename("one"))?;
    Ok(())
}

/// What a patch does to a cluster, written once more by hand.
type By = fn(&mut NewCluster);

/// Each field can be edited alone, and the rest stays.
pub fn an_edit_of_a_cluster_changes_what_it_names<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let bystander = store.create_cluster(&full_cluster("bystander"))?;
    let mut expected = store.create_cluster(&full_cluster("c"))?;
    let keep = ClusterPatch::default;
    let (name, host, set) =
        ("renamed".to_owned(), "10.0.0.1".to_owned(), settings(json!({"a": 1})));
    let roots = BTreeMap::from([(Code::Vasp, "/opt/vasp".to_owned())]);
    let patches: Vec<(ClusterPatch, By)> = vec![
        (ClusterPatch { name: Edit::Set(name), ..keep() }, |c| c.name = "renamed".to_owned()),
        (ClusterPatch { kind: Edit::Set(ClusterKind::Slurm), ..keep() }, |c| {
            c.kind = ClusterKind::Slurm;
        }),
        (ClusterPatch { hostname: Edit::Set(host), ..keep() }, |c| {
            c.hostname = "10.0.0.1".to_owned();
        }),
        (ClusterPatch { port: Edit::Set(1), ..keep() }, |c| c.port = 1),
        (ClusterPatch { username: Patch::Clear, ..keep() }, |c| c.username = None),
        (ClusterPatch { username: Patch::Set("eve".to_owned()), ..keep() }, |c| {
            c.username = Some("eve".to_owned());
        }),
        (ClusterPatch { settings: Edit::Set(set), ..keep() }, |c| {
            c.settings = settings(json!({"a": 1}));
        }),
        (ClusterPatch { status: Edit::Set(ClusterStatus::Inactive), ..keep() }, |c| {
            c.status = ClusterStatus::Inactive;
        }),
        (ClusterPatch { code_roots: Edit::Set(roots), ..keep() }, |c| {
            c.code_roots = BTreeMap::from([(Code::Vasp, "/opt/vasp".to_owned())]);
        }),
        (ClusterPatch { setup_commands: Edit::Set(vec![]), ..keep() }, |c| {
            c.setup_commands = vec![];
        }),
    ];
    for (patch, edit) in patches {
        let now = tick(&clock);
        edit(&mut expected.config);
        expected = Cluster { updated_at: now, ..expected };
        assert_eq!(store.update_cluster(expected.id, &patch)?, expected);
        assert_eq!(store.cluster(expected.id)?, expected);
        assert_untouched(&store, || store.update_cluster(expected.id, &patch))?;
    }
    assert_eq!(store.update_cluster(expected.id, &keep())?, expected);
    assert_eq!(store.cluster(bystander.id)?, bystander);
    Ok(())
}

/// What `NewCluster::check` refuses is neither created nor edited in.
pub fn what_the_check_of_a_cluster_refuses_is_not_stored<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let good = sample_cluster("good");
    let id = store.create_cluster(&good)?.id;
    let roots = |root: &str| BTreeMap::from([(Code::Vasp, root.to_owned())]);
    let refused = [
        ("cluster name", NewCluster { name: " ".to_owned(), ..good.clone() }),
        ("cluster name", NewCluster { name: "n".repeat(256), ..good.clone() }),
        ("hostname", NewCluster { hostname: String::new(), ..good.clone() }),
        ("username", NewCluster { username: Some("a\nb".to_owned()), ..good.clone() }),
        ("port", NewCluster { port: 0, ..good.clone() }),
        ("code root", NewCluster { code_roots: roots(""), ..good.clone() }),
        ("setup command", NewCluster { setup_commands: vec!["\0".to_owned()], ..good.clone() }),
    ];
    for (field, new) in refused {
        let patch = ClusterPatch {
            name: Edit::Set(new.name.clone()),
            hostname: Edit::Set(new.hostname.clone()),
            username: new.username.clone().map_or(Patch::Keep, Patch::Set),
            port: Edit::Set(new.port),
            code_roots: Edit::Set(new.code_roots.clone()),
            setup_commands: Edit::Set(new.setup_commands.clone()),
            ..ClusterPatch::default()
        };
        for answer in [
            assert_untouched(&store, || store.create_cluster(&new)),
            assert_untouched(&store, || store.update_cluster(id, &patch)),
        ] {
            assert_refused!(
                answer,
                Error::Invalid(Invalid { field: named, .. }) if named == field
            );
        }
    }
    Ok(())
}

/// Secrets cannot be put into settings, and what is stored is not shown by `Debug`.
pub fn secrets_never_reach_a_store<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    for secret in [
        json!({"password": "hunter2"}),
        json!({"hops": [{"auth": {"API-Token": "hunter2"}}]}),
        json!({"identity": "-----BEGIN RSA PRIVATE KEY-----\nhunter2"}),
    ] {
        let refused = ConnectionSettings::new(object(secret)).expect_err("a secret");
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
    }
    let new = NewCluster {
        settings: settings(json!({"identity_file": "/home/ada/.ssh/id", "password_env": "PW"})),
        ..sample_cluster("c")
    };
    let cluster = store.cluster(store.create_cluster(&new)?.id)?;
    assert_eq!(cluster.config.settings, new.settings);
    assert!(!format!("{cluster:?}").contains("/home/ada"), "{cluster:?}");
    Ok(())
}

/// A cluster that a job or a submission names is not removed; one that nobody names any more is.
pub fn a_cluster_in_use_is_not_deleted<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let id = store.create_cluster(&sample_cluster("c"))?.id;
    let in_use = || {
        assert_refused!(
            assert_untouched(&store, || store.delete_cluster(id)),
            Error::InUse { noun: Noun::Cluster, key, .. } if key == id.to_string()
        );
    };
    let new = NewJob { cluster: Some(id), ..sample_job("MgO") };
    let job = store.create_job(&new)?.id;
    in_use();
    let remote = store.record_submission(NewRemoteJob::new(job, id, "1"))?.id;
    let away = JobPatch { cluster: Patch::Clear, ..JobPatch::default() };
    store.update_job(job, &away)?;
    in_use();
    let ended = RemoteJobPatch { ended_at: Edit::Set(tick(&clock)), ..RemoteJobPatch::default() };
    store.update_remote_job(remote, &ended)?;
    in_use();
    assert_eq!(store.remote_jobs_of(job)?.len(), 1);
    store.delete_job(job)?;
    store.delete_cluster(id)?;
    assert_refused!(store.cluster(id), Error::NotFound { noun: Noun::Cluster, .. });
    assert_eq!(store.find_cluster_by_name("c")?, None);
    assert!(store.clusters()?.is_empty());
    Ok(())
}

/// The id of a deleted cluster never comes back, so that nothing can mean another one by it.
pub fn ids_of_clusters_never_come_back<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let first = store.create_cluster(&sample_cluster("c"))?.id;
    store.delete_cluster(first)?;
    let second = store.create_cluster(&sample_cluster("c"))?.id;
    assert!(first < second);
    Ok(())
}

/// Who follows the history sees what becomes of clusters: which fields, from what to what, and why; never how one is
/// reached.
pub fn each_change_of_a_cluster_is_told_with_its_reason<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let id = store.create_cluster(&full_cluster("c"))?.id;
    let job = store.create_job(&NewJob { cluster: Some(id), ..sample_job("MgO") })?.id;
    let maintenance = ClusterPatch {
        name: Edit::Set("d".to_owned()),
        port: Edit::Set(23),
        username: Patch::Set("eve".to_owned()),
        status: Edit::Set(ClusterStatus::Inactive),
        settings: Edit::Set(settings(json!({"identity_file": "/home/eve/.ssh/id"}))),
        limits: Edit::Set(ClusterLimits { max_running: Some(0), ..ClusterLimits::default() }),
        ..ClusterPatch::intake(Intake::Paused)
    };
    store.update_cluster(id, &maintenance.clone().because("new cooling"))?;
    assert_untouched(&store, || store.update_cluster(id, &maintenance.because("twice")))?;
    let nul = ClusterPatch::intake(Intake::Open).because("a\0b");
    assert_refused!(
        assert_untouched(&store, || store.update_cluster(id, &nul)),
        Error::Invalid(Invalid { field: "reason", .. })
    );
    store.force_delete_cluster(id)?;
    let told = store.cluster_history(id)?;
    let told: Vec<_> = told.into_iter().map(|event| (event.kind, event.detail)).collect();
    let no_limits = json!({"max_running": null, "nodes": null, "cores": null, "memory_mib": null});
    let limits = json!({"max_running": 0, "nodes": null, "cores": null, "memory_mib": null});
    let expected = [
        (
            EventKind::ClusterCreated,
            json!({"name": "c", "status": "error", "intake": "open", "limits": no_limits}),
        ),
        (
            EventKind::ClusterUpdated,
            json!({
                "name": "d",
                "renamed_from": "c",
                "fields": ["name", "port", "username", "settings", "status", "intake", "limits"],
                "limits": {"from": no_limits, "to": limits},
                "status": {"from": "error", "to": "inactive"},
                "intake": {"from": "open", "to": "paused"},
                "reason": "new cooling",
            }),
        ),
        (
            EventKind::ClusterDeleted,
            json!({"name": "d", "cancelled": 1, "detached": 1, "submissions": 0}),
        ),
    ];
    assert_eq!(told, expected.map(|(kind, detail)| (kind, object(detail))));
    let last = store.events_after(EventSequence::START, 100)?.pop();
    assert_eq!(last.map(|event| event.kind), Some(EventKind::ClusterDeleted), "after its jobs'");
    assert_eq!(store.job(job)?.status, JobStatus::Cancelled);
    Ok(())
}

/// The history of a cluster is there when the cluster is gone, and another one of the same name has its own.
pub fn the_history_of_a_cluster_outlives_it<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let first = store.create_cluster(&sample_cluster("c"))?.id;
    store.delete_cluster(first)?;
    let second = store.create_cluster(&sample_cluster("c"))?.id;
    let kinds = |id| -> Result<Vec<EventKind>> {
        let history = store.cluster_history(id)?;
        assert!(history.iter().all(|event| event.subject == Subject::Cluster(id)));
        Ok(history.into_iter().map(|event| event.kind).collect())
    };
    assert_eq!(kinds(first)?, [EventKind::ClusterCreated, EventKind::ClusterDeleted]);
    assert_eq!(kinds(second)?, [EventKind::ClusterCreated]);
    let unknown = store.cluster_history(ClusterId::new(second.get() + 1));
    assert_refused!(unknown, Error::NotFound { noun: Noun::Cluster, .. });
    Ok(())
}
