//! How a promise tells that it was broken.

use std::panic::Location;

use crate::error::Error;

/// What a promise comes to: it panics where a store answers wrongly, and returns the error where it
/// refuses what it must do.
pub type Outcome = std::result::Result<(), Broken>;

/// A store refused what it must do.
#[derive(Debug)]
#[expect(dead_code, reason = "both fields are for the reader of `Debug`, which a test prints")]
pub struct Broken {
    /// The error of the store.
    error: Error,
    /// The line of the suite that met it.
    at: &'static Location<'static>,
}

impl From<Error> for Broken {
    #[track_caller]
    fn from(error: Error) -> Self {
        Self { error, at: Location::caller() }
    }
}

impl From<crate::Invalid> for Broken {
    #[track_caller]
    fn from(invalid: crate::Invalid) -> Self {
        Self::from(Error::Invalid(invalid))
    }
}

/// Asserts that a call is refused with an error of this pattern.
macro_rules! assert_refused {
    ($call:expr, $pattern:pat $(if $guard:expr)? $(,)?) => {
        match $call {
            Err($pattern) $(if $guard)? => {}
            answer => panic!(
                "{} was to be refused with {}, but came to {answer:?}",
                stringify!($call),
                stringify!($pattern $(if $guard)?),
            ),
        }
    };
}
pub(super) use assert_refused;
