//! All that a store holds, and what several repositories ask of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::attempt::Attempt;
use crate::cluster::Cluster;
use crate::contact::ClusterContact;
use crate::dependency::Dependency;
use crate::error::{Error, Noun, Result};
use crate::event::{Event, NewEvent};
use crate::ids::{ClusterId, EventSequence, JobId, RemoteJobId};
use crate::input::InputDeck;
use crate::job::Job;
use crate::lease::Lease;
use crate::remote_job::RemoteJob;
use crate::result::JobResult;
use crate::status::{JobStatus, Step};

use super::events::is_of;
use super::unit::{Signature, Signer};
use crate::tag::Tags;

/// One moment of a store. Rows are shared between moments, so that a copy is cheap; none is changed
/// in place.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) jobs: BTreeMap<JobId, Arc<Job>>,
    pub(super) inputs: BTreeMap<JobId, Arc<InputDeck>>,
    pub(super) tags: BTreeMap<JobId, Arc<Tags>>,
    pub(super) clusters: BTreeMap<ClusterId, Arc<Cluster>>,
    pub(super) remote_jobs: BTreeMap<RemoteJobId, Arc<RemoteJob>>,
    /// Only of clusters that somebody tried to reach.
    pub(super) contacts: BTreeMap<ClusterId, ClusterContact>,
    /// By the job that waits and the job that it waits for.
    pub(super) dependencies: BTreeMap<(JobId, JobId), Dependency>,
    /// By job and attempt.
    pub(super) results: BTreeMap<(JobId, u32), Arc<JobResult>>,
    pub(super) events: BTreeMap<EventSequence, Arc<Event>>,
    /// By the job that is RUNNING.
    pub(super) leases: BTreeMap<JobId, Arc<Lease>>,
    /// The token of each job's newest lease.
    pub(super) tokens: BTreeMap<JobId, i64>,
    /// Those that are over, by job and attempt.
    pub(super) attempts: BTreeMap<(JobId, u32), Arc<Attempt>>,
    pub(super) forgotten: Option<EventSequence>,
    pub(super) given_out: GivenOut,
}

/// The highest number of each kind that was ever given out, so that none comes back.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct GivenOut {
    pub(super) jobs: i64,
    pub(super) clusters: i64,
    pub(super) remote_jobs: i64,
    pub(super) events: i64,
}

impl GivenOut {
    pub(super) fn next(number: &mut i64) -> i64 {
        *number += 1;
        *number
    }
}

impl State {
    pub(super) fn job(&self, id: JobId) -> Result<&Job> {
        self.jobs.get(&id).map(AsRef::as_ref).ok_or_else(|| Error::not_found(Noun::Job, id))
    }

    pub(super) fn cluster(&self, id: ClusterId) -> Result<&Cluster> {
        self.clusters.get(&id).map(AsRef::as_ref).ok_or_else(|| Error::not_found(Noun::Cluster, id))
    }

    pub(super) fn find_job(&self, is_it: impl Fn(&Job) -> bool) -> Option<Job> {
        let found = self.jobs.values().find(|job| is_it(job));
        found.map(|job| Job::clone(job))
    }

    /// The newest event that retention has forgotten.
    pub(super) fn newest_forgotten(&self) -> EventSequence {
        self.forgotten.unwrap_or(EventSequence::START)
    }

    pub(super) fn put_job(&mut self, job: Job) {
        self.jobs.insert(job.id, Arc::new(job));
    }

    /// Removes a job with all that belongs to it, but for the event of its departure.
    pub(super) fn remove_job(&mut self, departure: NewEvent, signer: &Signer) {
        if let Some(id) = departure.subject.job() {
            self.drop_job(id);
        }
        self.record(departure, signer);
    }

    /// Drops all rows of a job.
    pub(super) fn drop_job(&mut self, id: JobId) {
        self.jobs.remove(&id);
        self.inputs.remove(&id);
        self.tags.remove(&id);
        self.dependencies.retain(|_, edge| edge.job != id);
        self.remote_jobs.retain(|_, remote| remote.submission.job != id);
        self.results.retain(|_, result| result.job != id);
        self.events.retain(|_, event| !is_of(event, id));
        self.attempts.retain(|_, attempt| attempt.job != id);
        self.leases.remove(&id);
        self.tokens.remove(&id);
    }

    /// The result of the job's present attempt.
    pub(super) fn present_result(&self, job: &Job) -> Option<&JobResult> {
        self.results.get(&(job.id, job.attempt)).map(AsRef::as_ref)
    }

    pub(super) fn dependents_of(&self, job: JobId) -> impl Iterator<Item = &Dependency> {
        self.dependencies.values().filter(move |edge| edge.depends_on == job)
    }

    pub(super) fn dependencies_of(&self, job: JobId) -> impl Iterator<Item = &Dependency> {
        self.dependencies.values().filter(move |edge| edge.job == job)
    }

    /// Stores what a rule decided, and what follows of it for those that wait.
    pub(super) fn store(&mut self, step: Step, signature: Signature<'_>) {
        let id = step.job.id;
        self.store_alone(step, signature);
        self.settle(id, signature);
    }

    pub(super) fn store_alone(&mut self, step: Step, Signature { actor, .. }: Signature<'_>) {
        let Step { job, event, ended } = step;
        if job.status != JobStatus::Running || job.probe_since.is_some() {
            self.leases.remove(&job.id);
        }
        if let Some(attempt) = ended {
            self.attempts.insert((attempt.job, attempt.attempt), Arc::new(attempt));
        }
        self.put_job(job);
        self.record(event, actor);
    }

    /// Writes an event at the end of the history.
    pub(super) fn record(&mut self, event: NewEvent, signer: &Signer) -> Event {
        let sequence = EventSequence::new(GivenOut::next(&mut self.given_out.events));
        let event = event.recorded(sequence, &signer.author, signer.process.clone());
        self.events.insert(sequence, Arc::new(event.clone()));
        event
    }
}
