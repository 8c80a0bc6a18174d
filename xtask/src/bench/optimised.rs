//! Only optimised code is worth measuring: another build of this program does it then.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use serde_json::Value;

use crate::failure::{Context, Failure, Result};
use crate::workspace;

/// Whether this program was built with optimisation.
pub const fn is_optimised() -> bool {
    !cfg!(debug_assertions)
}

/// Builds the optimised program and becomes it, with the same arguments.
pub fn run_optimised() -> Result<ExitCode> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "--package", "xtask", "--bin", "xtask"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(workspace::root())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .doing(|| "run cargo to build the optimised program".to_owned())?;
    if !built.status.success() {
        return Err(Failure::new("the optimised program could not be built: see above"));
    }
    let messages = String::from_utf8_lossy(&built.stdout);
    let program = executable(&messages).ok_or_else(|| {
        Failure::new(
            "cargo did not say where the optimised program is: build it and run it by hand",
        )
    })?;
    // It takes the place of this process, so that signals and the exit status are its own.
    let error = Command::new(program).args(std::env::args_os().skip(1)).exec();
    Err(error).doing(|| "run the optimised program".to_owned())
}

fn executable(messages: &str) -> Option<String> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut made = messages.filter(|message| message["target"]["name"] == "xtask");
    made.find_map(|message| message["executable"].as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_says_where_the_program_is() {
        let messages = "\
            {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"schema\"},\"executable\":null}\n\
            {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"xtask\"},\"executable\":\"/t/xtask\"}\n\
            {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(executable(messages).as_deref(), Some("/t/xtask"));
        assert_eq!(executable("not JSON\n"), None);
    }
}
