//! Spans and events, where people look for what a store does.

mod common;

use std::fmt::Debug;
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use common::{Outcome, job, scratch};
use store_sqlite::{Options, prelude::*};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Only a store that breaks its promise takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was said, in the words of a span's name or an event's message, and how loudly.
static SAID: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());

fn said() -> MutexGuard<'static, Vec<(Level, String)>> {
    SAID.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hears everything, of all threads.
struct Ear;

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("store_sqlite")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        said().push((*span.metadata().level(), format!("span {}", span.metadata().name())));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        said().push((*event.metadata().level(), message.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Where docs/operations.md says that there is something, and how loud it is.
const PLACES: [(&str, Level); 13] = [
    ("span open", Level::DEBUG),
    ("opened", Level::DEBUG),
    ("span migrate", Level::INFO),
    ("applied, not committed", Level::INFO),
    ("span write_batch", Level::TRACE),
    ("committed", Level::TRACE),
    ("span wait_for_gate", Level::TRACE),
    ("waited for the gate", Level::DEBUG),
    ("span checkpoint", Level::DEBUG),
    ("checkpointed", Level::DEBUG),
    ("span read", Level::TRACE),
    ("a slow read has ended", Level::DEBUG),
    ("a snapshot is held for long; the log cannot be emptied", Level::WARN),
];

/// The places of which nothing was heard.
fn missing() -> Vec<&'static str> {
    let said = said();
    let was_heard = |place: &(&str, Level)| {
        said.iter().any(|(level, text)| (text.as_str(), *level) == (place.0, place.1))
    };
    PLACES.iter().filter(|place| !was_heard(place)).map(|place| place.0).collect()
}

fn until_heard(place: &str) {
    let begun = Instant::now();
    while missing().contains(&place) {
        assert!(begun.elapsed() < PATIENCE, "nothing was heard of {place:?}: {:?}", said());
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn there_is_something_to_hear_at_every_place_once_it_is_come_to() -> Outcome {
    tracing::subscriber::set_global_default(Ear)?;
    let (_directory, path) = scratch();
    let options = Options::new(&path).checkpoint_pages(1).slow_snapshot(Duration::from_millis(1));
    let store = options.clone().open()?;
    store.create_job(&job("MgO"))?;
    until_heard("checkpointed");
    // A control, too: what has not happened is missing.
    let not_yet = [
        "span wait_for_gate",
        "waited for the gate",
        "span read",
        "a slow read has ended",
        "a snapshot is held for long; the log cannot be emptied",
    ];
    let passes = ["span wait_for_gate", "waited for the gate"];
    let missed = missing();
    assert!(missed.iter().all(|place| not_yet.contains(place)), "{missed:?}");
    // The checkpointer comes to the gate as well, and may have had to wait for the write.
    assert!(not_yet.iter().all(|place| passes.contains(place) || missed.contains(place)));

    store.read(|_| {
        until_heard("a snapshot is held for long; the log cannot be emptied");
        Ok(())
    })?;
    assert!(!missing().contains(&"a slow read has ended"), "{:?}", said());
    // A store that only reads has no thread that looks meanwhile, and tells of it in the end.
    let limit = Duration::from_millis(200);
    let reading = options.clone().read_only(true).slow_snapshot(limit).open()?;
    let told = || reading.stats().map(|stats| stats.activity.slow_snapshots);
    let warnings = || said().iter().filter(|(level, _)| *level == Level::WARN).count();
    let before = (told()?, warnings());
    reading.read(|_| {
        thread::sleep(2 * limit);
        Ok(())
    })?;
    assert!(told()? > before.0 && warnings() > before.1, "{:?}", said());

    // Another store on the file has the gate while this one asks for it.
    let other = options.open()?;
    let (holds, held) = channel();
    let holder = thread::spawn(move || {
        other.write(move |_| {
            holds.send(()).expect("the test listens");
            until_heard("span wait_for_gate");
            Ok(())
        })
    });
    held.recv()?;
    store.create_job(&job("NaCl"))?;
    holder.join().expect("no panic")?;
    assert_eq!(missing(), Vec::<&str>::new(), "{:?}", said());
    quiet_by_default();
    Ok(())
}

/// Nothing that is an ordinary part of work is louder than the default of most programs.
fn quiet_by_default() {
    let expected = ["span migrate", "applied, not committed"];
    let told = "a snapshot is held for long; the log cannot be emptied";
    for (level, text) in said().iter().filter(|(level, _)| *level <= Level::INFO) {
        assert!(expected.contains(&text.as_str()) || text == told, "{level}: {text}");
    }
}
