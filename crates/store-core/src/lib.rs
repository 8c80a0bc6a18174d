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
//! | When is nothing calculated twice? | [`reuse`] |
//! | What happened to it? | [`event`] |
//! | How does a program learn that something happened? | [`watch`] |
//! | Which jobs leave, and when is that forgotten? | [`retention`] |
//! | Who runs it, and for how long? | [`claim`], [`lease`], [`worker`] |
//! | How does a run end, and how often is a job tried? | [`run`], [`attempt`], [`policy`] |
//! | Where does it run? | [`cluster`], [`remote_job`], [`remote_phase`], [`contact`] |
//! | How is a job submitted once, whatever crashes? | [`submission`], [`slurm`] |
//! | How are jobs found, sorted and paged? | [`query`] |
//! | What do users say of them? | [`tag`] |
//! | What can be asked of a store, and what does it promise? | [`store`], [`repo`] |
//! | What can go wrong, and who was in the way? | [`error`], [`holder`] |

mod words;

pub mod attempt;
pub mod claim;
pub mod cluster;
pub mod code;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod contact;
pub mod dependency;
pub mod error;
pub mod event;
pub mod held;
pub mod holder;
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
pub mod remote_phase;
pub mod repo;
pub mod resources;
pub mod result;
pub mod retention;
pub mod reuse;
pub mod run;
pub mod settings;
pub mod slurm;
pub mod status;
pub mod store;
pub mod submission;
pub mod tag;
pub mod ticket;
pub mod time;
pub mod units;
pub mod watch;
pub mod work_dir;
pub mod worker;
pub mod workflow;

pub use attempt::{Attempt, AttemptOutcome};
pub use claim::{ClaimFilter, Explanation, Obstacle};
pub use cluster::{
    Closing, Cluster, ClusterKind, ClusterLimits, ClusterLoad, ClusterPatch, ClusterRemoval,
    ClusterStatus, Intake, NewCluster, Shortage,
};
pub use code::{Code, CodeName, Runner};
pub use contact::ClusterContact;
pub use dependency::{Dependency, DependencyKind, Readiness, Unmet, UnmetCounts, Verdict};
pub use error::{Error, Invalid, Noun, Result};
pub use event::{Actor, Event, EventKind, Subject};
pub use held::{HeldJob, HeldPage};
pub use holder::{Holder, Occupation, OccupationKind, ProcessState};
pub use ids::{ClusterId, EventSequence, JobId, JobUuid, LeaseToken, RemoteJobId};
pub use input::{InputDeck, InputHash};
pub use job::{Job, JobPatch, NewJob, Parallelism};
pub use lease::{Claim, Heartbeat, Lease, LeaseKey, LeaseLoss, Under};
pub use patch::{Edit, Patch};
pub use policy::{Backoff, FailureKind, JobPolicy, OnLapse, OnUnsatisfiable};
pub use query::{
    Archived, Comparison, Cursor, DocumentCondition, EnergyRange, JobFilter, JobPage, Operand,
    Order, Page, SortKey, SortValue, StatusCounts,
};
pub use remote_job::{NewRemoteJob, RemoteJob, RemoteJobPatch, Reported};
pub use remote_phase::RemotePhase;
pub use resources::Resources;
pub use result::{Convergence, JobResult, NewResult, Provenance, Recorded, ResultDocument};
pub use retention::{Retention, RetentionReport};
pub use reuse::Reuse;
pub use run::{CameTo, Cancellation, Completion, Ended, Failure, Recovered, RunEnd};
pub use settings::ConnectionSettings;
pub use slurm::{RemoteFailure, RemoteOutcome, SlurmState};
pub use status::{InitialStatus, JobStatus, StatusChange, Transition};
pub use store::{ReadUnit, Store, WriteUnit};
pub use submission::{Confirmation, SubmissionToken};
pub use tag::{TagPatch, TagUse, Tags};
pub use ticket::Ticket;
pub use time::{Clock, ManualClock, SystemClock, TimeRange, Timestamp};
pub use units::{Energy, EnergyUnit};
pub use watch::{Feed, Watch};
pub use work_dir::{Placement, WorkDir};
pub use worker::{Process, Worker};
pub use workflow::{NewWorkflow, Workflow, WorkflowPlan, WorkflowProblem, WorkflowSummary};

/// The traits that a program which uses a store wants in scope.
pub mod prelude {
    pub use crate::repo::{
        ClaimRead, ClaimWrite, ClusterRead, ClusterWrite, DependencyRead, DependencyWrite,
        EventRead, EventWrite, JobRead, JobWrite, RemoteJobRead, RemoteJobWrite, ResultRead,
        ResultWrite, TagRead, TagWrite, WorkflowRead, WorkflowWrite,
    };
    pub use crate::store::Store;
    pub use crate::watch::Watch;
}
