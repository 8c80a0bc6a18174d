//! The rules on crates and files that no compiler checks, each with a fault planted beside it.

use std::process::Command;

use serde_json::{Value, json};
use tests::TestResult;
use tests::arrows::{Lock, wrong_arrows};
use tests::manifests::{self, SEVERAL, Several};
use tests::tidy::{self, OPENING_ROOMS, RULES, Source};

fn metadata() -> TestResult<Value> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(tidy::root())
        .output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn lock() -> TestResult<Lock> {
    Ok(Lock::read(&std::fs::read_to_string(tidy::root().join("Cargo.lock"))?))
}

#[test]
fn arrows_between_crates_point_down() -> TestResult {
    assert_eq!(wrong_arrows(&metadata()?)?, [""; 0]);
    Ok(())
}

#[test]
fn an_arrow_that_points_up_or_sideways_is_seen() -> TestResult {
    let wrong = [
        ("schema", "store-core"),
        ("store-core", "schema"),
        ("store-core", "store-sqlite"),
        ("store-core", "tests"),
        ("store-sqlite", "xtask"),
        ("xtask", "tests"),
        ("store-core", "rusqlite"),
        ("store-core", "refinery-core"),
    ];
    for (from, to) in wrong {
        let mut metadata = metadata()?;
        let packages = metadata["packages"].as_array_mut().ok_or("cargo lists the packages")?;
        let package = packages.iter_mut().find(|package| package["name"] == from);
        let dependencies = &mut package.ok_or("it is a member")?["dependencies"];
        // A dependency of any kind counts, also one for tests or for building alone.
        let planted = json!({ "name": to, "kind": "dev" });
        dependencies.as_array_mut().ok_or("it has a list")?.push(planted);
        assert_eq!(wrong_arrows(&metadata)?, [format!("{from} -> {to}")]);
    }
    let mut metadata = metadata()?;
    metadata["packages"][0]["name"] = json!("newcomer");
    let found = wrong_arrows(&metadata)?;
    assert!(found.iter().any(|line| line.starts_with("newcomer:")), "{found:?}");
    Ok(())
}

#[test]
fn nothing_of_sqlite_is_below_store_core() -> TestResult {
    let lock = lock()?;
    assert_eq!(lock.versions("store-core").len(), 1, "it is in the lock");
    assert_eq!(lock.sqlite_below("store-core"), [""; 0]);
    Ok(())
}

#[test]
fn sqlite_far_below_a_crate_is_seen() -> TestResult {
    let below = lock()?.sqlite_below("store-sqlite");
    assert!(below.iter().any(|name| name == "libsqlite3-sys"), "{below:?}");
    let planted = Lock::read(
        r#"
[[package]]
name = "store-core"
version = "0.1.0"
dependencies = [
 "between 1.0.0",
 "serde",
]

[[package]]
name = "between"
version = "1.0.0"
dependencies = [
 "rusqlite",
]

[[package]]
name = "rusqlite"
version = "0.1.0"
"#,
    );
    assert_eq!(planted.sqlite_below("store-core"), ["rusqlite"]);
    Ok(())
}

#[test]
fn there_is_one_sqlite_in_the_program() -> TestResult {
    let lock = lock()?;
    for name in ["libsqlite3-sys", "rusqlite", "refinery-core"] {
        assert_eq!(lock.versions(name).len(), 1, "{name}: {:?}", lock.versions(name));
    }
    Ok(())
}

#[test]
fn a_second_sqlite_is_seen() {
    let package =
        |version| format!("[[package]]\nname = \"libsqlite3-sys\"\nversion = \"{version}\"\n");
    let lock = Lock::read(&(package("0.30.1") + &package("0.38.2")));
    assert_eq!(lock.versions("libsqlite3-sys"), ["0.30.1", "0.38.2"]);
}

#[test]
fn every_file_keeps_the_rules() -> TestResult {
    let files = tidy::files("rs")?;
    assert!(files.len() > 100, "only {} files were found", files.len());
    let mut faults = Vec::new();
    for (path, text) in &files {
        for (rule, check) in RULES {
            if let Some(fault) = check(Source { path, text }) {
                faults.push(format!("{path} {fault} ({rule})"));
            }
        }
    }
    assert_eq!(faults, [""; 0]);
    Ok(())
}

/// The rules that find fault with a file.
fn broken(path: &str, text: &str) -> Vec<&'static str> {
    let source = Source { path, text };
    RULES.iter().filter(|(_, check)| check(source).is_some()).map(|(rule, _)| *rule).collect()
}

#[test]
fn a_planted_fault_breaks_its_rule_and_no_other() {
    let [idea, long, sql, opens] = [0, 1, 2, 3].map(|place| RULES[place].0);
    let core = "crates/store-core/src/jobs.rs";
    let own = "crates/store-sqlite/src/lib.rs";
    let none: [&str; 0] = [];

    for good in ["//! Jobs.\n", "#![doc = include_str!(\"../README.md\")]\n"] {
        assert_eq!(broken(own, good), none);
    }
    assert_eq!(broken(own, "#![allow(dead_code)]\n//! Jobs.\n"), none);
    for bad in [
        "",
        "use std::io;\n",
        "\n//! Late.\n",
        "//!\n",
        "// Not for readers.\n",
        "#![a]\nfn a() {}",
    ] {
        assert_eq!(broken(own, bad), [idea], "{bad:?}");
    }
    assert_eq!(broken(own, &"//! Long.\n".repeat(tidy::LONGEST)), none);
    assert_eq!(broken(own, &"//! Long.\n".repeat(tidy::LONGEST + 1)), [long]);
    let example = |lines| broken("examples/scheduler.rs", &"//! Long.\n".repeat(lines));
    assert_eq!(example(tidy::LONGEST_EXAMPLE), none);
    assert_eq!(example(tidy::LONGEST_EXAMPLE + 1), [long]);

    for word in ["SELECT id FROM jobs", "INSERT INTO jobs", "PRAGMA foreign_keys"] {
        let text = format!("//! Jobs.\nconst SQL: &str = \"{word}\";\n");
        assert_eq!(broken(core, &text), [sql], "{word}");
        assert_eq!(broken(own, &text), none, "a backend may say {word}");
    }
    let call = concat!("//! Jobs.\nfn a() { rusqlite::Connection", "::open_in_memory(); }\n");
    assert_eq!(broken(own, call), [opens]);
    assert_eq!(broken(OPENING_ROOMS[0], call), none);
}

#[test]
fn every_opening_room_is_still_one() -> TestResult {
    assert_eq!(tidy::abandoned(OPENING_ROOMS, &tidy::files("rs")?), [""; 0]);
    Ok(())
}

#[test]
fn a_room_can_be_a_folder_and_an_abandoned_one_is_seen() {
    let call = concat!("Connection", "::open");
    let files = |path: &str| vec![(path.to_owned(), call.to_owned())];
    let rooms = ["a/room.rs", "a/hall/"];
    for inside in ["a/room.rs", "a/hall/one.rs", "a/hall/deep/two.rs"] {
        assert!(tidy::is_in(&rooms, inside), "{inside}");
        assert_eq!(tidy::abandoned(&rooms, &files(inside)).len(), 1, "{inside}");
    }
    for outside in ["a/room.rs.rs", "a/hall.rs", "b/a/hall/one.rs", "a/room.rs/one.rs"] {
        assert!(!tidy::is_in(&rooms, outside), "{outside}");
        assert_eq!(tidy::abandoned(&rooms, &files(outside)), rooms, "{outside}");
    }
    let silent = vec![("a/room.rs".to_owned(), "opens nothing".to_owned())];
    assert_eq!(tidy::abandoned(&rooms, &silent), rooms);
}

#[test]
fn no_migration_has_a_pragma() -> TestResult {
    let mut migrations = tidy::files("sql")?;
    migrations.retain(|(path, _)| path.starts_with("crates/schema/migrations/"));
    assert_eq!(migrations.len(), schema::migrations::embedded().versions().count());
    for (path, text) in migrations {
        assert!(!tidy::has_a_pragma(&text), "{path}");
    }
    assert!(tidy::has_a_pragma("create table t (a);\npragma foreign_keys = off;"));
    Ok(())
}

fn text(path: &str) -> TestResult<String> {
    Ok(std::fs::read_to_string(tidy::root().join(path))?)
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() -> TestResult {
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().ok_or("cargo lists the packages")?;
    assert!(packages.len() >= 5, "only {} are members", packages.len());
    for package in packages {
        let path = package["manifest_path"].as_str().ok_or("a member has a manifest")?;
        assert!(manifests::takes_the_lints(&std::fs::read_to_string(path)?), "{path}");
    }
    assert_eq!(manifests::loose_lints(&text("Cargo.toml")?), [""; 0]);
    Ok(())
}

#[test]
fn a_crate_without_lints_and_a_loose_lint_are_seen() -> TestResult {
    let good =
        "[package]\nname = \"a\"\n\n[lints]\n# All of them.\nworkspace = true\n\n[features]\n";
    assert!(manifests::takes_the_lints(good));
    for (from, to) in [
        ("workspace = true", "workspace = false"),
        ("workspace = true", "# workspace = true"),
        ("[lints]", "[lints.rust]"),
        ("[lints]\n", ""),
        ("true", "true\nrust.missing_docs = \"allow\""),
    ] {
        assert!(!manifests::takes_the_lints(&good.replacen(from, to, 1)), "{to}");
    }
    let workspace = text("Cargo.toml")?;
    for (lint, level) in manifests::LINTS {
        let line = format!("{lint} = \"{level}\"");
        let planted = [format!("{lint} = \"warn\""), format!("# {line}"), String::new()];
        for looser in planted {
            let manifest = workspace.replacen(&line, &looser, 1);
            assert_eq!(manifests::loose_lints(&manifest), [*lint], "{looser}");
        }
    }
    // The same words elsewhere are not the lints of the workspace.
    let elsewhere = workspace.replacen("[workspace.lints.rust]", "[workspace.lints.rustdoc]", 1);
    assert_eq!(manifests::loose_lints(&elsewhere).len(), manifests::LINTS.len());
    Ok(())
}

#[test]
fn a_crate_is_there_once_or_with_a_reason() -> TestResult {
    assert_eq!(manifests::wrong_several(&lock()?, SEVERAL), [""; 0]);
    assert_eq!(manifests::wrong_skips(&text("deny.toml")?, SEVERAL), [""; 0]);
    Ok(())
}

#[test]
fn a_second_version_without_a_reason_and_a_reason_without_one_are_seen() {
    let locked = |packages: &[(&str, &str)]| {
        let block = |(name, version): &(&str, &str)| {
            format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\n")
        };
        Lock::read(&packages.iter().map(block).collect::<String>())
    };
    let entry = |name, versions, meet| Several { name, versions, meet, reason: "planted" };
    let allowed = [entry("a", &["0.16", "0.17"], false), entry("b", &["2", "3"], true)];
    let good = [("a", "0.16.1"), ("a", "0.17.0"), ("b", "3.0.10"), ("b", "2.0.1"), ("c", "1.0.0")];
    let with = |more: &[(&str, &str)]| {
        manifests::wrong_several(&locked(&[&good, more].concat()), &allowed)
    };
    assert_eq!(with(&[]), [""; 0]);
    assert_eq!(with(&[("c", "2.0.0")]), ["c 1 and 2"]);
    assert_eq!(with(&[("a", "0.18.0")]), ["a 0.16 and 0.17 and 0.18"]);
    assert_eq!(manifests::wrong_several(&locked(&good[1..]), &allowed), ["a is there once"]);
    let silent = [allowed[0], Several { reason: "", ..allowed[1] }];
    assert_eq!(manifests::wrong_several(&locked(&good), &silent), ["b has no reason"]);

    let skips = |lines: &str| {
        let deny = format!("[bans]\nwildcards = \"deny\"\nskip = [\n{lines}]\n\n[sources]\n");
        manifests::wrong_skips(&deny, &allowed)
    };
    let line = |name: &str| format!("    {{ crate = \"{name}\", reason = \"planted\" }},\n");
    assert_eq!(skips(&line("b@2")), [""; 0]);
    assert_eq!(skips(""), ["b@2 is not skipped"]);
    assert_eq!(skips(&(line("b@2") + &line("a@0.16"))), ["a@0.16 is skipped"]);
    assert_eq!(skips(&line("b")), ["b is skipped", "b@2 is not skipped"]);
}
