//! What the reasons in the history promise.

use crate::claim::ClaimFilter;
use crate::cluster::{ClusterPatch, Intake};
use crate::dependency::DependencyKind;
use crate::error::{Error, Invalid, Result};
use crate::event::{Actor, Event};
use crate::job::NewJob;
use crate::policy::{JobPolicy, OnUnsatisfiable};
use crate::repo::{ClaimRead, ClaimWrite, ClusterWrite, EventRead, EventWrite, JobWrite};
use crate::run::Failure;
use crate::store::Store;

use super::acts::Act;
use super::cast::Cast;
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{HOUR, actor, open, sample_cluster, sample_job, sample_worker};

const REASON: &str = "the «scan» is\n\"given up\"";

fn reason(event: &Event) -> Option<&str> {
    event.detail.get("reason").map(|reason| reason.as_str().expect("a text"))
}

/// What `change` writes into the history of a store.
fn told<S: Store>(store: &S, change: impl FnOnce(&S) -> Result<()>) -> Result<Vec<Event>> {
    let place = store.newest_sequence()?;
    change(store)?;
    store.events_after(place, u32::MAX)
}

/// Every event of every method that writes has the reason of its store, unless the change has one of its own, and is
/// otherwise the same.
pub fn each_event_has_the_reason_of_its_store<F: Fixture>(fixture: &F) -> Outcome {
    for &act in Act::ALL {
        let told_by = |reason: Option<&str>| {
            let (store, clock) = open(fixture);
            let cast = Cast::enter(&store, &clock)?;
            let acting =
                reason.map_or_else(|| Ok(store.clone()), |reason| store.because(reason))?;
            told(&store, |_| act.perform(&acting, &cast))
        };
        let (without, with) = (told_by(None)?, told_by(Some(REASON))?);
        assert_eq!(without.len(), with.len(), "{act:?}");
        for (without, with) in without.iter().zip(&with) {
            // A workflow is cancelled for the reason that is given, and else because it is cancelled.
            let own = reason(without).filter(|_| act.0 != "cancel_workflow");
            assert_eq!(reason(with), own.or(Some(REASON)), "{act:?}");
            let of = |event: &Event| {
                let names = event.detail.keys().filter(|name| *name != "reason").cloned();
                (event.subject, event.kind, event.actor.clone(), names.collect::<Vec<_>>())
            };
            assert_eq!(of(with), of(without), "{act:?}");
        }
    }
    Ok(())
}

/// A reason holds for whatever is written by its own clone, in whichever way, and for no other.
pub fn a_reason_reaches_every_way_to_write<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let id = store.create_job(&sample_job("MgO"))?.id;
    let gone = store.create_job(&sample_job("gone"))?.id;
    let given = store.because(REASON)?;
    let many: Vec<NewJob> = (0..300).map(|number| sample_job(&number.to_string())).collect();
    let with = told(&given, |given| {
        let note = given.add_note(id, "straight")?;
        assert_eq!(reason(&note), Some(REASON));
        given.clone().write(move |w| {
            w.add_note(id, "in a unit")?;
            w.delete_job(gone)
        })?;
        given.create_jobs(&many)?;
        given.submit(|w| w.create_job(&sample_job("handed in")).map(drop))?.wait()
    })?;
    assert_eq!(with.len(), 1 + 2 + 300 + 1);
    assert!(with.iter().all(|event| reason(event) == Some(REASON)), "{with:?}");
    let without = told(&store, |store| store.create_job(&sample_job("CaO")).map(drop))?;
    assert_eq!(reason(&without[0]), None);
    Ok(())
}

/// What a change says of itself is not replaced, and what follows of it for others keeps what that says. Only the
/// history has the reason of the store.
pub fn a_change_keeps_its_own_reason<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let given = store.because(REASON)?;
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    let pause = ClusterPatch::intake(Intake::Paused).because("new cooling");
    let paused = told(&given, |given| given.update_cluster(cluster, &pause).map(drop))?;
    assert_eq!(reason(&paused[0]), Some("new cooling"));

    let parent = store.create_job(&sample_job("parent").queued())?.id;
    let policy = JobPolicy { on_unsatisfiable: OnUnsatisfiable::Cancel, ..JobPolicy::default() };
    let child = NewJob { policy, ..sample_job("child") }.after(parent, DependencyKind::AfterOk);
    let child = store.create_job(&child)?.id;
    let lease = store.claim(&sample_worker("w"), &ClaimFilter::all(), 1, HOUR)?.remove(0).lease;
    let failure = Failure::of("timeout".parse()?);
    let told = told(&given, |given| given.fail(&lease.key(), &failure).map(drop))?;
    let told: Vec<_> = told.iter().map(|event| (event.subject.job(), reason(event))).collect();
    let why = format!("can no longer start after_ok job {parent} (parent), which is FAILED");
    assert_eq!(told, [(Some(parent), Some(REASON)), (Some(child), Some(why.as_str()))]);
    let reasons: Vec<_> = store.attempts_of(parent)?.into_iter().map(|past| past.reason).collect();
    assert_eq!(reasons, [None], "the attempt has the worker's own");
    Ok(())
}

/// A reason and an actor can be given in either order, and the last of several counts.
pub fn a_reason_and_an_actor_go_together<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let id = store.create_job(&sample_job("MgO"))?.id;
    let ada = Actor::new("ada")?;
    let signs = |store: F::Store| -> Result<_> {
        let Event { actor, detail, .. } = store.add_note(id, "a note")?;
        Ok((actor, detail.get("reason").and_then(|reason| reason.as_str()).map(str::to_owned)))
    };
    let both = (ada.clone(), Some(REASON.to_owned()));
    assert_eq!(signs(store.acting_as(ada.clone()).because(REASON)?)?, both);
    assert_eq!(signs(store.because(REASON)?.acting_as(ada))?, both);
    let again = store.because("another one")?.because(REASON)?;
    assert_eq!(signs(again)?, (actor(), Some(REASON.to_owned())));
    assert_eq!(signs(store)?, (actor(), None));
    Ok(())
}

/// A reason that is empty or cannot be stored, or would swell every event, is refused before anything is written for it.
pub fn a_reason_that_says_nothing_is_refused<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    for refused in ["", " \n", "a\0b", &"x".repeat(4_097)] {
        assert_refused!(
            store.because(refused).map(drop),
            Error::Invalid(Invalid { field: "reason", .. })
        );
    }
    store.because(&"ß".repeat(4_096))?;
    Ok(())
}
