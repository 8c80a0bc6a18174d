//! Stress runs whose processes are killed: what they told of is there, and is counted.

mod common;

use std::path::PathBuf;

use common::{TestResult, json, text, xtask};

#[test]
fn claims_of_workers_that_are_killed_have_an_order_and_end_after_so_many() -> TestResult {
    let folder = tempfile::tempdir()?;
    let output = xtask()
        .args(["--profile", "claims", "--processes", "2", "--threads", "2", "--claims", "1500"])
        .args(["--kill-every", "0.5", "--format", "json", "--db"])
        .arg(folder.path().join("project.db"))
        .output()?;
    assert_eq!(text(&output.stderr), "");
    let told = json(&output)?;
    assert_eq!(output.status.code(), Some(0), "{told:#}");
    assert_eq!(told["profile"], "claims");
    assert!(told["claims"].as_u64() >= Some(1500), "{}", told["claims"]);
    assert!(told["kills"].as_u64() >= Some(1), "{}", told["kills"]);
    for field in ["lost_writes", "doubled_writes", "unacknowledged_writes", "locked_errors"] {
        assert_eq!(told[field], 0, "{field}: {told:#}");
    }
    let checks = told["audit"].as_array().ok_or("an audit")?;
    let looked_at = |words: &str| {
        let found = checks.iter().find(|check| check["holds"].to_string().contains(words));
        found.and_then(|check| check["looked_at"].as_u64())
    };
    assert!(looked_at("have an order that explains every answer") > Some(1500), "{told:#}");
    assert!(looked_at("above its limits") > Some(10), "{told:#}");
    assert!(looked_at("before what it waits for") > Some(10), "{told:#}");
    // A call claims one job or several, also in a process that was killed.
    let calls = |name: &str| told["calls"][name]["count"].as_u64();
    let (alone, after_an_end) = (calls("claim"), calls("complete and claim"));
    assert!(alone.min(after_an_end) > Some(20), "{told:#}");
    let most = alone.zip(after_an_end).map(|(one, other)| 12 * (one + other));
    assert!(told["claims"].as_u64() <= most, "{told:#}");
    Ok(())
}

#[test]
fn a_mix_whose_processes_are_killed_keeps_what_they_told_of_and_tells_of_all_their_calls()
-> TestResult {
    for limit in [["--seconds", "4"], ["--operations", "20000"]] {
        let folder = tempfile::tempdir()?;
        let output = xtask()
            .args(["--processes", "2", "--threads", "4", "--kill-every", "0.3", "--format", "json"])
            .args(limit)
            .arg("--db")
            .arg(folder.path().join("project.db"))
            .output()?;
        assert_eq!(text(&output.stderr), "");
        let told = json(&output)?;
        assert_eq!(output.status.code(), Some(0), "{told:#}");
        assert_eq!(told["profile"], "mix");
        assert!(told["kills"].as_u64() >= Some(1), "{}", told["kills"]);
        for field in ["lost_writes", "doubled_writes", "unacknowledged_writes", "locked_errors"] {
            assert_eq!(told[field], 0, "{field}: {told:#}");
        }
        let number = |name: &str| told[name].as_u64().unwrap_or(0);
        // Reads of killed processes have no durations, and are counted.
        assert!(number("untimed_operations") > 0, "{told:#}");
        if limit[0] == "--operations" {
            assert!(number("operations") + number("untimed_operations") >= 20_000, "{told:#}");
        }
        let checks = told["audit"].as_array().ok_or("an audit")?;
        let last_words = checks.iter().find(|check| check["holds"].to_string().contains("killed"));
        assert!(last_words.ok_or("a check")?["looked_at"].as_u64() > Some(0), "{told:#}");
        // Jobs left, also while processes died, and who followed was killed and went on.
        assert!(number("departed_jobs") > 0, "{told:#}");
        let looked_at = |words: &str| {
            let found = checks.iter().find(|check| check["holds"].to_string().contains(words));
            found.and_then(|check| check["looked_at"].as_u64())
        };
        assert!(looked_at("went on where it was") >= Some(number("followed_events")), "{told:#}");
        assert!(number("followed_events") > 1_000, "{told:#}");
        // Units that err or panic are among the writes of the others.
        assert!(told["calls"]["give up"]["count"].as_u64() > Some(0), "{told:#}");

        // Each creation and each finished run that any process told of has its place in the table.
        let journals = PathBuf::from(told["journals"].as_str().ok_or("a path")?);
        let (mut finished, mut followers) = (0, 0);
        for entry in std::fs::read_dir(journals)? {
            let path = entry?.path();
            followers += u32::from(path.to_string_lossy().ends_with(".sights.jsonl"));
            if path.to_string_lossy().ends_with(".journal.jsonl") {
                let lines = std::fs::read_to_string(path)?;
                finished += lines.matches("\"kind\":\"finish\"").count() as u64;
            }
        }
        assert!(finished > 0);
        assert!(followers > 1, "{followers} processes followed");
        assert!(
            told["calls"]["finish"]["count"].as_u64() >= Some(finished),
            "{finished}: {told:#}"
        );
    }
    Ok(())
}
