//! Queries that each read one range of one index.

use rusqlite::types::Value;
use store_core::query::{Comparison, DocumentCondition, Operand};
use store_core::{Archived, Energy, JobFilter, Page, SortKey, SortValue, TimeRange, Timestamp};

use super::super::jobs::columns;
use super::entry::{Choice, Entry, Part, untimely, within};

/// One query.
#[derive(Debug, Clone, Default)]
pub(in crate::repo) struct Walk {
    pub(in crate::repo) sql: String,
    pub(in crate::repo) parameters: Vec<Value>,
    has_condition: bool,
}

impl Walk {
    pub(super) fn begin(sql: String) -> Self {
        Self { sql, ..Self::default() }
    }

    /// Takes in a condition; each `?` in it is the next of `values`.
    fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        if condition.is_empty() {
            return;
        }
        self.sql.push_str(if self.has_condition { " AND " } else { " WHERE " });
        self.sql.push_str(condition);
        self.has_condition = true;
        self.parameters.extend(values);
    }

    fn and_one_of(&mut self, column: &str, words: impl ExactSizeIterator<Item = Value>) {
        let places = vec!["?"; words.len()].join(", ");
        self.and(&format!("{column} IN ({places})"), words);
    }

    pub(super) fn limit(&mut self, rows: u32) {
        self.sql.push_str(" LIMIT ? + 0");
        self.parameters.push(Value::Integer(i64::from(rows)));
    }
}

/// The energy of a job that the rows of a list come from, where that is not an index of energies.
const ENERGY: &str = "CROSS JOIN job_results INDEXED BY sqlite_autoindex_job_results_1 \
                      ON job_results.job_id = jobs.id AND job_results.attempt = jobs.attempt";

/// The queries of a page by a choice of indexes, each with as many rows as could be on the page.
///
/// A job is queued, begins and ends after it was created. So a walk by time of creation is entered where
/// such a range ends, and does not pass over all that is newer. The jobs of which that is not true, because
/// the clock was set back, are in an index of their own, and are walked beside it.
pub(in crate::repo) fn walks(filter: &JobFilter, page: &Page, choice: &Choice) -> Vec<Walk> {
    let by_creation =
        page.order().key == SortKey::Created && choice.order == Some(SortKey::Created);
    let TimeRange { from, until } = filter.created;
    let ends = [filter.queued.until, filter.started.until, filter.finished.until];
    match ends.into_iter().flatten().min() {
        Some(end) if by_creation && until.is_none_or(|until| end < until) => {
            let created_in = |from, until| {
                let created = TimeRange { from, until };
                JobFilter { created, ..filter.clone() }
            };
            let mut walks = walks_within(&created_in(from, Some(end)), page, choice);
            let newer = created_in(from.max(Some(end)), until);
            walks.extend(walks_within(&newer, page, &untimely()));
            walks
        }
        _ => walks_within(filter, page, choice),
    }
}

fn walks_within(filter: &JobFilter, page: &Page, choice: &Choice) -> Vec<Walk> {
    let mut walks = Vec::new();
    for entry in &choice.entries {
        for place in places(page, choice) {
            walks.push(walk(filter, page, choice, entry, place));
        }
    }
    walks
}

/// The query that counts what an entry has and the filter admits.
pub(super) fn count(filter: &JobFilter, choice: &Choice, entry: &Entry) -> Walk {
    let Entry { from, join, .. } = entry;
    let mut count = Walk::begin(format!("SELECT count(*) FROM {from} {join}"));
    count.and(&entry.condition, entry.values.clone());
    narrow(&mut count, filter, choice, entry, "jobs.created_at");
    count
}

/// The query that counts what an entry has, up to `most`, without looking at the jobs.
pub(super) fn size(entry: &Entry, most: u32) -> Walk {
    let mut size = Walk::begin(format!("SELECT count(*) FROM (SELECT 1 FROM {}", entry.from));
    size.and(&entry.condition, entry.values.clone());
    size.limit(most);
    size.sql.push(')');
    size
}

/// Where a walk begins.
#[derive(Debug, Clone, Copy)]
enum Place<'p> {
    /// At the list's beginning.
    Beginning,
    /// Past the cursor.
    Past(&'p SortValue, i64),
    /// Past the cursor, among the jobs that are equal in the key.
    Tied(&'p SortValue, i64),
    /// Past all of those.
    Beyond(&'p SortValue),
}

fn places<'p>(page: &'p Page, choice: &Choice) -> Vec<Place<'p>> {
    match page.cursor() {
        None => vec![Place::Beginning],
        // Each of the two is one range of the index; together with an OR they would not be.
        Some(cursor) if choice.order == Some(page.order().key) => {
            vec![Place::Tied(&cursor.value, cursor.id.get()), Place::Beyond(&cursor.value)]
        }
        Some(cursor) => vec![Place::Past(&cursor.value, cursor.id.get())],
    }
}

fn walk(filter: &JobFilter, page: &Page, choice: &Choice, entry: &Entry, place: Place<'_>) -> Walk {
    let key = page.order().key;
    let descending = page.walked().descending;
    let (filter, place) = tighten(filter, place, descending);
    let in_order = choice.order == Some(key);
    let by_energy = key == SortKey::Energy;
    // The rows of an index of energies have theirs already, whatever the order.
    let needs_energy = by_energy && choice.part != Part::Energy;
    let [column, id] = match key {
        _ if in_order => entry.sorted_by,
        SortKey::Created => ["jobs.created_at", "jobs.id"],
        SortKey::Queued => ["jobs.queued_at", "jobs.id"],
        SortKey::Started => ["jobs.started_at", "jobs.id"],
        SortKey::Finished => ["jobs.finished_at", "jobs.id"],
        SortKey::Priority => ["jobs.priority", "jobs.id"],
        SortKey::Energy => ["job_results.energy_ev", "jobs.id"],
        SortKey::Name => ["jobs.name", "jobs.id"],
    };
    let Entry { from, join, .. } = entry;
    let sorted = if by_energy { "job_results.energy_ev" } else { "NULL" };
    let energy = if needs_energy { ENERGY } else { "" };
    let mut walk = Walk::begin(format!(
        concat!("SELECT ", columns!(), ", {} AS energy_ev FROM {} {} {}"),
        sorted, from, join, energy
    ));
    let mut values = entry.values.clone();
    if let Place::Beyond(at) = place
        && let Some(end) = entry.range[usize::from(descending)]
    {
        tighten_range(&mut values[end], value(at), descending);
    }
    walk.and(&entry.condition, values);
    if !in_order && may_be_missing(key) {
        walk.and(&format!("{column} IS NOT NULL"), []);
    }
    let created = if key == SortKey::Created { column } else { "jobs.created_at" };
    let (comparison, direction) = if descending { ("<", "DESC") } else { (">", "ASC") };
    match place {
        Place::Beginning => {}
        Place::Past(from, after) => {
            let condition = format!("({column}, {id}) {comparison} (?, ?)");
            walk.and(&condition, [value(from), Value::Integer(after)]);
        }
        Place::Tied(from, after) => {
            let condition = format!("{column} = ? AND {id} {comparison} ?");
            walk.and(&condition, [value(from), Value::Integer(after)]);
        }
        Place::Beyond(from) => {
            walk.and(&format!("{column} {comparison} ?"), [value(from)]);
        }
    }
    narrow(&mut walk, &filter, choice, entry, created);
    walk.sql.push_str(&format!(" ORDER BY {column} {direction}, {id} {direction}"));
    // One more than the page tells whether there is a next page.
    walk.limit(page.limit() + 1);
    walk
}

/// Whether there are jobs that have no place in the order of a key; an index of the key leaves them out.
const fn may_be_missing(key: SortKey) -> bool {
    match key {
        SortKey::Queued | SortKey::Started | SortKey::Finished | SortKey::Energy => true,
        SortKey::Created | SortKey::Priority | SortKey::Name => false,
    }
}

/// Of the walk's place and a bound of the filter's time of creation, leaves out the one that the other
/// makes idle: of two bounds SQLite enters the index by one and reads on from there, and it must not be the
/// farther one.
fn tighten<'p>(filter: &JobFilter, place: Place<'p>, descending: bool) -> (JobFilter, Place<'p>) {
    let mut filter = filter.clone();
    let (Place::Beyond(SortValue::Created(at)) | Place::Tied(SortValue::Created(at), _)) = place
    else {
        return (filter, place);
    };
    let TimeRange { from, until } = &mut filter.created;
    let bound = if descending { until } else { from };
    let reaches_place = |bound: Timestamp| if descending { bound > *at } else { bound <= *at };
    match *bound {
        Some(reached) if reaches_place(reached) => *bound = None,
        Some(_) if matches!(place, Place::Beyond(_)) => return (filter, Place::Beginning),
        _ => {}
    }
    (filter, place)
}

/// Of the end of a choice's range and the place that a walk has come to, leaves the one that is met later; for
/// the reason that [`tighten`] has. The walk goes on beyond that place, and all that are equal to it in the key are
/// not to be read once more: both ends of a range of energies are in it, and the beginning of one of times.
fn tighten_range(bound: &mut Value, at: Value, descending: bool) {
    match (bound, at) {
        (Value::Real(most), Value::Real(at)) if descending => *most = most.min(at.next_down()),
        (Value::Real(least), Value::Real(at)) => *least = least.max(at.next_up()),
        (Value::Integer(until), Value::Integer(at)) if descending => *until = at.min(*until),
        (Value::Integer(from), Value::Integer(at)) => *from = at.saturating_add(1).max(*from),
        _ => {}
    }
}

fn value(sorted_by: &SortValue) -> Value {
    match sorted_by {
        SortValue::Created(moment)
        | SortValue::Queued(moment)
        | SortValue::Started(moment)
        | SortValue::Finished(moment) => Value::Integer(moment.as_micros()),
        SortValue::Priority(priority) => Value::Integer(i64::from(*priority)),
        SortValue::Energy(energy) => Value::Real(*energy),
        SortValue::Name(name) => Value::Text(name.clone()),
    }
}

/// Everything of the filter that the choice has not seen to, asked of each row.
fn narrow(walk: &mut Walk, filter: &JobFilter, choice: &Choice, entry: &Entry, created: &str) {
    let text = |word: &str| Value::Text(word.to_owned());
    let is_open = |part: Part| choice.part != part;
    let (condition, values) = within(created, filter.created);
    walk.and(&condition, values);
    if !entry.knows_archived {
        match filter.archived {
            Archived::Include => {}
            Archived::Exclude => walk.and("jobs.archived = 0", []),
            Archived::Only => walk.and("jobs.archived = 1", []),
        }
    }
    if is_open(Part::Statuses) && !filter.statuses.is_empty() {
        walk.and_one_of("jobs.status", filter.statuses.iter().map(|status| text(status.as_str())));
    }
    if is_open(Part::Codes) && !filter.codes.is_empty() {
        walk.and_one_of("jobs.code", filter.codes.iter().map(|code| text(code.as_str())));
    }
    if let (true, Some(runner)) = (is_open(Part::Runner), filter.runner) {
        walk.and("jobs.runner = ?", [text(runner.as_str())]);
    }
    if let (true, Some(cluster)) = (is_open(Part::Cluster), filter.cluster) {
        walk.and("jobs.cluster_id = ?", [Value::Integer(cluster.get())]);
    }
    if let (true, Some(workflow)) = (is_open(Part::Workflow), &filter.workflow) {
        walk.and("jobs.workflow = ?", [text(workflow)]);
    }
    for (part, column, range) in [
        (Part::Queued, "jobs.queued_at", filter.queued),
        (Part::Started, "jobs.started_at", filter.started),
        (Part::Finished, "jobs.finished_at", filter.finished),
    ] {
        if is_open(part) {
            let (condition, values) = within(column, range);
            walk.and(&condition, values);
        }
    }
    for (key, wanted) in &filter.tags {
        if choice.tag.as_ref() != Some(key) {
            walk.and(TAG, [text(key), text(wanted)]);
        }
    }
    if let (true, Some(range)) = (is_open(Part::Energy), filter.energy) {
        let bound = |energy: Option<Energy>, open| energy.map_or(open, Energy::electron_volts);
        let (least, most) = (bound(range.least, f64::MIN), bound(range.most, f64::MAX));
        walk.and(ENERGY_WITHIN, [Value::Real(least), Value::Real(most)]);
    }
    for condition in &filter.documents {
        of_document(walk, condition);
    }
    if let Some(wanted) = &filter.text {
        let wanted = text(&wanted.to_ascii_lowercase());
        walk.and(TEXT, [wanted.clone(), wanted]);
    }
}

// Each is a scalar subquery: an EXISTS may be made a join, which may be entered from the wrong end.
const TAG: &str = "(SELECT asked.value FROM job_tags AS asked \
                   WHERE asked.job_id = jobs.id AND asked.key = ?) = ?";
const ENERGY_WITHIN: &str = "(SELECT asked.energy_ev FROM job_results AS asked \
                             INDEXED BY sqlite_autoindex_job_results_1 \
                             WHERE asked.job_id = jobs.id AND asked.attempt = jobs.attempt) \
                             BETWEEN ? AND ?";
// `lower` changes A to Z alone, as the contract says.
const TEXT: &str = "(instr(lower(jobs.name), ?) > 0 OR instr(lower(jobs.work_dir), ?) > 0)";

fn of_document(walk: &mut Walk, condition: &DocumentCondition) {
    let path = Value::Text(condition.path().to_string());
    let mut values = vec![path.clone()];
    let asked = match condition.comparison().operand() {
        None => "json_type(asked.document, ?) IS NOT NULL".to_owned(),
        Some(operand) => {
            let comparison = match condition.comparison() {
                Comparison::Below(_) => "<",
                Comparison::AtMost(_) => "<=",
                Comparison::Above(_) => ">",
                Comparison::AtLeast(_) => ">=",
                Comparison::Exists | Comparison::Equal(_) => "=",
            };
            values.push(path);
            match operand {
                Operand::Number(number) => {
                    values.push(Value::Real(*number));
                    format!(
                        "json_type(asked.document, ?) IN ('integer', 'real') \
                         AND CAST(json_extract(asked.document, ?) AS REAL) {comparison} ?"
                    )
                }
                Operand::Text(word) => {
                    values.push(Value::Text(word.clone()));
                    format!(
                        "json_type(asked.document, ?) = 'text' \
                         AND json_extract(asked.document, ?) {comparison} ?"
                    )
                }
            }
        }
    };
    let condition = format!(
        "(SELECT {asked} FROM job_results AS asked INDEXED BY sqlite_autoindex_job_results_1 \
         WHERE asked.job_id = jobs.id AND asked.attempt = jobs.attempt)"
    );
    walk.and(&condition, values);
}
