//! One check of the audit and what it found.

use serde::Serialize;

/// How many findings are told in full. Controls look for each of theirs.
const EXAMPLES: usize = if cfg!(test) { usize::MAX } else { 5 };

/// One check.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What must hold.
    pub holds: &'static str,
    /// How many things were looked at.
    pub looked_at: u64,
    /// How many were not as they must be.
    pub faults: u64,
    /// Of these: acknowledged and not there.
    pub lost: u64,
    /// Of these: there more often than acknowledged.
    pub doubled: u64,
    /// The first faults, in words.
    pub examples: Vec<String>,
}

impl Check {
    /// A check that has looked at nothing yet.
    pub const fn new(holds: &'static str) -> Self {
        Self { holds, looked_at: 0, faults: 0, lost: 0, doubled: 0, examples: Vec::new() }
    }

    /// Whether nothing was found.
    pub const fn ok(&self) -> bool {
        self.faults == 0
    }

    /// Something is not as it must be.
    pub fn fault(&mut self, text: impl FnOnce() -> String) {
        self.faults += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(text());
        }
    }

    /// Something acknowledged is not there.
    pub fn lost(&mut self, text: impl FnOnce() -> String) {
        self.lost += 1;
        self.fault(text);
    }

    /// Something is there so many times too often.
    pub fn doubled(&mut self, times: u64, text: impl FnOnce() -> String) {
        self.doubled += times;
        self.fault(text);
    }

    /// Takes what others have found for parts of this one.
    pub fn take(&mut self, parts: Vec<Self>) {
        for part in parts {
            self.looked_at += part.looked_at;
            self.faults += part.faults;
            self.lost += part.lost;
            self.doubled += part.doubled;
            self.examples.extend(part.examples);
        }
        self.examples.truncate(EXAMPLES);
    }

    /// Looks at one thing that must be there with a certain value.
    pub fn must_be<T: PartialEq + std::fmt::Debug>(
        &mut self,
        what: impl FnOnce() -> String,
        acknowledged: &T,
        found: Option<&T>,
    ) {
        self.looked_at += 1;
        match found {
            Some(found) if found == acknowledged => {}
            Some(found) => self.lost(|| {
                format!("{}: {acknowledged:?} was acknowledged, {found:?} is there", what())
            }),
            None => self.lost(|| format!("{} was acknowledged and is not there", what())),
        }
    }
}
