//! The report as a table for people.

use std::fmt::Write;

use super::figures::{Latency, Report};
use super::several;
use crate::shared::numbers::{bytes, grouped};
use crate::stress::at_rest::Typical;
use crate::stress::open_rounds::{OpenRounds, SlowestOpening};
use crate::stress::outcome::Tallies;
use crate::stress::plan::Profile;

/// The report as text.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = calls(&mut out, report);
    let _ = summary(&mut out, report);
    let _ = at_rest(&mut out, report);
    let _ = audit(&mut out, report);
    let _ = verdict(&mut out, report);
    out
}

fn calls(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        out,
        "\n{:<18} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "", "calls", "p50 ms", "p99 ms", "p99.9 ms", "max ms"
    )?;
    row(out, "reads", report.reads, &report.read_latency_ms)?;
    row(out, "writes", report.writes, &report.write_latency_ms)?;
    for writes in [false, true] {
        writeln!(out, "{}", if writes { "of the writes" } else { "of the reads" })?;
        for (name, calls) in report.calls.iter().filter(|(_, calls)| calls.writes == writes) {
            row(out, &format!("  {name}"), calls.count, &calls.latency_ms)?;
        }
    }
    Ok(())
}

fn row(out: &mut String, name: &str, count: u64, latency: &Latency) -> std::fmt::Result {
    let Latency { p50, p99, p999, max } = latency;
    let count = grouped(count);
    writeln!(out, "{name:<18} {count:>10} {p50:>10.3} {p99:>10.3} {p999:>10.3} {max:>10.3}")
}

fn summary(out: &mut String, report: &Report) -> std::fmt::Result {
    out.push('\n');
    let mut line = |name: &str, value: String| writeln!(out, "{name:<30} {value}");
    line("operations", operations(report))?;
    if report.profile == Profile::Claims {
        line("claims", grouped(report.claims))?;
    }
    if report.profile == Profile::Mix {
        line("jobs that left", grouped(report.departed_jobs))?;
        line("events followed", grouped(report.followed_events))?;
    }
    if report.kills > 0 {
        line("processes killed", grouped(report.kills))?;
    }
    let per_second = report.operations_per_second.round() as u64;
    line("operations per second", format!("{} in {:.1} s", grouped(per_second), report.seconds))?;
    if let Some(slowest) = report.slowest_write {
        let (kind, at) = (slowest.kind.as_str(), slowest.at_seconds);
        let whose = format!("process {}, thread {}", slowest.process, slowest.thread);
        let took = slowest.milliseconds;
        line("slowest write", format!("{took:.1} ms: {kind} by {whose}, after {at:.1} s"))?;
    }
    let pause = &report.longest_pause;
    line(
        "longest time without progress",
        format!(
            "{:.1} ms: process {}, thread {} ({})",
            pause.milliseconds, pause.process, pause.thread, pause.roles
        ),
    )?;
    let idle = match report.idle_thread_seconds {
        0 => "none".to_owned(),
        seconds => format!("{seconds} seconds of threads"),
    };
    line("seconds without progress", idle)?;
    let wal = format!(
        "{} at most, {} at the end",
        bytes(report.wal_peak_bytes),
        bytes(report.wal_end_bytes)
    );
    line("write-ahead log", wal)?;
    line("slowest opening", format!("{:.1} ms", report.slowest_open_ms))?;
    line(
        "races lost",
        format!("{} (another was first, as it should be)", grouped(report.races_lost)),
    )?;
    line("SQLite", report.sqlite_version.clone())?;
    line("locked errors", grouped(report.locked_errors))?;
    line("unexpected errors", grouped(report.unexpected_errors))?;
    line("contradictions", grouped(report.contradictions))
}

/// How many calls there were, and which of them the table has.
pub fn operations(report: &Report) -> String {
    let all = grouped(report.operations + report.untimed_operations);
    if report.kills == 0 {
        return all;
    }
    format!(
        "{all}; the table lacks {} of killed processes, which changed nothing",
        grouped(report.untimed_operations)
    )
}

fn at_rest(out: &mut String, report: &Report) -> std::fmt::Result {
    if let Some(at_rest) = &report.at_rest {
        let jobs = format!("at rest, {} jobs", grouped(at_rest.jobs));
        writeln!(out, "\n{jobs:<29} {:>10} {:>10} {:>10}", "calls", "p50 ms", "max ms")?;
        for (name, Typical { p50, max, count }) in at_rest.rows() {
            writeln!(out, "  {name:<27} {count:>10} {p50:>10.3} {max:>10.3}")?;
        }
    }
    if let Some(rounds) = &report.open_rounds {
        writeln!(out, "\n{:<30} {}", "opened at once", opened_at_once(rounds))?;
    }
    Ok(())
}

/// How the rounds of opening went, in a line.
pub fn opened_at_once(rounds: &OpenRounds) -> String {
    let all = u64::from(rounds.rounds) * u64::from(rounds.processes);
    let mut line = format!(
        "{} of {} in {} of {}",
        grouped(rounds.opened),
        grouped(all),
        several(rounds.rounds, "round", "rounds"),
        several(rounds.processes, "process", "processes")
    );
    if let Some(slowest) = &rounds.slowest {
        let SlowestOpening { milliseconds, round, process } = slowest;
        line.push_str(&format!("; p50 {:.1} ms; slowest ", rounds.open_ms.p50));
        line.push_str(&format!("{milliseconds:.1} ms: process {process} in round {round}"));
    }
    line
}

fn audit(out: &mut String, report: &Report) -> std::fmt::Result {
    let acknowledged = grouped(report.acknowledged_writes);
    writeln!(out, "\naudit of {acknowledged} acknowledged changes")?;
    for check in &report.audit {
        let (mark, looked_at) =
            (if check.ok() { "ok  " } else { "FAIL" }, grouped(check.looked_at));
        writeln!(out, "  {mark} {:<72} {looked_at:>9}", check.holds)?;
        for example in &check.examples {
            writeln!(out, "         {example}")?;
        }
        let more = check.faults.saturating_sub(check.examples.len() as u64);
        if more > 0 {
            writeln!(out, "         and {} more", grouped(more))?;
        }
    }
    writeln!(
        out,
        "  lost {}, doubled {}, unacknowledged {}, unknown {}",
        grouped(report.lost_writes),
        grouped(report.doubled_writes),
        grouped(report.unacknowledged_writes),
        grouped(report.unknown_writes)
    )
}

fn verdict(out: &mut String, report: &Report) -> std::fmt::Result {
    let mut tell = |title: &str, tallies: &Tallies| -> std::fmt::Result {
        for (sort, tally) in tallies {
            let count = grouped(tally.count);
            writeln!(out, "{title}: {count} times {sort}, first: {}", tally.example)?;
        }
        Ok(())
    };
    tell("locked", &report.locked)?;
    tell("error", &report.errors)?;
    tell("contradiction", &report.contradicted)?;
    for failure in &report.failures {
        writeln!(out, "failure: {failure}")?;
    }
    if report.operations == 0 {
        writeln!(out, "failure: no call returned")?;
    }
    writeln!(out, "\n{}", if report.ok { "PASSED" } else { "FAILED" })
}
