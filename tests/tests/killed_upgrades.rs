//! An upgrade that is killed before it commits has not happened.

use std::fmt;
use std::path::{Path, PathBuf};

use schema::inspect::Structure;
use schema::migrations::embedded;
use schema::released;
use store_sqlite::{CheckDepth, Options};
use tests::child::{self, Child, Stage};
use tests::raw::{self, Contents};
use tests::{TestResult, population};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// Says where an opening is, and then stands still for ever.
#[derive(Debug)]
struct StopAt {
    stage: Stage,
    place: String,
}

impl StopAt {
    fn reached(&self, place: &str) {
        if place == self.place {
            self.stage.say(&format!("at {place}"));
            self.stage.wait_to_be_killed();
        }
    }
}

/// What an event says, as `message version`.
#[derive(Debug, Default)]
struct Words {
    message: String,
    version: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "version" => self.version = format!("{value:?}"),
            _ => {}
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for StopAt {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target().starts_with("store_sqlite")
    }

    fn on_enter(&self, id: &span::Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            self.reached(span.name());
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        self.reached(&format!("{} {}", words.message, words.version));
    }
}

/// The part of a child: opens the store of its first argument and stops at the place of its second.
fn open_and_stop(stage: &Stage) -> TestResult {
    let stop = StopAt { stage: *stage, place: stage.argument(1) };
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(stop))?;
    Options::new(stage.argument(0)).open()?;
    stage.say("opened");
    Ok(())
}

#[test]
fn child_process() -> TestResult {
    child::enter(&[("open and stop", open_and_stop)])
}

/// Kills a child that has come to `place` while opening the store.
fn kill_at(path: &Path, place: &str) -> TestResult {
    let path = path.to_str().ok_or("a temporary path is text")?;
    let mut child = Child::begin("open and stop", &[path, place])?;
    child.expect(&format!("at {place}"))?;
    child.kill()?;
    Ok(())
}

fn populated(version: i32) -> TestResult<(tempfile::TempDir, PathBuf)> {
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("project.db");
    population::create(&path, version)?;
    Ok((scratch, path))
}

/// Opens what a killed upgrade left, and finds it as an upgrade that nobody disturbed makes it.
fn opens_and_equals(path: &Path, undisturbed: &Contents) -> TestResult {
    let store = Options::new(path).open()?;
    let report = store.check(CheckDepth::Full)?;
    assert!(report.is_ok(), "{report:?}");
    store.close()?;
    let after = Contents::at(path)?;
    assert_eq!(after.versions(), embedded().versions().collect::<Vec<_>>(), "each once");
    assert_eq!(after, *undisturbed);
    let fresh = Structure::of(&raw::fresh(&embedded())?)?;
    assert_eq!(after.structure.differences(&fresh), []);
    Ok(())
}

#[test]
fn an_upgrade_killed_after_any_of_its_migrations_has_not_happened() -> TestResult {
    for version in released::versions() {
        let (_scratch, path) = populated(version)?;
        Options::new(&path).open()?.close()?;
        let undisturbed = Contents::at(&path)?;
        for pending in embedded().versions().filter(|pending| *pending > version) {
            let (_scratch, path) = populated(version)?;
            let before = Contents::at(&path)?;
            kill_at(&path, &format!("applied, not committed {pending}"))?;
            assert_eq!(Contents::at(&path)?, before, "from {version}, killed after {pending}");
            opens_and_equals(&path, &undisturbed)?;
        }
    }
    Ok(())
}

#[test]
fn an_upgrade_killed_again_and_again_succeeds_in_the_end() -> TestResult {
    let (_scratch, path) = populated(1)?;
    let before = Contents::at(&path)?;
    for place in
        ["open", "migrate", "applied, not committed 2", "migrate", "applied, not committed 3"]
    {
        kill_at(&path, place)?;
    }
    assert_eq!(Contents::at(&path)?, before);
    let (_scratch, other) = populated(1)?;
    Options::new(&other).open()?.close()?;
    opens_and_equals(&path, &Contents::at(&other)?)
}

#[test]
fn a_new_store_killed_while_it_is_made_can_be_opened() -> TestResult {
    let undisturbed = {
        let scratch = tempfile::tempdir()?;
        let path = scratch.path().join("project.db");
        Options::new(&path).open()?.close()?;
        Contents::at(&path)?
    };
    let newest = embedded().newest();
    // Before the file, after the switch to a log, and after the migrations.
    for place in ["open", "migrate", &format!("applied, not committed {newest}")] {
        let scratch = tempfile::tempdir()?;
        let path = scratch.path().join("project.db");
        kill_at(&path, place)?;
        opens_and_equals(&path, &undisturbed)?;
        let files = raw::files_in(scratch.path())?;
        assert!(!files.iter().any(|name| name.contains("backup")), "{place}: {files:?}");
    }
    // Between the making of the file and SQLite's first look there is only an empty file.
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("project.db");
    std::fs::File::create_new(&path)?;
    opens_and_equals(&path, &undisturbed)
}

#[test]
fn what_a_child_does_after_the_place_is_seen() -> TestResult {
    let (_scratch, path) = populated(1)?;
    let before = Contents::at(&path)?;
    let path_text = path.to_str().ok_or("a temporary path is text")?;
    let mut child = Child::begin("open and stop", &[path_text, "nowhere"])?;
    child.expect("opened")?;
    child.finish()?;
    assert_ne!(Contents::at(&path)?, before);
    Ok(())
}
