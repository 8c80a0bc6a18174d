//! Databases with jobs that can be claimed, alone or among many that cannot.

use rusqlite::Connection;

use super::work::Stock;

/// How many others each waiting job waits for.
const PARENTS: u32 = 4;

/// Puts in the jobs of a stock with a queue, a millisecond apart.
pub fn fill(connection: &Connection, stock: Stock) -> rusqlite::Result<()> {
    let (few, finished, waiting) = match stock {
        Stock::Queued(jobs) => (jobs, 0, 0),
        Stock::QueuedBeside(few, many) => (few, many, 0),
        Stock::QueuedBefore(few, many) => (few, 0, many),
        _ => return Ok(()),
    };
    // All are alike, and so in one lane; named here and put into the queue below, because a trigger a job
    // takes its time.
    connection.execute_batch(
        "INSERT INTO job_lanes (id, cluster_id, runner, code, nodes, cores, memory_mib)
         VALUES (1, 0, 'local', 'crystal', 1, 1, 0)",
    )?;
    // Finished ones come first: who claims the oldest job has to pass them.
    let sql = "WITH RECURSIVE numbers (i) AS (
             SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < ?1 + ?2 + ?3
         ), drafts (i, at, is_finished) AS (
             SELECT i, 1750000000000000 + i * 1000, i <= ?1 FROM numbers
         )
         INSERT INTO jobs (uuid, name, work_dir, status, code, runner, created_at, queued_at,
             started_at, finished_at, updated_at, lane_id)
         SELECT unhex(printf('%012x7%03x8%015x', at / 1000, i % 4096, i)),
             printf('job_%d', i), printf('/scratch/stock/%08d', i),
             iif(is_finished, 'COMPLETED', 'QUEUED'), 'crystal', 'local', at, at,
             iif(is_finished, at, NULL), iif(is_finished, at, NULL), at, 1
         FROM drafts";
    connection.execute(sql, [finished, few, waiting])?;
    connection.execute(
        "INSERT INTO job_queue (job_id, obstacles, lane_id, priority, unsatisfiable, created_at)
         SELECT id, iif(id > ?1, ?2, 0), lane_id, priority, 0, created_at
         FROM jobs WHERE status = 'QUEUED'",
        [finished + few, PARENTS],
    )?;
    // Each waits for the ones before it.
    for step in 1..=PARENTS {
        connection.execute(
            "INSERT INTO job_dependencies (job_id, depends_on, kind, created_at)
             SELECT id, id - ?2, 'after_ok', created_at FROM jobs WHERE id > ?1",
            [finished + few, step],
        )?;
    }
    Ok(())
}
