//! The plots, as SVG that stands in a page. Texts and axes take the page's colour by CSS.

use std::ops::Range;

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use super::Series;
use crate::failure::{Failure, Result};

const SIZE: (u32, u32) = (720, 320);
/// The colours of the lines, readable on white and on near black; the page's style has them too.
const READS: RGBColor = RGBColor(0x2a, 0x8f, 0xd0);
const WRITES: RGBColor = RGBColor(0xd9, 0x6b, 0x27);

/// One line of a plot.
struct Line<'a> {
    color: RGBColor,
    points: &'a [(f64, f64)],
}

/// What stands at an axis.
struct Axis {
    title: &'static str,
    label: fn(&f64) -> String,
}

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

fn plot<Y>(lines: &[Line<'_>], bottom: (Range<f64>, Axis), side: (Y, Axis)) -> Result<String>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let (mut svg, title) = (String::new(), side.1.title);
    let drawn = draw(&mut svg, lines, bottom, side);
    drawn.map_err(|error| Failure::new(format!("could not draw the plot of {title}: {error}")))?;
    Ok(svg)
}

fn draw<Y>(
    svg: &mut String,
    lines: &[Line<'_>],
    (across, bottom): (Range<f64>, Axis),
    (up, side): (Y, Axis),
) -> Result<(), Box<dyn std::error::Error>>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(across, up)?;
    chart
        .configure_mesh()
        .bold_line_style(BLACK.mix(0.15))
        .light_line_style(TRANSPARENT)
        .x_desc(bottom.title)
        .y_desc(side.title)
        .x_label_formatter(&bottom.label)
        .y_label_formatter(&side.label)
        .label_style(("sans-serif", 13))
        .draw()?;
    for line in lines {
        chart.draw_series(LineSeries::new(
            line.points.iter().copied(),
            line.color.stroke_width(2),
        ))?;
    }
    area.present()?;
    drop(chart);
    Ok(())
}

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

/// With as many decimals as it needs, and its thousands apart.
fn number(value: &f64) -> String {
    if *value >= 1000.0 {
        return super::text::grouped(value.round() as u64);
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
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
    fn labels_are_as_short_as_they_can_be() {
        let labels = [0.0, 0.01, 0.5, 10.0, 250.0, 12_000.0].map(|value| number(&value));
        assert_eq!(labels, ["0", "0.01", "0.5", "10", "250", "12,000"]);
    }

    #[test]
    fn a_run_without_points_has_plots_too() -> Result<()> {
        for plot in [latency, throughput, wal] {
            assert!(plot(&Series::default())?.contains("<svg"));
        }
        Ok(())
    }
}
