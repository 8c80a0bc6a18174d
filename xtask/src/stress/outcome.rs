//! Which errors are normal in a race, and which are faults.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use store_core::Error;
use store_core::error::Noun;

use super::journal::Missed;
use super::kind::Kind;
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

/// The job or cluster that a call did not find. Others delete them; the audit looks whether they had.
pub fn missed(error: &Error) -> Option<Missed> {
    let Error::NotFound { noun, key } = error else { return None };
    match noun {
        Noun::Job => key.parse().ok().map(Missed::Job),
        Noun::Cluster => key.parse().ok().map(Missed::Cluster),
        _ => None,
    }
}

/// Judges an error of a call.
pub fn judge(kind: Kind, error: &Error) -> Verdict {
    match error {
        Error::NotFound { .. } if missed(error).is_some() => Verdict::RaceLost,
        Error::InUse { .. } if matches!(kind, Kind::Delete | Kind::DeleteCluster) => {
            Verdict::RaceLost
        }
        Error::NotAllowed { .. } if kind == Kind::Delete => Verdict::RaceLost,
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
        assert_eq!(judge(Kind::Claim, &deep), Verdict::Locked);
        assert_eq!(variant(&deep), "Storage");
        let contended = Error::Contended { waited: Duration::from_secs(30), holder: None };
        assert_eq!(judge(Kind::Claim, &contended), Verdict::Locked);
        let disk = Error::Storage(std::io::Error::other("disk I/O error").into());
        assert_eq!(judge(Kind::Claim, &disk), Verdict::Unexpected);
        let late = Error::StaleStatus {
            job: JobId::new(1),
            expected: JobStatus::Queued,
            actual: JobStatus::Running,
        };
        assert_eq!(judge(Kind::Claim, &late), Verdict::RaceLost);
    }

    #[test]
    fn what_is_gone_or_in_use_is_a_race_only_for_who_may_meet_it() {
        let gone = Error::not_found(Noun::Job, JobId::new(7));
        assert_eq!(missed(&gone), Some(Missed::Job(JobId::new(7))));
        assert_eq!(judge(Kind::OpenJob, &gone), Verdict::RaceLost);
        let other = Error::not_found(Noun::Dependency, "of job 7 on job 6");
        assert_eq!((missed(&other), judge(Kind::Delete, &other)), (None, Verdict::Unexpected));
        let in_use =
            Error::InUse { noun: Noun::Job, key: "7".to_owned(), by: "1 job waits".to_owned() };
        assert_eq!(judge(Kind::Delete, &in_use), Verdict::RaceLost);
        assert_eq!(judge(Kind::Create, &in_use), Verdict::Unexpected);
    }
}
