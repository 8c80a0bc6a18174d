//! The structure of a database as data, to compare and to print.
//!
//! ```
//! use schema::inspect::Structure;
//!
//! let here = rusqlite::Connection::open_in_memory()?;
//! let there = rusqlite::Connection::open_in_memory()?;
//! here.execute_batch("CREATE TABLE jobs (priority INTEGER DEFAULT 0)")?;
//! there.execute_batch("CREATE TABLE Jobs (\"priority\" INTEGER DEFAULT 1) -- urgent")?;
//! let differences = Structure::of(&here)?.differences(&Structure::of(&there)?);
//! assert_eq!(differences[0].to_string(), "jobs.priority: default 0 here, 1 there");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ddl;
mod differences;
mod foreign_keys;
mod read;

use std::collections::BTreeMap;

use serde::Serialize;

pub use differences::Difference;
pub use foreign_keys::{Violation, foreign_key_violations};

/// The structure of a database's main schema.
///
/// Names are in lower case, and SQL is normalised: layout, comments, the case of words and the
/// quotes of plain names do not count. SQLite's own tables and the ledger are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Structure {
    /// The tables by name.
    pub tables: BTreeMap<String, Table>,
    /// The indexes by name, those of `CREATE INDEX` alone.
    pub indexes: BTreeMap<String, Index>,
    /// The triggers by name.
    pub triggers: BTreeMap<String, Trigger>,
    /// The views by name: the normalised text after the name.
    pub views: BTreeMap<String, String>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Table {
    /// The columns, in order.
    pub columns: Vec<Column>,
    /// The CHECK constraints of columns and table, sorted; where one stands does not count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
    /// The foreign keys, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub foreign_keys: Vec<ForeignKey>,
    /// The primary key's index and the UNIQUE constraints, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uniques: Vec<Unique>,
    /// The ON CONFLICT clauses, each after its constraint, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conflict_clauses: Vec<String>,
    /// Whether the table is STRICT.
    pub strict: bool,
    /// Whether the table is WITHOUT ROWID.
    pub without_rowid: bool,
    /// Whether an id never comes back.
    pub autoincrement: bool,
    /// The normalised text after the name of a virtual table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_table: Option<String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Column {
    /// The name.
    pub name: String,
    /// The declared type, in upper case.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// The default, normalised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// The place in the primary key, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_key: Option<i64>,
    /// What the column is computed from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generated: Option<Generated>,
    /// The collation, where it is not BINARY.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collation: Option<String>,
    /// Whether it is a hidden column of a virtual table.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
}

/// What a generated column is computed from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Generated {
    /// STORED in the file if true, else VIRTUAL: computed when it is read.
    pub stored: bool,
    /// The normalised expression.
    pub expression: String,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct ForeignKey {
    /// The columns that refer.
    pub columns: Vec<String>,
    /// The table that they refer to.
    pub parent: String,
    /// The columns that they refer to; none stands for the parent's primary key.
    pub parent_columns: Vec<String>,
    /// What follows from a change of the parent's key.
    pub on_update: String,
    /// What follows from deletion of the parent.
    pub on_delete: String,
    /// Whether it is checked at COMMIT only.
    pub deferred: bool,
}

/// A constraint that SQLite keeps by an index without a name of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Unique {
    /// Whether it is the primary key.
    pub primary_key: bool,
    /// The columns, each with its collation and DESC where it has one.
    pub columns: Vec<String>,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Index {
    /// The table.
    pub table: String,
    /// Whether it is UNIQUE.
    pub unique: bool,
    /// The columns or expressions, each with its collation and DESC where it has one.
    pub columns: Vec<String>,
    /// The normalised WHERE of a partial index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicate: Option<String>,
}

/// A trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Trigger {
    /// The table or view.
    pub table: String,
    /// The normalised text after the name: when it runs and what it does.
    pub definition: String,
}
