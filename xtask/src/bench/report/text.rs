//! The numbers as a table for people.

use super::{CELLS, cells};
use crate::bench::machine::Machine;
use crate::bench::peers::Skipped;
use crate::bench::rounds::Comparison;

const NOTE: &str = "\
ratio: ours over the reference, the median of the rounds, and the ratios of all rounds from least to most
a target for a number itself is reached if the worst round reached it
at: processes x threads of each; the limit is always one thread of one process
";

/// The table.
pub fn text(machine: &Machine, results: &[Comparison], skipped: &[Skipped]) -> String {
    let mut out = String::new();
    for (what, value) in machine.lines() {
        out.push_str(&format!("{what:<12} {value}\n"));
    }
    out.push('\n');
    let head = ["", "at", "", "ours", "reference", "", "unit", "ratio", "of rounds", "target", ""];
    out.push_str(&row(head.map(str::to_owned)));
    let mut last = "";
    for one in results {
        // Families stand apart.
        let family = one.contest.split(' ').next().unwrap_or_default();
        if family != last && !last.is_empty() {
            out.push('\n');
        }
        last = family;
        out.push_str(&row(cells(one)));
    }
    out.push('\n');
    out.push_str(NOTE);
    let locked: u64 = results.iter().map(|one| one.reference_locked).sum();
    if locked > 0 {
        out.push_str(&format!(
            "\"database is locked\" came {locked} times in references, which tried again\n"
        ));
    }
    skipped.iter().for_each(|skipped| out.push_str(&format!("{skipped}\n")));
    let reached = results.iter().filter(|one| one.reached == Some(true)).count();
    let targets = results.iter().filter(|one| one.reached.is_some()).count();
    out.push_str(&format!("{reached} of {targets} targets reached\n"));
    out
}

fn row(
    [name, at, durability, ours, reference, value, unit, ratio, rounds, target, verdict]: [String;
        CELLS],
) -> String {
    let line = format!(
        "{name:<23} {at:<5} {durability:<6} {ours:>10}  {reference:<26} {value:>10} {unit:<11} \
         {ratio:>7} {rounds:>16}  {target:<14} {verdict}"
    );
    format!("{}\n", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::samples::comparison;
    use crate::bench::work::Side;

    #[test]
    fn a_table_says_what_was_reached_and_what_was_not() {
        let machine = Machine::look(&std::env::temp_dir());
        let results = [comparison(1, Some(true)), comparison(8, Some(false)), comparison(64, None)];
        let text =
            text(&machine, &results, &[Skipped { side: Side::Huey, why: "no network".to_owned() }]);
        for said in [
            "12,346",
            "1.23x",
            "1.10 to 1.50",
            "reached",
            "MISSED",
            "came 6 times",
            "skipped huey: no network",
            "1 of 2 targets",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
    }
}
