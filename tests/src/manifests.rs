//! What the manifests, the lock and `deny.toml` must agree on.

use std::collections::BTreeMap;

use crate::arrows::Lock;

/// The lints of rustc that hold in every crate, and how strictly.
pub const LINTS: &[(&str, &str)] = &[("missing_docs", "deny"), ("unsafe_code", "forbid")];

/// A crate of which there are several in the lock, and why that is so.
#[derive(Debug, Clone, Copy)]
pub struct Several {
    /// Its name.
    pub name: &'static str,
    /// Its versions as far as they tell what is compatible, the oldest first.
    pub versions: &'static [&'static str],
    /// Whether they meet in a program that is built on one of the platforms of `deny.toml`, which then
    /// skips all but the newest.
    pub meet: bool,
    /// Why there are several.
    pub reason: &'static str,
}

/// All crates of which there may be several.
pub const SEVERAL: &[Several] = &[
    Several {
        name: "hashbrown",
        versions: &["0.16", "0.17"],
        meet: false,
        reason: "rusqlite reaches 0.16 by its driver for wasm alone, which no platform of ours builds",
    },
    Several {
        name: "syn",
        versions: &["2", "3"],
        meet: true,
        reason: "refinery-macros and tracing-attributes build with 2, clap, serde and thiserror with 3",
    },
];

/// The lines of a table of a TOML file that set something: no comments, no blanks.
fn table<'t>(toml: &'t str, name: &str) -> Vec<&'t str> {
    let header = format!("[{name}]");
    let lines = toml.lines().map(str::trim).skip_while(|line| *line != header).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// Whether the manifest of a member takes the lints of the workspace.
pub fn takes_the_lints(manifest: &str) -> bool {
    table(manifest, "lints") == ["workspace = true"]
}

/// The lints that the manifest of the workspace does not set as they must be.
pub fn loose_lints(manifest: &str) -> Vec<&'static str> {
    let set = table(manifest, "workspace.lints.rust");
    let is_set = |lint: &str, level: &str| set.contains(&format!("{lint} = \"{level}\"").as_str());
    LINTS.iter().filter(|(lint, level)| !is_set(lint, level)).map(|(lint, _)| *lint).collect()
}

/// As much of a version as a dependency on it must meet: `1` of 1.2.3, `0.2` of 0.2.3.
fn compatible(version: &str) -> &str {
    let end = if version.starts_with("0.") { 2 } else { 1 };
    version.match_indices('.').nth(end - 1).map_or(version, |(at, _)| &version[..at])
}

/// The crates with several versions in a lock that `allowed` does not tell of, and those that it tells
/// of for nothing.
pub fn wrong_several(lock: &Lock, allowed: &[Several]) -> Vec<String> {
    let told = |name: &str| allowed.iter().find(|several| several.name == name);
    let mut wrong = Vec::new();
    let mut found = BTreeMap::new();
    for (name, versions) in lock.several() {
        let mut versions: Vec<_> = versions.into_iter().map(compatible).collect();
        versions.sort_unstable();
        if told(name).is_none_or(|several| several.versions != versions) {
            wrong.push(format!("{name} {}", versions.join(" and ")));
        }
        found.insert(name, versions);
    }
    let gone = allowed.iter().filter(|several| !found.contains_key(several.name));
    wrong.extend(gone.map(|several| format!("{} is there once", several.name)));
    wrong.extend(
        allowed
            .iter()
            .filter(|several| several.reason.is_empty())
            .map(|several| format!("{} has no reason", several.name)),
    );
    wrong
}

/// What `deny.toml` skips and need not, and what it must skip and does not.
pub fn wrong_skips(deny: &str, allowed: &[Several]) -> Vec<String> {
    let bans = table(deny, "bans");
    let skips = bans.iter().skip_while(|line| !line.starts_with("skip =")).skip(1);
    let skips = skips.take_while(|line| **line != "]");
    let skipped: Vec<&str> = skips
        .map(|line| {
            let name = line.strip_prefix("{ crate = \"").and_then(|rest| rest.split_once('"'));
            name.map_or(*line, |(name, _)| name)
        })
        .collect();
    let meet = allowed.iter().filter(|several| several.meet);
    let needed: Vec<_> = meet
        .flat_map(|several| {
            let older = several.versions.split_last().map_or(&[][..], |(_, older)| older);
            older.iter().map(|version| format!("{}@{version}", several.name))
        })
        .collect();
    let idle = skipped.iter().filter(|skip| !needed.iter().any(|name| name == **skip));
    let mut wrong: Vec<_> = idle.map(|skip| format!("{skip} is skipped")).collect();
    let missing = needed.iter().filter(|name| !skipped.contains(&name.as_str()));
    wrong.extend(missing.map(|name| format!("{name} is not skipped")));
    wrong
}
