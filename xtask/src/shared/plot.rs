//! Lines between two axes, as SVG that stands in a page. Texts and axes take the page's colour by CSS.

use std::ops::Range;

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use crate::failure::{Failure, Result};

const SIZE: (u32, u32) = (720, 320);
/// One line of a plot.
pub struct Line<'a> {
    /// Its colour.
    pub color: RGBColor,
    /// Its points, from left to right.
    pub points: &'a [(f64, f64)],
}

/// What stands at an axis.
pub struct Axis {
    /// What it measures.
    pub title: &'static str,
    /// How a value is written.
    pub label: fn(&f64) -> String,
}

/// Draws lines between two axes.
pub fn plot<Y>(lines: &[Line<'_>], bottom: (Range<f64>, Axis), side: (Y, Axis)) -> Result<String>
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
