//! Writes: how many a second, beside what SQLite can do, and how long the unlucky wait.

use super::{Sizes, contest};
use crate::bench::contest::{Contest, Contestant, Figure, Metric};
use crate::bench::target::Target;
use crate::bench::work::{Shape, Side, Stock, Until, Work};
use crate::shared::choices::Durability::{self, Full, Normal};

/// Threads that each write one thing after the other, and one that writes many at once.
pub fn throughputs(sizes: Sizes) -> Vec<Contest> {
    let mut contests = Vec::new();
    let works = [
        ("create", Work::Create, Stock::Empty, true),
        ("change-status", Work::ChangeStatus, Stock::Pending(sizes.stock), false),
        ("write-result", Work::WriteResult, Stock::Running(sizes.results), false),
        ("mix", Work::Mix, Stock::Mixed(sizes.stock), false),
    ];
    for durability in [Normal, Full] {
        for (name, work, stock, with_mutex) in works {
            for &threads in sizes.threads {
                let shape = Shape { processes: 1, threads, durability };
                let mutex = with_mutex.then_some(Side::Mutex);
                let others = [Side::Limit, Side::Pool].into_iter().chain(mutex);
                contests.push(throughput(name, work, stock, shape, others, sizes));
            }
            for &threads in sizes.threads_of_four {
                let shape = Shape { processes: 4, threads, durability };
                let others = [Side::Limit, Side::Pool].into_iter();
                contests.push(throughput(name, work, stock, shape, others, sizes));
            }
        }
        contests.extend(in_bulk(durability, sizes));
    }
    contests
}

fn throughput(
    name: &str,
    work: Work,
    stock: Stock,
    shape: Shape,
    others: impl Iterator<Item = Side>,
    sizes: Sizes,
) -> Contest {
    let until = Until::Seconds(sizes.seconds);
    let ours = Contestant { side: Side::Ours, work, shape, stock, until, beside: None };
    // The mix is half reads, which no commit is shared by.
    let judged = shape.processes == 1 && work != Work::Mix;
    let target = |side| {
        let least = match (shape.threads, shape.durability) {
            (1, _) => 0.85,
            (8, Normal) => 1.4,
            (8, Full) => 3.0,
            (64, Normal) => 1.8,
            (64, Full) => 8.0,
            _ => return None,
        };
        (judged && side == Side::Limit).then_some(Target::RatioAtLeast(least))
    };
    let mut made = contest(name, ours, others.map(|side| (side, work)), Metric::Rate, target);
    let shared = (shape.processes == 1).then(|| shared_by_all(work, shape.threads)).flatten();
    if let Some((work, reference)) = shared {
        let against = made.contestants.len();
        let shape = Shape::alone(shape.durability);
        made.contestants.push(Contestant { side: Side::Limit, work, shape, ..ours });
        made.figures.push(Figure { against, reference, target: None, ..made.figures[0].clone() });
    }
    made
}

/// What threads can reach by sharing their commits: one thread that is never waited for, and writes in one
/// transaction what each of them writes once.
fn shared_by_all(work: Work, threads: u32) -> Option<(Work, &'static str)> {
    let reference = match threads {
        4 => "limit, batches of 4",
        8 => "limit, batches of 8",
        64 => "limit, batches of 64",
        _ => return None,
    };
    let work = match work {
        Work::Create => Work::CreateMany(threads),
        Work::ChangeStatus => Work::ChangeStatuses(threads),
        Work::WriteResult => Work::WriteResults(threads),
        _ => return None,
    };
    Some((work, reference))
}

/// Many at once; what no number of threads can be faster than.
fn in_bulk(durability: Durability, sizes: Sizes) -> [Contest; 4] {
    const BATCH: u32 = 500;
    let (pending, running) = (Stock::Pending(sizes.stock), Stock::Running(sizes.results));
    let (create, change) = (Work::CreateMany(BATCH), Work::ChangeStatuses(BATCH));
    let (in_flight, write) = (Work::CreateInFlight(1000), Work::WriteResults(BATCH));
    [
        ("create-bulk-500", create, create, Stock::Empty, Some(0.8)),
        ("create-in-flight-1000", in_flight, create, Stock::Empty, Some(0.5)),
        ("change-status-bulk-500", change, change, pending, None),
        ("write-result-bulk-500", write, write, running, None),
    ]
    .map(|(name, work, theirs, stock, least)| {
        let ours = Contestant {
            side: Side::Ours,
            work,
            shape: Shape::alone(durability),
            stock,
            until: Until::Seconds(sizes.seconds),
            beside: None,
        };
        let target = |_| least.map(Target::RatioAtLeast);
        let batches = [(Side::Limit, theirs)];
        let mut made = contest(name, ours, batches, Metric::Rate, target);
        for figure in &mut made.figures {
            figure.reference = "limit, batches of 500";
        }
        made
    })
}

/// How long the unlucky wait, and whether all processes get their share.
pub fn waits(sizes: Sizes) -> Vec<Contest> {
    let shapes = [(1, 8, Full), (4, 2, Normal), (4, 2, Full), (4, 4, Full)];
    let made = shapes.map(|(processes, threads, durability)| {
        let shape = Shape { processes, threads, durability };
        let (side, until) = (Side::Ours, Until::Seconds(sizes.long_seconds));
        let (work, stock) = (Work::Create, Stock::Empty);
        let ours = Contestant { side, work, shape, stock, until, beside: None };
        let pool = [(Side::Pool, work)];
        let fair = (processes, threads) == (4, 4);
        let target = |_| (!fair).then_some(Target::RatioAtMost(0.1));
        let mut contest = contest("slowest-write", ours, pool, Metric::Slowest, target);
        let first = contest.figures[0].clone();
        let mut further = |name: &str, metric, target| {
            let name = name.to_owned();
            contest.figures.push(Figure { name, metric, target, ..first.clone() });
        };
        further("p99.9-write", Metric::P999, fair.then_some(Target::Below(50.0)));
        if processes > 1 {
            let target = fair.then_some(Target::AtLeast(0.5));
            further("smallest-share", Metric::SmallestShare, target);
        }
        contest.rounds_at_most = 3;
        contest
    });
    made.into()
}
