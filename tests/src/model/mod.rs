//! Driving two stores with the same steps: the one under test and the reference in memory.
//!
//! Answers are compared as they print for programmers: values in full, errors with their variant and
//! content. Both stores must go by one clock and sign as one actor.

mod dump;
mod operation;
mod strategies;

use std::fmt;
use std::time::Duration;

use store_core::{ManualClock, Store};

pub use dump::dump;
pub use operation::{End, Operation, Step};
pub use strategies::{BEGINNING, steps, steps_of_many};

/// Where two stores parted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// After how many steps, and at what.
    pub place: String,
    /// What the first store said.
    pub one: String,
    /// What the second store said.
    pub other: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, one, other } = self;
        write!(f, "{place}\n  one:   {one}\n  other: {other}")
    }
}

/// A store, and the place of the second one that its old jobs move into.
pub struct Side<'s, S: Store> {
    /// The store.
    pub store: &'s S,
    /// The place.
    pub archive: &'s S::Archive,
}

impl<S: Store> Clone for Side<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Store> Copy for Side<'_, S> {}

/// Takes both stores through the steps, comparing every answer, and everything that can be read in
/// the end. `clock` is that of both.
///
/// # Errors
/// The first [`Mismatch`].
pub fn drive<S: Store, T: Store>(
    one: Side<'_, S>,
    other: Side<'_, T>,
    clock: &ManualClock,
    steps: &[Step],
) -> Result<(), Mismatch> {
    for (number, step) in steps.iter().enumerate() {
        if let Step::Wait { micros } = step {
            clock.advance(Duration::from_micros(*micros));
            continue;
        }
        let answers = (step.take(one), step.take(other));
        compare(format!("step {number}, {step:?}"), answers.0, answers.1)?;
    }
    compare_all("the dump", one.store, other.store)
}

/// Compares everything that can be read in two stores.
///
/// # Errors
/// The first [`Mismatch`].
pub fn compare_all(what: &str, one: &impl Store, other: &impl Store) -> Result<(), Mismatch> {
    let read = |lines: store_core::Result<Vec<String>>| match lines {
        Ok(lines) => lines,
        Err(error) => vec![format!("cannot be read: {error:?}")],
    };
    let (ones, others) = (read(one.read(|r| dump(r))), read(other.read(|r| dump(r))));
    for place in 0..ones.len().max(others.len()) {
        let line = |lines: &[String]| lines.get(place).cloned().unwrap_or_default();
        compare(format!("line {place} of {what}"), line(&ones), line(&others))?;
    }
    Ok(())
}

fn compare(place: String, one: String, other: String) -> Result<(), Mismatch> {
    if one == other { Ok(()) } else { Err(Mismatch { place, one, other }) }
}
