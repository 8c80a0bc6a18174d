//! Jobs, what they are made of, and what is done to them.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use store_core::{
    Backoff, InitialStatus, InputDeck, JobPatch, JobPolicy, JobStatus, JobUuid, NewJob, OnLapse,
    OnUnsatisfiable, Parallelism, Placement, Reuse, Runner, StatusChange, TagPatch, WorkDir,
};

use super::values::{cluster_id, code, edit, job_id, kind, moment, patch, texts, word};

pub(super) fn job() -> BoxedStrategy<NewJob> {
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

pub(super) fn job_patch() -> BoxedStrategy<JobPatch> {
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

pub(super) fn change() -> BoxedStrategy<StatusChange> {
    let status = || {
        // The ends that can be retried come more often.
        let retriable = select(vec![JobStatus::Failed, JobStatus::Cancelled]);
        prop_oneof![3 => select(JobStatus::ALL), 1 => retriable]
    };
    let pid = prop_oneof![20 => select(vec![1, 4711, u32::MAX]), 1 => Just(0)];
    let process = option::of((word(), pid));
    let reason = option::weighted(0.2, texts());
    (status(), option::weighted(0.1, status()), process, reason)
        .prop_map(|(to, expected, process, reason)| {
            let (host, pid) = process.unzip();
            StatusChange { to, expected, pid, host, reason }
        })
        .boxed()
}

pub(super) fn deck() -> impl Strategy<Value = InputDeck> {
    let content = || select(vec!["", "MgO\n", "CaO\r\n"]);
    let one = content().prop_map(|text| InputDeck::file("a.d12", text));
    let two = (content(), content()).prop_map(|(a, b)| InputDeck::set([("a.d12", a), ("b", b)]));
    prop_oneof![one, two].prop_map(|deck| deck.expect("plain names, no NUL"))
}

pub(super) fn tag_patch() -> impl Strategy<Value = TagPatch> {
    let remove = vec(select(vec!["by", "For"]).prop_map(str::to_owned), 0..2);
    (vec(tag(), 0..3), remove).prop_map(|(set, remove)| TagPatch {
        set: set.into_iter().collect(),
        remove: remove.into_iter().collect(),
    })
}

fn tag() -> impl Strategy<Value = (String, String)> {
    let key = select(vec!["by", "for", "by", "for", "For"]);
    let often = select(vec!["ada", "a%_b"]).prop_map(str::to_owned);
    (key, prop_oneof![4 => often, 1 => texts()]).prop_map(|(key, value)| (key.to_owned(), value))
}

pub(super) fn policy() -> BoxedStrategy<JobPolicy> {
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

fn placement() -> impl Strategy<Value = Placement> {
    let base = WorkDir::new("/s").expect("an absolute directory");
    prop_oneof![5 => Just(Placement::Under(base)), 2 => directory().prop_map(Placement::At)]
}

fn directory() -> impl Strategy<Value = WorkDir> + Clone {
    // The last ones are what a store gives to its second and fourth job.
    let paths = vec!["/w/1", "/w/2", "/w/3", "/w/4", "/w/5", "/s/0002_mgo", "/s/0004_mgo"];
    select(paths).prop_map(|path| WorkDir::new(path).expect("an absolute directory"))
}
