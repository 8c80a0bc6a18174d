//! The plots of a run.

use plotters::prelude::*;

use super::Series;
use crate::failure::Result;
use crate::shared::numbers::number;
use crate::shared::plot::{Axis, Line, plot};

/// The colours of the lines, readable on white and on near black; the page's style has them too.
const READS: RGBColor = RGBColor(0x2a, 0x8f, 0xd0);
const WRITES: RGBColor = RGBColor(0xd9, 0x6b, 0x27);

/// Latency by percentile.
pub fn latency(series: &Series) -> Result<String> {
    let lines = [
        Line { color: READS, points: &series.read_latency },
        Line { color: WRITES, points: &series.write_latency },
    ];
    let (across, up) = extent(&lines);
    let least = lines.iter().flat_map(|line| line.points).map(|point| point.1);
    let least = least.fold(f64::INFINITY, f64::min).clamp(1e-3, 1.0);
    let up = (least * 0.8..up.max(least) * 1.3).log_scale();
    let bottom = Axis { title: "percentile", label: percentile };
    let side = Axis { title: "milliseconds", label: number };
    plot(&lines, (0.0..across.max(1.0), bottom), (up, side))
}

/// Calls in each second.
pub fn throughput(series: &Series) -> Result<String> {
    let lines = [
        Line { color: READS, points: &series.reads },
        Line { color: WRITES, points: &series.writes },
    ];
    let (across, up) = extent(&lines);
    let side = Axis { title: "calls per second", label: number };
    plot(&lines, (0.0..across + 0.5, SECONDS), (0.0..up.max(1.0) * 1.1, side))
}

/// The size of the log.
pub fn wal(series: &Series) -> Result<String> {
    let lines = [Line { color: WRITES, points: &series.wal }];
    let (across, up) = extent(&lines);
    let side = Axis { title: "megabytes", label: number };
    plot(&lines, (0.0..across.max(0.1), SECONDS), (0.0..up.max(0.1) * 1.1, side))
}

const SECONDS: Axis = Axis { title: "seconds", label: number };

/// The largest values along both axes.
fn extent(lines: &[Line<'_>]) -> (f64, f64) {
    let points = || lines.iter().flat_map(|line| line.points);
    let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    (largest(&mut points().map(|point| point.0)), largest(&mut points().map(|point| point.1)))
}

/// 0 is the fastest call, 1 is 90 %, 2 is 99 %.
fn percentile(nines: &f64) -> String {
    let percent = 100.0 * (1.0 - 10_f64.powf(-nines));
    let decimals = (nines.floor() as usize).saturating_sub(2) + usize::from(nines.fract() > 0.01);
    format!("{percent:.decimals$}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_those_of_percentiles() {
        assert_eq!(
            [0.0, 1.0, 2.0, 3.0, 4.0].map(|nines| percentile(&nines)),
            ["0%", "90%", "99%", "99.9%", "99.99%"]
        );
    }

    #[test]
    fn a_run_without_points_has_plots_too() -> Result<()> {
        for plot in [latency, throughput, wal] {
            assert!(plot(&Series::default())?.contains("<svg"));
        }
        Ok(())
    }
}
