//! The jobs of a worker that was killed go on at once; those of a live one, and of one that nothing is
//! known of here, stay where they are.

use std::collections::BTreeMap;
use std::time::Duration;

use store_core::{
    Attempt, AttemptOutcome, Claim, ClaimFilter, Completion, Ended, Error, EventKind, JobId,
    JobPolicy, JobStatus, LeaseKey, LeaseLoss, LeaseToken, OnLapse, Process, Worker, prelude::*,
};
use store_sqlite::worker::this_worker;
use store_sqlite::{Options, SqliteStore};
use tests::child::{self, Child, Stage};
use tests::{TestResult, jobs};

/// So long that none of these leases lapses while a test runs.
const LEASE: Duration = Duration::from_secs(24 * 60 * 60);

fn key_in_words(key: &LeaseKey) -> String {
    format!("{} {} {}", key.job, key.attempt, key.token)
}

fn key_of(words: &str) -> TestResult<LeaseKey> {
    let mut numbers = words.split(' ').map(str::parse::<i64>);
    let mut next = || numbers.next().ok_or("there are three numbers");
    let (job, attempt, token) = (next()??, next()??, next()??);
    let attempt = u32::try_from(attempt)?;
    Ok(LeaseKey { job: JobId::new(job), attempt, token: LeaseToken::new(token) })
}

/// A part: claims as many jobs as it is told, says the keys, and completes one when it is told to.
fn claim(stage: &Stage) -> TestResult {
    let store = Options::new(stage.argument(0)).open()?;
    let count = stage.argument(1).parse()?;
    for claim in store.claim(&this_worker("child"), &ClaimFilter::all(), count, LEASE)? {
        stage.say(&key_in_words(&claim.lease.key()));
    }
    let key = key_of(&stage.listen())?;
    stage.say(&format!("{:?}", store.complete(&key, &Completion::default())?));
    Ok(())
}

#[test]
fn child_process() -> TestResult {
    child::enter(&[("claim", claim)])
}

/// A store with so many queued jobs, and its path.
fn queued(count: usize) -> TestResult<(tempfile::TempDir, String, SqliteStore)> {
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("project.db");
    let store = Options::new(&path).open()?;
    let new: Vec<_> = (0..count).map(|n| jobs::sample(format!("job {n}")).queued()).collect();
    store.create_jobs(&new)?;
    let path = path.to_str().ok_or("a temporary path is text")?.to_owned();
    Ok((scratch, path, store))
}

fn keys_of(child: &Child, count: usize) -> TestResult<Vec<LeaseKey>> {
    let hear = |_| key_of(&child.hear().ok_or("the child ended by itself")?);
    (0..count).map(hear).collect()
}

fn claim_as(store: &SqliteStore, worker: &Worker) -> TestResult<Claim> {
    let mut claims = store.claim(worker, &ClaimFilter::all(), 1, LEASE)?;
    Ok(claims.pop().ok_or("there is a job to claim")?)
}

#[test]
fn jobs_of_a_killed_worker_are_recovered_at_once_and_no_others() -> TestResult {
    let (_scratch, path, store) = queued(8)?;
    let mut live = Child::begin("claim", &[&path, "2"])?;
    let of_the_live = keys_of(&live, 2)?;
    let mut dead = Child::begin("claim", &[&path, "3"])?;
    let of_the_dead = keys_of(&dead, 3)?;
    assert_eq!(store.recover_dead_workers()?, [], "all of them live");

    // Nothing is known here of what happens elsewhere, and nobody is there under these ids.
    let here = Worker { pid_started_at: Some(1), ..this_worker("elsewhere") };
    let process = Process { host: "another-host".to_owned(), ..here.process.clone() };
    let unknown = [
        Worker { process, ..here.clone() },
        Worker { boot_id: Some("another boot".to_owned()), ..here.clone() },
        Worker { pid_started_at: None, ..here },
    ];
    for worker in &unknown {
        claim_as(&store, worker)?;
    }

    dead.kill()?;
    let recovered = store.recover_dead_workers()?;
    let keys: Vec<LeaseKey> = recovered.iter().map(|found| found.lease.key()).collect();
    assert_eq!(keys, of_the_dead);
    for found in &recovered {
        assert_eq!(found.came_to, Ended::Requeued { attempt: 2, not_before: None });
        let outcomes: Vec<_> = outcomes_of(&store.attempts_of(found.job)?);
        assert_eq!(outcomes, [Some(AttemptOutcome::Lapsed), None]);
        let history = store.history(found.job)?;
        assert_eq!(history.last().map(|event| event.kind), Some(EventKind::Requeued));
    }
    assert_eq!(store.leases()?.len(), 5, "of the live child, and of the unknown");
    assert_eq!(store.recover_dead_workers()?, [], "they were recovered");

    // The dead worker's keys open nothing; the live one's do.
    let late = store.complete(&of_the_dead[0], &Completion::default());
    let loss = LeaseLoss::NotRunning(JobStatus::Queued);
    assert!(
        matches!(&late, Err(Error::LeaseLost { loss: found, .. }) if *found == loss),
        "{late:?}"
    );
    live.tell(&key_in_words(&of_the_live[1]))?;
    live.expect("Finally(Completed)")?;
    live.finish()?;
    Ok(())
}

fn outcomes_of(attempts: &[Attempt]) -> Vec<Option<AttemptOutcome>> {
    attempts.iter().map(|attempt| attempt.outcome).collect()
}

#[test]
fn what_becomes_of_them_is_for_the_policy_of_each_to_say() -> TestResult {
    let (_scratch, path, store) = queued(0)?;
    let mut expected = BTreeMap::new();
    for (on_lapse, came_to) in [
        (OnLapse::Requeue, Ended::Requeued { attempt: 2, not_before: None }),
        (OnLapse::Fail, Ended::Finally(JobStatus::Failed)),
        (OnLapse::Probe, Ended::ToBeProbed),
    ] {
        let policy = JobPolicy { on_lapse: Some(on_lapse), ..JobPolicy::default() };
        let new = store_core::NewJob { policy, ..jobs::sample(on_lapse.as_str()).queued() };
        expected.insert(store.create_job(&new)?.id, came_to);
    }
    let mut dead = Child::begin("claim", &[&path, "3"])?;
    keys_of(&dead, 3)?;
    dead.kill()?;
    let recovered = store.recover_dead_workers()?;
    let found: BTreeMap<_, _> =
        recovered.into_iter().map(|found| (found.job, found.came_to)).collect();
    assert_eq!(found, expected);
    Ok(())
}
