//! The stress program as its users meet it: arguments, output, exit status, and what it leaves behind.

mod common;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{TestResult, json, text, xtask};

#[test]
fn an_argument_that_cannot_be_used_is_explained() -> TestResult {
    let folder = tempfile::tempdir()?;
    let here = folder.path().display().to_string();
    let foreign = folder.path().join("foreign.txt");
    std::fs::write(&foreign, "not a database, but long enough to have a header".repeat(100))?;
    let foreign = foreign.display().to_string();
    let lost = folder.path().join("nowhere/project.db").display().to_string();
    for (arguments, said) in [
        (vec!["--processes", "0"], "1..=64"),
        (vec!["--threads", "many"], "invalid digit"),
        (vec!["--seconds", "0"], "0.1 to 86400"),
        (vec!["--seconds", "1", "--operations", "5"], "cannot be used with"),
        (vec!["--durability", "none"], "normal, full"),
        (vec!["--profile", "everything"], "mix, claims"),
        (vec!["--claims", "5"], "--claims means nothing with --profile mix"),
        (vec!["--kill-every", "0"], "0.1 to 86400"),
        (vec!["--profile", "claims", "--operations", "5"], "--operations means nothing"),
        (vec!["--profile", "claims", "--db", &foreign], "name a new one"),
        (vec!["--jobs", "many"], "invalid digit"),
        (vec!["--open-rounds", "-1"], "unexpected argument"),
        (vec!["--quick"], "unexpected argument"),
        (vec!["--db", &here], "is a directory: name a file in it"),
        (vec!["--db", &lost], "does not exist: create"),
        (vec!["--db", &foreign], "is not a database"),
        (vec!["--db", &foreign, "--report", &foreign], "cannot be made a directory"),
    ] {
        let output = xtask().args(&arguments).output()?;
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{arguments:?}: {stderr}");
    }
    Ok(())
}

#[test]
fn two_processes_on_one_store_report_as_json_and_as_a_page_and_go_on_later() -> TestResult {
    let folder = tempfile::tempdir()?;
    let (db, report) = (folder.path().join("project.db"), folder.path().join("report"));
    for existing in [false, true] {
        let output = xtask()
            .args([
                "--processes",
                "2",
                "--threads",
                "3",
                "--operations",
                "1500",
                "--format",
                "json",
            ])
            .args(["--durability", "full", "--seed", "7", "--db"])
            .arg(&db)
            .arg("--report")
            .arg(&report)
            .output()?;
        assert_eq!(text(&output.stderr), "");
        let told = json(&output)?;
        assert_eq!(output.status.code(), Some(0), "{told:#}");
        for (field, value) in [
            ("ok", serde_json::json!(true)),
            ("locked_errors", 0.into()),
            ("lost_writes", 0.into()),
            ("doubled_writes", 0.into()),
            ("processes", 2.into()),
            ("threads", 3.into()),
            ("durability", "full".into()),
            ("existing_database", existing.into()),
        ] {
            assert_eq!(told[field], value, "{field}");
        }
        assert!(told["operations"].as_u64() >= Some(1500), "{}", told["operations"]);
        assert!(told["operations_per_second"].as_f64() > Some(1.0));
        assert!(told["wal_peak_bytes"].as_u64() > Some(0));
        assert!(told["sqlite_version"].as_str().is_some_and(|version| version.starts_with("3.")));
        for latency in ["read_latency_ms", "write_latency_ms"] {
            let [p50, p99, p999, max] = ["p50", "p99", "p999", "max"]
                .map(|name| told[latency][name].as_f64().unwrap_or(f64::NAN));
            assert!(0.0 < p50 && p50 <= p99 && p99 <= p999 && p999 <= max, "{latency}");
        }
        assert!(told["followed_events"].as_u64() > Some(100), "{}", told["followed_events"]);
        assert!(told["calls"]["follow"]["count"].as_u64() > Some(1), "{told:#}");
        assert!(told["open_rounds"].is_null(), "{}", told["open_rounds"]);
        assert_eq!(told["filled_jobs"], 0);
        let page = std::fs::read_to_string(report.join("report.html"))?;
        assert_eq!(page.matches("<svg").count(), 3);
        assert!(page.contains("PASSED") && page.contains("events followed"));
        for elsewhere in ["src=", "href=", "@import", "url("] {
            assert!(!page.contains(elsewhere), "{elsewhere}");
        }
        let written: serde_json::Value =
            serde_json::from_slice(&std::fs::read(report.join("report.json"))?)?;
        assert_eq!(written, told);
    }
    Ok(())
}

#[test]
fn one_process_of_one_thread_plays_every_role() -> TestResult {
    let folder = tempfile::tempdir()?;
    let output = xtask()
        .args(["--processes", "1", "--threads", "1", "--seconds", "1", "--db"])
        .arg(folder.path().join("project.db"))
        .output()?;
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}");
    for said in [
        "claim",
        "finish",
        "open job",
        "create",
        "  follow ",
        "jobs that left ",
        "events followed ",
        "at rest, ",
        "open, fresh",
        "lost 0, doubled 0",
        "\nPASSED\n",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
    Ok(())
}

#[test]
fn a_filled_store_is_measured_at_rest_and_a_new_one_is_opened_by_all_at_once() -> TestResult {
    let folder = tempfile::tempdir()?;
    let report = folder.path().join("report");
    let output = xtask()
        .args(["--jobs", "1200", "--open-rounds", "2", "--processes", "3", "--threads", "1"])
        .args(["--operations", "300", "--format", "json", "--db"])
        .arg(folder.path().join("project.db"))
        .arg("--report")
        .arg(&report)
        .output()?;
    assert_eq!(text(&output.stderr), "");
    let told = json(&output)?;
    assert_eq!(output.status.code(), Some(0), "{told:#}");
    // The parent's creations are audited like those of the others.
    assert!(told["acknowledged_writes"].as_u64() > Some(1200), "{told:#}");
    assert_eq!(told["filled_jobs"], 1200);
    let at_rest = &told["at_rest"];
    assert!(at_rest["jobs"].as_u64() > Some(1200), "{at_rest}");
    for figure in [
        "open_ms",
        "open_fresh_ms",
        "list_newest_50_ms",
        "list_deep_50_ms",
        "get_by_id_ms",
        "counts_by_status_ms",
    ] {
        let [p50, max] =
            ["p50", "max"].map(|name| at_rest[figure][name].as_f64().unwrap_or(f64::NAN));
        assert!(0.0 < p50 && p50 <= max, "{figure}: {at_rest}");
    }
    let rounds = &told["open_rounds"];
    let number = |field: &str| rounds[field].as_u64();
    let numbers = ["rounds", "processes", "opened"].map(number);
    assert_eq!(numbers, [Some(2), Some(3), Some(6)], "{rounds}");
    let slowest = &rounds["slowest"];
    assert!((1..=2).contains(&slowest["round"].as_u64().unwrap_or(0)), "{rounds}");
    assert!((1..=3).contains(&slowest["process"].as_u64().unwrap_or(0)), "{rounds}");
    assert!(slowest["milliseconds"].as_f64() > Some(0.0), "{rounds}");
    let page = std::fs::read_to_string(report.join("report.html"))?;
    for said in ["At rest, ", "list newest 50", "Opened at once", "6 of 6 in 2 rounds"] {
        assert!(page.contains(said), "{said}");
    }
    // What is made for the measuring is removed again.
    let journals = told["journals"].as_str().ok_or("a path")?;
    for entry in std::fs::read_dir(journals)? {
        let entry = entry?;
        assert!(entry.file_type()?.is_file(), "{} is left", entry.path().display());
    }
    Ok(())
}

#[test]
fn a_round_in_which_a_process_cannot_open_the_file_fails_the_run() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut parent = xtask()
        .args(["--open-rounds", "1000", "--processes", "2", "--threads", "1"])
        .args(["--operations", "50", "--format", "json", "--db"])
        .arg(folder.path().join("project.db"))
        .stdout(Stdio::piped())
        .spawn()?;
    // In the time in which the processes of a round start, a file is put where they would make one.
    while parent.try_wait()?.is_none() {
        for round in rounds_in(folder.path()) {
            if let Ok(mut file) = std::fs::File::create_new(round.join("project.db")) {
                file.write_all("no database, but long enough for one. ".repeat(200).as_bytes())?;
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let output = parent.wait_with_output()?;
    let told = json(&output)?;
    assert_eq!(output.status.code(), Some(1), "{told:#}");
    let failures = told["failures"].to_string();
    assert!(failures.contains("opening at once, round"), "{failures}");
    let [opened, rounds] = ["opened", "rounds"].map(|name| told["open_rounds"][name].as_u64());
    assert!(opened < rounds.map(|rounds| 2 * rounds), "{failures}");
    assert_eq!(rounds_in(folder.path()).len(), 1, "what went wrong is kept: {failures}");
    Ok(())
}

/// The directories of the rounds of opening that are there now.
fn rounds_in(folder: &Path) -> Vec<PathBuf> {
    let list = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let mut found: Vec<PathBuf> = list(folder).iter().flat_map(|path| list(path)).collect();
    found.retain(|path| path.to_string_lossy().contains("/open-round-"));
    found
}

/// A run that would last long, and its processes once they work, the one that follows the last of them.
fn long_run(folder: &Path) -> TestResult<(Child, Vec<u32>)> {
    let db = folder.join("project.db");
    let parent = xtask()
        .args(["--processes", "2", "--threads", "2", "--seconds", "60", "--format", "json", "--db"])
        .arg(&db)
        .stdout(Stdio::piped())
        .spawn()?;
    let children = format!("/proc/{0}/task/{0}/children", parent.id());
    let begun = Instant::now();
    loop {
        let found = std::fs::read_to_string(&children).unwrap_or_default();
        let found: Vec<u32> = found.split_whitespace().filter_map(|id| id.parse().ok()).collect();
        let log = std::fs::metadata(folder.join("project.db-wal")).map_or(0, |log| log.len());
        if found.len() == 3 && log > 1_000_000 {
            return Ok((parent, found));
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "the processes did not begin to work");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(name: &str, process: u32) -> TestResult {
    let sent = Command::new("kill").args([name, &process.to_string()]).status()?;
    assert!(sent.success());
    Ok(())
}

/// Waits until none of these runs. A process that has ended and was not waited for is a zombie.
fn are_gone(processes: &[u32]) -> bool {
    let runs = |process: &u32| {
        std::fs::read_to_string(format!("/proc/{process}/stat"))
            .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().starts_with(" Z"))
    };
    let begun = Instant::now();
    while processes.iter().any(runs) {
        if begun.elapsed() > Duration::from_secs(20) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

#[test]
fn a_process_that_is_killed_is_told_of_and_its_acknowledged_writes_are_there() -> TestResult {
    let folder = tempfile::tempdir()?;
    let (parent, children) = long_run(folder.path())?;
    signal("-KILL", children[0])?;
    let output = parent.wait_with_output()?;
    let told = json(&output)?;
    assert_eq!(output.status.code(), Some(1), "{told:#}");
    let failures = told["failures"].to_string();
    assert!(failures.contains("signal: 9"), "{failures}");
    // What a kill leaves unsaid is no loss.
    for field in ["lost_writes", "doubled_writes", "unacknowledged_writes", "locked_errors"] {
        assert_eq!(told[field], 0, "{field}: {told:#}");
    }
    assert!(are_gone(&children));
    Ok(())
}

#[test]
fn ctrl_c_ends_a_run_with_a_report() -> TestResult {
    let folder = tempfile::tempdir()?;
    let (parent, children) = long_run(folder.path())?;
    signal("-INT", parent.id())?;
    let output = parent.wait_with_output()?;
    let told = json(&output)?;
    assert_eq!(output.status.code(), Some(1), "{told:#}");
    assert_eq!(told["failures"], serde_json::json!(["the run was interrupted"]));
    assert_eq!(told["unknown_writes"], 0, "{told:#}");
    assert!(told["at_rest"].is_null(), "who ends a run waits for nothing more: {told:#}");
    assert!(told["audit"].as_array().is_some_and(|checks| {
        !checks.is_empty() && checks.iter().all(|check| check["faults"] == 0)
    }));
    assert!(are_gone(&children));
    Ok(())
}

#[test]
fn processes_do_not_outlive_a_parent_that_is_killed() -> TestResult {
    let folder = tempfile::tempdir()?;
    let (mut parent, children) = long_run(folder.path())?;
    signal("-KILL", parent.id())?;
    parent.wait()?;
    assert!(are_gone(&children), "{children:?} run on");
    Ok(())
}
