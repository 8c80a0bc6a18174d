//! What the tests of the stress program share.

use std::error::Error;
use std::process::{Command, Output};

/// What a test comes to.
pub type TestResult<T = ()> = Result<T, Box<dyn Error>>;

/// The stress program.
pub fn xtask() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("stress");
    command
}

/// What a program printed.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The report that it printed.
pub fn json(output: &Output) -> TestResult<serde_json::Value> {
    let report = serde_json::from_slice(&output.stdout);
    Ok(report
        .map_err(|error| format!("{error}: {}{}", text(&output.stdout), text(&output.stderr)))?)
}
