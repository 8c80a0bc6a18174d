//! The packages of the peers, and what is said where they cannot be had.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Program;
use crate::bench::work::Side;
use crate::failure::{Context, Failure, Result};

/// A step that takes longer is given up: a client that waits for a network may wait for ever.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is to be done before a peer can be started.
#[derive(Debug)]
pub struct Recipe {
    /// Files that are put beside the packages.
    copies: Vec<(PathBuf, PathBuf)>,
    /// Run one after the other; the last one loads what was installed.
    steps: Vec<Program>,
    program: Program,
}

fn program(program: impl Into<PathBuf>, arguments: &[&Path]) -> Program {
    let arguments = arguments.iter().map(|argument| argument.to_path_buf()).collect();
    Program { program: program.into(), arguments }
}

/// That of a peer whose programs are in `source`, to be installed into `place`.
pub fn recipe(side: Side, source: &Path, place: &Path) -> Result<Recipe> {
    match side {
        Side::Sqlx => Ok(with_cargo(&source.join("sqlx/Cargo.toml"), place)),
        Side::Huey | Side::Honker => Ok(with_pip(side.as_str(), &source.join("python"), place)),
        Side::Plainjob => Ok(with_npm(&source.join("plainjob"), place)),
        Side::Ours | Side::Limit | Side::Pool | Side::Mutex => {
            Err(Failure::new("it is in the workspace, and needs no packages"))
        }
    }
}

fn with_cargo(manifest: &Path, place: &Path) -> Recipe {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let words = ["build", "--release", "--locked", "--quiet", "--manifest-path"].map(Path::new);
    let rest = [manifest, Path::new("--target-dir"), place];
    let run = program(place.join("release/peer-sqlx"), &[]);
    Recipe {
        copies: Vec::new(),
        steps: vec![program(cargo, &[&words[..], &rest].concat()), checking(&run)],
        program: run,
    }
}

fn with_pip(name: &str, source: &Path, place: &Path) -> Recipe {
    let python = place.join("bin/python");
    let packages = source.join(format!("{name}.txt"));
    let words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    let install = [&words.map(Path::new)[..], &[&packages]].concat();
    let script = source.join(format!("{name}_peer.py"));
    // -B: nothing is written beside the sources.
    let run = program(&python, &[Path::new("-B"), &script]);
    let venv = program("python3", &[Path::new("-m"), Path::new("venv"), place]);
    let steps = vec![venv, program(&python, &install), checking(&run)];
    Recipe { copies: Vec::new(), steps, program: run }
}

fn with_npm(source: &Path, place: &Path) -> Recipe {
    // A module finds its packages beside itself.
    let copies = ["package.json", "main.mjs"].map(|name| (source.join(name), place.join(name)));
    let words = ["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel", "error"];
    let install = [&words.map(Path::new)[..], &[Path::new("--prefix"), place]].concat();
    let run = program("node", &[&place.join("main.mjs")]);
    Recipe {
        copies: copies.into(),
        steps: vec![program("npm", &install), checking(&run)],
        program: run,
    }
}

/// Loads the packages and ends: one that was installed and does not load is no peer.
fn checking(run: &Program) -> Program {
    let mut checking = run.clone();
    checking.arguments.push("--check".into());
    checking
}

impl Recipe {
    /// Does what is to be done. What the steps say goes into a file in `place`.
    pub fn follow(self, place: &Path) -> Result<Program> {
        for (from, to) in &self.copies {
            std::fs::copy(from, to).doing(|| format!("copy {}", from.display()))?;
        }
        for step in &self.steps {
            run(step, &place.join("install.log"))?;
        }
        Ok(self.program)
    }
}

fn run(step: &Program, log: &Path) -> Result<()> {
    let name = step.program.file_name().unwrap_or(step.program.as_os_str()).display().to_string();
    let starting = || format!("run {name}");
    let output = File::create(log).doing(|| format!("make {}", log.display()))?;
    let mut command: Command = step.command();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output.try_clone().doing(starting)?)
        .stderr(output)
        .spawn()
        .doing(starting)?;
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().doing(starting)? {
            if status.success() {
                return Ok(());
            }
            let said = last_words(&std::fs::read_to_string(log).unwrap_or_default());
            return Err(Failure::new(format!("{name} ended with {status}: {said}")));
        }
        if begun.elapsed() > PATIENCE {
            // It may have ended just now, which is as good.
            let _ = child.kill();
            let _ = child.wait();
            let seconds = PATIENCE.as_secs();
            return Err(Failure::new(format!("{name} did not end within {seconds} s")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The last line that says something, not too much of it.
fn last_words(said: &str) -> String {
    let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty());
    last.map_or_else(|| "it said nothing".to_owned(), |line| line.chars().take(200).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        program("sh", &[Path::new("-c"), Path::new(script)])
    }

    fn follow(steps: Vec<Program>) -> Result<Program> {
        let place = tempfile::tempdir().doing(|| "make a folder".to_owned())?;
        let run = shell("exit 0");
        Recipe { copies: Vec::new(), steps, program: run }.follow(place.path())
    }

    #[test]
    fn a_step_that_fails_says_why_in_a_line() {
        let failed = follow(vec![shell("echo first; echo 'no such package' >&2; echo; exit 3")]);
        let said = failed.expect_err("it failed").to_string();
        assert_eq!(said, "sh ended with exit status: 3: no such package");
        let missing = follow(vec![program("no-such-program-anywhere", &[])]);
        let said = missing.expect_err("it is not there").to_string();
        assert!(said.starts_with("could not run no-such-program-anywhere"), "{said}");
    }

    #[test]
    fn the_steps_after_a_failed_one_are_not_run() {
        let place = tempfile::tempdir().expect("a folder");
        let mark = place.path().join("mark");
        let touch = program("touch", &[&mark]);
        assert!(follow(vec![shell("exit 1"), touch.clone()]).is_err());
        assert!(!mark.exists());
        assert!(follow(vec![shell("exit 0"), touch]).is_ok());
        assert!(mark.exists());
    }

    #[test]
    fn every_peer_has_its_sources_and_is_loaded_before_it_is_measured() -> Result<()> {
        let source = crate::workspace::root().join("xtask/peers");
        let place = Path::new("/nowhere");
        for side in Side::PEERS {
            let recipe = recipe(side, &source, place)?;
            let last = recipe.steps.last().map(|step| step.arguments.last());
            assert_eq!(last, Some(Some(&PathBuf::from("--check"))), "{recipe:?}");
            let named = recipe.steps.iter().flat_map(|step| &step.arguments);
            let copied = recipe.copies.iter().map(|(from, _)| from);
            let files: Vec<_> =
                named.chain(copied).filter(|path| path.starts_with(&source)).collect();
            assert!(!files.is_empty(), "{recipe:?}");
            assert!(files.iter().all(|path| path.is_file()), "{files:?}");
        }
        assert!(recipe(Side::Limit, &source, place).is_err());
        Ok(())
    }
}
