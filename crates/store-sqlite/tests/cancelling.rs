//! What is to be cancelled at a scheduler, where the wish is only a column so far.

mod common;

use store_core::prelude::*;
use store_core::{ClusterKind, JobStatus, NewCluster, NewRemoteJob, StatusChange};

use common::{Outcome, another_program, job, open, scratch};

#[test]
fn the_submission_of_a_run_that_is_to_stop_is_to_be_cancelled() -> Outcome {
    let (_scratch, path) = scratch();
    let store = open(&path);
    let slurm = NewCluster::new("archer", ClusterKind::Slurm, "login.example.org");
    let cluster = store.create_cluster(&slurm)?.id;
    let mut remotes = Vec::new();
    for name in ["MgO", "CaO"] {
        let job = store.create_job(&job(name))?.id;
        store.change_status(job, &StatusChange::to(JobStatus::Running))?;
        remotes.push(store.record_submission(NewRemoteJob::new(job, cluster, name))?);
    }
    assert_eq!(store.submissions_to_cancel(cluster)?, []);
    let asked = remotes.remove(1);
    another_program(&path).execute(
        "UPDATE jobs SET cancel_requested_at = 1 WHERE id = ?1",
        [asked.submission.job.get()],
    )?;
    assert_eq!(store.submissions_to_cancel(cluster)?, [asked]);
    Ok(())
}
