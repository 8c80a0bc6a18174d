//! The report as a page that needs nothing from elsewhere.

use super::figures::{Latency, Report};
use super::text::{opened_at_once, operations};
use super::{plots, several};
use crate::failure::Result;
use crate::shared::numbers::{bytes, grouped};
use crate::shared::page::{self, escaped, table};
use crate::stress::at_rest::{AtRest, Typical};

const LATENCY: &str = "Latency by percentile: \
    <span class=\"reads\">reads</span> and <span class=\"writes\">writes</span>";
const THROUGHPUT: &str = "Throughput: \
    <span class=\"reads\">reads</span> and <span class=\"writes\">writes</span>";
const WAL: &str = "Size of the <span class=\"writes\">write-ahead log</span>";

/// The page.
pub fn page(report: &Report) -> Result<String> {
    let (class, word) = if report.ok { ("good", "PASSED") } else { ("bad", "FAILED") };
    let processes = several(report.processes, "process", "processes");
    let threads = several(report.threads, "thread", "threads");
    let mut body = format!("<h1>stress: <span class=\"{class}\">{word}</span></h1>\n");
    body.push_str(&format!(
        "<p>{processes} of {threads}, {:.1} s, durability {}, SQLite {}, seed {}.</p>\n",
        report.seconds,
        report.durability.as_str(),
        escaped(&report.sqlite_version),
        report.seed
    ));
    body.push_str(&failures(report));
    body.push_str(&table(&["", ""], &summary(report)));
    for (title, svg) in [
        (LATENCY, plots::latency(&report.series)?),
        (THROUGHPUT, plots::throughput(&report.series)?),
        (WAL, plots::wal(&report.series)?),
    ] {
        let figure = format!("<figure><figcaption>{title}</figcaption>\n{svg}</figure>\n");
        body.push_str(&figure);
    }
    body.push_str("<h2>Calls</h2>\n");
    let head = ["", "calls", "p50 ms", "p99 ms", "p99.9 ms", "max ms"];
    body.push_str(&table(&head, &calls(report)));
    if let Some(at_rest) = &report.at_rest {
        body.push_str(&format!("<h2>At rest, {} jobs</h2>\n", grouped(at_rest.jobs)));
        body.push_str(&table(&["", "calls", "p50 ms", "max ms"], &resting(at_rest)));
    }
    if let Some(rounds) = &report.open_rounds {
        let line = escaped(&opened_at_once(rounds));
        body.push_str(&format!("<h2>Opened at once</h2>\n<p>{line}.</p>\n"));
    }
    let acknowledged = grouped(report.acknowledged_writes);
    body.push_str(&format!("<h2>Audit of {acknowledged} acknowledged changes</h2>\n"));
    body.push_str(&table(&["what must hold", "looked at", "faults"], &audit(report)));
    Ok(page::whole(&format!("crystalstore stress: {word}"), &body))
}

fn failures(report: &Report) -> String {
    let tallies = [&report.locked, &report.errors, &report.contradicted];
    let tallies = tallies.into_iter().flatten();
    let told = tallies.map(|(sort, tally)| format!("{} × {sort}: {}", tally.count, tally.example));
    let of_audit = report.audit.iter().flat_map(|check| check.examples.iter().cloned());
    let items: Vec<String> = report.failures.iter().cloned().chain(told).chain(of_audit).collect();
    if items.is_empty() {
        return String::new();
    }
    let items: String =
        items.iter().map(|item| format!("<li class=\"bad\">{}</li>\n", escaped(item))).collect();
    format!("<ul>\n{items}</ul>\n")
}

fn summary(report: &Report) -> Vec<Vec<String>> {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let per_second = grouped(report.operations_per_second.round() as u64);
    let slowest = report.slowest_write.map_or_else(String::new, |slowest| {
        format!("{:.1} ms ({})", slowest.milliseconds, slowest.kind.as_str())
    });
    vec![
        row("operations", operations(report)),
        row("jobs that left", grouped(report.departed_jobs)),
        row("events followed", grouped(report.followed_events)),
        row("processes killed", grouped(report.kills)),
        row("operations per second", per_second),
        row("locked errors", grouped(report.locked_errors)),
        row("lost writes", grouped(report.lost_writes)),
        row("doubled writes", grouped(report.doubled_writes)),
        row("unexpected errors", grouped(report.unexpected_errors)),
        row("contradictions", grouped(report.contradictions)),
        row("races lost", grouped(report.races_lost)),
        row("slowest write", slowest),
        row(
            "longest time without progress",
            format!("{:.1} ms", report.longest_pause.milliseconds),
        ),
        row("largest write-ahead log", bytes(report.wal_peak_bytes)),
        row("database", report.database.display().to_string()),
    ]
}

fn calls(report: &Report) -> Vec<Vec<String>> {
    let row = |name: &str, count: u64, latency: &Latency| {
        let Latency { p50, p99, p999, max } = latency;
        let times = [p50, p99, p999, max].map(|time| format!("{time:.3}"));
        [name.to_owned(), grouped(count)].into_iter().chain(times).collect()
    };
    let all = [
        row("all reads", report.reads, &report.read_latency_ms),
        row("all writes", report.writes, &report.write_latency_ms),
    ];
    let by_kind =
        report.calls.iter().map(|(name, calls)| row(name, calls.count, &calls.latency_ms));
    all.into_iter().chain(by_kind).collect()
}

fn resting(at_rest: &AtRest) -> Vec<Vec<String>> {
    let row = |(name, typical): (&str, Typical)| {
        let times = [typical.p50, typical.max].map(|time| format!("{time:.3}"));
        [name.to_owned(), grouped(typical.count)].into_iter().chain(times).collect()
    };
    at_rest.rows().into_iter().map(row).collect()
}

fn audit(report: &Report) -> Vec<Vec<String>> {
    let row = |check: &crate::stress::audit::Check| {
        vec![check.holds.to_owned(), grouped(check.looked_at), grouped(check.faults)]
    };
    report.audit.iter().map(row).collect()
}
