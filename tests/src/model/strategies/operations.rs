//! Calls of every method that writes, the common ones more often.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{BoxedStrategy, Strategy, prop_oneof};
use proptest::sample::select;
use store_core::InitialStatus;

use crate::model::operation::Operation;

use super::claims::{
    claim_filter, completion, failure, held, held_job, lease, lease_key, run_end, worker,
};
use super::clusters::{cluster, cluster_patch};
use super::jobs::{change, deck, job, job_patch, tag_patch};
use super::results::result;
use super::submissions::{confirmation, intent, remote_id, remote_patch, submission};
use super::values::{cluster_id, job_id, kind, moment, texts, word};
use super::workflows::workflow;

pub(super) fn operation() -> BoxedStrategy<Operation> {
    use Operation as O;
    let initial = select(vec![InitialStatus::Pending, InitialStatus::Queued]);
    let jobs = prop_oneof![
        10 => job().prop_map(O::CreateJob),
        2 => vec(job(), 0..4).prop_map(O::CreateJobs),
        4 => (job_id(), job_patch()).prop_map(|(id, patch)| O::UpdateJob(id, patch)),
        3 => (job_id(), deck()).prop_map(|(id, deck)| O::ReplaceInput(id, deck)),
        14 => (held_job(), change()).prop_map(|(job, change)| O::ChangeStatus(job, change)),
        3 => vec((held_job(), change()), 0..4).prop_map(O::ChangeStatuses),
        6 => (job_id(), initial).prop_map(|(id, to)| O::RetryJob(id, to)),
        4 => job_id().prop_map(O::ArchiveJob),
        2 => job_id().prop_map(O::UnarchiveJob),
        2 => job_id().prop_map(O::DeleteJob),
        2 => (job_id(), texts()).prop_map(|(id, text)| O::AddNote(id, text)),
        4 => (job_id(), tag_patch()).prop_map(|(id, patch)| O::EditTags(id, patch)),
    ];
    let edges = prop_oneof![
        3 => (job_id(), job_id(), kind()).prop_map(|(job, on, kind)| O::AddDependency(job, on, kind)),
        2 => vec((job_id(), job_id(), kind()), 1..5).prop_map(O::AddDependencies),
        6 => (job_id(), job_id()).prop_map(|(job, on)| O::RemoveDependency(job, on)),
    ];
    let results = prop_oneof![
        4 => (held_job(), result()).prop_map(|(job, result)| O::RecordResult(job, result)),
        3 => vec((held_job(), result()), 0..4).prop_map(O::RecordResults),
        2 => (held_job(), result()).prop_map(|(job, result)| O::ReplaceResult(job, result)),
    ];
    let clusters = prop_oneof![
        1 => cluster_id().prop_map(O::ForceDeleteCluster),
        2 => cluster().prop_map(O::CreateCluster),
        2 => (cluster_id(), cluster_patch()).prop_map(|(id, patch)| O::UpdateCluster(id, patch)),
        1 => cluster_id().prop_map(O::DeleteCluster),
    ];
    let again = select(vec![InitialStatus::Pending, InitialStatus::Queued]);
    let workflows = prop_oneof![
        4 => workflow().prop_map(O::CreateWorkflow),
        2 => word().prop_map(O::CancelWorkflow),
        3 => (word(), again).prop_map(|(name, to)| O::RetryWorkflow(name, to)),
    ];
    let reason = || option::weighted(0.3, texts());
    let claims = prop_oneof![
        12 => (worker(), claim_filter(), 0u32..4, lease())
            .prop_map(|(worker, filter, count, lease)| O::Claim(worker, filter, count, lease)),
        3 => (vec(lease_key(), 1..3), lease()).prop_map(|(keys, lease)| O::Heartbeat(keys, lease)),
        9 => (lease_key(), completion()).prop_map(|(key, done)| O::Complete(key, done)),
        6 => ((lease_key(), completion()), worker(), claim_filter(), 0u32..4, lease()).prop_map(
            |((key, done), worker, filter, count, lease)| {
                O::CompleteAndClaim(key, done, worker, filter, count, lease)
            },
        ),
        6 => (lease_key(), failure()).prop_map(|(key, failure)| O::Fail(key, failure)),
        9 => (lease_key(), reason(), option::weighted(0.3, moment()))
            .prop_map(|(key, reason, not_before)| O::Release(key, reason, not_before)),
        9 => vec((lease_key(), run_end()), 0..5).prop_map(O::EndRuns),
        4 => (1u32..4).prop_map(O::RecoverExpired),
        2 => vec(lease_key(), 1..3).prop_map(O::RecoverLost),
        9 => (job_id(), worker(), lease())
            .prop_map(|(job, worker, lease)| O::Adopt(job, worker, lease)),
        3 => (job_id(), reason()).prop_map(|(job, reason)| O::RequestCancel(job, reason)),
    ];
    // Boxed: by value they would fill the stack of a test.
    let submissions = prop_oneof![
        4 => held(submission()).prop_map(O::RecordSubmission),
        6 => held(intent()).prop_map(O::BeginSubmission),
        6 => (held(remote_id()), confirmation()).prop_map(|(id, answer)| O::ConfirmSubmission(id, answer)),
        3 => (held(remote_id()), texts()).prop_map(|(id, reason)| O::AbandonSubmission(id, reason)),
        1 => cluster_id().prop_map(O::ReportReached),
        2 => (cluster_id(), texts()).prop_map(|(id, reason)| O::ReportUnreachable(id, reason)),
        5 => (held(remote_id()), remote_patch())
            .prop_map(|(id, patch)| O::UpdateRemoteJob(id, patch)),
    ];
    prop_oneof![
        12 => jobs.boxed(),
        8 => edges.boxed(),
        3 => workflows.boxed(),
        3 => results.boxed(),
        4 => clusters.boxed(),
        8 => submissions.boxed(),
        16 => claims.boxed(),
    ]
    .boxed()
}
