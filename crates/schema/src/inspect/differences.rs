//! Comparing two structures, in words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Column, ForeignKey, Index, Structure, Table, Trigger};

/// One thing that two databases do not have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The table, column (`jobs.priority`), index, trigger or view.
    pub place: String,
    /// What differs there.
    pub what: String,
    /// How it is in the structure that was asked.
    pub here: String,
    /// How it is in the other one.
    pub there: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, what, here, there } = self;
        write!(formatter, "{place}: {what} {here} here, {there} there")
    }
}

impl Structure {
    /// What differs in `other`; nothing if and only if the two are equal.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let (here, there) = (things(self), things(other));
        let mut differences = Vec::new();
        for key in here.keys().chain(there.keys()).collect::<BTreeSet<_>>() {
            match (here.get(key), there.get(key)) {
                (Some(here), Some(there)) => compare(key, here, there, &mut differences),
                // The columns of an absent table go without saying.
                _ if key.is_column_of_absent(&here) || key.is_column_of_absent(&there) => {}
                (here, _) => {
                    let (here, there) = match here {
                        Some(_) => ("present", "absent"),
                        None => ("absent", "present"),
                    };
                    differences.push(key.difference(key.kind, here.to_owned(), there.to_owned()));
                }
            }
        }
        differences
    }
}

/// What a thing is called; tables come before their columns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    name: String,
    column: Option<String>,
    kind: &'static str,
}

/// What is said of a thing, by subject.
type Facts = BTreeMap<String, Vec<String>>;

impl Key {
    fn of(kind: &'static str, name: &str) -> Self {
        Self { name: name.to_owned(), column: None, kind }
    }

    fn is_column_of_absent(&self, things: &BTreeMap<Key, Facts>) -> bool {
        self.column.is_some() && !things.contains_key(&Self::of("table", &self.name))
    }

    fn difference(&self, what: &str, here: String, there: String) -> Difference {
        let place = match &self.column {
            Some(column) => format!("{}.{column}", self.name),
            None => self.name.clone(),
        };
        Difference { place, what: what.to_owned(), here, there }
    }
}

fn compare(key: &Key, here: &Facts, there: &Facts, differences: &mut Vec<Difference>) {
    let word = |facts: &Facts, what: &String| match facts.get(what) {
        Some(values) => values.join(" and "),
        None => "absent".to_owned(),
    };
    for what in here.keys().chain(there.keys()).collect::<BTreeSet<_>>() {
        if here.get(what) != there.get(what) {
            differences.push(key.difference(what, word(here, what), word(there, what)));
        }
    }
}

/// Everything that a structure says. Each value is destructured, so that a new field that is
/// forgotten here does not compile.
fn things(structure: &Structure) -> BTreeMap<Key, Facts> {
    let Structure { tables, indexes, triggers, views } = structure;
    let mut things = BTreeMap::new();
    for (name, table) in tables {
        things.insert(Key::of("table", name), table_facts(table));
        for column in &table.columns {
            let column_name = Some(column.name.clone());
            let key = Key { name: name.clone(), column: column_name, kind: "column" };
            things.insert(key, column_facts(column));
        }
    }
    for (name, index) in indexes {
        let Index { table, unique, columns, predicate } = index;
        let mut facts = Facts::new();
        say(&mut facts, "table", table);
        say(&mut facts, "unique", unique);
        say(&mut facts, "columns", format!("({})", columns.join(", ")));
        maybe(&mut facts, "where", predicate.as_ref());
        things.insert(Key::of("index", name), facts);
    }
    for (name, trigger) in triggers {
        let Trigger { table, definition } = trigger;
        let mut facts = Facts::new();
        say(&mut facts, "table", table);
        say(&mut facts, "trigger", format!("`{definition}`"));
        things.insert(Key::of("trigger", name), facts);
    }
    for (name, definition) in views {
        let mut facts = Facts::new();
        say(&mut facts, "view", format!("`{definition}`"));
        things.insert(Key::of("view", name), facts);
    }
    things
}

fn table_facts(table: &Table) -> Facts {
    let Table {
        columns,
        checks,
        foreign_keys,
        uniques,
        conflict_clauses,
        strict,
        without_rowid,
        autoincrement,
        virtual_table,
    } = table;
    let mut facts = Facts::new();
    let order: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    say(&mut facts, "column order", format!("({})", order.join(", ")));
    for check in checks {
        say(&mut facts, &format!("check `{check}`"), "present");
    }
    for key in foreign_keys {
        let ForeignKey { columns, parent, parent_columns, on_update, on_delete, deferred } = key;
        let when = if *deferred { " deferred" } else { "" };
        let value = format!(
            "{parent} ({}) on update {on_update} on delete {on_delete}{when}",
            parent_columns.join(", ")
        );
        say(&mut facts, &format!("foreign key ({}) to", columns.join(", ")), value);
    }
    for unique in uniques {
        let kind = if unique.primary_key { "primary key" } else { "unique" };
        say(&mut facts, &format!("{kind} ({})", unique.columns.join(", ")), "present");
    }
    for clause in conflict_clauses {
        say(&mut facts, &format!("clause `{clause}`"), "present");
    }
    say(&mut facts, "strict", strict);
    say(&mut facts, "without rowid", without_rowid);
    say(&mut facts, "autoincrement", autoincrement);
    maybe(&mut facts, "virtual table", virtual_table.as_ref());
    facts
}

fn column_facts(column: &Column) -> Facts {
    let Column { name: _, data_type, not_null, default, primary_key, generated, collation, hidden } =
        column;
    let mut facts = Facts::new();
    say(&mut facts, "type", data_type);
    say(&mut facts, "not null", not_null);
    say(&mut facts, "hidden", hidden);
    maybe(&mut facts, "default", default.as_ref());
    maybe(&mut facts, "place in the primary key", primary_key.as_ref());
    maybe(&mut facts, "collation", collation.as_ref());
    if let Some(generated) = generated {
        let kind = if generated.stored { "stored" } else { "virtual" };
        say(&mut facts, "generated as", format!("`{}` {kind}", generated.expression));
    }
    facts
}

fn say(facts: &mut Facts, what: &str, value: impl ToString) {
    facts.entry(what.to_owned()).or_default().push(value.to_string());
}

fn maybe(facts: &mut Facts, what: &str, value: Option<&impl ToString>) {
    if let Some(value) = value {
        say(facts, what, value.to_string());
    }
}
