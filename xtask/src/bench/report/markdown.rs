//! The numbers as tables of Markdown, ready to be copied into docs/benchmarks.md.

use super::cells;
use crate::bench::machine::Machine;
use crate::bench::peers::Skipped;
use crate::bench::rounds::Comparison;

const HEAD: [&str; 9] =
    ["what", "at", "durability", "ours", "reference", "its value", "ratio", "of rounds", "target"];

/// The tables.
pub fn markdown(machine: &Machine, results: &[Comparison], skipped: &[Skipped]) -> String {
    let mut out = String::new();
    let lines = machine.lines().iter().map(|(what, value)| vec![(*what).to_owned(), value.clone()]);
    table(&mut out, &["machine", ""], lines);
    let reached = results.iter().filter(|one| one.reached == Some(true)).count();
    let targets = results.iter().filter(|one| one.reached.is_some()).count();
    out.push_str(&format!("\n{reached} of {targets} targets reached.\n"));
    let mut families: Vec<&str> = Vec::new();
    for name in results.iter().map(family) {
        if families.contains(&name) {
            continue;
        }
        families.push(name);
        out.push_str(&format!("\n### {name}\n\n"));
        table(&mut out, &HEAD, results.iter().filter(|one| family(one) == name).map(row));
    }
    if !skipped.is_empty() {
        out.push('\n');
        skipped.iter().for_each(|skipped| out.push_str(&format!("- {skipped}\n")));
    }
    out
}

/// The contest without its shape.
fn family(one: &Comparison) -> &str {
    one.contest.split(' ').next().unwrap_or_default()
}

fn row(one: &Comparison) -> Vec<String> {
    let [name, at, durability, ours, reference, value, unit, ratio, rounds, target, verdict] =
        cells(one);
    let target = match verdict.as_str() {
        "" => target,
        verdict => format!("{target}: {verdict}"),
    };
    let (ours, value) = (format!("{ours} {unit}"), format!("{value} {unit}"));
    vec![name, at, durability, ours, reference, value, ratio, rounds, target]
}

fn table(out: &mut String, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let mut line = |cells: Vec<String>| {
        let cells = cells.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>();
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    };
    line(head.iter().map(|cell| (*cell).to_owned()).collect());
    line(head.iter().map(|_| "---".to_owned()).collect());
    rows.for_each(line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::samples::comparison;
    use crate::bench::work::Side;

    #[test]
    fn every_number_is_a_row_as_wide_as_its_head() {
        let machine = Machine::look(&std::env::temp_dir());
        let mut other = comparison(64, Some(false));
        other.contest = "slowest-write 4x2 full".to_owned();
        other.reference = "a | b";
        // The contests of one family do not follow each other: each durability has all of them.
        let results = [comparison(1, None), other, comparison(8, Some(true))];
        let why = "no network".to_owned();
        let told = markdown(&machine, &results, &[Skipped { side: Side::Huey, why }]);
        let wide = HEAD.len() + 1;
        let rows = told.replace("\\|", "/");
        let rows = rows.lines().filter(|line| line.matches('|').count() == wide).count();
        // Two families with a head of two lines each.
        assert_eq!(rows, results.len() + 4, "{told}");
        for said in [
            "1 of 2 targets reached.",
            "### create\n",
            "### slowest-write\n",
            "| 12,346 1/s | limit | 10,000 1/s | 1.23x | 1.10 to 1.50 | at least 1x: reached |",
            "at least 1x: MISSED |",
            "a \\| b",
            "- skipped huey: no network\n",
        ] {
            assert!(told.contains(said), "{said}: {told}");
        }
    }
}
