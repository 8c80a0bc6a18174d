//! What can go wrong, by meaning, whatever the backend.

use std::time::Duration;

use thiserror::Error;

use crate::holder::Holder;
use crate::ids::{EventSequence, JobId, RemoteJobId};
use crate::lease::{LeaseKey, LeaseLoss};
use crate::remote_phase::RemotePhase;
use crate::status::JobStatus;
use crate::words::words;
use crate::workflow::WorkflowProblem;

/// The answer of every call of a store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error below, from whatever library it comes.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

words! {
    /// The kinds of things that a store keeps.
    pub enum Noun as "noun" {
        /// A job.
        Job = "job",
        /// Jobs that belong together.
        Workflow = "workflow",
        /// A job's input deck.
        Input = "input",
        /// A cluster.
        Cluster = "cluster",
        /// A submission of a job to a cluster.
        RemoteJob = "remote job",
        /// An edge between two jobs.
        Dependency = "dependency",
        /// A result of a job.
        Result = "result",
        /// An event of a job's history.
        Event = "event",
    }
}

/// A value that was refused before anything was done with it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field} {reason}")]
pub struct Invalid {
    /// What was refused: `work_dir`, `energy`, ….
    pub field: &'static str,
    /// What is wrong with it, and what to do.
    pub reason: String,
}

impl Invalid {
    /// Says what is wrong with `field`; the sentence goes on after the field's name.
    pub const fn new(field: &'static str, reason: String) -> Self {
        Self { field, reason }
    }
}

/// Why a call of a store did not do what was asked. Unless its text says otherwise, nothing was
/// changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such thing.
    #[error("no {noun} {key}")]
    NotFound {
        /// What was looked for.
        noun: Noun,
        /// By what.
        key: String,
    },

    /// Another one has this already, and only one may.
    #[error("another {noun} has the {field} {value:?} already: take another, or look that one up")]
    Conflict {
        /// What was to be stored.
        noun: Noun,
        /// What must be unique.
        field: &'static str,
        /// The value of it.
        value: String,
    },

    /// A value was refused.
    #[error(transparent)]
    Invalid(#[from] Invalid),

    /// The status machine has no such step.
    #[error("job {job} is {from} and cannot become {to}{}", way_out(*.from, *.to))]
    IllegalTransition {
        /// The job.
        job: JobId,
        /// Its status.
        from: JobStatus,
        /// The status that was asked for.
        to: JobStatus,
    },

    /// The job has moved on since the caller looked.
    #[error("job {job} is {actual}, not {expected} as expected: read it again and decide anew")]
    StaleStatus {
        /// The job.
        job: JobId,
        /// The status that the change expected.
        expected: JobStatus,
        /// The status that the job has.
        actual: JobStatus,
    },

    /// The job has gone on without the worker that reports on it: another has it, or it has ended.
    #[error("{key} is lost, because {loss}: {way_out}")]
    LeaseLost {
        /// What the worker showed.
        key: LeaseKey,
        /// What became of the lease.
        loss: LeaseLoss,
        /// What to do.
        way_out: &'static str,
    },

    /// The job's status does not allow this.
    #[error("job {job} is {status}: {reason}")]
    NotAllowed {
        /// The job.
        job: JobId,
        /// Its status.
        status: JobStatus,
        /// What is not allowed now, and what to do.
        reason: &'static str,
    },

    /// The present attempt of the job has an active submission, so that another would run it twice.
    #[error(
        "job {job} has submission {remote} already, which is {phase}: look up what became of that one"
    )]
    AlreadySubmitted {
        /// The job.
        job: JobId,
        /// Its active submission.
        remote: RemoteJobId,
        /// How far that one has come.
        phase: RemotePhase,
    },

    /// The phase of the submission does not allow this.
    #[error("submission {remote} is {phase}: {reason}")]
    WrongPhase {
        /// The submission.
        remote: RemoteJobId,
        /// How far it has come.
        phase: RemotePhase,
        /// What is not allowed now, and what to do.
        reason: &'static str,
    },

    /// The edge would close a circle, in which every job waits for itself.
    #[error("dependency would close a circle: {}", circle(.path))]
    DependencyCycle {
        /// The jobs of the circle, each waiting for the next; the first is the last again.
        path: Vec<JobId>,
    },

    /// A workflow was refused as a whole.
    #[error("workflow {workflow:?} was refused: {problem}")]
    Workflow {
        /// Its name.
        workflow: String,
        /// What is wrong with it, by the names that its author gave the jobs.
        problem: Box<WorkflowProblem>,
    },

    /// Others refer to it.
    #[error("{noun} {key} is in use: {by}")]
    InUse {
        /// What was to be removed.
        noun: Noun,
        /// Which.
        key: String,
        /// By what, and the way out.
        by: String,
    },

    /// Retention has forgotten that jobs left after this place, so that a feed which goes on from it would not tell.
    #[error("departures after event {after} are forgotten: follow from now, then read all jobs")]
    Forgotten {
        /// The place.
        after: EventSequence,
        /// The newest event that is forgotten.
        newest: EventSequence,
    },

    /// Writers took longer than the deadline.
    #[error("waited {waited:.1?} for a turn to write: {}", way_on(.holder.as_deref()))]
    Contended {
        /// How long the caller waited.
        waited: Duration,
        /// Who has the turn, if it can be told.
        holder: Option<Box<Holder>>,
    },

    /// So many writes wait already that no more are taken in.
    #[error(
        "{waiting} writes wait already: hand in fewer at a time, or open the store with a larger queue"
    )]
    QueueFull {
        /// How many.
        waiting: usize,
    },

    /// Every reader connection was in use for longer than the deadline.
    #[error(
        "waited {waited:.1?} for one of {readers} readers: keep read units short, or open the store \
         with more readers"
    )]
    ReadersBusy {
        /// How long the caller waited.
        waited: Duration,
        /// How many there are.
        readers: u32,
    },

    /// The disk is full. Some systems tell of a used-up quota as [`Error::Storage`] instead.
    #[error(
        "no room to write: free some space where the store and the temporary files are, then try again"
    )]
    Full(#[source] Source),

    /// The commit ended in an I/O error: the change may be there or not. Look it up (a job by its
    /// idempotency key) before doing it again.
    #[error(
        "an I/O error at commit: the change may be there or not, look it up before repeating it"
    )]
    CommitUnknown(#[source] Source),

    /// The storage failed.
    #[error("the storage failed: check the disk, its quota and the system's log")]
    Storage(#[source] Source),

    /// The store holds something that cannot be.
    #[error("the store is damaged: {what}; run a check, and restore the newest good backup")]
    Corrupt {
        /// What was found.
        what: String,
        /// The error below, if there is one.
        #[source]
        source: Option<Source>,
    },

    /// The file of the store was moved, deleted or replaced while it was open.
    #[error(
        "the store's file was moved or replaced while open: close this store and open it again"
    )]
    Moved(#[source] Option<Source>),

    /// The operating system does not allow it.
    #[error("no access to the store: look at its permissions and those of its directory")]
    Access(#[source] Source),

    /// Memory is used up.
    #[error("no memory left")]
    NoMemory(#[source] Source),

    /// A fault of the store itself.
    #[error("a fault in the store, please report it: {what}")]
    Bug {
        /// What happened.
        what: String,
        /// The error below, if there is one.
        #[source]
        source: Option<Source>,
    },

    /// The store was closed.
    #[error("the store is closed: open it again")]
    Closed,

    /// A unit of work was begun inside another one of the same store and thread.
    #[error(
        "a unit of work is open on this thread already: use the unit that the closure was given \
         instead of the store"
    )]
    Nested,

    /// The store was opened to be read only.
    #[error("the store was opened read-only: open it without that option to write")]
    ReadOnly,

    /// The closure of a unit of work gave up for a reason of its own; see [`Error::aborted`].
    #[error("the unit of work was given up: {0}")]
    Aborted(#[source] Source),
}

impl Error {
    /// Wraps an error of the caller's own, to end a unit of work with it and leave nothing behind.
    pub fn aborted(error: impl Into<Source>) -> Self {
        Self::Aborted(error.into())
    }

    /// A worker that has lost its lease, and has nothing to report any more.
    pub const fn lease_lost(key: LeaseKey, loss: LeaseLoss) -> Self {
        Self::LeaseLost { key, loss, way_out: "stop working on the job, and report nothing" }
    }

    /// A missing thing.
    pub fn not_found(noun: Noun, key: impl ToString) -> Self {
        Self::NotFound { noun, key: key.to_string() }
    }

    /// A value that only one may have.
    pub fn conflict(noun: Noun, field: &'static str, value: impl ToString) -> Self {
        Self::Conflict { noun, field, value: value.to_string() }
    }
}

fn way_out(from: JobStatus, to: JobStatus) -> &'static str {
    match (from, to) {
        (JobStatus::Completed, _) => ": a completed job stays so, create a new one",
        (JobStatus::Failed | JobStatus::Cancelled, JobStatus::Pending | JobStatus::Queued) => {
            ": retry it, which opens a new attempt"
        }
        (JobStatus::Failed | JobStatus::Cancelled, _) => ": retry it first",
        _ => "",
    }
}

const TRY_AGAIN: &str = "try again, or open the store with a longer deadline";

fn way_on(holder: Option<&Holder>) -> String {
    match holder {
        None => TRY_AGAIN.to_owned(),
        // It says the way out itself.
        Some(holder) if holder.is_stopped() => format!("it is held by {holder}"),
        Some(holder) => format!("it is held by {holder}; {TRY_AGAIN}"),
    }
}

/// So many jobs of a longer circle are named, from both of its ends.
const NAMED_OF_A_CIRCLE: usize = 10;

fn circle(path: &[JobId]) -> String {
    let chain = |jobs: &[JobId]| {
        jobs.iter().map(|job| format!("job {job}")).collect::<Vec<_>>().join(" waits for ")
    };
    let between = path.len().saturating_sub(NAMED_OF_A_CIRCLE);
    if between < 2 {
        return chain(path);
    }
    let (first, rest) = path.split_at(NAMED_OF_A_CIRCLE / 2);
    let (first, last) = (chain(first), chain(&rest[between..]));
    format!("{first} waits for … {between} more … waits for {last}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::holder::ProcessState;

    #[test]
    fn messages_name_the_thing_and_the_way_out() {
        let job = JobId::new(7);
        let retry =
            Error::IllegalTransition { job, from: JobStatus::Failed, to: JobStatus::Queued };
        assert_eq!(
            retry.to_string(),
            "job 7 is FAILED and cannot become QUEUED: retry it, which opens a new attempt"
        );
        let path = vec![job, JobId::new(8), job];
        assert_eq!(
            Error::DependencyCycle { path }.to_string(),
            "dependency would close a circle: job 7 waits for job 8 waits for job 7"
        );
        // One more than what is named is named as well: it is no longer than the words for it.
        let path: Vec<JobId> = (1..=11).map(JobId::new).collect();
        assert_eq!(circle(&path).matches("job").count(), 11);
        let path: Vec<JobId> = (1..=10_000).map(JobId::new).collect();
        assert_eq!(
            circle(&path),
            "job 1 waits for job 2 waits for job 3 waits for job 4 waits for job 5 waits for … 9990 \
             more … waits for job 9996 waits for job 9997 waits for job 9998 waits for job 9999 waits \
             for job 10000"
        );
        let waited = Duration::from_secs(30);
        let told = |holder| Error::Contended { waited, holder: Some(Box::new(holder)) }.to_string();
        let mut stopped = Holder::new(42);
        stopped.program = Some("crystal-tui".to_owned());
        stopped.state = Some(ProcessState::Stopped);
        assert_eq!(
            told(stopped),
            "waited 30.0s for a turn to write: it is held by process 42 (crystal-tui), which is \
             stopped, so continue or end it"
        );
        assert_eq!(
            told(Holder::new(42)),
            "waited 30.0s for a turn to write: it is held by process 42; try again, or open the store \
             with a longer deadline"
        );
    }
}
