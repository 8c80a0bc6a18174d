//! One call of each method that writes that is refused.

use std::time::Duration;

use crate::claim::ClaimFilter;
use crate::cluster::ClusterPatch;
use crate::dependency::DependencyKind;
use crate::error::{Error, Result};
use crate::ids::{ClusterId, JobId, LeaseToken};
use crate::job::JobPatch;
use crate::lease::LeaseKey;
use crate::patch::{Edit, Patch};
use crate::policy::FailureKind;
use crate::remote_job::{NewRemoteJob, RemoteJobPatch};
use crate::run::{Completion, Failure, RunEnd};
use crate::status::{InitialStatus, JobStatus, StatusChange};
use crate::store::WriteUnit;
use crate::submission::Confirmation;
use crate::tag::TagPatch;
use crate::workflow::NewWorkflow;

use super::acts::Act;
use super::cast::{Cast, HANDLE, LONG};
use super::samples::{
    full_cluster, full_job, job_at, sample_deck, sample_job, sample_result, sample_worker,
};

impl Act {
    /// Performs it so that it is refused; where it makes several changes, after the first of them.
    pub(super) fn be_refused<W: WriteUnit>(self, w: &W, cast: &Cast) -> Result<()> {
        let taken = ClusterPatch {
            name: Edit::Set("idle".to_owned()),
            port: Edit::Set(2222),
            ..ClusterPatch::default()
        };
        let nowhere = JobPatch {
            name: Edit::Set("renamed".to_owned()),
            cluster: Patch::Set(ClusterId::new(i64::MAX)),
            ..JobPatch::default()
        };
        let nameless = RemoteJobPatch {
            exit_code: Patch::Set(1),
            queue: Patch::Set(String::new()),
            ..RemoteJobPatch::default()
        };
        let orphan = sample_job("orphan")
            .with_input(sample_deck("MgO"))
            .after(cast.parent, DependencyKind::AfterOk)
            .after(JobId::new(i64::MAX), DependencyKind::AfterOk);
        let to_queued = StatusChange::to(JobStatus::Queued);
        let worker = sample_worker("act");
        let stale = LeaseKey { token: LeaseToken::new(cast.lease.token.get() + 1), ..cast.lease };
        match self.0 {
            "claim" => w.claim(&worker, &ClaimFilter::all(), 0, LONG).map(drop),
            "heartbeat" => w.heartbeat(&[cast.lease], Duration::ZERO).map(drop),
            "complete" => w.complete(&stale, &Completion::default()).map(drop),
            "complete_and_claim" => {
                let (filter, completion) = (ClaimFilter::all(), Completion::default());
                w.complete_and_claim(&cast.lease, &completion, &worker, &filter, 0, LONG).map(drop)
            }
            "fail" => w.fail(&stale, &Failure::of(FailureKind::unknown())).map(drop),
            "release" => w.release(&stale, None, None).map(drop),
            "end_runs" => {
                let mut unversioned = sample_result(-2.0);
                unversioned.document.version = 0;
                let mut ends = vec![(cast.lease, RunEnd::from(Completion::default()))];
                let other = w.lease_of(cast.lapsed)?.map(|lease| lease.key());
                ends.extend(other.map(|key| (key, Completion::with(unversioned).into())));
                w.end_runs(&ends).map(drop)
            }
            // Nothing that could be given to these two is refused.
            "recover_expired" | "recover_lost" => Err(Error::aborted("not called")),
            "adopt" => w.adopt(cast.held, &worker, LONG).map(drop),
            "request_cancel" => w.request_cancel(cast.held, Some("\0")).map(drop),
            "create_cluster" => w.create_cluster(&full_cluster("busy")).map(drop),
            "update_cluster" => w.update_cluster(cast.cluster, &taken).map(drop),
            "delete_cluster" => w.delete_cluster(cast.cluster),
            "force_delete_cluster" => w.force_delete_cluster(ClusterId::new(i64::MAX)).map(drop),
            "add_dependency" => w.add_dependency(cast.parent, cast.child, DependencyKind::AfterOk),
            "add_dependencies" => w.add_dependencies(&[
                (cast.child, cast.failed, DependencyKind::AfterAny),
                (cast.parent, cast.child, DependencyKind::AfterOk),
            ]),
            "remove_dependency" => w.remove_dependency(cast.child, cast.failed),
            "add_note" => w.add_note(cast.child, " ").map(drop),
            "create_job" => w.create_job(&orphan).map(drop),
            "create_jobs" => {
                let jobs = [
                    full_job("one", cast.cluster, cast.parent),
                    job_at("two", "/a"),
                    job_at("three", "/a"),
                ];
                w.create_jobs(&jobs).map(drop)
            }
            "update_job" => w.update_job(cast.child, &nowhere).map(drop),
            "replace_input" => w.replace_input(cast.running, &sample_deck("CaO")),
            "change_status" => w.change_status(cast.completed, &to_queued).map(drop),
            "change_statuses" => {
                let changes = [(cast.child, to_queued.clone()), (cast.completed, to_queued)];
                w.change_statuses(&changes).map(drop)
            }
            "retry_job" => w.retry_job(cast.completed, InitialStatus::Queued).map(drop),
            "archive_job" => w.archive_job(cast.running),
            "unarchive_job" => w.unarchive_job(JobId::new(i64::MAX)),
            "delete_job" => w.delete_job(cast.parent),
            "record_submission" => {
                let new = NewRemoteJob::new(cast.child, cast.cluster, HANDLE);
                w.record_submission(&new).map(drop)
            }
            "begin_submission" => {
                w.begin_submission(NewRemoteJob::intended(cast.running, cast.cluster)).map(drop)
            }
            "confirm_submission" => {
                w.confirm_submission(cast.intent, &Confirmation::new(HANDLE)).map(drop)
            }
            "abandon_submission" => w.abandon_submission(cast.remote, "not there").map(drop),
            "update_remote_job" => w.update_remote_job(cast.remote, &nameless).map(drop),
            "report_reached" => w.report_reached(ClusterId::new(i64::MAX)).map(drop),
            "report_unreachable" => w.report_unreachable(cast.cluster, " ").map(drop),
            "record_result" => w.record_result(cast.running, &sample_result(-2.0)).map(drop),
            "record_results" => {
                let results =
                    [(cast.completed, sample_result(-2.0)), (cast.running, sample_result(-2.0))];
                w.record_results(&results).map(drop)
            }
            "replace_result" => w.replace_result(cast.child, &sample_result(-3.0)).map(drop),
            "create_workflow" => {
                let new = NewWorkflow::new("new").job("one", job_at("one", "/a"));
                w.create_workflow(&new.job("two", job_at("two", "/a"))).map(drop)
            }
            "cancel_workflow" => w.cancel_workflow("nowhere").map(drop),
            "retry_workflow" => w.retry_workflow("nowhere", InitialStatus::Queued).map(drop),
            "edit_tags" => {
                let patch = TagPatch::set("a", "b").and_set("c", "").and_remove("campaign");
                w.edit_tags(cast.child, &patch).map(drop)
            }
            other => unreachable!("{other} is not an act"),
        }
    }
}
