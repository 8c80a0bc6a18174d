//! How the numbers are told: as text, as JSON, and as a page with plots.

mod html;
mod markdown;
mod plots;
mod text;

use super::arguments::Arguments;
use super::machine::Machine;
use super::peers::Skipped;
use super::rounds::Comparison;
use crate::failure::{Context, Result};
use crate::out;
use crate::shared::choices::Format;
use crate::shared::numbers::grouped;

/// Prints the outcome, and writes the page, its numbers and its tables where that was asked for.
pub fn show(
    arguments: &Arguments,
    machine: &Machine,
    results: &[Comparison],
    skipped: &[Skipped],
) -> Result<()> {
    let json = json(results)?;
    let mut written = String::new();
    if let Some(folder) = &arguments.report {
        let page = html::page(machine, results, skipped)?;
        let tables = markdown::markdown(machine, results, skipped);
        for (name, content) in [("bench.json", &json), ("bench.html", &page), ("bench.md", &tables)]
        {
            let path = folder.join(name);
            std::fs::write(&path, content).doing(|| format!("write {}", path.display()))?;
            written.push_str(&format!("report: {}\n", path.display()));
        }
    }
    match arguments.format {
        Format::Text => out::print(&(text::text(machine, results, skipped) + &written)),
        Format::Json => out::print(&json),
    }
}

fn json(results: &[Comparison]) -> Result<String> {
    let json = serde_json::to_string_pretty(results).doing(|| "write the numbers".to_owned())?;
    Ok(json + "\n")
}

/// How many cells tell of a comparison.
const CELLS: usize = 11;

/// A comparison as cells of a table.
fn cells(one: &Comparison) -> [String; CELLS] {
    [
        one.name.clone(),
        format!("{}x{}", one.processes, one.threads),
        one.durability.as_str().to_owned(),
        short(one.ours),
        one.reference.to_owned(),
        short(one.reference_value),
        one.unit.to_owned(),
        format!("{}x", short(one.ratio)),
        format!("{} to {}", short(one.ratio_least), short(one.ratio_most)),
        one.target.clone().unwrap_or_default(),
        verdict(one.reached).to_owned(),
    ]
}

/// Three digits of a number, or all before the point.
fn short(value: f64) -> String {
    match value.abs() {
        100.0.. => grouped(value.round() as u64),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Whether the target was reached, in a word.
const fn verdict(reached: Option<bool>) -> &'static str {
    match reached {
        Some(true) => "reached",
        Some(false) => "MISSED",
        None => "",
    }
}

#[cfg(test)]
pub(super) mod samples {
    use super::super::rounds::Comparison;
    use crate::shared::choices::Durability;

    /// A comparison at this number of threads.
    pub fn comparison(threads: u32, reached: Option<bool>) -> Comparison {
        Comparison {
            name: "create".to_owned(),
            contest: format!("create 1x{threads} full"),
            ours: 12_345.6,
            ours_least: 11_000.0,
            ours_most: 13_000.0,
            reference: "limit",
            reference_value: 10_000.0,
            ratio: 1.234,
            ratio_least: 1.1,
            ratio_most: 1.5,
            unit: "1/s",
            better: "higher",
            threads,
            processes: 1,
            durability: Durability::Full,
            rounds: 5,
            target: reached.map(|_| "at least 1x".to_owned()),
            reached,
            writes_per_commit: Some(3.5),
            reference_locked: 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_is_a_list_with_these_names() -> Result<()> {
        let json = json(&[samples::comparison(8, Some(true))])?;
        let value: serde_json::Value =
            serde_json::from_str(&json).doing(|| "read it back".to_owned())?;
        for name in [
            "name",
            "ours",
            "reference",
            "reference_value",
            "ratio",
            "unit",
            "threads",
            "processes",
            "durability",
        ] {
            assert!(!value[0][name].is_null(), "{name}: {json}");
        }
        assert_eq!(value[0]["durability"], "full");
        Ok(())
    }

    #[test]
    fn numbers_are_short() {
        let shown = [12_345.6, 100.0, 45.67, 1.234, 0.1234].map(short);
        assert_eq!(shown, ["12,346", "100", "45.7", "1.23", "0.123"]);
    }
}
