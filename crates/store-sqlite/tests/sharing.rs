//! What shares a commit, and what that means for those who share it.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use common::{Outcome, job, names, open, scratch, while_one_writes};
use store_core::{
    Clock, ClusterId, Error, Job, Placement, Result, SystemClock, Timestamp, WorkDir,
};
use store_sqlite::{CheckDepth, Options, SqliteStore, prelude::*};

/// How many commits the write-ahead log holds: frames that tell a size of the database
/// (<https://sqlite.org/fileformat2.html#wal_file_format>).
fn commits(path: &Path) -> usize {
    const HEADER: usize = 32;
    const FRAME: usize = 24 + 4096;
    let log = std::fs::read(path.with_extension("db-wal")).expect("a log");
    let frames = log.get(HEADER..).unwrap_or_default().chunks_exact(FRAME);
    frames.filter(|frame| frame[4..8] != [0; 4]).count()
}

/// Holds the lead with one call while `meanwhile` queues others, and then lets them all go. Units tell the
/// time when they begin, so that the clock can hold them.
fn while_one_calls(
    options: Options,
    meanwhile: impl FnOnce(&SqliteStore),
) -> (SqliteStore, Result<Job>) {
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
    let outcome = thread::scope(|scope| {
        let first = scope.spawn(|| store.create_job(&job("first")));
        beginning.recv().expect("begun");
        meanwhile(&store);
        drop(go_on);
        first.join().expect("no panic")
    });
    (store, outcome)
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
fn a_refused_call_does_not_disturb_those_that_share_its_commit() -> Outcome {
    let (_directory, path) = scratch();
    let mut before = 0;
    let mut callers = Vec::new();
    let (store, first) = while_one_calls(Options::new(&path), |store| {
        before = commits(&path);
        for number in 0..12 {
            let writer = store.clone();
            let mut new = job(&format!("job {number}"));
            if number % 4 == 3 {
                // Refused when its triggers have run.
                new.cluster = Some(ClusterId::new(77));
            } else if number % 4 == 2 {
                // Of these, all but the first are refused at once.
                new.placement = Placement::At(WorkDir::new("/scratch/shared").expect("absolute"));
            }
            callers.push(thread::spawn(move || writer.create_job(&new).map(drop)));
            thread::sleep(Duration::from_millis(20));
        }
    });
    first?;
    for (number, caller) in callers.into_iter().enumerate() {
        match caller.join().expect("no panic") {
            Ok(()) => assert!(number % 4 < 2 || number == 2, "{number}"),
            Err(Error::Conflict { .. }) => assert!(number % 4 == 2 && number > 2, "{number}"),
            Err(Error::NotFound { .. }) => assert_eq!(number % 4, 3),
            Err(other) => panic!("{number}: {other:?}"),
        }
    }
    assert_eq!(store.counts_by_status()?.total(), 1 + 7);
    assert!(store.check(CheckDepth::Quick)?.is_ok());
    let shared = commits(&path) - before;
    assert!((1..=5).contains(&shared), "{shared} commits for eight jobs");
    Ok(())
}

#[test]
fn a_clock_that_panics_disturbs_nobody_who_shares_the_commit() -> Outcome {
    #[derive(Debug, Default)]
    struct FailsOnce(AtomicBool);
    impl Clock for FailsOnce {
        fn now(&self) -> Timestamp {
            assert!(!self.0.swap(false, Ordering::Relaxed), "no time");
            SystemClock.now()
        }
    }
    let (_directory, path) = scratch();
    let clock = Arc::new(FailsOnce::default());
    let store = Options::new(&path).clock(clock.clone()).open()?;
    let mut callers = Vec::new();
    while_one_writes(&store, || {
        for number in 0..4 {
            let (writer, new) = (store.clone(), job(&format!("job {number}")));
            callers.push(thread::spawn(move || {
                catch_unwind(AssertUnwindSafe(|| writer.create_job(&new).map(drop)))
            }));
        }
        while store.stats().expect("counted").writes_waiting < 4 {
            thread::sleep(Duration::from_millis(1));
        }
        clock.0.store(true, Ordering::Relaxed);
    });
    let outcomes: Vec<_> =
        callers.into_iter().map(|caller| caller.join().expect("caught")).collect();
    let panics = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    let kept = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Ok(())))).count();
    assert_eq!((panics, kept), (1, 3), "{outcomes:?}");
    assert_eq!(names(&store)?.len(), 1 + 3);
    Ok(())
}

/// The straight calls of the store do not: this is what becomes of a fault of the storage in the middle of one.
#[test]
fn a_call_that_fails_after_a_change_is_undone_with_all_who_share_its_commit() -> Outcome {
    let (_directory, path) = scratch();
    let mut callers = Vec::new();
    let (store, first) = while_one_calls(Options::new(&path), |store| {
        // Longer than a batch goes on taking writes in.
        thread::sleep(Duration::from_millis(30));
        for number in 0..3 {
            let (writer, new) = (store.clone(), job(&format!("job {number}")));
            callers.push(thread::spawn(move || {
                writer.change(move |unit| {
                    unit.create_job(&new)?;
                    if number == 1 { Err(Error::aborted("too late")) } else { Ok(()) }
                })
            }));
            while store.stats().expect("counted").writes_waiting <= number {
                thread::sleep(Duration::from_millis(1));
            }
        }
    });
    first?;
    let outcomes: Vec<_> =
        callers.into_iter().map(|caller| caller.join().expect("no panic")).collect();
    // The first one has held its commit for so long that it takes nobody in.
    let [Err(Error::Storage(reason)), Err(Error::Aborted(_)), Ok(())] = outcomes.as_slice() else {
        panic!("{outcomes:?}")
    };
    assert!(reason.to_string().contains("a call that shared the transaction"), "{reason}");
    assert_eq!(names(&store)?, ["first", "job 2"]);
    assert!(store.check(CheckDepth::Quick)?.is_ok());
    Ok(())
}

/// A unit needs a savepoint among others, and its pages may be many: it begins a batch of its own.
#[test]
fn units_and_calls_that_wait_together_are_committed_in_their_order() -> Outcome {
    let (_directory, path) = scratch();
    let mut callers = Vec::new();
    let (store, first) = while_one_calls(Options::new(&path), |store| {
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
    first?;
    for caller in callers {
        caller.join().expect("no panic")?;
    }
    let expected: Vec<String> =
        std::iter::once("first".to_owned()).chain((0..9).map(|n| format!("job {n}"))).collect();
    assert_eq!(names(&store)?, expected);
    Ok(())
}

/// It is alone in its transaction, so that nothing has to be kept to undo it within one.
#[test]
fn a_call_of_many_steps_that_is_refused_leaves_nothing_and_disturbs_nobody() -> Outcome {
    let (_directory, path) = scratch();
    let mut before = 0;
    let (mut calls, mut refused) = (Vec::new(), Vec::new());
    let (store, first) = while_one_calls(Options::new(&path), |store| {
        before = commits(&path);
        for number in 0..6 {
            let (writer, new) = (store.clone(), job(&format!("job {number}")));
            if number % 3 == 1 {
                refused.push(thread::spawn(move || {
                    let mut many: Vec<_> = (0..40).map(|n| job(&format!("{n} of many"))).collect();
                    many[39].placement = Placement::At(WorkDir::new("/scratch/shared")?);
                    many[20].placement = many[39].placement.clone();
                    writer.create_jobs(&many).map(drop)
                }));
            } else {
                calls.push(thread::spawn(move || writer.create_job(&new)));
            }
            while store.stats().expect("counted").writes_waiting <= number {
                thread::sleep(Duration::from_millis(1));
            }
        }
        // Longer than a batch goes on taking writes in.
        thread::sleep(Duration::from_millis(30));
    });
    first?;
    for caller in calls {
        caller.join().expect("no panic")?;
    }
    for caller in refused {
        let answer = caller.join().expect("no panic");
        assert!(matches!(answer, Err(Error::Conflict { field: "work_dir", .. })), "{answer:?}");
    }
    assert_eq!(names(&store)?, ["first", "job 0", "job 2", "job 3", "job 5"]);
    assert!(store.check(CheckDepth::Quick)?.is_ok());
    // The first one's, that of job 0, that of jobs 2 and 3 after the first refusal, and that of job 5.
    assert_eq!(commits(&path) - before, 4);
    Ok(())
}
