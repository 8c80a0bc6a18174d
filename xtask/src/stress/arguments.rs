//! The options of `stress`.

use std::path::PathBuf;

use clap::Args;

use super::plan::{Limit, Profile};
use crate::failure::{Failure, Result};
use crate::shared::choices::{Durability, Format, report_folder};

/// What can be asked of a stress run.
#[derive(Debug, Args)]
pub struct Arguments {
    /// How many processes use the store at once [default: 2, with --profile claims 4]; one more
    /// follows the history, or has the scheduler of --profile claims
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub processes: Option<u32>,

    /// What they do: a mix of all work, or claims of workers under leases, whose order is checked
    #[arg(long, value_enum, default_value_t = Profile::Mix)]
    pub profile: Profile,

    /// How many threads each process has: a UI, a scheduler, and workers; in the profile of claims
    /// workers alone
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: u32,

    /// Stop after this many seconds [default: 10; with --profile claims it is --claims that ends a run]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub seconds: Option<f64>,

    /// Stop after this many operations of all processes together; what is under way is finished
    #[arg(long, value_name = "N", conflicts_with = "seconds", value_parser = clap::value_parser!(u64).range(1..))]
    pub operations: Option<u64>,

    /// Stop when this many jobs were claimed; with `--profile claims` [default: 200000]
    #[arg(long, value_name = "N", conflicts_with_all = ["seconds", "operations"], value_parser = clap::value_parser!(u64).range(1..))]
    pub claims: Option<u64>,

    /// Kill a process every so many seconds, the one that follows the history in its turn, and start
    /// another one; in the profile of claims not the one with the scheduler [default: never; with
    /// --profile claims 1, where neither --claims nor --seconds is given]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub kill_every: Option<f64>,

    /// Fill the store with at least this many further jobs, with decks, before the work begins
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=10_000_000))]
    pub jobs: u64,

    /// After the work, so many times let all processes open one new file at the same moment
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub open_rounds: u32,

    /// Whether a commit waits for the disk (full) or not (normal)
    #[arg(long, value_enum, default_value_t = Durability::Normal)]
    pub durability: Durability,

    /// The database; a new one in a new directory unless given. One that is a store already is used
    /// further, and the audit then covers what this run wrote and the integrity of the whole
    #[arg(long, value_name = "PATH")]
    pub db: Option<PathBuf>,

    /// How the outcome is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,

    /// Write report.html and report.json into this directory as well
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,

    /// Where the random choices begin; another one each time unless given
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// What the parent tells one of its processes.
#[derive(Debug, Args)]
pub struct ProcessArguments {
    /// The file that says what to do
    #[arg(long)]
    pub plan: PathBuf,
    /// Which process this is, from 1
    #[arg(long)]
    pub process: u32,
    /// Follow the history of the others
    #[arg(long, conflicts_with = "open")]
    pub follow: bool,
    /// Open this file when the word comes, and do nothing else
    #[arg(long)]
    pub open: Option<PathBuf>,
}

impl Arguments {
    /// When to stop.
    pub fn limit(&self) -> Limit {
        match (self.claims, self.operations, self.seconds) {
            (Some(claims), _, _) => Limit::Claims(claims),
            (_, Some(operations), _) => Limit::Operations(operations),
            (_, _, Some(seconds)) => Limit::Seconds(seconds),
            _ if self.profile == Profile::Claims => Limit::Claims(200_000),
            _ => Limit::Seconds(10.0),
        }
    }

    /// How many processes there are.
    pub fn processes(&self) -> u32 {
        self.processes.unwrap_or(if self.profile == Profile::Claims { 4 } else { 2 })
    }

    /// How often a process is killed, in seconds.
    pub fn kill_every(&self) -> Option<f64> {
        let whole = self.claims.is_none() && self.seconds.is_none();
        let by_default = (self.profile == Profile::Claims && whole).then_some(1.0);
        self.kill_every.or(by_default)
    }

    /// Refuses what can be seen to be wrong before anything is written.
    pub fn check(&self) -> Result<()> {
        let of_claims = self.profile == Profile::Claims;
        for (given, name, belongs) in [
            (self.claims.is_some(), "--claims", of_claims),
            (self.operations.is_some(), "--operations", !of_claims),
        ] {
            if given && !belongs {
                let profile = self.profile.as_str();
                return Err(Failure::usage(format!(
                    "{name} means nothing with --profile {profile}: leave one of them out"
                )));
            }
        }
        if let Some(db) = self.db.as_ref().filter(|db| of_claims && db.exists()) {
            return Err(Failure::usage(format!(
                "--db {} is there already, and workers claim every job that they find: name a new one",
                db.display()
            )));
        }
        if let Some(db) = &self.db {
            let shown = db.display();
            if db.is_dir() {
                return Err(Failure::usage(format!(
                    "--db {shown} is a directory: name a file in it, for example {}",
                    db.join("project.db").display()
                )));
            }
            let parent = match db.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => std::path::Path::new("."),
            };
            if !parent.is_dir() {
                return Err(Failure::usage(format!(
                    "--db {shown} is in a directory that does not exist: create {} first",
                    parent.display()
                )));
            }
        }
        self.report.as_deref().map_or(Ok(()), report_folder)
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("give a number of seconds from 0.1 to 86400".to_owned()),
    }
}
