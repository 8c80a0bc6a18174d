//! What a writer waits for while jobs that ended leave the store, into a second one or for good.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::contest::{Contest, Contestant, Figure, Metric};
use super::target::Target;
use super::work::{Beside, Retired, Shape, Side, Stock, Until, Work};
use crate::shared::choices::Durability::Normal;

/// How many jobs leave with one call, between which whoever lets them go looks whether it is to stop.
pub const AT_ONCE: u64 = 256;

/// The tables of a job, each after those that it refers to.
pub const TABLES: [&str; 6] =
    ["jobs", "job_inputs", "job_input_files", "job_results", "job_attempts", "job_events"];

/// Where the second database of one lies.
pub fn archive(database: &Path) -> PathBuf {
    database.with_extension("archive.db")
}

/// The contests, with so many jobs that ended.
pub fn contests(jobs: u32, seconds: f64) -> [Contest; 2] {
    [
        contest(
            "slowest-write-beside-move",
            Retired::Moved,
            "one transaction that moves all",
            jobs,
            seconds,
        ),
        contest(
            "slowest-write-beside-prune",
            Retired::Pruned,
            "one transaction that deletes all",
            jobs,
            seconds,
        ),
    ]
}

fn contest(name: &str, how: Retired, at_once: &'static str, jobs: u32, seconds: f64) -> Contest {
    let retiring = Some(Beside { work: Work::Retire(how), threads: 1 });
    let writer = |side, beside| Contestant {
        side,
        work: Work::Create,
        shape: Shape::alone(Normal),
        stock: Stock::Finished(jobs),
        until: Until::Seconds(seconds),
        beside,
    };
    let figure = |against, reference, target| Figure {
        name: name.to_owned(),
        metric: Metric::Slowest,
        of: 0,
        against,
        reference,
        target,
    };
    Contest {
        name: format!("{name} 1x1 normal"),
        contestants: vec![
            writer(Side::Ours, retiring),
            writer(Side::Ours, None),
            writer(Side::Pool, retiring),
        ],
        figures: vec![
            figure(1, "the same writer alone", Some(Target::Below(50.0))),
            figure(2, at_once, None),
        ],
        rounds_at_most: 3,
    }
}

/// What finished jobs have besides their rows.
pub fn fill(connection: &Connection, jobs: u32) -> rusqlite::Result<()> {
    // A deck of a kilobyte, a result with the document of the other contests, and the history of a job that
    // was created, queued, started and completed.
    let inputs = "INSERT INTO job_inputs (job_id, sha256, updated_at)
         SELECT id, unhex(printf('%064x', id)), created_at FROM jobs";
    let files = "INSERT INTO job_input_files (job_id, name, content)
         SELECT id, 'mgo_bulk.d12', hex(zeroblob(500)) FROM jobs";
    let attempts =
        "INSERT INTO job_attempts (job_id, attempt, outcome, queued_at, started_at, ended_at)
         SELECT id, 1, 'completed', queued_at, started_at, finished_at FROM jobs";
    let results = "INSERT INTO job_results (job_id, attempt, energy, energy_unit, convergence,
             document_version, document, provenance, recorded_at)
         SELECT id, 1, -275.0 - (id % 1000) / 1000.0, 'hartree', 'converged', 1,
             json_object('band_gap_ev', id % 100 / 10.0, 'fermi_ev', -4.02, 'atoms', 2), '{}', created_at
         FROM jobs";
    for rows in [inputs, files, attempts, results] {
        connection.execute(rows, [])?;
    }
    // Step by step, so that the history of one is among those of others, as it comes to be.
    let events =
        "INSERT INTO job_events (job_id, attempt, at, kind, from_status, to_status, actor, detail)
         SELECT jobs.id, 1, jobs.created_at, iif(steps.value = 1, 'created', 'status_changed'),
             CASE steps.value WHEN 2 THEN 'PENDING' WHEN 3 THEN 'QUEUED' WHEN 4 THEN 'RUNNING' END,
             CASE steps.value WHEN 1 THEN 'PENDING' WHEN 2 THEN 'QUEUED' WHEN 3 THEN 'RUNNING'
                 ELSE 'COMPLETED' END, 'benchmark', '{}'
         FROM jobs CROSS JOIN json_each('[1, 2, 3, 4]') AS steps WHERE jobs.id <= ?1
         ORDER BY jobs.id / 50, steps.value, jobs.id";
    connection.execute(events, [jobs]).map(drop)
}
