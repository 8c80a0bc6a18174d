//! Reading a structure from a database.

use std::collections::BTreeMap;
use std::ffi::CStr;

use rusqlite::{Connection, Params, Row};

use super::{Column, ForeignKey, Generated, Index, Structure, Table, Trigger, Unique, ddl};
use crate::error::{Error, Result};
use crate::ledger::LEDGER;
use crate::sql;

impl Structure {
    /// Reads the structure of a database. Use one read transaction where others may change it.
    ///
    /// # Errors
    /// [`Error::Sqlite`] if the schema cannot be read, [`Error::Definition`] if a definition in it
    /// cannot be understood.
    pub fn of(connection: &Connection) -> Result<Self> {
        let mut structure = Self::default();
        let tables = rows(
            connection,
            "SELECT l.name, l.type, l.strict, l.wr, s.sql
             FROM pragma_table_list AS l
             JOIN main.sqlite_schema AS s ON s.name = l.name AND s.type = 'table'
             WHERE l.schema = 'main' AND l.type IN ('table', 'virtual')
                 AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND l.name <> ?1 COLLATE NOCASE",
            [LEDGER],
            |row| {
                let kind: String = row.get(1)?;
                Ok(TableRow {
                    name: row.get(0)?,
                    is_virtual: kind == "virtual",
                    strict: row.get(2)?,
                    without_rowid: row.get(3)?,
                    sql: row.get(4)?,
                })
            },
        )?;
        for row in tables {
            let (table, indexes) = table(connection, &row)?;
            structure.tables.insert(row.name.to_ascii_lowercase(), table);
            structure.indexes.extend(indexes);
        }
        let others = rows(
            connection,
            "SELECT type, name, tbl_name, sql FROM main.sqlite_schema
             WHERE type IN ('trigger', 'view')",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )?;
        for (kind, name, table, sql) in others {
            let (kind, name, table, sql): (String, String, String, String) =
                (kind, name, table, sql);
            let definition = ddl::after_name(&sql, &kind).ok_or_else(|| unreadable(&name))?;
            let name = name.to_ascii_lowercase();
            if kind == "view" {
                structure.views.insert(name, definition);
            } else {
                let table = table.to_ascii_lowercase();
                structure.triggers.insert(name, Trigger { table, definition });
            }
        }
        Ok(structure)
    }
}

struct TableRow {
    name: String,
    is_virtual: bool,
    strict: bool,
    without_rowid: bool,
    sql: String,
}

fn table(connection: &Connection, row: &TableRow) -> Result<(Table, BTreeMap<String, Index>)> {
    let virtual_table = match row.is_virtual {
        true => Some(ddl::after_name(&row.sql, "table").ok_or_else(|| unreadable(&row.name))?),
        false => None,
    };
    let text = match row.is_virtual {
        true => ddl::TableText::default(),
        false => ddl::table(&row.sql).ok_or_else(|| unreadable(&row.name))?,
    };
    let (columns, autoincrement) = columns(connection, &row.name, &text)?;
    let (uniques, indexes) = indexes(connection, &row.name)?;
    let table = Table {
        columns,
        foreign_keys: foreign_keys(connection, &row.name, &text)?,
        checks: text.checks,
        uniques,
        conflict_clauses: text.conflict_clauses,
        strict: row.strict,
        without_rowid: row.without_rowid,
        autoincrement,
        virtual_table,
    };
    Ok((table, indexes))
}

fn columns(
    connection: &Connection,
    table: &str,
    text: &ddl::TableText,
) -> Result<(Vec<Column>, bool)> {
    let found = rows(
        connection,
        "SELECT name, type, \"notnull\", dflt_value, pk, hidden
         FROM pragma_table_xinfo(?1, 'main') ORDER BY cid",
        [table],
        |row| {
            let name: String = row.get(0)?;
            let data_type: String = row.get(1)?;
            let default: Option<String> = row.get(3)?;
            let primary_key: i64 = row.get(4)?;
            let hidden: i64 = row.get(5)?;
            let column = Column {
                data_type: sql::normalise(&data_type).to_ascii_uppercase(),
                not_null: row.get(2)?,
                default: default.as_deref().map(sql::normalise),
                primary_key: (primary_key > 0).then_some(primary_key),
                generated: None,
                collation: None,
                hidden: hidden == 1,
                name,
            };
            Ok((column, hidden))
        },
    )?;
    let mut columns = Vec::new();
    let mut autoincrement = false;
    for (mut column, hidden) in found {
        let (_, collation, _, _, increments) = connection
            .column_metadata(Some("main"), table, column.name.as_str())
            .map_err(Error::while_doing("read the collation of a column"))?;
        autoincrement |= increments;
        column.collation = collation.map(CStr::to_string_lossy).as_deref().and_then(collation_name);
        column.name = column.name.to_ascii_lowercase();
        // 2 is VIRTUAL and 3 is STORED.
        if matches!(hidden, 2 | 3) {
            let expression = text.generated.get(&column.name).cloned();
            column.generated = Some(Generated {
                stored: hidden == 3,
                expression: expression.ok_or_else(|| unreadable(table))?,
            });
        }
        columns.push(column);
    }
    Ok((columns, autoincrement))
}

fn foreign_keys(
    connection: &Connection,
    table: &str,
    text: &ddl::TableText,
) -> Result<Vec<ForeignKey>> {
    let found = rows(
        connection,
        "SELECT id, lower(\"from\"), lower(\"table\"), lower(\"to\"), on_update, on_delete
         FROM pragma_foreign_key_list(?1, 'main') ORDER BY id, seq",
        [table],
        |row| {
            let id: i64 = row.get(0)?;
            let from: String = row.get(1)?;
            let to: Option<String> = row.get(3)?;
            let key = ForeignKey {
                columns: vec![from],
                parent: row.get(2)?,
                parent_columns: to.into_iter().collect(),
                on_update: row.get(4)?,
                on_delete: row.get(5)?,
                deferred: false,
            };
            Ok((id, key))
        },
    )?;
    let mut by_id: BTreeMap<i64, ForeignKey> = BTreeMap::new();
    for (id, key) in found {
        match by_id.get_mut(&id) {
            None => {
                by_id.insert(id, key);
            }
            Some(first) => {
                first.columns.extend(key.columns);
                first.parent_columns.extend(key.parent_columns);
            }
        }
    }
    let mut keys: Vec<ForeignKey> = by_id.into_values().collect();
    for key in &mut keys {
        key.deferred = text.deferred.contains(&(key.columns.clone(), key.parent.clone()));
    }
    keys.sort();
    Ok(keys)
}

fn indexes(connection: &Connection, table: &str) -> Result<(Vec<Unique>, BTreeMap<String, Index>)> {
    let found = rows(
        connection,
        "SELECT l.name, l.\"unique\", l.origin, s.sql
         FROM pragma_index_list(?1, 'main') AS l
         LEFT JOIN main.sqlite_schema AS s ON s.name = l.name AND s.type = 'index'",
        [table],
        |row| {
            let name: String = row.get(0)?;
            let unique: bool = row.get(1)?;
            let origin: String = row.get(2)?;
            let sql: Option<String> = row.get(3)?;
            Ok((name, unique, origin, sql))
        },
    )?;
    let mut uniques = Vec::new();
    let mut indexes = BTreeMap::new();
    for (name, unique, origin, sql) in found {
        let text = match &sql {
            Some(sql) => Some(ddl::index(sql).ok_or_else(|| unreadable(&name))?),
            None => None,
        };
        let columns = index_columns(connection, &name, text.as_ref())?;
        if origin != "c" {
            uniques.push(Unique { primary_key: origin == "pk", columns });
            continue;
        }
        let predicate = text.and_then(|text| text.predicate);
        let table = table.to_ascii_lowercase();
        indexes.insert(name.to_ascii_lowercase(), Index { table, unique, columns, predicate });
    }
    uniques.sort();
    Ok((uniques, indexes))
}

fn index_columns(
    connection: &Connection,
    index: &str,
    text: Option<&ddl::IndexText>,
) -> Result<Vec<String>> {
    let found = rows(
        connection,
        "SELECT lower(name), \"desc\", coll FROM pragma_index_xinfo(?1, 'main')
         WHERE key = 1 ORDER BY seqno",
        [index],
        |row| {
            let name: Option<String> = row.get(0)?;
            let descending: bool = row.get(1)?;
            let collation: Option<String> = row.get(2)?;
            Ok((name, descending, collation))
        },
    )?;
    let mut columns = Vec::new();
    for (place, (name, descending, collation)) in found.into_iter().enumerate() {
        // An expression has no name.
        let expression = || text.and_then(|text| text.columns.get(place).cloned());
        let mut column = name.or_else(expression).ok_or_else(|| unreadable(index))?;
        if let Some(collation) = collation.as_deref().and_then(collation_name) {
            column = format!("{column} COLLATE {collation}");
        }
        if descending {
            column.push_str(" DESC");
        }
        columns.push(column);
    }
    Ok(columns)
}

/// BINARY is what everything has that says nothing.
fn collation_name(collation: &str) -> Option<String> {
    let name = collation.to_ascii_uppercase();
    (name != "BINARY").then_some(name)
}

fn rows<T>(
    connection: &Connection,
    query: &str,
    parameters: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    connection
        .prepare(query)
        .and_then(|mut statement| statement.query_map(parameters, read)?.collect())
        .map_err(Error::while_doing("read the structure of the database"))
}

fn unreadable(name: &str) -> Error {
    Error::Definition { name: name.to_owned() }
}
