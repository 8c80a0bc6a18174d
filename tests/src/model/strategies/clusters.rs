//! Clusters, their limits and the settings of connections to them.

use proptest::option;
use proptest::prelude::{BoxedStrategy, Just, Strategy, prop_oneof};
use proptest::sample::select;
use store_core::{
    ClusterKind, ClusterLimits, ClusterPatch, ClusterStatus, Code, ConnectionSettings, Intake,
    NewCluster,
};

use super::values::{edit, patch, texts, word};

pub(super) fn cluster() -> BoxedStrategy<NewCluster> {
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

pub(super) fn cluster_patch() -> BoxedStrategy<ClusterPatch> {
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

pub(super) fn settings() -> impl Strategy<Value = ConnectionSettings> {
    select(vec!["{}", r#"{"identity_file":"~/.ssh/id","hops":[{"port":2222},null],"ratio":0.1,"big":18446744073709551615,"e":-0.0}"#])
        .prop_map(|json| serde_json::from_str(json).expect("settings without secrets"))
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
