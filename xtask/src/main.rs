//! The work of this repository, as `cargo xtask COMMAND`.

mod bench;
mod ci;
mod cli;
mod failure;
mod migrations;
mod out;
mod shared;
mod stress;
mod workspace;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.exit_code()
        }
    }
}
