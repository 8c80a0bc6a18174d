//! Databases with jobs that can be claimed, alone or among many that cannot, and with jobs that soon can.

use rusqlite::Connection;

use super::work::Stock;

/// Puts in the jobs of a stock with a queue, a millisecond apart.
pub fn fill(connection: &Connection, stock: Stock) -> rusqlite::Result<()> {
    // Those that are no more queued, those that can be claimed, and those that wait.
    let (first, few, waiting) = match stock {
        Stock::Queued(jobs) => (0, jobs, 0),
        Stock::QueuedBeside(few, many) => (many, few, 0),
        Stock::QueuedBefore(few, many) => (0, few, many),
        Stock::Delayed(jobs) => (0, 0, jobs),
        Stock::Parents(parents, children) => (parents, 0, parents * children),
        _ => return Ok(()),
    };
    let status = if matches!(stock, Stock::Parents(..)) { "RUNNING" } else { "COMPLETED" };
    let obstacles = if let Stock::QueuedBefore(..) = stock { Stock::PARENTS } else { 1 };
    let delayed = matches!(stock, Stock::Delayed(_));
    // All are alike, and so in one lane; named here and put into the queue below, because a trigger a job
    // takes its time.
    connection.execute_batch(
        "INSERT INTO job_lanes (id, cluster_id, runner, code, nodes, cores, memory_mib)
         VALUES (1, 0, 'local', 'crystal', 1, 1, 0)",
    )?;
    // Finished ones come first: who claims the oldest job has to pass them. Where the order is to matter,
    // priorities differ.
    let sql = "WITH RECURSIVE numbers (i) AS (
             SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < ?1 + ?2 + ?3
         ), drafts (i, at, is_first) AS (
             SELECT i, 1750000000000000 + i * 1000, i <= ?1 FROM numbers
         )
         INSERT INTO jobs (uuid, name, work_dir, status, code, runner, priority, created_at, queued_at,
             started_at, finished_at, updated_at, not_before, lane_id)
         SELECT unhex(printf('%012x7%03x8%015x', at / 1000, i % 4096, i)),
             printf('job_%d', i), printf('/scratch/stock/%08d', i),
             iif(is_first, ?4, 'QUEUED'), 'crystal', 'local', iif(?5, i % 10, 0), at, at,
             iif(is_first, at, NULL), iif(is_first AND ?4 = 'COMPLETED', at, NULL), at,
             iif(?5, at + 1, NULL), 1
         FROM drafts";
    connection.execute(sql, (first, few, waiting, status, delayed))?;
    connection.execute(
        "INSERT INTO job_queue
             (job_id, obstacles, lane_id, priority, unsatisfiable, delayed_until, created_at)
         SELECT id, iif(id > ?1, ?2, 0), lane_id, priority, 0, not_before, created_at
         FROM jobs WHERE status = 'QUEUED'",
        [first + few, obstacles],
    )?;
    match stock {
        // Each waits for the ones before it.
        Stock::QueuedBefore(..) => {
            for step in 1..=Stock::PARENTS {
                connection.execute(
                    "INSERT INTO job_dependencies (job_id, depends_on, kind, created_at)
                     SELECT id, id - ?2, 'after_ok', created_at FROM jobs WHERE id > ?1",
                    [first + few, step],
                )?;
            }
        }
        // Those of a parent were created one after the other.
        Stock::Parents(parents, children) => {
            connection.execute(
                "INSERT INTO job_dependencies (job_id, depends_on, kind, created_at)
                 SELECT id, 1 + (id - ?1 - 1) / ?2, 'after_ok', created_at FROM jobs WHERE id > ?1",
                [parents, children],
            )?;
        }
        _ => {}
    }
    Ok(())
}
