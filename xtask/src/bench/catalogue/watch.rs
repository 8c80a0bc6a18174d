//! How late one is who is woken by commits, and what waiting costs; beside one who looks every 10 ms.

use super::{Sizes, named};
use crate::bench::contest::{Contest, Contestant, Figure, Metric};
use crate::bench::target::Target;
use crate::bench::work::{Shape, Side, Stock, Until, Work};
use crate::shared::choices::Durability::{Full, Normal};

/// Milliseconds between two looks of the one that is not woken.
const PAUSE: u32 = 10;

/// One process that follows four that write, and one that follows nobody.
pub fn watches(sizes: Sizes) -> Vec<Contest> {
    let mut contests: Vec<Contest> = [Normal, Full]
        .map(|durability| {
            let shape = Shape { processes: 5, threads: 1, durability };
            let figures = [
                ("watch-p50", Metric::P50, Target::Below(2.0)),
                ("watch-p99", Metric::P99, Target::Below(5.0)),
            ];
            contest("watch", shape, Work::Follow, sizes, &figures)
        })
        .into();
    let idle = [("watch-idle", Metric::Share, Target::Below(0.5))];
    contests.push(contest("watch-idle", Shape::alone(Normal), Work::FollowNothing, sizes, &idle));
    contests
}

fn contest(
    name: &str,
    shape: Shape,
    work: impl Fn(Option<u32>) -> Work,
    sizes: Sizes,
    figures: &[(&str, Metric, Target)],
) -> Contest {
    let contestant = |pause| Contestant {
        side: Side::Ours,
        work: work(pause),
        shape,
        stock: Stock::Mixed(sizes.stock),
        until: Until::Seconds(sizes.long_seconds),
        beside: None,
    };
    let figures = figures.iter().map(|(name, metric, target)| Figure {
        name: (*name).to_owned(),
        metric: *metric,
        of: 0,
        against: 1,
        reference: "a look every 10 ms",
        target: Some(*target),
    });
    Contest {
        name: named(name, shape),
        contestants: vec![contestant(None), contestant(Some(PAUSE))],
        figures: figures.collect(),
        rounds_at_most: 3,
    }
}
