//! Other libraries that keep jobs in SQLite, each in a program of its own (`xtask/peers`).
//!
//! | question | module |
//! |---|---|
//! | How do their packages come here, and what if they do not? | [`install`] |
//! | What does such a program tell, and is it believed? | [`protocol`] |

pub mod install;
pub mod protocol;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::contest::Contest;
use super::work::Side;
use crate::failure::{Context, Result};
use install::{Recipe, recipe};

/// A program that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// What is run.
    pub program: PathBuf,
    /// With which arguments.
    pub arguments: Vec<PathBuf>,
}

impl Program {
    /// How it is started.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command
    }
}

/// One that is not measured, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Who.
    pub side: Side,
    /// What went wrong, on one line.
    pub why: String,
}

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "skipped {}: {}", self.side.as_str(), self.why)
    }
}

/// The peers of a run.
#[derive(Debug, Default)]
pub struct Peers {
    programs: HashMap<Side, Program>,
    skipped: Vec<Skipped>,
}

impl Peers {
    /// Installs those that take part in these contests, into `folder`.
    pub fn install(contests: &[Contest], source: &Path, folder: &Path) -> Result<Self> {
        let mut peers = Self::default();
        let mut seen = HashSet::new();
        let sides = contests.iter().flat_map(|contest| &contest.contestants).map(|one| one.side);
        for side in sides.filter(|side| side.is_peer() && seen.insert(*side)) {
            let place = folder.join(side.as_str());
            std::fs::create_dir_all(&place).doing(|| format!("make {}", place.display()))?;
            peers.add(
                side,
                recipe(side, source, &place).and_then(|recipe: Recipe| recipe.follow(&place)),
            );
        }
        Ok(peers)
    }

    fn add(&mut self, side: Side, installed: Result<Program>) {
        match installed {
            Ok(program) => drop(self.programs.insert(side, program)),
            Err(failure) => self.skip(side, failure.to_string()),
        }
    }

    /// Leaves one out from here on, and says so at once: who waits for its numbers is to know.
    pub fn skip(&mut self, side: Side, why: String) {
        let skipped = Skipped { side, why };
        eprintln!("{skipped}");
        self.skipped.push(skipped);
    }

    /// The program of a peer; nothing for who needs none.
    pub fn program(&self, side: Side) -> Option<&Program> {
        self.programs.get(&side)
    }

    /// Who is not there.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// The contests without those who are not there, and without those that nobody else takes part in.
    pub fn present(&self, mut contests: Vec<Contest>) -> Vec<Contest> {
        for contest in &mut contests {
            let absent = |place: usize| {
                let side = contest.contestants[place].side;
                self.skipped.iter().any(|skipped| skipped.side == side)
            };
            let there: Vec<usize> =
                (0..contest.contestants.len()).filter(|place| !absent(*place)).collect();
            let moved = |place: usize| there.iter().position(|old| *old == place);
            let figures = std::mem::take(&mut contest.figures).into_iter();
            contest.figures = figures
                .filter_map(|figure| {
                    let (of, against) = (moved(figure.of)?, moved(figure.against)?);
                    Some(super::contest::Figure { of, against, ..figure })
                })
                .collect();
            contest.contestants = there.iter().map(|place| contest.contestants[*place]).collect();
        }
        contests.retain(|contest| !contest.figures.is_empty());
        contests
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::catalogue::{Sizes, peers};
    use crate::failure::Failure;

    #[test]
    fn who_cannot_be_installed_is_left_out_and_the_others_are_measured() {
        let mut installed = Peers::default();
        installed.add(Side::Huey, Err(Failure::new("no network")));
        installed.add(Side::Sqlx, Err(Failure::new("no network")));
        let told: Vec<String> = installed.skipped().iter().map(Skipped::to_string).collect();
        assert_eq!(told, ["skipped huey: no network", "skipped sqlx: no network"]);
        let present = installed.present(peers(Sizes::QUICK));
        assert!(!present.is_empty());
        for contest in present {
            assert!(contest.name.starts_with("queue"), "{}: all that is left", contest.name);
            let sides: Vec<Side> = contest.contestants.iter().map(|one| one.side).collect();
            assert_eq!(sides, [Side::Ours, Side::Honker, Side::Plainjob]);
            for (figure, other) in contest.figures.iter().zip([Side::Honker, Side::Plainjob]) {
                assert_eq!(contest.contestants[figure.of].side, Side::Ours);
                assert_eq!(contest.contestants[figure.against].side, other);
                assert_eq!(figure.reference, other.as_str());
            }
        }
    }
}
