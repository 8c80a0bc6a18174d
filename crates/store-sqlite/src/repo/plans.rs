//! Every query that reads is served by an index, and by the one that it is meant to be.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;

use rusqlite::{Connection, StatementStatus};
use store_core::{
    Archived, ClusterId, Code, Comparison, Cursor, DocumentCondition, Energy, EnergyRange,
    EnergyUnit, JobFilter, JobId, JobStatus, Order, Page, Runner, SortKey, SortValue, TimeRange,
    Timestamp,
};

use super::{
    claims, clusters, contacts, creation, dependencies, events, held, inputs, jobs, lanes, leases,
    lists, remote_jobs, results, reuse, steps, tags, workflows,
};
use crate::create::migrated_in_memory;
use crate::maintenance::retention::{components, copies, removal};

type Outcome = Result<(), Box<dyn Error>>;

fn schema() -> Result<Connection, Box<dyn Error>> {
    Ok(migrated_in_memory(&schema::migrations::embedded())?)
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
        ("completed with an input", reuse::COMPLETED),
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
        ("lane by id", lanes::LANE),
        ("job that can be claimed", lanes::JOB),
        ("come due", lanes::DUE),
        ("job with its lease", leases::LEASED),
        ("jobs with their leases", leases::LEASED_AMONG),
        ("leases", leases::ALL),
        ("lapsed leases", leases::LAPSED),
        ("leases of several jobs that go", leases::DELETE_SEVERAL),
        ("attempts of a job", leases::ATTEMPTS),
        ("attempt", leases::ATTEMPT),
        ("outcomes of a job", leases::OUTCOMES),
        ("jobs to probe", claims::TO_PROBE),
        ("jobs to cancel", claims::TO_CANCEL),
        ("load of a cluster", claims::LOAD),
        ("claims of a job", claims::CLAIMS),
        ("start of a job", steps::START.one),
        ("start of several jobs", steps::START.several),
        ("begin of a job", steps::BEGIN.one),
        ("begin of several jobs", steps::BEGIN.several),
        ("request to several jobs to end", steps::ASK_TO_END.several),
        ("end of a job", steps::END.one),
        ("end of several jobs", steps::END.several),
        ("change of a job", steps::CHANGE.one),
        ("change of several jobs", steps::CHANGE.several),
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
        ("active remote job of an attempt", remote_jobs::ACTIVE_OF_ATTEMPT),
        ("active remote job by handle", remote_jobs::BY_ACTIVE_HANDLE),
        ("newest remote job by handle", remote_jobs::NEWEST_BY_HANDLE),
        ("remote job by handle and time", remote_jobs::BY_HANDLE_AND_TIME),
        ("remote job by token", remote_jobs::BY_TOKEN),
        ("pending intents", remote_jobs::INTENTS),
        ("pending intents of a cluster", remote_jobs::INTENTS_OF_CLUSTER),
        ("submissions to cancel", remote_jobs::TO_CANCEL),
        ("contact with a cluster", contacts::OF),
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
        ("what became of a job", events::DEPARTURE),
        ("history of a cluster", events::OF_CLUSTER),
        ("newest event of a cluster that names a field", events::NEWEST_THAT_NAMES),
        ("events after", events::AFTER),
        ("newest event", events::NEWEST),
        ("newest event that is forgotten", events::NEWEST_FORGOTTEN),
        ("ended jobs", components::ENDED),
        ("state of a job", components::STATE),
        ("connected jobs", components::CONNECTED),
        ("jobs that left long ago", removal::DEPARTED),
        ("jobs that left long ago, counted", removal::COUNT_DEPARTED),
        ("numbers of events that are taken", copies::TAKEN),
        ("tags of a job", tags::OF),
        ("keys of tags", tags::KEYS),
        ("values of a key", tags::VALUES),
        ("kept counts", lists::COUNTS),
    ]
    .map(|(name, sql)| (name.to_owned(), sql.to_owned()))
    .into();

    let all = JobFilter::all;
    let range = EnergyRange { least: Some(Energy::new(-1.0, EnergyUnit::Hartree)?), most: None };
    let since = TimeRange { from: Some(Timestamp::from_micros(1)), until: None };
    let before = TimeRange { from: None, until: Some(Timestamp::from_micros(7)) };
    let document = |comparison| DocumentCondition::new("$.cell.group", comparison);
    let everything = JobFilter {
        statuses: vec![JobStatus::Failed],
        codes: vec![Code::Vasp],
        runner: Some(Runner::Slurm),
        cluster: Some(ClusterId::new(1)),
        workflow: Some("oxides".to_owned()),
        created: since,
        queued: since,
        started: since,
        finished: since,
        energy: Some(range),
        archived: Archived::Only,
        ..all().tag("a", "b").text("mgo").document(document(Comparison::Exists)?)
    };
    let filters = [
        ("all", all()),
        ("status", all().status(JobStatus::Queued)),
        ("code", all().code(Code::Vasp)),
        ("runner", JobFilter { runner: Some(Runner::Slurm), ..all() }),
        ("workflow", all().workflow("oxides")),
        ("cluster", all().cluster(ClusterId::new(1))),
        ("tag", all().tag("a", "b")),
        ("created", JobFilter { created: since, ..all() }),
        ("queued", JobFilter { queued: since, ..all() }),
        ("started", JobFilter { started: since, ..all() }),
        ("finished", JobFilter { finished: since, ..all() }),
        ("finished before", JobFilter { finished: before, ..all() }),
        ("tag and finished before", JobFilter { finished: before, ..all() }.tag("a", "b")),
        ("energy", JobFilter { energy: Some(range), ..all() }),
        ("document", all().document(document(Comparison::AtLeast("F".into()))?)),
        ("text", all().text("mgo")),
        ("text of two letters", all().text("mg")),
        ("everything", everything),
    ];
    let first = Page::first(50)?;
    for (name, filter) in &filters {
        for (suffix, sql) in lists::queries(filter, &deep(Order::NEWEST)?) {
            queries.insert(format!("list by {name}, deep: {suffix}"), sql);
        }
    }
    let few = [("all", &filters[0].1), ("status", &filters[1].1), ("energy", &filters[13].1)];
    for (name, filter) in few {
        for key in SortKey::ALL {
            let order = Order::ascending(*key);
            for (suffix, sql) in lists::queries(filter, &deep(order)?) {
                queries.insert(format!("list by {name} in the order {order}, deep: {suffix}"), sql);
            }
        }
    }
    for (suffix, sql) in lists::queries(&all(), &first) {
        queries.insert(format!("list: {suffix}"), sql);
    }
    Ok(queries)
}

/// A page far into a list.
fn deep(order: Order) -> Result<Page, Box<dyn Error>> {
    let value = match order.key {
        SortKey::Created => SortValue::Created(Timestamp::from_micros(9)),
        SortKey::Queued => SortValue::Queued(Timestamp::from_micros(9)),
        SortKey::Started => SortValue::Started(Timestamp::from_micros(9)),
        SortKey::Finished => SortValue::Finished(Timestamp::from_micros(9)),
        SortKey::Priority => SortValue::Priority(9),
        SortKey::Energy => SortValue::Energy(-9.0),
        SortKey::Name => SortValue::Name("MgO".to_owned()),
    };
    let cursor = Cursor { descending: order.descending, value, id: JobId::new(9) };
    Ok(Page::first(50)?.ordered(order).after(cursor))
}

fn plan(connection: &Connection, sql: &str) -> rusqlite::Result<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let nothing = vec![rusqlite::types::Null; statement.parameter_count()];
    let rows =
        statement.query_map(rusqlite::params_from_iter(nothing), |row| row.get::<_, String>(3))?;
    Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?.join("; "))
}

fn plans(connection: &Connection) -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let mut plans = BTreeMap::new();
    for (name, sql) in queries()? {
        plans.insert(name, plan(connection, &sql)?);
    }
    Ok(plans)
}

/// Of these every row is wanted, or there is one; the text index is entered by what is looked for, and a
/// subquery was counted when it was made.
const READ_WHOLE: [&str; 11] = [
    "wanted",
    "clusters",
    "job_counts",
    "leases",
    "job_queue_held",
    "remote_jobs_by_intent",
    "tag_keys",
    "job_text_progress",
    "job_texts VIRTUAL TABLE INDEX 0:M2",
    "(subquery-",
    "CONSTANT ROW",
];

/// The plans that read or sort more than they answer.
fn wasteful(plans: &BTreeMap<String, String>) -> Vec<&str> {
    let wasteful = |plan: &str| {
        let scans = plan.split("; ").any(|step| {
            step.starts_with("SCAN ") && !READ_WHOLE.iter().any(|few| step.contains(few))
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
    // What is active is few, and so are the jobs of an index that are sorted into another order: they were
    // counted before.
    let few = |name: &&String| {
        name.contains(": sort ")
            || ["active remote jobs", "submissions to cancel"].contains(&name.as_str())
    };
    let sorted: Vec<&str> = plans.keys().filter(few).map(String::as_str).collect();
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
    assert!(plan(&connection, &queries()?["list by status, deep: walk Statuses 0"]).is_err());
    Ok(())
}

/// Whether SQLite plans a statement again when it is run with other values.
fn is_planned_again(connection: &Connection, sql: &str) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare(sql)?;
    for value in [1_i64, 2] {
        for place in 1..=statement.parameter_count() {
            statement.raw_bind_parameter(place, value)?;
        }
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
    }
    Ok(statement.get_status(StatementStatus::RePrepare) > 0)
}

/// SQLite looks into a parameter that stands alone behind LIMIT, or that a partial index could be chosen
/// by, and then plans anew for each value: dearer than to run most queries. `LIMIT ?1 + 0` is not looked into.
#[test]
fn no_query_is_planned_again_for_other_values() -> Outcome {
    let connection = schema()?;
    let mut again = Vec::new();
    for (name, sql) in queries()? {
        if is_planned_again(&connection, &sql)? {
            again.push(name);
        }
    }
    assert_eq!(again, Vec::<String>::new());
    assert!(
        is_planned_again(&connection, "SELECT id FROM jobs ORDER BY id LIMIT ?1")?,
        "a control"
    );
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
    let assert_same = || -> Outcome {
        let after = plans(&connection)?;
        let differ = |(name, plan): &(&String, &String)| before.get(*name) != Some(plan);
        assert_eq!(after.iter().filter(differ).collect::<Vec<_>>(), []);
        assert_eq!(after.len(), before.len());
        Ok(())
    };
    assert_same()?;
    // A migration that makes a table anew leaves the others' statistics behind.
    connection
        .execute_batch("DELETE FROM sqlite_stat1 WHERE tbl = 'jobs'; ANALYZE sqlite_schema")?;
    assert_same()
}
