//! A watch sees the commits of other processes, and a feed hands out all of their events once.

use std::time::Duration;

use store_core::prelude::*;
use store_core::{ClusterKind, Event, EventSequence, NewCluster};
use store_sqlite::Options;
use tests::child::{self, Child, Stage};
use tests::{TestResult, jobs};

/// Longer than any wake takes.
const LONG: Duration = Duration::from_secs(20);
const WRITERS: usize = 4;
const EACH: usize = 60;
const CLUSTERS: usize = 30;

/// A part: writes a job whenever it is told to.
fn write_when_told(stage: &Stage) -> TestResult {
    let store = Options::new(stage.argument(0)).open()?;
    stage.say("ready");
    while stage.listen() == "write" {
        store.create_job(&jobs::sample("told"))?;
        stage.say("written");
    }
    Ok(())
}

/// A part: writes as many jobs as it is told, one after the other, and clusters between them, whose events are in
/// another table.
fn write_many(stage: &Stage) -> TestResult {
    let store = Options::new(stage.argument(0)).open()?;
    stage.say("ready");
    stage.listen();
    for number in 0..EACH {
        store.create_job(&jobs::sample(format!("job {number}")))?;
        if number < CLUSTERS {
            let name = format!("{number} of {}", std::process::id());
            store.create_cluster(&NewCluster::new(name, ClusterKind::Slurm, "host"))?;
        }
    }
    Ok(())
}

#[test]
fn child_process() -> TestResult {
    child::enter(&[("write when told", write_when_told), ("write many", write_many)])
}

#[test]
fn each_commit_of_another_process_wakes() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("project.db");
    let store = Options::new(&path).open()?;
    let path = path.to_str().ok_or("a temporary path is text")?;
    let mut watch = store.watch()?;
    // Writers come and go, and the last of them that closes brings the log into the database.
    for _ in 0..3 {
        let mut writer = Child::begin("write when told", &[path])?;
        writer.expect("ready")?;
        while watch.wait(Duration::from_millis(50))? {}
        for round in 0..20 {
            writer.tell("write")?;
            assert!(watch.wait(LONG)?, "round {round}");
            writer.expect("written")?;
            // What woke it was perhaps the opening of the log; the commit is not lost.
            assert!(store.newest_sequence()? > EventSequence::START);
        }
        writer.tell("end")?;
        writer.finish()?;
    }
    assert_eq!(store.counts_by_status()?.total(), 60);
    Ok(())
}

/// What is wrong with the events that a feed handed out, against all that there are.
fn faults(seen: &[Event], all: &[Event]) -> Vec<String> {
    let mut faults: Vec<String> = seen
        .windows(2)
        .filter(|pair| pair[0].sequence >= pair[1].sequence)
        .map(|pair| format!("{} after {}", pair[1].sequence, pair[0].sequence))
        .collect();
    let missed = all.iter().filter(|event| !seen.contains(event));
    faults.extend(missed.map(|event| format!("{} is missing", event.sequence)));
    faults
}

#[test]
fn a_feed_hands_out_the_events_of_four_processes_each_once() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("project.db");
    let store = Options::new(&path).open()?;
    let path = path.to_str().ok_or("a temporary path is text")?;
    let mut writers = (0..WRITERS)
        .map(|_| Child::begin("write many", &[path]))
        .collect::<TestResult<Vec<_>>>()?;
    let mut feed = store.feed_from_now()?;
    for writer in &mut writers {
        writer.expect("ready")?;
        writer.tell("go")?;
    }
    let mut seen = Vec::new();
    while seen.len() < WRITERS * (EACH + CLUSTERS) {
        let events = feed.next(50, LONG)?;
        assert!(!events.is_empty(), "{} events, and no more come", seen.len());
        seen.extend(events);
    }
    for writer in &mut writers {
        writer.finish()?;
    }
    assert!(feed.next(50, Duration::ZERO)?.is_empty());
    let all = store.events_after(EventSequence::START, u32::MAX)?;
    assert_eq!(faults(&seen, &all), [""; 0]);
    // The control: what is left out, or told twice, is seen.
    assert_eq!(faults(&seen[1..], &all).len(), 1);
    let twice: Vec<Event> = [&seen[..1], &seen[..]].concat();
    assert_eq!(faults(&twice, &all).len(), 1);
    Ok(())
}
