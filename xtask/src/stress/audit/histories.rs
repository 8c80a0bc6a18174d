//! The history of every job, whoever wrote it: each change begins where the last one ended.

use std::collections::BTreeMap;

use rusqlite::{Connection, Result};
use store_core::JobStatus;

use super::check::Check;

/// Where a history has led so far: status and attempt.
type Place = (String, u32);

pub fn checks(connection: &Connection) -> Result<Vec<Check>> {
    let mut chain = Check::new("every status change begins where the one before it ended");
    let mut legal = Check::new("every status change is one that the status machine has");
    let mut places: BTreeMap<i64, Place> = BTreeMap::new();
    let mut statement = connection.prepare(
        "SELECT job_id, attempt, kind, from_status, to_status, sequence FROM job_events
         WHERE to_status IS NOT NULL ORDER BY job_id, sequence",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let job: i64 = row.get(0)?;
        let (attempt, kind): (u32, String) = (row.get(1)?, row.get(2)?);
        let (from, to): (Option<String>, String) = (row.get(3)?, row.get(4)?);
        let sequence: i64 = row.get(5)?;
        chain.looked_at += 1;
        legal.looked_at += 1;
        let retried = u32::from(kind == "retried");
        let expected = places.get(&job).cloned();
        let fits = match &expected {
            // The first word of a history says where the job began.
            None => from.is_none(),
            Some((status, before)) => from.as_ref() == Some(status) && attempt == before + retried,
        };
        if !fits {
            let came = expected.map_or_else(|| "nothing".to_owned(), |(status, _)| status);
            let from = from.as_deref().unwrap_or("nothing");
            chain.fault(|| {
                format!("event {sequence} of job {job} goes on from {from} after {came}")
            });
        }
        if !is_legal(from.as_deref(), &to, &kind) {
            let from = from.as_deref().unwrap_or("nothing");
            legal.fault(|| format!("event {sequence} of job {job} is {kind} from {from} to {to}"));
        }
        // It tells of the attempt that is over, and opens the next one.
        let opened = u32::from(kind == "requeued");
        places.insert(job, (to, attempt + opened));
    }
    Ok(vec![chain, legal, ends(connection, &places)?, numbers(connection)?])
}

/// The events of jobs and those that outlive their subject are one order.
fn numbers(connection: &Connection) -> Result<Check> {
    let mut check = Check::new("no two events have the same number, and none is still to be given");
    let mut statement = connection.prepare(
        "SELECT sequence, count(*), sequence > (SELECT seq FROM sqlite_sequence WHERE name = 'job_events')
         FROM (SELECT sequence FROM job_events UNION ALL SELECT sequence FROM store_events) GROUP BY 1",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (sequence, events, to_come): (i64, u64, Option<bool>) =
            (row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs(), row.get(2)?);
        check.looked_at += events;
        if events > 1 {
            check.fault(|| format!("{events} events have the number {sequence}"));
        }
        if to_come != Some(false) {
            check.fault(|| format!("event {sequence} has a number that others will get"));
        }
    }
    Ok(check)
}

/// What a job is, is what its history says last.
fn ends(connection: &Connection, places: &BTreeMap<i64, Place>) -> Result<Check> {
    let mut check = Check::new("every job has the status and attempt that its history ends in");
    let mut statement = connection.prepare("SELECT id, status, attempt FROM jobs")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (job, place): (i64, Place) = (row.get(0)?, (row.get(1)?, row.get(2)?));
        check.looked_at += 1;
        match places.get(&job) {
            Some(last) if *last == place => {}
            Some((status, attempt)) => check.fault(|| {
                let (now, at) = place;
                format!("job {job} is {now}, attempt {at}; its history ends in {status}, attempt {attempt}")
            }),
            None => check.fault(|| format!("job {job} has no history")),
        }
    }
    Ok(check)
}

fn is_legal(from: Option<&str>, to: &str, kind: &str) -> bool {
    let Ok(to) = to.parse::<JobStatus>() else {
        return false;
    };
    let from = match from.map(str::parse::<JobStatus>) {
        None => return matches!(kind, "created" | "imported"),
        Some(Ok(from)) => from,
        Some(Err(_)) => return false,
    };
    match kind {
        "claimed" => (from, to) == (JobStatus::Queued, JobStatus::Running),
        "requeued" => (from, to) == (JobStatus::Running, JobStatus::Queued),
        "status_changed" => from.successors().contains(&to),
        "retried" => {
            matches!(from, JobStatus::Failed | JobStatus::Cancelled)
                && matches!(to, JobStatus::Pending | JobStatus::Queued)
        }
        _ => false,
    }
}
