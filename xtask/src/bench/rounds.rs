//! Who is measured when, and what the rounds add up to.

use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::contest::{Contest, Figure};
use super::measure::{Measured, measure};
use super::statistics::{Spread, ratios};
use super::stocks::Stocks;
use super::target::Target;
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

/// Makes all measurements.
pub fn run(contests: &[Contest], rounds: u32, folder: &Path) -> Result<Vec<Comparison>> {
    let interrupted = interruption()?;
    let mut stocks = Stocks::new(folder);
    let bar = bar(contests, rounds);
    let mut comparisons = Vec::new();
    for contest in contests {
        bar.set_message(contest.name.clone());
        let measured = in_turns(contest, rounds, |index| {
            let of = &contest.contestants[index];
            let measured = measure(of, &mut stocks, folder, &interrupted);
            bar.inc(1);
            measured.map_err(|failure| {
                Failure::new(format!("{}, {}: {failure}", contest.name, of.side.as_str()))
            })
        })?;
        for figure in &contest.figures {
            comparisons.push(compare(contest, figure, &measured)?);
        }
    }
    bar.finish_and_clear();
    Ok(comparisons)
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
    use crate::bench::catalogue::{Sizes, all};

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
            let contests = all(sizes);
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
