//! Who writes when, who commits for whom, and what a caller is told.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use common::{Outcome, another_program, job, open, scratch};
use store_core::{
    Clock, Error, JobFilter, JobStatus, Page, Placement, Result, StatusChange, SystemClock,
    Timestamp, WorkDir,
};
use store_sqlite::{CheckDepth, Options, SqliteStore, prelude::*};

fn names(store: &SqliteStore) -> Result<Vec<String>> {
    let page = store.jobs(&JobFilter::all(), Page::first(1000)?)?;
    Ok(page.jobs.into_iter().rev().map(|job| job.name).collect())
}

/// How many commits the write-ahead log holds: frames that tell a size of the database
/// (<https://sqlite.org/fileformat2.html#wal_file_format>).
fn commits(path: &Path) -> usize {
    const HEADER: usize = 32;
    const FRAME: usize = 24 + 4096;
    let log = std::fs::read(path.with_extension("db-wal")).expect("a log");
    let frames = log.get(HEADER..).unwrap_or_default().chunks_exact(FRAME);
    frames.filter(|frame| frame[4..8] != [0; 4]).count()
}

/// Holds the lead with one write while `meanwhile` queues others, and then lets them all go.
fn while_one_writes(store: &SqliteStore, meanwhile: impl FnOnce()) {
    let (go_on, wait) = mpsc::channel::<()>();
    let (begun, beginning) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let first = store.write(move |unit| {
                begun.send(()).expect("listened to");
                // Only a test may wait here: everybody else waits with it.
                let _told = wait.recv();
                unit.create_job(&job("first"))
            });
            first.expect("written");
        });
        beginning.recv().expect("begun");
        meanwhile();
        drop(go_on);
    });
}

#[test]
fn writes_that_wait_together_share_a_commit_in_their_order() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    let before = commits(&path);
    let mut callers = Vec::new();
    while_one_writes(&store, || {
        for number in 0..10 {
            let writer = store.clone();
            callers.push(thread::spawn(move || writer.create_job(&job(&format!("job {number}")))));
            // The order of arrival is the order of the loop.
            thread::sleep(Duration::from_millis(20));
        }
    });
    for caller in callers {
        caller.join().expect("no panic")?;
    }
    let expected: Vec<String> =
        std::iter::once("first".to_owned()).chain((0..10).map(|n| format!("job {n}"))).collect();
    assert_eq!(names(&store)?, expected);
    // The first one's, and one or, on a slow machine, a few for the ten.
    let shared = commits(&path) - before;
    assert!((2..=5).contains(&shared), "{shared} commits for eleven writes");
    Ok(())
}

#[test]
fn writes_one_after_the_other_commit_one_by_one() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    let before = commits(&path);
    for number in 0..11 {
        store.create_job(&job(&format!("job {number}")))?;
    }
    assert_eq!(commits(&path) - before, 11);
    Ok(())
}

#[test]
fn a_failing_write_does_not_disturb_its_neighbours() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    let (mut good, mut bad, mut panicking) = (Vec::new(), Vec::new(), Vec::new());
    while_one_writes(&store, || {
        for number in 0..4 {
            let writer = store.clone();
            good.push(thread::spawn(move || writer.create_job(&job(&format!("good {number}")))));
            let writer = store.clone();
            bad.push(thread::spawn(move || {
                writer.write(move |unit| {
                    unit.create_job(&job("bad"))?;
                    Err::<(), _>(Error::aborted(format!("reason {number}")))
                })
            }));
            let writer = store.clone();
            panicking.push(thread::spawn(move || {
                catch_unwind(AssertUnwindSafe(|| {
                    writer.write(move |unit| -> Result<()> {
                        unit.create_job(&job("panicking"))?;
                        panic!("panic {number}");
                    })
                }))
            }));
        }
        thread::sleep(Duration::from_millis(100));
    });
    for caller in good {
        caller.join().expect("no panic")?;
    }
    for (number, caller) in bad.into_iter().enumerate() {
        let error = caller.join().expect("no panic").expect_err("it gave up");
        assert_eq!(error.to_string(), format!("the unit of work was given up: reason {number}"));
    }
    for (number, caller) in panicking.into_iter().enumerate() {
        let panic = caller.join().expect("caught").expect_err("it panicked");
        assert_eq!(panic.downcast_ref(), Some(&format!("panic {number}")));
    }
    let mut kept = names(&store)?;
    kept.sort();
    assert_eq!(kept, ["first", "good 0", "good 1", "good 2", "good 3"]);
    Ok(())
}

#[test]
fn a_failing_first_write_does_not_disturb_those_who_wait() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    let (go_on, wait) = mpsc::channel::<()>();
    let (begun, beginning) = mpsc::channel();
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            store.write(move |unit| {
                unit.create_job(&job("first"))?;
                begun.send(()).expect("listened to");
                let _told = wait.recv();
                Err::<(), _>(Error::aborted("no"))
            })
        });
        beginning.recv().expect("begun");
        let second = scope.spawn(|| store.create_job(&job("second")));
        thread::sleep(Duration::from_millis(50));
        drop(go_on);
        first.join().expect("no panic").expect_err("it gave up");
        second.join().expect("no panic").expect("written");
    });
    assert_eq!(names(&store)?, ["second"]);
    Ok(())
}

#[test]
fn a_writer_that_ignores_the_gate_is_waited_for() -> Outcome {
    let (_directory, path) = scratch();
    let store = Options::new(&path).busy_timeout(Duration::from_millis(1)).open()?;
    let other = another_program(&path);
    other.execute_batch("BEGIN IMMEDIATE")?;
    thread::scope(|scope| {
        let waiting = scope.spawn(|| store.create_job(&job("patient")));
        thread::sleep(Duration::from_millis(100));
        assert!(!waiting.is_finished(), "it waits");
        other.execute_batch("COMMIT").expect("committed");
        waiting.join().expect("no panic").expect("written");
    });
    Ok(())
}

#[test]
fn the_deadline_ends_the_waiting_whatever_the_busy_timeout() -> Outcome {
    let (_directory, path) = scratch();
    let store = Options::new(&path).deadline(Duration::from_millis(50)).open()?;
    let other = another_program(&path);
    other.execute_batch("BEGIN IMMEDIATE")?;
    let error = store.create_job(&job("impatient")).expect_err("it waits in vain");
    let Error::Contended { waited, .. } = &error else { panic!("{error:?}") };
    // SQLite alone would have waited for the five seconds of its busy timeout.
    assert!(*waited < Duration::from_secs(5), "{waited:?}");
    assert!(!error.to_string().contains("locked"), "{error}");
    other.execute_batch("ROLLBACK")?;
    store.create_job(&job("in time"))?;
    let settings = store.stats()?.writer_settings.expect("it is idle");
    assert_eq!(settings["busy_timeout"], 5000, "it was put back");
    assert_eq!(names(&store)?, ["in time"]);
    Ok(())
}

#[test]
fn one_in_the_queue_gives_up_at_its_deadline_and_disturbs_nobody() -> Outcome {
    let (_directory, path) = scratch();
    let patient = open(&path);
    let impatient = Options::new(&path).deadline(Duration::from_millis(50)).open()?;
    while_one_writes(&patient, || {
        // Two of one store: one leads and waits at the gate, one waits behind it.
        let outcomes: Vec<_> = thread::scope(|scope| {
            let callers: Vec<_> =
                (0..2).map(|_| scope.spawn(|| impatient.create_job(&job("never")))).collect();
            callers.into_iter().map(|caller| caller.join().expect("no panic")).collect()
        });
        for outcome in outcomes {
            assert!(matches!(outcome, Err(Error::Contended { .. })), "{outcome:?}");
        }
    });
    impatient.create_job(&job("later"))?;
    assert_eq!(names(&patient)?, ["first", "later"]);
    Ok(())
}

#[test]
fn one_in_the_queue_of_a_slow_write_learns_where_that_was_called() -> Outcome {
    let (_directory, path) = scratch();
    let store = Options::new(&path).deadline(Duration::from_millis(50)).open()?;
    while_one_writes(&store, || {
        let error = store.create_job(&job("never")).expect_err("it waits in vain");
        let Error::Contended { holder: Some(holder), .. } = &error else { panic!("{error:?}") };
        assert_eq!(holder.pid, std::process::id());
        // Nothing has to be written down for one's own process.
        assert!(error.to_string().contains("writing (called at "), "{error}");
        assert!(error.to_string().contains("writing.rs:"), "{error}");
    });
    Ok(())
}

/// A clock that stands still, from its first time on, until it may go on.
#[derive(Debug)]
struct Stuck {
    asked: mpsc::Sender<()>,
    go_on: Mutex<mpsc::Receiver<()>>,
}

impl Clock for Stuck {
    fn now(&self) -> Timestamp {
        let _nobody_listens_any_more = self.asked.send(());
        let _told = self.go_on.lock().expect("not poisoned").recv();
        SystemClock.now()
    }
}

#[test]
fn a_straight_call_is_named_by_the_line_of_the_program_that_made_it() -> Outcome {
    let (_directory, path) = scratch();
    let ((asked, asking), (let_go, go_on)) = (mpsc::channel(), mpsc::channel::<()>());
    let clock = Arc::new(Stuck { asked, go_on: Mutex::new(go_on) });
    let deadline = Duration::from_millis(50);
    let store = Options::new(&path).deadline(deadline).clock(clock).open()?;
    thread::scope(|scope| {
        let slow = scope.spawn(|| (line!(), store.create_job(&job("slow"))));
        asking.recv().expect("it runs");
        let error = store.create_job(&job("never")).expect_err("it waits in vain").to_string();
        drop(let_go);
        let (line, created) = slow.join().expect("no panic");
        created.expect("created");
        assert!(error.contains(&format!("(called at {}:{line})", file!())), "{error}");
    });
    Ok(())
}

#[test]
fn a_store_whose_file_was_replaced_takes_no_writes() -> Outcome {
    let (directory, path) = scratch();
    let store = open(&path);
    store.create_job(&job("MgO"))?;
    std::fs::rename(&path, directory.path().join("moved.db"))?;
    assert!(matches!(store.create_job(&job("lost")), Err(Error::Moved(_))));
    std::fs::write(&path, "")?;
    assert!(matches!(store.create_job(&job("lost")), Err(Error::Moved(_))));
    Ok(())
}

#[test]
fn a_store_whose_shared_index_was_deleted_takes_no_writes() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    store.create_job(&job("MgO"))?;
    std::fs::remove_file(path.with_extension("db-shm"))?;
    assert!(matches!(store.create_job(&job("lost")), Err(Error::Moved(_))));
    Ok(())
}

#[test]
fn closing_waits_for_the_writes_that_were_begun() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    let closing = store.clone();
    let mut closer = None;
    while_one_writes(&store, || {
        closer = Some(thread::spawn(move || closing.close()));
        thread::sleep(Duration::from_millis(50));
        assert!(!closer.as_ref().expect("just set").is_finished(), "it waits");
    });
    closer.expect("set").join().expect("no panic")?;
    assert!(matches!(names(&store), Err(Error::Closed)));
    assert_eq!(names(&open(&path))?, ["first"]);
    Ok(())
}

#[test]
fn every_reader_in_use_ends_in_an_error_that_says_so() -> Outcome {
    let (_directory, path) = scratch();
    let store = Options::new(&path).readers(1).deadline(Duration::from_millis(50)).open()?;
    store.read(|_| {
        let other = store.clone();
        let outcome = thread::spawn(move || other.counts_by_status()).join().expect("no panic");
        assert!(matches!(outcome, Err(Error::ReadersBusy { readers: 1, .. })), "{outcome:?}");
        Ok(())
    })?;
    store.counts_by_status()?;
    Ok(())
}

/// Holds the lead with one call while `meanwhile` queues others, and then lets them all go. Units tell the
/// time when they begin, so that the clock can hold them.
fn while_one_calls(options: Options, meanwhile: impl FnOnce(&SqliteStore)) -> SqliteStore {
    #[derive(Debug)]
    struct Held(Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>>);
    impl Clock for Held {
        fn now(&self) -> Timestamp {
            let held = self.0.lock().expect("no panic").take();
            if let Some((begun, wait)) = held {
                begun.send(()).expect("listened to");
                let _told = wait.recv();
            }
            SystemClock.now()
        }
    }
    let (go_on, wait) = mpsc::channel::<()>();
    let (begun, beginning) = mpsc::channel();
    let held = Arc::new(Held(Mutex::default()));
    let store = options.clock(held.clone()).open().expect("opened");
    *held.0.lock().expect("no panic") = Some((begun, wait));
    thread::scope(|scope| {
        let first = scope.spawn(|| store.create_job(&job("first")));
        beginning.recv().expect("begun");
        meanwhile(&store);
        drop(go_on);
        first.join().expect("no panic").expect("written");
    });
    store
}

#[test]
fn a_refused_call_does_not_disturb_those_that_share_its_commit() -> Outcome {
    let (_directory, path) = scratch();
    let mut before = 0;
    let mut callers = Vec::new();
    let store = while_one_calls(Options::new(&path), |store| {
        before = commits(&path);
        for number in 0..12 {
            let writer = store.clone();
            let mut new = job(&format!("job {number}"));
            if number % 3 == 2 {
                // Of these, all but the first are refused by the schema.
                new.placement = Placement::At(WorkDir::new("/scratch/shared").expect("absolute"));
            }
            callers.push(thread::spawn(move || writer.create_job(&new).map(drop)));
            thread::sleep(Duration::from_millis(20));
        }
    });
    for (number, caller) in callers.into_iter().enumerate() {
        match caller.join().expect("no panic") {
            Ok(()) => assert!(number % 3 != 2 || number == 2, "{number}"),
            Err(Error::Conflict { .. }) => assert!(number % 3 == 2 && number > 2, "{number}"),
            Err(other) => panic!("{number}: {other:?}"),
        }
    }
    assert_eq!(store.counts_by_status()?.total(), 1 + 9);
    assert!(store.check(CheckDepth::Quick)?.is_ok());
    let shared = commits(&path) - before;
    assert!((1..=5).contains(&shared), "{shared} commits for ten jobs");
    Ok(())
}

/// A unit needs a savepoint among others, and its pages may be many: it begins a batch of its own.
#[test]
fn units_and_calls_that_wait_together_are_committed_in_their_order() -> Outcome {
    let (_directory, path) = scratch();
    let mut callers = Vec::new();
    let store = while_one_calls(Options::new(&path), |store| {
        for number in 0..9 {
            let (writer, new) = (store.clone(), job(&format!("job {number}")));
            callers.push(thread::spawn(move || {
                if number % 3 == 1 {
                    return writer.write(move |unit| unit.create_job(&new));
                }
                writer.create_job(&new)
            }));
            thread::sleep(Duration::from_millis(20));
        }
    });
    for caller in callers {
        caller.join().expect("no panic")?;
    }
    let expected: Vec<String> =
        std::iter::once("first".to_owned()).chain((0..9).map(|n| format!("job {n}"))).collect();
    assert_eq!(names(&store)?, expected);
    Ok(())
}

#[test]
fn a_reader_never_waits_for_a_writer() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    let other = open(&path);
    while_one_writes(&store, || {
        assert_eq!(store.counts_by_status().expect("read").total(), 0);
        assert_eq!(other.counts_by_status().expect("read").total(), 0);
    });
    assert_eq!(other.counts_by_status()?.total(), 1);
    Ok(())
}

#[test]
fn the_schema_refuses_what_goes_around_the_store() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    store.create_job(&job("MgO"))?;
    let other = another_program(&path);
    other.pragma_update(None, "foreign_keys", true)?;
    for (sql, reason) in [
        ("UPDATE jobs SET attempt = 2", "illegal status transition"),
        ("UPDATE jobs SET status = 'DONE'", "illegal status transition"),
        ("UPDATE jobs SET status = 'RUNNING'", "CHECK"),
        ("UPDATE jobs SET cluster_id = 7", "FOREIGN KEY"),
        ("UPDATE jobs SET priority = 'high'", "TEXT value in INTEGER column"),
    ] {
        let error = other.execute(sql, []).expect_err(sql).to_string();
        assert!(error.contains(reason), "{sql}: {error}");
    }
    Ok(())
}

/// The temporary files that SQLite holds open in this process: it has unlinked them
/// (<https://sqlite.org/tempfiles.html#temporary_file_storage_locations>).
#[cfg(target_os = "linux")]
fn temporary_files() -> usize {
    let descriptors = std::fs::read_dir("/proc/self/fd").expect("the kernel lists them");
    // One may have been closed since it was listed.
    let targets = descriptors.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    targets.filter(|target| target.to_string_lossy().contains("/etilqs_")).count()
}

/// The memory in which they would be kept is walked to its end by every statement: the time of such a unit
/// would grow with the square of what it changes.
#[cfg(target_os = "linux")]
#[test]
fn the_pages_that_a_big_unit_would_restore_are_in_a_file_and_those_of_a_small_one_in_memory()
-> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    let spilled = |count: usize| -> Result<usize> {
        let jobs: Vec<_> =
            (0..count).map(|number| job(&format!("{number} of {count}")).queued()).collect();
        let cancelled = StatusChange::to(JobStatus::Cancelled);
        let created = store.create_jobs(&jobs)?;
        let changes: Vec<_> = created.iter().map(|job| (job.id, cancelled.clone())).collect();
        store.write(move |unit| {
            unit.change_statuses(&changes)?;
            Ok(temporary_files())
        })
    };
    assert_eq!(spilled(1)?, 0);
    assert_eq!(spilled(2_000)?, 1);
    Ok(())
}
