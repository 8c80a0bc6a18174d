//! Why a command could not do its work, as one sentence for the person who started it.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

/// The answer of everything here that can fail.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// What went wrong, and whether the arguments are to blame.
#[derive(Debug)]
pub struct Failure {
    text: String,
    usage: bool,
}

impl Failure {
    /// Something went wrong.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), usage: false }
    }

    /// An argument cannot be used.
    pub fn usage(text: impl Into<String>) -> Self {
        Self { text: text.into(), usage: true }
    }

    /// 2 where the arguments are to blame, as clap has it, else 1.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(if self.usage { 2 } else { 1 })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Says what was being done when an error came up.
pub trait Context<T> {
    /// Turns the error into "could not {doing}: {error and its sources}".
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Error> Context<T> for Result<T, E> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Failure::new(format!("could not {}: {}", doing(), chain(&error))))
    }
}

/// The text of an error and of all errors below it, each said once.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(source) = below {
        let more = source.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        below = source.source();
    }
    text
}
