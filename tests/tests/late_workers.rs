//! A worker that stood still while its job went on writes nothing into the run of another, in whatever
//! process; and the handle that it comes back with is kept, so that what it started can be cancelled.

use std::time::Duration;

use rustix::process::Signal;
use store_core::{
    ClaimFilter, ClusterId, ClusterKind, Completion, Confirmation, Convergence, Error, Failure,
    JobStatus, Lease, LeaseKey, LeaseLoss, NewCluster, NewRemoteJob, NewResult, RemoteJobPatch,
    RemotePhase, Result, StatusChange, Under, prelude::*,
};
use store_sqlite::worker::this_worker;
use store_sqlite::{CheckDepth, Options, SqliteStore};
use tests::child::{self, Child, Stage};
use tests::{TestResult, jobs};

/// So long that it does not lapse while a test runs.
const LEASE: Duration = Duration::from_secs(24 * 60 * 60);

fn claim(store: &SqliteStore, name: &str) -> TestResult<Lease> {
    let claim = store.claim(&this_worker(name), &ClaimFilter::all(), 1, LEASE)?.pop();
    Ok(claim.ok_or("there is a job to claim")?.lease)
}

fn result_of(convergence: Convergence) -> NewResult {
    NewResult::new(convergence)
}

/// A part: claims a job, begins to submit it, and reports all that a worker can once it may go on.
fn work(stage: &Stage) -> TestResult {
    let store = Options::new(stage.argument(0)).open()?;
    let cluster: ClusterId = stage.argument(1).parse()?;
    let key = claim(&store, "child")?.key();
    let intent = store.begin_submission(NewRemoteJob::intended(key.job, cluster).under(key))?.id;
    stage.say("begun");
    stage.listen();
    let shown: Under<_> =
        if stage.argument(2) == "under its lease" { key.into() } else { key.job.into() };
    let tell = |what: &str, answer: Result<()>| match answer {
        Ok(()) => stage.say(&format!("{what}: taken")),
        Err(Error::LeaseLost { key: lost, loss, .. }) => {
            assert_eq!(lost, key);
            stage.say(&format!("{what}: {loss:?}"));
        }
        Err(other) => stage.say(&format!("{what}: {other}")),
    };
    let unconverged = result_of(Convergence::NotConverged);
    tell("record_result", store.record_result(shown, &unconverged).map(drop));
    tell("record_results", store.record_results(&[(shown, unconverged)]).map(drop));
    if shown.lease.is_none() {
        return Ok(());
    }
    let failed = StatusChange::to(JobStatus::Failed);
    tell("change_status", store.change_status(key, &failed).map(drop));
    tell("complete", store.complete(&key, &Completion::default()).map(drop));
    let failure = Failure::of("timeout".parse()?);
    tell("fail", store.fail(&key, &failure).map(drop));
    tell("release", store.release(&key, None, None).map(drop));
    let again = NewRemoteJob::intended(key.job, cluster).under(key);
    tell("begin_submission", store.begin_submission(again).map(drop));
    let running = RemoteJobPatch::phase(RemotePhase::Running);
    tell("update_remote_job", store.update_remote_job(intent.under(key), &running).map(drop));
    let given_up = store.abandon_submission(intent.under(key), "it took too long");
    tell("abandon_submission", given_up.map(drop));
    let handle = Confirmation::new("4711");
    tell("confirm_submission", store.confirm_submission(intent.under(key), &handle).map(drop));
    stage.listen();
    tell("the handle alone", store.confirm_submission(intent, &handle).map(drop));
    Ok(())
}

#[test]
fn child_process() -> TestResult {
    child::enter(&[("work", work)])
}

/// A worker that stands still in another process, and what has become of its job meanwhile.
struct Scene {
    _scratch: tempfile::TempDir,
    store: SqliteStore,
    cluster: ClusterId,
    late: Child,
    /// Of whoever has the job now.
    key: LeaseKey,
}

fn scene(shown: &str) -> TestResult<Scene> {
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("project.db");
    let store = Options::new(&path).open()?;
    let cluster = NewCluster::new("archer", ClusterKind::Slurm, "login.example.org");
    let cluster = store.create_cluster(&cluster)?.id;
    store.create_job(&jobs::sample("MgO").queued())?;
    let path = path.to_str().ok_or("a temporary path is text")?;
    let mut late = Child::begin("work", &[path, &cluster.to_string(), shown])?;
    late.expect("begun")?;
    late.signal(Signal::STOP)?;
    // Somebody takes it for dead.
    let lost = store.leases()?.pop().ok_or("it holds a lease")?.key();
    assert_eq!(store.recover_lost(&[lost])?.len(), 1);
    let key = claim(&store, "next")?.key();
    assert_eq!((key.job, key.attempt), (lost.job, lost.attempt + 1));
    late.signal(Signal::CONT)?;
    Ok(Scene { _scratch: scratch, store, cluster, late, key })
}

#[test]
fn a_worker_that_stood_still_is_refused_in_everything_and_its_handle_is_kept() -> TestResult {
    let Scene { _scratch, store, cluster, mut late, key } = scene("under its lease")?;
    let place = store.newest_sequence()?;
    late.tell("go on")?;
    for report in [
        "record_result",
        "record_results",
        "change_status",
        "complete",
        "fail",
        "release",
        "begin_submission",
        "update_remote_job",
        "abandon_submission",
        "confirm_submission",
    ] {
        late.expect(&format!("{report}: {:?}", LeaseLoss::ClaimedAgain))?;
    }
    assert_eq!(store.events_after(place, 10)?, [], "nothing was written");
    assert_eq!(store.results_of(key.job)?, []);
    assert_eq!(store.check_lease(&key)?.key(), key);
    // What it started is to be cancelled, by its token as long as nobody knows the handle.
    let listed = store.submissions_to_cancel(cluster)?;
    let [intent] = &listed[..] else { return Err(format!("{listed:?}").into()) };
    assert!(intent.submission.handle.is_none() && intent.submission.token.is_some());
    assert_eq!(store.pending_intents(Some(cluster))?, listed);

    late.tell("go on")?;
    late.expect("the handle alone: taken")?;
    late.finish()?;
    let listed = store.submissions_to_cancel(cluster)?;
    let [submission] = &listed[..] else { return Err(format!("{listed:?}").into()) };
    assert_eq!(submission.id, intent.id);
    assert_eq!(submission.submission.handle.as_deref(), Some("4711"));
    // Whoever has the job now submits it under an intent of its own.
    store.begin_submission(NewRemoteJob::intended(key.job, cluster).under(key))?;
    store.complete(&key, &Completion::with(result_of(Convergence::Converged)))?;
    let report = store.check(CheckDepth::Full)?;
    assert!(report.is_ok(), "{report:?}");
    Ok(())
}

/// The control: who does not show its lease spoils the run of another.
#[test]
fn without_its_lease_the_late_result_lands_in_the_run_of_another() -> TestResult {
    let Scene { _scratch, store, mut late, key, .. } = scene("without its lease")?;
    late.tell("go on")?;
    late.expect("record_result: taken")?;
    late.expect("record_results: taken")?;
    late.finish()?;
    let stored = store.newest_result(key.job)?.ok_or("it was taken")?;
    assert_eq!(
        (stored.attempt, stored.result.convergence),
        (key.attempt, Convergence::NotConverged)
    );
    let spoilt = store.complete(&key, &Completion::with(result_of(Convergence::Converged)));
    assert!(matches!(spoilt, Err(Error::Conflict { .. })), "{spoilt:?}");
    Ok(())
}
