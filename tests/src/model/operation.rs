//! Calls of every method that writes, as data.

use std::time::Duration;

use store_core::{
    ClaimFilter, ClusterId, ClusterPatch, Completion, Confirmation, DependencyKind, Error, Failure,
    InitialStatus, InputDeck, JobId, JobPatch, LeaseKey, NewCluster, NewJob, NewRemoteJob,
    NewResult, NewWorkflow, RemoteJobId, RemoteJobPatch, Result, Retention, RetentionReport,
    RunEnd, StatusChange, Store, TagPatch, Timestamp, Under, Worker, WriteUnit,
};

use super::Side;
use super::dump::dump;

/// One call of a method that writes.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each is the method of its name")]
pub enum Operation {
    CreateCluster(NewCluster),
    UpdateCluster(ClusterId, ClusterPatch),
    DeleteCluster(ClusterId),
    ForceDeleteCluster(ClusterId),
    Claim(Worker, ClaimFilter, u32, Duration),
    Heartbeat(Vec<LeaseKey>, Duration),
    Complete(LeaseKey, Completion),
    CompleteAndClaim(LeaseKey, Completion, Worker, ClaimFilter, u32, Duration),
    Fail(LeaseKey, Failure),
    Release(LeaseKey, Option<String>, Option<Timestamp>),
    EndRuns(Vec<(LeaseKey, RunEnd)>),
    RecoverExpired(u32),
    RecoverLost(Vec<LeaseKey>),
    Adopt(JobId, Worker, Duration),
    RequestCancel(JobId, Option<String>),
    CreateJob(NewJob),
    CreateJobs(Vec<NewJob>),
    UpdateJob(JobId, JobPatch),
    ReplaceInput(JobId, InputDeck),
    ChangeStatus(Under<JobId>, StatusChange),
    ChangeStatuses(Vec<(Under<JobId>, StatusChange)>),
    RetryJob(JobId, InitialStatus),
    ArchiveJob(JobId),
    UnarchiveJob(JobId),
    DeleteJob(JobId),
    AddDependency(JobId, JobId, DependencyKind),
    AddDependencies(Vec<(JobId, JobId, DependencyKind)>),
    RemoveDependency(JobId, JobId),
    RecordSubmission(Under<NewRemoteJob>),
    BeginSubmission(Under<NewRemoteJob>),
    ConfirmSubmission(Under<RemoteJobId>, Confirmation),
    AbandonSubmission(Under<RemoteJobId>, String),
    UpdateRemoteJob(Under<RemoteJobId>, RemoteJobPatch),
    ReportReached(ClusterId),
    ReportUnreachable(ClusterId, String),
    RecordResult(Under<JobId>, NewResult),
    RecordResults(Vec<(Under<JobId>, NewResult)>),
    ReplaceResult(Under<JobId>, NewResult),
    AddNote(JobId, String),
    CreateWorkflow(NewWorkflow),
    CancelWorkflow(String),
    RetryWorkflow(String, InitialStatus),
    EditTags(JobId, TagPatch),
}

impl Operation {
    /// Makes the call, on a store or in a unit of work; the answer is as it prints.
    ///
    /// # Errors
    /// Those of the method.
    pub fn perform(&self, w: &impl WriteUnit) -> Result<String> {
        match self {
            Self::CreateCluster(new) => w.create_cluster(new).map(print),
            Self::UpdateCluster(id, patch) => w.update_cluster(*id, patch).map(print),
            Self::DeleteCluster(id) => w.delete_cluster(*id).map(print),
            Self::ForceDeleteCluster(id) => w.force_delete_cluster(*id).map(print),
            Self::Claim(worker, filter, count, lease) => {
                w.claim(worker, filter, *count, *lease).map(print)
            }
            Self::Heartbeat(keys, lease) => w.heartbeat(keys, *lease).map(print),
            Self::Complete(key, completion) => w.complete(key, completion).map(print),
            Self::CompleteAndClaim(key, completion, worker, filter, count, lease) => {
                w.complete_and_claim(key, completion, worker, filter, *count, *lease).map(print)
            }
            Self::Fail(key, failure) => w.fail(key, failure).map(print),
            Self::Release(key, reason, not_before) => {
                w.release(key, reason.as_deref(), *not_before).map(print)
            }
            Self::EndRuns(ends) => w.end_runs(ends).map(print),
            Self::RecoverExpired(limit) => w.recover_expired(*limit).map(print),
            Self::RecoverLost(keys) => w.recover_lost(keys).map(print),
            Self::Adopt(job, worker, lease) => w.adopt(*job, worker, *lease).map(print),
            Self::RequestCancel(job, reason) => {
                w.request_cancel(*job, reason.as_deref()).map(print)
            }
            Self::CreateJob(new) => w.create_job(new).map(print),
            Self::CreateJobs(new) => w.create_jobs(new).map(print),
            Self::UpdateJob(id, patch) => w.update_job(*id, patch).map(print),
            Self::ReplaceInput(id, deck) => w.replace_input(*id, deck).map(print),
            Self::ChangeStatus(id, change) => w.change_status(*id, change).map(print),
            Self::ChangeStatuses(changes) => w.change_statuses(changes).map(print),
            Self::RetryJob(id, to) => w.retry_job(*id, *to).map(print),
            Self::ArchiveJob(id) => w.archive_job(*id).map(print),
            Self::UnarchiveJob(id) => w.unarchive_job(*id).map(print),
            Self::DeleteJob(id) => w.delete_job(*id).map(print),
            Self::AddDependency(job, on, kind) => w.add_dependency(*job, *on, *kind).map(print),
            Self::AddDependencies(edges) => w.add_dependencies(edges).map(print),
            Self::RemoveDependency(job, on) => w.remove_dependency(*job, *on).map(print),
            Self::RecordSubmission(new) => w.record_submission(new.clone()).map(print),
            Self::BeginSubmission(new) => w.begin_submission(new.clone()).map(print),
            Self::ConfirmSubmission(id, answer) => w.confirm_submission(*id, answer).map(print),
            Self::AbandonSubmission(id, reason) => w.abandon_submission(*id, reason).map(print),
            Self::ReportReached(id) => w.report_reached(*id).map(print),
            Self::ReportUnreachable(id, reason) => w.report_unreachable(*id, reason).map(print),
            Self::UpdateRemoteJob(id, patch) => w.update_remote_job(*id, patch).map(print),
            Self::RecordResult(job, result) => w.record_result(*job, result).map(print),
            Self::RecordResults(results) => w.record_results(results).map(print),
            Self::ReplaceResult(job, result) => w.replace_result(*job, result).map(print),
            Self::AddNote(job, text) => w.add_note(*job, text).map(print),
            Self::CreateWorkflow(new) => w.create_workflow(new).map(print),
            Self::CancelWorkflow(name) => w.cancel_workflow(name).map(print),
            Self::RetryWorkflow(name, to) => w.retry_workflow(name, *to).map(print),
            Self::EditTags(job, patch) => w.edit_tags(*job, patch).map(print),
        }
    }
}

/// How a unit of work ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It is committed, whatever errors its calls met.
    Commit,
    /// The first error of a call ends it; without one it is committed.
    AtFirstError,
    /// It is given up after all its calls.
    Abort,
}

/// One step of a sequence.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "almost all steps are calls")]
pub enum Step {
    /// The clock goes on.
    Wait {
        /// By so many microseconds.
        micros: u64,
    },
    /// Jobs that ended before a moment go for good, about so many.
    Prune(Timestamp, u64),
    /// They go into the second store, or are only counted.
    Move(Timestamp, u64, bool),
    /// A call straight on the store.
    Call(Operation),
    /// Several calls in a unit of work, which looks at everything before it ends.
    Unit(Vec<Operation>, End),
}

impl Step {
    /// Takes it on a store; the answer is as it prints.
    pub fn take<S: Store>(&self, Side { store, archive }: Side<'_, S>) -> String {
        match self {
            Self::Wait { .. } => String::new(),
            Self::Prune(moment, at_most) => {
                let old = Retention::finished_before(*moment).at_most(*at_most);
                print(store.prune(&old).map(facts))
            }
            Self::Move(moment, at_most, dry_run) => {
                let old = Retention::finished_before(*moment).at_most(*at_most).dry_run(*dry_run);
                print(store.move_finished(&old, archive).map(facts))
            }
            Self::Call(operation) => print(operation.perform(store)),
            Self::Unit(operations, end) => {
                let (operations, end) = (operations.clone(), *end);
                print(store.write(move |w| {
                    let mut answers = Vec::new();
                    for operation in &operations {
                        match operation.perform(w) {
                            Err(error) if end == End::AtFirstError => return Err(error),
                            answer => answers.push(print(answer)),
                        }
                    }
                    // The unit sees what it has done itself.
                    answers.extend(dump(w)?);
                    match end {
                        End::Abort => Err(Error::aborted(answers.join("\n"))),
                        End::Commit | End::AtFirstError => Ok(answers),
                    }
                }))
            }
        }
    }
}

/// What two backends say alike of what went: not in how many steps, nor which jobs that stay were looked at.
fn facts(report: RetentionReport) -> impl std::fmt::Debug {
    let RetentionReport { jobs, events, forgotten, changed, refused, complete, .. } = report;
    (jobs, events, forgotten, changed, refused, complete)
}

fn print(answer: impl std::fmt::Debug) -> String {
    format!("{answer:?}")
}
