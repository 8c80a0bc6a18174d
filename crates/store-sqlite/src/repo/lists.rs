//! Lists of jobs: a filter becomes queries that each walk one index in the order of the list.
//!
//! An index serves a list when it holds the filter's value first and the time of creation next. A
//! filter with several values (statuses, codes) becomes one walk for each of them; the walks are
//! merged. So a page costs what it shows, however many jobs there are.

use rusqlite::types::Value;
use store_core::{Archived, Cursor, Energy, Job, JobFilter, JobPage, JobStatus, Page, Result};

use super::jobs::{columns, decode};
use crate::unit::{Mode, Unit};

impl<M: Mode> Unit<'_, M> {
    pub(super) fn page_of_jobs(&self, filter: &JobFilter, page: Page) -> Result<JobPage> {
        let mut jobs: Vec<Job> = Vec::new();
        for walk in walks(filter, page) {
            let parameters = rusqlite::params_from_iter(walk.parameters);
            jobs.extend(self.list(&walk.sql, parameters, decode)?);
        }
        jobs.sort_unstable_by_key(|job| std::cmp::Reverse((job.created_at, job.id)));
        Ok(JobPage::from_jobs(jobs, page))
    }
}

/// One query, which walks one index.
#[derive(Debug, Clone, Default)]
pub(super) struct Walk {
    pub(super) sql: String,
    pub(super) parameters: Vec<Value>,
}

impl Walk {
    /// Takes in a condition; each `?` in it is the next of `values`.
    fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        let joined = if self.parameters.is_empty() && !self.sql.contains(" WHERE ") {
            "WHERE"
        } else {
            "AND"
        };
        self.sql.push_str(&format!(" {joined} {condition}"));
        self.parameters.extend(values);
    }

    fn and_one_of(&mut self, column: &str, words: impl ExactSizeIterator<Item = Value>) {
        let places = vec!["?"; words.len()].join(", ");
        self.and(&format!("{column} IN ({places})"), words);
    }
}

/// What the index of a walk is entered by.
enum Entry<'f> {
    Energy(Value, Value),
    Workflow(&'f str),
    Cluster(i64),
    Status(bool, JobStatus),
    Code(bool, &'f str),
    Created(bool),
}

/// The queries of a list. The narrowest value that the filter names chooses the index.
pub(super) fn walks(filter: &JobFilter, page: Page) -> Vec<Walk> {
    let halves: &[bool] = match filter.archived {
        Archived::Exclude => &[false],
        Archived::Only => &[true],
        Archived::Include => &[false, true],
    };
    let entries: Vec<Entry<'_>> = if let Some(range) = &filter.energy {
        let bound = |energy: Option<Energy>, open: f64| {
            Value::Real(energy.map_or(open, Energy::electron_volts))
        };
        vec![Entry::Energy(bound(range.least, f64::MIN), bound(range.most, f64::MAX))]
    } else if let Some(workflow) = &filter.workflow {
        vec![Entry::Workflow(workflow)]
    } else if let Some(cluster) = filter.cluster {
        vec![Entry::Cluster(cluster.get())]
    } else if !filter.statuses.is_empty() {
        let mut statuses = filter.statuses.clone();
        statuses.sort_unstable();
        statuses.dedup();
        each(halves, &statuses, |half, status| Entry::Status(half, *status))
    } else if !filter.codes.is_empty() {
        let mut codes: Vec<&str> = filter.codes.iter().map(store_core::Code::as_str).collect();
        codes.sort_unstable();
        codes.dedup();
        each(halves, &codes, |half, code| Entry::Code(half, code))
    } else {
        halves.iter().map(|half| Entry::Created(*half)).collect()
    };
    let places = |entry: &Entry<'_>| match (page.cursor(), entry) {
        (None, _) => vec![Place::Beginning],
        (Some(cursor), Entry::Energy(..)) => vec![Place::After(cursor)],
        // Each of the two is one range of the index; together with an OR they would not be.
        (Some(cursor), _) => vec![Place::Tied(cursor), Place::Before(cursor)],
    };
    let each_place =
        |entry| places(entry).into_iter().map(move |place| walk(filter, page, entry, place));
    entries.iter().flat_map(each_place).collect()
}

/// Where a walk begins.
#[derive(Clone, Copy)]
enum Place {
    /// At the newest job.
    Beginning,
    /// After the cursor.
    After(Cursor),
    /// After the cursor, among the jobs that were created at the same moment.
    Tied(Cursor),
    /// At the jobs that were created before.
    Before(Cursor),
}

fn each<'f, T>(
    halves: &[bool],
    values: &[T],
    entry: impl Fn(bool, &T) -> Entry<'f>,
) -> Vec<Entry<'f>> {
    halves
        .iter()
        .flat_map(|half| values.iter().map(|value| entry(*half, value)).collect::<Vec<_>>())
        .collect()
}

fn walk(filter: &JobFilter, page: Page, entry: &Entry<'_>, place: Place) -> Walk {
    let text = |word: &str| Value::Text(word.to_owned());
    let half = |archived: bool| Value::Integer(i64::from(archived));
    let from =
        |index: &str| format!(concat!("SELECT ", columns!(), " FROM jobs INDEXED BY {}"), index);
    let mut walk = Walk::default();
    match entry {
        Entry::Energy(least, most) => {
            walk.sql = concat!(
                "SELECT ",
                columns!(),
                " FROM job_results INDEXED BY job_results_by_energy CROSS JOIN jobs NOT INDEXED \
                 ON jobs.id = job_results.job_id AND jobs.attempt = job_results.attempt"
            )
            .to_owned();
            walk.and("job_results.energy_ev BETWEEN ? AND ?", [least.clone(), most.clone()]);
        }
        Entry::Workflow(workflow) => {
            walk.sql = from("jobs_by_workflow");
            walk.and("jobs.workflow = ?", [text(workflow)]);
        }
        Entry::Cluster(cluster) => {
            walk.sql = from("jobs_by_cluster");
            walk.and("jobs.cluster_id = ?", [Value::Integer(*cluster)]);
        }
        Entry::Status(archived, status) => {
            walk.sql = from("jobs_by_status");
            walk.and(
                "jobs.archived = ? AND jobs.status = ?",
                [half(*archived), text(status.as_str())],
            );
        }
        Entry::Code(archived, code) => {
            walk.sql = from("jobs_by_code");
            walk.and("jobs.archived = ? AND jobs.code = ?", [half(*archived), text(code)]);
        }
        Entry::Created(archived) => {
            walk.sql = from("jobs_by_created");
            walk.and("jobs.archived = ?", [half(*archived)]);
        }
    }
    narrow(&mut walk, filter, entry);
    let moment = |cursor: Cursor| Value::Integer(cursor.created_at.as_micros());
    let id = |cursor: Cursor| Value::Integer(cursor.id.get());
    match place {
        Place::Beginning => {}
        Place::After(cursor) => {
            walk.and("(jobs.created_at, jobs.id) < (?, ?)", [moment(cursor), id(cursor)]);
        }
        Place::Tied(cursor) => {
            walk.and("jobs.created_at = ? AND jobs.id < ?", [moment(cursor), id(cursor)]);
        }
        Place::Before(cursor) => walk.and("jobs.created_at < ?", [moment(cursor)]),
    }
    // One more than the page tells whether there is a next page.
    walk.sql.push_str(" ORDER BY jobs.created_at DESC, jobs.id DESC LIMIT ?");
    walk.parameters.push(Value::Integer(i64::from(page.limit()) + 1));
    walk
}

/// Everything of the filter that the entry does not say. Repeating what it says costs nothing.
fn narrow(walk: &mut Walk, filter: &JobFilter, entry: &Entry<'_>) {
    let text = |word: &str| Value::Text(word.to_owned());
    if !filter.statuses.is_empty() && !matches!(entry, Entry::Status(..)) {
        walk.and_one_of("jobs.status", filter.statuses.iter().map(|status| text(status.as_str())));
    }
    if !filter.codes.is_empty() && !matches!(entry, Entry::Code(..)) {
        walk.and_one_of("jobs.code", filter.codes.iter().map(|code| text(code.as_str())));
    }
    if let Some(runner) = filter.runner {
        walk.and("jobs.runner = ?", [text(runner.as_str())]);
    }
    if let (Some(workflow), Entry::Energy(..)) = (&filter.workflow, entry) {
        walk.and("jobs.workflow = ?", [text(workflow)]);
    }
    if let (Some(cluster), Entry::Energy(..) | Entry::Workflow(_)) = (filter.cluster, entry) {
        walk.and("jobs.cluster_id = ?", [Value::Integer(cluster.get())]);
    }
    if matches!(entry, Entry::Energy(..) | Entry::Workflow(_) | Entry::Cluster(_)) {
        match filter.archived {
            Archived::Include => {}
            Archived::Exclude => walk.and("jobs.archived = 0", []),
            Archived::Only => walk.and("jobs.archived = 1", []),
        }
    }
    if let Some(from) = filter.created.from {
        walk.and("jobs.created_at >= ?", [Value::Integer(from.as_micros())]);
    }
    if let Some(until) = filter.created.until {
        walk.and("jobs.created_at < ?", [Value::Integer(until.as_micros())]);
    }
}
