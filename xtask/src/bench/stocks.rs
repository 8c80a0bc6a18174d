//! Databases with jobs in them: each is made once, and copied for those who write.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::find;
use super::queues;
use super::references::connection;
use super::retention;
use super::work::Stock;
use crate::failure::{Context, Failure, Result};

/// The databases of a run.
#[derive(Debug)]
pub struct Stocks {
    folder: PathBuf,
    made: HashMap<Stock, PathBuf>,
}

impl Stocks {
    /// They are kept in this folder.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), made: HashMap::new() }
    }

    /// The database with this stock, for those who only read.
    pub fn shared(&mut self, stock: Stock) -> Result<PathBuf> {
        if let Some(path) = self.made.get(&stock) {
            return Ok(path.clone());
        }
        let path = self.folder.join(format!("stock-{}.db", self.made.len()));
        make(&path, stock).doing(|| format!("make a database of {} jobs", stock.jobs()))?;
        self.made.insert(stock, path.clone());
        Ok(path)
    }

    /// A database of one's own with this stock, at `to`. Nobody has the one that is copied open.
    pub fn copy(&mut self, stock: Stock, to: &Path) -> Result<()> {
        let from = self.shared(stock)?;
        std::fs::copy(from, to)
            .and_then(|_| File::open(to))
            // The disk is to be idle when the measurement begins.
            .and_then(|file| file.sync_all())
            .doing(|| "copy a database".to_owned())
    }
}

/// Why a database could not be made.
#[derive(Debug)]
enum Unmade {
    Sqlite(rusqlite::Error),
    Schema(schema::Error),
    Sync(std::io::Error),
}

impl std::fmt::Display for Unmade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(error) => error.fmt(f),
            Self::Schema(error) => error.fmt(f),
            Self::Sync(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Unmade {}

fn make(path: &Path, stock: Stock) -> std::result::Result<(), Unmade> {
    let connection = connection::open(path).map_err(Unmade::Sqlite)?;
    // Nobody needs it after a crash; and the largest has hundreds of megabytes.
    let settings = "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; \
                 PRAGMA cache_size = -262144";
    connection.execute_batch(settings).map_err(Unmade::Sqlite)?;
    schema::migrate(&connection, &schema::migrations::embedded()).map_err(Unmade::Schema)?;
    connection.execute_batch("BEGIN IMMEDIATE").map_err(Unmade::Sqlite)?;
    fill(&connection, stock).map_err(Unmade::Sqlite)?;
    let end = "COMMIT; PRAGMA synchronous = FULL; PRAGMA journal_mode = WAL";
    connection.execute_batch(end).map_err(Unmade::Sqlite)?;
    connection.close().map_err(|(_, error)| Unmade::Sqlite(error))?;
    File::open(path).and_then(|file| file.sync_all()).map_err(Unmade::Sync)
}

/// Jobs a millisecond apart, without inputs and events: lists do not read those.
fn fill(connection: &Connection, stock: Stock) -> rusqlite::Result<()> {
    let status = match stock {
        Stock::Empty => return Ok(()),
        Stock::Queued(_)
        | Stock::QueuedBeside(..)
        | Stock::QueuedBefore(..)
        | Stock::Delayed(_)
        | Stock::Parents(..) => return queues::fill(connection, stock),
        Stock::Finished(_) => "'COMPLETED'",
        Stock::Pending(_) => "'PENDING'",
        Stock::Running(_) => "'RUNNING'",
        Stock::Mixed(_) | Stock::Findable(_) => {
            "CASE i % 20 WHEN 0 THEN 'RUNNING' WHEN 1 THEN 'QUEUED' WHEN 2 THEN 'PENDING' \
             WHEN 3 THEN 'FAILED' ELSE 'COMPLETED' END"
        }
    };
    // An identity of version 7: 48 bits of milliseconds, the version, the variant, the rest.
    let sql = format!(
        "WITH RECURSIVE numbers (i) AS (
             SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < ?1
         ), drafts (i, at, status) AS (
             SELECT i, 1750000000000000 + i * 1000, {status} FROM numbers
         )
         INSERT INTO jobs (uuid, name, work_dir, status, code, runner, created_at, queued_at,
             started_at, finished_at, updated_at)
         SELECT unhex(printf('%012x7%03x8%015x', at / 1000, i % 4096, i)),
             printf('job_%d', i), printf('/scratch/stock/%08d', i), status,
             CASE i % 3 WHEN 0 THEN 'crystal' WHEN 1 THEN 'vasp' ELSE 'quantum_espresso' END,
             CASE i % 2 WHEN 0 THEN 'local' ELSE 'slurm' END, at,
             CASE WHEN status <> 'PENDING' THEN at END,
             CASE WHEN status NOT IN ('PENDING', 'QUEUED') THEN at END,
             CASE WHEN status IN ('COMPLETED', 'FAILED') THEN at END, at
         FROM drafts"
    );
    connection.execute(&sql, [stock.jobs()])?;
    if let Stock::Findable(jobs) = stock {
        connection.execute(CLUSTER, [])?;
        for rows in [GROUPS, find::BESIDES, find::RESULTS] {
            connection.execute(rows, [jobs])?;
        }
    }
    if let Stock::Finished(jobs) = stock {
        retention::fill(connection, jobs)?;
    }
    Ok(())
}

const CLUSTER: &str = "INSERT INTO clusters (name, kind, hostname, created_at, updated_at) \
                       VALUES ('archer', 'slurm', 'login.example.org', 1, 1)";
const GROUPS: &str = "UPDATE jobs SET workflow = 'workflow_' || (id % 100), priority = id % 10, \
                      cluster_id = CASE id % 3 WHEN 0 THEN 1 END WHERE id <= ?1";

/// How many rows of each sort a database has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// Jobs.
    pub jobs: u64,
    /// Jobs as the counts by status have them.
    pub counted: u64,
    /// Inputs.
    pub inputs: u64,
    /// Files of inputs.
    pub files: u64,
    /// Events.
    pub events: u64,
    /// Results.
    pub results: u64,
    /// Edges between jobs.
    pub edges: u64,
    /// Jobs of the queue that cannot be claimed.
    pub waiting: u64,
}

/// Counts the rows of a database that nobody writes to.
pub fn rows(database: &Path) -> Result<Rows> {
    let counting = || "count the rows of a benchmark".to_owned();
    let connection = connection::open(database).doing(counting)?;
    let count = |what: &str| -> Result<u64> {
        let found: i64 = connection.query_one(what, [], |row| row.get(0)).doing(counting)?;
        u64::try_from(found).map_err(|_| Failure::new(format!("{found} rows were counted")))
    };
    Ok(Rows {
        jobs: count("SELECT count(*) FROM jobs")?,
        counted: count("SELECT sum(jobs) FROM job_counts")?,
        inputs: count("SELECT count(*) FROM job_inputs")?,
        files: count("SELECT count(*) FROM job_input_files")?,
        events: count("SELECT count(*) FROM job_events")?,
        results: count("SELECT count(*) FROM job_results")?,
        edges: count("SELECT count(*) FROM job_dependencies")?,
        waiting: count("SELECT count(*) FROM job_queue WHERE obstacles > 0")?,
    })
}
