#![doc = include_str!("../README.md")]
//!
//! # Where to look
//!
//! | question | module |
//! |---|---|
//! | What is a job, and how is one made? | [`job`], [`input`], [`work_dir`] |
//! | What may a job become? | [`status`] |
//! | What does a job wait for? | [`dependency`], [`held`] |
//! | Which jobs belong together? | [`workflow`] |
//! | What did a job yield? | [`result`], [`units`] |
//! | What happened to it? | [`event`] |
//! | Who runs it, and for how long? | [`claim`], [`lease`], [`worker`] |
//! | How does a run end, and how often is a job tried? | [`run`], [`attempt`], [`policy`] |
//! | Where does it run? | [`cluster`], [`remote_job`] |
//! | How are jobs listed? | [`query`] |
//! | What can be asked of a store, and what does it promise? | [`store`], [`repo`] |
//! | What can go wrong? | [`error`] |

mod words;

pub mod attempt;
pub mod claim;
pub mod cluster;
pub mod code;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod dependency;
pub mod error;
pub mod event;
pub mod held;
pub mod ids;
pub mod input;
pub mod job;
pub mod lease;
#[cfg(feature = "memory")]
pub mod memory;
pub mod nesting;
pub mod patch;
pub mod policy;
pub mod query;
pub mod remote_job;
pub mod repo;
pub mod resources;
pub mod result;
pub mod run;
pub mod settings;
pub mod status;
pub mod store;
pub mod ticket;
pub mod time;
pub mod units;
pub mod work_dir;
pub mod worker;
pub mod workflow;

pub use attempt::{Attempt, AttemptOutcome};
pub use claim::{ClaimFilter, Explanation, Obstacle};
pub use cluster::{
    Cluster, ClusterKind, ClusterLimits, ClusterLoad, ClusterPatch, ClusterRemoval, ClusterStatus,
    Intake, NewCluster, Shortage,
};
pub use code::{Code, CodeName, Runner};
pub use dependency::{Dependency, DependencyKind, Readiness, Unmet, UnmetCounts, Verdict};
pub use error::{Error, Holder, Invalid, Noun, Result};
pub use event::{Actor, Event, EventKind};
pub use held::{HeldJob, HeldPage};
pub use ids::{ClusterId, EventSequence, JobId, JobUuid, LeaseToken, RemoteJobId};
pub use input::{InputDeck, InputHash};
pub use job::{Job, JobPatch, NewJob, Parallelism};
pub use lease::{Claim, Heartbeat, Lease, LeaseKey, LeaseLoss};
pub use patch::{Edit, Patch};
pub use policy::{Backoff, FailureKind, JobPolicy, OnLapse, OnUnsatisfiable};
pub use query::{Archived, Cursor, EnergyRange, JobFilter, JobPage, Page, StatusCounts};
pub use remote_job::{NewRemoteJob, RemoteJob, RemoteJobPatch};
pub use resources::Resources;
pub use result::{Convergence, JobResult, NewResult, Provenance, Recorded, ResultDocument};
pub use run::{Cancellation, Completion, Ended, Failure, Recovered};
pub use settings::ConnectionSettings;
pub use status::{InitialStatus, JobStatus, StatusChange, Transition};
pub use store::{ReadUnit, Store, WriteUnit};
pub use ticket::Ticket;
pub use time::{Clock, ManualClock, SystemClock, TimeRange, Timestamp};
pub use units::{Energy, EnergyUnit};
pub use work_dir::{Placement, WorkDir};
pub use worker::{Process, Worker};
pub use workflow::{NewWorkflow, Workflow, WorkflowPlan, WorkflowProblem, WorkflowSummary};

/// The traits that a program which uses a store wants in scope.
pub mod prelude {
    pub use crate::repo::{
        ClaimRead, ClaimWrite, ClusterRead, ClusterWrite, DependencyRead, DependencyWrite,
        EventRead, EventWrite, JobRead, JobWrite, RemoteJobRead, RemoteJobWrite, ResultRead,
        ResultWrite, WorkflowRead, WorkflowWrite,
    };
    pub use crate::store::Store;
}
