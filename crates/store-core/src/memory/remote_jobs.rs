//! Submissions in memory.

use std::sync::Arc;

use crate::contact::ClusterContact;
use crate::error::{Error, Noun, Result};
use crate::event::NewEvent;
use crate::ids::{ClusterId, JobId, RemoteJobId};
use crate::job::Job;
use crate::lease::Under;
use crate::remote_job::{NewRemoteJob, RemoteJob, RemoteJobPatch, Reported};
use crate::repo::{RemoteJobRead, RemoteJobWrite};
use crate::submission::{self, Confirmation, SubmissionToken};

use super::state::{GivenOut, State};
use super::unit::{Signature, Signer, Unit, Writing};

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

    fn find_remote_job(&self, cluster: ClusterId, handle: &str) -> Result<Option<RemoteJob>> {
        let state = self.state();
        state.cluster(cluster)?;
        let meant = state.submissions(|remote| remote.has_handle(cluster, handle));
        Ok(meant.into_iter().max_by_key(|remote| (remote.is_active(), remote.submitted_at)))
    }

    fn find_remote_job_by_token(&self, token: SubmissionToken) -> Result<Option<RemoteJob>> {
        Ok(self.state().submission_under(token))
    }

    fn pending_intents(&self, cluster: Option<ClusterId>) -> Result<Vec<RemoteJob>> {
        let state = self.state();
        if let Some(cluster) = cluster {
            state.cluster(cluster)?;
        }
        let mut intents = state.submissions(|remote| {
            let there = cluster.is_none_or(|cluster| remote.submission.cluster == cluster);
            remote.is_pending_intent() && there
        });
        intents.sort_by_key(|remote| (remote.submission.cluster, remote.id));
        Ok(intents)
    }

    fn submissions_to_cancel(&self, cluster: ClusterId) -> Result<Vec<RemoteJob>> {
        let state = self.state();
        state.cluster(cluster)?;
        Ok(state.submissions(|remote| {
            let job = state.job(remote.submission.job).expect("a submission goes with its job");
            remote.submission.cluster == cluster && submission::is_to_be_cancelled(remote, job)
        }))
    }

    fn cluster_contact(&self, cluster: ClusterId) -> Result<ClusterContact> {
        self.state().contact(cluster)
    }
}

impl RemoteJobWrite for Unit<'_, Writing> {
    fn record_submission(&self, new: impl Into<Under<NewRemoteJob>>) -> Result<RemoteJob> {
        let under = new.into();
        self.change(|state, Signature { actor, now }| {
            state.admit(&under).map_err(submission::keep_the_handle)?;
            under.check_is_of(under.what.job)?;
            let new = under.what;
            new.check_recorded()?;
            let job = state.job(new.job)?;
            state.cluster(new.cluster)?;
            new.attempt_of(job)?;
            let id = RemoteJobId::new(state.given_out.remote_jobs + 1);
            let (remote, event) = new.into_remote_job(id, job, now);
            state.check_handle_free(&remote)?;
            Ok(state.add_submission(remote, event, actor))
        })
    }

    fn begin_submission(&self, new: impl Into<Under<NewRemoteJob>>) -> Result<RemoteJob> {
        let under = new.into();
        self.change(|state, Signature { actor, now }| {
            state.admit(&under)?;
            under.check_is_of(under.what.job)?;
            let new = under.what;
            new.check_intended()?;
            let job = state.job(new.job)?;
            state.cluster(new.cluster)?;
            let same_token = new.token.and_then(|token| state.submission_under(token));
            let active = state.submissions(|remote| {
                let present = (remote.submission.job, remote.attempt) == (job.id, job.attempt);
                remote.is_active() && present
            });
            let active = active.into_iter().next();
            if let Some(earlier) = new.check_beginning(job, same_token, active)? {
                return Ok(earlier);
            }
            let id = RemoteJobId::new(state.given_out.remote_jobs + 1);
            let (remote, event) = new.with_a_token(now).into_intent(id, job, now);
            Ok(state.add_submission(remote, event, actor))
        })
    }

    fn confirm_submission(
        &self,
        id: impl Into<Under<RemoteJobId>>,
        answer: &Confirmation,
    ) -> Result<RemoteJob> {
        let under = id.into();
        self.change(|state, Signature { actor, now }| {
            state.admit(&under).map_err(submission::keep_the_handle)?;
            answer.check()?;
            let (remote, job) = state.submission_and_job(under)?;
            let Some((next, event)) = answer.apply(remote, job, now)? else {
                return Ok(remote.clone());
            };
            state.check_handle_free(&next)?;
            Ok(state.put_submission(next, event, actor))
        })
    }

    fn abandon_submission(
        &self,
        id: impl Into<Under<RemoteJobId>>,
        reason: &str,
    ) -> Result<RemoteJob> {
        let under = id.into();
        self.change(|state, Signature { actor, now }| {
            state.admit(&under)?;
            let (remote, job) = state.submission_and_job(under)?;
            match submission::abandon(remote, job, reason, now)? {
                None => Ok(remote.clone()),
                Some((next, event)) => Ok(state.put_submission(next, event, actor)),
            }
        })
    }

    fn update_remote_job(
        &self,
        id: impl Into<Under<RemoteJobId>>,
        patch: &RemoteJobPatch,
    ) -> Result<Reported> {
        let under = id.into();
        self.change(|state, Signature { actor, now }| {
            state.admit(&under)?;
            let (remote, job) = state.submission_and_job(under)?;
            let (reported, event) = patch.apply(remote, job, now)?;
            if let Some(event) = event {
                state.put_submission(reported.remote().clone(), event, actor);
            }
            Ok(reported)
        })
    }

    fn report_reached(&self, cluster: ClusterId) -> Result<ClusterContact> {
        self.change(|state, Signature { now, .. }| {
            let contact = state.contact(cluster)?.reached(now);
            state.contacts.insert(cluster, contact.clone());
            Ok(contact)
        })
    }

    fn report_unreachable(&self, cluster: ClusterId, reason: &str) -> Result<ClusterContact> {
        self.change(|state, Signature { now, .. }| {
            let contact = state.contact(cluster)?.unreachable(reason, now)?;
            state.contacts.insert(cluster, contact.clone());
            Ok(contact)
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

    fn submission_and_job(&self, under: Under<RemoteJobId>) -> Result<(&RemoteJob, &Job)> {
        let remote = self.remote_job(under.what)?;
        under.check_is_of(remote.submission.job)?;
        Ok((remote, self.job(remote.submission.job)?))
    }

    /// Oldest first, which is the order of their ids.
    pub(super) fn submissions(&self, which: impl Fn(&RemoteJob) -> bool) -> Vec<RemoteJob> {
        let meant = self.remote_jobs.values().filter(|remote| which(remote));
        meant.map(|remote| RemoteJob::clone(remote)).collect()
    }

    fn submission_under(&self, token: SubmissionToken) -> Option<RemoteJob> {
        self.submissions(|remote| remote.submission.token == Some(token)).pop()
    }

    fn contact(&self, cluster: ClusterId) -> Result<ClusterContact> {
        self.cluster(cluster)?;
        let known = self.contacts.get(&cluster);
        Ok(known.cloned().unwrap_or_else(|| ClusterContact::none(cluster)))
    }

    /// Refuses the handle of an active submission, and one that was given at the same time.
    fn check_handle_free(&self, new: &RemoteJob) -> Result<()> {
        let handle = new.submission.handle.as_deref().unwrap_or_default();
        let others = self.submissions(|remote| {
            remote.id != new.id && remote.has_handle(new.submission.cluster, handle)
        });
        if others.iter().any(RemoteJob::is_active) {
            return Err(Error::conflict(Noun::RemoteJob, "handle", handle));
        }
        match new.submitted_at {
            Some(at) if others.iter().any(|other| other.submitted_at == Some(at)) => {
                Err(Error::conflict(Noun::RemoteJob, "submitted_at", at))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn add_submission(
        &mut self,
        remote: RemoteJob,
        event: NewEvent,
        actor: &Signer,
    ) -> RemoteJob {
        GivenOut::next(&mut self.given_out.remote_jobs);
        self.put_submission(remote, event, actor)
    }

    fn put_submission(&mut self, remote: RemoteJob, event: NewEvent, actor: &Signer) -> RemoteJob {
        self.remote_jobs.insert(remote.id, Arc::new(remote.clone()));
        self.record(event, actor);
        remote
    }
}

impl RemoteJob {
    fn has_handle(&self, cluster: ClusterId, handle: &str) -> bool {
        let known = &self.submission;
        known.cluster == cluster && known.handle.as_deref() == Some(handle)
    }
}
