//! A unit of work of a store with a fault.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::attempt::Attempt;
use crate::claim::{ClaimFilter, Explanation};
use crate::cluster::{
    Cluster, ClusterLimits, ClusterLoad, ClusterPatch, ClusterRemoval, NewCluster,
};
use crate::code::Code;

use crate::contact::ClusterContact;
use crate::dependency::{Dependency, DependencyKind, Readiness};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::held::HeldPage;
use crate::ids::{ClusterId, EventSequence, JobId, JobUuid, RemoteJobId};
use crate::input::{InputDeck, InputHash};
use crate::job::{Job, JobPatch, NewJob};
use crate::lease::{Claim, Heartbeat, Lease, LeaseKey};
use crate::memory::store::MemoryStore;
use crate::memory::unit::{Signature, Unit, Writing};
use crate::policy::JobPolicy;
use crate::query::{JobFilter, JobFindings, JobPage, Page, SortValue, StatusCounts};
use crate::remote_job::{NewRemoteJob, RemoteJob, RemoteJobPatch, Reported};
use crate::repo::{
    ClaimRead, ClaimWrite, ClusterRead, ClusterWrite, DependencyRead, DependencyWrite, EventRead,
    EventWrite, JobRead, JobWrite, RemoteJobRead, RemoteJobWrite, ResultRead, ResultWrite, TagRead,
    TagWrite, WorkflowRead, WorkflowWrite,
};
use crate::result::{JobResult, NewResult, Recorded};
use crate::reuse::Reuse;
use crate::run::{Cancellation, Completion, Ended, Failure, Recovered};
use crate::status::{InitialStatus, JobStatus, StatusChange, Transition};
use crate::submission::{Confirmation, SubmissionToken};
use crate::tag::{TagPatch, TagUse, Tags};
use crate::time::Timestamp;
use crate::work_dir::WorkDir;
use crate::worker::Worker;
use crate::workflow::{NewWorkflow, Workflow, WorkflowPlan};

use super::Fault;

/// A unit of work with a fault.
#[derive(Debug)]
pub(in crate::memory) struct FaultyUnit<'t, Mode> {
    pub(super) inner: &'t Unit<'t, Mode>,
    pub(super) store: &'t MemoryStore,
    pub(super) fault: Fault,
}

/// Implements a trait by the unit inside, but for the methods that are written out after `but`.
macro_rules! pass_on {
    (
        impl<$($generic:ident)?> $repository:ident for $mode:ident {
            $(fn $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*
        } $(but { $($written:item)* })?
    ) => {
        impl<$($generic)?> $repository for FaultyUnit<'_, $mode> {
            $(
                fn $method(&self, $($argument: $type),*) -> Result<$answer> {
                    self.inner.$method($($argument),*)
                }
            )*
            $($($written)*)?
        }
    };
}

pass_on! {
    impl<Mode> JobRead for Mode {
        fn job(id: JobId) -> Job;
        fn find_job_by_uuid(uuid: JobUuid) -> Option<Job>;
        fn find_job_by_work_dir(dir: &WorkDir) -> Option<Job>;
        fn find_job_by_idempotency_key(key: &str) -> Option<Job>;
        fn find_completed(code: &Code, input: InputHash, which: Reuse) -> Option<Job>;
        fn input(job: JobId) -> Option<InputDeck>;
    } but {
        fn jobs(&self, filter: &JobFilter, page: Page) -> Result<JobPage> {
            let (mut filter, mut page) = (filter.clone(), page);
            match self.fault {
                Fault::ReadsWildcards => {
                    filter.text = filter.text.map(|text| text.replace('%', ""));
                }
                Fault::TakesAnyCursor => {
                    let order = page.cursor().map_or(page.order(), |cursor| cursor.order());
                    page = page.ordered(order);
                }
                Fault::ForgetsTheWayBack if page.is_backwards() => {
                    page = Page::first(page.limit())?.ordered(page.order());
                }
                _ => {}
            }
            let mut found = self.inner.jobs(&filter, page.clone())?;
            if let (Fault::SkipsTies, Some(cursor)) = (self.fault, page.cursor())
                && let SortValue::Created(moment) = cursor.value
            {
                found.jobs.retain(|job| job.created_at < moment);
            }
            if self.fault == Fault::MixesAttempts && filter.energy.is_some() {
                let any = JobFilter { energy: None, ..filter.clone() };
                found = self.inner.jobs(&any, page)?;
                let state = self.inner.state();
                found.jobs.retain(|job| {
                    let results = self.inner.results_of(job.id).unwrap_or_default();
                    let tags = state.tags_of(job.id);
                    let result = |found| JobFindings { tags, result: Some(found) };
                    results.iter().any(|r| filter.admits(job, result(&r.result)))
                });
            }
            Ok(found)
        }

        fn count_jobs(&self, filter: &JobFilter) -> Result<u64> {
            let mut filter = filter.clone();
            if self.fault == Fault::CountsWithoutTags {
                filter.tags.clear();
            }
            self.inner.count_jobs(&filter)
        }

        fn counts_by_status(&self) -> Result<StatusCounts> {
            match self.fault {
                Fault::CountsTheArchived => {
                    let jobs = self.inner.state().jobs.clone();
                    Ok(jobs.into_values().map(|job| (job.status, 1)).collect())
                }
                Fault::ReadsTheNewest => std::thread::scope(|scope| {
                    let newest = scope.spawn(|| self.store.counts_by_status());
                    newest.join().expect("no panic")
                }),
                _ => self.inner.counts_by_status(),
            }
        }

        fn statuses(&self, ids: &[JobId]) -> Result<BTreeMap<JobId, JobStatus>> {
            match self.fault {
                Fault::AsksForAThousand => self.inner.statuses(&ids[..ids.len().min(1_000)]),
                _ => self.inner.statuses(ids),
            }
        }
    }
}

pass_on! {
    impl<> JobWrite for Writing {
        fn update_job(id: JobId, patch: &JobPatch) -> Job;
        fn replace_input(id: JobId, deck: &InputDeck) -> ();
        fn retry_job(id: JobId, to: InitialStatus) -> Job;
        fn archive_job(id: JobId) -> ();
        fn unarchive_job(id: JobId) -> ();
    } but {
        fn create_job(&self, new: &NewJob) -> Result<Job> {
            let mut new = new.clone();
            match self.fault {
                Fault::ForgetsDecks => new.input = None,
                Fault::ForgetsKeys => new.idempotency_key = None,
                Fault::ReusesWhatDidNotConverge => {
                    new.reuse = new.reuse.map(|_| Reuse::AnyResult);
                }
                Fault::ReusesUnasked => new.reuse = Some(Reuse::Converged),
                Fault::HoldsWhatAsksForMore => new.policy = JobPolicy::default(),
                _ => {}
            }
            self.inner.create_job(&new)
        }

        fn create_jobs(&self, new: &[NewJob]) -> Result<Vec<Job>> {
            match self.fault {
                Fault::StopsHalfway => new.iter().map(|new| self.create_job(new)).collect(),
                _ => self.inner.create_jobs(new),
            }
        }

        fn change_status(&self, id: JobId, change: &StatusChange) -> Result<Transition> {
            let mut change = change.clone();
            if self.fault == Fault::IgnoresExpected {
                change.expected = None;
            }
            let answer = self.inner.change_status(id, &change)?;
            if let (Fault::TellsTwice, Transition::Unchanged(_)) = (self.fault, answer) {
                self.inner.add_note(id, "unchanged")?;
            }
            Ok(answer)
        }

        fn change_statuses(&self, changes: &[(JobId, StatusChange)]) -> Result<Vec<Transition>> {
            match self.fault {
                Fault::StopsHalfway => {
                    changes.iter().map(|(id, change)| self.change_status(*id, change)).collect()
                }
                _ => self.inner.change_statuses(changes),
            }
        }

        fn delete_job(&self, id: JobId) -> Result<()> {
            if self.fault == Fault::DeletesParents {
                self.inner.change(|state, _| {
                    state.dependencies.retain(|_, edge| edge.depends_on != id);
                    Ok(())
                })?;
            }
            self.inner.delete_job(id)
        }
    }
}

pass_on! {
    impl<Mode> ClaimRead for Mode {
        fn lease_of(job: JobId) -> Option<Lease>;
        fn check_lease(key: &LeaseKey) -> Lease;
        fn leases() -> Vec<Lease>;
        fn attempts_of(job: JobId) -> Vec<Attempt>;
        fn jobs_to_probe(limit: u32) -> Vec<Job>;
        fn jobs_to_cancel(limit: u32) -> Vec<Job>;
        fn cluster_load(cluster: ClusterId) -> ClusterLoad;
        fn explain(job: JobId) -> Explanation;
    } but {
        fn can_claim(&self, filter: &ClaimFilter) -> Result<bool> {
            Ok(self.fault == Fault::ClaimsTheWaiting || self.inner.can_claim(filter)?)
        }
    }
}

impl FaultyUnit<'_, Writing> {
    /// The key that is looked at: with the fault, that of whoever holds the job.
    fn fenced(&self, key: &LeaseKey) -> LeaseKey {
        let held = self.inner.lease_of(key.job).ok().flatten();
        match held {
            Some(lease) if self.fault == Fault::ForgetsTokens => lease.key(),
            _ => *key,
        }
    }
}

pass_on! {
    impl<> ClaimWrite for Writing {
        fn adopt(job: JobId, worker: &Worker, lease: Duration) -> Claim;
        fn recover_lost(keys: &[LeaseKey]) -> Vec<Recovered>;
        fn request_cancel(job: JobId, reason: Option<&str>) -> Cancellation;
        fn release(key: &LeaseKey, reason: Option<&str>, not_before: Option<Timestamp>) -> Ended;
    } but {
        fn claim(
            &self,
            worker: &Worker,
            filter: &ClaimFilter,
            count: u32,
            lease: Duration,
        ) -> Result<Vec<Claim>> {
            if self.fault == Fault::IgnoresLimits {
                self.inner.change(|state, _| {
                    for cluster in state.clusters.values_mut() {
                        let mut open = Cluster::clone(cluster);
                        open.config.limits = ClusterLimits::default();
                        *cluster = Arc::new(open);
                    }
                    Ok(())
                })?;
            }
            if self.fault == Fault::ClaimsTheWaiting {
                self.inner.change(|state, _| {
                    state.dependencies.clear();
                    Ok(())
                })?;
            }
            let mut claims = self.inner.claim(worker, filter, count, lease)?;
            if self.fault == Fault::ClaimsTwice {
                // What others hold is handed out as well.
                for held in self.inner.leases()? {
                    let job = self.inner.job(held.job)?;
                    if claims.len() < count as usize && held.worker != *worker {
                        claims.push(Claim { job, lease: held });
                    }
                }
            }
            Ok(claims)
        }

        fn heartbeat(&self, keys: &[LeaseKey], lease: Duration) -> Result<Vec<Heartbeat>> {
            let keys: Vec<LeaseKey> = keys.iter().map(|key| self.fenced(key)).collect();
            self.inner.heartbeat(&keys, lease)
        }

        fn complete(&self, key: &LeaseKey, completion: &Completion) -> Result<Ended> {
            self.inner.complete(&self.fenced(key), completion)
        }

        fn fail(&self, key: &LeaseKey, failure: &Failure) -> Result<Ended> {
            let ended = self.inner.fail(&self.fenced(key), failure)?;
            if (self.fault, ended) == (Fault::CountsAFailureTwice, Ended::Repeated) {
                self.inner.add_note(key.job, "it failed again")?;
            }
            Ok(ended)
        }

        fn recover_expired(&self, limit: u32) -> Result<Vec<Recovered>> {
            if self.fault == Fault::TakesLiveLeases {
                let keys: Vec<LeaseKey> = self.inner.leases()?.iter().map(Lease::key).collect();
                return self.inner.recover_lost(&keys);
            }
            self.inner.recover_expired(limit)
        }
    }
}

pass_on! {
    impl<Mode> ClusterRead for Mode {
        fn cluster(id: ClusterId) -> Cluster;
        fn find_cluster_by_name(name: &str) -> Option<Cluster>;
        fn clusters() -> Vec<Cluster>;
    }
}

pass_on! {
    impl<> ClusterWrite for Writing {
        fn create_cluster(new: &NewCluster) -> Cluster;
        fn update_cluster(id: ClusterId, patch: &ClusterPatch) -> Cluster;
        fn delete_cluster(id: ClusterId) -> ();
        fn force_delete_cluster(id: ClusterId) -> ClusterRemoval;
    }
}

pass_on! {
    impl<Mode> RemoteJobRead for Mode {
        fn remote_job(id: RemoteJobId) -> RemoteJob;
        fn remote_jobs_of(job: JobId) -> Vec<RemoteJob>;
        fn newest_remote_job(job: JobId) -> Option<RemoteJob>;
        fn active_remote_jobs(cluster: ClusterId) -> Vec<RemoteJob>;
        fn find_remote_job_by_token(token: SubmissionToken) -> Option<RemoteJob>;
        fn submissions_to_cancel(cluster: ClusterId) -> Vec<RemoteJob>;
        fn cluster_contact(cluster: ClusterId) -> ClusterContact;
    } but {
        fn find_remote_job(&self, cluster: ClusterId, handle: &str) -> Result<Option<RemoteJob>> {
            let found = self.inner.find_remote_job(cluster, handle)?;
            let oldest = found.map(|newest| {
                let same = |remote: &RemoteJob| {
                    let (one, other) = (&remote.submission, &newest.submission);
                    (one.cluster, &one.handle) == (other.cluster, &other.handle)
                };
                let oldest = self.inner.state().submissions(same).into_iter().next();
                match self.fault {
                    Fault::TakesHandlesForIds => oldest.unwrap_or(newest),
                    _ => newest,
                }
            });
            Ok(oldest)
        }

        fn pending_intents(&self, cluster: Option<ClusterId>) -> Result<Vec<RemoteJob>> {
            let mut intents = self.inner.pending_intents(cluster)?;
            if self.fault == Fault::ForgetsIntents {
                intents.retain(|intent| intent.attempt == 1);
            }
            Ok(intents)
        }
    }
}

pass_on! {
    impl<> RemoteJobWrite for Writing {
        fn record_submission(new: &NewRemoteJob) -> RemoteJob;
        fn confirm_submission(id: RemoteJobId, answer: &Confirmation) -> RemoteJob;
        fn abandon_submission(id: RemoteJobId, reason: &str) -> RemoteJob;
        fn report_reached(cluster: ClusterId) -> ClusterContact;
    } but {
        fn begin_submission(&self, new: &NewRemoteJob) -> Result<RemoteJob> {
            match self.inner.begin_submission(new) {
                Err(Error::AlreadySubmitted { job, .. }) if self.fault == Fault::SubmitsTwice => {
                    let job = self.inner.job(job)?;
                    self.inner.change(|state, Signature { actor, now }| {
                        let id = RemoteJobId::new(state.given_out.remote_jobs + 1);
                        let new = new.clone().with_a_token(now);
                        let (remote, event) = new.into_intent(id, &job, now);
                        Ok(state.add_submission(remote, event, actor))
                    })
                }
                answer => answer,
            }
        }

        fn update_remote_job(&self, id: RemoteJobId, patch: &RemoteJobPatch) -> Result<Reported> {
            let answer = self.inner.update_remote_job(id, patch)?;
            match (self.fault, &answer, patch.phase.new_value()) {
                (Fault::GoesBack, Reported::Late(later), Some(&phase)) => {
                    let back = RemoteJob { phase, ended_at: None, ..later.clone() };
                    self.inner.change(|state, _| {
                        state.remote_jobs.insert(id, Arc::new(back.clone()));
                        Ok(Reported::Changed(back))
                    })
                }
                _ => Ok(answer),
            }
        }

        fn report_unreachable(&self, cluster: ClusterId, reason: &str) -> Result<ClusterContact> {
            if self.fault == Fault::FailsTheUnreachable {
                for remote in self.inner.active_remote_jobs(cluster)? {
                    let failed = StatusChange::to(JobStatus::Failed);
                    self.inner.change_status(remote.submission.job, &failed)?;
                }
            }
            self.inner.report_unreachable(cluster, reason)
        }
    }
}

pass_on! {
    impl<Mode> DependencyRead for Mode {
        fn dependencies_of(job: JobId) -> Vec<Dependency>;
        fn dependents_of(job: JobId) -> Vec<Dependency>;
        fn readiness(job: JobId) -> Readiness;
        fn held_jobs(page: Page) -> HeldPage;
    }
}

pass_on! {
    impl<> DependencyWrite for Writing {
        fn remove_dependency(job: JobId, depends_on: JobId) -> ();
    } but {
        fn add_dependency(&self, job: JobId, depends_on: JobId, kind: DependencyKind) -> Result<()> {
            match self.inner.add_dependency(job, depends_on, kind) {
                Err(Error::DependencyCycle { .. }) if self.fault == Fault::LetsCirclesClose => Ok(()),
                answer => answer,
            }
        }

        fn add_dependencies(&self, edges: &[(JobId, JobId, DependencyKind)]) -> Result<()> {
            match self.fault {
                Fault::LetsCirclesClose | Fault::StopsHalfway => edges
                    .iter()
                    .try_for_each(|(job, on, kind)| self.add_dependency(*job, *on, *kind)),
                _ => self.inner.add_dependencies(edges),
            }
        }
    }
}

pass_on! {
    impl<Mode> WorkflowRead for Mode {
        fn workflow(name: &str) -> Workflow;
    }
}

pass_on! {
    impl<> WorkflowWrite for Writing {
        fn cancel_workflow(name: &str) -> WorkflowPlan;
    } but {
        fn create_workflow(&self, new: &NewWorkflow) -> Result<Vec<Job>> {
            let mut added = new.clone();
            if self.fault == Fault::AddsToWorkflows
                && let Err(Error::Conflict { .. }) = self.inner.create_workflow(new)
            {
                added.name.push('_');
            }
            self.inner.create_workflow(&added)
        }

        fn retry_workflow(&self, name: &str, to: InitialStatus) -> Result<WorkflowPlan> {
            let plan = self.inner.workflow(name)?.plan_retry(to);
            if self.fault != Fault::RetriesTheFailedAlone {
                return self.inner.retry_workflow(name, to);
            }
            let mut failed = plan.changes.iter().filter(|change| change.from == JobStatus::Failed);
            failed.try_for_each(|change| self.inner.retry_job(change.job, to).map(drop))?;
            Ok(plan)
        }
    }
}

pass_on! {
    impl<Mode> ResultRead for Mode {
        fn newest_result(job: JobId) -> Option<JobResult>;
        fn results_of(job: JobId) -> Vec<JobResult>;
    }
}

pass_on! {
    impl<> ResultWrite for Writing {
        fn replace_result(job: JobId, result: &NewResult) -> Recorded;
    } but {
        fn record_result(&self, job: JobId, result: &NewResult) -> Result<Recorded> {
            match self.inner.record_result(job, result) {
                Err(Error::Conflict { .. }) if self.fault == Fault::OverwritesResults => {
                    self.inner.replace_result(job, result)
                }
                answer => answer,
            }
        }
    }
}

pass_on! {
    impl<Mode> EventRead for Mode {
        fn history(job: JobId) -> Vec<Event>;
        fn events_after(sequence: EventSequence, limit: u32) -> Vec<Event>;
        fn newest_sequence() -> EventSequence;
    }
}

pass_on! {
    impl<> EventWrite for Writing {
        fn add_note(job: JobId, text: &str) -> Event;
    }
}

pass_on! {
    impl<Mode> TagRead for Mode {
        fn tags_of(job: JobId) -> Tags;
        fn tag_keys() -> Vec<TagUse>;
        fn tag_values(key: &str, prefix: &str, limit: u32) -> Vec<TagUse>;
    }
}

pass_on! {
    impl<> TagWrite for Writing {
    } but {
        fn edit_tags(&self, job: JobId, patch: &TagPatch) -> Result<Tags> {
            let mut patch = patch.clone();
            if self.fault == Fault::KeepsRemovedTags {
                patch.remove.clear();
            }
            self.inner.edit_tags(job, &patch)
        }
    }
}
