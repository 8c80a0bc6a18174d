//! Everything that can be read of a store, to compare two moments of it.

use std::collections::BTreeSet;

use crate::attempt::Attempt;
use crate::claim::Explanation;
use crate::cluster::{Cluster, ClusterLoad};
use crate::contact::ClusterContact;
use crate::dependency::{Dependency, Readiness};
use crate::error::Result;
use crate::event::Event;
use crate::held::HeldJob;
use crate::ids::EventSequence;
use crate::input::InputDeck;
use crate::job::Job;
use crate::lease::Lease;
use crate::query::{Archived, JobFilter, Page, StatusCounts};
use crate::remote_job::RemoteJob;
use crate::result::JobResult;
use crate::store::{ReadUnit, Store};
use crate::tag::{TagUse, Tags};
use crate::workflow::Workflow;

/// A job and all that belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobDump {
    /// The job.
    pub job: Job,
    /// Its input deck.
    pub input: Option<InputDeck>,
    /// Its tags.
    pub tags: Tags,
    /// What it waits for.
    pub dependencies: Vec<Dependency>,
    /// What waits for it.
    pub dependents: Vec<Dependency>,
    /// What its dependencies say.
    pub readiness: Readiness,
    /// Its submissions.
    pub remote_jobs: Vec<RemoteJob>,
    /// Its results.
    pub results: Vec<JobResult>,
    /// Its attempts.
    pub attempts: Vec<Attempt>,
    /// Why it is not running, or who runs it.
    pub explanation: Explanation,
    /// Its history.
    pub history: Vec<Event>,
}

/// Everything that can be read of a store at one moment. Two equal dumps are two equal stores.
#[derive(Debug, Clone, PartialEq)]
pub struct Dump {
    /// All jobs, newest first, those that were put away among them.
    pub jobs: Vec<JobDump>,
    /// All clusters, each with its load and its active submissions.
    pub clusters: Vec<(Cluster, ClusterLoad, Vec<RemoteJob>)>,
    /// All leases.
    pub leases: Vec<Lease>,
    /// The intents that nobody has settled.
    pub intents: Vec<RemoteJob>,
    /// What is to be cancelled at the schedulers.
    pub to_cancel: Vec<RemoteJob>,
    /// How the clusters answer.
    pub contacts: Vec<ClusterContact>,
    /// All events.
    pub events: Vec<Event>,
    /// The keys of tags, each with its values, as they are counted.
    pub tags: Vec<(TagUse, Vec<TagUse>)>,
    /// The jobs by status.
    pub counts: StatusCounts,
    /// The jobs that are held.
    pub held: Vec<HeldJob>,
    /// All workflows.
    pub workflows: Vec<Workflow>,
}

impl Dump {
    /// Reads everything in one snapshot of a store.
    ///
    /// # Errors
    /// Those of reading.
    pub fn of(store: &impl Store) -> Result<Self> {
        store.read(|r| Self::within(r))
    }

    /// Reads everything in a unit of work.
    ///
    /// # Errors
    /// Those of reading.
    pub fn within(unit: &impl ReadUnit) -> Result<Self> {
        let jobs = all_jobs(unit)?;
        let names: BTreeSet<String> = jobs.iter().filter_map(|job| job.workflow.clone()).collect();
        let jobs = jobs
            .into_iter()
            .map(|job| {
                let id = job.id;
                Ok(JobDump {
                    job,
                    input: unit.input(id)?,
                    tags: unit.tags_of(id)?,
                    dependencies: unit.dependencies_of(id)?,
                    dependents: unit.dependents_of(id)?,
                    readiness: unit.readiness(id)?,
                    remote_jobs: unit.remote_jobs_of(id)?,
                    results: unit.results_of(id)?,
                    attempts: unit.attempts_of(id)?,
                    explanation: unit.explain(id)?,
                    history: unit.history(id)?,
                })
            })
            .collect::<Result<_>>()?;
        let clusters = unit.clusters()?;
        let (mut to_cancel, mut contacts) = (Vec::new(), Vec::new());
        for cluster in &clusters {
            to_cancel.extend(unit.submissions_to_cancel(cluster.id)?);
            contacts.push(unit.cluster_contact(cluster.id)?);
        }
        let clusters = clusters
            .into_iter()
            .map(|cluster| {
                let active = unit.active_remote_jobs(cluster.id)?;
                let load = unit.cluster_load(cluster.id)?;
                Ok((cluster, load, active))
            })
            .collect::<Result<_>>()?;
        let with_values = |key: TagUse| {
            let values = unit.tag_values(&key.word, "", u32::MAX)?;
            Ok((key, values))
        };
        let tags = unit.tag_keys()?.into_iter().map(with_values).collect::<Result<_>>()?;
        Ok(Self {
            jobs,
            clusters,
            leases: unit.leases()?,
            intents: unit.pending_intents(None)?,
            to_cancel,
            contacts,
            events: unit.events_after(EventSequence::START, u32::MAX)?,
            tags,
            counts: unit.counts_by_status()?,
            held: unit.held_jobs(Page::first(Page::LARGEST)?)?.jobs,
            workflows: names.iter().map(|name| unit.workflow(name)).collect::<Result<_>>()?,
        })
    }

    /// The same without the history, for changes that are meant to leave a trace there.
    #[must_use]
    pub fn without_history(mut self) -> Self {
        self.events.clear();
        for job in &mut self.jobs {
            job.history.clear();
        }
        self
    }
}

/// All jobs, newest first, those that were put away among them.
pub(super) fn all_jobs(unit: &impl ReadUnit) -> Result<Vec<Job>> {
    let filter = JobFilter { archived: Archived::Include, ..JobFilter::all() };
    listed(unit, &filter, Page::LARGEST)
}

/// All jobs that a filter admits, read page by page.
pub(super) fn listed(unit: &impl ReadUnit, filter: &JobFilter, limit: u32) -> Result<Vec<Job>> {
    let mut page = Page::first(limit)?;
    let mut jobs = Vec::new();
    loop {
        let read = unit.jobs(filter, page.clone())?;
        jobs.extend(read.jobs);
        match read.next {
            Some(next) => page = page.after(next),
            None => return Ok(jobs),
        }
    }
}

/// Asserts that a call leaves a store as it is.
#[track_caller]
pub(super) fn assert_untouched<S: Store, T>(store: &S, call: impl FnOnce() -> T) -> T {
    let before = Dump::of(store).expect("a store can be read");
    let answer = call();
    let after = Dump::of(store).expect("a store can be read");
    assert_eq!(before, after, "the call was to leave nothing behind");
    answer
}
