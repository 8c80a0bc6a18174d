//! A worker: it takes a queued job, runs it, and writes its result and its end together.

use serde_json::json;
use store_core::prelude::*;
use store_core::{
    Clock, Code, Convergence, Edit, Energy, EnergyUnit, Job, JobId, JobStatus, NewResult, Patch,
    RemoteJobPatch, Result, ResultDocument, StatusChange, SystemClock, Timestamp, Transition,
};

use super::Lists;
use crate::shared::random::Random;
use crate::stress::effect::Effect;
use crate::stress::kind::Kind;
use crate::stress::session::Session;

/// Takes one job to its end, if there is one.
pub fn step<S: Store>(session: &mut Session<'_, S>, _: &mut Lists) {
    let queued = Lists::newest(session, JobStatus::Queued, 16);
    let Some(id) = session.random.pick(&queued).map(|job| job.id) else {
        session.meter.totals.found_nothing += 1;
        // The schedulers need the processor more than a list that was just empty.
        std::thread::yield_now();
        return;
    };
    let Some(job) = claim(session, id) else {
        return;
    };
    let lost_before = session.meter.totals.races_lost;
    if session.random.chance(2) {
        requeue(session, &job);
    } else {
        finish(session, &job);
    }
    let held = session.meter.totals.races_lost == lost_before;
    session.expect(held, "a claimed job was changed by another", || format!("job {id}"));
}

/// Compare and set: of all workers that saw the job, one gets it.
fn claim<S: Store>(session: &mut Session<'_, S>, id: JobId) -> Option<Job> {
    let (from, to) = (JobStatus::Queued, JobStatus::Running);
    let (transition, job) = session.write(
        Kind::Claim,
        |store| {
            store.write(move |w| {
                let taken = StatusChange::to(to).expecting(from);
                let transition = w.change_status(id, &taken.on("localhost", std::process::id()))?;
                Ok((transition, w.job(id)?))
            })
        },
        |(_, job)| vec![Effect::StatusChanged { job: id, attempt: job.attempt, from, to }],
    )?;
    let right = transition == Transition::Changed { from, to } && job.status == to;
    session.expect(right, "a claim did not make the job RUNNING", || format!("{transition:?}"));
    Some(job)
}

/// As a job does that its scheduler has put back.
fn requeue<S: Store>(session: &mut Session<'_, S>, job: &Job) {
    let (id, attempt) = (job.id, job.attempt);
    let (from, to) = (JobStatus::Running, JobStatus::Queued);
    let back = StatusChange::to(to).expecting(from).because("its node went down");
    session.write(
        Kind::Requeue,
        |store| store.change_status(id, &back),
        |_| vec![Effect::StatusChanged { job: id, attempt, from, to }],
    );
}

/// The result, the terminal status and the end of the submission land together.
fn finish<S: Store>(session: &mut Session<'_, S>, job: &Job) {
    let (id, attempt, from) = (job.id, job.attempt, JobStatus::Running);
    let failed = session.random.chance(15);
    let result = result(&mut session.random, job, failed);
    let to = if failed { JobStatus::Failed } else { JobStatus::Completed };
    let (convergence, energy) = (result.convergence, result.energy);
    session.write(
        Kind::Finish,
        |store| {
            let now = SystemClock.now();
            store.write(move |w| {
                w.record_result(id, &result)?;
                w.change_status(id, &StatusChange::to(to).expecting(from))?;
                end_submission(w, id, result.convergence, now)
            })
        },
        |remote| {
            let recorded = Effect::ResultRecorded { job: id, attempt, convergence, energy };
            let changed = Effect::StatusChanged { job: id, attempt, from, to };
            [recorded, changed].into_iter().chain(remote.clone()).collect()
        },
    );
}

/// Reports the end of a job's submission, if it has one that is active.
pub fn end_submission(
    w: &impl RemoteJobWrite,
    job: JobId,
    convergence: Convergence,
    now: Timestamp,
) -> Result<Option<Effect>> {
    let Some(remote) = w.newest_remote_job(job)?.filter(|remote| remote.is_active()) else {
        return Ok(None);
    };
    let (state, exit_code) = match convergence {
        Convergence::Converged => ("COMPLETED", 0),
        Convergence::NotConverged => ("FAILED", 1),
        Convergence::Unknown => ("CANCELLED", 15),
    };
    let patch = RemoteJobPatch {
        scheduler_state: Patch::Set(state.to_owned()),
        exit_code: Patch::Set(exit_code),
        ended_at: Edit::Set(now),
        ..RemoteJobPatch::default()
    };
    let (attempt, remote_job) = (remote.attempt, remote.id);
    w.update_remote_job(remote_job, &patch)?;
    Ok(Some(Effect::SubmissionEnded { job, attempt, remote_job, exit_code }))
}

/// What the code would have printed. A failed run has an energy only sometimes.
fn result(random: &mut Random, job: &Job, failed: bool) -> NewResult {
    let unit = match job.code {
        Code::Vasp => EnergyUnit::ElectronVolt,
        Code::QuantumEspresso => EnergyUnit::Rydberg,
        _ => EnergyUnit::Hartree,
    };
    let convergence = if failed { Convergence::NotConverged } else { Convergence::Converged };
    let mut result = NewResult::new(convergence);
    if !failed || random.chance(50) {
        result.energy = Energy::new(-2000.0 * random.fraction(), unit).ok();
    }
    result.scf_cycles = u32::try_from(5 + random.below(60)).ok();
    result.cpu_seconds = Some(3600.0 * random.fraction());
    result.wall_seconds = Some(600.0 * random.fraction());
    let forces: Vec<[f64; 3]> = (0..8 + random.below(24))
        .map(|_| [random.fraction(), random.fraction(), random.fraction()])
        .collect();
    let body = json!({ "forces": forces, "gap_ev": 9.0 * random.fraction() });
    result.document = ResultDocument { version: 1, body };
    result.provenance.code_version = Some("1.0".to_owned());
    result
}
