//! Jobs: what is asked for, what is stored, what may be edited.

mod edit;
mod new;
mod parallelism;
mod rules;

pub use edit::JobPatch;
pub use new::NewJob;
pub use parallelism::Parallelism;

use serde::{Deserialize, Serialize};

use crate::code::{Code, Runner};
use crate::ids::{ClusterId, JobId, JobUuid};
use crate::policy::JobPolicy;
use crate::status::JobStatus;
use crate::time::Timestamp;
use crate::work_dir::WorkDir;

/// One calculation, as stored. Reading one never loads its input deck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its identity in this store.
    pub id: JobId,
    /// Its identity across stores.
    pub uuid: JobUuid,
    /// What people call it; need not be unique.
    pub name: String,
    /// Its directory, which no other job has.
    pub work_dir: WorkDir,
    /// Where it stands.
    pub status: JobStatus,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// The program that calculates it.
    pub code: Code,
    /// What starts that program.
    pub runner: Runner,
    /// The workflow that it belongs to.
    pub workflow: Option<String>,
    /// The cluster that it is meant for.
    pub cluster: Option<ClusterId>,
    /// How it is spread over the machine.
    pub parallelism: Parallelism,
    /// The process of this attempt's newest run.
    pub pid: Option<u32>,
    /// The machine of that process.
    pub host: Option<String>,
    /// Higher goes first.
    pub priority: i32,
    /// Not to be claimed before.
    pub not_before: Option<Timestamp>,
    /// How often it is tried, and what becomes of it otherwise.
    pub policy: JobPolicy,
    /// Since when its run is to stop; RUNNING jobs alone have it.
    pub cancel_requested_at: Option<Timestamp>,
    /// Since when nobody knows whether it still runs somewhere; RUNNING jobs alone have it.
    pub probe_since: Option<Timestamp>,
    /// The key under which it was created once and for all.
    pub idempotency_key: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When this attempt was last queued.
    pub queued_at: Option<Timestamp>,
    /// When this attempt first ran.
    pub started_at: Option<Timestamp>,
    /// When this attempt ended.
    pub finished_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it was put away; lists leave it out.
    pub archived_at: Option<Timestamp>,
    /// The job that calculated its result, where it was completed from an earlier one; that job may be
    /// gone, or in another store.
    pub cached_from: Option<JobUuid>,
}
