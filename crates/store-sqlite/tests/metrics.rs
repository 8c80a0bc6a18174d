//! What a store counts reaches the recorder of the `metrics` crate, under the names that are documented.
//!
//! The recorder is the process's, because the store's own threads count too: one test, in a binary of its own.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use common::{Outcome, another_program, job, scratch};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use store_core::Error;
use store_sqlite::{Options, WhenFull, prelude::*};

const OPERATIONS: &str = include_str!("../../../docs/operations.md");

/// Only a store that breaks its promise takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// The value of each counter and gauge, the sum of each histogram, by name and label.
#[derive(Debug, Clone, Default)]
struct Heard(Arc<Mutex<BTreeMap<String, f64>>>);

impl Heard {
    fn change(&self, name: &str, change: impl FnOnce(&mut f64)) {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(values.entry(name.to_owned()).or_default());
    }

    /// Nothing where the name never came.
    fn value(&self, name: &str) -> Option<f64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }

    /// Without their labels.
    fn names(&self) -> BTreeSet<String> {
        let values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        values.keys().filter_map(|name| Some(name.split('{').next()?.to_owned())).collect()
    }

    fn wait_for(&self, name: &str) {
        self.wait_until(name, |value| value.is_some());
    }

    fn wait_until(&self, name: &str, is_so: impl Fn(Option<f64>) -> bool) {
        let begun = Instant::now();
        while !is_so(self.value(name)) {
            assert!(begun.elapsed() < PATIENCE, "{name} never came to it: {self:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn one(&self, key: &Key) -> Arc<One> {
        let labels = key.labels().map(|label| format!("{{{}={}}}", label.key(), label.value()));
        let name = key.name().to_owned() + &labels.collect::<String>();
        Arc::new(One { heard: self.clone(), name })
    }
}

/// One name of them.
struct One {
    heard: Heard,
    name: String,
}

impl CounterFn for One {
    fn increment(&self, value: u64) {
        let value = u32::try_from(value).expect("small in a test");
        self.heard.change(&self.name, |sum| *sum += f64::from(value));
    }

    fn absolute(&self, value: u64) {
        panic!("{} is set to {value}: the store only adds", self.name);
    }
}

impl GaugeFn for One {
    fn increment(&self, value: f64) {
        self.heard.change(&self.name, |now| *now += value);
    }

    fn decrement(&self, value: f64) {
        self.heard.change(&self.name, |now| *now -= value);
    }

    fn set(&self, value: f64) {
        self.heard.change(&self.name, |now| *now = value);
    }
}

impl HistogramFn for One {
    fn record(&self, value: f64) {
        self.heard.change(&self.name, |sum| *sum += value);
    }
}

impl Recorder for Heard {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.one(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.one(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.one(key))
    }
}

/// The names in the operators' table.
fn documented() -> BTreeSet<String> {
    let quoted = OPERATIONS.split('`').skip(1).step_by(2);
    let named = quoted.filter(|word| word.starts_with("crystalstore_") && word.len() > 13);
    named.map(str::to_owned).collect()
}

/// Does the things one after the other, and looks at which names each of them brought.
struct Acts {
    heard: Heard,
    before: BTreeSet<String>,
}

impl Acts {
    #[track_caller]
    fn brought(&mut self, names: &[&str]) {
        let now = self.heard.names();
        let fresh: Vec<_> = now.difference(&self.before).cloned().collect();
        let expected: BTreeSet<_> =
            names.iter().map(|name| format!("crystalstore_{name}")).collect();
        assert_eq!(fresh, expected.into_iter().collect::<Vec<_>>());
        self.before = now;
    }
}

#[test]
fn each_documented_name_comes_when_its_thing_happens_and_not_before() -> Outcome {
    let heard = Heard::default();
    metrics::set_global_recorder(heard.clone()).map_err(|_| "there is another recorder")?;
    let value = |name: &str| heard.value(&format!("crystalstore_{name}"));
    let mut acts = Acts { heard: heard.clone(), before: BTreeSet::new() };
    let (_directory, path) = scratch();
    let options = Options::new(&path).readers(1).queue(1).when_full(WhenFull::Refuse);
    let store = options.clone().open()?;
    acts.brought(&[]);

    store.create_job(&job("first"))?;
    acts.brought(&[
        "writes_total",
        "commits_total",
        "batch_writes",
        "wait_seconds",
        "run_seconds",
        "commit_seconds",
        "log_bytes",
    ]);
    assert_eq!((value("writes_total"), value("batch_writes")), (Some(1.0), Some(1.0)));
    let log = std::fs::metadata(path.with_extension("db-wal"))?.len();
    assert_eq!(value("log_bytes"), Some(f64::from(u32::try_from(log)?)));

    let during = store.read(|_| Ok(value("readers_in_use")))?;
    acts.brought(&["readers_in_use"]);
    assert_eq!((during, value("readers_in_use")), (Some(1.0), Some(0.0)));

    let inner = store.clone();
    let (ticket, refused, waiting) = store.write({
        let heard = heard.clone();
        move |_| {
            let ticket = inner.submit(|_| Ok(()))?;
            let refused = inner.submit(|_| Ok(()));
            Ok((ticket, refused, heard.value("crystalstore_writes_waiting")))
        }
    })?;
    assert!(matches!(refused, Err(Error::QueueFull { waiting: 1 })), "{refused:?}");
    ticket.wait()?;
    acts.brought(&["writes_waiting", "queue_full_total"]);
    assert_eq!((waiting, value("writes_waiting")), (Some(1.0), Some(0.0)));
    assert_eq!(value("queue_full_total"), Some(1.0));
    assert_eq!(store.stats()?.activity.queue_full, 1);
    store.close()?;

    let moment = Duration::from_millis(50);
    let store = options.clone().deadline(moment).busy_timeout(Duration::from_millis(1)).open()?;
    store.read(|_| {
        let other = store.clone();
        let refused = thread::spawn(move || other.counts_by_status()).join().expect("no panic");
        assert!(matches!(refused, Err(Error::ReadersBusy { .. })), "{refused:?}");
        Ok(())
    })?;
    acts.brought(&["readers_busy_total"]);
    assert_eq!(store.stats()?.activity.readers_busy, 1);

    let other = another_program(&path);
    other.execute_batch("BEGIN IMMEDIATE")?;
    let refused = store.create_job(&job("in vain"));
    assert!(matches!(refused, Err(Error::Contended { .. })), "{refused:?}");
    let refused = store.submit(|_| Ok(()))?.wait();
    assert!(matches!(refused, Err(Error::Contended { .. })), "{refused:?}");
    other.execute_batch("ROLLBACK")?;
    acts.brought(&["retries_total", "contended_total"]);
    let activity = store.stats()?.activity;
    assert_eq!(activity.contended, 2, "the ticket is among them");
    assert!(activity.retries > 0);
    assert_eq!(value("retries_total"), Some(f64::from(u32::try_from(activity.retries)?)));
    store.close()?;

    let store = options.clone().checkpoint_pages(1).open()?;
    store.create_job(&job("brings a pass"))?;
    heard.wait_for("crystalstore_finishing_turns_total");
    acts.brought(&["checkpoints_total", "finishing_turns_total", "log_pages"]);
    assert!(value("checkpoints_total{outcome=complete}").is_some());
    store.close()?;

    // With so low a limit each pass tries to empty the log, which a snapshot prevents.
    let options = options.checkpoint_pages(1).wal_limit_bytes(1).slow_snapshot(moment);
    let store = options.open()?;
    store.read(|unit| {
        unit.counts_by_status()?;
        let other = store.clone();
        let written = thread::spawn(move || other.create_job(&job("keeps the log")));
        written.join().expect("no panic")?;
        heard.wait_for("crystalstore_checkpoints_total{outcome=prevented}");
        heard.wait_for("crystalstore_drains_total{emptied=false}");
        heard.wait_for("crystalstore_slow_snapshots_total");
        Ok(())
    })?;
    acts.brought(&["drains_total", "slow_snapshots_total"]);
    store.create_job(&job("lets it go"))?;
    heard.wait_for("crystalstore_drains_total{emptied=true}");
    // A file that is longer than the log may be is cut once nobody has written for a moment.
    assert_eq!(value("log_bytes"), Some(f64::from(u32::try_from(store.stats()?.wal_bytes)?)));
    heard.wait_until("crystalstore_log_bytes", |bytes| bytes == Some(0.0));
    store.close()?;

    assert_eq!(heard.names(), documented());
    Ok(())
}
