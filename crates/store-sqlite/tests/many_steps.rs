//! Calls and units of many steps: what is kept to undo a part of them, and where.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use common::{Outcome, job, names, open, scratch, while_one_writes};
use store_core::{Error, JobStatus, Placement, Result, StatusChange, WorkDir};
use store_sqlite::{Durability, Options, prelude::*};

#[test]
fn who_goes_on_after_a_refused_step_is_given_up_with_all_steps() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    let gone_on = store.write_steps(64, |unit| {
        let mut twice = [job("one"), job("two")];
        twice[0].placement = Placement::At(WorkDir::new("/scratch/shared")?);
        twice[1].placement = twice[0].placement.clone();
        let refused = unit.create_jobs(&twice);
        assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
        let _refused_too = unit.create_job(&job("three"));
        Ok(())
    });
    let Err(Error::Aborted(reason)) = &gone_on else { panic!("{gone_on:?}") };
    assert!(reason.to_string().contains("work_dir"), "{reason}");
    assert_eq!(names(&store)?, [""; 0]);
    Ok(())
}

/// How many commits a unit and a creation of so many jobs have that wait together.
fn commits_with(durability: Durability, jobs: usize) -> Result<u64> {
    let (_directory, path) = scratch();
    let store = Options::new(&path).durability(durability).open().expect("opened");
    let wait_for = |count| {
        while store.stats().expect("counted").writes_waiting < count {
            thread::sleep(Duration::from_millis(1));
        }
    };
    thread::scope(|scope| {
        while_one_writes(&store, || {
            // It is over at once, so that the batch goes on taking writes in.
            scope.spawn(|| store.write(|_| Ok(())).expect("written"));
            wait_for(1);
            scope.spawn(|| {
                let many: Vec<_> =
                    (0..jobs).map(|number| job(&format!("{number} of many"))).collect();
                store.create_jobs(&many).expect("written")
            });
            wait_for(2);
            // Longer than the batch of the one that they wait for does.
            thread::sleep(Duration::from_millis(30));
        });
    });
    Ok(store.stats()?.activity.commits - 1)
}

#[test]
fn a_call_of_many_steps_begins_a_batch_and_one_of_few_shares_one() -> Outcome {
    for (durability, many) in [(Durability::Normal, 32), (Durability::Full, 256)] {
        assert_eq!(commits_with(durability, many - 1)?, 1, "{durability:?}");
        assert_eq!(commits_with(durability, many)?, 2, "{durability:?}");
    }
    Ok(())
}

#[test]
fn a_panic_amid_many_steps_reaches_its_caller_and_leaves_nothing() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    let panicking = store.clone();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        panicking.write_steps(1_000, |unit| -> Result<()> {
            unit.create_jobs(&[job("one"), job("two")])?;
            panic!("amid them");
        })
    }));
    let panic = caught.expect_err("it panicked");
    assert_eq!(panic.downcast_ref(), Some(&"amid them"));
    assert_eq!(names(&store)?, [""; 0]);
    store.create_job(&job("three"))?;
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
    // What is alone in its transaction restores nothing.
    let jobs: Vec<_> = (0..2_000).map(|number| job(&format!("{number} alone"))).collect();
    let copied = store.write_steps(jobs.len(), move |unit| {
        unit.create_jobs(&jobs)?;
        Ok(temporary_files())
    })?;
    assert_eq!(copied, 0);
    Ok(())
}
