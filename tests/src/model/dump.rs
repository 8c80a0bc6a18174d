//! Everything that can be read, through every method that reads, as lines.

use std::collections::BTreeSet;
use std::fmt::Debug;

use store_core::{
    Archived, ClusterId, Code, Energy, EnergyRange, EnergyUnit, EventSequence, InitialStatus,
    InputDeck, Job, JobFilter, JobId, JobStatus, Page, ReadUnit, Result, Reuse, Runner,
    SubmissionToken, TimeRange,
};

use super::strategies::BEGINNING;

/// Reads everything; two stores that are equal give equal lines.
///
/// # Errors
/// Those of reading.
pub fn dump(unit: &impl ReadUnit) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    let mut say = |what: &str, found: &dyn Debug| lines.push(format!("{what}: {found:?}"));

    let everything = JobFilter { archived: Archived::Include, ..JobFilter::all() };
    for job in listed(unit, &everything)? {
        let id = job.id;
        say("job", &job);
        say("the same by its id", &(unit.job(id)? == job));
        let by_uuid = unit.find_job_by_uuid(job.uuid)?;
        let by_dir = unit.find_job_by_work_dir(&job.work_dir)?;
        say("the same by what is unique", &(by_uuid == by_dir && by_dir.as_ref() == Some(&job)));
        if let Some(key) = &job.idempotency_key {
            say("by its key", &unit.find_job_by_idempotency_key(key)?.map(|job| job.id));
        }
        say("input", &unit.input(id)?);
        say("waits for", &unit.dependencies_of(id)?);
        say("waited for by", &unit.dependents_of(id)?);
        say("readiness", &unit.readiness(id)?);
        say("submissions", &unit.remote_jobs_of(id)?);
        say("newest submission", &unit.newest_remote_job(id)?);
        say("results", &unit.results_of(id)?);
        say("newest result", &unit.newest_result(id)?);
        say("lease", &unit.lease_of(id)?);
        say("attempts", &unit.attempts_of(id)?);
        say("explanation", &unit.explain(id)?);
        say("history", &unit.history(id)?);
    }
    for cluster in unit.clusters()? {
        say("cluster", &cluster);
        say("the same by its id", &(unit.cluster(cluster.id)? == cluster));
        let by_name = unit.find_cluster_by_name(&cluster.config.name)?;
        say("the same by its name", &(by_name.as_ref() == Some(&cluster)));
        say("active there", &unit.active_remote_jobs(cluster.id)?);
        say("load", &unit.cluster_load(cluster.id)?);
        say("intents there", &unit.pending_intents(Some(cluster.id))?);
        say("to be cancelled there", &unit.submissions_to_cancel(cluster.id)?);
        say("contact", &unit.cluster_contact(cluster.id)?);
        for handle in ["1", "2", "3", "4"] {
            say("under a handle", &unit.find_remote_job(cluster.id, handle)?.map(|found| found.id));
        }
    }
    say("intents", &unit.pending_intents(None)?);
    for token in 0..12 {
        let token = SubmissionToken::from_bytes([token; 16]);
        say("under a token", &unit.find_remote_job_by_token(token)?.map(|found| found.id));
    }
    say("leases", &unit.leases()?);
    say("to probe", &unit.jobs_to_probe(5)?);
    say("to cancel", &unit.jobs_to_cancel(5)?);
    let mut page = Page::first(2)?;
    loop {
        let held = unit.held_jobs(page)?;
        say("held", &held);
        match held.next {
            Some(next) => page = page.after(next),
            None => break,
        }
    }
    let names: BTreeSet<String> =
        listed(unit, &everything)?.into_iter().filter_map(|job| job.workflow).collect();
    for name in names {
        let workflow = unit.workflow(&name)?;
        say("cancelling it", &workflow.plan_cancel());
        say("retrying it", &workflow.plan_retry(InitialStatus::Queued));
        say("summary", &workflow.summary());
        say("workflow", &workflow);
    }
    let ids: Vec<JobId> = (0..20).map(JobId::new).collect();
    say("statuses", &unit.statuses(&ids)?);
    say("counts", &unit.counts_by_status()?);
    for (code, text) in [(Code::Crystal, "MgO\n"), (Code::Vasp, ""), (Code::Vasp, "MgO\n")] {
        let deck = InputDeck::file("a.d12", text)?;
        for which in [Reuse::Converged, Reuse::AnyResult] {
            let found = unit.find_completed(&code, deck.hash(), which)?;
            say("completed with an input", &found.map(|job| job.id));
        }
    }
    say("newest sequence", &unit.newest_sequence()?);
    for filter in filters() {
        let ids: Vec<i64> = listed(unit, &filter)?.iter().map(|job| job.id.get()).collect();
        say(&format!("{filter:?}"), &ids);
    }
    let mut after = EventSequence::START;
    loop {
        let events = unit.events_after(after, 5)?;
        let Some(last) = events.last() else { break };
        after = last.sequence;
        say("events", &events);
    }
    Ok(lines)
}

/// All jobs that a filter admits, in pages that are small enough to have borders.
fn listed(unit: &impl ReadUnit, filter: &JobFilter) -> Result<Vec<Job>> {
    let mut page = Page::first(3)?;
    let mut jobs = Vec::new();
    loop {
        let found = unit.jobs(filter, page)?;
        jobs.extend(found.jobs);
        match found.next {
            Some(next) => page = page.after(next),
            None => return Ok(jobs),
        }
    }
}

fn filters() -> Vec<JobFilter> {
    let all = JobFilter::all;
    let energy = |value| Energy::new(value, EnergyUnit::ElectronVolt).ok();
    let from = |least, most| JobFilter { energy: Some(EnergyRange { least, most }), ..all() };
    let mut filters: Vec<JobFilter> =
        JobStatus::ALL.iter().map(|status| all().status(*status)).collect();
    filters.extend([
        all(),
        JobFilter { archived: Archived::Only, ..all() },
        JobFilter { archived: Archived::Include, ..all() }.status(JobStatus::Failed),
        all().status(JobStatus::Pending).status(JobStatus::Queued).code(Code::Vasp),
        all().code(Code::Crystal),
        all().code(Code::Crystal).code(Code::Vasp).workflow("surfaces"),
        all().workflow("surfaces"),
        all().cluster(ClusterId::new(1)),
        all().cluster(ClusterId::new(2)).status(JobStatus::Running),
        JobFilter { runner: Some(Runner::Slurm), ..all() },
        JobFilter {
            created: TimeRange {
                from: Some(BEGINNING),
                until: Some(BEGINNING + std::time::Duration::from_micros(3)),
            },
            ..all()
        },
        from(None, None),
        from(energy(-30.0), None),
        from(None, energy(-27.211_386_245_981)),
        JobFilter { archived: Archived::Include, ..from(energy(-1.0), energy(0.0)) },
    ]);
    filters
}
