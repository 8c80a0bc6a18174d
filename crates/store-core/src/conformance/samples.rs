//! The stores, jobs and clusters that promises work on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::cluster::{ClusterKind, ClusterStatus, NewCluster};
use crate::code::{Code, Runner};
use crate::dependency::DependencyKind;
use crate::error::Result;
use crate::event::Actor;
use crate::ids::{ClusterId, JobId};
use crate::input::InputDeck;
use crate::job::{Job, NewJob, Parallelism};
use crate::policy::{Backoff, JobPolicy, OnLapse, OnUnsatisfiable};
use crate::remote_job::{NewRemoteJob, RemoteJob};
use crate::repo::ClusterWrite;
use crate::result::{Convergence, NewResult, ResultDocument};
use crate::settings::ConnectionSettings;
use crate::status::{JobStatus, StatusChange};
use crate::store::{Store, WriteUnit};
use crate::time::{Clock, ManualClock, Timestamp};
use crate::units::{Energy, EnergyUnit};
use crate::work_dir::{Placement, WorkDir};
use crate::worker::Worker;

use super::fixture::Fixture;

/// The length of a lease that outlives most promises.
pub(super) const HOUR: Duration = Duration::from_secs(3_600);

/// When every sample begins: a moment with microseconds.
pub(super) const BEGINNING: Timestamp = Timestamp::from_micros(1_700_000_000_123_457);

/// A fresh store, signed by [`actor`], and the clock that it goes by.
pub(super) fn open<F: Fixture>(fixture: &F) -> (F::Store, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(BEGINNING));
    let store = fixture.fresh(Arc::clone(&clock) as Arc<dyn Clock>);
    (store.acting_as(actor()), clock)
}

pub(super) fn actor() -> Actor {
    Actor::new("the suite").expect("a name")
}

/// Moves a clock on and tells the new time.
pub(super) fn tick(clock: &ManualClock) -> Timestamp {
    clock.advance(Duration::from_micros(1_000_001));
    clock.now()
}

pub(super) fn dir(path: &str) -> WorkDir {
    WorkDir::new(path).expect("an absolute directory")
}

pub(super) fn sample_job(name: &str) -> NewJob {
    NewJob::new(name, Code::Crystal, Placement::Under(dir("/scratch")))
}

pub(super) fn job_at(name: &str, path: &str) -> NewJob {
    NewJob::new(name, Code::Crystal, Placement::At(dir(path)))
}

/// A job of which every field is set.
pub(super) fn full_job(name: &str, cluster: ClusterId, parent: JobId) -> NewJob {
    NewJob {
        code: "cp2k".parse().expect("a code"),
        placement: Placement::At(dir(&format!("/home/ada/{name}"))),
        runner: Runner::Slurm,
        workflow: Some("band gap".to_owned()),
        cluster: Some(cluster),
        parallelism: Parallelism {
            nodes: Some(2),
            mpi_ranks: Some(u32::MAX),
            threads: Some(1),
            memory_mib: Some(64_000),
        },
        priority: i32::MIN,
        not_before: Some(Timestamp::from_micros(1)),
        policy: sample_policy(),
        idempotency_key: Some(format!("key of {name}")),
        tags: BTreeMap::from([("made for".to_owned(), "«ß»".to_owned())]),
        uuid: Some(crate::JobUuid::from_bytes([0x71; 16])),
        ..sample_job(name)
    }
    .queued()
    .with_input(sample_deck(name))
    .after(parent, DependencyKind::AfterAny)
}

/// A worker of which everything is known.
pub(super) fn sample_worker(name: &str) -> Worker {
    Worker {
        boot_id: Some("7f0c4a2e-boot".to_owned()),
        pid_started_at: Some(4_711),
        ..Worker::new(name, "node-17", 1_234)
    }
}

/// A policy of which every field is set.
pub(super) fn sample_policy() -> JobPolicy {
    JobPolicy {
        max_attempts: 3,
        backoff: Backoff::Exponential {
            first_seconds: 10,
            longest_seconds: 3600,
            jitter_percent: 20,
        },
        not_retried: ["bad_input".parse().expect("a word")].into(),
        on_lapse: Some(OnLapse::Probe),
        max_lapses: 2,
        on_unsatisfiable: OnUnsatisfiable::Cancel,
    }
}

pub(super) fn sample_deck(text: &str) -> InputDeck {
    InputDeck::set([("INCAR", format!("SYSTEM = {text}\n")), ("KPOINTS", "0\nGamma\n".to_owned())])
        .expect("a deck")
}

/// Creates a job and brings it into `status`.
pub(super) fn create_in<W: WriteUnit>(w: &W, name: &str, status: JobStatus) -> Result<Job> {
    let job = w.create_job(&sample_job(name))?;
    if status != JobStatus::Pending {
        w.change_status(job.id, &StatusChange::to(status))?;
    }
    w.job(job.id)
}

/// As [`create_in`], straight on a store.
pub(super) fn job_in<S: Store>(store: &S, name: &str, status: JobStatus) -> Result<Job> {
    let name = name.to_owned();
    store.write(move |w| create_in(w, &name, status))
}

pub(super) fn sample_cluster(name: &str) -> NewCluster {
    NewCluster::new(name, ClusterKind::Slurm, "login.example.org")
}

/// A cluster of which every field is set.
pub(super) fn full_cluster(name: &str) -> NewCluster {
    NewCluster {
        kind: ClusterKind::Ssh,
        port: u16::MAX,
        username: Some("ada".to_owned()),
        settings: settings(json!({
            "identity_file": "~/.ssh/id_ed25519",
            "hops": [{"host": "gate", "port": 2222}, null],
            "ratio": 0.1,
        })),
        status: ClusterStatus::Error,
        code_roots: BTreeMap::from([
            (Code::Crystal, "/opt/crystal 23".to_owned()),
            ("cp2k".parse().expect("a code"), "/opt/cp2k".to_owned()),
        ]),
        setup_commands: vec![
            "module load \"intel\"".to_owned(),
            String::new(),
            "export A='b'\n".to_owned(),
        ],
        ..sample_cluster(name)
    }
}

pub(super) fn settings(members: Value) -> ConnectionSettings {
    ConnectionSettings::new(object(members)).expect("no secrets")
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("{other} is not an object"),
    }
}

/// A cluster, and a job that waits to be submitted.
pub(super) fn ready_to_submit<S: Store>(store: &S) -> Result<(ClusterId, JobId)> {
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    Ok((cluster, job_in(store, "MgO", JobStatus::Queued)?.id))
}

pub(super) fn remote_ids(remotes: &[RemoteJob]) -> Vec<i64> {
    remotes.iter().map(|remote| remote.id.get()).collect()
}

/// A submission of which every field is set.
pub(super) fn full_submission(job: JobId, cluster: ClusterId, handle: &str) -> NewRemoteJob {
    NewRemoteJob {
        queue: Some("long".to_owned()),
        node_list: Some("node[01-04]".to_owned()),
        work_dir: Some("/lustre/ada/job".to_owned()),
        stdout_path: Some("out.log".to_owned()),
        stderr_path: Some("err.log".to_owned()),
        scheduler_state: Some("PENDING".to_owned()),
        metadata: object(json!({"array": [1, 2.5, null], "name": "MgO"})),
        ..NewRemoteJob::new(job, cluster, handle)
    }
}

pub(super) fn hartree(value: f64) -> Energy {
    Energy::new(value, EnergyUnit::Hartree).expect("a finite energy")
}

pub(super) fn sample_result(energy: f64) -> NewResult {
    NewResult::new(Convergence::Converged).with_energy(hartree(energy))
}

/// A result of which every field is set.
pub(super) fn full_result() -> NewResult {
    NewResult {
        scf_cycles: Some(17),
        cpu_seconds: Some(0.1 + 0.2),
        wall_seconds: Some(1e-9),
        document: ResultDocument {
            version: 3,
            body: json!({"gap": 7.8, "bands": [[1, -2], []], "spin": null, "note": "«ß»"}),
        },
        provenance: crate::Provenance {
            code_version: Some("CRYSTAL23 1.0.1".to_owned()),
            input_sha256: Some(sample_deck("MgO").hash()),
            parents: vec![crate::JobUuid::from_bytes([7; 16])],
        },
        ..sample_result(-275.123_456_789_012_3)
    }
}
