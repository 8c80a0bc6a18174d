//! Every query that reads is served by an index, and by the one that it is meant to be.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;

use rusqlite::Connection;
use store_core::{
    Archived, ClusterId, Code, Cursor, Energy, EnergyRange, EnergyUnit, JobFilter, JobId,
    JobStatus, Page, TimeRange, Timestamp,
};

use super::{
    claims, clusters, creation, dependencies, events, held, inputs, jobs, lanes, leases, lists,
    remote_jobs, results, workflows,
};
use crate::create::fresh_in_memory;

type Outcome = Result<(), Box<dyn Error>>;

fn schema() -> Result<Connection, Box<dyn Error>> {
    let connection = fresh_in_memory()?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    schema::apply(&connection, &schema::migrations::embedded())?;
    connection.execute_batch("COMMIT")?;
    Ok(connection)
}

/// The named queries, with the lists that filters make.
fn queries() -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let mut queries: BTreeMap<String, String> = [
        ("job by id", jobs::BY_ID),
        ("job by uuid", jobs::BY_UUID),
        ("job by work_dir", jobs::BY_WORK_DIR),
        ("job by idempotency key", jobs::BY_IDEMPOTENCY_KEY),
        ("counts by status", jobs::COUNTS),
        ("statuses", jobs::STATUSES),
        ("input hash", inputs::HASH),
        ("input files", inputs::FILES),
        ("job exists", inputs::EXISTS),
        ("directory is taken", creation::DIR_IS_TAKEN),
        ("lane", creation::LANE),
        ("cluster is draining", creation::IS_DRAINING),
        ("next lane", lanes::HEAD),
        ("next lane of a workflow", lanes::HEAD_OF_WORKFLOW),
        ("best of a lane", lanes::BEST),
        ("best of a lane of a workflow", lanes::BEST_OF_WORKFLOW),
        ("come due", lanes::DUE),
        ("lease of a job", leases::OF),
        ("leases", leases::ALL),
        ("lapsed leases", leases::LAPSED),
        ("attempts of a job", leases::ATTEMPTS),
        ("attempt", leases::ATTEMPT),
        ("outcomes of a job", leases::OUTCOMES),
        ("jobs to probe", claims::TO_PROBE),
        ("jobs to cancel", claims::TO_CANCEL),
        ("load of a cluster", claims::LOAD),
        ("claims of a job", claims::CLAIMS),
        ("ids of the jobs of a cluster", clusters::JOB_IDS),
        ("jobs of a cluster", clusters::JOBS),
        ("submissions to a cluster", clusters::SUBMISSIONS),
        ("cluster by id", clusters::BY_ID),
        ("cluster by name", clusters::BY_NAME),
        ("clusters", clusters::ALL),
        ("remote job by id", remote_jobs::BY_ID),
        ("remote jobs of a job", remote_jobs::BY_JOB),
        ("newest remote job", remote_jobs::NEWEST),
        ("active remote jobs", remote_jobs::ACTIVE),
        ("remote job by handle", remote_jobs::BY_HANDLE),
        ("dependencies of a job", dependencies::OF),
        ("dependents of a job", dependencies::ON),
        ("dependency", dependencies::EDGE),
        ("readiness", dependencies::PARENTS),
        ("what a job waits for", dependencies::WAITED_FOR),
        ("has dependents", dependencies::HAS_DEPENDENTS),
        ("results of a job", results::OF),
        ("newest result", results::NEWEST),
        ("result of an attempt", results::OF_ATTEMPT),
        ("held jobs", held::HELD),
        ("held jobs, deep", held::HELD_AFTER),
        ("children that ask to be cancelled", held::ASKING_CHILDREN),
        ("status", creation::STATUS),
        ("workflow exists", workflows::EXISTS),
        ("jobs of a workflow", workflows::JOBS),
        ("edges of a workflow", workflows::EDGES),
        ("followers of a workflow", workflows::FOLLOWERS),
        ("history", events::OF),
        ("events after", events::AFTER),
    ]
    .map(|(name, sql)| (name.to_owned(), sql.to_owned()))
    .into();

    let all = JobFilter::all;
    let range = EnergyRange { least: Some(Energy::new(-1.0, EnergyUnit::Hartree)?), most: None };
    let since = TimeRange { from: Some(Timestamp::from_micros(1)), until: None };
    let everything = JobFilter {
        statuses: vec![JobStatus::Failed],
        codes: vec![Code::Vasp],
        runner: Some(store_core::Runner::Slurm),
        cluster: Some(ClusterId::new(1)),
        workflow: Some("oxides".to_owned()),
        created: since,
        energy: Some(range),
        archived: Archived::Only,
    };
    let first = Page::first(50)?;
    let deep = first.after(Cursor { created_at: Timestamp::from_micros(9), id: JobId::new(9) });
    for (name, filter, page) in [
        ("list", all(), first),
        ("list, deep", all(), deep),
        ("list by status, deep", all().status(JobStatus::Queued), deep),
        ("list by code, deep", all().code(Code::Vasp), deep),
        ("list by workflow, deep", all().workflow("oxides"), deep),
        ("list by cluster, deep", all().cluster(ClusterId::new(1)), deep),
        ("list by time, deep", JobFilter { created: since, ..all() }, deep),
        ("list by energy", JobFilter { energy: Some(range), ..all() }, first),
        ("list by everything", everything, deep),
    ] {
        for (number, walk) in lists::walks(&filter, page).into_iter().enumerate() {
            queries.insert(format!("{name} ({number})"), walk.sql);
        }
    }
    Ok(queries)
}

fn plan(connection: &Connection, sql: &str) -> rusqlite::Result<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let rows = statement.query_map(
        rusqlite::params_from_iter(vec![rusqlite::types::Null; statement_parameters(sql)]),
        |row| row.get::<_, String>(3),
    )?;
    Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?.join("; "))
}

/// How many parameters a query takes: each `?`, or the largest `?N`.
fn statement_parameters(sql: &str) -> usize {
    let numbered = (1..=9).rev().find(|number| sql.contains(&format!("?{number}")));
    numbered.unwrap_or_else(|| sql.matches('?').count())
}

fn plans(connection: &Connection) -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let mut plans = BTreeMap::new();
    for (name, sql) in queries()? {
        plans.insert(name, plan(connection, &sql)?);
    }
    Ok(plans)
}

/// The plans that read or sort more than they answer.
fn wasteful(plans: &BTreeMap<String, String>) -> Vec<&str> {
    let wasteful = |plan: &str| {
        let scans = plan.split("; ").any(|step| {
            // The wanted ids, the few clusters and the few leases are read whole.
            let whole = ["wanted", "clusters", "job_leases"];
            step.starts_with("SCAN ") && !whole.iter().any(|table| step.contains(table))
        });
        scans || plan.contains("TEMP B-TREE")
    };
    plans.iter().filter(|(_, plan)| wasteful(plan)).map(|(name, _)| name.as_str()).collect()
}

#[test]
fn every_query_has_its_index() -> Outcome {
    let plans = plans(&schema()?)?;
    let mut text = String::new();
    for (name, plan) in &plans {
        writeln!(text, "{name}: {plan}")?;
    }
    insta::assert_snapshot!(text);
    // A range of energies is in the order of energies, and what is active is few: they are sorted.
    let sorted = ["active remote jobs", "list by energy (0)", "list by everything (0)"];
    assert_eq!(wasteful(&plans), sorted);
    Ok(())
}

#[test]
fn a_query_without_its_index_is_noticed() -> Outcome {
    let connection = schema()?;
    let unpinned = "SELECT id FROM jobs WHERE runner = ?1 ORDER BY name";
    let plans = BTreeMap::from([("planted".to_owned(), plan(&connection, unpinned)?)]);
    assert_eq!(wasteful(&plans), ["planted"]);
    connection.execute_batch("DROP INDEX jobs_by_status")?;
    assert!(plan(&connection, &queries()?["list by status, deep (0)"]).is_err());
    Ok(())
}

#[test]
fn statistics_of_a_lopsided_store_change_no_plan() -> Outcome {
    let connection = schema()?;
    let before = plans(&connection)?;
    connection.execute_batch(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
         INSERT INTO jobs (uuid, name, work_dir, status, code, runner, workflow, created_at,
                           finished_at, updated_at)
         SELECT randomblob(16), 'job', '/job/' || i, 'COMPLETED', 'vasp', 'local', 'one', i / 1000, i, i
         FROM n;
         ANALYZE",
    )?;
    let after = plans(&connection)?;
    let differ = |(name, plan): &(&String, &String)| before.get(*name) != Some(plan);
    assert_eq!(after.iter().filter(differ).collect::<Vec<_>>(), []);
    assert_eq!(after.len(), before.len());
    Ok(())
}
