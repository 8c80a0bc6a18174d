//! Controls of what is checked of jobs that left and of clusters: a small run passes, and each planted fault is
//! named.

use std::collections::BTreeSet;

use super::acknowledged::Acknowledged;
use super::control::{Run, found, small_run};
use super::departures::Departures;
use super::moved;
use crate::failure::Result;
use crate::stress::effect::Effect;
use crate::stress::journal::{Asked, Missed};

/// The newest job that was deleted, and not pruned.
const DELETED: &str = "(SELECT max(sequence) FROM store_events
     WHERE kind = 'deleted' AND detail ->> '$.finished_before' IS NULL)";
const PRUNED: &str = "(SELECT max(sequence) FROM store_events
     WHERE kind = 'deleted' AND detail ->> '$.finished_before' IS NOT NULL)";

#[test]
fn each_planted_fault_of_departures_and_clusters_is_named() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let run = small_run(folder.path())?;
    let clean = run.examine(&run.acknowledged);
    assert!(clean.ok(), "{}", found(&clean));

    // The fault, and all that is said of it: what else would be said is a fault that was not meant.
    for (fault, said) in [
        // A deletion that was acknowledged, and that nobody else learns of.
        (
            format!("DELETE FROM store_events WHERE sequence = {DELETED}"),
            vec!["event deleted from ", "every acknowledged job is there, with its key"],
        ),
        (
            format!("DELETE FROM store_events WHERE sequence = {PRUNED}"),
            vec!["every acknowledged job is there, with its key"],
        ),
        (
            format!("{} WHERE sequence = {DELETED}", told_again("kind")),
            vec![" left 2 times", "was acknowledged 1 times, 2 are there"],
        ),
        (
            format!("{} WHERE sequence = {DELETED}", told_again("'moved'")),
            vec![" left 2 times", " did not ask for job "],
        ),
        // A job that is there still, and one of which something is.
        (
            format!(
                "UPDATE store_events SET job_id = (SELECT max(id) FROM jobs) WHERE sequence = {DELETED}"
            ),
            vec![" did not ask for job ", "nothing of a job that left is in any table: job "],
        ),
        (
            format!(
                "INSERT INTO job_tags SELECT job_id, 'a', 'b', at FROM store_events WHERE sequence = {DELETED}"
            ),
            vec!["and 1 rows of job_tags name it"],
        ),
        (
            format!(
                "INSERT INTO job_result_values (job_id, attempt, path) SELECT job_id, 1, '$.gap_ev'
                     FROM store_events WHERE sequence = {PRUNED}"
            ),
            vec!["and 1 rows of job_result_values name it"],
        ),
        (
            format!(
                "UPDATE store_events SET detail = json_set(detail, '$.uuid', 'other')
                     WHERE sequence = {DELETED}"
            ),
            vec![" left as other, and was "],
        ),
        (
            format!("UPDATE store_events SET from_status = 'QUEUED' WHERE sequence = {PRUNED}"),
            vec![" was Some(\"QUEUED\"), and deleted"],
        ),
        (
            format!(
                "UPDATE store_events SET at = at + 3600000000 WHERE job_id IS NOT NULL AND job_id IN ({})",
                missed(&run)
            ),
            vec!["was not found at "],
        ),
        // A number that is there twice, and one that will be.
        (
            "UPDATE store_events SET sequence = (SELECT max(sequence) FROM job_events)
                 WHERE sequence = (SELECT max(sequence) FROM store_events)"
                .to_owned(),
            vec!["2 events have the number "],
        ),
        (
            "UPDATE sqlite_sequence SET seq = seq - 1 WHERE name = 'job_events'".to_owned(),
            vec![" has a number that others will get"],
        ),
        // Clusters.
        (
            edited("'$.intake.to', 'draining'", "intake"),
            vec!["event cluster_updated from ", "is \"", "its history ends in"],
        ),
        (
            edited("'$.limits.from.max_running', 99", "limits"),
            vec!["limits goes on from {", "event cluster_updated from "],
        ),
        (edited("'$.fields', json('[]')", "intake"), vec!["intake is not told as its fields say"]),
        (edited("'$.name', 'other'", "intake"), vec!["it is called \"other\", and was "]),
        (edited("'$.reason', 'other'", "intake"), vec!["event cluster_updated from "]),
        (
            "DELETE FROM store_events WHERE sequence =
                 (SELECT max(sequence) FROM store_events WHERE kind = 'cluster_updated' AND cluster_id <= 3)"
                .to_owned(),
            vec!["event cluster_updated from ", "its history ends in"],
        ),
        (
            "UPDATE clusters SET intake = 'draining' WHERE id = 1".to_owned(),
            vec!["the intake of cluster 1 is \"draining\"; its history ends in"],
        ),
        (
            "DELETE FROM store_events WHERE sequence =
                 (SELECT max(sequence) FROM store_events WHERE kind = 'cluster_deleted')"
                .to_owned(),
            vec!["event cluster_deleted of cluster ", "is gone, and its history does not tell so"],
        ),
        (
            "INSERT INTO clusters (id, name, kind, hostname, created_at, updated_at)
                 SELECT cluster_id, detail ->> '$.name', 'ssh', 'h', 1, 1 FROM store_events
                 WHERE kind = 'cluster_deleted' LIMIT 1"
                .to_owned(),
            vec![" was deleted, and is there"],
        ),
    ] {
        let audit = run.with(&fault);
        let told = found(&audit);
        assert!(!audit.ok(), "{fault}");
        for said in said {
            assert!(told.contains(said), "{fault}\n{said}\nfound:\n{told}");
        }
    }
    for (fault, said, lost) in [
        ("DELETE FROM jobs WHERE id = (SELECT max(id) FROM jobs)", "job ", 2),
        (
            "DELETE FROM job_events WHERE sequence = (SELECT max(sequence) FROM job_events)",
            "(uuid, status, events)",
            1,
        ),
        (
            "UPDATE job_events SET sequence = 1000000000 WHERE sequence = (SELECT max(sequence) FROM job_events)",
            ", and has event 1000000000",
            0,
        ),
        (
            "UPDATE job_results SET energy = energy * 2 WHERE (job_id, attempt) IN (SELECT job_id, attempt
                 FROM job_results WHERE energy IS NOT NULL ORDER BY job_id DESC LIMIT 1)",
            "the result of attempt ",
            1,
        ),
        (
            "DELETE FROM job_input_files WHERE job_id = (SELECT max(id) FROM jobs)",
            "the deck of job ",
            1,
        ),
        ("DELETE FROM job_attempts WHERE job_id = (SELECT max(id) FROM jobs)", ", and has 0 ends", 0),
        ("UPDATE job_attempts SET outcome = 'released'", " ended in attempt ", 0),
        ("UPDATE job_events SET kind = 'noted', to_status = NULL", " has no history", 0),
        (
            "INSERT INTO clusters (id, name, kind, hostname, created_at, updated_at)
                 VALUES (1, 'x', 'ssh', 'h', 1, 1) ON CONFLICT (id) DO UPDATE SET name = 'x'",
            "cluster 1 is x in the second store",
            0,
        ),
        ("DELETE FROM job_counts", " are on record, ", 0),
        (
            "UPDATE sqlite_sequence SET seq = 1 WHERE name = 'job_events'",
            " has a number that others will get",
            0,
        ),
    ] {
        let audit = run.with_in(&run.second, fault);
        let told = found(&audit);
        assert!(audit.lost >= lost, "{fault}\nfound:\n{told}");
        assert!(told.contains("every job that was moved is in the second store"), "{told}");
        assert!(told.contains(said), "{fault}\nfound:\n{told}");
    }
    // Killed before the second store had a table: nothing can have been moved.
    let empty = folder.path().join("empty.db");
    assert!(moved::open(&empty)?.is_none());
    std::fs::write(&empty, "").expect("written");
    assert!(moved::open(&empty)?.is_none());
    let departures = Departures::read(&run.connection, &run.plan, &run.acknowledged);
    let departures = departures.expect("reads");
    let check = moved::check(&run.connection, None, &run.plan, &run.acknowledged, &departures)
        .expect("examines");
    assert_eq!(check.lost, departures.those_moved().count() as u64);
    assert!(check.lost > 0);
    vanished(&run);
    assert!(run.examine(&run.acknowledged).ok(), "the faults were taken back");
    journals(&run);
    Ok(())
}

/// The event of a deletion once more, at the end.
fn told_again(kind: &str) -> String {
    format!(
        "UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'job_events';
         INSERT INTO store_events (sequence, job_id, attempt, at, kind, from_status, actor, detail)
             SELECT seq, job_id, attempt, at, {kind}, from_status, actor, detail
             FROM store_events JOIN sqlite_sequence ON name = 'job_events'"
    )
}

/// The newest edit of a cluster's field, with another detail.
fn edited(other: &str, field: &str) -> String {
    format!(
        "UPDATE store_events SET detail = json_set(detail, {other}) WHERE sequence =
             (SELECT max(sequence) FROM store_events
              WHERE kind = 'cluster_updated' AND cluster_id <= 3 AND detail ->> '$.{field}' LIKE '{{%')"
    )
}

/// The jobs that calls did not find; there are some in every run.
fn missed(run: &Run) -> String {
    let jobs = run.acknowledged.missed.iter().filter_map(|(_, missed)| match missed {
        Missed::Job(job) => Some(job.to_string()),
        Missed::Cluster(_) => None,
    });
    let jobs: Vec<_> = jobs.collect();
    assert!(!jobs.is_empty(), "the run missed no job");
    jobs.join(", ")
}

/// A job that is gone with all that belongs to it, and no event that tells so; and the same with an event that
/// nobody asked for.
fn vanished(run: &Run) {
    let gone = "CREATE TEMP TABLE gone AS SELECT max(id) AS id FROM jobs WHERE status = 'COMPLETED'
             AND id NOT IN (SELECT depends_on FROM job_dependencies);
         DELETE FROM job_input_files WHERE job_id IN (SELECT id FROM gone);
         DELETE FROM job_inputs WHERE job_id IN (SELECT id FROM gone);
         DELETE FROM job_result_values WHERE job_id IN (SELECT id FROM gone);
         DELETE FROM job_results WHERE job_id IN (SELECT id FROM gone);
         DELETE FROM remote_jobs WHERE job_id IN (SELECT id FROM gone);
         DELETE FROM job_dependencies WHERE job_id IN (SELECT id FROM gone);
         DELETE FROM job_attempts WHERE job_id IN (SELECT id FROM gone);
         DELETE FROM job_events WHERE job_id IN (SELECT id FROM gone);";
    let removed = "DELETE FROM jobs WHERE id IN (SELECT id FROM gone);";
    let event = "INSERT INTO store_events (sequence, job_id, attempt, at, kind, from_status, actor, detail)
             SELECT sequence + 1000000, jobs.id, attempt, 1, 'deleted', status, actor, json_object('uuid', 'u')
             FROM jobs, (SELECT sequence, actor FROM store_events ORDER BY sequence DESC LIMIT 1)
             WHERE jobs.id IN (SELECT id FROM gone);";
    for (fault, more) in [
        (format!("{gone} {removed}"), "every acknowledged job is there, with its key"),
        (format!("{gone} {event} {removed}"), " did not ask for job "),
    ] {
        let audit = run.with(&fault);
        // At least: the job, its deck, its result, and the events of creation, start, result and end.
        assert!(audit.lost >= 7, "{}", found(&audit));
        assert!(found(&audit).contains("every acknowledged job is there"), "{}", found(&audit));
        assert!(found(&audit).contains(more), "{}", found(&audit));
    }
}

/// What the journals say is turned round instead: the file is as it was.
fn journals(run: &Run) {
    let known = || run.acknowledged.clone();
    let is_deletion = |effect: &Effect| matches!(effect, Effect::Deleted { .. });
    let is_pruning = |effect: &Effect| matches!(effect, Effect::Pruned { jobs: 1.., .. });
    let place = |wanted: fn(&Effect) -> bool| {
        known().effects.iter().position(|(_, effect)| wanted(effect)).expect("there is one")
    };
    for (wanted, name) in
        [(is_deletion as fn(&Effect) -> bool, "deletion"), (is_pruning, "pruning")]
    {
        // Of one who died in the middle, nobody knows more than that it asked.
        let mut effects = known().effects;
        let (actor, effect) = effects.remove(place(wanted));
        let unacknowledged = Acknowledged { effects, ..known() };
        let audit = run.examine(&unacknowledged);
        assert!(!audit.ok() && audit.unacknowledged >= 1, "{name}: {}", found(&audit));
        assert!(audit.lost >= 1, "the jobs are gone for no reason: {name}: {}", found(&audit));
        let in_doubt = BTreeSet::from([actor.clone()]);
        let died = Acknowledged { in_doubt, ..unacknowledged };
        let audit = run.examine(&died);
        assert!(audit.ok() && audit.unknown >= 1, "{name}: {}", found(&audit));
        // And who did not ask cannot have been in the middle.
        let asked = match effect {
            Effect::Deleted { job, .. } => Asked::Deletion(job),
            Effect::Pruned { before, .. } => Asked::Pruning(before),
            other => panic!("{other:?} is neither"),
        };
        let mut never = died.clone();
        assert!(never.asked.remove(&(actor, asked)));
        let audit = run.examine(&never);
        assert!(found(&audit).contains(" did not ask for job "), "{name}: {}", found(&audit));
        assert!(audit.lost >= 1, "{name}: {}", found(&audit));
    }

    // An event fewer, or more, went with a job than there were changes of it.
    for (more, said) in [(-1, "lost"), (1, "doubled")] {
        let mut other = known();
        for (_, effect) in &mut other.effects {
            if let Effect::Deleted { events: Some(events), .. } = effect {
                *events = events.checked_add_signed(more).expect("a job has events");
                break;
            }
        }
        let audit = run.examine(&other);
        let counted = if more < 0 { audit.lost } else { audit.doubled };
        assert_eq!(counted, 1, "{said}: {}", found(&audit));
        assert!(found(&audit).contains(" changes were acknowledged, "), "{}", found(&audit));
    }

    // A job that a call did not find, and that is there.
    let mut other = known();
    let here = "SELECT max(id) FROM jobs";
    let job: i64 = run.connection.query_row(here, [], |row| row.get(0)).expect("a job");
    other.missed.push((0, Missed::Job(store_core::JobId::new(job))));
    let audit = run.examine(&other);
    assert!(found(&audit).contains("was not found, and has not left"), "{}", found(&audit));
}
