//! Who writes when, who commits for whom, and what a caller is told.

mod common;

use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use common::{Outcome, another_program, job, names, open, scratch, while_one_writes};
use store_core::{Clock, Error, SystemClock, Timestamp};
use store_sqlite::{Options, prelude::*};

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
        let line = format!(
            "writing (called at {}:",
            Path::new(file!()).with_file_name("common/mod.rs").display()
        );
        assert!(error.to_string().contains(&line), "{error}");
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
