//! Submissions of jobs to clusters: what is stored of one, and reports on it. How one begins is in
//! [`submission`](crate::submission).

use serde_json::{Map, Value};

use crate::error::{Error, Invalid, Result};
use crate::event::{EventKind, NewEvent};
use crate::ids::{ClusterId, JobId, RemoteJobId};
use crate::job::Job;
use crate::patch::{Edit, Patch};
use crate::remote_phase::RemotePhase;
use crate::submission::SubmissionToken;
use crate::time::Timestamp;
use crate::words::{check_depth, check_name, check_optional_name, check_text};

/// A submission to be begun ([`NewRemoteJob::intended`]), or to be recorded because it has happened
/// ([`NewRemoteJob::new`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRemoteJob {
    /// The job that is submitted.
    pub job: JobId,
    /// Where to.
    pub cluster: ClusterId,
    /// The attempt that was submitted, where that is no longer the present one; a stored submission has it
    /// in [`RemoteJob::attempt`], and none here.
    pub attempt: Option<u32>,
    /// The scheduler's id, or the pid for ssh; none until the scheduler has given it. While a
    /// submission is active, no other of its cluster has the same; schedulers reuse ids, so one that
    /// has ended does not count.
    pub handle: Option<String>,
    /// What the submission can be looked up by at the scheduler before its handle is known. Only a
    /// submission that began with an intent has one; it is made new there unless set.
    pub token: Option<SubmissionToken>,
    /// The queue or partition.
    pub queue: Option<String>,
    /// The nodes, as the scheduler writes them.
    pub node_list: Option<String>,
    /// The directory on the cluster.
    pub work_dir: Option<String>,
    /// The file that takes standard output.
    pub stdout_path: Option<String>,
    /// The file that takes standard error.
    pub stderr_path: Option<String>,
    /// The scheduler's own word for its state, as reported.
    pub scheduler_state: Option<String>,
    /// Whatever else the runner wants to keep.
    pub metadata: Map<String, Value>,
}

impl NewRemoteJob {
    /// A submission that has happened, of which only the handle is known.
    pub fn new(job: JobId, cluster: ClusterId, handle: impl Into<String>) -> Self {
        Self { handle: Some(handle.into()), ..Self::intended(job, cluster) }
    }

    /// A submission that is about to happen.
    pub fn intended(job: JobId, cluster: ClusterId) -> Self {
        Self {
            job,
            cluster,
            attempt: None,
            handle: None,
            token: None,
            queue: None,
            node_list: None,
            work_dir: None,
            stdout_path: None,
            stderr_path: None,
            scheduler_state: None,
            metadata: Map::new(),
        }
    }

    /// Of an earlier attempt of the job: the handle came when the job had gone on already.
    #[must_use]
    pub const fn of_attempt(mut self, attempt: u32) -> Self {
        self.attempt = Some(attempt);
        self
    }

    /// Refuses what no store takes. Backends call [`check_recorded`](Self::check_recorded) and
    /// [`check_intended`](Self::check_intended), which begin with it.
    ///
    /// # Errors
    /// [`Invalid`] with the field's name.
    pub fn check(&self) -> std::result::Result<(), Invalid> {
        check_optional_name("handle", self.handle.as_deref())?;
        check_depth("metadata", self.metadata.values())?;
        check_optional_name("queue", self.queue.as_deref())?;
        check_optional_name("scheduler_state", self.scheduler_state.as_deref())?;
        let texts = [
            ("node_list", &self.node_list),
            ("work_dir", &self.work_dir),
            ("stdout_path", &self.stdout_path),
            ("stderr_path", &self.stderr_path),
        ];
        texts.into_iter().try_for_each(|(field, text)| {
            text.as_deref().map_or(Ok(()), |text| check_text(field, text))
        })
    }

    /// Refuses what cannot be recorded as having happened. Backends call it before they write.
    ///
    /// # Errors
    /// As [`check`](Self::check); and without a handle, or with a token.
    pub fn check_recorded(&self) -> std::result::Result<(), Invalid> {
        self.check()?;
        if self.handle.is_none() {
            let reason = "is missing: a submission without one begins as an intent";
            return Err(Invalid::new("handle", reason.to_owned()));
        }
        if self.token.is_some() {
            let reason = "belongs to a submission that began as an intent: confirm that one";
            return Err(Invalid::new("token", reason.to_owned()));
        }
        Ok(())
    }

    /// The attempt that it belongs to, of `job`.
    ///
    /// # Errors
    /// [`Invalid`] for an attempt that the job has not had.
    pub fn attempt_of(&self, job: &Job) -> std::result::Result<u32, Invalid> {
        let attempt = self.attempt.unwrap_or(job.attempt);
        if attempt == 0 || attempt > job.attempt {
            let reason = format!("is {attempt}: job {} has had {}", job.id, job.attempt);
            return Err(Invalid::new("attempt", reason));
        }
        Ok(attempt)
    }

    /// The row of a submission that has happened and its event, once the backend knows its id and its
    /// job, and has checked its attempt.
    pub fn into_remote_job(
        self,
        id: RemoteJobId,
        job: &Job,
        now: Timestamp,
    ) -> (RemoteJob, NewEvent) {
        let mut remote = self.into_row(id, job, now);
        remote.phase = RemotePhase::Submitted;
        remote.submitted_at = Some(now);
        let event = remote.told(EventKind::Submitted, job, now);
        (remote, event)
    }

    /// The row as it begins, in no phase that it has reached.
    pub(crate) fn into_row(mut self, id: RemoteJobId, job: &Job, now: Timestamp) -> RemoteJob {
        RemoteJob {
            id,
            attempt: self.attempt.take().unwrap_or(job.attempt),
            submission: self,
            phase: RemotePhase::Intended,
            intended_at: None,
            submitted_at: None,
            pending_at: None,
            running_at: None,
            ended_at: None,
            retrieved_at: None,
            abandon_reason: None,
            exit_code: None,
            updated_at: now,
        }
    }
}

/// A submission, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteJob {
    /// Its identity in this store. The newest of a job is "the" remote job.
    pub id: RemoteJobId,
    /// The attempt of the job that it belongs to.
    pub attempt: u32,
    /// All that was given when it began, or reported since.
    pub submission: NewRemoteJob,
    /// How far it has come.
    pub phase: RemotePhase,
    /// When it was begun; none for one that was recorded after it had happened.
    pub intended_at: Option<Timestamp>,
    /// When the scheduler took it, as far as is known. With cluster and handle it is the key of a
    /// submission, because schedulers reuse ids.
    pub submitted_at: Option<Timestamp>,
    /// When it was first reported to wait at the scheduler.
    pub pending_at: Option<Timestamp>,
    /// When it was first reported to run.
    pub running_at: Option<Timestamp>,
    /// When it ended, or was abandoned; until then it is active, and then it stays ended.
    pub ended_at: Option<Timestamp>,
    /// When its files were reported to have been fetched.
    pub retrieved_at: Option<Timestamp>,
    /// Why it is known never to have reached the scheduler.
    pub abandon_reason: Option<String>,
    /// The exit code, as the scheduler reports it.
    pub exit_code: Option<i32>,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl RemoteJob {
    /// Whether it has not been reported to have ended, nor abandoned.
    pub const fn is_active(&self) -> bool {
        self.ended_at.is_none()
    }

    /// Whether it is an intent of which nobody has told yet what became of it.
    pub fn is_pending_intent(&self) -> bool {
        self.phase == RemotePhase::Intended && self.is_active()
    }

    /// Whether it is known never to have reached the scheduler.
    pub const fn is_abandoned(&self) -> bool {
        self.abandon_reason.is_some()
    }

    /// An event of this submission's attempt, with its cluster, its handle and its token.
    pub(crate) fn told(&self, kind: EventKind, job: &Job, now: Timestamp) -> NewEvent {
        let mut event = NewEvent::of_attempt(job, self.attempt, kind, now)
            .with("remote_job", self.id.get())
            .with("cluster", self.submission.cluster.get());
        if let Some(handle) = &self.submission.handle {
            event = event.with("handle", handle.as_str());
        }
        if let Some(token) = self.submission.token {
            event = event.with("token", token.to_string());
        }
        event
    }

    /// The error of what its phase does not allow.
    pub(crate) fn wrong_phase(&self, reason: &'static str) -> Error {
        Error::WrongPhase { remote: self.id, phase: self.phase, reason }
    }
}

/// A report on a submission. [`slurm::read`](crate::slurm::read) makes one of Slurm's own words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RemoteJobPatch {
    /// How far it has come. A report of an earlier phase than the submission has is late, and changes
    /// nothing at all.
    pub phase: Edit<RemotePhase>,
    /// As in [`NewRemoteJob`].
    pub queue: Patch<String>,
    /// As in [`NewRemoteJob`].
    pub node_list: Patch<String>,
    /// As in [`NewRemoteJob`].
    pub stdout_path: Patch<String>,
    /// As in [`NewRemoteJob`].
    pub stderr_path: Patch<String>,
    /// As in [`NewRemoteJob`].
    pub scheduler_state: Patch<String>,
    /// As in [`RemoteJob`].
    pub exit_code: Patch<i32>,
    /// When it ended, where the scheduler tells; a report of its end is dated by the store otherwise.
    /// Setting it alone reports the end.
    pub ended_at: Edit<Timestamp>,
    /// As in [`NewRemoteJob`]; replaced whole.
    pub metadata: Edit<Map<String, Value>>,
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reported {
    /// The submission is now as reported.
    Changed(RemoteJob),
    /// It was so already; nothing was written.
    Unchanged(RemoteJob),
    /// The report is of an earlier phase than the submission has; nothing was written.
    Late(RemoteJob),
}

impl Reported {
    /// The submission as it is after the report.
    pub const fn remote(&self) -> &RemoteJob {
        match self {
            Self::Changed(remote) | Self::Unchanged(remote) | Self::Late(remote) => remote,
        }
    }

    /// As [`remote`](Self::remote), to keep.
    pub fn into_remote(self) -> RemoteJob {
        match self {
            Self::Changed(remote) | Self::Unchanged(remote) | Self::Late(remote) => remote,
        }
    }
}

impl RemoteJobPatch {
    /// A report that a submission has come this far.
    pub fn phase(phase: RemotePhase) -> Self {
        Self { phase: Edit::Set(phase), ..Self::default() }
    }

    /// Carries the report out on a submission of `job`: what became of it, and the event where it
    /// changes anything. Backends store what this returns.
    ///
    /// # Errors
    /// [`Error::Invalid`]; [`Error::WrongPhase`] for the phase or the end of an intent, which is
    /// confirmed or abandoned instead.
    pub fn apply(
        &self,
        remote: &RemoteJob,
        job: &Job,
        now: Timestamp,
    ) -> Result<(Reported, Option<NewEvent>)> {
        let phase = self.reached(remote)?;
        if phase < remote.phase {
            return Ok((Reported::Late(remote.clone()), None));
        }
        let mut next = remote.clone();
        self.queue.apply(&mut next.submission.queue);
        self.node_list.apply(&mut next.submission.node_list);
        self.stdout_path.apply(&mut next.submission.stdout_path);
        self.stderr_path.apply(&mut next.submission.stderr_path);
        self.scheduler_state.apply(&mut next.submission.scheduler_state);
        self.exit_code.apply(&mut next.exit_code);
        self.metadata.apply(&mut next.submission.metadata);
        next.submission.check()?;
        if phase > remote.phase {
            next.reach(phase, now);
        }
        if let Edit::Set(ended_at) = self.ended_at {
            next.ended_at = Some(ended_at);
        }
        if next == *remote {
            return Ok((Reported::Unchanged(next), None));
        }
        next.updated_at = now;
        let updated = EventKind::RemoteJobUpdated;
        let mut event = NewEvent::of_attempt(job, remote.attempt, updated, now)
            .with("remote_job", remote.id.get())
            .with("active", next.is_active())
            .with("phase", next.phase.as_str());
        if let Some(state) = &next.submission.scheduler_state {
            event = event.with("scheduler_state", state.as_str());
        }
        if let Some(exit_code) = next.exit_code {
            event = event.with("exit_code", exit_code);
        }
        Ok((Reported::Changed(next), Some(event)))
    }

    /// The phase that is reported; without one, that of the submission.
    fn reached(&self, remote: &RemoteJob) -> Result<RemotePhase> {
        let told = self.phase.new_value().copied();
        let phase = match (told, self.ended_at) {
            (Some(phase), Edit::Set(_)) if !phase.has_ended() => {
                let reason = format!("does not go with the phase {phase}: leave one of them out");
                return Err(Invalid::new("ended_at", reason).into());
            }
            (Some(phase), _) => phase,
            (None, Edit::Set(_)) => remote.phase.max(RemotePhase::Finished),
            (None, Edit::Keep) => remote.phase,
        };
        if remote.phase == RemotePhase::Intended && phase > RemotePhase::Intended {
            return Err(remote.wrong_phase(match remote.is_abandoned() {
                true => {
                    "it never reached the scheduler; record what did as a submission of its own"
                }
                false => "say first whether it reached the scheduler: confirm it or abandon it",
            }));
        }
        Ok(phase)
    }
}

impl RemoteJob {
    /// Goes on to a later phase. What has ended without a word of when has ended now.
    fn reach(&mut self, phase: RemotePhase, now: Timestamp) {
        self.phase = phase;
        match phase {
            RemotePhase::Intended | RemotePhase::Submitted => {}
            RemotePhase::Pending => self.pending_at = Some(now),
            RemotePhase::Running => self.running_at = Some(now),
            RemotePhase::Finished => self.ended_at = Some(now),
            RemotePhase::Retrieved => {
                self.ended_at = self.ended_at.or(Some(now));
                self.retrieved_at = Some(now);
            }
        }
    }
}

/// Refuses a handle that no store takes.
pub(crate) fn check_handle(handle: &str) -> std::result::Result<(), Invalid> {
    check_name("handle", handle)
}
