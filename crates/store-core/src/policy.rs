//! What becomes of a job that fails, that is lost sight of, or whose dependencies can no longer be met:
//! data that the job carries, so that whichever process meets the case decides alike.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Invalid;
use crate::ids::JobUuid;
use crate::slurm::RemoteFailure;
use crate::words::words;

/// Why an attempt failed, as one word of lowercase letters, digits and `_`: what a policy tells apart.
///
/// Any word will do. A [`RemoteFailure`] is one: `timeout`, `out_of_memory`, `node_failure`; a code's own are
/// `not_converged` or `bad_input`.
///
/// [`RemoteFailure`]: crate::slurm::RemoteFailure
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FailureKind(String);

impl FailureKind {
    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A failure of which nothing more is known (`unknown`).
    pub fn unknown() -> Self {
        Self("unknown".to_owned())
    }

    /// The lease lapsed, and the job's policy makes that a failure (`lease_lapsed`).
    pub fn lease_lapsed() -> Self {
        Self("lease_lapsed".to_owned())
    }
}

impl From<RemoteFailure> for FailureKind {
    fn from(failure: RemoteFailure) -> Self {
        Self(failure.as_str().to_owned())
    }
}

impl std::fmt::Display for FailureKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for FailureKind {
    type Err = Invalid;

    fn from_str(word: &str) -> Result<Self, Invalid> {
        let starts_well = word.starts_with(|first: char| first.is_ascii_lowercase());
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !starts_well || !word.chars().all(plain) || word.len() > 64 {
            let reason = format!(
                "{word:?} is not a word of at most 64 lowercase letters, digits and _ that begins \
                 with a letter: write for example timeout, out_of_memory, not_converged"
            );
            return Err(Invalid::new("failure kind", reason));
        }
        Ok(Self(word.to_owned()))
    }
}

impl TryFrom<String> for FailureKind {
    type Error = Invalid;

    fn try_from(word: String) -> Result<Self, Invalid> {
        word.parse()
    }
}

impl From<FailureKind> for String {
    fn from(kind: FailureKind) -> Self {
        kind.0
    }
}

words! {
    /// What becomes of a job whose lease lapsed.
    pub enum OnLapse as "on_lapse" {
        /// It is queued again, as a new attempt.
        Requeue = "requeue",
        /// The attempt has failed.
        Fail = "fail",
        /// It waits until somebody reports what became of it: a dead client does not mean a dead
        /// Slurm job.
        Probe = "probe",
    }
}

words! {
    /// What becomes of a job that waits for something that can no longer happen.
    pub enum OnUnsatisfiable as "on_unsatisfiable" {
        /// It is held, and waits again when the other job is retried.
        Hold = "hold",
        /// It is cancelled, and so are those behind it that ask for the same.
        Cancel = "cancel",
    }
}

/// How long a job rests after a failure before its next attempt may be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Backoff {
    /// Not at all.
    #[default]
    None,
    /// As long after each failure.
    Fixed {
        /// The pause in seconds.
        seconds: u32,
        /// By how much the pause may be shorter, in percent of it, 0 to 100.
        jitter_percent: u8,
    },
    /// Twice as long after each further failure.
    Exponential {
        /// The pause after the first failure, in seconds.
        first_seconds: u32,
        /// The longest pause, in seconds.
        longest_seconds: u32,
        /// By how much a pause may be shorter, in percent of it, 0 to 100.
        jitter_percent: u8,
    },
}

impl Backoff {
    /// The pause after the failure of attempt `attempt` of a job, which is its `failures`th, from 1.
    ///
    /// The jitter keeps jobs that failed together from coming back together. It is drawn from the job and
    /// the attempt, so that every process computes the same.
    pub fn pause(self, failures: u32, job: JobUuid, attempt: u32) -> Duration {
        let (seconds, jitter_percent) = match self {
            Self::None => return Duration::ZERO,
            Self::Fixed { seconds, jitter_percent } => (u64::from(seconds), jitter_percent),
            Self::Exponential { first_seconds, longest_seconds, jitter_percent } => {
                let doublings = failures.saturating_sub(1).min(63);
                let doubled = u64::from(first_seconds).saturating_mul(1 << doublings);
                (doubled.min(u64::from(longest_seconds)), jitter_percent)
            }
        };
        let micros = seconds * 1_000_000;
        let random = mixed(job, attempt);
        let share = u128::from(random >> 32) * u128::from(jitter_percent.min(100));
        let shorter = u128::from(micros) * share / (u128::from(u32::MAX) * 100);
        Duration::from_micros(micros - u64::try_from(shorter).unwrap_or(micros).min(micros))
    }

    fn check(self) -> Result<(), Invalid> {
        let (Self::Fixed { jitter_percent, .. } | Self::Exponential { jitter_percent, .. }) = self
        else {
            return Ok(());
        };
        if jitter_percent > 100 {
            let reason = format!("is {jitter_percent}: give 0 to 100 percent");
            return Err(Invalid::new("jitter_percent", reason));
        }
        if let Self::Exponential { first_seconds, longest_seconds, .. } = self
            && first_seconds > longest_seconds
        {
            let reason =
                format!("is {longest_seconds}, less than the first pause of {first_seconds} s");
            return Err(Invalid::new("longest_seconds", reason));
        }
        Ok(())
    }
}

/// A number that looks random, of a job and an attempt: the bytes through the finalizer of SplitMix64
/// (Steele, Lea and Flood, OOPSLA 2014).
fn mixed(job: JobUuid, attempt: u32) -> u64 {
    let finalize = |number: u64| {
        let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    };
    let absorb = |mixed: u64, byte: &u8| finalize(mixed.wrapping_add(u64::from(*byte) + 1));
    job.as_bytes().iter().fold(u64::from(attempt), absorb)
}

/// How often a job is tried, and what becomes of it otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobPolicy {
    /// After how many failed attempts the job is FAILED, at least 1; until then a failure queues it as a
    /// new attempt. 1 unless set: a failure is final until somebody retries the job by hand.
    pub max_attempts: u32,
    /// How long it rests between attempts; not at all unless set.
    pub backoff: Backoff,
    /// Failures that are final whatever `max_attempts` says; none unless set.
    pub not_retried: BTreeSet<FailureKind>,
    /// What becomes of it when its lease lapses. Unless set, a local job is queued again and one of
    /// another machine is probed first.
    pub on_lapse: Option<OnLapse>,
    /// After how many lapses of a lease a further one fails the job instead of queueing it, so that a job
    /// that takes its workers down does not do so for ever; 3 unless set.
    pub max_lapses: u32,
    /// What becomes of it when it waits for something that can no longer happen; held unless set.
    pub on_unsatisfiable: OnUnsatisfiable,
}

impl Default for JobPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 1,
            backoff: Backoff::None,
            not_retried: BTreeSet::new(),
            on_lapse: None,
            max_lapses: 3,
            on_unsatisfiable: OnUnsatisfiable::Hold,
        }
    }
}

impl JobPolicy {
    /// Whether it says nothing but what goes without saying.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a job that has failed `failures` times, the last time by `kind`, is tried again.
    pub fn retries(&self, kind: &FailureKind, failures: u32) -> bool {
        failures < self.max_attempts && !self.not_retried.contains(kind)
    }

    /// Refuses what no store takes.
    ///
    /// # Errors
    /// [`Invalid`] with the field's name.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.max_attempts == 0 {
            return Err(Invalid::new("max_attempts", "is 0: give at least 1".to_owned()));
        }
        self.backoff.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uuid(last: u8) -> JobUuid {
        let mut bytes = [7; 16];
        bytes[15] = last;
        JobUuid::from_bytes(bytes)
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let backoff =
            Backoff::Exponential { first_seconds: 10, longest_seconds: 35, jitter_percent: 0 };
        let pauses: Vec<u64> =
            [1, 2, 3, 200].map(|failures| backoff.pause(failures, uuid(1), 1).as_secs()).into();
        assert_eq!(pauses, [10, 20, 35, 35]);
        assert_eq!(Backoff::None.pause(3, uuid(1), 1), Duration::ZERO);
    }

    #[test]
    fn jitter_shortens_each_job_by_its_own_share() {
        let backoff = Backoff::Fixed { seconds: 100, jitter_percent: 40 };
        let pauses: BTreeSet<Duration> = (0..100).map(|n| backoff.pause(1, uuid(n), 1)).collect();
        assert!(pauses.len() > 90, "they spread");
        assert!(pauses.iter().all(|p| (60_000..=100_000).contains(&p.as_millis())), "{pauses:?}");
        assert!(pauses.last().is_some_and(|longest| longest.as_secs() >= 90), "over all of it");
        assert!(pauses.first().is_some_and(|shortest| shortest.as_secs() < 70), "over all of it");
        assert_eq!(backoff.pause(1, uuid(3), 2), backoff.pause(1, uuid(3), 2));
    }

    #[test]
    fn a_policy_survives_its_json_and_an_older_one_is_completed() -> Result<(), serde_json::Error> {
        let policy = JobPolicy {
            max_attempts: 5,
            backoff: Backoff::Fixed { seconds: 3, jitter_percent: 1 },
            not_retried: BTreeSet::from([FailureKind::unknown()]),
            on_lapse: Some(OnLapse::Fail),
            ..JobPolicy::default()
        };
        let json = serde_json::to_string(&policy)?;
        assert_eq!(serde_json::from_str::<JobPolicy>(&json)?, policy);
        assert_eq!(serde_json::from_str::<JobPolicy>("{}")?, JobPolicy::default());
        Ok(())
    }

    #[test]
    fn a_failure_is_final_after_the_last_attempt_or_by_its_kind() {
        let bad_input: FailureKind = "bad_input".parse().expect("a word");
        let policy = JobPolicy {
            max_attempts: 3,
            not_retried: BTreeSet::from([bad_input.clone()]),
            ..JobPolicy::default()
        };
        assert!(policy.retries(&FailureKind::unknown(), 2));
        assert!(!policy.retries(&FailureKind::unknown(), 3));
        assert!(!policy.retries(&bad_input, 1));
        assert!(!JobPolicy::default().retries(&FailureKind::unknown(), 1));
    }
}
