//! Slurm's words for the state of a job, and what they mean here.
//!
//! The words are those of <https://slurm.schedmd.com/job_state_codes.html>. Some are states, others flags
//! that are printed instead of the state while they are set. squeue and sacct print them long, as codes
//! ("JOB STATE CODES" in <https://slurm.schedmd.com/squeue.html>), or with something behind them
//! (`CANCELLED by 1000`, `CANCELLED+`).

use crate::patch::{Edit, Patch};
use crate::remote_job::RemoteJobPatch;
use crate::remote_phase::RemotePhase;
use crate::words::words;

words! {
    /// A state of a job in Slurm.
    pub enum SlurmState as "slurm state" {
        /// Its nodes did not boot.
        BootFail = "BOOT_FAIL",
        /// A user or an administrator cancelled it.
        Cancelled = "CANCELLED",
        /// All its processes ended with exit code 0.
        Completed = "COMPLETED",
        /// It has its nodes, and waits for them to be ready.
        Configuring = "CONFIGURING",
        /// It is ending; some of its processes may still run.
        Completing = "COMPLETING",
        /// It reached its deadline.
        Deadline = "DEADLINE",
        /// It ended with another exit code, or otherwise badly.
        Failed = "FAILED",
        /// It could not be launched on its nodes; its state follows.
        LaunchFailed = "LAUNCH_FAILED",
        /// One of its nodes failed.
        NodeFail = "NODE_FAIL",
        /// It used more memory than it was given.
        OutOfMemory = "OUT_OF_MEMORY",
        /// It waits for nodes.
        Pending = "PENDING",
        /// Its nodes are being powered up.
        PowerUpNode = "POWER_UP_NODE",
        /// It was ended in favour of another. Where the cluster puts such jobs back into the queue
        /// (`PreemptMode=REQUEUE`), another state may follow.
        Preempted = "PREEMPTED",
        /// Its nodes could not be reconfigured; its state follows.
        ReconfigFail = "RECONFIG_FAIL",
        /// It runs.
        Running = "RUNNING",
        /// It is held, because its reservation was deleted.
        ReservationDeleted = "RESV_DEL_HOLD",
        /// A federation puts it back into the queue.
        RequeuedByFederation = "REQUEUE_FED",
        /// It was put back into the queue, and is held there.
        RequeuedOnHold = "REQUEUE_HOLD",
        /// It is put back into the queue.
        Requeued = "REQUEUED",
        /// Its size is about to change.
        Resizing = "RESIZING",
        /// Another cluster of the federation started it.
        Revoked = "REVOKED",
        /// It is being signalled.
        Signaling = "SIGNALING",
        /// It was put back into the queue, held, with a special mark.
        SpecialExit = "SPECIAL_EXIT",
        /// Its files are being staged out.
        StageOut = "STAGE_OUT",
        /// Its processes were stopped; it keeps its processors.
        Stopped = "STOPPED",
        /// Its processes were stopped; its processors were given to others.
        Suspended = "SUSPENDED",
        /// It reached its time limit.
        Timeout = "TIMEOUT",
    }
}

words! {
    /// How a job failed, as the scheduler sees it.
    pub enum RemoteFailure as "remote failure" {
        /// Its own fault: the exit code tells more.
        Exit = "exit",
        /// Its time limit.
        Timeout = "timeout",
        /// Its deadline.
        Deadline = "deadline",
        /// Its memory.
        OutOfMemory = "out_of_memory",
        /// A node, at the start or later. Another run may do well.
        NodeFailure = "node_failure",
        /// It was ended in favour of another. Another run may do well.
        Preempted = "preempted",
    }
}

/// What a state of the scheduler means for the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteOutcome {
    /// Nothing yet: it waits or runs.
    StillGoing,
    /// The scheduler puts it back into its queue, under the same id: it waits again, and will run
    /// again. The submission goes on.
    Requeued,
    /// It has ended well.
    Completed,
    /// It has ended badly.
    Failed(RemoteFailure),
    /// Somebody cancelled it.
    Cancelled,
}

impl SlurmState {
    /// Reads a state as squeue, sacct or scontrol print it: the word, its code (`PD`, `OOM`), in either
    /// case, with what sacct puts behind it. `None` for a word that Slurm's manuals do not have; it is
    /// worth keeping as the submission's `scheduler_state` all the same.
    pub fn reported(text: &str) -> Option<Self> {
        let word = text.split_whitespace().next()?.to_uppercase();
        let Some(cut) = word.strip_suffix('+') else {
            return Self::of_code(&word).or_else(|| word.parse().ok());
        };
        // sacct cuts what does not fit in its column: CANCELLED+, OUT_OF_ME+.
        let mut begun = Self::ALL.iter().filter(|state| state.as_str().starts_with(cut));
        begun.next().copied().filter(|_| begun.next().is_none())
    }

    fn of_code(code: &str) -> Option<Self> {
        Some(match code {
            "BF" => Self::BootFail,
            "CA" => Self::Cancelled,
            "CD" => Self::Completed,
            "CF" => Self::Configuring,
            "CG" => Self::Completing,
            "DL" => Self::Deadline,
            "F" => Self::Failed,
            "NF" => Self::NodeFail,
            "OOM" => Self::OutOfMemory,
            "PD" => Self::Pending,
            "PR" => Self::Preempted,
            "R" => Self::Running,
            "RD" => Self::ReservationDeleted,
            "RF" => Self::RequeuedByFederation,
            "RH" => Self::RequeuedOnHold,
            "RQ" => Self::Requeued,
            "RS" => Self::Resizing,
            "RV" => Self::Revoked,
            "SI" => Self::Signaling,
            "SE" => Self::SpecialExit,
            "SO" => Self::StageOut,
            "ST" => Self::Stopped,
            "S" => Self::Suspended,
            "TO" => Self::Timeout,
            _ => return None,
        })
    }

    /// How far a submission in this state has come; `None` where the state does not tell: a job that is
    /// put back into the queue has been further than that, a failed launch may be tried again, and what
    /// another cluster of a federation runs has ended here alone.
    pub const fn phase(self) -> Option<RemotePhase> {
        Some(match self {
            Self::Pending | Self::Configuring | Self::PowerUpNode | Self::ReservationDeleted => {
                RemotePhase::Pending
            }
            Self::Running
            | Self::Completing
            | Self::Resizing
            | Self::Signaling
            | Self::StageOut
            | Self::Stopped
            | Self::Suspended => RemotePhase::Running,
            Self::BootFail
            | Self::Cancelled
            | Self::Completed
            | Self::Deadline
            | Self::Failed
            | Self::NodeFail
            | Self::OutOfMemory
            | Self::Preempted
            | Self::Timeout => RemotePhase::Finished,
            Self::LaunchFailed
            | Self::ReconfigFail
            | Self::Requeued
            | Self::RequeuedByFederation
            | Self::RequeuedOnHold
            | Self::SpecialExit
            | Self::Revoked => return None,
        })
    }

    /// What it means for the job.
    pub const fn outcome(self) -> RemoteOutcome {
        match self {
            Self::Completed => RemoteOutcome::Completed,
            Self::Cancelled => RemoteOutcome::Cancelled,
            Self::Failed => RemoteOutcome::Failed(RemoteFailure::Exit),
            Self::Timeout => RemoteOutcome::Failed(RemoteFailure::Timeout),
            Self::Deadline => RemoteOutcome::Failed(RemoteFailure::Deadline),
            Self::OutOfMemory => RemoteOutcome::Failed(RemoteFailure::OutOfMemory),
            Self::BootFail | Self::NodeFail => RemoteOutcome::Failed(RemoteFailure::NodeFailure),
            Self::Preempted => RemoteOutcome::Failed(RemoteFailure::Preempted),
            Self::Requeued
            | Self::RequeuedByFederation
            | Self::RequeuedOnHold
            | Self::SpecialExit => RemoteOutcome::Requeued,
            Self::Pending
            | Self::Configuring
            | Self::LaunchFailed
            | Self::PowerUpNode
            | Self::ReconfigFail
            | Self::ReservationDeleted
            | Self::Running
            | Self::Completing
            | Self::Resizing
            | Self::Revoked
            | Self::Signaling
            | Self::StageOut
            | Self::Stopped
            | Self::Suspended => RemoteOutcome::StillGoing,
        }
    }
}

/// The report that a state as Slurm prints it makes: the words as they are, and the phase where they
/// tell one.
pub fn read(text: &str) -> RemoteJobPatch {
    let phase = SlurmState::reported(text).and_then(SlurmState::phase);
    RemoteJobPatch {
        phase: phase.map_or(Edit::Keep, Edit::Set),
        scheduler_state: Patch::Set(text.trim().to_owned()),
        ..RemoteJobPatch::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_as_slurm_prints_them() {
        for (text, state) in [
            ("CANCELLED by 1000", SlurmState::Cancelled),
            ("CANCELLED+", SlurmState::Cancelled),
            ("OUT_OF_ME+", SlurmState::OutOfMemory),
            (" running\n", SlurmState::Running),
            ("OOM", SlurmState::OutOfMemory),
            ("S", SlurmState::Suspended),
        ] {
            assert_eq!(SlurmState::reported(text), Some(state), "{text}");
        }
        for text in ["", "  ", "+", "E", "QUEUED", "COMPLETED_TWICE"] {
            assert_eq!(SlurmState::reported(text), None, "{text}");
        }
        for &state in SlurmState::ALL {
            assert_eq!(SlurmState::reported(state.as_str()), Some(state));
        }
    }

    #[test]
    fn a_state_that_ends_a_submission_says_how_the_job_ended() {
        for &state in SlurmState::ALL {
            let ended = state.phase().is_some_and(RemotePhase::has_ended);
            let settled =
                !matches!(state.outcome(), RemoteOutcome::StillGoing | RemoteOutcome::Requeued);
            assert_eq!(ended, settled, "{state}");
        }
    }

    #[test]
    fn a_word_that_nobody_knows_is_kept_and_ends_nothing() {
        let report = read(" QUEUED ");
        assert_eq!(report.phase, Edit::Keep);
        assert_eq!(report.scheduler_state, Patch::Set("QUEUED".to_owned()));
    }
}
