//! Where the steps come from: few ids, names and keys, so that calls often meet, and often conflict.

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use store_core::{
    Backoff, ClaimFilter, ClusterId, ClusterKind, ClusterLimits, ClusterPatch, ClusterStatus, Code,
    Completion, Confirmation, ConnectionSettings, Convergence, DependencyKind, Edit, Energy,
    EnergyUnit, Failure, InitialStatus, InputDeck, Intake, JobId, JobPatch, JobPolicy, JobStatus,
    JobUuid, LeaseKey, LeaseToken, NewCluster, NewJob, NewRemoteJob, NewResult, NewWorkflow,
    OnLapse, OnUnsatisfiable, Parallelism, Patch, Placement, RemoteJobId, RemoteJobPatch,
    RemotePhase, ResultDocument, Reuse, Runner, StatusChange, SubmissionToken, TagPatch, Timestamp,
    WorkDir, Worker,
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
        // Short leases lapse, and jobs that wait for their time come due.
        1 => Just(Step::Wait { micros: 1_500 }),
        12 => operation().prop_map(Step::Call),
        2 => (vec(operation(), 1..5), end).prop_map(|(calls, end)| Step::Unit(calls, end)),
    ]
}

fn operation() -> BoxedStrategy<Operation> {
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
        2 => vec((job_id(), job_id(), kind()), 1..5).prop_map(O::AddDependencies),
        6 => (job_id(), job_id()).prop_map(|(job, on)| O::RemoveDependency(job, on)),
    ];
    let results = prop_oneof![
        4 => (job_id(), result()).prop_map(|(job, result)| O::RecordResult(job, result)),
        2 => (job_id(), result()).prop_map(|(job, result)| O::ReplaceResult(job, result)),
    ];
    let clusters = prop_oneof![
        1 => cluster_id().prop_map(O::ForceDeleteCluster),
        2 => cluster().prop_map(O::CreateCluster),
        2 => (cluster_id(), cluster_patch()).prop_map(|(id, patch)| O::UpdateCluster(id, patch)),
        1 => cluster_id().prop_map(O::DeleteCluster),
    ];
    let again = select(vec![InitialStatus::Pending, InitialStatus::Queued]);
    let workflows = prop_oneof![
        4 => workflow().prop_map(O::CreateWorkflow),
        2 => word().prop_map(O::CancelWorkflow),
        3 => (word(), again).prop_map(|(name, to)| O::RetryWorkflow(name, to)),
    ];
    let reason = || option::weighted(0.3, texts());
    let claims = prop_oneof![
        12 => (worker(), claim_filter(), 0u32..4, lease())
            .prop_map(|(worker, filter, count, lease)| O::Claim(worker, filter, count, lease)),
        3 => (vec(lease_key(), 1..3), lease()).prop_map(|(keys, lease)| O::Heartbeat(keys, lease)),
        9 => (lease_key(), completion()).prop_map(|(key, done)| O::Complete(key, done)),
        6 => (lease_key(), failure()).prop_map(|(key, failure)| O::Fail(key, failure)),
        9 => (lease_key(), reason(), option::weighted(0.3, moment()))
            .prop_map(|(key, reason, not_before)| O::Release(key, reason, not_before)),
        4 => (1u32..4).prop_map(O::RecoverExpired),
        2 => vec(lease_key(), 1..3).prop_map(O::RecoverLost),
        9 => (job_id(), worker(), lease())
            .prop_map(|(job, worker, lease)| O::Adopt(job, worker, lease)),
        3 => (job_id(), reason()).prop_map(|(job, reason)| O::RequestCancel(job, reason)),
    ];
    // Boxed: by value they would fill the stack of a test.
    let submissions = prop_oneof![
        4 => submission().prop_map(O::RecordSubmission),
        6 => intent().prop_map(O::BeginSubmission),
        6 => (remote_id(), confirmation()).prop_map(|(id, answer)| O::ConfirmSubmission(id, answer)),
        3 => (remote_id(), texts()).prop_map(|(id, reason)| O::AbandonSubmission(id, reason)),
        1 => cluster_id().prop_map(O::ReportReached),
        2 => (cluster_id(), texts()).prop_map(|(id, reason)| O::ReportUnreachable(id, reason)),
        5 => (remote_id(), remote_patch())
            .prop_map(|(id, patch)| O::UpdateRemoteJob(id, patch)),
    ];
    prop_oneof![
        12 => jobs.boxed(),
        7 => edges.boxed(),
        3 => workflows.boxed(),
        2 => results.boxed(),
        4 => clusters.boxed(),
        6 => submissions.boxed(),
        14 => claims.boxed(),
    ]
    .boxed()
}

/// Up to four jobs, which mostly wait for earlier ones.
fn workflow() -> impl Strategy<Value = NewWorkflow> {
    let place = || select(vec![0usize, 0, 1, 1, 2, 3]);
    let name =
        prop_oneof![1 => word(), 3 => select(vec!["w1", "w2", "w3"]).prop_map(str::to_owned)];
    let edges = vec((place(), place(), kind()), 0..4);
    (name, vec(job(), 0..5), edges, any::<u8>()).prop_map(|(name, jobs, edges, number)| {
        let mut workflow = NewWorkflow::new(name);
        for (place, job) in jobs.into_iter().enumerate() {
            let mut uuid = [number; 16];
            uuid[15] = u8::try_from(place).unwrap_or(0);
            let uuid = Some(JobUuid::from_bytes(uuid));
            let job = NewJob { workflow: None, uuid, ..job };
            workflow = workflow.job(format!("job {place}"), job);
        }
        for (one, other, kind) in edges {
            // Now and then it is the later one that is waited for, or one that is not there.
            let (first, last) = (one.min(other), one.max(other));
            let (job, after) = if number % 7 == 0 { (first, last) } else { (last, first) };
            if let Some(job) = workflow.jobs.get_mut(job).filter(|_| job != after) {
                job.after.push((format!("job {after}"), kind));
            }
        }
        workflow
    })
}

/// Moments before, at and after those that a sequence reaches.
fn moment() -> impl Strategy<Value = Timestamp> {
    let micros = prop_oneof![Just(-1i64), 0i64..3, Just(2_000), Just(3_600_000_000)];
    micros.prop_map(|micros| Timestamp::from_micros(BEGINNING.as_micros() + micros))
}

fn worker() -> impl Strategy<Value = Worker> {
    let name = prop_oneof![20 => select(vec!["slot 1", "slot 2"]), 1 => Just("")];
    (name, any::<bool>()).prop_map(|(name, is_told)| Worker {
        boot_id: is_told.then(|| "boot".to_owned()),
        pid_started_at: is_told.then_some(77),
        ..Worker::new(name, "node-17", 4711)
    })
}

fn claim_filter() -> impl Strategy<Value = ClaimFilter> {
    (
        option::weighted(0.1, select(Runner::ALL)),
        option::weighted(0.1, cluster_id()),
        option::weighted(0.1, code()),
        option::weighted(0.2, word()),
    )
        .prop_map(|(runner, cluster, code, workflow)| ClaimFilter {
            runner,
            cluster,
            code,
            workflow,
        })
}

fn lease() -> impl Strategy<Value = Duration> {
    prop_oneof![
        10 => Just(Duration::from_millis(1)),
        10 => Just(Duration::from_secs(60)),
        1 => Just(Duration::ZERO),
    ]
}

/// Few attempts and tokens, so that many keys are those of leases that are held.
fn lease_key() -> impl Strategy<Value = LeaseKey> {
    let often_first = || prop_oneof![8 => Just(1u32), 2 => Just(2), 1 => Just(3)];
    (job_id(), often_first(), often_first()).prop_map(|(job, attempt, token)| LeaseKey {
        job,
        attempt,
        token: LeaseToken::new(token.into()),
    })
}

fn completion() -> impl Strategy<Value = Completion> {
    (option::of(result()), option::of(any::<i32>()))
        .prop_map(|(result, exit_code)| Completion { result, exit_code })
}

fn failure() -> impl Strategy<Value = Failure> {
    let kind = select(vec!["timeout", "bad_input"]).prop_map(|word| word.parse().expect("a word"));
    (kind, option::of(texts()), option::of(any::<i32>()), option::weighted(0.2, result()))
        .prop_map(|(kind, reason, exit_code, result)| Failure { kind, reason, exit_code, result })
}

fn policy() -> BoxedStrategy<JobPolicy> {
    let backoff = prop_oneof![
        2 => Just(Backoff::None),
        1 => Just(Backoff::Fixed { seconds: 0, jitter_percent: 100 }),
        2 => Just(Backoff::Exponential { first_seconds: 1, longest_seconds: 9, jitter_percent: 50 }),
        1 => Just(Backoff::Fixed { seconds: 1, jitter_percent: 101 }),
    ];
    let on_unsatisfiable = select(OnUnsatisfiable::ALL);
    (0u32..4, backoff, option::of(select(OnLapse::ALL)), 0u32..2, on_unsatisfiable)
        .prop_map(|(max_attempts, backoff, on_lapse, max_lapses, on_unsatisfiable)| JobPolicy {
            max_attempts,
            backoff,
            not_retried: ["bad_input".parse().expect("a word")].into(),
            on_lapse,
            max_lapses,
            on_unsatisfiable,
        })
        .boxed()
}

fn limits() -> impl Strategy<Value = ClusterLimits> {
    let number = |least: u32| option::weighted(0.3, least..3);
    (number(0), number(1), number(0), option::weighted(0.1, Just(100u32))).prop_map(
        |(max_running, nodes, cores, memory_mib)| ClusterLimits {
            max_running,
            nodes,
            cores,
            memory_mib,
        },
    )
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

fn parallelism() -> BoxedStrategy<Parallelism> {
    let number = || option::of(prop_oneof![20 => select(vec![1, 8, u32::MAX]), 1 => Just(0)]);
    prop_oneof![
        3 => Just(Parallelism::default()),
        1 => (number(), number(), number()).prop_map(|(nodes, threads, memory_mib)| Parallelism {
            nodes,
            mpi_ranks: None,
            threads,
            memory_mib,
        }),
    ]
    .boxed()
}

fn deck() -> impl Strategy<Value = InputDeck> {
    let content = || select(vec!["", "MgO\n", "CaO\r\n"]);
    let one = content().prop_map(|text| InputDeck::file("a.d12", text));
    let two = (content(), content()).prop_map(|(a, b)| InputDeck::set([("a.d12", a), ("b", b)]));
    prop_oneof![one, two].prop_map(|deck| deck.expect("plain names, no NUL"))
}

fn job() -> BoxedStrategy<NewJob> {
    let name = prop_oneof![6 => Just("MgO".to_owned()), 1 => texts()];
    let who = (name, code(), placement(), select(Runner::ALL), 0u8..60);
    let how =
        (option::of(word()), option::weighted(0.3, cluster_id()), parallelism(), any::<i32>());
    let edges = prop_oneof![4 => Just(Vec::new()), 1 => vec((job_id(), kind()), 1..3)];
    let policy = prop_oneof![3 => Just(JobPolicy::default()), 2 => policy()];
    let tags = prop_oneof![2 => Just(Vec::new()), 1 => vec(tag(), 1..3)];
    let when = (option::weighted(0.2, moment()), policy, tags);
    let what = (option::of(deck()), edges, option::weighted(0.15, 0u8..3), any::<bool>(), when);
    (who, how, what)
        .prop_map(|(who, how, what)| {
            let (name, code, placement, runner, number) = who;
            let (workflow, cluster, parallelism, priority) = how;
            let (input, dependencies, key, queued, (not_before, policy, tags)) = what;
            NewJob {
                status: if queued { InitialStatus::Queued } else { InitialStatus::Pending },
                runner,
                workflow,
                cluster,
                parallelism,
                priority,
                not_before,
                policy,
                tags: tags.into_iter().collect(),
                input,
                dependencies,
                idempotency_key: key.map(|key| format!("key {key}")),
                // Given, because a store would make one up.
                uuid: Some(JobUuid::from_bytes([number; 16])),
                reuse: [None, Some(Reuse::Converged), Some(Reuse::AnyResult)]
                    [usize::from(number % 3)],
                ..NewJob::new(name, code, placement)
            }
        })
        .boxed()
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

fn job_patch() -> BoxedStrategy<JobPatch> {
    let first = (edit(texts()), edit(directory()), patch(word()), patch(cluster_id()));
    let second = (edit(select(Runner::ALL)), edit(parallelism()), edit(any::<i32>()));
    let third = (patch(moment()), edit(policy()));
    (first, second, third)
        .prop_map(|(first, second, third)| {
            let (name, work_dir, workflow, cluster) = first;
            let (runner, parallelism, priority) = second;
            let (not_before, policy) = third;
            JobPatch {
                name,
                work_dir,
                workflow,
                cluster,
                runner,
                parallelism,
                priority,
                not_before,
                policy,
            }
        })
        .boxed()
}

fn change() -> BoxedStrategy<StatusChange> {
    let status = || {
        // The ends that can be retried come more often.
        let retriable = select(vec![JobStatus::Failed, JobStatus::Cancelled]);
        prop_oneof![3 => select(JobStatus::ALL), 1 => retriable]
    };
    let pid = prop_oneof![20 => select(vec![1, 4711, u32::MAX]), 1 => Just(0)];
    let process = option::of((word(), pid));
    let reason = option::weighted(0.2, texts());
    let lease = option::weighted(0.1, lease_key());
    (status(), option::weighted(0.1, status()), process, reason, lease)
        .prop_map(|(to, expected, process, reason, lease)| {
            let (host, pid) = process.unzip();
            StatusChange { to, expected, pid, host, reason, lease }
        })
        .boxed()
}

fn cluster() -> BoxedStrategy<NewCluster> {
    let name =
        prop_oneof![5 => select(vec!["archer", "cirrus"]).prop_map(str::to_owned), 1 => texts()];
    (
        name,
        select(ClusterKind::ALL),
        option::of(word()),
        select(vec![22u16, 22, 22, 65535, 0]),
        settings(),
        limits(),
    )
        .prop_map(|(name, kind, username, port, settings, limits)| NewCluster {
            limits,
            username,
            port,
            settings,
            code_roots: [(Code::Vasp, "/opt/vasp".to_owned())].into(),
            setup_commands: vec!["module load \"intel\"".to_owned(), String::new()],
            ..NewCluster::new(name, kind, "login.example.org")
        })
        .boxed()
}

fn settings() -> impl Strategy<Value = ConnectionSettings> {
    select(vec!["{}", r#"{"identity_file":"~/.ssh/id","hops":[{"port":2222},null],"ratio":0.1,"big":18446744073709551615,"e":-0.0}"#])
        .prop_map(|json| serde_json::from_str(json).expect("settings without secrets"))
}

fn cluster_patch() -> BoxedStrategy<ClusterPatch> {
    let name = edit(select(vec!["archer", "cirrus", "tesseract", ""]).prop_map(str::to_owned));
    let rest = (edit(1u16..3), patch(word()), edit(settings()), edit(select(ClusterStatus::ALL)));
    let intake = (edit(select(Intake::ALL)), edit(limits()));
    (name, rest, intake)
        .prop_map(|(name, (port, username, settings, status), (intake, limits))| ClusterPatch {
            intake,
            limits,
            name,
            port,
            username,
            settings,
            status,
            ..ClusterPatch::default()
        })
        .boxed()
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

fn remote_id() -> impl Strategy<Value = RemoteJobId> + Clone {
    prop_oneof![16 => 1i64..5, 1 => Just(99)].prop_map(RemoteJobId::new)
}

/// Few tokens, always given, because a store would make one up.
fn intent() -> impl Strategy<Value = NewRemoteJob> {
    (submission(), 0u8..12, 0u8..20).prop_map(|(submission, token, odd)| NewRemoteJob {
        handle: submission.handle.filter(|_| odd == 0),
        token: Some(SubmissionToken::from_bytes([token; 16])),
        ..submission
    })
}

fn confirmation() -> impl Strategy<Value = Confirmation> {
    let handle = select(vec!["1", "2", "3", "4", ""]);
    let told = option::weighted(0.3, select(vec![0i64, 1, i64::MAX]));
    (handle, told).prop_map(|(handle, told)| Confirmation {
        submitted_at: told.map(Timestamp::from_micros),
        ..Confirmation::new(handle)
    })
}

fn remote_patch() -> impl Strategy<Value = RemoteJobPatch> {
    let ended =
        edit(select(vec![0i64, 1, -5, i64::MIN, i64::MAX]).prop_map(Timestamp::from_micros));
    let metadata = edit(settings()).prop_map(|edit| match edit {
        Edit::Keep => Edit::Keep,
        Edit::Set(settings) => Edit::Set(settings.as_map().clone()),
    });
    let phase = edit(select(RemotePhase::ALL));
    (phase, patch(word()), patch(any::<i32>()), ended, metadata).prop_map(
        |(phase, scheduler_state, exit_code, ended_at, metadata)| RemoteJobPatch {
            phase,
            scheduler_state,
            exit_code,
            ended_at,
            metadata,
            ..RemoteJobPatch::default()
        },
    )
}

fn result() -> BoxedStrategy<NewResult> {
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
        .boxed()
}
