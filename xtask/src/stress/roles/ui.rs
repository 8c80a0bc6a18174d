//! The UI: lists, counts, and jobs that are opened; now and then a person changes or deletes something.

use std::panic::{AssertUnwindSafe, catch_unwind};

use store_core::prelude::*;
use store_core::{Edit, Error, Job, JobFilter, JobId, JobPatch, JobStatus};

use super::Lists;
use super::scheduler::{cancel, draft};
use super::{clusters, janitor, lists};
use crate::stress::effect::Effect;
use crate::stress::kind::Kind;
use crate::stress::session::Session;

/// Looks at a list and opens jobs of it.
pub fn step<S: Store>(session: &mut Session<'_, S>, walked: &mut Lists) {
    let jobs = match session.random.below(4) {
        0 => {
            let page = lists::read(session, Kind::ListNewest, JobFilter::all(), 50, None);
            page.map(|page| page.jobs).unwrap_or_default()
        }
        1 => {
            let deck = session.random.pick(&session.shared.decks).map(|deck| deck.name.as_str());
            let workflow = format!("{} {}", session.shared.plan.run, deck.unwrap_or_default());
            let filter = JobFilter::all().workflow(workflow);
            let page = lists::read(session, Kind::ListByWorkflow, filter, 50, None);
            page.map(|page| page.jobs).unwrap_or_default()
        }
        _ => match session.random.pick(JobStatus::ALL) {
            Some(&status) => walked.walk(session, status, 50),
            None => Vec::new(),
        },
    };
    session.read(Kind::Count, |store| store.counts_by_status());
    for _ in 0..3 {
        let Some(job) = session.random.pick(&jobs).cloned() else {
            return;
        };
        open(session, job.id);
        if session.shared.plan.owns(&job) && session.random.chance(10) {
            edit(session, &job);
        }
    }
    if session.random.chance(10) {
        give_up(session);
    }
    if session.random.chance(4) {
        clusters::edit(session);
    }
}

/// Creates a job and thinks better of it, by an error or a panic.
fn give_up<S: Store>(session: &mut Session<'_, S>) {
    let deck = session.random.below(64) as usize;
    let Some(new) = draft(session, deck) else { return };
    let panics = session.random.chance(50);
    let came_to = session.read(Kind::GiveUp, |store| {
        let unit = || {
            store.write(move |w| {
                w.create_job(&new)?;
                if panics {
                    // Without the message that `panic!` prints.
                    std::panic::resume_unwind(Box::new("thought better of it"));
                }
                Err::<(), _>(Error::aborted("thought better of it"))
            })
        };
        match catch_unwind(AssertUnwindSafe(unit)) {
            Err(_) => Ok(panics),
            Ok(Err(Error::Aborted(_))) => Ok(!panics),
            Ok(Err(other)) => Err(other),
            Ok(Ok(())) => Ok(false),
        }
    });
    session.expect(
        came_to != Some(false),
        "a unit that was given up came to something else",
        || {
            if panics { "a panic".to_owned() } else { "an error".to_owned() }
        },
    );
}

/// Opens a job: everything of it, of one moment.
fn open<S: Store>(session: &mut Session<'_, S>, id: JobId) {
    let seen = session.read(Kind::OpenJob, |store| {
        store.read(|r| {
            let job = r.job(id)?;
            let (input, history) = (r.input(id)?, r.history(id)?);
            let (result, dependencies) = (r.newest_result(id)?, r.dependencies_of(id)?);
            Ok((job, input, history, result, dependencies))
        })
    });
    let Some((job, input, history, result, dependencies)) = seen else {
        return;
    };
    let last = history.iter().rev().find_map(|event| event.to);
    session.expect(last == Some(job.status), "a snapshot shows two moments", || {
        format!("job {id} is {} and its history ends in {last:?}", job.status)
    });
    let in_order = history.windows(2).all(|pair| pair[0].sequence < pair[1].sequence);
    session.expect(in_order, "a history is out of order", || format!("of job {id}"));
    let completed = job.status == JobStatus::Completed;
    let has_result = result.as_ref().is_some_and(|result| result.attempt == job.attempt);
    let owned = session.shared.plan.owns(&job);
    session.expect(!owned || !completed || has_result, "a completed job has no result", || {
        format!("job {id}, whose result and status were written in one unit of work")
    });
    let known = |deck: &store_core::InputDeck| {
        session.shared.decks.iter().any(|known| known.input == *deck)
    };
    let intact = !owned || input.as_ref().is_some_and(known);
    session.expect(intact, "a deck is not the one that was stored", || format!("of job {id}"));
    let edges = dependencies.iter().all(|edge| edge.job == id);
    session.expect(edges, "a dependency is of another job", || format!("asked for job {id}"));
}

fn edit<S: Store>(session: &mut Session<'_, S>, job: &Job) {
    let id = job.id;
    match session.random.below(12) {
        0..4 => {
            let text = format!("seen by {}", session.unique());
            session.write(
                Kind::Note,
                |store| store.add_note(id, &text),
                |event| {
                    let sequence = event.sequence;
                    let noted = |attempt| Effect::Noted { job: id, attempt, sequence };
                    event.subject.attempt().map(noted).into_iter().collect()
                },
            );
        }
        9 if job.status == JobStatus::Queued => cancel(session, id, JobStatus::Queued),
        10.. if !matches!(job.status, JobStatus::Queued | JobStatus::Running) => {
            janitor::delete(session, job);
        }
        _ => raise_priority(session, id),
    }
}

/// Adds one to what was read: a lost update would leave a smaller number.
fn raise_priority<S: Store>(session: &mut Session<'_, S>, id: JobId) {
    session.write(
        Kind::Prioritise,
        |store| {
            store.write(move |w| {
                let priority = Edit::Set(w.job(id)?.priority + 1);
                w.update_job(id, &JobPatch { priority, ..JobPatch::default() })
            })
        },
        |job| {
            let (attempt, priority) = (job.attempt, job.priority);
            vec![Effect::Prioritised { job: id, attempt, priority }]
        },
    );
}
