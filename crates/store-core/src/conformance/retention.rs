//! What is promised of jobs that leave by their age.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::dependency::DependencyKind;
use crate::error::{Error, Result};
use crate::event::{Event, EventKind};
use crate::ids::{EventSequence, JobId};
use crate::job::NewJob;
use crate::patch::Edit;
use crate::remote_job::{NewRemoteJob, RemoteJobPatch};
use crate::repo::{
    ClusterWrite, DependencyWrite, EventRead, EventWrite, JobWrite, RemoteJobWrite, ResultWrite,
};
use crate::retention::{Retention, RetentionReport};
use crate::status::{JobStatus, StatusChange};
use crate::store::Store;
use crate::time::{Clock, ManualClock, Timestamp};

use super::dump::{Dump, JobDump, assert_untouched};
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::pages::Jumping;
use super::samples::{
    create_in, full_cluster, job_in, open, sample_deck, sample_job, sample_result,
};

pub(super) const DAY: Duration = Duration::from_secs(24 * 3_600);

/// All that ended before now.
pub(super) fn until_now(clock: &ManualClock) -> Retention {
    Retention::finished_before(clock.now())
}

/// What went, and what is forgotten.
pub(super) fn counts(report: &RetentionReport) -> (u64, u64, bool) {
    (report.jobs, report.forgotten, report.complete)
}

pub(super) fn jobs_of<S: Store>(store: &S) -> Result<BTreeMap<JobId, JobDump>> {
    Ok(Dump::of(store)?.jobs.into_iter().map(|found| (found.job.id, found)).collect())
}

/// That jobs left, in the order in which they did.
pub(super) fn departures<S: Store>(store: &S) -> Result<Vec<Event>> {
    let events = store.events_after(EventSequence::START, u32::MAX)?.into_iter();
    Ok(events.filter(|event| event.kind.is_departure()).collect())
}

fn departed<S: Store>(store: &S) -> Result<Vec<JobId>> {
    Ok(departures(store)?.iter().filter_map(|event| event.subject.job()).collect())
}

/// Jobs of a kind each.
pub(super) struct Jobs {
    /// Three that ended, each waiting for the one before it; all that belongs to a job belongs to the first.
    chain: [JobId; 3],
    /// One that ended and was put away.
    put_away: JobId,
    /// One that ended, for which a queued one waits.
    parent: JobId,
    /// The queued one.
    child: JobId,
    /// One that ended, with a submission that goes on.
    active: JobId,
}

impl Jobs {
    pub(super) fn create<S: Store>(store: &S) -> Result<Self> {
        store.write(|w| {
            let cluster = w.create_cluster(&full_cluster("archer"))?.id;
            let ended =
                |id: JobId, to: JobStatus| w.change_status(id, &StatusChange::to(to)).map(drop);
            let new = |name: &str| NewJob { cluster: Some(cluster), ..sample_job(name) };
            let deck = new("first").with_input(sample_deck("MgO")).tagged("campaign", "oxides");
            let first = w.create_job(&deck)?.id;
            let after = |name: &str, job, kind| sample_job(name).after(job, kind);
            let second = w.create_job(&after("second", first, DependencyKind::AfterOk))?.id;
            let third = w.create_job(&after("third", second, DependencyKind::AfterAny))?.id;
            let remote = w.record_submission(NewRemoteJob::new(first, cluster, "17"))?.id;
            let over = RemoteJobPatch {
                ended_at: Edit::Set(super::samples::BEGINNING),
                ..RemoteJobPatch::default()
            };
            w.update_remote_job(remote, &over)?;
            w.record_result(first, &sample_result(-1.0))?;
            ended(first, JobStatus::Completed)?;
            ended(second, JobStatus::Failed)?;
            ended(third, JobStatus::Cancelled)?;
            let put_away = create_in(w, "put away", JobStatus::Completed)?.id;
            w.archive_job(put_away)?;
            let parent = w.create_job(&sample_job("parent"))?.id;
            let child = sample_job("child").after(parent, DependencyKind::AfterOk).queued();
            let child = w.create_job(&child)?.id;
            ended(parent, JobStatus::Completed)?;
            let active = w.create_job(&sample_job("active"))?.id;
            w.record_submission(NewRemoteJob::new(active, cluster, "18"))?;
            ended(active, JobStatus::Cancelled)?;
            Ok(Self { chain: [first, second, third], put_away, parent, child, active })
        })
    }

    /// Those that may go.
    pub(super) fn old(&self) -> BTreeSet<JobId> {
        self.chain.into_iter().chain([self.put_away]).collect()
    }
}

/// What ended before the moment goes, with everything that belongs to it, each after all that wait for it; what is
/// live, connected with it or at work stays as it is.
pub fn what_ended_before_a_moment_is_pruned_whole<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let jobs = Jobs::create(&store)?;
    clock.advance(DAY);
    let young = job_in(&store, "young", JobStatus::Completed)?.id;
    let before = jobs_of(&store)?;
    let place = store.newest_sequence()?;
    let report = store.because("too many of them")?.prune(&until_now(&clock))?;
    assert_eq!(counts(&report), (4, 0, true));
    assert_eq!((report.changed, &report.refused), (0, &vec![]));
    let (gone, stay): (BTreeMap<_, _>, _) =
        before.into_iter().partition(|(job, _)| jobs.old().contains(job));
    assert_eq!(report.events, gone.values().map(|job| job.history.len() as u64).sum::<u64>());
    assert_eq!(jobs_of(&store)?, stay);
    let ids: Vec<_> = stay.keys().copied().collect();
    assert_eq!(ids, [jobs.parent, jobs.child, jobs.active, young]);
    let told = store.events_after(place, 100)?;
    assert_eq!(told.iter().filter_map(|e| e.subject.job()).collect::<BTreeSet<_>>(), jobs.old());
    assert_eq!((told.len(), departed(&store)?.len()), (4, 4));
    let order = |job: JobId| told.iter().position(|event| event.subject.job() == Some(job));
    let [first, second, third] = jobs.chain;
    assert!(order(third) < order(second) && order(second) < order(first), "{told:?}");
    for event in &told {
        assert_eq!((event.kind, event.at, event.to), (EventKind::Deleted, clock.now(), None));
        assert_eq!(event.detail["finished_before"], clock.now().to_string());
        assert_eq!(event.detail["reason"], "too many of them");
        let job = event.subject.job().expect("a job left");
        assert_eq!(event.from, Some(gone[&job].job.status));
        assert_eq!(store.history(job)?, std::slice::from_ref(event), "what became of it");
    }
    // Nothing is left to do, and ids do not come back.
    assert_eq!(store.prune(&until_now(&clock))?.jobs, 0);
    assert!(store.create_job(&sample_job("next"))?.id > young);
    // When the child has ended, its parent goes with it.
    store.change_status(jobs.child, &StatusChange::to(JobStatus::Cancelled))?;
    clock.advance(DAY);
    assert_eq!(store.prune(&until_now(&clock))?.jobs, 3, "parent, child and the young one");
    Ok(())
}

/// A job that ended stays with a live one, however far they are connected, in whatever direction.
pub fn a_job_stays_with_the_live_ones_of_its_graph<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let ids: Vec<_> = (0..7)
        .map(|number| Ok(store.create_job(&sample_job(&format!("job {number}")))?.id))
        .collect::<Result<_>>()?;
    // 0 <- 1 <- 2 -> 3 -> 4, where 4 goes on; 5 <- 6 is by itself.
    for (job, parent) in [(1, 0), (2, 1), (2, 3), (3, 4), (6, 5)] {
        store.add_dependency(ids[job], ids[parent], DependencyKind::AfterAny)?;
    }
    for number in [0, 1, 2, 3, 5, 6] {
        store.change_status(ids[number], &StatusChange::to(JobStatus::Cancelled))?;
    }
    clock.advance(DAY);
    assert_eq!(store.prune(&until_now(&clock))?.jobs, 2);
    assert_eq!(departed(&store)?, [ids[6], ids[5]]);
    store.change_status(ids[4], &StatusChange::to(JobStatus::Failed))?;
    assert_eq!(store.prune(&until_now(&clock))?.jobs, 0, "4 ended only now");
    clock.advance(Duration::from_micros(1));
    assert_eq!(store.prune(&until_now(&clock))?.jobs, 5);
    Ok(())
}

/// A dry run counts what the call would take and forget, and changes nothing.
pub fn a_dry_run_of_retention_only_counts<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let jobs = Jobs::create(&store)?;
    let deleted = store.create_job(&sample_job("deleted"))?.id;
    store.delete_job(deleted)?;
    clock.advance(2 * DAY);
    let old = until_now(&clock);
    let archive = fixture.archive(clock.clone());
    let pruned = assert_untouched(&store, || store.prune(&old.dry_run(true)))?;
    let moved =
        assert_untouched(&store, || store.move_finished(&old.dry_run(true), archive.borrow()))?;
    assert_eq!((counts(&pruned), pruned.steps), ((4, 1, true), 0));
    assert_eq!(moved, pruned);
    let report = store.prune(&old)?;
    assert_eq!((counts(&report), report.events), (counts(&pruned), pruned.events));
    assert_eq!(departed(&store)?.len(), jobs.old().len());
    Ok(())
}

/// A call takes no more than it was asked for, but for what is connected, which goes as a whole.
pub fn a_call_takes_about_as_many_as_it_may<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    store.write(|w| {
        for number in 0..5 {
            create_in(w, &format!("alone {number}"), JobStatus::Failed)?;
        }
        let mut before = w.create_job(&sample_job("chain"))?.id;
        let mut chain = vec![before];
        for number in 0..6 {
            let next = sample_job(&format!("chain {number}"));
            before = w.create_job(&next.after(before, DependencyKind::AfterAny))?.id;
            chain.push(before);
        }
        let ends =
            |id: &JobId| w.change_status(*id, &StatusChange::to(JobStatus::Failed)).map(drop);
        chain.iter().try_for_each(ends)
    })?;
    clock.advance(DAY);
    let takes =
        |at_most| Ok::<_, Error>(counts(&store.prune(&until_now(&clock).at_most(at_most))?));
    assert_eq!(takes(0)?, (0, 0, false));
    assert_eq!(takes(2)?, (2, 0, false));
    assert_eq!(takes(4)?, (10, 0, false), "three by themselves, and a chain of seven");
    assert_eq!(takes(1)?, (0, 0, true));
    clock.advance(2 * DAY);
    assert_eq!(takes(5)?, (0, 5, false));
    assert_eq!(takes(7)?, (0, 7, true));
    Ok(())
}

/// That a job left is told for a day at least, and until a call for a moment after it.
pub fn departures_are_told_for_a_day<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let first = job_in(&store, "first", JobStatus::Completed)?.id;
    let deleted = store.create_job(&sample_job("deleted"))?.id;
    store.delete_job(deleted)?;
    clock.advance(DAY);
    let report = store.prune(&until_now(&clock))?;
    assert_eq!(counts(&report), (1, 0, true), "a day is not over");
    clock.advance(Duration::from_micros(1));
    let report = store.prune(&Retention::finished_before(super::samples::BEGINNING))?;
    assert_eq!(counts(&report), (0, 0, true), "the moment is before it");
    assert_eq!(store.newest_forgotten()?, EventSequence::START);
    let report = store.prune(&Retention::finished_before(Timestamp::from_micros(i64::MAX)))?;
    assert_eq!(counts(&report), (0, 1, true));
    assert_eq!(departed(&store)?, [first]);
    assert_refused!(store.history(deleted), Error::NotFound { .. });
    Ok(())
}

/// A feed that was away for so long that departures were forgotten meanwhile tells so, and does not go on as if
/// nothing had happened. One that begins at the start, or where the store says, misses nothing.
pub fn a_feed_that_missed_that_jobs_left_says_so<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let gone = store.create_job(&sample_job("gone"))?.id;
    let kept = store.create_job(&sample_job("kept"))?.id;
    let place = store.newest_sequence()?;
    let mut stale = store.feed_after(place)?;
    let mut from_the_start = store.feed_after(EventSequence::START)?;
    assert_eq!(from_the_start.next(1, Duration::ZERO)?.len(), 1);
    store.delete_job(gone)?;
    let deleted = store.newest_sequence()?;
    clock.advance(2 * DAY);
    assert_eq!(store.prune(&until_now(&clock))?.forgotten, 1);
    assert_eq!(store.newest_forgotten()?, deleted);
    for limit in [0, 10] {
        assert_refused!(
            stale.next(limit, Duration::ZERO),
            Error::Forgotten { after, newest } if after == place && newest == deleted
        );
    }
    assert_refused!(store.feed_after(place)?.next(10, Duration::ZERO), Error::Forgotten { .. });
    // It has handed out that the job was created.
    assert_refused!(from_the_start.next(10, Duration::ZERO), Error::Forgotten { .. });
    assert_eq!(store.newest_sequence()?, deleted, "from which one can follow");
    let mut later = store.feed_from_now()?;
    let mut anew = store.feed_after(EventSequence::START)?;
    let note = store.add_note(kept, "later")?;
    let told = std::slice::from_ref(&note);
    assert_eq!(later.next(10, Duration::ZERO)?, told);
    assert_eq!(store.events_after(deleted, 10)?, told);
    // All of it is of jobs that are there, also piece by piece.
    let first = anew.next(1, Duration::ZERO)?;
    assert_eq!(first.iter().map(|e| e.subject.job()).collect::<Vec<_>>(), [Some(kept)]);
    assert!(anew.place() < deleted);
    assert_eq!(anew.next(1, Duration::ZERO)?, [note]);
    Ok(())
}

/// A call of many transactions is refused inside a unit of work, whose commit it would wait for.
pub fn retention_inside_a_unit_is_refused<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let (inside, old) = (store.clone(), until_now(&clock));
    assert_refused!(store.read(|_| inside.prune(&old)), Error::Nested);
    let archive = fixture.archive(clock);
    assert_refused!(store.read(|_| inside.move_finished(&old, archive.borrow())), Error::Nested);
    Ok(())
}

/// A job goes by when it ended, also where the clock was set back after its creation.
pub fn old_jobs_go_though_the_clock_was_set_back<F: Fixture>(fixture: &F) -> Outcome {
    let clock = Arc::new(Jumping(Mutex::new(100)));
    let store = fixture.fresh(Arc::clone(&clock) as Arc<dyn Clock>);
    let job = store.create_job(&sample_job("MgO"))?.id;
    *clock.0.lock().expect("no panic") = 40;
    store.change_status(job, &StatusChange::to(JobStatus::Completed))?;
    let before = |micros| Retention::finished_before(Timestamp::from_micros(micros));
    assert_eq!(store.prune(&before(40))?.jobs, 0);
    assert_eq!(store.prune(&before(41))?.jobs, 1);
    Ok(())
}
