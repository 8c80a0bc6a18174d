//! sqlx's SQLite pool, as its documentation shows it: jobs with their inputs and events, a transaction
//! each, into the schema of the store. What is said and heard is in the README beside this folder.

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use uuid::Uuid;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Deserialize)]
struct Task {
    database: PathBuf,
    process: u32,
    threads: u32,
    durability: String,
    until: Until,
}

#[derive(Deserialize)]
struct Until {
    seconds: f64,
}

fn hear() -> Outcome<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

fn tell(line: &str) -> Outcome<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

#[tokio::main]
async fn main() -> Outcome<()> {
    if std::env::args().nth(1).as_deref() == Some("--check") {
        return Ok(());
    }
    let task: Task = serde_json::from_str(&hear()?)?;
    let synchronous = match task.durability.as_str() {
        "full" => SqliteSynchronous::Full,
        _ => SqliteSynchronous::Normal,
    };
    let options = SqliteConnectOptions::new()
        .filename(&task.database)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5));
    let pool = SqlitePoolOptions::new()
        .max_connections(task.threads)
        .min_connections(task.threads)
        .connect_with(options)
        .await?;
    let (read_back,): (i64,) = sqlx::query_as("PRAGMA synchronous").fetch_one(&pool).await?;
    tell("ready")?;
    if hear()? != "go" {
        return Ok(());
    }
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(task.until.seconds);
    let mut writers = Vec::new();
    for thread in 0..task.threads {
        writers.push(tokio::spawn(write(pool.clone(), task.process, thread, end)));
    }
    let (mut operations, mut locked) = (0, 0);
    for writer in writers {
        let (written, refused) = writer.await??;
        operations += written;
        locked += refused;
    }
    let seconds = begun.elapsed().as_secs_f64();
    pool.close().await;
    let told = serde_json::json!({
        "operations": operations, "seconds": seconds, "locked": locked, "synchronous": read_back,
    });
    tell(&told.to_string())
}

/// Writes jobs until the end; how many, and how often a lock refused one.
async fn write(pool: SqlitePool, process: u32, thread: u32, end: Instant) -> Outcome<(u64, u64)> {
    let mut deck = "MgO bulk, a geometry of CRYSTAL\n".repeat(40);
    deck.truncate(1000);
    let (mut written, mut locked) = (0_u64, 0);
    while Instant::now() < end {
        let dir = format!("/scratch/benchmark/{process}-{thread}/{written:08}");
        match create(&pool, &format!("mgo_bulk_{written}"), &dir, &deck).await {
            Ok(()) => written += 1,
            Err(sqlx::Error::Database(error)) if error.message().contains("locked") => locked += 1,
            Err(error) => return Err(error.into()),
        }
    }
    Ok((written, locked))
}

async fn create(pool: &SqlitePool, name: &str, dir: &str, deck: &str) -> sqlx::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
    let mut transaction = pool.begin().await?;
    let job = sqlx::query(
        "INSERT INTO jobs (uuid, name, work_dir, status, code, runner, priority, created_at, \
         updated_at) VALUES (?1, ?2, ?3, 'PENDING', 'crystal', 'local', 0, ?4, ?4)",
    )
    .bind(Uuid::now_v7().as_bytes().as_slice())
    .bind(name)
    .bind(dir)
    .bind(now)
    .execute(&mut *transaction)
    .await?
    .last_insert_rowid();
    sqlx::query("INSERT INTO job_inputs (job_id, sha256, updated_at) VALUES (?1, ?2, ?3)")
        .bind(job)
        .bind(Sha256::digest(deck.as_bytes()).as_slice())
        .bind(now)
        .execute(&mut *transaction)
        .await?;
    sqlx::query("INSERT INTO job_input_files (job_id, name, content) VALUES (?1, ?2, ?3)")
        .bind(job)
        .bind("mgo_bulk.d12")
        .bind(deck)
        .execute(&mut *transaction)
        .await?;
    sqlx::query(
        "INSERT INTO job_events (job_id, attempt, at, kind, to_status, actor, detail) \
         VALUES (?1, 1, ?2, 'created', 'PENDING', 'benchmark', '{}')",
    )
    .bind(job)
    .bind(now)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}
