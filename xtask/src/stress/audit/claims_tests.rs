//! Controls of what is checked of claims alone: a small run passes, and each planted fault is named.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::Connection;

use super::acknowledged::Acknowledged;
use super::check::Check;
use super::control::arguments;
use super::{audit, counters, runs};
use crate::failure::{Context, Result};
use crate::stress::arguments::Arguments;
use crate::stress::plan::{Plan, Profile};
use crate::stress::{claims, open, prepare};

/// A process of workers and one with the scheduler, both in this one.
fn small_run(folder: &Path) -> Result<Plan> {
    let arguments = Arguments { seconds: Some(4.0), ..arguments(folder, Profile::Claims) };
    let mut plan = prepare::plan(&arguments)?;
    prepare::fill(&mut plan)?;
    let one = |process| {
        let store = open::open(&plan, process)?;
        let shared = prepare::shared(&plan, process)?;
        let (totals, _) = claims::work(&store, &shared, |_| ())?;
        shared.journal.finish()?;
        assert_eq!(totals.locked, [].into());
        assert_eq!(totals.errors, [].into());
        assert_eq!(totals.contradictions, [].into());
        store.close().doing(|| "close the store".to_owned())
    };
    std::thread::scope(|scope| {
        let workers = scope.spawn(|| one(1));
        let scheduled = one(plan.scheduler().expect("the profile has one"));
        workers.join().expect("no panic").and(scheduled)
    })?;
    let totals = claims::tidy_up(&plan, plan.last() + 1)?;
    assert_eq!(totals.errors, [].into());
    Ok(plan)
}

fn found(checks: &[Check]) -> String {
    let lines = checks.iter().flat_map(|check| &check.examples);
    lines.map(String::as_str).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_run_of_claims_without_faults_passes_and_each_planted_fault_is_named() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = small_run(folder.path())?;
    let last = plan.last() + 1;
    let clean = audit(&plan, last, &BTreeSet::new())?;
    assert!(clean.ok(), "{}", found(&clean.checks));
    assert!(clean.claims > 50, "{}", clean.claims);

    #[expect(clippy::disallowed_methods, reason = "faults are planted past the store")]
    let opened = Connection::open(&plan.database);
    let connection = opened.doing(|| "open the database".to_owned())?;
    let off = "PRAGMA foreign_keys = OFF; PRAGMA recursive_triggers = OFF";
    connection.execute_batch(off).doing(|| "turn foreign keys off".to_owned())?;
    let acknowledged = Acknowledged::read(&plan, last, &BTreeSet::new())?;
    let examine = || {
        let mut checks = runs::checks(&connection, &acknowledged).expect("examines");
        checks.extend(counters::checks(&connection).expect("examines"));
        checks
    };
    for check in examine() {
        assert!(check.ok() && check.looked_at > 0, "{}", check.holds);
    }
    for (fault, said) in [
        (
            "INSERT INTO job_events (job_id, attempt, at, kind, from_status, to_status, actor, detail)
                 SELECT job_id, attempt, at, kind, from_status, to_status, actor, detail FROM job_events
                 WHERE kind = 'claimed' AND detail ->> 'token' = 1 ORDER BY sequence DESC LIMIT 1",
            "with token Some(1) after ",
        ),
        (
            "UPDATE job_events SET to_status = 'PENDING', from_status = NULL WHERE sequence =
                 (SELECT min(sequence) FROM job_events WHERE kind = 'requeued')",
            "is claimed while token 1 runs it",
        ),
        ("UPDATE clusters SET max_running = 0 WHERE id = 1", "cluster 1 runs [1, "),
        ("UPDATE clusters SET cores = 3 WHERE id = 2", "of [None, Some(4), Some(3)]"),
        (
            "INSERT INTO job_dependencies (job_id, depends_on, kind, created_at)
                 SELECT (SELECT min(id) FROM jobs WHERE status = 'COMPLETED'), max(id), 'after_any', 0
                 FROM jobs",
            "starts, which is after_any of job",
        ),
        (
            "DELETE FROM job_events WHERE sequence =
                 (SELECT max(sequence) FROM job_events WHERE to_status = 'COMPLETED')",
            "is RUNNING, and nobody can claim it",
        ),
        (
            "INSERT INTO job_leases (job_id, token, attempt, worker, host, pid, claimed_at, expires_at)
                 VALUES (1, 9, 1, 'w', 'h', 1, 0, 1)",
            "1 leases are left",
        ),
        (
            "UPDATE job_attempts SET outcome = 'lapsed' WHERE (job_id, attempt) =
                 (SELECT job_id, attempt FROM job_attempts WHERE outcome = 'failed' LIMIT 1)",
            "is in the history, and has no row",
        ),
        (
            "UPDATE job_attempts SET token = 77 WHERE (job_id, attempt) =
                 (SELECT job_id, attempt FROM job_attempts WHERE outcome = 'completed' LIMIT 1)",
            "Some(77)",
        ),
        (
            "INSERT INTO job_attempts (job_id, attempt, outcome, ended_at) VALUES (1, 50, 'failed', 1)",
            "has a row, and no history",
        ),
        (
            "INSERT INTO job_queue (job_id, obstacles, lane_id, priority, unsatisfiable, created_at)
                 SELECT id, 1, lane_id, priority, 0, created_at FROM jobs WHERE status = 'COMPLETED' LIMIT 1",
            "(waiting, unsatisfiable) on record",
        ),
        ("UPDATE cluster_loads SET cores = 5 WHERE cluster_id = 2", "cluster 2 has [0, 0, 5, 0]"),
    ] {
        connection.execute_batch(&format!("BEGIN; {fault}")).expect(fault);
        let told = found(&examine());
        connection.execute_batch("ROLLBACK").expect("rolls back");
        assert!(told.contains(said), "{fault}\nfound:\n{told}");
    }
    assert!(examine().iter().all(Check::ok), "the faults were taken back");
    Ok(())
}
