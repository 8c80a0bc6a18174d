//! The benchmark as its users meet it: arguments, output, exit status, and that it measures at all.

use std::error::Error;
use std::process::{Command, Output};

use serde_json::Value;

type TestResult<T = ()> = Result<T, Box<dyn Error>>;

fn bench(arguments: &[&str]) -> TestResult<Output> {
    Ok(Command::new(env!("CARGO_BIN_EXE_xtask")).arg("bench").args(arguments).output()?)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A quick run of what has this in its name. The audit of rows and events is in the exit status.
fn quick(only: &str) -> TestResult<Vec<Value>> {
    let output = bench(&["--quick", "--format", "json", "--only", only])?;
    assert_eq!(text(&output.stderr), "", "{only}");
    assert_eq!(output.status.code(), Some(0), "{only}");
    let results: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    assert!(!results.is_empty(), "{only}");
    for result in &results {
        for number in ["ours", "reference_value", "ratio", "ratio_least", "ratio_most"] {
            let value = result[number].as_f64().unwrap_or(f64::NAN);
            assert!(value.is_finite() && value >= 0.0, "{number}: {result}");
        }
        for word in ["name", "reference", "unit", "durability", "better"] {
            assert!(result[word].is_string(), "{word}: {result}");
        }
        assert_eq!(result["rounds"], 1, "{result}");
    }
    Ok(results)
}

fn names(results: &[Value]) -> Vec<&str> {
    let mut names: Vec<&str> = results.iter().filter_map(|one| one["name"].as_str()).collect();
    names.dedup();
    names
}

fn references(results: &[Value]) -> Vec<&str> {
    results.iter().filter_map(|one| one["reference"].as_str()).collect()
}

#[test]
fn an_argument_that_cannot_be_used_is_explained() -> TestResult {
    for (arguments, said) in [
        (["--rounds", "0"], "1..=1000"),
        (["--only", "nothing-like-it"], "--list tells the names"),
        (["--format", "xml"], "text, json"),
        (["--directory", "/nowhere/at/all"], "make it first"),
        (["--quick", "--piers"], "unexpected argument"),
    ] {
        let output = bench(&arguments)?;
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
    }
    Ok(())
}

#[test]
fn a_number_is_asked_for_by_its_own_name_too() -> TestResult {
    for (number, contest) in [("p99.9-write", "slowest-write 4x4 full"), ("watch-p50", "watch")] {
        let output = bench(&["--list", "--only", number])?;
        let told = text(&output.stdout);
        assert!(told.lines().any(|line| line.contains(contest)), "{number}: {told}");
        assert!(!told.contains("create-bulk-500"), "{number}: {told}");
    }
    Ok(())
}

#[test]
fn the_list_names_what_the_numbers_are_asked_of() -> TestResult {
    let output = bench(&["--list"])?;
    let told = text(&output.stdout);
    for name in [
        "create 1x1 full",
        "create 1x64 normal",
        "create 4x8 full",
        "create 4x64 full",
        "change-status 1x8 full",
        "write-result 1x64 full",
        "mix 1x4 normal",
        "mix 4x64 normal",
        "create-bulk-500",
        "create-in-flight-1000",
        "slowest-write 1x8 full",
        "slowest-write 4x2",
        "slowest-write 4x4 full",
        "get-by-id 1x1",
        "statuses-1000",
        "newest-50",
        "read-beside-4-writers",
        "claim 1x1",
        "claim-and-complete 4x2",
        "claim-and-complete-128 4x2",
        "claim-of-nothing",
        "fair-claims 4x1",
        "claim-while-jobs-come-due 1x1",
        "finish-parent-of-1000 1x1",
        "finish-parent-of-10000 1x1",
        "create-workflow-10000-jobs-30000-edges 1x1",
        "create-workflow-10000-jobs-1000000-edges 1x1",
        "slowest-write-beside-move 1x1",
        "slowest-write-beside-prune 1x1",
        "list-memory",
        "log-size-10ms-reader",
        "log-size-100ms-reader",
    ] {
        assert!(told.lines().any(|line| line.contains(name)), "{name}: {told}");
    }
    Ok(())
}

#[test]
fn writes_of_threads_and_processes_are_measured() -> TestResult {
    let results = quick("create 1x8 normal")?;
    assert_eq!(references(&results), ["limit", "pool of writers", "mutex", "limit, batches of 8"]);
    assert_eq!((&results[0]["threads"], &results[0]["processes"]), (&8.into(), &1.into()));
    assert_eq!(results[0]["target"], "at least 1.4x");
    assert!(results[0]["writes_per_commit"].as_f64() >= Some(1.0));
    quick("create 4x2 full")?;
    Ok(())
}

#[test]
fn every_sort_of_write_is_measured() -> TestResult {
    for only in ["change-status 1x8 normal", "write-result 4x2 normal", "mix 1x8 normal"] {
        quick(only)?;
    }
    for only in ["create-bulk", "create-in-flight", "change-status-bulk", "write-result-bulk"] {
        assert_eq!(quick(only)?[0]["reference"], "limit, batches of 500");
    }
    Ok(())
}

#[test]
fn waits_and_shares_are_measured() -> TestResult {
    let results = quick("slowest-write 4x4")?;
    assert_eq!(names(&results), ["slowest-write", "p99.9-write", "smallest-share"]);
    Ok(())
}

#[test]
fn reads_are_measured() -> TestResult {
    for only in ["get-by-id", "newest-50 ", "statuses-1000", "find"] {
        quick(only)?;
    }
    let beside = quick("read-beside-4-writers 1x1 normal")?;
    let judged: Vec<&Value> = beside.iter().filter(|one| !one["target"].is_null()).collect();
    assert_eq!((judged.len(), &judged[0]["unit"]), (1, &"1/s of core".into()));
    let had = beside.iter().filter(|one| one["name"] == "core-of-the-reader");
    let had: Vec<f64> = had.filter_map(|one| one["ours"].as_f64()).collect();
    assert!(had.len() == 2 && had.iter().all(|had| *had > 0.0 && *had < 101.0), "{had:?}");
    let lists = quick("newest-50-of")?;
    assert_eq!(lists.len(), 4);
    assert_eq!(lists[3]["reference"], "ours, of the shortest list");
    Ok(())
}

#[test]
fn claims_are_measured() -> TestResult {
    let results = quick("claim")?;
    assert_eq!(
        names(&results),
        [
            "claim-of-2000-queued",
            "claim-beside-2000-finished",
            "claim-before-4000-edges",
            "claim-and-complete",
            "claim-and-complete-128",
            "complete-and-claim",
            "complete-and-claim-128",
            "claim-and-complete",
            "claim-and-complete-128",
            "complete-and-claim",
            "complete-and-claim-128",
            "claim-of-nothing",
            "smallest-share-of-claims",
            "slowest-claim-and-complete",
            "slowest-claim-while-40-come-due",
            "claim-of-40-that-come-due",
        ]
    );
    Ok(())
}

#[test]
fn graphs_and_the_ends_of_parents_are_measured() -> TestResult {
    for (children, target) in [(10, "below 1"), (100, "below 10")] {
        let results = quick(&format!("finish-parent-of-{children} "))?;
        assert_eq!(references(&results), ["an UPDATE a child", "ours, without children"]);
        assert_eq!((&results[0]["target"], &results[0]["unit"]), (&target.into(), &"ms".into()));
    }
    for (name, target) in
        [("20-jobs-50-edges", "below 1000"), ("200-jobs-1000-edges", "below 6000")]
    {
        let results = quick(&format!("create-workflow-{name}"))?;
        assert_eq!(references(&results), ["limit, one transaction"]);
        assert_eq!(results[0]["target"], target);
    }
    Ok(())
}

#[test]
fn the_waits_of_a_writer_beside_retention_are_measured() -> TestResult {
    for (name, at_once) in [
        ("slowest-write-beside-move", "one transaction that moves all"),
        ("slowest-write-beside-prune", "one transaction that deletes all"),
    ] {
        let results = quick(name)?;
        assert_eq!(references(&results), ["the same writer alone", at_once]);
        assert_eq!(results[0]["target"], "below 50");
    }
    Ok(())
}

#[test]
fn memory_and_the_log_are_measured() -> TestResult {
    let memory = quick("list-memory")?;
    assert_eq!(names(&memory), ["list-memory", "list-own-memory"]);
    assert!(memory.iter().all(|one| one["ours"].as_f64() > Some(0.5)), "{memory:?}");
    let log = quick("log-size")?;
    assert!(log[0]["ours"].as_f64() > Some(0.01), "{log:?}");
    Ok(())
}

#[test]
fn a_report_is_a_page_and_its_numbers() -> TestResult {
    let folder = tempfile::tempdir()?;
    let report = folder.path().join("report");
    let shown = report.display().to_string();
    let only = ["--only", "create 1x1 normal", "--only", "create 1x8 normal"];
    let output = bench(&[&["--quick", "--rounds", "2", "--report", &shown][..], &only].concat())?;
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}{}", text(&output.stderr));
    for said in ["file system", "SQLite", "targets reached", "pool of writers"] {
        assert!(told.contains(said), "{said}: {told}");
    }
    let page = std::fs::read_to_string(report.join("bench.html"))?;
    assert_eq!(page.matches("<svg").count(), 1);
    let numbers: Vec<Value> = serde_json::from_slice(&std::fs::read(report.join("bench.json"))?)?;
    assert_eq!(numbers.len(), 7);
    assert_eq!(numbers[0]["rounds"], 2);
    let tables = std::fs::read_to_string(report.join("bench.md"))?;
    assert_eq!(tables.matches("| create | 1x").count(), 7, "{tables}");
    Ok(())
}

#[test]
fn a_peer_that_cannot_be_installed_is_skipped_with_a_word() -> TestResult {
    let empty = tempfile::tempdir()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    // Neither cargo nor python3 nor npm is found.
    command.env("PATH", empty.path()).env_remove("CARGO");
    command.args([
        "bench",
        "--quick",
        "--peers",
        "--only",
        "queue",
        "--only",
        "create-beside-sqlx",
    ]);
    let output = command.args(["--only", "create 1x1 normal"]).output()?;
    let (told, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{told}{errors}");
    for peer in ["sqlx", "huey", "honker", "plainjob"] {
        let word = format!("skipped {peer}: could not run ");
        assert!(told.contains(&word) && errors.contains(&word), "{peer}: {told}{errors}");
    }
    assert!(told.contains("pool of writers"), "the others are measured: {told}");
    assert!(!told.lines().any(|line| line.starts_with("queue")), "{told}");
    Ok(())
}

#[test]
fn the_peers_are_asked_for() -> TestResult {
    let with = text(&bench(&["--list", "--peers"])?.stdout);
    let without = text(&bench(&["--list"])?.stdout);
    for name in ["queue 1x1 normal", "queue 4x1 normal", "create-beside-sqlx 1x8 full"] {
        assert!(with.lines().any(|line| line == name), "{name}: {with}");
        assert!(!without.lines().any(|line| line == name), "{name}: {without}");
    }
    Ok(())
}
