//! The options of `bench`.

use std::path::PathBuf;

use clap::Args;

use super::catalogue::{self, Sizes};
use super::contest::Contest;
use crate::failure::{Failure, Result};
use crate::shared::choices::{Format, report_folder};

/// What can be asked of a benchmark.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Measure only what has this in its name, or in that of a number that comes of it; again for more.
    /// `--list` tells the names
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,

    /// List what would be measured instead of measuring it
    #[arg(long)]
    pub list: bool,

    /// How often each measurement is made; long ones are made less often [default: 5, with --quick 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: Option<u32>,

    /// Measure small things for a moment, as built: it shows that everything works, not how fast
    #[arg(long)]
    pub quick: bool,

    /// How the outcome is printed; JSON is a list with an object for each number
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,

    /// Write bench.html, bench.md and bench.json into this directory as well
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,

    /// Measure other libraries too, whose packages are installed into target/peers: sqlx, huey, honker
    /// and plainjob, with cargo, pip and npm. One that cannot be installed is skipped with a word
    #[arg(long)]
    pub peers: bool,

    /// Where the databases are while they are used, so that another disk can be measured; the
    /// directory for temporary files unless given
    #[arg(long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
}

impl Arguments {
    /// Refuses what can be seen to be wrong before anything is measured.
    pub fn check(&self) -> Result<()> {
        if let Some(directory) = self.directory.as_deref().filter(|given| !given.is_dir()) {
            let shown = directory.display();
            return Err(Failure::usage(format!(
                "--directory {shown} is no directory: make it first"
            )));
        }
        if self.list {
            return Ok(());
        }
        self.report.as_deref().map_or(Ok(()), report_folder)
    }

    /// What is to be measured.
    pub fn contests(&self) -> Result<Vec<Contest>> {
        let sizes = if self.quick { Sizes::QUICK } else { Sizes::FULL };
        let mut contests = catalogue::all(sizes);
        if self.peers {
            contests.extend(catalogue::peers(sizes));
        }
        let has = |contest: &Contest, name: &String| {
            let mut names = contest.figures.iter().map(|figure| &figure.name);
            contest.name.contains(name.as_str()) || names.any(|found| found.contains(name.as_str()))
        };
        if let Some(unknown) =
            self.only.iter().find(|name| !contests.iter().any(|contest| has(contest, name)))
        {
            return Err(Failure::usage(format!(
                "--only {unknown} names nothing that is measured: --list tells the names"
            )));
        }
        contests.retain(|contest| {
            self.only.is_empty() || self.only.iter().any(|name| has(contest, name))
        });
        Ok(contests)
    }

    /// How often each measurement is made.
    pub fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 1 } else { 5 })
    }
}
