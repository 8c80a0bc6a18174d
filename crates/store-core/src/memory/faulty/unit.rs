//! A unit of work of a store with a fault.

use std::collections::BTreeMap;

use crate::cluster::{Cluster, ClusterPatch, NewCluster};
use crate::dependency::{Dependency, DependencyKind, Readiness};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::ids::{ClusterId, EventSequence, JobId, JobUuid, RemoteJobId};
use crate::input::InputDeck;
use crate::job::{Job, JobPatch, NewJob};
use crate::memory::store::MemoryStore;
use crate::memory::unit::{Unit, Writing};
use crate::query::{JobFilter, JobFindings, JobPage, Page, SortValue, StatusCounts};
use crate::remote_job::{NewRemoteJob, RemoteJob, RemoteJobPatch};
use crate::repo::{
    ClusterRead, ClusterWrite, DependencyRead, DependencyWrite, EventRead, EventWrite, JobRead,
    JobWrite, RemoteJobRead, RemoteJobWrite, ResultRead, ResultWrite, TagRead, TagWrite,
};
use crate::result::{JobResult, NewResult, Recorded};
use crate::status::{InitialStatus, JobStatus, StatusChange, Transition};
use crate::tag::{TagPatch, TagUse, Tags};
use crate::work_dir::WorkDir;

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
    }
}

pass_on! {
    impl<Mode> RemoteJobRead for Mode {
        fn remote_job(id: RemoteJobId) -> RemoteJob;
        fn remote_jobs_of(job: JobId) -> Vec<RemoteJob>;
        fn newest_remote_job(job: JobId) -> Option<RemoteJob>;
        fn active_remote_jobs(cluster: ClusterId) -> Vec<RemoteJob>;
    }
}

pass_on! {
    impl<> RemoteJobWrite for Writing {
        fn record_submission(new: &NewRemoteJob) -> RemoteJob;
        fn update_remote_job(id: RemoteJobId, patch: &RemoteJobPatch) -> RemoteJob;
    }
}

pass_on! {
    impl<Mode> DependencyRead for Mode {
        fn dependencies_of(job: JobId) -> Vec<Dependency>;
        fn dependents_of(job: JobId) -> Vec<Dependency>;
        fn readiness(job: JobId) -> Readiness;
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
