//! Submissions to clusters, and what clusters report on them.

use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use store_core::{
    Confirmation, Edit, NewRemoteJob, RemoteJobId, RemoteJobPatch, RemotePhase, SubmissionToken,
    Timestamp,
};

use super::clusters::settings;
use super::values::{cluster_id, edit, job_id, patch, word};

pub(super) fn remote_id() -> impl Strategy<Value = RemoteJobId> + Clone {
    prop_oneof![16 => 1i64..5, 1 => Just(99)].prop_map(RemoteJobId::new)
}

pub(super) fn submission() -> impl Strategy<Value = NewRemoteJob> {
    let handle = select(vec!["1", "1", "2", "2", "3", "3", ""]);
    let attempt = option::weighted(0.1, 0u32..4);
    (job_id(), cluster_id(), handle, option::of(word()), attempt).prop_map(
        |(job, cluster, handle, queue, attempt)| NewRemoteJob {
            queue,
            attempt,
            ..NewRemoteJob::new(job, cluster, handle)
        },
    )
}

/// Few tokens, always given, because a store would make one up.
pub(super) fn intent() -> impl Strategy<Value = NewRemoteJob> {
    (submission(), 0u8..12, 0u8..20).prop_map(|(submission, token, odd)| NewRemoteJob {
        handle: submission.handle.filter(|_| odd == 0),
        token: Some(SubmissionToken::from_bytes([token; 16])),
        ..submission
    })
}

pub(super) fn confirmation() -> impl Strategy<Value = Confirmation> {
    let handle = select(vec!["1", "2", "3", "4", ""]);
    let told = option::weighted(0.3, select(vec![0i64, 1, i64::MAX]));
    (handle, told).prop_map(|(handle, told)| Confirmation {
        submitted_at: told.map(Timestamp::from_micros),
        ..Confirmation::new(handle)
    })
}

pub(super) fn remote_patch() -> impl Strategy<Value = RemoteJobPatch> {
    let ended =
        edit(select(vec![0i64, 1, -5, i64::MIN, i64::MAX]).prop_map(Timestamp::from_micros));
    let metadata = edit(settings()).prop_map(|edit| match edit {
        Edit::Keep => Edit::Keep,
        Edit::Set(settings) => Edit::Set(settings.as_map().clone()),
    });
    let phase = edit(select(RemotePhase::ALL));
    (phase, patch(word()), patch(any::<i32>()), ended, metadata).prop_map(
        |(phase, scheduler_state, exit_code, ended_at, metadata)| RemoteJobPatch {
            phase,
            scheduler_state,
            exit_code,
            ended_at,
            metadata,
            ..RemoteJobPatch::default()
        },
    )
}
