//! One job as the calls of workers see it: queued, run under a token, ended. It does one thing at a time.

use serde::{Deserialize, Serialize};
use store_core::{JobStatus, LeaseKey};

use super::search;

/// What a job is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    Queued,
    /// Under the newest token.
    Running,
    Ended(JobStatus),
}

/// What a job is between two calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    phase: Phase,
    attempt: u32,
    token: i64,
}

impl State {
    /// Queued, and never claimed.
    pub const NEW: Self = Self { phase: Phase::Queued, attempt: 1, token: 0 };

    fn is_held_by(&self, key: &LeaseKey) -> bool {
        let newest = (self.attempt, self.token) == (key.attempt, key.token.get());
        self.phase == Phase::Running && newest
    }

    fn queued_again(&self) -> Self {
        Self { phase: Phase::Queued, attempt: self.attempt + 1, token: self.token }
    }

    fn ended(&self, status: JobStatus) -> Self {
        Self { phase: Phase::Ended(status), ..*self }
    }
}

/// How a run is reported to have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// By `complete`.
    Completed,
    /// By `fail`.
    Failed,
    /// By `release`.
    Released,
    /// By `recover_expired` or `recover_lost`.
    Lost,
}

/// What a job came to by that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Came {
    /// It is queued, as this attempt.
    Queued(u32),
    /// It has ended.
    Ended(JobStatus),
    /// The same was reported before.
    Repeated,
    /// The lease was lost: nothing.
    LeaseLost,
    /// Nobody heard.
    Unknown,
}

/// What a heartbeat came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Beat {
    /// The lease goes on.
    Renewed,
    /// It had lapsed by the clock, whether or not anybody has taken the job away.
    Lapsed,
    /// The job has gone on without it.
    Lost,
}

/// A call on one job, with its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// It was claimed; under which key is not known where the call did not return.
    Claim(Option<LeaseKey>),
    /// Its lease was renewed, or not.
    Heartbeat(LeaseKey, Beat),
    /// A result was recorded under its lease.
    Recorded(LeaseKey),
    /// A result was refused because its lease was lost.
    Refused(LeaseKey),
    /// Its run ended, or somebody believed so.
    End(LeaseKey, Report, Came),
    /// It was looked at: its status, its attempt, and how often it was claimed.
    Seen(JobStatus, u32, i64),
}

impl search::Call for Call {
    type State = State;

    fn after(&self, state: &State) -> Vec<State> {
        let only_if = |holds: bool, after: State| if holds { vec![after] } else { Vec::new() };
        match *self {
            Self::Claim(key) => {
                let claimed = State { phase: Phase::Running, token: state.token + 1, ..*state };
                let is_so = key.is_none_or(|key| claimed.is_held_by(&key));
                only_if(state.phase == Phase::Queued && is_so, claimed)
            }
            Self::Heartbeat(key, Beat::Renewed) => only_if(state.is_held_by(&key), *state),
            Self::Heartbeat(_, Beat::Lapsed) => vec![*state],
            Self::Heartbeat(key, Beat::Lost) => only_if(!state.is_held_by(&key), *state),
            Self::Recorded(key) => only_if(state.is_held_by(&key), *state),
            Self::Refused(key) => only_if(!state.is_held_by(&key), *state),
            Self::End(key, _, Came::LeaseLost) => only_if(!state.is_held_by(&key), *state),
            Self::End(key, Report::Completed, Came::Repeated) => {
                let before = State { phase: Phase::Running, ..*state };
                let has = state.phase == Phase::Ended(JobStatus::Completed);
                only_if(has && before.is_held_by(&key), *state)
            }
            Self::Seen(status, attempt, token) => {
                let phase = match status {
                    JobStatus::Queued => Phase::Queued,
                    JobStatus::Running => Phase::Running,
                    ended => Phase::Ended(ended),
                };
                only_if(*state == State { phase, attempt, token }, *state)
            }
            // No worker of a run reports anything else twice.
            Self::End(_, _, Came::Repeated) => Vec::new(),
            Self::End(key, report, came) => {
                let possible = match report {
                    Report::Completed => vec![state.ended(JobStatus::Completed)],
                    Report::Failed | Report::Lost => {
                        vec![state.queued_again(), state.ended(JobStatus::Failed)]
                    }
                    Report::Released => vec![state.queued_again()],
                };
                let is_so = |after: &State| match came {
                    Came::Queued(attempt) => {
                        after.phase == Phase::Queued && after.attempt == attempt
                    }
                    Came::Ended(status) => after.phase == Phase::Ended(status),
                    _ => true,
                };
                let held = state.is_held_by(&key);
                possible.into_iter().filter(|after| held && is_so(after)).collect()
            }
        }
    }
}
