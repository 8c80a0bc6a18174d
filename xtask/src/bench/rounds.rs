//! Who is measured when, and what the rounds add up to.

use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::contest::{Contest, Figure};
use super::measure::{Measured, measure};
use super::peers::Peers;
use super::statistics::{Spread, ratios};
use super::stocks::Stocks;
use super::target::Target;
use super::work::Side;
use crate::failure::{Failure, Result};
use crate::shared::children::interruption;
use crate::shared::choices::Durability;

/// One number beside its reference. The names of the fields are those of the JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// What was measured.
    pub name: String,
    /// In which contest; `--only` looks for it.
    pub contest: String,
    /// Our number, the median of the rounds.
    pub ours: f64,
    /// The smallest of a round.
    pub ours_least: f64,
    /// The largest of a round.
    pub ours_most: f64,
    /// What it is compared with.
    pub reference: &'static str,
    /// The number of that one, the median of the rounds.
    pub reference_value: f64,
    /// Ours over that, the median of the rounds' ratios.
    pub ratio: f64,
    /// The smallest ratio of a round.
    pub ratio_least: f64,
    /// The largest ratio of a round.
    pub ratio_most: f64,
    /// The unit of both numbers.
    pub unit: &'static str,
    /// Which numbers are better: "higher" or "lower".
    pub better: &'static str,
    /// Threads of each process on our side.
    pub threads: u32,
    /// Processes on our side.
    pub processes: u32,
    /// What an acknowledged write survives.
    pub durability: Durability,
    /// How many rounds there were.
    pub rounds: u32,
    /// What is to be reached, where something is.
    pub target: Option<String>,
    /// Whether it is.
    pub reached: Option<bool>,
    /// Writes that shared a commit of ours, on average of the last round.
    pub writes_per_commit: Option<f64>,
    /// How often "database is locked" came on the other side and the call was made again.
    pub reference_locked: u64,
}

/// Makes all measurements. A peer that fails is left out from there on, with a word.
pub fn run(
    contests: Vec<Contest>,
    rounds: u32,
    folder: &Path,
    peers: &mut Peers,
) -> Result<Vec<Comparison>> {
    let interrupted = interruption()?;
    let mut stocks = Stocks::new(folder);
    let bar = bar(&contests, rounds);
    let mut comparisons = Vec::new();
    for contest in contests {
        bar.set_message(contest.name.clone());
        comparisons.extend(with_those_present(contest, peers, |contest, peers, failed| {
            let measured = in_turns(contest, rounds, |index| {
                let of = &contest.contestants[index];
                let measured = measure(of, &mut stocks, folder, peers, &interrupted);
                bar.inc(1);
                measured.map_err(|failure| {
                    *failed = Some(of.side);
                    Failure::new(format!("{}, {}: {failure}", contest.name, of.side.as_str()))
                })
            })?;
            contest.figures.iter().map(|figure| compare(contest, figure, &measured)).collect()
        })?);
    }
    bar.finish_and_clear();
    Ok(comparisons)
}

/// Makes a contest, again without a peer that failed in it.
fn with_those_present<T>(
    contest: Contest,
    peers: &mut Peers,
    mut make: impl FnMut(&Contest, &Peers, &mut Option<Side>) -> Result<Vec<T>>,
) -> Result<Vec<T>> {
    let mut present = peers.present(vec![contest]).pop();
    while let Some(contest) = &present {
        let mut failed = None;
        match (make(contest, peers, &mut failed), failed) {
            (Err(failure), Some(side)) if side.is_peer() => peers.skip(side, failure.to_string()),
            (made, _) => return made,
        }
        present = peers.present(present.into_iter().collect()).pop();
    }
    Ok(Vec::new())
}

/// One measurement of each contestant a round; another one goes first each time.
fn in_turns<T>(
    contest: &Contest,
    rounds: u32,
    mut measure: impl FnMut(usize) -> Result<T>,
) -> Result<Vec<Vec<T>>> {
    let number = contest.contestants.len();
    let mut all: Vec<Vec<T>> = (0..number).map(|_| Vec::new()).collect();
    for round in 0..rounds.min(contest.rounds_at_most) as usize {
        for place in 0..number {
            let index = (round + place) % number;
            all[index].push(measure(index)?);
        }
    }
    Ok(all)
}

fn compare(contest: &Contest, figure: &Figure, measured: &[Vec<Measured>]) -> Result<Comparison> {
    let values = |index: usize| -> Vec<f64> {
        measured[index].iter().map(|one| one.read(figure.metric)).collect()
    };
    let (ours, reference) = (values(figure.of), values(figure.against));
    let ratios = ratios(&ours, &reference);
    let spread = |values: &[f64]| {
        let finite = values.iter().all(|value| value.is_finite());
        let spread = Spread::of(values).filter(|_| finite);
        spread.ok_or_else(|| Failure::new(format!("{}: nothing was measured", contest.name)))
    };
    let (value, ratio) = (spread(&ours)?, spread(&ratios)?);
    let shape = contest.contestants[figure.of].shape;
    // A bound on a number itself holds in every round, not in half of them.
    let worst = if figure.metric.more_is_better() { value.least } else { value.most };
    Ok(Comparison {
        name: figure.name.clone(),
        contest: contest.name.clone(),
        ours: value.median,
        ours_least: value.least,
        ours_most: value.most,
        reference: figure.reference,
        reference_value: spread(&reference)?.median,
        ratio: ratio.median,
        ratio_least: ratio.least,
        ratio_most: ratio.most,
        unit: figure.metric.unit(),
        better: if figure.metric.more_is_better() { "higher" } else { "lower" },
        threads: shape.threads,
        processes: shape.processes,
        durability: shape.durability,
        rounds: u32::try_from(ours.len()).unwrap_or(u32::MAX),
        target: figure.target.as_ref().map(Target::to_string),
        reached: figure.target.map(|target| target.reached(worst, ratio.median)),
        writes_per_commit: measured[figure.of].last().and_then(Measured::writes_a_commit),
        reference_locked: measured[figure.against].iter().map(Measured::locked).sum(),
    })
}

fn bar(contests: &[Contest], rounds: u32) -> ProgressBar {
    let measurements = contests
        .iter()
        .map(|contest| {
            contest.contestants.len() as u64 * u64::from(rounds.min(contest.rounds_at_most))
        })
        .sum();
    // It draws on a terminal alone.
    let bar = ProgressBar::with_draw_target(Some(measurements), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{wide_bar:.cyan/blue} {pos} of {len}: {msg}") {
        bar.set_style(style);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::catalogue::{Sizes, all, peers};

    #[test]
    fn a_peer_that_fails_is_left_out_and_the_contest_is_made_again() -> Result<()> {
        let queue = peers(Sizes::QUICK).into_iter().find(|one| one.name.starts_with("queue"));
        let queue = queue.ok_or_else(|| Failure::new("there is none"))?;
        let mut installed = Peers::default();
        let failing = |side: Side| {
            move |contest: &Contest, _: &Peers, failed: &mut Option<Side>| {
                if contest.contestants.iter().any(|one| one.side == side) {
                    *failed = Some(side);
                    return Err(Failure::new("it fell over"));
                }
                Ok(contest.contestants.iter().map(|one| one.side).collect())
            }
        };
        let made = with_those_present(queue.clone(), &mut installed, failing(Side::Honker))?;
        assert_eq!(made, [Side::Ours, Side::Huey, Side::Plainjob]);
        let told: Vec<String> = installed.skipped().iter().map(ToString::to_string).collect();
        assert_eq!(told, ["skipped honker: it fell over"]);
        // The store itself is never left out.
        let failed = with_those_present(queue, &mut installed, failing(Side::Ours));
        assert_eq!(failed.expect_err("ours fell over").to_string(), "it fell over");
        Ok(())
    }

    #[test]
    fn another_one_goes_first_each_round() -> Result<()> {
        let contests = all(Sizes::FULL);
        let three = contests.iter().find(|one| one.contestants.len() == 3);
        let contest = three.ok_or_else(|| Failure::new("none has three"))?;
        let mut order = Vec::new();
        let measured = in_turns(contest, 2, |index| {
            order.push(index);
            Ok(order.len())
        })?;
        assert_eq!(order, [0, 1, 2, 1, 2, 0]);
        assert_eq!(measured, [[1, 6], [2, 4], [3, 5]]);
        Ok(())
    }

    #[test]
    fn names_are_unique_but_for_their_references() {
        for sizes in [Sizes::FULL, Sizes::QUICK] {
            let contests: Vec<Contest> = all(sizes).into_iter().chain(peers(sizes)).collect();
            let mut names: Vec<&str> = contests.iter().map(|one| one.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), contests.len());
            for figure in contests.iter().flat_map(|contest| {
                contest.figures.iter().map(|figure| (figure, contest.contestants.len()))
            }) {
                let (figure, number) = figure;
                assert!(figure.of < number && figure.against < number, "{figure:?}");
            }
        }
    }
}
