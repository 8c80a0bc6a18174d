//! Every method that writes, as data: one call of each that changes something, and the events that it
//! writes; `refusals.rs` has one of each that is refused. Promises that hold for all of them go
//! through the list.

use crate::claim::ClaimFilter;
use crate::cluster::ClusterPatch;
use crate::dependency::DependencyKind;
use crate::error::{Error, Result};
use crate::event::{EventKind, Subject};
use crate::ids::{ClusterId, JobId};
use crate::job::JobPatch;
use crate::lease::Heartbeat;
use crate::patch::{Edit, Patch};
use crate::policy::FailureKind;
use crate::remote_job::{NewRemoteJob, RemoteJobPatch};
use crate::run::{Cancellation, Completion, Ended, Failure};
use crate::status::{InitialStatus, JobStatus, StatusChange};
use crate::store::WriteUnit;
use crate::submission::Confirmation;
use crate::tag::TagPatch;
use crate::workflow::NewWorkflow;

use super::cast::{Cast, LONG, WORKFLOW};
use super::samples::{
    full_cluster, full_job, sample_deck, sample_job, sample_result, sample_worker,
};

/// A call of one method that writes; its word is the method's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Act(pub(super) &'static str);

impl Act {
    /// One act for each method. A test compares it with the traits.
    pub(super) const ALL: &'static [Self] = &[
        Self("claim"),
        Self("heartbeat"),
        Self("complete"),
        Self("complete_and_claim"),
        Self("fail"),
        Self("release"),
        Self("end_runs"),
        Self("recover_expired"),
        Self("recover_lost"),
        Self("adopt"),
        Self("request_cancel"),
        Self("create_cluster"),
        Self("update_cluster"),
        Self("delete_cluster"),
        Self("force_delete_cluster"),
        Self("add_dependency"),
        Self("add_dependencies"),
        Self("remove_dependency"),
        Self("add_note"),
        Self("create_job"),
        Self("create_jobs"),
        Self("update_job"),
        Self("replace_input"),
        Self("change_status"),
        Self("change_statuses"),
        Self("retry_job"),
        Self("archive_job"),
        Self("unarchive_job"),
        Self("delete_job"),
        Self("record_submission"),
        Self("begin_submission"),
        Self("confirm_submission"),
        Self("abandon_submission"),
        Self("update_remote_job"),
        Self("report_reached"),
        Self("report_unreachable"),
        Self("record_result"),
        Self("record_results"),
        Self("replace_result"),
        Self("create_workflow"),
        Self("cancel_workflow"),
        Self("retry_workflow"),
        Self("edit_tags"),
    ];

    /// Performs it so that it changes something.
    pub(super) fn perform<W: WriteUnit>(self, w: &W, cast: &Cast) -> Result<()> {
        let priority = JobPatch { priority: Edit::Set(7), ..JobPatch::default() };
        let port = ClusterPatch { port: Edit::Set(2222), ..ClusterPatch::default() };
        let ended = RemoteJobPatch {
            exit_code: Patch::Set(0),
            ended_at: Edit::Set(super::samples::BEGINNING),
            ..RemoteJobPatch::default()
        };
        let to_queued = StatusChange::to(JobStatus::Queued);
        let to_completed = StatusChange::to(JobStatus::Completed);
        let worker = sample_worker("act");
        let with_result = Completion::with(sample_result(-4.0));
        let failure = Failure::of(FailureKind::unknown()).because("a bus error");
        match self.0 {
            "claim" => some(w.claim(&worker, &ClaimFilter::all(), 1, LONG)?),
            "heartbeat" => {
                let beats = w.heartbeat(&[cast.lease], LONG * 2)?;
                some(beats.into_iter().filter(|beat| matches!(beat, Heartbeat::Renewed { .. })))
            }
            "complete" => w.complete(&cast.lease, &with_result).map(drop),
            "complete_and_claim" => {
                let (key, filter) = (&cast.lease, ClaimFilter::all());
                some(w.complete_and_claim(key, &with_result, &worker, &filter, 1, LONG)?.1)
            }
            "fail" => w.fail(&cast.lease, &failure).map(drop),
            "release" => w.release(&cast.lease, Some("going home"), None).map(drop),
            "end_runs" => {
                let ends = [(cast.lease, with_result.into()), (cast.lease, failure.into())];
                let landed =
                    |came_to: &_| matches!(came_to, Ok(ended) if *ended != Ended::Repeated);
                some(w.end_runs(&ends)?.into_iter().filter(landed))
            }
            "recover_expired" => some(w.recover_expired(10)?),
            "recover_lost" => some(w.recover_lost(&[cast.lease])?),
            "adopt" => w.adopt(cast.running, &worker, LONG).map(drop),
            "request_cancel" => {
                let answer = w.request_cancel(cast.held, Some("no need"))?;
                some((answer == Cancellation::Requested).then_some(answer))
            }
            "create_cluster" => w.create_cluster(&full_cluster("new")).map(drop),
            "update_cluster" => w.update_cluster(cast.cluster, &port).map(drop),
            "delete_cluster" => w.delete_cluster(cast.idle_cluster),
            "force_delete_cluster" => w.force_delete_cluster(cast.cluster).map(drop),
            "add_dependency" => w.add_dependency(cast.child, cast.failed, DependencyKind::AfterAny),
            "add_dependencies" => w.add_dependencies(&[
                (cast.child, cast.failed, DependencyKind::AfterAny),
                (cast.parent, cast.failed, DependencyKind::AfterAny),
            ]),
            "remove_dependency" => w.remove_dependency(cast.child, cast.parent),
            "add_note" => w.add_note(cast.child, "a note").map(drop),
            "create_job" => w.create_job(&full_job("new", cast.cluster, cast.parent)).map(drop),
            "create_jobs" => {
                let jobs = [sample_job("one"), full_job("two", cast.cluster, cast.parent)];
                w.create_jobs(&jobs).map(drop)
            }
            "update_job" => w.update_job(cast.child, &priority).map(drop),
            "replace_input" => w.replace_input(cast.child, &sample_deck("CaO")),
            "change_status" => w.change_status(cast.child, &to_queued).map(drop),
            "change_statuses" => {
                let changes = [(cast.child, to_queued), (cast.running, to_completed)];
                w.change_statuses(&changes).map(drop)
            }
            "retry_job" => w.retry_job(cast.failed, InitialStatus::Queued).map(drop),
            "archive_job" => w.archive_job(cast.completed),
            "unarchive_job" => w.unarchive_job(cast.archived),
            "delete_job" => w.delete_job(cast.child),
            "record_submission" => {
                let new = NewRemoteJob::new(cast.child, cast.cluster, "4712");
                w.record_submission(&new).map(drop)
            }
            "begin_submission" => {
                w.begin_submission(NewRemoteJob::intended(cast.child, cast.cluster)).map(drop)
            }
            "confirm_submission" => {
                w.confirm_submission(cast.intent, &Confirmation::new("4713")).map(drop)
            }
            "abandon_submission" => w.abandon_submission(cast.intent, "not there").map(drop),
            "update_remote_job" => w.update_remote_job(cast.remote, &ended).map(drop),
            "report_reached" => w.report_reached(cast.cluster).map(drop),
            "report_unreachable" => w.report_unreachable(cast.cluster, "timed out").map(drop),
            "record_result" => w.record_result(cast.completed, &sample_result(-2.0)).map(drop),
            "record_results" => {
                let results =
                    [(cast.completed, sample_result(-2.0)), (cast.failed, sample_result(-2.5))];
                w.record_results(&results).map(drop)
            }
            "replace_result" => w.replace_result(cast.running, &sample_result(-3.0)).map(drop),
            "create_workflow" => {
                let new = NewWorkflow::new("new").job("one", sample_job("one"));
                let after = [("one", DependencyKind::AfterOk)];
                w.create_workflow(&new.job_after("two", sample_job("two"), after)).map(drop)
            }
            "cancel_workflow" => w.cancel_workflow(WORKFLOW).map(drop),
            "retry_workflow" => w.retry_workflow(WORKFLOW, InitialStatus::Queued).map(drop),
            "edit_tags" => {
                let patch = TagPatch::set("checked by", "ada").and_remove("campaign");
                w.edit_tags(cast.child, &patch).map(drop)
            }
            other => unreachable!("{other} is not an act"),
        }
    }

    /// The events that [`perform`](Self::perform) writes.
    pub(super) fn events(self, cast: &Cast) -> Vec<(Subject, EventKind)> {
        let next = |ahead| JobId::new(cast.completed.get() + ahead);
        let of = |id, kind| {
            let attempt = if kind == EventKind::Retried { 2 } else { 1 };
            (Subject::Job { id, attempt }, kind)
        };
        let of_cluster = |id, kind| (Subject::Cluster(id), kind);
        match self.0 {
            "claim" => vec![of(cast.queued, EventKind::Claimed)],
            "complete" | "end_runs" => {
                vec![
                    of(cast.held, EventKind::ResultRecorded),
                    of(cast.held, EventKind::StatusChanged),
                ]
            }
            "complete_and_claim" => vec![
                of(cast.held, EventKind::ResultRecorded),
                of(cast.held, EventKind::StatusChanged),
                of(cast.queued, EventKind::Claimed),
            ],
            "fail" => vec![of(cast.held, EventKind::StatusChanged)],
            "release" | "recover_lost" => vec![of(cast.held, EventKind::Requeued)],
            "recover_expired" => vec![of(cast.lapsed, EventKind::Requeued)],
            "adopt" => vec![of(cast.running, EventKind::Adopted)],
            "request_cancel" => vec![of(cast.held, EventKind::CancelRequested)],
            "heartbeat" | "report_reached" | "report_unreachable" => vec![],
            "create_cluster" => {
                let new = ClusterId::new(cast.idle_cluster.get() + 1);
                vec![of_cluster(new, EventKind::ClusterCreated)]
            }
            "update_cluster" => vec![of_cluster(cast.cluster, EventKind::ClusterUpdated)],
            "delete_cluster" => vec![of_cluster(cast.idle_cluster, EventKind::ClusterDeleted)],
            "force_delete_cluster" => vec![of_cluster(cast.cluster, EventKind::ClusterDeleted)],
            "delete_job" => vec![of(cast.child, EventKind::Deleted)],
            "add_dependency" => vec![of(cast.child, EventKind::DependencyAdded)],
            "add_dependencies" => vec![
                of(cast.child, EventKind::DependencyAdded),
                of(cast.parent, EventKind::DependencyAdded),
            ],
            "remove_dependency" => vec![of(cast.child, EventKind::DependencyRemoved)],
            "add_note" => vec![of(cast.child, EventKind::Noted)],
            "create_job" => vec![of(next(1), EventKind::Created)],
            "create_jobs" | "create_workflow" => {
                vec![of(next(1), EventKind::Created), of(next(2), EventKind::Created)]
            }
            "update_job" => vec![of(cast.child, EventKind::Updated)],
            "replace_input" => vec![of(cast.child, EventKind::InputReplaced)],
            "change_status" => vec![of(cast.child, EventKind::StatusChanged)],
            "change_statuses" => vec![
                of(cast.child, EventKind::StatusChanged),
                of(cast.running, EventKind::StatusChanged),
            ],
            "retry_job" => vec![of(cast.failed, EventKind::Retried)],
            "archive_job" => vec![of(cast.completed, EventKind::Archived)],
            "unarchive_job" => vec![of(cast.archived, EventKind::Unarchived)],
            "record_submission" => vec![of(cast.child, EventKind::Submitted)],
            "begin_submission" => vec![of(cast.child, EventKind::SubmissionIntended)],
            "confirm_submission" => vec![of(cast.parent, EventKind::Submitted)],
            "abandon_submission" => vec![of(cast.parent, EventKind::SubmissionAbandoned)],
            "update_remote_job" => vec![of(cast.running, EventKind::RemoteJobUpdated)],
            "record_result" => vec![of(cast.completed, EventKind::ResultRecorded)],
            "record_results" => vec![
                of(cast.completed, EventKind::ResultRecorded),
                of(cast.failed, EventKind::ResultRecorded),
            ],
            "replace_result" => vec![of(cast.running, EventKind::ResultReplaced)],
            "cancel_workflow" => vec![of(cast.planned, EventKind::StatusChanged)],
            "retry_workflow" => vec![of(cast.broken, EventKind::Retried)],
            "edit_tags" => vec![of(cast.child, EventKind::Tagged)],
            other => unreachable!("{other} is not an act"),
        }
    }
}

/// Errs where a method had nothing to do, which is no error of its own.
fn some<T>(done: impl IntoIterator<Item = T>) -> Result<()> {
    match done.into_iter().next() {
        Some(_) => Ok(()),
        None => Err(Error::aborted("there was nothing to do")),
    }
}

#[cfg(test)]
mod tests {
    use super::Act;

    #[test]
    fn every_method_that_writes_has_an_act() {
        let mut methods = Vec::new();
        for source in [
            include_str!("../repo/claims.rs"),
            include_str!("../repo/clusters.rs"),
            include_str!("../repo/dependencies.rs"),
            include_str!("../repo/events.rs"),
            include_str!("../repo/jobs.rs"),
            include_str!("../repo/remote_jobs.rs"),
            include_str!("../repo/results.rs"),
            include_str!("../repo/workflows.rs"),
            include_str!("../repo/tags.rs"),
        ] {
            let (_, writing) = source.split_once("Write: ").expect("a trait that writes");
            let (declared, _) = writing.split_once("\n}\n").expect("the trait's end");
            let names = declared
                .lines()
                .filter_map(|line| line.strip_prefix("    fn ")?.split(['(', '<']).next());
            methods.extend(names);
        }
        let acts: Vec<&str> = Act::ALL.iter().map(|act| act.0).collect();
        assert_eq!(methods, acts);
    }
}
