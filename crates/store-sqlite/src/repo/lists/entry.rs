//! Ways into the jobs: for each thing that a filter can name, the index that has it.

use rusqlite::types::Value;
use store_core::query::{Comparison, DocumentCondition, Operand};
use store_core::{
    Archived, Energy, EnergyRange, JobFilter, JobStatus, SortKey, TimeRange, Timestamp,
};

use super::texts;

/// What of a filter a choice is of, so that it need not be asked of each row; but for texts and documents,
/// of which an index does not have all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Order,
    Text,
    Document,
    Statuses,
    Codes,
    Runner,
    Cluster,
    Workflow,
    Tag,
    Energy,
    Queued,
    Started,
    Finished,
}

/// One range of one index.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The table with its index.
    pub(super) from: &'static str,
    /// How the jobs are found from there; empty where it is their own table.
    pub(super) join: &'static str,
    /// Which rows of the index.
    pub(super) condition: String,
    /// The values of the condition's places.
    pub(super) values: Vec<Value>,
    /// Which of them are the beginning and the end of a range of the key that the rows are sorted by.
    pub(super) range: [Option<usize>; 2],
    /// The columns of the index that the rows follow each other by, the key and the job's id.
    pub(super) sorted_by: [&'static str; 2],
    /// Whether jobs that were put away are told apart by the index.
    pub(super) knows_archived: bool,
}

/// Entries that together have each job once that the part of the filter admits.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) entries: Vec<Entry>,
    pub(super) part: Part,
    /// For [`Part::Tag`], which.
    pub(super) tag: Option<String>,
    /// The order in which each entry has its jobs; none where the jobs must be sorted.
    pub(super) order: Option<SortKey>,
}

const TO_JOBS_OF_RESULTS: &str = "CROSS JOIN jobs NOT INDEXED ON jobs.id = job_results.job_id AND jobs.attempt = job_results.attempt";
const TO_JOBS_OF_VALUES: &str = "CROSS JOIN jobs NOT INDEXED ON jobs.id = job_result_values.job_id \
                                 AND jobs.attempt = job_result_values.attempt";
const OWN_ORDER: [&str; 2] = ["jobs.created_at", "jobs.id"];

fn text(word: &str) -> Value {
    Value::Text(word.to_owned())
}

impl Entry {
    fn of_jobs(from: &'static str, condition: &str, values: Vec<Value>) -> Self {
        let knows_archived = condition.starts_with("jobs.archived = ?");
        let (join, condition) = ("", condition.to_owned());
        let (sorted_by, range) = (OWN_ORDER, [None; 2]);
        Self { from, join, condition, values, range, sorted_by, knows_archived }
    }
}

impl Choice {
    fn newest_first(entries: Vec<Entry>, part: Part) -> Self {
        Self { entries, part, tag: None, order: Some(SortKey::Created) }
    }

    /// The jobs that may have a text, of which the index is asked by an expression of FTS5, and the few
    /// that it has not taken in yet.
    pub(super) fn of_texts(expression: Value) -> Self {
        let indexed = Entry {
            from: "job_texts",
            join: "CROSS JOIN jobs NOT INDEXED ON jobs.id = job_texts.rowid",
            condition: "job_texts MATCH ?".to_owned(),
            values: vec![expression],
            range: [None; 2],
            sorted_by: OWN_ORDER,
            knows_archived: false,
        };
        let waiting = "jobs.id > (SELECT indexed_to FROM job_text_progress)";
        let waiting = Entry::of_jobs("jobs NOT INDEXED", waiting, vec![]);
        let (part, tag, order) = (Part::Text, None, None);
        Self { entries: vec![indexed, waiting], part, tag, order }
    }

    fn unordered(entry: Entry, part: Part) -> Self {
        Self { entries: vec![entry], part, tag: None, order: None }
    }
}

/// The values of `jobs.archived` that a filter admits.
fn halves(filter: &JobFilter) -> &'static [i64] {
    match filter.archived {
        Archived::Exclude => &[0],
        Archived::Only => &[1],
        Archived::Include => &[0, 1],
    }
}

/// The jobs in the order of a key, all that have a place in it.
pub(super) fn everything(filter: &JobFilter, key: SortKey) -> Choice {
    let (from, sorted_by) = match key {
        SortKey::Energy => return by_energy(filter.energy.unwrap_or_default()),
        SortKey::Queued => return by_time(&QUEUED, filter, filter.queued),
        SortKey::Started => return by_time(&STARTED, filter, filter.started),
        SortKey::Finished => return by_time(&FINISHED, filter, filter.finished),
        SortKey::Created => ("jobs INDEXED BY jobs_by_created", OWN_ORDER),
        SortKey::Priority => ("jobs INDEXED BY jobs_by_priority", ["jobs.priority", "jobs.id"]),
        SortKey::Name => ("jobs INDEXED BY jobs_by_name", ["jobs.name", "jobs.id"]),
    };
    let entry = |half: &i64| Entry {
        sorted_by,
        ..Entry::of_jobs(from, "jobs.archived = ?", vec![Value::Integer(*half)])
    };
    let entries = halves(filter).iter().map(entry).collect();
    Choice { entries, part: Part::Order, tag: None, order: Some(key) }
}

/// The jobs that have a time before that of their creation, as after a clock was set back.
pub(super) fn untimely() -> Choice {
    let condition = "(jobs.queued_at < jobs.created_at OR jobs.started_at < jobs.created_at \
                     OR jobs.finished_at < jobs.created_at)";
    let entry = Entry::of_jobs("jobs INDEXED BY jobs_untimely", condition, vec![]);
    Choice::newest_first(vec![entry], Part::Order)
}

/// The choices that a filter names, those first that are the narrowest as a rule.
pub(super) fn named(filter: &JobFilter) -> Vec<Choice> {
    let mut choices = Vec::new();
    choices.extend(filter.text.as_deref().and_then(texts::choice));
    choices.extend(filter.documents.iter().filter_map(of_document));
    for (key, value) in &filter.tags {
        let entry = Entry {
            from: "job_tags INDEXED BY job_tags_by_tag",
            join: "CROSS JOIN jobs NOT INDEXED ON jobs.id = job_tags.job_id",
            condition: "job_tags.key = ? AND job_tags.value = ?".to_owned(),
            values: vec![text(key), text(value)],
            range: [None; 2],
            sorted_by: ["job_tags.created_at", "job_tags.job_id"],
            knows_archived: false,
        };
        let tag = Some(key.clone());
        choices.push(Choice { tag, ..Choice::newest_first(vec![entry], Part::Tag) });
    }
    if let Some(workflow) = &filter.workflow {
        let from = "jobs INDEXED BY jobs_by_workflow";
        let entry = Entry::of_jobs(from, "jobs.workflow = ?", vec![text(workflow)]);
        choices.push(Choice::newest_first(vec![entry], Part::Workflow));
    }
    if let Some(cluster) = filter.cluster {
        let from = "jobs INDEXED BY jobs_by_cluster";
        let values = vec![Value::Integer(cluster.get())];
        let entry = Entry::of_jobs(from, "jobs.cluster_id = ?", values);
        choices.push(Choice::newest_first(vec![entry], Part::Cluster));
    }
    choices.extend(filter.energy.map(by_energy));
    for (time, range) in
        [(&FINISHED, filter.finished), (&STARTED, filter.started), (&QUEUED, filter.queued)]
    {
        if range != TimeRange::default() {
            choices.push(by_time(time, filter, range));
        }
    }
    let words = |from, column: &str, part, mut words: Vec<&str>| {
        words.sort_unstable();
        words.dedup();
        let condition = format!("jobs.archived = ? AND {column} = ?");
        let of_half = |half: &i64| -> Vec<Entry> {
            let values = |word: &&str| vec![Value::Integer(*half), text(word)];
            words.iter().map(|word| Entry::of_jobs(from, &condition, values(word))).collect()
        };
        Choice::newest_first(halves(filter).iter().flat_map(of_half).collect(), part)
    };
    if !filter.statuses.is_empty() {
        let found = filter.statuses.iter().map(|status| status.as_str()).collect();
        let from = "jobs INDEXED BY jobs_by_status";
        choices.push(words(from, "jobs.status", Part::Statuses, found));
    }
    if !filter.codes.is_empty() {
        let found = filter.codes.iter().map(store_core::Code::as_str).collect();
        choices.push(words("jobs INDEXED BY jobs_by_code", "jobs.code", Part::Codes, found));
    }
    if let Some(runner) = filter.runner {
        let from = "jobs INDEXED BY jobs_by_runner";
        choices.push(words(from, "jobs.runner", Part::Runner, vec![runner.as_str()]));
    }
    choices
}

/// A range of moments as a condition.
pub(super) fn within(column: &str, range: TimeRange) -> (String, Vec<Value>) {
    let mut conditions = Vec::new();
    let mut values = Vec::new();
    for (comparison, bound) in [(">=", range.from), ("<", range.until)] {
        if let Some(bound) = bound {
            conditions.push(format!("{column} {comparison} ?"));
            values.push(Value::Integer(bound.as_micros()));
        }
    }
    (conditions.join(" AND "), values)
}

/// The statuses of jobs that have ended which a filter admits.
fn ended_statuses(filter: &JobFilter) -> impl Iterator<Item = &'static str> {
    let admitted = |status: &&JobStatus| {
        status.is_terminal() && (filter.statuses.is_empty() || filter.statuses.contains(status))
    };
    JobStatus::ALL.iter().filter(admitted).map(|status| status.as_str())
}

/// A time that only some jobs have, and its index.
struct PartialTime {
    key: SortKey,
    part: Part,
    from: &'static str,
    sorted_by: [&'static str; 2],
}

const QUEUED: PartialTime = PartialTime {
    key: SortKey::Queued,
    part: Part::Queued,
    from: "jobs INDEXED BY jobs_by_queued",
    sorted_by: ["jobs.queued_at", "jobs.id"],
};
const STARTED: PartialTime = PartialTime {
    key: SortKey::Started,
    part: Part::Started,
    from: "jobs INDEXED BY jobs_by_started",
    sorted_by: ["jobs.started_at", "jobs.id"],
};
const FINISHED: PartialTime = PartialTime {
    key: SortKey::Finished,
    part: Part::Finished,
    from: "jobs INDEXED BY jobs_by_finished",
    sorted_by: ["jobs.finished_at", "jobs.id"],
};

fn by_time(time: &PartialTime, filter: &JobFilter, range: TimeRange) -> Choice {
    // There is a beginning whatever the range is: the index has no job without the time.
    let from = Some(range.from.unwrap_or(Timestamp::from_micros(i64::MIN)));
    let (within, ends) = within(time.sorted_by[0], TimeRange { from, ..range });
    let halves = halves(filter).iter().map(|half| vec![Value::Integer(*half)]);
    // The index of ends has the statuses before the time.
    let (first, groups): (_, Vec<Vec<Value>>) = match time.key {
        SortKey::Finished => {
            let of_half = |half: Vec<Value>| {
                let with = move |status: &str| [half.clone(), vec![text(status)]].concat();
                ended_statuses(filter).map(with)
            };
            ("jobs.archived = ? AND jobs.status = ?", halves.flat_map(of_half).collect())
        }
        _ => ("jobs.archived = ?", halves.collect()),
    };
    let condition = format!("{first} AND {within}");
    let entry = |group: Vec<Value>| {
        let range = [Some(group.len()), range.until.map(|_| group.len() + 1)];
        let values = [group, ends.clone()].concat();
        Entry { sorted_by: time.sorted_by, range, ..Entry::of_jobs(time.from, &condition, values) }
    };
    let entries = groups.into_iter().map(entry).collect();
    Choice { entries, part: time.part, tag: None, order: Some(time.key) }
}

fn by_energy(range: EnergyRange) -> Choice {
    let bound = |energy: Option<Energy>, open: f64| {
        Value::Real(energy.map_or(open, Energy::electron_volts))
    };
    let entry = Entry {
        from: "job_results INDEXED BY job_results_by_energy",
        join: TO_JOBS_OF_RESULTS,
        condition: "job_results.energy_ev BETWEEN ? AND ?".to_owned(),
        values: vec![bound(range.least, f64::MIN), bound(range.most, f64::MAX)],
        range: [Some(0), Some(1)],
        sorted_by: ["job_results.energy_ev", "job_results.job_id"],
        knows_archived: false,
    };
    let part = Part::Energy;
    Choice { entries: vec![entry], part, tag: None, order: Some(SortKey::Energy) }
}

/// The results that may meet a condition: the index has the beginnings of texts alone, and equal ones
/// are let in whatever the comparison, so each document is looked at as well.
fn of_document(condition: &DocumentCondition) -> Option<Choice> {
    let path = condition.path();
    let path_text = path.to_string();
    if path.steps().is_empty() || path_text.contains('[') {
        return None;
    }
    let mut values = vec![text(&path_text)];
    let range = match condition.comparison().operand() {
        None => "",
        Some(operand) => {
            let (value, least, most) = match operand {
                Operand::Number(number) => (Value::Real(*number), Value::Real(f64::MIN), text("")),
                Operand::Text(word) => (text(word), text(""), Value::Blob(Vec::new())),
            };
            match condition.comparison() {
                Comparison::Below(_) | Comparison::AtMost(_) => values.extend([least, value]),
                Comparison::Above(_) | Comparison::AtLeast(_) => values.extend([value, most]),
                Comparison::Exists | Comparison::Equal(_) => values.extend([value.clone(), value]),
            }
            " AND job_result_values.value BETWEEN ? AND ?"
        }
    };
    let entry = Entry {
        from: "job_result_values INDEXED BY job_result_values_by_value",
        join: TO_JOBS_OF_VALUES,
        condition: format!("job_result_values.path = ?{range}"),
        values,
        range: [None; 2],
        sorted_by: OWN_ORDER,
        knows_archived: false,
    };
    Some(Choice::unordered(entry, Part::Document))
}
