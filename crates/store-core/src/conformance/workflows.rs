//! What workflows promise.

use std::time::Duration;

use crate::claim::ClaimFilter;
use crate::dependency::DependencyKind::{AfterAny, AfterFailed, AfterOk};
use crate::error::{Error, Noun, Result};
use crate::ids::{EventSequence, JobId};
use crate::job::{Job, NewJob};
use crate::policy::{JobPolicy, OnUnsatisfiable};
use crate::query::{JobFilter, Page};
use crate::repo::{
    ClaimWrite, DependencyRead, DependencyWrite, EventRead, JobRead, JobWrite, ResultWrite,
    WorkflowRead, WorkflowWrite,
};
use crate::reuse::Reuse;
use crate::status::{InitialStatus, JobStatus, StatusChange};
use crate::store::Store;
use crate::workflow::{LeftOut, NewWorkflow, PlannedChange, WorkflowPlan, WorkflowProblem};

use super::dump::assert_untouched;
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{
    HOUR, job_at, job_in, open, sample_deck, sample_job, sample_result, sample_worker, tick,
};

/// Four queued jobs: a geometry, two properties of it, and a report that asks to be cancelled.
fn sample(name: &str) -> NewWorkflow {
    let job = |name| sample_job(name).queued();
    let policy = JobPolicy { on_unsatisfiable: OnUnsatisfiable::Cancel, ..JobPolicy::default() };
    NewWorkflow::new(name)
        .job_after("bands", job("bands"), [("geometry", AfterOk)])
        .job("geometry", job("geometry"))
        .job_after("dos", job("dos"), [("geometry", AfterAny)])
        .job_after(
            "report",
            NewJob { policy, ..job("report") },
            [("bands", AfterOk), ("dos", AfterAny)],
        )
}

fn ids(jobs: &[Job]) -> Vec<JobId> {
    jobs.iter().map(|job| job.id).collect()
}

fn become_<S: Store>(store: &S, job: JobId, status: JobStatus) -> Result<()> {
    store.change_status(job, &StatusChange::to(status)).map(drop)
}

/// The statuses and reasons that the history tells from `after` on, as a plan has them.
fn done<S: Store>(store: &S, after: EventSequence) -> Result<Vec<PlannedChange>> {
    let mut done = Vec::new();
    for event in store.events_after(after, u32::MAX)? {
        if let (Some(job), Some(from), Some(to)) = (event.subject.job(), event.from, event.to) {
            let because_of = event.detail.get("because_of").and_then(serde_json::Value::as_i64);
            let (name, because_of) = (store.job(job)?.name, because_of.map(JobId::new));
            done.push(PlannedChange { job, name, from, to, because_of });
        }
    }
    Ok(done)
}

fn newest<S: Store>(store: &S) -> Result<EventSequence> {
    let events = store.events_after(EventSequence::START, u32::MAX)?;
    Ok(events.last().map_or(EventSequence::START, |event| event.sequence))
}

/// A workflow is created whole: its jobs in order, one waiting for a later one if it says so.
pub fn a_workflow_is_created_whole<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let before = store.create_job(&sample_job("before"))?.id;
    let mut new = sample("gap");
    new.jobs[1].job = new.jobs[1].job.clone().after(before, AfterAny);
    let jobs = store.create_workflow(&new)?;
    let [bands, geometry, dos, report] = ids(&jobs)[..] else { panic!("{jobs:?}") };
    assert!(bands < geometry && geometry < dos && dos < report);
    for job in &jobs {
        assert_eq!((job, job.workflow.as_deref()), (&store.job(job.id)?, Some("gap")));
    }
    let waits_for = |job| -> Result<Vec<_>> {
        let edges = store.dependencies_of(job)?;
        Ok(edges.into_iter().map(|edge| (edge.depends_on, edge.kind)).collect())
    };
    assert_eq!(waits_for(bands)?, [(geometry, AfterOk)]);
    assert_eq!(waits_for(geometry)?, [(before, AfterAny)]);
    assert_eq!(waits_for(report)?, [(bands, AfterOk), (dos, AfterAny)]);
    let listed = store.jobs(&JobFilter::all().workflow("gap"), Page::first(10)?)?.jobs;
    assert_eq!(ids(&listed), [report, dos, geometry, bands]);
    let read = store.workflow("gap")?;
    assert_eq!((read.jobs, read.edges.len()), (jobs, 5));
    assert_eq!(read.others.into_keys().collect::<Vec<_>>(), [before]);
    Ok(())
}

/// A workflow whose jobs ask to be cancelled, and wait for a job that has failed, is created so.
pub fn a_workflow_that_cannot_start_is_settled_at_once<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let failed = job_in(&store, "failed", JobStatus::Failed)?.id;
    let mut new = sample("gap");
    for job in &mut new.jobs {
        job.job.policy.on_unsatisfiable = OnUnsatisfiable::Cancel;
    }
    new.jobs[1].job = new.jobs[1].job.clone().after(failed, AfterOk);
    let jobs = store.create_workflow(&new)?;
    let statuses: Vec<_> = jobs.iter().map(|job| job.status).collect();
    use JobStatus::{Cancelled, Queued};
    assert_eq!(statuses, [Cancelled, Cancelled, Queued, Cancelled]);
    assert_eq!(store.workflow("gap")?.jobs, jobs);
    Ok(())
}

/// A workflow is refused as a whole, by the names that its author knows.
pub fn a_workflow_that_is_refused_leaves_nothing<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    store.create_job(&job_at("there", "/taken"))?;
    let refused = |new: &NewWorkflow| {
        let answer = assert_untouched(&store, || store.create_workflow(new));
        match answer {
            Err(Error::Workflow { workflow, problem }) if workflow == new.name => *problem,
            other => panic!("{other:?}"),
        }
    };
    let mut circle = sample("gap");
    circle.jobs[1].after.push(("report".to_owned(), AfterAny));
    let problem = refused(&circle);
    assert!(
        matches!(&problem, WorkflowProblem::Cycle { path } if path == &["bands", "geometry", "report", "bands"]),
        "{problem}"
    );
    let mut unknown = sample("gap");
    unknown.jobs[0].after[0].0 = "geometrie".to_owned();
    assert!(matches!(refused(&unknown), WorkflowProblem::UnknownName { .. }));
    for last in [
        job_at("late", "/taken"),
        sample_job("late").after(JobId::new(99), AfterOk),
        NewJob { idempotency_key: Some("key".to_owned()), ..sample_job("late") },
    ] {
        let mut new = sample("gap");
        new.jobs[0].job.idempotency_key = Some("key".to_owned());
        let problem = refused(&new.job("late", last));
        assert!(
            matches!(&problem, WorkflowProblem::Job { local_name, .. } if local_name == "late"),
            "{problem}"
        );
    }
    Ok(())
}

/// The name of a workflow is taken by its first job, however that came to be.
pub fn the_name_of_a_workflow_is_taken_once<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    store.create_workflow(&sample("gap"))?;
    store.create_job(&NewJob { workflow: Some("dos".to_owned()), ..sample_job("alone") })?;
    for name in ["gap", "dos"] {
        assert_refused!(
            assert_untouched(&store, || store.create_workflow(&sample(name))),
            Error::Conflict { noun: Noun::Workflow, field: "name", value } if value == name
        );
    }
    store.create_workflow(&sample("GAP"))?;
    for refused in [
        store.workflow("nowhere").map(drop),
        store.cancel_workflow("nowhere").map(drop),
        store.retry_workflow("nowhere", InitialStatus::Queued).map(drop),
    ] {
        assert_refused!(
            refused,
            Error::NotFound { noun: Noun::Workflow, key } if key == "nowhere"
        );
    }
    Ok(())
}

/// A workflow sums itself up: counts, what is held, the chain that takes longest, its times.
pub fn a_workflow_sums_itself_up<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let created = store.create_workflow(&sample("gap"))?;
    let [bands, geometry, dos, report] = ids(&created)[..] else { panic!("{created:?}") };
    let summary = store.workflow("gap")?.summary();
    assert_eq!((summary.ended(), summary.counts.total(), summary.held), (0, 4, 0));
    assert_eq!(summary.critical_path.jobs, [geometry, bands, report]);
    assert_eq!((summary.started_at, summary.finished_at), (None, None));
    let began = tick(&clock);
    become_(&store, geometry, JobStatus::Running)?;
    clock.advance(Duration::from_secs(10));
    become_(&store, geometry, JobStatus::Completed)?;
    for (job, seconds) in [(bands, 1), (dos, 2)] {
        become_(&store, job, JobStatus::Running)?;
        clock.advance(Duration::from_secs(seconds));
        let end = if job == bands { JobStatus::Failed } else { JobStatus::Completed };
        become_(&store, job, end)?;
    }
    let ended = tick(&clock);
    let summary = store.workflow("gap")?.summary();
    assert_eq!(summary.critical_path.jobs, [geometry, dos, report]);
    assert_eq!(summary.critical_path.wall_time, Duration::from_secs(12));
    assert_eq!((summary.started_at, summary.counts.of(JobStatus::Cancelled)), (Some(began), 1));
    assert!((summary.progress() - 1.0).abs() < 1e-9 && summary.finished_at < Some(ended));
    assert!(summary.finished_at > summary.started_at);
    Ok(())
}

/// Cancelling a workflow does exactly what the dry run tells: what waits before what is waited for, jobs
/// of others that ask for it, and running ones are asked to stop.
pub fn cancelling_does_what_the_dry_run_told<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let created = ids(&store.create_workflow(&sample("gap"))?);
    let other = sample("dos");
    let others = ids(&store.create_workflow(&other)?);
    // The other workflow's report asks to be cancelled, and its bands do not.
    store
        .add_dependencies(&[(others[3], created[2], AfterOk), (others[0], created[0], AfterOk)])?;
    become_(&store, created[1], JobStatus::Running)?;
    let plan = assert_untouched(&store, || store.workflow("gap"))?.plan_cancel();
    let changed: Vec<_> = plan.changes.iter().map(|c| (c.job, c.because_of)).collect();
    let [bands, geometry, dos, report] = created[..] else { unreachable!("four jobs") };
    assert_eq!(changed.len(), 4, "{changed:?}");
    for job in [bands, dos, report] {
        assert!(changed.contains(&(job, None)), "{changed:?}");
    }
    assert!(changed.contains(&(others[3], Some(dos))), "{changed:?}");
    assert_eq!(plan.asked_to_stop, [geometry]);
    let before = newest(&store)?;
    assert_eq!(store.cancel_workflow("gap")?, plan);
    assert_eq!(done(&store, before)?, plan.changes);
    assert!(store.job(geometry)?.cancel_requested_at.is_some());
    let again = assert_untouched(&store, || store.cancel_workflow("gap"))?;
    assert_eq!(again, WorkflowPlan::default());
    Ok(())
}

/// Retrying a workflow does exactly what the dry run tells: what failed and what was cancelled because of
/// it gets a new attempt, and what is well stays.
pub fn retrying_does_what_the_dry_run_told<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let created = ids(&store.create_workflow(&sample("gap"))?);
    let [bands, geometry, dos, report] = created[..] else { unreachable!("four jobs") };
    become_(&store, geometry, JobStatus::Completed)?;
    become_(&store, dos, JobStatus::Completed)?;
    become_(&store, bands, JobStatus::Failed)?;
    assert_eq!(store.job(report)?.status, JobStatus::Cancelled);
    let plan =
        assert_untouched(&store, || store.workflow("gap"))?.plan_retry(InitialStatus::Queued);
    let retried: Vec<_> = plan.changes.iter().map(|change| (change.job, change.to)).collect();
    assert_eq!(retried, [(bands, JobStatus::Queued), (report, JobStatus::Queued)]);
    assert!(plan.left_out.is_empty() && plan.asked_to_stop.is_empty());
    let before = newest(&store)?;
    assert_eq!(store.retry_workflow("gap", InitialStatus::Queued)?, plan);
    assert_eq!(done(&store, before)?, plan.changes);
    assert_eq!(store.job(report)?.status, JobStatus::Queued);
    assert!(store.retry_workflow("gap", InitialStatus::Queued)?.is_empty());
    Ok(())
}

/// A job that could not start even so is left out of a retry, with the reason.
pub fn what_could_not_start_is_left_out_of_a_retry<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let outside = job_in(&store, "outside", JobStatus::Failed)?.id;
    let new = NewWorkflow::new("gap")
        .job("ok", sample_job("ok"))
        .job_after("rescue", sample_job("rescue"), [("ok", AfterFailed)])
        .job("stuck", sample_job("stuck").after(outside, AfterOk))
        .job_after("behind", sample_job("behind"), [("stuck", AfterOk)]);
    let [ok, rescue, stuck, behind] = ids(&store.create_workflow(&new)?)[..] else {
        unreachable!("four jobs")
    };
    become_(&store, ok, JobStatus::Completed)?;
    for job in [rescue, stuck, behind] {
        become_(&store, job, JobStatus::Cancelled)?;
    }
    let plan = store.workflow("gap")?.plan_retry(InitialStatus::Pending);
    assert!(plan.is_empty(), "{plan:?}");
    let left: Vec<_> = plan
        .left_out
        .iter()
        .map(|LeftOut { job, reasons }| (*job, reasons[0].depends_on))
        .collect();
    assert_eq!(left, [(stuck, outside), (rescue, ok), (behind, stuck)]);
    assert_untouched(&store, || store.retry_workflow("gap", InitialStatus::Pending))?;
    Ok(())
}

/// A job that was completed from an earlier one lets those that wait for it start, or be held; one that waits
/// for others of its workflow is calculated.
pub fn a_workflow_goes_on_from_what_is_used_again<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let calculation = |name| sample_job(name).queued().with_input(sample_deck("MgO"));
    let source = store.create_job(&calculation("source"))?.id;
    store.record_result(source, &sample_result(-1.0))?;
    become_(&store, source, JobStatus::Completed)?;
    let reusing = |name| calculation(name).reusing(Reuse::AnyResult);
    let policy = JobPolicy { on_unsatisfiable: OnUnsatisfiable::Cancel, ..JobPolicy::default() };
    // The one that is waited for is created last.
    let new = NewWorkflow::new("gap")
        .job_after("met", reusing("met"), [("scf", AfterOk)])
        .job_after("held", sample_job("held").queued(), [("scf", AfterFailed)])
        .job_after("asks", NewJob { policy, ..sample_job("asks").queued() }, [("scf", AfterFailed)])
        .job("scf", reusing("scf"));
    let jobs = store.create_workflow(&new)?;
    let statuses: Vec<JobStatus> = jobs.iter().map(|job| job.status).collect();
    use JobStatus::{Cancelled, Completed, Queued};
    assert_eq!(statuses, [Queued, Queued, Cancelled, Completed]);
    let claims = store.claim(&sample_worker("w"), &ClaimFilter::all(), 10, HOUR)?;
    let claimed: Vec<JobId> = claims.iter().map(|claim| claim.job.id).collect();
    assert_eq!(claimed, [jobs[0].id]);
    let held = store.held_jobs(Page::first(10)?)?.jobs;
    let held: Vec<JobId> = held.iter().map(|held| held.job.id).collect();
    assert_eq!(held, [jobs[1].id]);
    Ok(())
}

/// A job of a workflow waits for jobs outside by ids that there are: not by one that a job of the same call
/// is about to get, which could close a circle.
pub fn a_workflow_waits_for_nothing_that_is_to_come<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let next = store.create_job(&sample_job("before"))?.id.get() + 1;
    let other = sample_job("other").after(JobId::new(next), AfterOk);
    let new = NewWorkflow::new("gap")
        .job_after("one", sample_job("one"), [("other", AfterOk)])
        .job("other", other);
    assert_refused!(
        assert_untouched(&store, || store.create_workflow(&new).map(drop)),
        Error::Workflow { .. }
    );
    Ok(())
}
