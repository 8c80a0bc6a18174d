//! Faults of reading and writing jobs.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::code::Code;
use crate::error::Result;
use crate::ids::{JobId, JobUuid};
use crate::input::{InputDeck, InputHash};
use crate::job::{Job, JobPatch, NewJob};
use crate::lease::Under;
use crate::memory::unit::Writing;
use crate::policy::JobPolicy;
use crate::query::{JobFilter, JobFindings, JobPage, Page, SortValue, StatusCounts};
use crate::repo::{EventWrite, JobRead, JobWrite, ResultRead};
use crate::reuse::Reuse;
use crate::status::{InitialStatus, JobStatus, StatusChange, Transition};
use crate::work_dir::WorkDir;

use super::Fault;
use super::unit::pass_on;

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

        fn change_status(
            &self,
            job: impl Into<Under<JobId>>,
            change: &StatusChange,
        ) -> Result<Transition> {
            let job = job.into();
            let mut change = change.clone();
            if self.fault == Fault::IgnoresExpected {
                change.expected = None;
            }
            let answer = self.inner.change_status(job, &change)?;
            if let (Fault::TellsTwice, Transition::Unchanged(_)) = (self.fault, answer) {
                self.inner.add_note(job.what, "unchanged")?;
            }
            if self.fault == Fault::ReusesAttempts {
                self.inner.change(|state, _| {
                    let newest = state.attempts.keys().rfind(|(of, _)| *of == job.what).copied();
                    if let (Some(newest), Some(row)) = (newest, state.jobs.get_mut(&job.what)) {
                        state.attempts.remove(&newest);
                        Arc::make_mut(row).attempt = newest.1;
                    }
                    Ok(())
                })?;
            }
            Ok(answer)
        }

        fn change_statuses<J>(&self, changes: &[(J, StatusChange)]) -> Result<Vec<Transition>>
        where
            J: Into<Under<JobId>> + Copy,
        {
            match self.fault {
                Fault::StopsHalfway => {
                    changes.iter().map(|(job, change)| self.change_status(*job, change)).collect()
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
            if self.fault == Fault::LosesHandles {
                self.inner.change(|state, _| {
                    state.remote_jobs.retain(|_, remote| remote.submission.job != id);
                    Ok(())
                })?;
            }
            self.inner.delete_job(id)
        }
    }
}
