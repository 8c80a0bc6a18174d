//! The commands and where they lead.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Result;
use crate::{bench, ci, migrations, stress};

/// The work of the crystalstore repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a UI, a scheduler and workers of several processes on one store, and audits every write
    ///
    /// Without any option it runs 2 processes of 4 threads for 10 seconds on a new store, and one that
    /// follows the history while jobs come and go. It exits
    /// with 1 if there was one "locked" error, one lost or doubled write, or any other fault, and
    /// with 2 for an argument that cannot be used.
    Stress(stress::Arguments),
    /// One process of `stress`, started by it
    #[command(hide = true)]
    StressProcess(stress::ProcessArguments),
    /// Measures the store beside what people would write instead, in turns
    ///
    /// Every number comes with its ratio to a reference that was measured in the same rounds, and with
    /// the spread of that ratio. It exits with 1 if a workload fails or wrote other rows than it was
    /// told, and with 0 also where a target is not reached: it measures.
    Bench(bench::Arguments),
    /// One process of `bench`, started by it
    #[command(hide = true)]
    BenchProcess,
    /// Looks after the schema's migrations
    #[command(subcommand)]
    Migrations(migrations::Command),
    /// Runs what continuous integration runs
    Ci(ci::Arguments),
}

/// Reads the arguments and does what they ask for.
pub fn run() -> Result<ExitCode> {
    match Cli::parse().command {
        Command::Stress(arguments) => stress::run(&arguments),
        Command::StressProcess(arguments) => stress::run_process(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::BenchProcess => bench::run_process(),
        Command::Migrations(command) => migrations::run(&command),
        Command::Ci(arguments) => ci::run(&arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
