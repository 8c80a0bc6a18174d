//! Calls of many steps, which are alone in their transaction.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use common::{Outcome, job, names, open, scratch, while_one_writes};
use store_core::{Error, Placement, Result, WorkDir};
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
