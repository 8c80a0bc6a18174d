//! Everything that can be read, through every method that reads, as lines.

use std::collections::BTreeSet;
use std::fmt::Debug;

use store_core::{
    Archived, ClaimFilter, ClusterId, Code, Comparison, DocumentCondition, Energy, EnergyRange,
    EnergyUnit, Event, EventSequence, InitialStatus, InputDeck, Job, JobFilter, JobId, JobStatus,
    Order, Page, ReadUnit, Result, Reuse, Runner, SortKey, SubmissionToken, TimeRange,
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
        say("tags", &unit.tags_of(id)?);
        say("waits for", &unit.dependencies_of(id)?);
        say("waited for by", &unit.dependents_of(id)?);
        say("readiness", &unit.readiness(id)?);
        let submissions = unit.remote_jobs_of(id)?;
        for remote in &submissions {
            say("the same by its id", &(unit.remote_job(remote.id)? == *remote));
        }
        say("submissions", &submissions);
        say("newest submission", &unit.newest_remote_job(id)?);
        say("results", &unit.results_of(id)?);
        say("newest result", &unit.newest_result(id)?);
        let lease = unit.lease_of(id)?;
        if let Some(lease) = &lease {
            let shown = unit.check_lease(&lease.key());
            say("the same by its key", &shown.is_ok_and(|found| found == *lease));
        }
        say("lease", &lease);
        say("attempts", &unit.attempts_of(id)?);
        say("explanation", &unit.explain(id)?);
        say("history", &alike(unit.history(id)?));
    }
    for cluster in unit.clusters()? {
        say("cluster", &cluster);
        say("the same by its id", &(unit.cluster(cluster.id)? == cluster));
        let by_name = unit.find_cluster_by_name(&cluster.config.name)?;
        say("the same by its name", &(by_name.as_ref() == Some(&cluster)));
        say("active there", &unit.active_remote_jobs(cluster.id)?);
        say("load", &unit.cluster_load(cluster.id)?);
        say("its history", &alike(unit.cluster_history(cluster.id)?));
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
    // Where a time has come that no claim has let in, a store may say yes whatever the filter is.
    let is_delayed = |job: &Job| job.not_before.is_some() && !job.status.is_terminal();
    if !listed(unit, &everything)?.iter().any(is_delayed) {
        for filter in claim_filters() {
            say(&format!("something to claim, {filter:?}"), &unit.can_claim(&filter)?);
        }
    }
    say("leases", &unit.leases()?);
    say("to probe", &unit.jobs_to_probe(5)?);
    say("to cancel", &unit.jobs_to_cancel(5)?);
    let mut page = Page::first(2)?;
    loop {
        let held = unit.held_jobs(page.clone())?;
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
    say("forgotten up to", &unit.newest_forgotten()?);
    for key in unit.tag_keys()? {
        say("key", &key);
        say("values", &unit.tag_values(&key.word, "", u32::MAX)?);
        say("few values", &unit.tag_values(&key.word, "a", 1)?);
    }
    for filter in filters() {
        let ids: Vec<i64> = listed(unit, &filter)?.iter().map(|job| job.id.get()).collect();
        say(&format!("{filter:?}"), &ids);
        say("as many", &unit.count_jobs(&filter)?);
    }
    for key in SortKey::ALL {
        for order in [Order::ascending(*key), Order::descending(*key)] {
            say(&format!("back and forth, {order}"), &back_and_forth(unit, order)?);
        }
    }
    let mut after = EventSequence::START;
    loop {
        let events = unit.events_after(after, 5)?;
        let Some(last) = events.last() else { break };
        after = last.sequence;
        say("events", &alike(events));
    }
    Ok(lines)
}

/// Events as every backend tells them: where a job moved to is called otherwise by each.
fn alike(mut events: Vec<Event>) -> Vec<Event> {
    for event in &mut events {
        if let Some(into) = event.detail.get_mut("into") {
            *into = "the second store".into();
        }
    }
    events
}

/// All jobs that a filter admits, in pages that are small enough to have borders.
fn listed(unit: &impl ReadUnit, filter: &JobFilter) -> Result<Vec<Job>> {
    let mut page = Page::first(3)?;
    let mut jobs = Vec::new();
    loop {
        let found = unit.jobs(filter, page.clone())?;
        jobs.extend(found.jobs);
        match found.next {
            Some(next) => page = page.after(next),
            None => return Ok(jobs),
        }
    }
}

/// The pages of a list to its end, and from there to its beginning.
fn back_and_forth(unit: &impl ReadUnit, order: Order) -> Result<Vec<Vec<i64>>> {
    let filter = JobFilter { archived: Archived::Include, ..JobFilter::all() };
    let start = Page::first(3)?.ordered(order);
    let (mut pages, mut page, mut returning) = (Vec::new(), start.clone(), false);
    loop {
        let found = unit.jobs(&filter, page)?;
        pages.push(found.jobs.iter().map(|job| job.id.get()).collect());
        returning |= found.next.is_none();
        page = match (returning, found.next, found.previous) {
            (false, Some(next), _) => start.clone().after(next),
            (true, _, Some(previous)) => start.clone().before(previous),
            _ => return Ok(pages),
        };
    }
}

fn filters() -> Vec<JobFilter> {
    let all = JobFilter::all;
    let energy = |value| Energy::new(value, EnergyUnit::ElectronVolt).ok();
    let from = |least, most| JobFilter { energy: Some(EnergyRange { least, most }), ..all() };
    let early =
        TimeRange { from: None, until: Some(BEGINNING + std::time::Duration::from_micros(4)) };
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
        JobFilter { queued: early, ..all() },
        JobFilter { started: early, archived: Archived::Include, ..all() },
        JobFilter { finished: early, ..all() },
        all().tag("by", "ada"),
        all().tag("by", "ada").tag("for", "a%_b").code(Code::Crystal),
        all().text("MGO"),
        all().text("g"),
        all().text("%_b").status(JobStatus::Pending),
        JobFilter { archived: Archived::Include, ..all().text("/s/000") },
    ]);
    filters.extend(conditions().into_iter().map(|condition| all().document(condition)));
    filters
}

fn claim_filters() -> [ClaimFilter; 5] {
    let all = ClaimFilter::all;
    [
        all(),
        all().runner(Runner::Local),
        all().cluster(ClusterId::new(1)),
        all().code(Code::Vasp),
        all().workflow("surfaces"),
    ]
}

fn conditions() -> Vec<DocumentCondition> {
    let made = [
        ("$.gap", Comparison::AtLeast(7.8.into())),
        ("$.bands[0][1]", Comparison::Below(0.0.into())),
        ("$", Comparison::Equal(7.0.into())),
        ("$.bands", Comparison::Exists),
    ]
    .map(|(path, comparison)| DocumentCondition::new(path, comparison));
    made.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_method_that_reads_is_called() {
        let calls = include_str!("dump.rs");
        for source in [
            include_str!("../../../crates/store-core/src/repo/claims.rs"),
            include_str!("../../../crates/store-core/src/repo/clusters.rs"),
            include_str!("../../../crates/store-core/src/repo/dependencies.rs"),
            include_str!("../../../crates/store-core/src/repo/events.rs"),
            include_str!("../../../crates/store-core/src/repo/jobs.rs"),
            include_str!("../../../crates/store-core/src/repo/remote_jobs.rs"),
            include_str!("../../../crates/store-core/src/repo/results.rs"),
            include_str!("../../../crates/store-core/src/repo/workflows.rs"),
            include_str!("../../../crates/store-core/src/repo/tags.rs"),
        ] {
            let (_, reading) = source.split_once("Read {").expect("a trait that reads");
            let (declared, _) = reading.split_once("\n}\n").expect("the trait's end");
            let names: Vec<&str> = declared
                .lines()
                .filter_map(|line| line.strip_prefix("    fn ")?.split(['(', '<']).next())
                .collect();
            assert!(!names.is_empty());
            for name in names {
                assert!(calls.contains(&format!("unit.{name}(")), "{name} is not called");
            }
        }
    }
}
