//! What is measured of claims: whether they stay as quick however much is stored, how many are made, what a
//! worker waits for, and what one costs that finds nothing.

use std::sync::OnceLock;
use std::time::Duration;

use store_core::prelude::*;
use store_core::{CameTo, ClaimFilter, Completion, Error, LeaseKey, Result, RunEnd, Worker};
use store_sqlite::SqliteStore;
use store_sqlite::worker::this_worker;

use super::contest::{Contest, Contestant, Figure, Metric};
use super::target::Target;
use super::work::{Shape, Side, Stock, Until, Work};
use crate::shared::choices::Durability;

/// Longer than any measurement.
pub const LEASE: Duration = Duration::from_secs(3_600);
/// The jobs of a batch.
const BATCH: u32 = 128;

/// A worker looks once who it is: that reads files.
pub fn worker() -> &'static Worker {
    static WORKER: OnceLock<Worker> = OnceLock::new();
    WORKER.get_or_init(|| this_worker("benchmark"))
}

/// How many there are.
pub fn number(keys: &[LeaseKey]) -> u32 {
    u32::try_from(keys.len()).unwrap_or(u32::MAX)
}

/// Claims up to `most` jobs and, if asked, completes them in a second transaction; how many there were.
pub fn claim(store: &SqliteStore, most: u32, complete: bool) -> Result<u32> {
    let claims = store.claim(worker(), &ClaimFilter::all(), most, LEASE)?;
    let keys: Vec<LeaseKey> = claims.iter().map(|claim| claim.lease.key()).collect();
    match keys.as_slice() {
        [key] if complete => store.complete(key, &Completion::default()).map(drop)?,
        [_, _, ..] if complete => store.end_runs(&completed(&keys)).and_then(all_landed)?,
        _ => {}
    }
    Ok(number(&keys))
}

fn completed(keys: &[LeaseKey]) -> Vec<(LeaseKey, RunEnd)> {
    keys.iter().map(|key| (*key, Completion::default().into())).collect()
}

fn all_landed(came_to: Vec<CameTo>) -> Result<()> {
    match came_to.into_iter().find_map(std::result::Result::err) {
        Some(loss) => Err(Error::aborted(loss.to_string())),
        None => Ok(()),
    }
}

/// Completes `held` and claims up to `most` jobs, in one transaction; what was claimed.
pub fn complete_and_claim(
    store: &SqliteStore,
    held: Vec<LeaseKey>,
    most: u32,
) -> Result<Vec<LeaseKey>> {
    let (completion, filter) = (Completion::default(), ClaimFilter::all());
    let claims = match held.as_slice() {
        [] => store.claim(worker(), &filter, most, LEASE)?,
        [key] => store.complete_and_claim(key, &completion, worker(), &filter, most, LEASE)?.1,
        _ => store.write(move |w| {
            w.end_runs(&completed(&held)).and_then(all_landed)?;
            w.claim(worker(), &filter, most, LEASE)
        })?,
    };
    Ok(claims.iter().map(|claim| claim.lease.key()).collect())
}

/// Claims the best job of the queue and completes it, in a transaction each.
pub fn pass_through_queue(store: &SqliteStore) -> Result<()> {
    claim(store, 1, true).map(drop)
}

/// All contests; `many` jobs are a large store.
pub fn contests(many: u32, seconds: f64, long_seconds: f64) -> Vec<Contest> {
    let (until, long) = (Until::Seconds(seconds), Until::Seconds(long_seconds));
    let mut contests = vec![claim_among(many)];
    for durability in [Durability::Normal, Durability::Full] {
        for (name, work) in [
            ("claim-and-complete", Work::ClaimAndComplete as fn(u32) -> Work),
            ("complete-and-claim", Work::CompleteAndClaim),
        ] {
            // Five times the half that claims and ends one by one are to reach.
            let batches = (format!("{name}-{BATCH}"), BATCH, 5.0 * 0.5);
            for (name, most, least) in [(name.to_owned(), 1, 0.5), batches] {
                contests.push(finishing(name, work(most), least, durability, until, many / 10));
            }
        }
    }
    contests.extend([nothing(many / 10, until), fairness(long, many / 2), come_due(many / 50)]);
    contests
}

fn contestant(work: Work, shape: Shape, stock: Stock, until: Until) -> Contestant {
    Contestant { side: Side::Ours, work, shape, stock, until, beside: None }
}

/// One contest, so that the long queue is compared with the short one in the same rounds.
fn claim_among(many: u32) -> Contest {
    let few = 1_000.min(many / 2);
    // Most of the short queue, so that it does not run dry.
    let until = Until::Operations(u64::from(few) * 9 / 10);
    let alone = Shape::alone(Durability::Normal);
    let on = |stock| contestant(Work::Claim(1), alone, stock, until);
    let contestants = vec![
        on(Stock::Queued(few)),
        on(Stock::Queued(many)),
        on(Stock::QueuedBeside(few, many)),
        on(Stock::QueuedBefore(few, many / 2)),
    ];
    let names = [
        format!("claim-of-{many}-queued"),
        format!("claim-beside-{many}-finished"),
        format!("claim-before-{}-edges", u64::from(many / 2) * 4),
    ];
    let figure = |(place, name)| Figure {
        name,
        metric: Metric::Time,
        of: place + 1,
        against: 0,
        reference: "ours, of the short queue",
        target: Some(Target::RatioAtMost(1.5)),
    };
    let figures = names.into_iter().enumerate().map(figure).collect();
    Contest { name: "claim 1x1 normal".to_owned(), contestants, figures, rounds_at_most: 5 }
}

/// Jobs claimed and completed by eight workers, against plain changes of status by as many.
fn finishing(
    name: String,
    work: Work,
    least: f64,
    durability: Durability,
    until: Until,
    jobs: u32,
) -> Contest {
    let shape = Shape { processes: 4, threads: 2, durability };
    let mut contestants = vec![
        contestant(work, shape, Stock::Queued(jobs), until),
        contestant(Work::ChangeStatus, shape, Stock::Pending(5_000.min(jobs)), until),
    ];
    let contest = format!("{name} 4x2 {}", durability.as_str());
    let figure = |against, reference, target| Figure {
        name: name.clone(),
        metric: Metric::Rate,
        of: 0,
        against,
        reference,
        target,
    };
    let mut figures = vec![figure(1, "changes of status", Some(Target::RatioAtLeast(least)))];
    if let Work::ClaimAndComplete(_) = work {
        let alone = Shape::alone(durability);
        let limit = contestant(work, alone, Stock::Queued(jobs), until);
        contestants.push(Contestant { side: Side::Limit, ..limit });
        figures.push(figure(2, Side::Limit.as_str(), None));
    }
    Contest { name: contest, contestants, figures, rounds_at_most: u32::MAX }
}

fn nothing(jobs: u32, until: Until) -> Contest {
    let alone = Shape::alone(Durability::Normal);
    let on = |work| contestant(work, alone, Stock::Pending(jobs), until);
    let figures = vec![Figure {
        name: "claim-of-nothing".to_owned(),
        metric: Metric::Time,
        of: 0,
        against: 1,
        reference: "a job by its id",
        target: None,
    }];
    let contestants = vec![on(Work::ClaimNothing), on(Work::GetById)];
    let name = "claim-of-nothing 1x1 normal".to_owned();
    Contest { name, contestants, figures, rounds_at_most: u32::MAX }
}

/// Claims while a crowd comes due, all of it, beside claims of as many that could be claimed before.
fn come_due(jobs: u32) -> Contest {
    let alone = Shape::alone(Durability::Normal);
    let until = Until::Operations(u64::from(jobs));
    let on = |stock| contestant(Work::Claim(1), alone, stock, until);
    let figure = |name, metric, target| Figure {
        name,
        metric,
        of: 0,
        against: 1,
        reference: "nothing comes due",
        target,
    };
    let figures = vec![
        figure(
            format!("slowest-claim-while-{jobs}-come-due"),
            Metric::Slowest,
            Some(Target::Below(50.0)),
        ),
        figure(format!("claim-of-{jobs}-that-come-due"), Metric::Time, None),
    ];
    let contestants = vec![on(Stock::Delayed(jobs)), on(Stock::Queued(jobs))];
    let name = "claim-while-jobs-come-due 1x1 normal".to_owned();
    Contest { name, contestants, figures, rounds_at_most: 5 }
}

/// A worker in each of four processes: whether all get their share, and how long the unlucky wait.
fn fairness(until: Until, jobs: u32) -> Contest {
    let shape = Shape { processes: 4, threads: 1, durability: Durability::Normal };
    let contestants = vec![
        contestant(Work::ClaimAndComplete(1), shape, Stock::Queued(jobs), until),
        contestant(Work::ChangeStatus, shape, Stock::Pending(5_000.min(jobs)), until),
    ];
    let figure = |name: &str, metric, target| Figure {
        name: name.to_owned(),
        metric,
        of: 0,
        against: 1,
        reference: "changes of status",
        target: Some(target),
    };
    // Above a tenth of all jobs, where the mean share is a quarter; and the claim alone is shorter yet.
    let figures = vec![
        figure("smallest-share-of-claims", Metric::SmallestShare, Target::AtLeast(0.4)),
        figure("slowest-claim-and-complete", Metric::Slowest, Target::Below(250.0)),
    ];
    let name = "fair-claims 4x1 normal".to_owned();
    Contest { name, contestants, figures, rounds_at_most: 3 }
}
