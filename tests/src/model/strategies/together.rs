//! Many jobs that are claimed together, and end or change together.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::sample::select;
use store_core::{
    ClaimFilter, Code, InitialStatus, JobId, JobPolicy, JobStatus, JobUuid, LeaseKey, LeaseToken,
    NewJob, Parallelism, Placement, StatusChange, Under, WorkDir, Worker,
};

use std::time::Duration;

use super::claims::run_end;
use super::jobs::policy;
use super::values::kind;
use crate::model::operation::Operation;

/// The jobs that are claimed; those that wait for them have the next ids.
const CLAIMED: i64 = 12;
const WAITING: i64 = 6;

/// The calls: jobs are created and claimed, and then most of them end, and some change, several in
/// a call; at last all that can be is cancelled or retried.
pub(super) fn together() -> impl Strategy<Value = Vec<Operation>> {
    let new = |number: i64, policy, priority| {
        let base = WorkDir::new("/scratch").expect("an absolute directory");
        NewJob {
            policy,
            priority,
            // Jobs with other needs are in another lane.
            parallelism: Parallelism {
                nodes: u32::try_from(1 + number % 3).ok(),
                ..Parallelism::default()
            },
            workflow: Some("screening".to_owned()),
            uuid: Some(JobUuid::from_bytes([u8::try_from(number).unwrap_or(0); 16])),
            ..NewJob::new("MgO", Code::Crystal, Placement::Under(base)).queued()
        }
    };
    let count = usize::try_from(CLAIMED).unwrap_or(0);
    // One that is refused would keep all of them away.
    let policy = || {
        policy().prop_map(|policy| match policy.check() {
            Ok(()) => policy,
            Err(_) => {
                JobPolicy { on_unsatisfiable: policy.on_unsatisfiable, ..JobPolicy::default() }
            }
        })
    };
    let claimed = vec((policy(), any::<i32>()), count).prop_map(move |given| {
        let jobs = (1..).zip(given);
        jobs.map(|(number, (policy, priority))| new(number, policy, priority)).collect()
    });
    let edges = || vec((1..=CLAIMED, kind()), 1..4);
    let count = usize::try_from(WAITING).unwrap_or(0);
    let waiting = vec((policy(), edges()), count).prop_map(move |given| {
        let jobs = (CLAIMED + 1..).zip(given);
        let job = |(number, (policy, edges)): (i64, (_, Vec<(i64, _)>))| {
            let parents = edges.into_iter().map(|(on, kind)| (JobId::new(on), kind));
            NewJob { dependencies: parents.collect(), ..new(number, policy, 0) }
        };
        jobs.map(job).collect()
    });
    let key = || {
        (1..=CLAIMED).prop_map(|job| LeaseKey {
            job: JobId::new(job),
            attempt: 1,
            token: LeaseToken::new(1),
        })
    };
    let ends = move || vec((key(), run_end()), 1..24).prop_map(Operation::EndRuns);
    let to = select(vec![JobStatus::Cancelled, JobStatus::Pending, JobStatus::Queued]);
    let change = (1..=CLAIMED + WAITING, to)
        .prop_map(|(job, to)| (Under::from(JobId::new(job)), StatusChange::to(to)));
    let changes = vec(change, 1..5).prop_map(Operation::ChangeStatuses);
    let workflow = || "screening".to_owned();
    let all = || {
        let retry = Operation::RetryWorkflow(workflow(), InitialStatus::Queued);
        select(vec![Operation::CancelWorkflow(workflow()), retry])
    };
    let claims = || {
        let worker = Worker::new("slot 1", "node-17", 4711);
        let hour = Duration::from_secs(3_600);
        (6u32..24).prop_map(move |count| {
            Operation::Claim(worker.clone(), ClaimFilter::all(), count, hour)
        })
    };
    (claimed, waiting, (claims(), ends(), changes), (claims(), ends(), all(), all())).prop_map(
        |(claimed, waiting, (claim, first, changes), (again, last, one, other))| {
            let create = [Operation::CreateJobs(claimed), Operation::CreateJobs(waiting)];
            create.into_iter().chain([claim, first, changes, again, last, one, other]).collect()
        },
    )
}
