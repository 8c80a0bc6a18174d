//! Faults of submissions and of reports on them.

use std::sync::Arc;

use crate::contact::ClusterContact;
use crate::error::{Error, Result};
use crate::ids::{ClusterId, JobId, RemoteJobId};
use crate::lease::Under;
use crate::memory::unit::{Signature, Writing};
use crate::remote_job::{NewRemoteJob, RemoteJob, RemoteJobPatch, Reported};
use crate::repo::{JobRead, JobWrite, RemoteJobRead, RemoteJobWrite};
use crate::status::{JobStatus, StatusChange};
use crate::submission::{Confirmation, SubmissionToken};

use super::Fault;
use super::unit::{FaultyUnit, pass_on};

pass_on! {
    impl<Mode> RemoteJobRead for Mode {
        fn remote_job(id: RemoteJobId) -> RemoteJob;
        fn remote_jobs_of(job: JobId) -> Vec<RemoteJob>;
        fn newest_remote_job(job: JobId) -> Option<RemoteJob>;
        fn active_remote_jobs(cluster: ClusterId) -> Vec<RemoteJob>;
        fn find_remote_job_by_token(token: SubmissionToken) -> Option<RemoteJob>;
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

        fn submissions_to_cancel(&self, cluster: ClusterId) -> Result<Vec<RemoteJob>> {
            let mut listed = self.inner.submissions_to_cancel(cluster)?;
            if self.fault == Fault::SparesTheFailed {
                let state = self.inner.state();
                listed.retain(|remote| {
                    let job = state.job(remote.submission.job);
                    !job.is_ok_and(|job| job.status == JobStatus::Failed)
                });
            }
            Ok(listed)
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

impl FaultyUnit<'_, Writing> {
    /// What is written about: with the fault, without a look at the lease.
    fn fenced_by<T>(&self, what: impl Into<Under<T>>, fault: Fault) -> Under<T> {
        let under = what.into();
        if self.fault == fault { under.what.into() } else { under }
    }
}

pass_on! {
    impl<> RemoteJobWrite for Writing {
        fn report_reached(cluster: ClusterId) -> ClusterContact;
    } but {
        fn record_submission(&self, new: impl Into<Under<NewRemoteJob>>) -> Result<RemoteJob> {
            let mut new = self.fenced_by(new, Fault::TakesLateHandles);
            if self.fault == Fault::MistakesTheAttempt {
                new.what.attempt = None;
            }
            self.inner.record_submission(new)
        }

        fn confirm_submission(
            &self,
            id: impl Into<Under<RemoteJobId>>,
            answer: &Confirmation,
        ) -> Result<RemoteJob> {
            let mut id = self.fenced_by(id, Fault::TakesLateHandles);
            if self.fault == Fault::TakesAnyLease {
                let of = self.inner.remote_job(id.what)?.submission.job;
                id.lease = id.lease.filter(|key| key.job == of);
            }
            self.inner.confirm_submission(id, answer)
        }

        fn abandon_submission(
            &self,
            id: impl Into<Under<RemoteJobId>>,
            reason: &str,
        ) -> Result<RemoteJob> {
            self.inner.abandon_submission(self.fenced_by(id, Fault::TakesLateReports), reason)
        }

        fn begin_submission(&self, new: impl Into<Under<NewRemoteJob>>) -> Result<RemoteJob> {
            let new = self.fenced_by(new, Fault::SubmitsWithoutALease);
            match self.inner.begin_submission(new.clone()) {
                Err(Error::AlreadySubmitted { job, .. }) if self.fault == Fault::SubmitsTwice => {
                    let job = self.inner.job(job)?;
                    self.inner.change(|state, Signature { actor, now }| {
                        let id = RemoteJobId::new(state.given_out.remote_jobs + 1);
                        let new = new.what.with_a_token(now);
                        let (remote, event) = new.into_intent(id, &job, now);
                        Ok(state.add_submission(remote, event, actor))
                    })
                }
                answer => answer,
            }
        }

        fn update_remote_job(
            &self,
            id: impl Into<Under<RemoteJobId>>,
            patch: &RemoteJobPatch,
        ) -> Result<Reported> {
            let id = self.fenced_by(id, Fault::TakesLateReports);
            let answer = self.inner.update_remote_job(id, patch)?;
            match (self.fault, &answer, patch.phase.new_value()) {
                (Fault::GoesBack, Reported::Late(later), Some(&phase)) => {
                    let back = RemoteJob { phase, ended_at: None, ..later.clone() };
                    self.inner.change(|state, _| {
                        state.remote_jobs.insert(id.what, Arc::new(back.clone()));
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
