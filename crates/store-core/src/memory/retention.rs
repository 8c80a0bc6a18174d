//! Retention in memory: old jobs leave, for another store or for good.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cluster::NewCluster;
use crate::error::{Error, Invalid, Noun, Result};
use crate::event::{Event, NewEvent, Subject};
use crate::ids::{ClusterId, EventSequence, JobId};
use crate::job::Job;
use crate::retention::{self, ENDINGS, Retention, RetentionReport, leaves_first};
use crate::store::Store;
use crate::time::Timestamp;

use super::events::is_of;
use super::state::{GivenOut, State};
use super::store::MemoryStore;
use super::unit::Signature;

/// How a store in memory is told of where its jobs went.
const INTO: &str = "another store in memory";

/// Jobs that are connected with each other and with no others, each after all that wait for it.
type Component = Vec<JobId>;

/// What is to go.
#[derive(Default)]
struct Found {
    components: Vec<Component>,
    held: u64,
}

impl MemoryStore {
    pub(super) fn retain(
        &self,
        retention: &Retention,
        archive: Option<&Self>,
    ) -> Result<RetentionReport> {
        if archive.is_some_and(|archive| self.is_same(archive)) {
            let reason = "is this store: give another one".to_owned();
            return Err(Invalid::new("into", reason).into());
        }
        let retention = *retention;
        let (source, now) = self.read(|r| Ok((r.state(), r.now())))?;
        let departed = source.departed_before(retention.forgets_before(now));
        let forgotten: Vec<_> = departed.iter().copied().take(as_size(retention.at_most)).collect();
        let Found { components, held } = source.ended_before(retention.finished_before);
        let mut report = RetentionReport { held, ..RetentionReport::default() };
        let (going, whole) = match archive.filter(|_| !retention.dry_run) {
            None => as_many(components, retention.at_most),
            Some(archive) => {
                let from = Arc::clone(&source);
                let landed = archive.write(move |w| {
                    w.change(|state, _| Ok(state.take_in(&from, components, retention.at_most)))
                })?;
                report.refused = landed.refused;
                (landed.there, landed.whole)
            }
        };
        report.forgotten = forgotten.len() as u64;
        report.complete = whole && forgotten.len() == departed.len();
        if retention.dry_run {
            let jobs = going.iter().flatten();
            report.jobs = jobs.clone().count() as u64;
            report.events = jobs.map(|job| source.events_of(*job).count() as u64).sum();
            return Ok(report);
        }
        let moves = archive.is_some();
        let (jobs, events, changed) = self.write(move |w| {
            w.change(|state, signature| {
                let depart = |job: &Job| match moves {
                    true => retention::moved(job, INTO, signature.now),
                    false => retention.pruned(job, signature.now),
                };
                state.forget(&forgotten);
                Ok(state.let_go(&source, &going, depart, signature))
            })
        })?;
        report.steps = u64::from(jobs > 0);
        (report.jobs, report.events, report.changed) = (jobs, events, changed);
        Ok(report)
    }
}

fn as_size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The first components that have so many jobs, and whether they are all.
fn as_many(components: Vec<Component>, jobs: u64) -> (Vec<Component>, bool) {
    let mut taken = 0;
    let mut going = Vec::new();
    let mut left = components.into_iter();
    while taken < jobs {
        let Some(component) = left.next() else { return (going, true) };
        taken += component.len() as u64;
        going.push(component);
    }
    (going, false)
}

/// What came into the second store.
struct Landed {
    there: Vec<Component>,
    refused: Vec<JobId>,
    whole: bool,
}

impl State {
    /// The events that tell that jobs left before a moment, oldest first.
    fn departed_before(&self, moment: Timestamp) -> Vec<EventSequence> {
        let departures = self.events.values().filter(|event| event.kind.is_departure());
        let mut old: Vec<_> = departures.filter(|event| event.at < moment).collect();
        old.sort_by_key(|event| (event.at, event.sequence));
        old.into_iter().map(|event| event.sequence).collect()
    }

    fn forget(&mut self, events: &[EventSequence]) {
        for sequence in events {
            self.events.remove(sequence);
            self.forgotten = self.forgotten.max(Some(*sequence));
        }
    }

    fn events_of(&self, job: JobId) -> impl Iterator<Item = &Event> {
        let events = self.events.values().map(AsRef::as_ref);
        events.filter(move |event: &&Event| is_of(event, job))
    }

    /// Which jobs have ended before a moment, with all that they are connected with.
    fn ended_before(&self, moment: Timestamp) -> Found {
        let mut found = Found::default();
        let (mut given, mut held) = (BTreeSet::new(), BTreeSet::new());
        for (put_away, status) in ENDINGS {
            let is_meant =
                |job: &&Arc<Job>| job.archived_at.is_some() == put_away && job.status == status;
            let mut jobs: Vec<_> = self.jobs.values().filter(is_meant).collect();
            jobs.sort_by_key(|job| (job.finished_at, job.id));
            for job in jobs.into_iter().filter(|job| self.has_ended(job.id, moment)) {
                if given.contains(&job.id) || held.contains(&job.id) {
                    continue;
                }
                let around = self.around(job.id);
                if around.keys().all(|job| self.has_ended(*job, moment)) {
                    given.extend(around.keys().copied());
                    found.components.push(leaves_first(&around));
                } else {
                    held.insert(job.id);
                }
            }
        }
        found.held = held.len() as u64;
        found
    }

    /// A job with everything that it is connected with, each with what it waits for.
    fn around(&self, job: JobId) -> BTreeMap<JobId, Vec<JobId>> {
        let mut around = BTreeMap::new();
        let mut ahead = vec![job];
        while let Some(job) = ahead.pop() {
            if around.contains_key(&job) {
                continue;
            }
            let parents: Vec<_> = self.dependencies_of(job).map(|edge| edge.depends_on).collect();
            ahead.extend(&parents);
            ahead.extend(self.dependents_of(job).map(|edge| edge.job));
            around.insert(job, parents);
        }
        around
    }

    /// Whether it ended before a moment; one with a submission that goes on has not.
    fn has_ended(&self, job: JobId, moment: Timestamp) -> bool {
        let active = |remote: &crate::RemoteJob| remote.submission.job == job && remote.is_active();
        let finished = self.jobs.get(&job).and_then(|job| job.finished_at);
        finished.is_some_and(|finished| finished < moment)
            && !self.remote_jobs.values().any(|remote| active(remote))
    }

    /// Whether a job is in both states as it is here: every change of a job writes an event.
    fn is_in(&self, job: JobId, other: &Self) -> bool {
        let state = |state: &Self| {
            let newest = state.events_of(job).map(|event| event.sequence).max();
            (state.jobs.get(&job).cloned(), newest)
        };
        state(self) == state(other)
    }

    /// Removes jobs that are as they were; says how many jobs went with how many events, and how many stay.
    fn let_go(
        &mut self,
        as_found: &Self,
        components: &[Component],
        depart: impl Fn(&Job) -> NewEvent,
        signature: Signature<'_>,
    ) -> (u64, u64, u64) {
        let (mut jobs, mut events, mut changed) = (0, 0, 0);
        for component in components {
            // A job that waits for one of them writes no event there.
            let is_whole = |job: &JobId| {
                let mut waiting = self.dependents_of(*job);
                as_found.is_in(*job, self) && waiting.all(|edge| component.contains(&edge.job))
            };
            if !component.iter().all(is_whole) {
                changed += component.len() as u64;
                continue;
            }
            for id in component {
                let Some(job) = self.jobs.get(id).cloned() else { continue };
                events += self.events_of(*id).count() as u64;
                jobs += 1;
                self.remove_job(depart(&job), signature.actor);
            }
        }
        (jobs, events, changed)
    }

    /// Takes in components of another store, each whole or not at all, until so many jobs came.
    fn take_in(&mut self, source: &Self, components: Vec<Component>, at_most: u64) -> Landed {
        let mut landed = Landed { there: Vec::new(), refused: Vec::new(), whole: true };
        let mut taken = 0;
        for component in components {
            if taken >= at_most {
                landed.whole = false;
                break;
            }
            let mut next = self.clone();
            match component.iter().try_for_each(|job| next.take_in_job(source, *job)) {
                Ok(()) => {
                    taken += component.len() as u64;
                    next.number_anew(source, &component);
                    *self = next;
                    landed.there.push(component);
                }
                Err(_) => landed.refused.extend(component),
            }
        }
        landed.whole &= taken < at_most;
        landed
    }

    fn take_in_job(&mut self, source: &Self, id: JobId) -> Result<()> {
        let job = source.job(id)?;
        let newest = |state: &Self| state.events_of(id).map(|event| event.sequence).max();
        if let Some(there) = self.jobs.get(&id) {
            if there.uuid != job.uuid || newest(self) > newest(source) {
                return Err(no_place(id));
            }
            self.drop_job(id);
        }
        let same = |there: &Job| {
            let key =
                there.idempotency_key.is_some() && there.idempotency_key == job.idempotency_key;
            there.uuid == job.uuid || there.work_dir == job.work_dir || key
        };
        let of_another = |event: &Event| {
            let there = self.events.get(&event.sequence);
            there.is_some_and(|there| there.subject.job() != Some(id) && !is_lasting(there))
        };
        let remotes = source.submissions(|remote| remote.submission.job == id);
        let taken = remotes.iter().any(|remote| self.remote_jobs.contains_key(&remote.id));
        if taken || self.find_job(same).is_some() || source.events_of(id).any(of_another) {
            return Err(no_place(id));
        }
        let clusters = remotes.iter().map(|remote| remote.submission.cluster);
        for cluster in job.cluster.into_iter().chain(clusters) {
            self.take_in_cluster(source, cluster)?;
        }
        self.put_job(job.clone());
        take(&mut self.inputs, &source.inputs, |key, _| *key == id);
        take(&mut self.tags, &source.tags, |key, _| *key == id);
        take(&mut self.tokens, &source.tokens, |key, _| *key == id);
        take(&mut self.dependencies, &source.dependencies, |(job, _), _| *job == id);
        take(&mut self.results, &source.results, |(job, _), _| *job == id);
        take(&mut self.attempts, &source.attempts, |(job, _), _| *job == id);
        take(&mut self.remote_jobs, &source.remote_jobs, |_, remote| remote.submission.job == id);
        self.given_out.jobs = self.given_out.jobs.max(id.get());
        let newest = remotes.iter().map(|remote| remote.id.get()).max().unwrap_or_default();
        self.given_out.remote_jobs = self.given_out.remote_jobs.max(newest);
        Ok(())
    }

    /// A cluster comes under the name that it has; another one that has it gets its id after it.
    fn take_in_cluster(&mut self, source: &Self, id: ClusterId) -> Result<()> {
        let cluster = source.cluster(id)?;
        for other in self.clusters.values_mut() {
            let NewCluster { name, .. } = &other.config;
            if other.id != id && *name == cluster.config.name {
                let begin: String = name.chars().take(230).collect();
                let name = format!("{begin} ({})", other.id);
                Arc::make_mut(other).config.name = name;
            }
        }
        self.clusters.insert(id, Arc::new(cluster.clone()));
        self.given_out.clusters = self.given_out.clusters.max(id.get());
        Ok(())
    }

    /// Brings the events of jobs, under their numbers. What this store wrote itself under one of those is numbered
    /// anew, after all others.
    fn number_anew(&mut self, source: &Self, component: &[JobId]) {
        for job in component {
            let mut displaced = Vec::new();
            for event in source.events_of(*job) {
                let before = self.events.insert(event.sequence, Arc::new(event.clone()));
                displaced.extend(before.filter(|before| is_lasting(before)));
                self.given_out.events = self.given_out.events.max(event.sequence.get());
            }
            for event in displaced {
                let sequence = EventSequence::new(GivenOut::next(&mut self.given_out.events));
                let event = Event { sequence, ..Event::clone(&event) };
                self.events.insert(sequence, Arc::new(event));
            }
        }
    }
}

/// Whether an event outlives what it tells of.
fn is_lasting(event: &Event) -> bool {
    event.kind.is_departure() || matches!(event.subject, Subject::Cluster(_))
}

fn no_place(job: JobId) -> Error {
    Error::conflict(Noun::Job, "id", job)
}

fn take<K: Ord + Clone, V: Clone>(
    into: &mut BTreeMap<K, V>,
    from: &BTreeMap<K, V>,
    is_meant: impl Fn(&K, &V) -> bool,
) {
    let meant = from.iter().filter(|(key, value)| is_meant(key, value));
    into.extend(meant.map(|(key, value)| (key.clone(), value.clone())));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;
    use crate::dependency::DependencyKind;
    use crate::job::NewJob;
    use crate::repo::{DependencyRead, JobRead, JobWrite};
    use crate::status::{JobStatus, StatusChange};
    use crate::time::{Clock, SystemClock};
    use crate::work_dir::{Placement, WorkDir};

    fn job(name: &str) -> NewJob {
        let dir = WorkDir::new("/scratch").expect("a directory");
        NewJob::new(name, Code::Crystal, Placement::Under(dir))
    }

    /// Has somebody else's job wait for the first one when it is looked at.
    #[derive(Debug)]
    struct Meddling(MemoryStore, JobId);

    impl Clock for Meddling {
        fn now(&self) -> Timestamp {
            let child = job("child").after(self.1, DependencyKind::AfterOk);
            if self.0.dependents_of(self.1).is_ok_and(|waiting| waiting.is_empty()) {
                self.0.create_job(&child).expect("created");
            }
            SystemClock.now()
        }
    }

    #[test]
    fn a_job_that_is_waited_for_meanwhile_stays() -> Result<()> {
        let store = MemoryStore::new();
        let parent = store.create_job(&job("parent"))?.id;
        store.change_status(parent, &StatusChange::to(JobStatus::Completed))?;
        let archive = MemoryStore::with_clock(Arc::new(Meddling(store.clone(), parent)));
        let old = Retention::finished_before(Timestamp::from_micros(i64::MAX));
        let report = store.move_finished(&old, &archive)?;
        assert_eq!((report.jobs, report.changed), (0, 1));
        assert_eq!(store.job(parent)?.status, JobStatus::Completed);
        Ok(())
    }
}
