//! Which errors are normal in a race, and which are faults.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use store_core::Error;

use crate::failure::chain;

/// What an error of the store means for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Another thread or process was first: normal.
    RaceLost,
    /// What the store promises never to answer.
    Locked,
    /// A fault.
    Unexpected,
}

/// Judges an error of a call.
pub fn judge(error: &Error) -> Verdict {
    match error {
        Error::StaleStatus { .. } | Error::IllegalTransition { .. } | Error::LeaseLost { .. } => {
            Verdict::RaceLost
        }
        Error::Contended { .. } | Error::ReadersBusy { .. } => Verdict::Locked,
        other => {
            let text = chain(other).to_lowercase();
            if text.contains("locked") || text.contains("busy") {
                Verdict::Locked
            } else {
                Verdict::Unexpected
            }
        }
    }
}

/// Things of one sort: how many, and the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// The first one.
    pub example: String,
}

/// Tallies by sort.
pub type Tallies = BTreeMap<String, Tally>;

/// Counts one more of a sort.
pub fn tally(tallies: &mut Tallies, sort: &str, example: impl FnOnce() -> String) {
    match tallies.get_mut(sort) {
        Some(tally) => tally.count += 1,
        None => {
            let tally = Tally { count: 1, example: example() };
            tallies.insert(sort.to_owned(), tally);
        }
    }
}

/// Puts the tallies of another thread or process to these.
pub fn merge(tallies: &mut Tallies, others: Tallies) {
    for (sort, other) in others {
        tallies.entry(sort).and_modify(|tally| tally.count += other.count).or_insert(other);
    }
}

/// The name of an error's variant.
pub fn variant(error: &Error) -> String {
    let debug = format!("{error:?}");
    let end = debug.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(debug.len());
    debug[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use store_core::{JobId, JobStatus};

    #[test]
    fn whatever_says_locked_is_locked_however_deep() {
        let deep = Error::Storage(std::io::Error::other("database is locked").into());
        assert_eq!(judge(&deep), Verdict::Locked);
        assert_eq!(variant(&deep), "Storage");
        let contended = Error::Contended { waited: Duration::from_secs(30), holder: None };
        assert_eq!(judge(&contended), Verdict::Locked);
        let disk = Error::Storage(std::io::Error::other("disk I/O error").into());
        assert_eq!(judge(&disk), Verdict::Unexpected);
        let late = Error::StaleStatus {
            job: JobId::new(1),
            expected: JobStatus::Queued,
            actual: JobStatus::Running,
        };
        assert_eq!(judge(&late), Verdict::RaceLost);
    }
}
