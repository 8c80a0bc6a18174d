//! Controls: the audit passes a small run, and names each fault that is planted in its database.

use std::collections::BTreeSet;

use rusqlite::Connection;
use store_core::{Convergence, EventKind, JobId};

use super::acknowledged::Acknowledged;
use super::control::{Run, found, small_run};
use super::{audit, ledger};
use crate::failure::{Context, Result};
use crate::stress::effect::Effect;
use crate::stress::plan::Plan;

#[test]
fn a_run_without_faults_passes_and_each_planted_fault_is_named() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let run = small_run(folder.path())?;
    let clean = audit(&run.plan, run.plan.last(), &BTreeSet::new())?;
    assert!(clean.ok(), "{}", found(&clean));
    assert!(clean.acknowledged > 500, "{}", clean.acknowledged);
    for check in &clean.checks {
        assert!(check.looked_at > 0, "nothing to look at: {}", check.holds);
    }

    // The fault, what is said of it, and how many writes are lost and doubled by it.
    let faults = [
        (
            "DELETE FROM job_events WHERE sequence = (SELECT max(sequence) FROM job_events
                 WHERE kind = 'result_recorded')",
            "event result_recorded of attempt",
            (1, 0),
        ),
        (
            "INSERT INTO job_events (job_id, attempt, at, kind, actor)
                 SELECT job_id, attempt, at, kind, actor FROM job_events
                 WHERE kind = 'result_recorded' LIMIT 1",
            "was acknowledged 1 times, 2 are there",
            (0, 1),
        ),
        (
            "INSERT INTO job_events (job_id, attempt, at, kind, from_status, to_status, actor)
                 SELECT job_id, attempt, at, kind, from_status, to_status, actor FROM job_events
                 WHERE from_status = 'QUEUED' AND to_status = 'RUNNING' AND job_id =
                     (SELECT max(id) FROM jobs WHERE status = 'COMPLETED')
                 ORDER BY sequence DESC LIMIT 1",
            "goes on from QUEUED after COMPLETED",
            (0, 1),
        ),
        (
            "DROP TRIGGER jobs_status_transition;
             UPDATE jobs SET status = 'CANCELLED' WHERE id = (SELECT max(id) FROM jobs
                 WHERE status = 'COMPLETED')",
            "its history ends in COMPLETED",
            (0, 0),
        ),
        (
            "UPDATE job_events SET to_status = 'PENDING' WHERE sequence =
                 (SELECT min(sequence) FROM job_events WHERE to_status = 'COMPLETED')",
            "is status_changed from RUNNING to PENDING",
            (1, 0),
        ),
        (
            "UPDATE job_inputs SET sha256 = zeroblob(32) WHERE job_id = (SELECT min(id) FROM jobs)",
            "with its key and its deck's hash: job ",
            (1, 0),
        ),
        (
            "UPDATE job_input_files SET content = content || ' ' WHERE job_id = (SELECT min(id) FROM jobs)",
            "the deck of job ",
            (1, 0),
        ),
        (
            "UPDATE jobs SET priority = priority - 1 WHERE id = (SELECT min(id) FROM jobs
                 WHERE priority > 0)",
            "the priority of job ",
            (1, 0),
        ),
        (
            "UPDATE jobs SET archived_at = NULL WHERE id = (SELECT min(id) FROM jobs WHERE archived)",
            "the archiving of job ",
            (1, 0),
        ),
        (
            "UPDATE remote_jobs SET handle = handle || 'x' WHERE id = (SELECT min(id) FROM remote_jobs)",
            "submission stress-",
            (1, 0),
        ),
        (
            "DELETE FROM job_dependencies WHERE (job_id, depends_on) =
                 (SELECT job_id, depends_on FROM job_dependencies LIMIT 1)",
            "the dependency of job ",
            (1, 0),
        ),
        ("DELETE FROM clusters WHERE id = 3", "cluster 3 was acknowledged", (1, 0)),
        (
            "UPDATE job_counts SET jobs = jobs + 1 WHERE archived = 0 AND status = 'COMPLETED'",
            "COMPLETED jobs are on record",
            (0, 0),
        ),
        (
            "DROP INDEX jobs_by_idempotency_key;
             UPDATE jobs SET idempotency_key = (SELECT idempotency_key FROM jobs ORDER BY id LIMIT 1)
                 WHERE id = (SELECT id FROM jobs ORDER BY id LIMIT 1 OFFSET 1)",
            "made 2 jobs",
            (1, 1),
        ),
        (
            "INSERT INTO job_results (job_id, attempt, convergence, document_version, document,
                 provenance, recorded_at) VALUES (999999, 1, 'unknown', 1, '{}', '{}', 0)",
            " of job_results refers to no row of jobs",
            (0, 0),
        ),
    ];
    for (fault, said, losses) in faults {
        let audit = run.with(fault);
        let told = found(&audit);
        assert!(!audit.ok() && told.contains(said), "{fault}\nfound:\n{told}");
        assert_eq!((audit.lost, audit.doubled), losses, "{fault}\nfound:\n{told}");
    }
    assert!(run.examine(&run.acknowledged).ok(), "the faults were taken back");
    last_bit_of_an_energy(&run);
    dropped_job(&run);
    journal_without_rows(&run);
    event_that_nobody_was_told_of(&run);
    writes_of_a_killed_process(&run)
}

fn last_bit_of_an_energy(run: &Run) {
    let query = "SELECT job_id, attempt, energy FROM job_results WHERE energy IS NOT NULL LIMIT 1";
    let (job, attempt, energy): (i64, i64, f64) = run
        .connection
        .query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .expect("there is a result");
    run.connection.execute_batch("BEGIN").expect("begins");
    let other = f64::from_bits(energy.to_bits() ^ 1);
    let update = "UPDATE job_results SET energy = ?1 WHERE job_id = ?2 AND attempt = ?3";
    let updated = run.connection.execute(update, (other, job, attempt));
    assert_eq!(updated, Ok(1));
    let audit = run.examine(&run.acknowledged);
    run.connection.execute_batch("ROLLBACK").expect("rolls back");
    assert_eq!(audit.lost, 1, "{}", found(&audit));
    let said = format!("the result of attempt {attempt} of job {job}");
    assert!(found(&audit).contains(&said), "{}", found(&audit));
}

/// A job that is gone with all that belongs to it, as after a commit that was lost.
fn dropped_job(run: &Run) {
    let audit = run.with(
        "CREATE TEMP TABLE gone AS SELECT max(id) AS id FROM jobs WHERE status = 'COMPLETED'
             AND id NOT IN (SELECT depends_on FROM job_dependencies);
         DELETE FROM jobs WHERE id IN (SELECT id FROM gone);
         DELETE FROM job_inputs WHERE job_id IN (SELECT id FROM gone);
         DELETE FROM job_input_files WHERE job_id IN (SELECT id FROM gone);
         DELETE FROM job_events WHERE job_id IN (SELECT id FROM gone);
         DELETE FROM job_results WHERE job_id IN (SELECT id FROM gone);
         DELETE FROM remote_jobs WHERE job_id IN (SELECT id FROM gone);
         DELETE FROM job_dependencies WHERE job_id IN (SELECT id FROM gone)",
    );
    // At least: the job, its deck, its result, and the events of creation, start, result and end.
    assert!(audit.lost >= 7 && audit.doubled == 0, "{}", found(&audit));
}

fn journal_without_rows(run: &Run) {
    let actor = run.plan.actor(1, 1);
    let job = JobId::new(1_000_000);
    let recorded =
        Effect::ResultRecorded { job, attempt: 1, convergence: Convergence::Unknown, energy: None };
    let mut effects = run.acknowledged.effects.clone();
    effects.push((actor, recorded));
    let audit = run.examine(&Acknowledged { effects, ..run.acknowledged.clone() });
    // The row and its event.
    assert_eq!((audit.lost, audit.doubled), (2, 0), "{}", found(&audit));
    assert!(found(&audit).contains("result of attempt 1 of job 1000000"), "{}", found(&audit));
}

fn event_that_nobody_was_told_of(run: &Run) {
    let without = |in_doubt| {
        let is_archiving = |effect: &Effect| effect.trace().kind == EventKind::Archived;
        let mut effects = run.acknowledged.effects.clone();
        let index = run.of_those_here(is_archiving).next().expect("an archiving").0;
        let (actor, _) = effects.remove(index);
        let in_doubt = if in_doubt { BTreeSet::from([actor]) } else { BTreeSet::new() };
        run.examine(&Acknowledged { effects, in_doubt, ..run.acknowledged.clone() })
    };
    let told = without(false);
    assert_eq!((told.unacknowledged, told.unknown), (1, 0), "{}", found(&told));
    assert!(!told.ok());
    let doubtful = without(true);
    assert_eq!((doubtful.unacknowledged, doubtful.unknown), (0, 1), "{}", found(&doubtful));
    assert!(doubtful.ok(), "{}", found(&doubtful));
    // Also where it shows in a row: a priority that was raised further than the journals say.
    let is_raise = |effect: &Effect| matches!(effect, Effect::Prioritised { .. });
    let effects = &run.acknowledged.effects;
    let raises_of_job = |raise: &Effect| {
        run.acknowledged
            .effects()
            .filter(|effect| is_raise(effect) && effect.trace() == raise.trace())
            .count()
    };
    let raises = run.of_those_here(is_raise).map(|(_, raise)| raise);
    let most = raises.max_by_key(|(_, raise)| raises_of_job(raise));
    let (actor, raise) = most.expect("a raise").clone();
    for (in_doubt, ok) in [(BTreeSet::new(), false), (BTreeSet::from([actor.clone()]), true)] {
        let mut effects = effects.clone();
        let index = effects.iter().position(|one| *one == (actor.clone(), raise.clone()));
        effects.remove(index.expect("was just found"));
        let audit = run.examine(&Acknowledged { effects, in_doubt, ..run.acknowledged.clone() });
        assert_eq!(audit.ok(), ok, "{}", found(&audit));
    }
}

/// The same run, as if its process had been killed at its end: what it told must be there, and it may have
/// one call of each thread more.
fn writes_of_a_killed_process(run: &Run) -> Result<()> {
    let plan = Plan { kill_every: Some(1.0), ..run.plan.clone() };
    let killed = |plan: &Plan| Acknowledged::read(plan, plan.last(), &BTreeSet::from([1]));
    let acknowledged = killed(&plan)?;
    assert_eq!(acknowledged.cut_off.len(), 5, "each thread, and the one before they began");
    let clean = run.examine(&acknowledged);
    assert!(clean.ok(), "{}", found(&clean));

    let with = |fault: &str| {
        run.connection.execute_batch(&format!("BEGIN; {fault}")).expect(fault);
        let audit = run.examine(&acknowledged);
        run.connection.execute_batch("ROLLBACK").expect("rolls back");
        audit
    };
    // Told and not there.
    let lost = with(
        "DELETE FROM job_events WHERE sequence = (SELECT max(sequence) FROM job_events
             WHERE kind = 'status_changed')",
    );
    assert!(!lost.ok() && lost.lost == 1, "{}", found(&lost));
    // One change more than it told, as its last: the answer was on its way.
    let again = |of: &str, at: &str| {
        format!(
            "INSERT INTO job_events (job_id, attempt, at, kind, actor)
                 SELECT job_id, attempt, {at}, 'result_recorded', actor FROM job_events
                 WHERE sequence = (SELECT {of}(sequence) FROM job_events WHERE kind = 'result_recorded');"
        )
    };
    let untold = with(&again("max", "1"));
    assert!(untold.ok() && untold.unknown == 1, "{}", found(&untold));
    // Two, which were two calls: one was done twice, or was acknowledged and not told.
    let doubled = with(&(again("max", "1") + &again("max", "2")));
    assert!(!doubled.ok() && found(&doubled).contains("did not tell of two calls"));
    // One that is not its last.
    let is_recorded = |effect: &Effect| matches!(effect, Effect::ResultRecorded { .. });
    let first = run.of_those_here(is_recorded).next().expect("one").0;
    let mut effects = acknowledged.effects.clone();
    effects.remove(first);
    let early = run.examine(&Acknowledged { effects, ..acknowledged.clone() });
    assert!(
        !early.ok() && found(&early).contains("after one that it did not"),
        "{}",
        found(&early)
    );

    // Of a process that was not to be killed, the journal may lack more.
    assert!(killed(&run.plan)?.cut_off.is_empty());
    Ok(())
}

#[test]
fn a_ledger_that_lacks_a_migration_or_has_one_twice_is_named() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    // Without its primary key the ledger of a damaged file can have a version twice.
    let faults = [
        ("", None),
        ("DELETE FROM refinery_schema_history WHERE version = 1", Some("each migration once")),
        (
            "CREATE TABLE kept AS SELECT * FROM refinery_schema_history;
             DROP TABLE refinery_schema_history;
             ALTER TABLE kept RENAME TO refinery_schema_history;
             INSERT INTO refinery_schema_history SELECT * FROM refinery_schema_history
                 WHERE version = 2",
            Some("version 2 is there twice"),
        ),
    ];
    for (number, (fault, named)) in faults.into_iter().enumerate() {
        let database = folder.path().join(format!("{number}.db"));
        let made = store_sqlite::Options::new(&database).open().doing(|| "make one".to_owned())?;
        made.close().doing(|| "close it".to_owned())?;
        #[expect(clippy::disallowed_methods, reason = "faults are planted past the store")]
        let opened = Connection::open(&database);
        let connection = opened.doing(|| "open the database".to_owned())?;
        connection.execute_batch(fault).doing(|| "plant a fault".to_owned())?;
        let found = ledger::fault(&database)?;
        let said = named.is_none_or(|named| found.as_ref().is_some_and(|it| it.contains(named)));
        assert!(said && found.is_some() == named.is_some(), "{number}: {found:?}");
    }
    Ok(())
}
