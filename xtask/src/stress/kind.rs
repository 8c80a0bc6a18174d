//! The kinds of calls that a run makes.

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($( $(#[$doc:meta])* $variant:ident = $word:literal $writes:literal, )+) => {
        /// What was asked of the store.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Kind {
            $( $(#[$doc])* #[serde(rename = $word)] $variant, )+
        }

        impl Kind {
            /// How reports call it.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )+ }
            }

            /// Whether it is a write.
            pub const fn writes(self) -> bool {
                match self { $( Self::$variant => $writes, )+ }
            }
        }
    };
}

impl Kind {
    /// Whether it is a write that others have to wait for as a whole: who prunes or moves lets them in between.
    pub const fn is_one_write(self) -> bool {
        self.writes() && !matches!(self, Self::Prune | Self::Move)
    }
}

kinds! {
    /// The newest 50 jobs.
    ListNewest = "list newest" false,
    /// A page of one status.
    ListByStatus = "list by status" false,
    /// A page of one workflow.
    ListByWorkflow = "list by workflow" false,
    /// A job with its input, history and result, in one snapshot.
    OpenJob = "open job" false,
    /// How many jobs have each status.
    Count = "count" false,
    /// What the dependencies of a job say of it.
    Readiness = "readiness" false,
    /// A job by its idempotency key.
    FindByKey = "find by key" false,
    /// What is active on a cluster.
    PollCluster = "poll cluster" false,
    /// Who runs what.
    Leases = "leases" false,
    /// All clusters.
    ListClusters = "list clusters" false,
    /// What is left of a job that was just deleted: the event that tells so.
    LookBack = "look back" false,
    /// A page of the history, after the place where a follower was.
    Follow = "follow" false,
    /// A cluster is created.
    CreateCluster = "create cluster" true,
    /// Jobs are created with decks, dependencies and keys.
    Create = "create" true,
    /// A creation is repeated with its key: the same job must come back.
    CreateAgain = "create again" true,
    /// PENDING to QUEUED, with its submission where the job is for a cluster.
    Queue = "queue" true,
    /// QUEUED to RUNNING, by the one worker that is first; under leases in the profile of claims.
    Claim = "claim" true,
    /// Leases are renewed.
    Heartbeat = "heartbeat" true,
    /// A result is recorded under a lease, before its run is reported to have ended.
    Record = "record" true,
    /// Runs are reported to have ended well.
    Complete = "complete" true,
    /// A run is reported to have ended well, and the next jobs are claimed, in one transaction.
    CompleteAndClaim = "complete and claim" true,
    /// Runs are reported to have ended badly.
    Fail = "fail" true,
    /// Runs are given back.
    Release = "release" true,
    /// Runs are taken back from workers that are gone or too late.
    Recover = "recover" true,
    /// The result and the terminal status, in one unit of work.
    Finish = "finish" true,
    /// RUNNING to QUEUED.
    Requeue = "requeue" true,
    /// A failed or cancelled job is tried again.
    Retry = "retry" true,
    /// A job is cancelled.
    Cancel = "cancel" true,
    /// A job is put away.
    Archive = "archive" true,
    /// A priority is read and raised by one, in one unit of work.
    Prioritise = "prioritise" true,
    /// A job is deleted.
    Delete = "delete" true,
    /// Some of the jobs are deleted that ended before a moment.
    Prune = "prune" true,
    /// Some of them are moved into a second store instead.
    Move = "move" true,
    /// A cluster is paused, resumed or limited otherwise.
    EditCluster = "edit cluster" true,
    /// A cluster is removed.
    DeleteCluster = "delete cluster" true,
    /// A note is written.
    Note = "note" true,
    /// A job is created in a unit of work that then errs or panics, beside others in the same commit:
    /// nothing of it may stay. Nothing is acknowledged, so whatever stays is found by the audit.
    GiveUp = "give up" false,
}
