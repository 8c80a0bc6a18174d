//! What changing statuses promises.

use crate::error::{Error, Invalid};
use crate::event::EventKind;
use crate::job::Job;
use crate::repo::{EventRead, JobRead, JobWrite};
use crate::status::{InitialStatus, JobStatus, StatusChange, Transition};
use crate::time::Clock;

use super::dump::assert_untouched;
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{job_in, open, sample_job, tick};

use JobStatus::{Cancelled, Completed, Failed, Pending, Queued, Running};

/// Each step of the machine is made, each other one is refused, and the same report twice changes
/// nothing; wherever the job stands.
pub fn the_status_machine_is_kept<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    for &from in JobStatus::ALL {
        for &to in JobStatus::ALL {
            let id = job_in(&store, "MgO", from)?.id;
            let change = StatusChange::to(to);
            if from == to {
                let answer = assert_untouched(&store, || store.change_status(id, &change))?;
                assert_eq!(answer, Transition::Unchanged(from));
            } else if from.successors().contains(&to) {
                assert_eq!(store.change_status(id, &change)?, Transition::Changed { from, to });
                assert_eq!(store.job(id)?.status, to);
                let history = store.history(id)?;
                let event = history.last().expect("an event");
                assert_eq!(event.kind, EventKind::StatusChanged);
                assert_eq!((event.from, event.to), (Some(from), Some(to)));
            } else {
                assert_refused!(
                    assert_untouched(&store, || store.change_status(id, &change)),
                    Error::IllegalTransition { job, from: was, to: asked }
                        if (job, was, asked) == (id, from, to)
                );
            }
        }
    }
    Ok(())
}

/// A change that expects a status is made from that status alone, even where the job is there
/// already.
pub fn a_change_is_made_only_from_the_status_it_expects<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    for &actual in JobStatus::ALL {
        for &expected in JobStatus::ALL {
            for &to in JobStatus::ALL {
                if actual == expected {
                    continue;
                }
                let id = job_in(&store, "MgO", actual)?.id;
                let change = StatusChange::to(to).expecting(expected);
                assert_refused!(
                    store.change_status(id, &change),
                    Error::StaleStatus { job, expected: e, actual: a }
                        if (job, e, a) == (id, expected, actual)
                );
                assert_eq!(store.job(id)?.status, actual);
            }
        }
    }
    let id = job_in(&store, "MgO", Queued)?.id;
    let start = StatusChange::to(Running).expecting(Queued);
    store.change_status(id, &start)?;
    assert_refused!(
        assert_untouched(&store, || store.change_status(id, &start)),
        Error::StaleStatus { actual: Running, .. }
    );
    let still = StatusChange::to(Running).expecting(Running);
    assert_eq!(store.change_status(id, &still)?, Transition::Unchanged(Running));
    Ok(())
}

/// Each status sets and empties the times that are its own.
pub fn the_times_of_an_attempt_are_kept<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let job = store.create_job(&sample_job("MgO"))?;
    let times = |job: &Job| (job.queued_at, job.started_at, job.finished_at);
    assert_eq!(times(&job), (None, None, None));
    let to = |status| -> Result<_, Error> {
        let now = tick(&clock);
        store.change_status(job.id, &StatusChange::to(status))?;
        let next = store.job(job.id)?;
        assert_eq!((next.updated_at, next.created_at), (now, job.created_at));
        let last = store.history(job.id)?.pop().expect("an event");
        assert_eq!(last.at, now);
        Ok((now, times(&next)))
    };
    let (queued, now) = to(Queued)?;
    assert_eq!(now, (Some(queued), None, None));
    let (_, now) = to(Pending)?;
    assert_eq!(now, (None, None, None), "no longer queued");
    let (queued, _) = to(Queued)?;
    let (started, now) = to(Running)?;
    assert_eq!(now, (Some(queued), Some(started), None));
    let (requeued, now) = to(Queued)?;
    assert_eq!(now, (Some(requeued), Some(started), None), "the first start counts");
    let (_, now) = to(Running)?;
    assert_eq!(now, (Some(requeued), Some(started), None));
    let (finished, now) = to(Failed)?;
    assert_eq!(now, (Some(requeued), Some(started), Some(finished)));

    let unsubmitted = job_in(&store, "CaO", Failed)?;
    assert_eq!((unsubmitted.queued_at, unsubmitted.started_at), (None, None));
    assert_eq!(unsubmitted.finished_at, Some(clock.now()));
    Ok(())
}

/// The process and its machine belong to a run: RUNNING sets them, a requeue empties them, the end
/// keeps them.
pub fn the_process_of_a_run_is_kept_to_its_end<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let id = job_in(&store, "MgO", Queued)?.id;
    let process = |job: Job| (job.host, job.pid);
    let running = |host: &str, pid| StatusChange::to(Running).on(host, pid);
    store.change_status(id, &running("node-1", u32::MAX))?;
    let first = (Some("node-1".to_owned()), Some(u32::MAX));
    assert_eq!(process(store.job(id)?), first);
    let again = running("node-2", 2);
    assert_eq!(store.change_status(id, &again)?, Transition::Unchanged(Running));
    assert_eq!(process(store.job(id)?), first, "the same report twice changes nothing");
    store.change_status(id, &StatusChange::to(Queued))?;
    assert_eq!(process(store.job(id)?), (None, None));
    store.change_status(id, &again)?;
    store.change_status(id, &StatusChange::to(Failed).on("elsewhere", 3))?;
    assert_eq!(process(store.job(id)?), (Some("node-2".to_owned()), Some(2)));
    assert_eq!(process(store.retry_job(id, InitialStatus::Queued)?), (None, None));
    Ok(())
}

/// The reason of a change is kept in the history, whatever it is made of.
pub fn the_reason_of_a_change_is_kept<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let id = job_in(&store, "MgO", Running)?.id;
    let reason = "SCF: \"not converged\"\n\tΔE = 1·10⁻³ \u{1} '; DROP TABLE jobs; --\0";
    store.change_status(id, &StatusChange::to(Failed).because(reason))?;
    let last = store.history(id)?.pop().expect("an event");
    assert_eq!(last.detail["reason"], reason);
    Ok(())
}

/// A change that no store takes is refused and leaves nothing.
pub fn an_invalid_change_of_status_is_refused<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let id = job_in(&store, "MgO", Queued)?.id;
    let running = StatusChange::to(Running);
    for (field, change) in [
        ("pid", running.clone().on("node", 0)),
        ("host", running.clone().on("", 1)),
        ("host", running.clone().on("a\nb", 1)),
        ("host", running.on("h".repeat(256), 1)),
    ] {
        assert_refused!(
            assert_untouched(&store, || store.change_status(id, &change)),
            Error::Invalid(Invalid { field: named, .. }) if named == field
        );
    }
    Ok(())
}

/// A retry opens a new attempt with times of its own and brings the job back; what was stays.
pub fn a_retry_opens_a_new_attempt<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    for from in [Failed, Cancelled] {
        for (initial, to) in [(InitialStatus::Pending, Pending), (InitialStatus::Queued, Queued)] {
            let id = store.create_job(&sample_job("MgO").queued())?.id;
            store.change_status(id, &StatusChange::to(Running).on("node", 7))?;
            store.change_status(id, &StatusChange::to(from))?;
            store.archive_job(id)?;
            let before = store.job(id)?;
            let earlier = store.history(id)?;
            let now = tick(&clock);
            let retried = store.retry_job(id, initial)?;
            let expected = Job {
                status: to,
                attempt: 2,
                pid: None,
                host: None,
                queued_at: (to == Queued).then_some(now),
                started_at: None,
                finished_at: None,
                updated_at: now,
                archived_at: None,
                ..before
            };
            assert_eq!(retried, expected);
            assert_eq!(store.job(id)?, expected);
            let history = store.history(id)?;
            assert!(history.starts_with(&earlier), "what was stays");
            assert_eq!(history.len(), earlier.len() + 1);
            let event = &history[earlier.len()];
            assert_eq!((event.kind, event.subject.attempt()), (EventKind::Retried, Some(2)));
            assert_eq!((event.from, event.to), (Some(from), Some(to)));

            store.change_status(id, &StatusChange::to(Failed))?;
            assert_eq!(store.retry_job(id, initial)?.attempt, 3);
        }
    }
    Ok(())
}

/// Only what has failed or was cancelled can be retried.
pub fn a_retry_of_any_other_job_is_refused<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    for from in [Pending, Queued, Running, Completed] {
        let id = job_in(&store, "MgO", from)?.id;
        assert_refused!(
            assert_untouched(&store, || store.retry_job(id, InitialStatus::Queued)),
            Error::IllegalTransition { job, from: was, to: Queued } if (job, was) == (id, from)
        );
    }
    Ok(())
}

/// Many changes are made in order, so that a job may walk on within them, and each is answered.
pub fn many_statuses_change_in_order<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let one = job_in(&store, "one", Pending)?.id;
    let other = job_in(&store, "other", Running)?.id;
    let changes = [
        (one, StatusChange::to(Queued)),
        (other, StatusChange::to(Running)),
        (one, StatusChange::to(Running).expecting(Queued)),
        (other, StatusChange::to(Completed)),
    ];
    let answers = store.change_statuses(&changes)?;
    let expected = [
        Transition::Changed { from: Pending, to: Queued },
        Transition::Unchanged(Running),
        Transition::Changed { from: Queued, to: Running },
        Transition::Changed { from: Running, to: Completed },
    ];
    assert_eq!(answers, expected);
    let statuses = store.statuses(&[one, other])?;
    assert_eq!((statuses[&one], statuses[&other]), (Running, Completed));
    assert!(store.change_statuses::<crate::JobId>(&[])?.is_empty());
    Ok(())
}

/// Of many changes, none is made when one is refused, and the error is that one's.
pub fn many_statuses_change_all_or_none<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let one = job_in(&store, "one", Pending)?.id;
    let other = job_in(&store, "other", Completed)?.id;
    let changes = [
        (one, StatusChange::to(Queued)),
        (one, StatusChange::to(Running)),
        (other, StatusChange::to(Failed)),
        (other, StatusChange::to(Pending).expecting(Running)),
    ];
    assert_refused!(
        assert_untouched(&store, || store.change_statuses(&changes)),
        Error::IllegalTransition { job, from: Completed, to: Failed } if job == other
    );
    Ok(())
}

/// The counts follow every change of a status.
pub fn counts_follow_each_change<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let counts = || -> Result<Vec<u64>, Error> {
        let counts = store.counts_by_status()?;
        let each: Vec<_> = JobStatus::ALL.iter().map(|status| counts.of(*status)).collect();
        assert_eq!(counts.total(), each.iter().sum::<u64>());
        Ok(each)
    };
    let id = store.create_job(&sample_job("MgO"))?.id;
    job_in(&store, "bystander", Completed)?;
    assert_eq!(counts()?, [1, 0, 0, 1, 0, 0]);
    store.change_status(id, &StatusChange::to(Queued))?;
    assert_eq!(counts()?, [0, 1, 0, 1, 0, 0]);
    store.change_status(id, &StatusChange::to(Running))?;
    assert_eq!(counts()?, [0, 0, 1, 1, 0, 0]);
    store.change_status(id, &StatusChange::to(Cancelled))?;
    assert_eq!(counts()?, [0, 0, 0, 1, 0, 1]);
    store.archive_job(id)?;
    assert_eq!(counts()?, [0, 0, 0, 1, 0, 0]);
    store.unarchive_job(id)?;
    assert_eq!(counts()?, [0, 0, 0, 1, 0, 1]);
    store.archive_job(id)?;
    store.retry_job(id, InitialStatus::Pending)?;
    assert_eq!(counts()?, [1, 0, 0, 1, 0, 0]);
    store.delete_job(id)?;
    assert_eq!(counts()?, [0, 0, 0, 1, 0, 0]);
    Ok(())
}
