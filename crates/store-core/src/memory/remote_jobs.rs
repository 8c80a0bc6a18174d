//! Submissions in memory.

use std::sync::Arc;

use crate::error::{Error, Noun, Result};
use crate::ids::{ClusterId, JobId, RemoteJobId};
use crate::remote_job::{NewRemoteJob, RemoteJob, RemoteJobPatch};
use crate::repo::{RemoteJobRead, RemoteJobWrite};

use super::state::{GivenOut, State};
use super::unit::{Signature, Unit, Writing};

impl<Mode> RemoteJobRead for Unit<'_, Mode> {
    fn remote_job(&self, id: RemoteJobId) -> Result<RemoteJob> {
        self.state().remote_job(id).cloned()
    }

    fn remote_jobs_of(&self, job: JobId) -> Result<Vec<RemoteJob>> {
        let state = self.state();
        state.job(job)?;
        Ok(state.submissions(|remote| remote.submission.job == job))
    }

    fn newest_remote_job(&self, job: JobId) -> Result<Option<RemoteJob>> {
        Ok(self.remote_jobs_of(job)?.pop())
    }

    fn active_remote_jobs(&self, cluster: ClusterId) -> Result<Vec<RemoteJob>> {
        let state = self.state();
        state.cluster(cluster)?;
        Ok(state.submissions(|remote| remote.is_active() && remote.submission.cluster == cluster))
    }
}

impl RemoteJobWrite for Unit<'_, Writing> {
    fn record_submission(&self, new: &NewRemoteJob) -> Result<RemoteJob> {
        self.change(|state, Signature { actor, now }| {
            new.check()?;
            let job = state.job(new.job)?;
            state.cluster(new.cluster)?;
            state.check_handle_free(new)?;
            let id = RemoteJobId::new(state.given_out.remote_jobs + 1);
            let (remote, event) = new.clone().into_remote_job(id, job, now);
            GivenOut::next(&mut state.given_out.remote_jobs);
            state.remote_jobs.insert(id, Arc::new(remote.clone()));
            state.record(event, actor);
            Ok(remote)
        })
    }

    fn update_remote_job(&self, id: RemoteJobId, patch: &RemoteJobPatch) -> Result<RemoteJob> {
        self.change(|state, Signature { actor, now }| {
            let remote = state.remote_job(id)?;
            let job = state.job(remote.submission.job)?;
            let Some((next, event)) = patch.apply(remote, job, now)? else {
                return Ok(remote.clone());
            };
            if next.is_active() && !remote.is_active() {
                state.check_handle_free(&next.submission)?;
            }
            state.remote_jobs.insert(id, Arc::new(next.clone()));
            state.record(event, actor);
            Ok(next)
        })
    }
}

impl State {
    fn remote_job(&self, id: RemoteJobId) -> Result<&RemoteJob> {
        self.remote_jobs
            .get(&id)
            .map(AsRef::as_ref)
            .ok_or_else(|| Error::not_found(Noun::RemoteJob, id))
    }

    /// Oldest first, which is the order of their ids.
    fn submissions(&self, which: impl Fn(&RemoteJob) -> bool) -> Vec<RemoteJob> {
        let meant = self.remote_jobs.values().filter(|remote| which(remote));
        meant.map(|remote| RemoteJob::clone(remote)).collect()
    }

    fn check_handle_free(&self, new: &NewRemoteJob) -> Result<()> {
        let same = |remote: &&Arc<RemoteJob>| {
            let other = &remote.submission;
            remote.is_active() && (other.cluster, &other.handle) == (new.cluster, &new.handle)
        };
        match self.remote_jobs.values().find(same) {
            Some(_) => Err(Error::conflict(Noun::RemoteJob, "handle", &new.handle)),
            None => Ok(()),
        }
    }
}
