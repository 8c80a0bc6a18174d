//! Where the steps come from: few ids, names and keys, so that calls often meet, and often conflict.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use store_core::{
    ClusterId, ClusterKind, ClusterPatch, ClusterStatus, Code, ConnectionSettings, Convergence,
    DependencyKind, Edit, Energy, EnergyUnit, InitialStatus, InputDeck, JobId, JobPatch, JobStatus,
    JobUuid, NewCluster, NewJob, NewRemoteJob, NewResult, Parallelism, Patch, Placement,
    RemoteJobId, RemoteJobPatch, ResultDocument, Runner, StatusChange, TagPatch, Timestamp,
    WorkDir,
};

use super::operation::{End, Operation, Step};

/// When every sequence begins.
pub const BEGINNING: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// Sequences of up to `most` steps. Each begins with a cluster and some jobs, so that the first of the
/// others have something to work on.
pub fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let ground = (cluster(), vec(job(), 3..7));
    (ground, vec(step(), 1..most)).prop_map(|((cluster, jobs), steps)| {
        let jobs = jobs.into_iter().map(|job| Step::Call(Operation::CreateJob(job)));
        let cluster = Step::Call(Operation::CreateCluster(cluster));
        std::iter::once(cluster).chain(jobs).chain(steps).collect()
    })
}

fn step() -> impl Strategy<Value = Step> {
    let end = select(vec![End::Commit, End::AtFirstError, End::Abort]);
    prop_oneof![
        2 => (0u32..3).prop_map(|micros| Step::Wait { micros }),
        12 => operation().prop_map(Step::Call),
        2 => (vec(operation(), 1..5), end).prop_map(|(calls, end)| Step::Unit(calls, end)),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation as O;
    let initial = select(vec![InitialStatus::Pending, InitialStatus::Queued]);
    let jobs = prop_oneof![
        10 => job().prop_map(O::CreateJob),
        2 => vec(job(), 0..4).prop_map(O::CreateJobs),
        4 => (job_id(), job_patch()).prop_map(|(id, patch)| O::UpdateJob(id, patch)),
        3 => (job_id(), deck()).prop_map(|(id, deck)| O::ReplaceInput(id, deck)),
        14 => (job_id(), change()).prop_map(|(id, change)| O::ChangeStatus(id, change)),
        3 => vec((job_id(), change()), 0..4).prop_map(O::ChangeStatuses),
        6 => (job_id(), initial).prop_map(|(id, to)| O::RetryJob(id, to)),
        4 => job_id().prop_map(O::ArchiveJob),
        2 => job_id().prop_map(O::UnarchiveJob),
        2 => job_id().prop_map(O::DeleteJob),
        2 => (job_id(), texts()).prop_map(|(id, text)| O::AddNote(id, text)),
        4 => (job_id(), tag_patch()).prop_map(|(id, patch)| O::EditTags(id, patch)),
    ];
    let edges = prop_oneof![
        3 => (job_id(), job_id(), kind()).prop_map(|(job, on, kind)| O::AddDependency(job, on, kind)),
        2 => (job_id(), job_id()).prop_map(|(job, on)| O::RemoveDependency(job, on)),
    ];
    let results = prop_oneof![
        4 => (job_id(), result()).prop_map(|(job, result)| O::RecordResult(job, result)),
        2 => (job_id(), result()).prop_map(|(job, result)| O::ReplaceResult(job, result)),
    ];
    let clusters = prop_oneof![
        2 => cluster().prop_map(O::CreateCluster),
        2 => (cluster_id(), cluster_patch()).prop_map(|(id, patch)| O::UpdateCluster(id, patch)),
        1 => cluster_id().prop_map(O::DeleteCluster),
        4 => submission().prop_map(O::RecordSubmission),
        3 => (1i64..4, remote_patch())
            .prop_map(|(id, patch)| O::UpdateRemoteJob(RemoteJobId::new(id), patch)),
    ];
    prop_oneof![8 => jobs, 3 => edges, 2 => results, 3 => clusters]
}

fn job_id() -> impl Strategy<Value = JobId> + Clone {
    prop_oneof![16 => 1i64..5, 3 => 5i64..9, 1 => Just(99)].prop_map(JobId::new)
}

fn cluster_id() -> impl Strategy<Value = ClusterId> + Clone {
    prop_oneof![12 => Just(1), 4 => Just(2), 1 => Just(9)].prop_map(ClusterId::new)
}

fn tag() -> impl Strategy<Value = (String, String)> {
    let key = select(vec!["by", "for", "by", "for", "For"]);
    let often = select(vec!["ada", "a%_b"]).prop_map(str::to_owned);
    (key, prop_oneof![4 => often, 1 => texts()]).prop_map(|(key, value)| (key.to_owned(), value))
}

fn tag_patch() -> impl Strategy<Value = TagPatch> {
    let remove = vec(select(vec!["by", "For"]).prop_map(str::to_owned), 0..2);
    (vec(tag(), 0..3), remove).prop_map(|(set, remove)| TagPatch {
        set: set.into_iter().collect(),
        remove: remove.into_iter().collect(),
    })
}

fn kind() -> impl Strategy<Value = DependencyKind> + Clone {
    select(DependencyKind::ALL)
}

/// Texts of which few are refused where a name is wanted.
fn texts() -> impl Strategy<Value = String> + Clone {
    let good = select(vec!["MgO", "Fe₂O₃ 'x' \"y\"", "a%_b", " MgO"]);
    let bad = select(vec!["", "nul\0", "line\nend", " "]);
    prop_oneof![16 => good, 1 => bad].prop_map(str::to_owned)
}

fn word() -> impl Strategy<Value = String> + Clone {
    let often = select(vec!["surfaces", "bulk", "SURFACES"]).prop_map(str::to_owned);
    prop_oneof![8 => often, 1 => texts()]
}

fn code() -> impl Strategy<Value = Code> + Clone {
    select(vec![Code::Crystal, Code::Vasp, "cp2k".parse().expect("a code's word")])
}

fn directory() -> impl Strategy<Value = WorkDir> + Clone {
    // The last ones are what a store gives to its second and fourth job.
    let paths = vec!["/w/1", "/w/2", "/w/3", "/w/4", "/w/5", "/s/0002_mgo", "/s/0004_mgo"];
    select(paths).prop_map(|path| WorkDir::new(path).expect("an absolute directory"))
}

fn placement() -> impl Strategy<Value = Placement> {
    let base = WorkDir::new("/s").expect("an absolute directory");
    prop_oneof![5 => Just(Placement::Under(base)), 2 => directory().prop_map(Placement::At)]
}

fn parallelism() -> impl Strategy<Value = Parallelism> {
    let number = || option::of(prop_oneof![20 => select(vec![1, 8, u32::MAX]), 1 => Just(0)]);
    prop_oneof![
        3 => Just(Parallelism::default()),
        1 => (number(), number())
            .prop_map(|(nodes, threads)| Parallelism { nodes, mpi_ranks: None, threads }),
    ]
}

fn deck() -> impl Strategy<Value = InputDeck> {
    let content = || select(vec!["", "MgO\n", "CaO\r\n"]);
    let one = content().prop_map(|text| InputDeck::file("a.d12", text));
    let two = (content(), content()).prop_map(|(a, b)| InputDeck::set([("a.d12", a), ("b", b)]));
    prop_oneof![one, two].prop_map(|deck| deck.expect("plain names, no NUL"))
}

fn job() -> impl Strategy<Value = NewJob> {
    let name = prop_oneof![6 => Just("MgO".to_owned()), 1 => texts()];
    let who = (name, code(), placement(), select(Runner::ALL), 0u8..60);
    let how =
        (option::of(word()), option::weighted(0.3, cluster_id()), parallelism(), any::<i32>());
    let edges = prop_oneof![4 => Just(Vec::new()), 1 => vec((job_id(), kind()), 1..3)];
    let tags = prop_oneof![2 => Just(Vec::new()), 1 => vec(tag(), 1..3)];
    let what = (option::of(deck()), edges, option::weighted(0.15, 0u8..3), any::<bool>(), tags);
    (who, how, what).prop_map(|(who, how, what)| {
        let (name, code, placement, runner, number) = who;
        let (workflow, cluster, parallelism, priority) = how;
        let (input, dependencies, key, queued, tags) = what;
        NewJob {
            status: if queued { InitialStatus::Queued } else { InitialStatus::Pending },
            runner,
            workflow,
            cluster,
            parallelism,
            priority,
            input,
            dependencies,
            tags: tags.into_iter().collect(),
            idempotency_key: key.map(|key| format!("key {key}")),
            // Given, because a store would make one up.
            uuid: Some(JobUuid::from_bytes([number; 16])),
            ..NewJob::new(name, code, placement)
        }
    })
}

fn edit<T: Clone + std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Edit<T>> {
    option::weighted(0.3, value).prop_map(|value| value.map_or(Edit::Keep, Edit::Set))
}

fn patch<T: Clone + std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Patch<T>> {
    prop_oneof![4 => Just(None), 2 => value.prop_map(|value| Some(Some(value))), 1 => Just(Some(None))]
        .prop_map(|choice| match choice {
            None => Patch::Keep,
            Some(Some(value)) => Patch::Set(value),
            Some(None) => Patch::Clear,
        })
}

fn job_patch() -> impl Strategy<Value = JobPatch> {
    let first = (edit(texts()), edit(directory()), patch(word()), patch(cluster_id()));
    let second = (edit(select(Runner::ALL)), edit(parallelism()), edit(any::<i32>()));
    (first, second).prop_map(|(first, second)| {
        let (name, work_dir, workflow, cluster) = first;
        let (runner, parallelism, priority) = second;
        JobPatch { name, work_dir, workflow, cluster, runner, parallelism, priority }
    })
}

fn change() -> impl Strategy<Value = StatusChange> {
    let status = || {
        // The ends that can be retried come more often.
        let retriable = select(vec![JobStatus::Failed, JobStatus::Cancelled]);
        prop_oneof![3 => select(JobStatus::ALL), 1 => retriable]
    };
    let pid = prop_oneof![20 => select(vec![1, 4711, u32::MAX]), 1 => Just(0)];
    let process = option::of((word(), pid));
    (status(), option::weighted(0.1, status()), process, option::weighted(0.2, texts())).prop_map(
        |(to, expected, process, reason)| {
            let (host, pid) = process.unzip();
            StatusChange { to, expected, pid, host, reason }
        },
    )
}

fn cluster() -> impl Strategy<Value = NewCluster> {
    let name =
        prop_oneof![5 => select(vec!["archer", "cirrus"]).prop_map(str::to_owned), 1 => texts()];
    (
        name,
        select(ClusterKind::ALL),
        option::of(word()),
        select(vec![22u16, 22, 22, 65535, 0]),
        settings(),
    )
        .prop_map(|(name, kind, username, port, settings)| NewCluster {
            username,
            port,
            settings,
            code_roots: [(Code::Vasp, "/opt/vasp".to_owned())].into(),
            setup_commands: vec!["module load \"intel\"".to_owned(), String::new()],
            ..NewCluster::new(name, kind, "login.example.org")
        })
}

fn settings() -> impl Strategy<Value = ConnectionSettings> {
    select(vec!["{}", r#"{"identity_file":"~/.ssh/id","hops":[{"port":2222},null],"ratio":0.1,"big":18446744073709551615,"e":-0.0}"#])
        .prop_map(|json| serde_json::from_str(json).expect("settings without secrets"))
}

fn cluster_patch() -> impl Strategy<Value = ClusterPatch> {
    let name = edit(select(vec!["archer", "cirrus", "tesseract", ""]).prop_map(str::to_owned));
    let rest = (edit(1u16..3), patch(word()), edit(settings()), edit(select(ClusterStatus::ALL)));
    (name, rest).prop_map(|(name, (port, username, settings, status))| ClusterPatch {
        name,
        port,
        username,
        settings,
        status,
        ..ClusterPatch::default()
    })
}

fn submission() -> impl Strategy<Value = NewRemoteJob> {
    let handle = select(vec!["1", "1", "2", "2", "3", "3", ""]);
    (job_id(), cluster_id(), handle, option::of(word())).prop_map(
        |(job, cluster, handle, queue)| NewRemoteJob {
            queue,
            ..NewRemoteJob::new(job, cluster, handle)
        },
    )
}

fn remote_patch() -> impl Strategy<Value = RemoteJobPatch> {
    let ended =
        patch(select(vec![0i64, 1, -5, i64::MIN, i64::MAX]).prop_map(Timestamp::from_micros));
    let metadata = edit(settings()).prop_map(|edit| match edit {
        Edit::Keep => Edit::Keep,
        Edit::Set(settings) => Edit::Set(settings.as_map().clone()),
    });
    (patch(word()), patch(any::<i32>()), ended, metadata).prop_map(
        |(scheduler_state, exit_code, ended_at, metadata)| RemoteJobPatch {
            scheduler_state,
            exit_code,
            ended_at,
            metadata,
            ..RemoteJobPatch::default()
        },
    )
}

fn result() -> impl Strategy<Value = NewResult> {
    let value = select(vec![-0.0, -1.0, -2.0, -0.1 - 0.2, 1e-300, f64::MAX / 30.0]);
    let energy = (value, select(EnergyUnit::ALL))
        .prop_map(|(value, unit)| Energy::new(value, unit).expect("finite"));
    let good = select(vec![0.0, 0.1 + 0.2, 3600.0]);
    let seconds = option::of(prop_oneof![20 => good, 1 => Just(-1.0)]);
    let good = select(vec![(1, "{}"), (3, r#"{"gap":7.8,"bands":[[1,-2],[]]}"#), (u32::MAX, "7")]);
    let document = prop_oneof![20 => good, 1 => Just((0, "null"))];
    (option::of(energy), select(Convergence::ALL), option::of(any::<u32>()), seconds, document)
        .prop_map(|(energy, convergence, scf_cycles, cpu_seconds, (version, body))| NewResult {
            energy,
            scf_cycles,
            cpu_seconds,
            document: ResultDocument {
                version,
                body: serde_json::from_str(body).expect("a document"),
            },
            ..NewResult::new(convergence)
        })
}
