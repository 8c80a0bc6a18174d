#![doc = include_str!("../README.md")]
//!
//! # Where to look
//!
//! | question | module |
//! |---|---|
//! | What is a job, and how is one made? | [`job`], [`input`], [`work_dir`] |
//! | What may a job become? | [`status`] |
//! | What does a job wait for? | [`dependency`] |
//! | What did a job yield? | [`result`], [`units`] |
//! | What happened to it? | [`event`] |
//! | Where does it run? | [`cluster`], [`remote_job`] |
//! | How are jobs found, sorted and paged? | [`query`] |
//! | What do users say of them? | [`tag`] |
//! | What can be asked of a store, and what does it promise? | [`store`], [`repo`] |
//! | What can go wrong? | [`error`] |

mod words;

pub mod cluster;
pub mod code;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod dependency;
pub mod error;
pub mod event;
pub mod ids;
pub mod input;
pub mod job;
#[cfg(feature = "memory")]
pub mod memory;
pub mod nesting;
pub mod patch;
pub mod query;
pub mod remote_job;
pub mod repo;
pub mod result;
pub mod settings;
pub mod status;
pub mod store;
pub mod tag;
pub mod ticket;
pub mod time;
pub mod units;
pub mod work_dir;

pub use cluster::{Cluster, ClusterKind, ClusterPatch, ClusterStatus, NewCluster};
pub use code::{Code, CodeName, Runner};
pub use dependency::{Dependency, DependencyKind, Readiness, Unmet};
pub use error::{Error, Holder, Invalid, Noun, Result};
pub use event::{Actor, Event, EventKind};
pub use ids::{ClusterId, EventSequence, JobId, JobUuid, RemoteJobId};
pub use input::{InputDeck, InputHash};
pub use job::{Job, JobPatch, NewJob, Parallelism};
pub use patch::{Edit, Patch};
pub use query::{
    Archived, Comparison, Cursor, DocumentCondition, EnergyRange, JobFilter, JobPage, Operand,
    Order, Page, SortKey, SortValue, StatusCounts,
};
pub use remote_job::{NewRemoteJob, RemoteJob, RemoteJobPatch};
pub use result::{Convergence, JobResult, NewResult, Provenance, Recorded, ResultDocument};
pub use settings::ConnectionSettings;
pub use status::{InitialStatus, JobStatus, StatusChange, Transition};
pub use store::{ReadUnit, Store, WriteUnit};
pub use tag::{TagPatch, TagUse, Tags};
pub use ticket::Ticket;
pub use time::{Clock, ManualClock, SystemClock, TimeRange, Timestamp};
pub use units::{Energy, EnergyUnit};
pub use work_dir::{Placement, WorkDir};

/// The traits that a program which uses a store wants in scope.
pub mod prelude {
    pub use crate::repo::{
        ClusterRead, ClusterWrite, DependencyRead, DependencyWrite, EventRead, EventWrite, JobRead,
        JobWrite, RemoteJobRead, RemoteJobWrite, ResultRead, ResultWrite, TagRead, TagWrite,
    };
    pub use crate::store::Store;
}
