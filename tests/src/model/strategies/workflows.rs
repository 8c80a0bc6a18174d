//! Workflows.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::select;
use store_core::{JobUuid, NewJob, NewWorkflow};

use super::jobs::job;
use super::values::{kind, word};

/// Up to four jobs, which mostly wait for earlier ones.
pub(super) fn workflow() -> impl Strategy<Value = NewWorkflow> {
    let place = || select(vec![0usize, 0, 1, 1, 2, 3]);
    let name =
        prop_oneof![1 => word(), 3 => select(vec!["w1", "w2", "w3"]).prop_map(str::to_owned)];
    let edges = vec((place(), place(), kind()), 0..4);
    (name, vec(job(), 0..5), edges, any::<u8>()).prop_map(|(name, jobs, edges, number)| {
        let mut workflow = NewWorkflow::new(name);
        for (place, job) in jobs.into_iter().enumerate() {
            let mut uuid = [number; 16];
            uuid[15] = u8::try_from(place).unwrap_or(0);
            let uuid = Some(JobUuid::from_bytes(uuid));
            let job = NewJob { workflow: None, uuid, ..job };
            workflow = workflow.job(format!("job {place}"), job);
        }
        for (one, other, kind) in edges {
            // Now and then it is the later one that is waited for, or one that is not there.
            let (first, last) = (one.min(other), one.max(other));
            let (job, after) = if number % 7 == 0 { (first, last) } else { (last, first) };
            if let Some(job) = workflow.jobs.get_mut(job).filter(|_| job != after) {
                job.after.push((format!("job {after}"), kind));
            }
        }
        workflow
    })
}
