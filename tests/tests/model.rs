//! A SQLite store and the reference in memory, driven by the same random steps, say the same.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::{ProptestConfig, TestCaseError, proptest};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{FileFailurePersistence, TestRunner};
use store_core::memory::MemoryStore;
use store_core::{Actor, Clock, JobStatus, ManualClock, Store};
use store_sqlite::{CheckDepth, Options, SqliteStore};
use tests::model::{self, BEGINNING, Mismatch, Operation, Side, Step};
use tests::{TestResult, jobs};

const LONGEST: usize = 60;

/// `PROPTEST_CASES` asks for more cases than a test run takes by itself.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 64;
    }
    config.failure_persistence = Some(Box::new(FileFailurePersistence::WithSource("regressions")));
    config
}

struct Pair {
    _scratch: tempfile::TempDir,
    sqlite: SqliteStore,
    memory: MemoryStore,
    clock: Arc<ManualClock>,
    /// The second stores.
    history: PathBuf,
    archive: MemoryStore,
}

fn actor() -> Actor {
    Actor::new("the model").expect("a name")
}

/// Two empty stores that go by one clock.
fn pair() -> TestResult<Pair> {
    let clock = Arc::new(ManualClock::at(BEGINNING));
    let memory = MemoryStore::with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
    with_memory(memory, clock)
}

fn with_memory(memory: MemoryStore, clock: Arc<ManualClock>) -> TestResult<Pair> {
    let scratch = tempfile::tempdir()?;
    let options = Options::new(scratch.path().join("project.db"))
        .clock(Arc::clone(&clock) as Arc<dyn Clock>)
        .actor(actor())
        .readers(1);
    let sqlite = options.open()?;
    let memory = memory.in_process(store_sqlite::worker::this_process().clone());
    Ok(Pair {
        sqlite,
        memory: memory.acting_as(actor()),
        history: scratch.path().join("history.db"),
        archive: MemoryStore::with_clock(Arc::clone(&clock) as Arc<dyn Clock>),
        clock,
        _scratch: scratch,
    })
}

impl Pair {
    fn in_sqlite(&self) -> Side<'_, SqliteStore> {
        Side { store: &self.sqlite, archive: &self.history }
    }

    fn in_memory(&self) -> Side<'_, MemoryStore> {
        Side { store: &self.memory, archive: &self.archive }
    }

    fn drive(&self, steps: &[Step]) -> Result<(), Mismatch> {
        model::drive(self.in_sqlite(), self.in_memory(), &self.clock, steps)?;
        if !self.history.exists() {
            return Ok(());
        }
        let history = Options::new(&self.history).read_only(true).open().expect("it was made");
        model::compare_all("the second store", &history, &self.archive)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_sqlite_store_says_what_the_reference_says(steps in model::steps(LONGEST)) {
        let failed = |error: String| TestCaseError::fail(error);
        let pair = pair().map_err(|error| failed(error.to_string()))?;
        pair.drive(&steps).map_err(|mismatch| failed(mismatch.to_string()))?;
        let report = pair.sqlite.check(CheckDepth::Quick).map_err(|e| failed(e.to_string()))?;
        if !report.is_ok() {
            return Err(failed(format!("{report:?}")));
        }
    }
}

proptest! {
    #![proptest_config(config())]

    /// The reference takes one after the other.
    #[test]
    fn what_is_done_with_many_comes_to_what_is_done_with_each(steps in model::steps_of_many()) {
        let failed = |error: String| TestCaseError::fail(error);
        let pair = pair().map_err(|error| failed(error.to_string()))?;
        pair.drive(&steps).map_err(|mismatch| failed(mismatch.to_string()))?;
    }
}

#[test]
fn the_steps_of_many_end_most_of_them_in_every_way() -> TestResult {
    let mut runner = TestRunner::deterministic();
    let strategy = model::steps_of_many();
    let ways = ["Finally(Completed)", "Finally(Failed)", "Requeued", "Repeated", "Err("];
    let mut met = [0; 5];
    for _ in 0..100 {
        let store = MemoryStore::with_clock(Arc::new(ManualClock::at(BEGINNING)));
        for step in strategy.new_tree(&mut runner).map_err(|e| e.to_string())?.current() {
            if let Step::Call(operation @ Operation::EndRuns(_)) = &step {
                let answer = operation.perform(&store).unwrap_or_default();
                let of_each = ways.iter().map(|way| answer.matches(way).count());
                met.iter_mut().zip(of_each).for_each(|(met, more)| *met += more);
            } else {
                step.take(Side { store: &store, archive: &MemoryStore::new() });
            }
        }
    }
    assert!(met.iter().all(|of_one| *of_one > 50), "{ways:?}: {met:?}");
    assert!(met.iter().take(3).sum::<usize>() > 600, "{met:?}");
    Ok(())
}

/// The steps are worth something only if they meet both ends of every method, and more than once.
#[test]
fn the_steps_reach_the_success_and_the_refusal_of_every_method() -> TestResult {
    let mut runner = TestRunner::deterministic();
    let strategy = model::steps(LONGEST);
    let mut met: BTreeMap<String, [u32; 2]> = BTreeMap::new();
    for _ in 0..800 {
        let steps = strategy.new_tree(&mut runner).map_err(|e| e.to_string())?.current();
        let store = MemoryStore::with_clock(Arc::new(ManualClock::at(BEGINNING)));
        let side = Side { store: &store, archive: &MemoryStore::new() };
        for step in steps {
            if let Step::Call(operation) = &step {
                let refused = operation.perform(&store).is_err();
                met.entry(name(operation)).or_default()[usize::from(refused)] += 1;
            } else {
                step.take(side);
            }
        }
    }
    assert_eq!(met.len(), 43, "a method is never called: {met:?}");
    // Nothing that could be given to these is refused.
    let granted = |name: &str| matches!(name, "RecoverExpired" | "RecoverLost");
    let is_rare = |(name, [success, refusal]): &(&String, &[u32; 2])| {
        *success < 3 || *refusal < 3 && !granted(name)
    };
    let rare: Vec<_> = met.iter().filter(is_rare).collect();
    assert!(rare.is_empty(), "granted and refused: {rare:?} of {met:?}");
    Ok(())
}

#[test]
fn the_steps_make_jobs_go_stay_and_be_forgotten() -> TestResult {
    use store_core::Retention;
    let mut runner = TestRunner::deterministic();
    let strategy = model::steps(LONGEST);
    let (mut pruned, mut moved, mut held, mut forgotten) = (0, 0, 0, 0);
    for _ in 0..800 {
        let steps = strategy.new_tree(&mut runner).map_err(|e| e.to_string())?.current();
        let clock = Arc::new(ManualClock::at(BEGINNING));
        let in_memory = || MemoryStore::with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
        let (store, archive) = (in_memory(), in_memory());
        for step in steps {
            let old = Retention::finished_before;
            let report = match step {
                Step::Wait { micros } => {
                    clock.advance(Duration::from_micros(micros));
                    continue;
                }
                Step::Prune(moment, at_most) => {
                    let report = store.prune(&old(moment).at_most(at_most))?;
                    pruned += report.jobs;
                    report
                }
                Step::Move(moment, at_most, dry_run) => {
                    let old = old(moment).at_most(at_most).dry_run(dry_run);
                    let report = store.move_finished(&old, &archive)?;
                    moved += if dry_run { 0 } else { report.jobs };
                    report
                }
                call => {
                    call.take(Side { store: &store, archive: &archive });
                    continue;
                }
            };
            held += report.held;
            forgotten += report.forgotten;
        }
    }
    let met = (pruned, moved, held, forgotten);
    assert!(pruned.min(moved).min(held).min(forgotten) >= 3, "{met:?}");
    Ok(())
}

fn name(operation: &Operation) -> String {
    let printed = format!("{operation:?}");
    printed.split('(').next().unwrap_or_default().to_owned()
}

#[test]
fn a_reference_with_another_clock_is_told_apart() -> TestResult {
    let another =
        MemoryStore::with_clock(Arc::new(ManualClock::at(BEGINNING + Duration::from_micros(1))));
    let pair = with_memory(another, Arc::new(ManualClock::at(BEGINNING)))?;
    let new = store_core::NewJob {
        uuid: Some(store_core::JobUuid::from_bytes([1; 16])),
        ..jobs::sample("MgO")
    };
    let mismatch = pair.drive(&[Step::Call(Operation::CreateJob(new))]).expect_err("they differ");
    assert!(mismatch.place.starts_with("step 0"), "{mismatch}");
    assert_ne!(mismatch.one, mismatch.other);
    Ok(())
}

#[test]
fn a_change_that_no_answer_tells_of_is_found_in_the_dump() -> TestResult {
    let pair = pair()?;
    let new = store_core::NewJob {
        uuid: Some(store_core::JobUuid::from_bytes([1; 16])),
        ..jobs::sample("MgO")
    };
    let create = [Step::Call(Operation::CreateJob(new))];
    pair.drive(&create).map_err(|mismatch| mismatch.to_string())?;
    use store_core::prelude::*;
    let queued = store_core::StatusChange::to(JobStatus::Queued);
    pair.memory.change_status(store_core::JobId::new(1), &queued)?;
    let mismatch = pair.drive(&[]).expect_err("only one of them has a queued job");
    assert!(mismatch.place.contains("dump"), "{mismatch}");
    Ok(())
}

/// Random steps hardly ever hit upon the lease of the job that they are about.
#[test]
fn reports_under_leases_come_to_the_same() -> TestResult {
    use store_core::{
        ClaimFilter, ClusterId, ClusterKind, Confirmation, Convergence, JobId, JobUuid, LeaseKey,
        LeaseToken, NewCluster, NewRemoteJob, NewResult, RemoteJobId, RemoteJobPatch, RemotePhase,
        StatusChange, SubmissionToken, Under, Worker,
    };
    let pair = pair()?;
    let call = Step::Call;
    let new = store_core::NewJob {
        uuid: Some(JobUuid::from_bytes([1; 16])),
        ..jobs::sample("MgO").queued()
    };
    let lease = Duration::from_millis(1);
    let claim = || {
        let worker = Worker::new("w", "node-17", 4711);
        call(Operation::Claim(worker, ClaimFilter::all(), 1, lease))
    };
    let (job, cluster) = (JobId::new(1), ClusterId::new(1));
    let submission = |token: u8| {
        let token = Some(SubmissionToken::from_bytes([token; 16]));
        NewRemoteJob { token, ..NewRemoteJob::intended(job, cluster) }
    };
    let reports = |key: LeaseKey| {
        let (one, other) = (RemoteJobId::new(1), RemoteJobId::new(2));
        let result = |scf_cycles| NewResult {
            scf_cycles: Some(scf_cycles),
            ..NewResult::new(Convergence::Converged)
        };
        let recorded = NewRemoteJob::new(job, cluster, "18");
        let held = |to| (Under::from(key), StatusChange::to(to));
        let finished = RemoteJobPatch::phase(RemotePhase::Finished);
        [
            Operation::BeginSubmission(submission(1).under(key)),
            Operation::AbandonSubmission(one.under(key), "invalid partition".to_owned()),
            Operation::BeginSubmission(submission(2).under(key)),
            Operation::ConfirmSubmission(other.under(key), Confirmation::new("17")),
            Operation::UpdateRemoteJob(other.under(key), finished),
            Operation::RecordSubmission(recorded.under(key)),
            Operation::RecordResult(key.into(), result(1)),
            Operation::ReplaceResult(key.into(), result(2)),
            Operation::RecordResults(vec![(key.into(), result(2))]),
            Operation::ChangeStatuses(vec![held(JobStatus::Running)]),
            Operation::ChangeStatus(key.into(), StatusChange::to(JobStatus::Failed)),
        ]
    };
    let key = |attempt, token| LeaseKey { job, attempt, token: LeaseToken::new(token) };
    let cluster = NewCluster::new("archer", ClusterKind::Slurm, "login.example.org");
    pair.drive(&[
        call(Operation::CreateCluster(cluster)),
        call(Operation::CreateJob(new)),
        claim(),
        Step::Wait { micros: 2_000 },
        call(Operation::RecoverExpired(1)),
        claim(),
    ])
    .map_err(|mismatch| mismatch.to_string())?;
    // Each is refused to the first worker, and taken from the second.
    for (key, expected) in [(key(1, 1), "Err(LeaseLost"), (key(2, 2), "Ok(")] {
        for report in reports(key) {
            let report = call(report);
            let answer = report.take(pair.in_memory());
            assert!(answer.starts_with(expected), "{report:?}: {answer}");
            assert_eq!(report.take(pair.in_sqlite()), answer, "{report:?}");
        }
    }
    pair.drive(&[]).map_err(|mismatch| mismatch.to_string())?;
    Ok(())
}

/// Random steps hardly ever make the same calculation twice.
#[test]
fn an_earlier_result_is_used_again_in_the_same_way() -> TestResult {
    use store_core::prelude::*;
    use store_core::{
        Convergence, InputDeck, JobId, JobUuid, NewJob, NewResult, Reuse, StatusChange,
    };
    let pair = pair()?;
    let deck = InputDeck::file("a.d12", "MgO\n")?;
    let new = |number, reuse| {
        let uuid = Some(JobUuid::from_bytes([number; 16]));
        let new = NewJob { uuid, reuse, ..jobs::sample("MgO") }.with_input(deck.clone());
        Step::Call(Operation::CreateJob(new))
    };
    let complete = |id| {
        let completed = StatusChange::to(JobStatus::Completed);
        Step::Call(Operation::ChangeStatus(JobId::new(id).into(), completed))
    };
    let record = |id, convergence| {
        Step::Call(Operation::RecordResult(JobId::new(id).into(), NewResult::new(convergence)))
    };
    pair.drive(&[
        new(1, None),
        record(1, Convergence::Unknown),
        complete(1),
        new(2, Some(Reuse::Converged)),
        new(3, Some(Reuse::AnyResult)),
        record(2, Convergence::Converged),
        complete(2),
        Step::Wait { micros: 7 },
        new(4, Some(Reuse::Converged)),
        Step::Call(Operation::DeleteJob(JobId::new(2))),
        new(5, Some(Reuse::Converged)),
    ])
    .map_err(|mismatch| mismatch.to_string())?;
    let sources = [3, 4, 5].map(|id| Ok(pair.sqlite.job(JobId::new(id))?.cached_from));
    let sources = sources.into_iter().collect::<store_core::Result<Vec<_>>>()?;
    assert_eq!(sources, [1, 2, 2].map(|number| Some(JobUuid::from_bytes([number; 16]))));
    Ok(())
}
