//! `cargo xtask ci`: everything that must hold before a change is taken, step by step.

use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use xshell::{Shell, cmd};

use crate::failure::{Context, Failure, Result};
use crate::{out, workspace};

/// What can be asked of `ci`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Run this step alone; again for another one
    #[arg(long, value_name = "STEP", value_parser = names())]
    only: Vec<String>,
    /// List the steps instead of running them
    #[arg(long, conflicts_with = "only")]
    list: bool,
}

/// One step: what it is called, what it looks at, and how.
struct Step {
    name: &'static str,
    about: &'static str,
    run: fn(&Shell) -> Result<()>,
}

const TEST: &str = "test";

/// In this order, the quick ones first. The tests come last, so that the last lines are their summary.
const STEPS: &[Step] = &[
    Step { name: "fmt", about: "the code is formatted", run: fmt },
    Step { name: "core-alone", about: "store-core builds without SQLite", run: core_alone },
    Step { name: "clippy", about: "no warning in any target, with all features", run: clippy },
    Step { name: "doc", about: "the documentation builds without a warning", run: doc },
    Step { name: "migrations", about: "the migrations hold together", run: migrations },
    Step { name: "stress", about: "two processes share a store without a fault", run: stress },
    Step { name: "doc-tests", about: "the examples in the documentation hold", run: doc_tests },
    Step { name: "metrics", about: "a recorder hears of what is counted", run: metrics },
    Step { name: TEST, about: "all other tests", run: test },
];

fn names() -> Vec<&'static str> {
    STEPS.iter().map(|step| step.name).collect()
}

/// Runs the steps, and stops at the first that fails.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.list {
        let line = |step: &Step| format!("{:<12} {}\n", step.name, step.about);
        out::print(&STEPS.iter().map(line).collect::<String>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let shell = Shell::new().map_err(|error| Failure::new(error.to_string()))?;
    shell.change_dir(workspace::root());
    let wanted = |step: &&Step| {
        arguments.only.is_empty() || arguments.only.iter().any(|name| name == step.name)
    };
    let steps: Vec<&Step> = STEPS.iter().filter(wanted).collect();
    for (index, step) in steps.iter().enumerate() {
        let Step { name, about, run } = step;
        out::print(&format!("\n== {name}: {about} ({} of {})\n", index + 1, steps.len()))?;
        let begun = Instant::now();
        let passed = run(&shell);
        let seconds = begun.elapsed().as_secs_f64();
        match passed {
            // Nothing may follow the summary of the tests, which says itself how they went.
            _ if *name == TEST => {
                return Ok(passed.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS));
            }
            Ok(()) => out::print(&format!("== {name} passed in {seconds:.1} s\n"))?,
            Err(failure) => {
                out::print(&format!("== {name} FAILED after {seconds:.1} s\n"))?;
                let again = format!("cargo xtask ci --only {name}");
                return Err(Failure::new(format!("{failure}; run it again with `{again}`")));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn fmt(shell: &Shell) -> Result<()> {
    done(cmd!(shell, "cargo fmt --all --check"))
}

fn core_alone(shell: &Shell) -> Result<()> {
    done(cmd!(shell, "cargo check --package store-core --no-default-features"))?;
    let tree =
        cmd!(shell, "cargo tree --package store-core --edges normal --all-features --prefix none")
            .read()
            .map_err(|error| Failure::new(error.to_string()))?;
    // The first word of a line is a crate's name; the rest may be a path.
    let mut crates = tree.lines().filter_map(|line| line.split(' ').next());
    match crates.find(|name| name.contains("sqlite")) {
        Some(name) => {
            Err(Failure::new(format!("store-core depends on {name}: SQL is the backends'")))
        }
        None => Ok(()),
    }
}

fn clippy(shell: &Shell) -> Result<()> {
    done(cmd!(shell, "cargo clippy --workspace --all-targets --all-features -- --deny warnings"))
}

fn doc(shell: &Shell) -> Result<()> {
    let _flags = shell.push_env("RUSTDOCFLAGS", "--deny warnings");
    done(cmd!(shell, "cargo doc --workspace --no-deps"))
}

fn migrations(shell: &Shell) -> Result<()> {
    let xtask = this_program()?;
    done(cmd!(shell, "{xtask} migrations check"))
}

fn stress(shell: &Shell) -> Result<()> {
    let xtask = this_program()?;
    let mix = ["--threads", "4", "--seconds", "3"];
    let claims = ["--threads", "4", "--seconds", "4", "--profile", "claims"];
    let killed = ["--kill-every", "1"];
    for (durability, work, more) in
        [("normal", &mix[..], &[][..]), ("full", &mix, &killed), ("normal", &claims, &killed)]
    {
        let folder = tempfile::Builder::new().prefix("crystalstore-ci-").tempdir();
        let folder = folder.doing(|| "make a directory for the database".to_owned())?;
        let db = folder.path().join("project.db");
        let sizes = [&["--processes", "2"][..], work, more].concat();
        let ran =
            done(cmd!(shell, "{xtask} stress {sizes...} --durability {durability} --db {db}"));
        if ran.is_err() {
            // What it left is wanted now.
            let _kept = folder.keep();
        }
        ran?;
    }
    Ok(())
}

/// Cargo has just built it; through `cargo run` it could be built again with other features.
fn this_program() -> Result<std::path::PathBuf> {
    std::env::current_exe().doing(|| "find this program".to_owned())
}

fn doc_tests(shell: &Shell) -> Result<()> {
    done(cmd!(shell, "cargo test --workspace --doc"))
}

/// With the workspace's features, so that little is built again.
fn metrics(shell: &Shell) -> Result<()> {
    let feature = ["--features", "store-sqlite/metrics"];
    done(cmd!(shell, "cargo test --workspace {feature...} --test metrics"))
}

fn test(shell: &Shell) -> Result<()> {
    // A snapshot that is not there yet is a failure, and none is written.
    let _update = shell.push_env("INSTA_UPDATE", "no");
    let targets = ["--lib", "--bins", "--tests", "--examples"];
    done(cmd!(shell, "cargo test --workspace {targets...} --no-fail-fast"))
}

fn done(command: xshell::Cmd<'_>) -> Result<()> {
    command.run().map_err(|error| Failure::new(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_step_is_the_tests() {
        assert_eq!(STEPS.last().map(|step| step.name), Some(TEST));
    }
}
