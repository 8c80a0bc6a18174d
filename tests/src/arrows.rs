//! Who may depend on whom: arrows point down only.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::TestResult;

/// What each crate of the workspace may name of the others.
const ALLOWED: &[(&str, &[&str])] = &[
    ("examples", &["store-core", "store-sqlite"]),
    ("schema", &[]),
    ("store-core", &[]),
    ("store-sqlite", &["schema", "store-core"]),
    ("tests", &["schema", "store-core", "store-sqlite"]),
    ("xtask", &["schema", "store-core", "store-sqlite"]),
];

/// The crates that may know that there is SQLite.
const KNOW_SQLITE: &[&str] = &["schema", "store-sqlite", "tests", "xtask"];

/// The crates that nothing of SQLite may come in through.
const SQLITE: &[&str] = &["rusqlite", "libsqlite3-sys", "r2d2_sqlite", "refinery", "refinery-core"];

/// What is wrong with the arrows in the answer of `cargo metadata`; each line names crate and
/// dependency. A crate may name itself, for its own tests.
///
/// # Errors
/// Where the answer is not what cargo gives.
pub fn wrong_arrows(metadata: &Value) -> TestResult<Vec<String>> {
    let packages = metadata["packages"].as_array().ok_or("cargo lists the packages")?;
    let name = |value: &Value| value["name"].as_str().map(str::to_owned).ok_or("it has a name");
    let members = packages.iter().map(name).collect::<Result<BTreeSet<_>, _>>()?;
    let mut wrong = Vec::new();
    for package in packages {
        let from = name(package)?;
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == from) else {
            wrong.push(format!("{from}: no arrows are drawn for it"));
            continue;
        };
        for dependency in package["dependencies"].as_array().ok_or("it has dependencies")? {
            let to = name(dependency)?;
            let between = members.contains(&to) && to != from && !allowed.contains(&&*to);
            let sqlite = SQLITE.contains(&&*to) && !KNOW_SQLITE.contains(&&*from);
            if between || sqlite {
                wrong.push(format!("{from} -> {to}"));
            }
        }
    }
    Ok(wrong)
}

/// The packages of a `Cargo.lock`: each version of each name, with the names that it depends on. The
/// lock speaks of every platform and feature at once, so what is not reached in it is never built.
#[derive(Debug)]
pub struct Lock(BTreeMap<String, Vec<Locked>>);

#[derive(Debug, Default)]
struct Locked {
    version: String,
    dependencies: Vec<String>,
}

impl Lock {
    /// Reads the text of a `Cargo.lock`.
    pub fn read(text: &str) -> Self {
        let mut packages: BTreeMap<String, Vec<Locked>> = BTreeMap::new();
        for block in text.split("[[package]]").skip(1) {
            let (mut name, mut locked) = (String::new(), Locked::default());
            for line in block.lines() {
                // `name = "…"`, or `"name",` and `"name 1.2.3",` in the list of dependencies.
                let quoted = line.split('"').nth(1).unwrap_or_default();
                match line.split(' ').next() {
                    Some("name") => quoted.clone_into(&mut name),
                    Some("version") => quoted.clone_into(&mut locked.version),
                    Some("") => {
                        let name = quoted.split(' ').next().unwrap_or_default();
                        locked.dependencies.push(name.to_owned());
                    }
                    _ => {}
                }
            }
            packages.entry(name).or_default().push(locked);
        }
        Self(packages)
    }

    /// The versions of a package.
    pub fn versions(&self, name: &str) -> Vec<&str> {
        let found = self.0.get(name).map(Vec::as_slice).unwrap_or_default();
        found.iter().map(|locked| locked.version.as_str()).collect()
    }

    /// The packages of which there are several versions.
    pub fn several(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        let names = self.0.iter().filter(|(_, found)| found.len() > 1).map(|(name, _)| name);
        names.map(|name| (name.as_str(), self.versions(name)))
    }

    /// Everything of SQLite that `name` can reach, however far down.
    pub fn sqlite_below(&self, name: &str) -> Vec<String> {
        let mut reached = BTreeSet::new();
        let mut next = vec![name.to_owned()];
        while let Some(name) = next.pop() {
            if let Some(found) = self.0.get(&name)
                && reached.insert(name)
            {
                next.extend(found.iter().flat_map(|locked| locked.dependencies.clone()));
            }
        }
        reached.retain(|name| SQLITE.contains(&name.as_str()));
        reached.into_iter().collect()
    }
}
