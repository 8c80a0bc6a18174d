//! For each acknowledged change of a job that has not left, a row with the same values.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Result};
use store_core::InputDeck;

use super::acknowledged::Acknowledged;
use super::check::Check;
use super::departures::Departures;
use crate::stress::effect::Effect;
use crate::stress::plan::Plan;

/// A job with what must be as it was acknowledged: uuid, key, and the hash of its deck.
type Row = (Vec<u8>, Option<String>, Option<Vec<u8>>);

pub fn checks(
    connection: &Connection,
    plan: &Plan,
    acknowledged: &Acknowledged,
    departures: &Departures,
) -> Result<Vec<Check>> {
    let of_those_here = || {
        let is_here =
            |effect: &&Effect| effect.job().is_none_or(|job| !departures.explain(job.get()));
        acknowledged.effects().filter(is_here)
    };
    of(connection, plan, !acknowledged.in_doubt.is_empty(), of_those_here)
}

/// Looks for the rows of these changes, in this store or in the second one.
pub fn of<'a, I: Iterator<Item = &'a Effect>>(
    connection: &Connection,
    plan: &Plan,
    doubtful: bool,
    effects: impl Fn() -> I,
) -> Result<Vec<Check>> {
    Ok(vec![
        jobs(connection, effects())?,
        decks(connection, effects())?,
        edges(connection, effects())?,
        results(connection, effects())?,
        submissions(connection, plan, effects())?,
        changes(connection, doubtful, effects())?,
    ])
}

fn jobs<'a>(connection: &Connection, effects: impl Iterator<Item = &'a Effect>) -> Result<Check> {
    let mut check = Check::new("every acknowledged job is there, with its key and its deck's hash");
    let found: BTreeMap<i64, Row> = connection
        .prepare(
            "SELECT j.id, j.uuid, j.idempotency_key, i.sha256
             FROM jobs j LEFT JOIN job_inputs i ON i.job_id = j.id",
        )?
        .query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?))))?
        .collect::<Result<_>>()?;
    let mut seen = BTreeSet::new();
    for effect in effects {
        let Effect::Created { job, uuid, key, input, .. } = effect else {
            continue;
        };
        let row = (uuid.as_bytes().to_vec(), Some(key.clone()), Some(input.as_bytes().to_vec()));
        check.must_be(|| format!("job {job} ({key})"), &row, found.get(&job.get()));
        if !seen.insert(job.get()) {
            check.doubled(1, || format!("job {job} was given out twice"));
        }
    }
    Ok(check)
}

/// The files themselves: hashed again, one job after the other.
fn decks<'a>(connection: &Connection, effects: impl Iterator<Item = &'a Effect>) -> Result<Check> {
    let mut check = Check::new("the files of every deck have the acknowledged hash");
    let mut statement =
        connection.prepare("SELECT name, content FROM job_input_files WHERE job_id = ?1")?;
    for effect in effects {
        let Effect::Created { job, input, .. } = effect else {
            continue;
        };
        let files = statement
            .query_map([job.get()], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<Vec<(String, String)>>>()?;
        let hash = InputDeck::set(files).ok().map(|deck| deck.hash());
        check.must_be(|| format!("the deck of job {job}"), input, hash.as_ref());
    }
    Ok(check)
}

fn edges<'a>(connection: &Connection, effects: impl Iterator<Item = &'a Effect>) -> Result<Check> {
    let mut check = Check::new("every acknowledged dependency is there");
    let found: BTreeMap<(i64, i64), String> = connection
        .prepare("SELECT job_id, depends_on, kind FROM job_dependencies")?
        .query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?
        .collect::<Result<_>>()?;
    for effect in effects {
        let Effect::Created { job, dependencies, .. } = effect else {
            continue;
        };
        for (parent, kind) in dependencies {
            let what = || format!("the dependency of job {job} on job {parent}");
            check.must_be(what, &kind.to_string(), found.get(&(job.get(), parent.get())));
        }
    }
    Ok(check)
}

/// The energy as its bits, its unit, the convergence.
type Yield = (Option<u64>, Option<String>, String);

fn results<'a>(
    connection: &Connection,
    effects: impl Iterator<Item = &'a Effect>,
) -> Result<Check> {
    let mut check = Check::new("every acknowledged result is there, its energy equal to the bit");
    let found: BTreeMap<(i64, u32), Yield> = connection
        .prepare("SELECT job_id, attempt, energy, energy_unit, convergence FROM job_results")?
        .query_map([], |row| {
            let energy: Option<f64> = row.get(2)?;
            let bits = energy.map(f64::to_bits);
            Ok(((row.get(0)?, row.get(1)?), (bits, row.get(3)?, row.get(4)?)))
        })?
        .collect::<Result<_>>()?;
    for effect in effects {
        let Effect::ResultRecorded { job, attempt, convergence, energy } = effect else {
            continue;
        };
        let bits = energy.map(|energy| energy.value().to_bits());
        let unit = energy.map(|energy| energy.unit().to_string());
        let what = || format!("the result of attempt {attempt} of job {job}");
        let expected = (bits, unit, convergence.to_string());
        check.must_be(what, &expected, found.get(&(job.get(), *attempt)));
    }
    Ok(check)
}

/// Job, attempt, cluster, handle.
type Submission = (i64, u32, i64, String);
/// Whether it has ended, and its exit code.
type End = (bool, Option<i32>);

fn submissions<'a>(
    connection: &Connection,
    plan: &Plan,
    effects: impl Iterator<Item = &'a Effect>,
) -> Result<Check> {
    let mut check = Check::new("every acknowledged submission is there once, with its end");
    let found: BTreeMap<i64, (Submission, End)> = connection
        .prepare(
            "SELECT id, job_id, attempt, cluster_id, handle, ended_at IS NOT NULL, exit_code
             FROM remote_jobs WHERE substr(handle, 1, length(?1) + 1) = ?1 || '/'",
        )?
        .query_map([&plan.run], |row| {
            let submission = (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
            Ok((row.get(0)?, (submission, (row.get(5)?, row.get(6)?))))
        })?
        .collect::<Result<_>>()?;
    for effect in effects {
        match effect {
            Effect::Submitted { job, attempt, remote_job, cluster, handle } => {
                let row = (job.get(), *attempt, cluster.get(), handle.clone());
                let there = found.get(&remote_job.get()).map(|(submission, _)| submission);
                check.must_be(|| format!("submission {handle} of job {job}"), &row, there);
            }
            Effect::SubmissionEnded { job, remote_job, exit_code, .. } => {
                let there = found.get(&remote_job.get()).map(|(_, end)| end);
                let what = || format!("the end of submission {remote_job} of job {job}");
                check.must_be(what, &(true, Some(*exit_code)), there);
            }
            _ => {}
        }
    }
    let mut handles = BTreeMap::new();
    for ((_, _, _, handle), _) in found.values() {
        *handles.entry(handle.as_str()).or_insert(0) += 1;
    }
    for (handle, times) in handles.into_iter().filter(|(_, times)| *times > 1) {
        check.doubled(times - 1, || format!("submission {handle} is there {times} times"));
    }
    Ok(check)
}

/// Changes of a job that the newest one does not wipe out: each raise of a priority counts.
fn changes<'a>(
    connection: &Connection,
    doubtful: bool,
    effects: impl Iterator<Item = &'a Effect>,
) -> Result<Check> {
    let mut check = Check::new("no raise of a priority and no archiving was overwritten");
    let mut raises: BTreeMap<i64, i32> = BTreeMap::new();
    let mut archived: BTreeSet<i64> = BTreeSet::new();
    for effect in effects {
        match effect {
            Effect::Prioritised { job, .. } => *raises.entry(job.get()).or_default() += 1,
            Effect::Archived { job, .. } => {
                archived.insert(job.get());
            }
            _ => {}
        }
    }
    let found: BTreeMap<i64, (i32, bool)> = connection
        .prepare("SELECT id, priority, archived_at IS NOT NULL FROM jobs")?
        .query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?
        .collect::<Result<_>>()?;
    for (job, raised) in raises {
        let there = found.get(&job).map(|(priority, _)| priority);
        // A process that was killed may have raised it further than its journal says.
        let raised = there.filter(|there| doubtful && **there > raised).copied().unwrap_or(raised);
        check.must_be(|| format!("the priority of job {job}"), &raised, there);
    }
    for job in archived {
        let there = found.get(&job).map(|(_, archived)| archived);
        check.must_be(|| format!("the archiving of job {job}"), &true, there);
    }
    Ok(check)
}
