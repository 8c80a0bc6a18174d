//! Jobs in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::attempt::Attempt;
use crate::code::Code;
use crate::dependency::Dependency;
use crate::error::{Error, Noun, Result};
use crate::event::{EventKind, NewEvent};
use crate::ids::{JobId, JobUuid};
use crate::input::{InputDeck, InputHash};
use crate::job::{Job, JobPatch, NewJob};
use crate::lease::Under;
use crate::query::{JobFilter, JobPage, Page, StatusCounts};
use crate::repo::{JobRead, JobWrite};
use crate::result::JobResult;
use crate::reuse::{self, Reuse};
use crate::status::{self, InitialStatus, JobStatus, StatusChange, Transition};
use crate::work_dir::WorkDir;

use super::state::{GivenOut, State};
use super::unit::{Signature, Unit, Writing};

impl<Mode> JobRead for Unit<'_, Mode> {
    fn job(&self, id: JobId) -> Result<Job> {
        self.state().job(id).cloned()
    }

    fn find_job_by_uuid(&self, uuid: JobUuid) -> Result<Option<Job>> {
        Ok(self.state().find_job(|job| job.uuid == uuid))
    }

    fn find_job_by_work_dir(&self, dir: &WorkDir) -> Result<Option<Job>> {
        Ok(self.state().find_job(|job| job.work_dir == *dir))
    }

    fn find_job_by_idempotency_key(&self, key: &str) -> Result<Option<Job>> {
        Ok(self.state().find_job_by_key(key))
    }

    fn find_completed(&self, code: &Code, input: InputHash, which: Reuse) -> Result<Option<Job>> {
        Ok(self.state().find_completed(code, input, which).map(|(job, _)| job.clone()))
    }

    fn input(&self, job: JobId) -> Result<Option<InputDeck>> {
        let state = self.state();
        state.job(job)?;
        Ok(state.inputs.get(&job).map(|deck| InputDeck::clone(deck)))
    }

    fn jobs(&self, filter: &JobFilter, page: Page) -> Result<JobPage> {
        self.state().page_of_jobs(filter, &page)
    }

    fn count_jobs(&self, filter: &JobFilter) -> Result<u64> {
        self.state().count_jobs(filter)
    }

    fn counts_by_status(&self) -> Result<StatusCounts> {
        let state = self.state();
        let listed = state.jobs.values().filter(|job| job.archived_at.is_none());
        Ok(listed.map(|job| (job.status, 1)).collect())
    }

    fn statuses(&self, ids: &[JobId]) -> Result<BTreeMap<JobId, JobStatus>> {
        let state = self.state();
        let status = |id: &JobId| state.jobs.get(id).map(|job| (*id, job.status));
        Ok(ids.iter().filter_map(status).collect())
    }
}

impl JobWrite for Unit<'_, Writing> {
    fn create_job(&self, new: &NewJob) -> Result<Job> {
        self.change(|state, signature| state.create_job(new, signature))
    }

    fn create_jobs(&self, new: &[NewJob]) -> Result<Vec<Job>> {
        self.change(|state, signature| {
            new.iter().map(|new| state.create_job(new, signature)).collect()
        })
    }

    fn update_job(&self, id: JobId, patch: &JobPatch) -> Result<Job> {
        self.change(|state, signature| {
            let job = state.job(id)?;
            let Some((next, event)) = patch.apply(job, signature.now)? else {
                return Ok(job.clone());
            };
            if let Some(cluster) = next.cluster.filter(|_| next.cluster != job.cluster) {
                state.cluster(cluster)?.check_takes_new_jobs()?;
            }
            state.check_work_dir_free(&next)?;
            state.put_job(next);
            state.record(event, signature.actor);
            state.settle(id, signature);
            state.job(id).cloned()
        })
    }

    fn replace_input(&self, id: JobId, deck: &InputDeck) -> Result<()> {
        self.change(|state, Signature { actor, now }| {
            let job = state.job(id)?;
            let old = state.inputs.get(&id);
            if old.is_some_and(|old| **old == *deck) {
                return Ok(());
            }
            job.check_input_replaceable()?;
            let old_hash = old.map(|old| old.hash());
            let event = NewEvent::input_replaced(job, old_hash, deck.hash(), now);
            let next = Job { updated_at: now, ..job.clone() };
            state.put_job(next);
            state.inputs.insert(id, Arc::new(deck.clone()));
            state.record(event, actor);
            Ok(())
        })
    }

    fn change_status(
        &self,
        job: impl Into<Under<JobId>>,
        change: &StatusChange,
    ) -> Result<Transition> {
        let job = job.into();
        self.change(|state, signature| state.change_status(job, change, signature))
    }

    fn change_statuses<J>(&self, changes: &[(J, StatusChange)]) -> Result<Vec<Transition>>
    where
        J: Into<Under<JobId>> + Copy,
    {
        self.change(|state, signature| {
            let change = |(job, change): &(J, StatusChange)| {
                state.change_status((*job).into(), change, signature)
            };
            changes.iter().map(change).collect()
        })
    }

    fn retry_job(&self, id: JobId, to: InitialStatus) -> Result<Job> {
        self.change(|state, signature| {
            let step = status::retry(state.job(id)?, to, signature.now)?;
            state.store(step, signature);
            state.job(id).cloned()
        })
    }

    fn archive_job(&self, id: JobId) -> Result<()> {
        self.change(|state, Signature { actor, now }| {
            if let Some((next, event)) = state.job(id)?.archive(now)? {
                state.put_job(next);
                state.record(event, actor);
            }
            Ok(())
        })
    }

    fn unarchive_job(&self, id: JobId) -> Result<()> {
        self.change(|state, Signature { actor, now }| {
            if let Some((next, event)) = state.job(id)?.unarchive(now) {
                state.put_job(next);
                state.record(event, actor);
            }
            Ok(())
        })
    }

    fn delete_job(&self, id: JobId) -> Result<()> {
        self.change(|state, Signature { actor, now }| {
            let job = state.job(id)?;
            job.check_deletable(&state.submissions(|remote| remote.submission.job == id))?;
            let dependents = state.dependents_of(id).count();
            if dependents > 0 {
                return Err(job.in_use(dependents));
            }
            let event = NewEvent::departure(job, EventKind::Deleted, now);
            state.remove_job(event, actor);
            Ok(())
        })
    }
}

impl State {
    pub(super) fn find_job_by_key(&self, key: &str) -> Option<Job> {
        self.find_job(|job| job.idempotency_key.as_deref() == Some(key))
    }

    fn find_completed(
        &self,
        code: &Code,
        input: InputHash,
        which: Reuse,
    ) -> Option<(&Job, &JobResult)> {
        let same = |job: &Job| {
            let deck = self.inputs.get(&job.id);
            job.code == *code && deck.is_some_and(|deck| deck.hash() == input)
        };
        self.jobs
            .values()
            .rev()
            .filter(|job| job.status == JobStatus::Completed && same(job))
            .filter_map(|job| Some((&**job, self.present_result(job)?)))
            .find(|(_, result)| which.admits(result.result.convergence))
    }

    fn check_work_dir_free(&self, job: &Job) -> Result<()> {
        let taken = |other: &Job| other.work_dir == job.work_dir && other.id != job.id;
        match self.find_job(taken) {
            Some(_) => Err(Error::conflict(Noun::Job, "work_dir", &job.work_dir)),
            None => Ok(()),
        }
    }

    fn create_job(&mut self, new: &NewJob, signature: Signature<'_>) -> Result<Job> {
        let job = self.create_unsettled(new, signature)?;
        self.settle(job.id, signature);
        self.job(job.id).cloned()
    }

    /// Creates a job, whatever its dependencies say.
    pub(super) fn create_unsettled(
        &mut self,
        new: &NewJob,
        Signature { actor, now }: Signature<'_>,
    ) -> Result<Job> {
        new.check()?;
        let key = new.idempotency_key.as_deref();
        if let Some(existing) = key.and_then(|key| self.find_job_by_key(key)) {
            let input = self.inputs.get(&existing.id).map(|deck| deck.hash());
            return new.repeated(existing, input);
        }
        if let Some(cluster) = new.cluster {
            self.cluster(cluster)?.check_takes_new_jobs()?;
        }
        let id = JobId::new(GivenOut::next(&mut self.given_out.jobs));
        let is_taken = |dir: &WorkDir| Ok(self.find_job(|job| job.work_dir == *dir).is_some());
        let work_dir = new.placement.directory(id, &new.name, is_taken)?;
        let job = new.to_job(id, work_dir, now);
        if self.find_job(|other| other.uuid == job.uuid).is_some() {
            return Err(Error::conflict(Noun::Job, "uuid", job.uuid));
        }
        self.check_work_dir_free(&job)?;
        for &(depends_on, kind) in &new.dependencies {
            self.job(depends_on)?;
            let edge = Dependency { job: id, depends_on, kind, created_at: now };
            self.dependencies.insert((id, depends_on), edge);
        }
        if let Some(deck) = &new.input {
            self.inputs.insert(id, Arc::new(deck.clone()));
        }
        let earlier = new
            .wanted_result()
            .and_then(|(input, which)| self.find_completed(&new.code, input, which));
        let (job, event) = match earlier {
            None => (job.clone(), NewEvent::created(&job)),
            Some((source, result)) => {
                let (job, result, event) = reuse::complete(job, source, result)?;
                self.results.insert((id, job.attempt), Arc::new(result));
                self.attempts.insert((id, job.attempt), Arc::new(Attempt::reused(&job)));
                (job, event)
            }
        };
        self.put_tags(id, new.tags.clone());
        self.put_job(job.clone());
        self.record(new.tell_tags(event), actor);
        Ok(job)
    }

    pub(super) fn change_status(
        &mut self,
        job: Under<JobId>,
        change: &StatusChange,
        signature: Signature<'_>,
    ) -> Result<Transition> {
        let job = self.job_under(job)?;
        let from = job.status;
        let lease = self.lease(job.id);
        let Some(step) = status::change(job, change, lease, signature.now)? else {
            return Ok(Transition::Unchanged(from));
        };
        self.store(step, signature);
        Ok(Transition::Changed { from, to: change.to })
    }
}
