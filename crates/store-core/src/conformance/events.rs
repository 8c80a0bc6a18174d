//! What the history promises.

use serde_json::json;

use crate::cluster::{ClusterPatch, Intake};
use crate::error::{Error, Invalid, Noun, Result};
use crate::event::{Actor, Event, EventKind, Subject};
use crate::ids::{EventSequence, JobId};
use crate::repo::{ClusterWrite, EventRead, EventWrite, JobRead, JobWrite};
use crate::status::{InitialStatus, JobStatus, StatusChange};
use crate::store::Store;

use super::acts::Act;
use super::cast::Cast;
use super::dump::assert_untouched;
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{actor, job_in, object, open, sample_cluster, sample_job, tick};

fn all<S: Store>(store: &S) -> Result<Vec<Event>> {
    store.events_after(EventSequence::START, u32::MAX)
}

/// Each change writes its events, signed by the actor and dated by the clock, and no others.
pub fn each_change_is_told_signed_and_dated<F: Fixture>(fixture: &F) -> Outcome {
    for &act in Act::ALL {
        let (store, clock) = open(fixture);
        let cast = Cast::enter(&store, &clock)?;
        let before = all(&store)?;
        let newest = before.last().expect("the cast has a history").sequence;
        let now = tick(&clock);
        let worker = Actor::new("worker 7 «ß»")?;
        act.perform(&store.acting_as(worker.clone()), &cast)?;
        let told = store.events_after(newest, u32::MAX)?;
        let kinds: Vec<_> = told.iter().map(|event| (event.subject, event.kind)).collect();
        assert_eq!(kinds, act.events(&cast), "{act:?}");
        for event in &told {
            assert_eq!((&event.actor, event.at), (&worker, now));
            let history = match event.subject {
                Subject::Job { id, .. } => store.history(id)?,
                Subject::Cluster(id) => store.cluster_history(id)?,
            };
            assert!(history.contains(event), "{act:?} is in the subject's own history");
        }
        let departed = told.iter().filter(|event| event.kind.is_departure());
        let departed: Vec<_> = departed.filter_map(|event| event.subject.job()).collect();
        let kept = before
            .into_iter()
            .filter(|event| event.subject.job().is_none_or(|job| !departed.contains(&job)));
        assert!(all(&store)?.starts_with(&kept.collect::<Vec<_>>()), "what was told stays");
    }
    Ok(())
}

/// `acting_as` makes a store that signs otherwise, straight and in units of work, and leaves the one
/// that it was made of as it is.
pub fn an_actor_signs_for_its_own_clone_alone<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let id = store.create_job(&sample_job("MgO"))?.id;
    let worker = Actor::new("worker")?;
    let as_worker = store.acting_as(worker.clone());
    store.add_note(id, "one")?;
    as_worker.add_note(id, "two")?;
    as_worker.clone().write(move |w| w.add_note(id, "three"))?;
    store.add_note(id, "four")?;
    let actors: Vec<_> = store.history(id)?.into_iter().map(|event| event.actor).collect();
    assert_eq!(actors, [actor(), actor(), worker.clone(), worker, actor()]);
    Ok(())
}

/// A store that nobody named an actor for signs too.
pub fn a_store_signs_before_it_is_told_how<F: Fixture>(fixture: &F) -> Outcome {
    let clock = std::sync::Arc::new(crate::ManualClock::default());
    let store = fixture.fresh(clock);
    let id = store.create_job(&sample_job("MgO"))?.id;
    assert!(!store.history(id)?[0].actor.as_str().is_empty());
    Ok(())
}

/// The history of a job is told oldest first, in the order of the changes, also where the clock
/// stands still.
pub fn a_history_is_told_oldest_first<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let id = store.create_job(&sample_job("MgO").queued())?.id;
    let other = store.create_job(&sample_job("CaO"))?.id;
    for to in [JobStatus::Running, JobStatus::Queued, JobStatus::Running, JobStatus::Completed] {
        store.change_status(id, &StatusChange::to(to))?;
        store.add_note(other, to.as_str())?;
    }
    let history = store.history(id)?;
    let steps: Vec<_> = history.iter().map(|event| event.to).collect();
    use JobStatus::{Completed, Queued, Running};
    assert_eq!(steps, [Queued, Running, Queued, Running, Completed].map(Some));
    assert!(history.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
    assert!(history.iter().all(|event| event.subject.job() == Some(id)));
    Ok(())
}

/// Going on from the last event misses none and repeats none, whatever the size of the pieces.
pub fn events_are_followed_piece_by_piece<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    Cast::enter(&store, &clock)?;
    let everything = all(&store)?;
    assert!(everything.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
    for limit in [1, 2, 5, 1_000] {
        let (mut place, mut seen) = (EventSequence::START, Vec::new());
        loop {
            let piece = store.events_after(place, limit)?;
            assert!(piece.len() <= limit as usize);
            let Some(last) = piece.last() else { break };
            place = last.sequence;
            seen.extend(piece);
        }
        assert_eq!(seen, everything, "{limit} at a time");
    }
    assert!(store.events_after(EventSequence::START, 0)?.is_empty());
    assert!(store.events_after(EventSequence::new(i64::MAX), 10)?.is_empty());
    assert_eq!(store.events_after(EventSequence::new(i64::MIN), u32::MAX)?, everything);
    Ok(())
}

/// A place in the history stays good when the events before it go, and their numbers never come
/// back.
pub fn numbers_of_deleted_events_never_come_back<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let kept = store.create_job(&sample_job("kept"))?.id;
    let gone = store.create_job(&sample_job("gone"))?.id;
    let place = store.add_note(gone, "the newest event of all")?.sequence;
    store.delete_job(gone)?;
    let told = store.events_after(place, 10)?;
    assert_eq!(all(&store)?.len(), 2);
    assert_eq!((told.len(), told[0].kind), (1, EventKind::Deleted));
    assert_eq!(store.newest_sequence()?, told[0].sequence);
    let next = store.add_note(kept, "later")?;
    assert!(next.sequence > told[0].sequence);
    assert_eq!(store.events_after(told[0].sequence, 10)?, [next]);
    Ok(())
}

/// Who follows the history sees a job go, also in the middle of pieces, and who asks for the job's own history later
/// learns what it was.
pub fn a_deletion_is_told_where_the_history_was<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    let job = job_in(&store, "MgO", JobStatus::Failed)?;
    let job = store.retry_job(job.id, InitialStatus::Pending)?;
    let other = store.create_job(&sample_job("CaO"))?.id;
    let (id, place) = (job.id, store.newest_sequence()?);
    let now = tick(&clock);
    store.write(move |w| {
        w.add_note(other, "before")?;
        w.delete_job(id)?;
        w.update_cluster(cluster, &ClusterPatch::intake(Intake::Paused))?;
        w.add_note(other, "after").map(drop)
    })?;
    let kinds = [EventKind::Noted, EventKind::Deleted, EventKind::ClusterUpdated, EventKind::Noted];
    let told = store.events_after(place, 10)?;
    assert_eq!(told.iter().map(|event| event.kind).collect::<Vec<_>>(), kinds);
    for (limit, piece) in [(1, &told[..1]), (2, &told[..2]), (3, &told[..3])] {
        assert_eq!(store.events_after(place, limit)?, piece);
    }
    assert_eq!(store.events_after(told[1].sequence, 1)?, told[2..3]);
    let Event { subject, at, from, to, detail, .. } = &told[1];
    assert_eq!((*subject, *at), (Subject::Job { id, attempt: 2 }, now));
    assert_eq!((*from, *to), (Some(JobStatus::Pending), None));
    assert_eq!(*detail, object(json!({"name": "MgO", "uuid": job.uuid.to_string()})));
    assert_eq!(store.history(id)?, told[1..2]);
    assert_refused!(store.job(id), Error::NotFound { noun: Noun::Job, .. });
    assert_refused!(
        store.history(JobId::new(other.get() + 1)),
        Error::NotFound { noun: Noun::Job, .. }
    );
    Ok(())
}

/// A note is an event with its text, whatever that is made of.
pub fn a_note_is_kept_as_it_was_written<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let id = job_in(&store, "MgO", JobStatus::Running)?.id;
    for text in [
        "plain",
        " \"quoted\" 'too' \\ and \\u0000 ",
        "lines\n\tand \u{1}\u{1b}[31m control",
        "Größe 🧪 \u{2028} e\u{301} \u{202e}",
        &"long ".repeat(50_000),
    ] {
        let now = tick(&clock);
        let note = store.add_note(id, text)?;
        assert_eq!(
            (note.kind, note.subject, note.at),
            (EventKind::Noted, Subject::Job { id, attempt: 1 }, now)
        );
        assert_eq!((note.from, note.to), (None, None));
        assert!(note.detail == object(json!({"text": text})), "{text:.40}");
        assert!(store.history(id)?.last() == Some(&note), "{text:.40}");
    }
    for refused in ["", " \n", "a\0b"] {
        assert_refused!(
            assert_untouched(&store, || store.add_note(id, refused)),
            Error::Invalid(Invalid { field: "note", .. })
        );
    }
    // The same note again is another note.
    store.add_note(id, "plain")?;
    assert_eq!(store.history(id)?.len(), 2 + 5 + 1);
    Ok(())
}

/// No one but the job or the cluster itself is told of.
pub fn each_event_is_of_the_job_that_changed<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let cast = Cast::enter(&store, &clock)?;
    let of_each: usize = [
        cast.child,
        cast.parent,
        cast.running,
        cast.held,
        cast.lapsed,
        cast.queued,
        cast.planned,
        cast.broken,
        cast.failed,
        cast.completed,
        cast.archived,
    ]
    .map(|job: JobId| store.history(job).map(|history| history.len()))
    .into_iter()
    .sum::<Result<usize>>()?;
    let of_clusters = [cast.cluster, cast.idle_cluster].map(|id| store.cluster_history(id));
    let of_clusters = of_clusters.into_iter().collect::<Result<Vec<_>>>()?;
    assert_eq!(of_clusters.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(all(&store)?.len(), of_each + 2);
    Ok(())
}
