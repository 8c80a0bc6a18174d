//! What is measured: every contest, who takes part, and which numbers come of it.

mod watch;
mod writes;

use super::claims;
use super::contest::{Contest, Contestant, Figure, Metric};
use super::find;
use super::graphs;
use super::retention;
use super::target::Target;
use super::work::{Beside, Shape, Side, Stock, Until, Work};
use crate::shared::choices::Durability::{self, Full, Normal};

/// How much is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sizes {
    seconds: f64,
    long_seconds: f64,
    lists: [u32; 3],
    stock: u32,
    results: u32,
    log_jobs: u64,
    families: graphs::Families,
    graphs: graphs::Graphs,
    threads: &'static [u32],
    threads_of_four: &'static [u32],
}

impl Sizes {
    /// Those that say something.
    pub const FULL: Self = Self {
        seconds: 0.3,
        long_seconds: 4.0,
        lists: [10_000, 100_000, 1_000_000],
        stock: 5_000,
        results: 25_000,
        log_jobs: 10_000,
        families: [(1_000, 50, 1.0), (10_000, 12, 10.0)],
        graphs: [(10_000, 30_000, 3, 1_000.0), (10_000, 1_000_000, 1, 6_000.0)],
        threads: &[1, 4, 8, 64],
        threads_of_four: &[1, 4, 8, 64],
    };
    /// Those that show that everything works.
    pub const QUICK: Self = Self {
        seconds: 0.02,
        long_seconds: 0.05,
        lists: [500, 1_000, 2_000],
        stock: 500,
        results: 2_000,
        log_jobs: 100,
        families: [(10, 5, 1.0), (100, 5, 10.0)],
        graphs: [(20, 50, 2, 1_000.0), (200, 1_000, 1, 6_000.0)],
        threads: &[1, 8],
        threads_of_four: &[2],
    };
}

/// Everything that can be measured, in the order of the report.
pub fn all(sizes: Sizes) -> Vec<Contest> {
    let mut contests = Vec::new();
    contests.extend(writes::throughputs(sizes));
    contests.extend(writes::waits(sizes));
    contests.extend(reads(sizes));
    contests.push(lists(sizes));
    contests.extend(find::contests(sizes.lists[2], sizes.seconds));
    contests.extend([Normal, Full].map(|durability| reads_beside_writers(durability, sizes)));
    contests.extend(watch::watches(sizes));
    contests.extend(claims::contests(sizes.lists[2], sizes.seconds, sizes.long_seconds));
    contests.extend(graphs::contests(sizes.families, sizes.graphs));
    contests.extend(retention::contests(4 * sizes.stock, sizes.long_seconds));
    contests.push(memory(sizes));
    contests.extend([10, 100].map(|milliseconds| log(milliseconds, sizes)));
    contests
}

/// What is measured beside other libraries.
pub fn peers(sizes: Sizes) -> Vec<Contest> {
    let ours = |work, processes, threads, durability| Contestant {
        side: Side::Ours,
        work,
        shape: Shape { processes, threads, durability },
        stock: Stock::Empty,
        until: Until::Seconds(sizes.seconds),
        beside: None,
    };
    let mut contests = Vec::new();
    for durability in [Normal, Full] {
        for (processes, threads) in [(1, 1), (1, 8), (4, 1)] {
            let ours = ours(Work::Create, processes, threads, durability);
            let sqlx = [(Side::Sqlx, Work::Create)];
            contests.push(contest("create-beside-sqlx", ours, sqlx, Metric::Rate, |_| None));
        }
    }
    // NORMAL alone, which all of them have.
    for processes in [1, 4] {
        let work = Work::PassThroughQueue;
        let queues = [Side::Huey, Side::Honker, Side::Plainjob].map(|side| (side, work));
        contests.push(contest(
            "queue",
            ours(work, processes, 1, Normal),
            queues,
            Metric::Rate,
            |_| None,
        ));
    }
    contests
}

const ROUNDS: u32 = u32::MAX;

fn named(name: &str, shape: Shape) -> String {
    let Shape { processes, threads, durability } = shape;
    format!("{name} {processes}x{threads} {}", durability.as_str())
}

/// `others` beside ours; the limit is one thread of one process, whatever the shape.
fn contest(
    name: &str,
    ours: Contestant,
    others: impl IntoIterator<Item = (Side, Work)>,
    metric: Metric,
    target: impl Fn(Side) -> Option<Target>,
) -> Contest {
    let mut contestants = vec![ours];
    let mut figures = Vec::new();
    for (side, work) in others {
        let shape = match side {
            Side::Limit => Shape::alone(ours.shape.durability),
            _ => ours.shape,
        };
        figures.push(Figure {
            name: name.to_owned(),
            metric,
            of: 0,
            against: contestants.len(),
            reference: side.as_str(),
            target: target(side),
        });
        contestants.push(Contestant { side, work, shape, ..ours });
    }
    let name = named(name, ours.shape);
    Contest { name, contestants, figures, rounds_at_most: ROUNDS }
}

/// Under NORMAL alone: no read waits for a sync.
fn reads(sizes: Sizes) -> Vec<Contest> {
    let stock = Stock::Mixed(sizes.lists[1]);
    let works = [
        ("get-by-id", Work::GetById),
        ("newest-50", Work::Newest(50)),
        ("statuses-1000", Work::Statuses(1000.min(sizes.lists[1]))),
    ];
    let shapes: Vec<(u32, u32)> = [(1, sizes.threads), (4, sizes.threads_of_four)]
        .into_iter()
        .flat_map(|(processes, threads)| threads.iter().map(move |&threads| (processes, threads)))
        .collect();
    let mut made = Vec::new();
    for (name, work) in works {
        for &(processes, threads) in &shapes {
            let shape = Shape { processes, threads, durability: Normal };
            let until = Until::Seconds(sizes.seconds);
            let ours = Contestant { side: Side::Ours, work, shape, stock, until, beside: None };
            let judged = (work, processes, threads) == (Work::GetById, 1, 1);
            let target =
                |side| (judged && side == Side::Limit).then_some(Target::RatioAtLeast(0.8));
            let others = [Side::Limit, Side::Pool].map(|side| (side, work));
            made.push(contest(name, ours, others, Metric::Rate, target));
        }
    }
    made
}

/// One contest, so that the long list is compared with the short one in the same run.
fn lists(sizes: Sizes) -> Contest {
    let mut contestants = Vec::new();
    let mut figures = Vec::new();
    let (metric, work) = (Metric::Time, Work::Newest(50));
    for jobs in sizes.lists {
        let of = contestants.len();
        for side in [Side::Ours, Side::Limit] {
            let (shape, stock) = (Shape::alone(Normal), Stock::Mixed(jobs));
            let until = Until::Seconds(sizes.seconds);
            contestants.push(Contestant { side, work, shape, stock, until, beside: None });
        }
        figures.push(Figure {
            name: format!("newest-50-of-{jobs}"),
            metric,
            of,
            against: of + 1,
            reference: Side::Limit.as_str(),
            target: None,
        });
    }
    figures.push(Figure {
        name: format!("newest-50-of-{}", sizes.lists[2]),
        metric,
        of: 4,
        against: 0,
        reference: "ours, of the shortest list",
        target: Some(Target::RatioAtMost(2.0)),
    });
    let name = named("newest-50-by-length", Shape::alone(Normal));
    Contest { name, contestants, figures, rounds_at_most: ROUNDS }
}

/// A reader that has a core reads as fast beside writers as alone. Where there are fewer cores than threads, the
/// kernel decides who has one, so what is judged is how much it reads while it has one; what the clock says,
/// and what it had of a core, stand beside it.
fn reads_beside_writers(durability: Durability, sizes: Sizes) -> Contest {
    let shape = Shape::alone(durability);
    let alone = Contestant {
        side: Side::Ours,
        work: Work::GetById,
        shape,
        stock: Stock::Mixed(sizes.lists[0]),
        until: Until::Seconds(sizes.seconds),
        beside: None,
    };
    let beside = Some(Beside { work: Work::Create, threads: 4 });
    let pool = Contestant { side: Side::Pool, ..alone };
    let contestants = vec![Contestant { beside, ..alone }, alone, Contestant { beside, ..pool }];
    let figures = [
        ("read-beside-4-writers", Metric::RateOfCore, Some(Target::RatioAtLeast(0.8))),
        ("by-the-clock", Metric::Rate, None),
        ("core-of-the-reader", Metric::CoreHad, None),
    ];
    let figures = figures.into_iter().flat_map(|(name, metric, target)| {
        let figure = move |against, reference, target| Figure {
            name: name.to_owned(),
            metric,
            of: 0,
            against,
            reference,
            target,
        };
        [figure(1, "the same reader alone", target), figure(2, "pool of writers", None)]
    });
    let figures = figures.collect();
    let name = named("read-beside-4-writers", shape);
    Contest { name, contestants, figures, rounds_at_most: ROUNDS }
}

fn memory(sizes: Sizes) -> Contest {
    let ours = Contestant {
        side: Side::Ours,
        work: Work::ListAll,
        shape: Shape::alone(Normal),
        stock: Stock::Mixed(sizes.lists[2]),
        until: Until::Operations(1),
        beside: None,
    };
    let limit = [(Side::Limit, Work::ListAll)];
    let target = |_| Some(Target::Below(64.0));
    let mut made = contest("list-memory", ours, limit, Metric::Memory, target);
    let own = Figure {
        name: "list-own-memory".to_owned(),
        metric: Metric::OwnMemory,
        target: None,
        ..made.figures[0].clone()
    };
    made.figures.push(own);
    made.rounds_at_most = 1;
    made
}

/// How large the log becomes while snapshots overlap that are held for so long, and how long writers wait while
/// it is emptied.
fn log(milliseconds: u32, sizes: Sizes) -> Contest {
    let ours = Contestant {
        side: Side::Ours,
        work: Work::Create,
        shape: Shape { processes: 4, threads: 1, durability: Normal },
        stock: Stock::Empty,
        until: Until::Operations(sizes.log_jobs),
        beside: Some(Beside { work: Work::HoldSnapshots(milliseconds), threads: 2 }),
    };
    let pool = [(Side::Pool, Work::Create)];
    let target = |_| Some(Target::Below(64.0));
    let name = format!("log-size-{milliseconds}ms-reader");
    let mut made = contest(&name, ours, pool, Metric::Log, target);
    let slowest = Figure {
        name: format!("slowest-write-beside-{milliseconds}ms-readers"),
        metric: Metric::Slowest,
        target: Some(Target::Below(100.0)),
        ..made.figures[0].clone()
    };
    made.figures.push(slowest);
    // Each writes gigabytes where the log is not cut.
    made.rounds_at_most = 3;
    made
}
