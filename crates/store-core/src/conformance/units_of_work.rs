//! What units of work promise: all or nothing, one snapshot, no nesting.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::repo::{EventWrite, JobRead, JobWrite};
use crate::status::{JobStatus, StatusChange};
use crate::store::Store;

use super::acts::Act;
use super::cast::Cast;
use super::dump::{Dump, assert_untouched};
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{job_in, open, sample_job};

/// Longer than anything that is waited for; only a store that breaks its promise takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A unit that returns `Ok` lands with each of its changes, whichever method made them.
pub fn each_method_lands_when_its_unit_ends_well<F: Fixture>(fixture: &F) -> Outcome {
    for &act in Act::ALL {
        let (store, clock) = open(fixture);
        let cast = Cast::enter(&store, &clock)?;
        let before = Dump::of(&store)?;
        let within = store.write(move |w| {
            act.perform(w, &cast)?;
            Dump::within(w)
        })?;
        assert_ne!(before, within, "{act:?} changes something that its unit sees");
        assert_eq!(within, Dump::of(&store)?, "{act:?} lands as its unit saw it");
    }
    Ok(())
}

/// The same calls straight on a store do the same as in a unit of work.
pub fn each_method_lands_when_called_straight<F: Fixture>(fixture: &F) -> Outcome {
    for &act in Act::ALL {
        let (store, clock) = open(fixture);
        let cast = Cast::enter(&store, &clock)?;
        let before = Dump::of(&store)?;
        act.perform(&store, &cast)?;
        assert_ne!(before, Dump::of(&store)?, "{act:?} changes something");
    }
    Ok(())
}

/// A unit that returns an error leaves the store as it was, whichever method made its changes.
pub fn each_method_leaves_nothing_when_its_unit_is_given_up<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let cast = Cast::enter(&store, &clock)?;
    for &act in Act::ALL {
        let given_up = assert_untouched(&store, || {
            store.write(move |w| -> Result<()> {
                act.perform(w, &cast)?;
                Err(Error::aborted(format!("after {act:?}")))
            })
        });
        assert_refused!(&given_up, Error::Aborted(why) if why.to_string() == format!("after {act:?}"));
    }
    Ok(())
}

/// A unit that does everything and then errs leaves the store as it was.
pub fn a_long_unit_leaves_nothing_when_it_is_given_up<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let cast = Cast::enter(&store, &clock)?;
    let given_up = assert_untouched(&store, || {
        store.write(move |w| -> Result<()> {
            for act in Act::ALL {
                // What an earlier act has made impossible is refused, which is as good here.
                let _ = act.perform(w, &cast);
            }
            w.create_job(&sample_job("last"))?;
            Err(Error::aborted("at the end"))
        })
    });
    assert_refused!(given_up, Error::Aborted(_));
    Ok(())
}

/// A refused call straight on a store leaves nothing behind.
pub fn each_refused_call_leaves_nothing<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let cast = Cast::enter(&store, &clock)?;
    for &act in Act::ALL {
        let answer = assert_untouched(&store, || act.be_refused(&store, &cast));
        assert!(answer.is_err(), "{act:?} is to be refused");
    }
    Ok(())
}

/// A refused call within a unit leaves nothing behind, and the unit goes on and lands.
pub fn each_refused_call_leaves_nothing_in_a_unit_that_goes_on<F: Fixture>(fixture: &F) -> Outcome {
    for &act in Act::ALL {
        let (store, clock) = open(fixture);
        let cast = Cast::enter(&store, &clock)?;
        let (before, after) = store.write(move |w| {
            w.add_note(cast.child, "before")?;
            let before = Dump::within(w)?;
            let answer = act.be_refused(w, &cast);
            assert!(answer.is_err(), "{act:?} is to be refused");
            let after = Dump::within(w)?;
            w.add_note(cast.child, "after")?;
            Ok((before, after))
        })?;
        assert_eq!(before, after, "{act:?} leaves something in its unit");
        let landed = Dump::of(&store)?;
        assert_eq!(landed.events.len(), before.events.len() + 1, "{act:?}");
        assert_eq!(landed.without_history(), before.without_history(), "{act:?}");
    }
    Ok(())
}

/// A refused call uses up no id: the next one gets the id that it would have had.
pub fn a_refused_creation_uses_up_no_id<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let cast = Cast::enter(&store, &clock)?;
    let refused = Act::ALL.iter().map(|act| act.be_refused(&store, &cast));
    assert!(refused.into_iter().all(|answer| answer.is_err()));
    let next = store.create_job(&sample_job("next"))?;
    assert_eq!(next.id.get(), cast.completed.get() + 1);
    Ok(())
}

/// A panic in a closure reaches its caller with its own message, leaves nothing behind, and the
/// store goes on.
pub fn a_panic_reaches_its_caller_and_leaves_nothing<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let cast = Cast::enter(&store, &clock)?;
    for &act in Act::ALL {
        let panic = assert_untouched(&store, || {
            catch_unwind(AssertUnwindSafe(|| {
                store.write(move |w| -> Result<()> {
                    act.perform(w, &cast)?;
                    panic!("the closure's own panic")
                })
            }))
        });
        let payload = panic.expect_err("the panic is the caller's");
        let message = payload.downcast_ref::<&str>().copied();
        assert_eq!(message, Some("the closure's own panic"), "{act:?}");
    }
    let panic = catch_unwind(AssertUnwindSafe(|| {
        store.read(|_| -> Result<()> { panic!("a reader's panic") })
    }));
    assert!(panic.is_err(), "a reader's panic is the reader's");
    store.create_job(&sample_job("the store goes on"))?;
    let elsewhere = store.clone();
    let from_elsewhere = std::thread::spawn(move || elsewhere.create_job(&sample_job("elsewhere")));
    from_elsewhere.join().expect("no panic")?;
    Ok(())
}

/// What a unit answers is what its closure returned.
pub fn a_unit_answers_what_its_closure_returns<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    assert_eq!(store.write(|_| Ok(42))?, 42);
    assert_eq!(store.read(|_| Ok("read"))?, "read");
    assert_refused!(
        store.read(|_| -> Result<()> { Err(Error::aborted("mine")) }),
        Error::Aborted(_)
    );
    Ok(())
}

/// A unit sees its own writes; nobody else does before it has landed.
pub fn a_unit_sees_its_own_writes_and_no_one_else_does<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let (reader, (inside, entered), (go_on, told)) =
        (store.clone(), mpsc::channel(), mpsc::channel());
    let writer = store.clone();
    let unit = std::thread::spawn(move || {
        writer.write(move |w| {
            let job = w.create_job(&sample_job("secret"))?;
            assert_eq!(w.job(job.id)?, job);
            inside.send(job.id).map_err(Error::aborted)?;
            told.recv_timeout(PATIENCE).map_err(Error::aborted)
        })
    });
    let id = entered.recv_timeout(PATIENCE).map_err(Error::aborted)?;
    let early = reader.job(id);
    go_on.send(()).map_err(|_| Error::aborted("the writer has gone: readers waited for it"))?;
    unit.join().expect("no panic")?;
    assert_refused!(early, Error::NotFound { .. });
    assert_eq!(reader.job(id)?.name, "secret");
    Ok(())
}

/// A snapshot stays the same while others commit, and the next one sees what they did.
pub fn a_snapshot_stays_the_same_while_others_commit<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let cast = Cast::enter(&store, &clock)?;
    for &act in Act::ALL {
        let writer = store.clone();
        let seen = store.read(|r| {
            let before = Dump::within(r)?;
            let (done, landed) = mpsc::channel();
            std::thread::spawn(move || {
                let answer = writer.write(move |w| {
                    // What an earlier act has made impossible lands as a note.
                    act.perform(w, &cast).or_else(|_| w.add_note(cast.parent, "x").map(drop))
                });
                done.send(answer)
            });
            landed.recv_timeout(PATIENCE).map_err(Error::aborted)??;
            assert_eq!(before, Dump::within(r)?, "{act:?} shows in a snapshot");
            Ok(before)
        })?;
        assert_ne!(seen, Dump::of(&store)?, "{act:?} shows afterwards");
    }
    Ok(())
}

/// A unit within a unit of the same store and thread is refused before anything waits; the outer one
/// goes on.
pub fn units_of_one_store_do_not_nest<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let id = job_in(&store, "MgO", JobStatus::Pending)?.id;
    let inner = store.acting_as(super::samples::actor());
    store.write(move |w| {
        assert_refused!(inner.write(|_| Ok(())), Error::Nested);
        assert_refused!(inner.read(|_| Ok(())), Error::Nested);
        assert_refused!(inner.job(id), Error::Nested);
        assert_refused!(inner.create_job(&sample_job("nested")), Error::Nested);
        w.change_status(id, &StatusChange::to(JobStatus::Queued))
    })?;
    let inner = store.clone();
    store.read(|r| {
        assert_refused!(inner.write(|_| Ok(())), Error::Nested);
        assert_refused!(inner.read(|_| Ok(())), Error::Nested);
        assert_refused!(inner.job(id), Error::Nested);
        assert_refused!(inner.delete_job(id), Error::Nested);
        assert_eq!(r.job(id)?.status, JobStatus::Queued, "the outer unit goes on");
        Ok(())
    })?;
    assert_eq!(store.counts_by_status()?.total(), 1);
    Ok(())
}

/// Units of different stores have nothing to do with each other.
pub fn a_unit_of_another_store_is_welcome_inside<F: Fixture>(fixture: &F) -> Outcome {
    let ((one, _), (other, _)) = (open(fixture), open(fixture));
    let job = job_in(&one, "MgO", JobStatus::Pending)?;
    let (source, id) = (one.clone(), job.id);
    let copy = other.write(move |w| w.create_job(&sample_job(&source.job(id)?.name)))?;
    assert_eq!(other.job(copy.id)?.name, job.name);
    assert_eq!(one.read(|_| other.counts_by_status())?.total(), 1);
    Ok(())
}

/// What was written is there when the store is opened again, for a backend that keeps it.
pub fn a_store_that_is_opened_again_is_as_it_was<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let cast = Cast::enter(&store, &clock)?;
    store.delete_job(cast.child)?;
    let before = Dump::of(&store)?;
    let Some(again) = fixture.reopen(store, clock) else {
        return Ok(());
    };
    assert_eq!(before, Dump::of(&again)?);
    let next = again.create_job(&sample_job("next"))?;
    assert_eq!(next.id.get(), cast.completed.get() + 1, "ids go on");
    Ok(())
}
