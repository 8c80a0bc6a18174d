//! Throughput by the number of threads, ours beside the references.

use plotters::prelude::*;

use crate::bench::rounds::Comparison;
use crate::bench::work::Side;
use crate::failure::Result;
use crate::shared::numbers::number;
use crate::shared::plot::{Axis, Line, plot};

/// Who has which colour, readable on white and on near black.
const COLORS: [(Side, RGBColor); 5] = [
    (Side::Ours, RGBColor(0x2a, 0x8f, 0xd0)),
    (Side::Limit, RGBColor(0xd9, 0x6b, 0x27)),
    (Side::Pool, RGBColor(0x8e, 0x6b, 0xc4)),
    (Side::Mutex, RGBColor(0x3a, 0x9d, 0x5d)),
    (Side::Sqlx, RGBColor(0xc2, 0x4d, 0x84)),
];

/// One plot of the page.
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// Which colour is whose; HTML.
    pub legend: String,
    /// The plot; SVG.
    pub svg: String,
}

/// A plot of each work that was measured at several numbers of threads.
pub fn all(results: &[Comparison]) -> Result<Vec<Plot>> {
    let rates = || results.iter().filter(|one| one.unit == "1/s");
    let mut sorts: Vec<_> =
        rates().map(|one| (one.name.as_str(), one.processes, one.durability)).collect();
    sorts.dedup();
    let mut seen = Vec::new();
    sorts.retain(|sort| {
        !seen.contains(sort) && {
            seen.push(*sort);
            true
        }
    });
    let mut plots = Vec::new();
    for (name, processes, durability) in sorts {
        let of_sort: Vec<&Comparison> = rates()
            .filter(|one| {
                (one.name.as_str(), one.processes, one.durability) == (name, processes, durability)
            })
            .collect();
        if of_sort.iter().all(|one| one.threads == of_sort[0].threads) {
            continue;
        }
        let noun = if processes == 1 { "process" } else { "processes" };
        let title =
            format!("{name}, {processes} {noun}, durability {}, a second", durability.as_str());
        plots.push(draw(title, &of_sort)?);
    }
    Ok(plots)
}

fn draw(title: String, of_sort: &[&Comparison]) -> Result<Plot> {
    let points = COLORS.map(|(side, color)| {
        let value = |one: &&Comparison| match side {
            Side::Ours => Some((one.threads, one.ours)),
            _ => (one.reference == side.as_str()).then_some((one.threads, one.reference_value)),
        };
        let mut points: Vec<(f64, f64)> = of_sort
            .iter()
            .filter_map(value)
            .map(|(threads, rate)| (f64::from(threads).log2(), rate))
            .collect();
        points.dedup_by(|one, other| one.0.total_cmp(&other.0).is_eq());
        (side, color, points)
    });
    let lines: Vec<Line<'_>> =
        points.iter().map(|(_, color, points)| Line { color: *color, points }).collect();
    let all = || points.iter().flat_map(|(_, _, points)| points);
    let right = all().map(|point| point.0).fold(1.0, f64::max);
    let top = all().map(|point| point.1).fold(1.0, f64::max);
    let bottom = Axis { title: "threads of each process", label: threads };
    let side = Axis { title: "operations per second", label: number };
    let svg = plot(&lines, (0.0..right, bottom), (0.0..top * 1.1, side))?;
    let there = points.iter().filter(|(_, _, points)| !points.is_empty());
    let legend: Vec<String> = there
        .map(|(side, RGBColor(red, green, blue), _)| {
            let name = side.as_str();
            format!("<span style=\"color: #{red:02x}{green:02x}{blue:02x}\">{name}</span>")
        })
        .collect();
    Ok(Plot { title, legend: legend.join(", "), svg })
}

/// The axis goes by doublings.
fn threads(doublings: &f64) -> String {
    number(&doublings.exp2())
}
