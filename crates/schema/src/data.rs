//! The rows of a database, to compare what migrations put into it.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::inspect::Structure;

/// The rows of every table but the ledger, by table, each row as SQL literals, sorted.
///
/// `sqlite_sequence` is among them where an id has been given out, because AUTOINCREMENT's promise
/// is kept there. Everything is read into memory: this is for tests and small databases.
///
/// # Errors
/// Those of [`Structure::of`], and [`Error::Sqlite`] if a table cannot be read.
pub fn rows(connection: &Connection) -> Result<BTreeMap<String, Vec<String>>> {
    let mut contents = BTreeMap::new();
    let structure = Structure::of(connection)?;
    for (name, table) in &structure.tables {
        let columns: Vec<String> = table
            .columns
            .iter()
            .filter(|column| !column.hidden)
            .map(|column| format!("quote({})", quoted(&column.name)))
            .collect();
        let query = format!("SELECT {} FROM main.{}", columns.join(" || ', ' || "), quoted(name));
        contents.insert(name.clone(), sorted(connection, &query)?);
    }
    if structure.tables.values().any(|table| table.autoincrement) {
        let query = "SELECT quote(name) || ', ' || seq FROM main.sqlite_sequence WHERE seq > 0";
        contents.insert("sqlite_sequence".to_owned(), sorted(connection, query)?);
    }
    Ok(contents)
}

fn sorted(connection: &Connection, query: &str) -> Result<Vec<String>> {
    let mut rows: Vec<String> = connection
        .prepare(query)
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .map_err(Error::while_doing("read the rows of a table"))?;
    rows.sort();
    Ok(rows)
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}
