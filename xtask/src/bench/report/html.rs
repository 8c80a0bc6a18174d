//! The numbers as a page that needs nothing from elsewhere.

use super::{cells, plots};
use crate::bench::machine::Machine;
use crate::bench::peers::Skipped;
use crate::bench::rounds::Comparison;
use crate::failure::Result;
use crate::shared::page::{self, escaped, table};

const HEAD: &[&str] = &[
    "",
    "at",
    "durability",
    "ours",
    "reference",
    "its value",
    "unit",
    "ratio",
    "of rounds",
    "target",
    "",
];

/// The page.
pub fn page(machine: &Machine, results: &[Comparison], skipped: &[Skipped]) -> Result<String> {
    let reached = results.iter().filter(|one| one.reached == Some(true)).count();
    let targets = results.iter().filter(|one| one.reached.is_some()).count();
    let mut body = format!("<h1>bench: {reached} of {targets} targets reached</h1>\n");
    let lines = machine.lines().iter().map(|(what, value)| vec![(*what).to_owned(), value.clone()]);
    body.push_str(&table(&["", ""], &lines.collect::<Vec<_>>()));
    for plot in plots::all(results)? {
        let (title, svg) = (escaped(&plot.title), plot.svg);
        body.push_str(&format!(
            "<figure><figcaption>{title}: {}</figcaption>\n{svg}</figure>\n",
            plot.legend
        ));
    }
    let rows: Vec<Vec<String>> = results.iter().map(|one| cells(one).into()).collect();
    body.push_str("<h2>All numbers</h2>\n");
    body.push_str(&table(HEAD, &rows));
    body.push_str(
        "<p>A ratio is ours over the reference, the median of the rounds. In every round each side was \
         measured once, on a fresh database on the same disk.</p>\n",
    );
    for skipped in skipped {
        body.push_str(&format!("<p>{}</p>\n", escaped(&skipped.to_string())));
    }
    Ok(page::whole("crystalstore bench", &body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::samples::comparison;
    use crate::bench::work::Side;

    #[test]
    fn a_page_has_a_plot_of_what_was_measured_at_several_numbers_of_threads() -> Result<()> {
        let machine = Machine::look(&std::env::temp_dir());
        let page = page(
            &machine,
            &[comparison(1, Some(true)), comparison(64, Some(false))],
            &[Skipped { side: Side::Huey, why: "<no network>".to_owned() }],
        )?;
        assert_eq!(page.matches("<svg").count(), 1);
        for said in ["1 of 2 targets", "MISSED", "12,346", "skipped huey: &lt;no network&gt;"] {
            assert!(page.contains(said), "{said}");
        }
        for elsewhere in ["src=", "href=", "@import", "url("] {
            assert!(!page.contains(elsewhere), "{elsewhere}");
        }
        Ok(())
    }
}
