//! A migration that rebuilds a table as SQLite prescribes: made anew, filled, dropped, renamed.

use rusqlite::Connection;
use schema::inspect::Structure;

use crate::TestResult;

/// The SQL that rebuilds `table` of the database as it is now, with its indexes and triggers, and with the
/// triggers and views of others that name it
/// (<https://sqlite.org/lang_altertable.html#otheralter>, steps 3 to 9; the steps around them are the
/// business of who runs a migration).
///
/// # Errors
/// Those of SQLite, and a table that is not there.
pub fn rebuild_of(connection: &Connection, table: &str) -> TestResult<String> {
    let written = |kind: &str| -> TestResult<Vec<String>> {
        let mut statement = connection.prepare(
            "SELECT sql FROM sqlite_schema
             WHERE tbl_name = ?1 AND type = ?2 AND sql IS NOT NULL ORDER BY name",
        )?;
        Ok(statement.query_map([table, kind], |row| row.get(0))?.collect::<Result<_, _>>()?)
    };
    let made = written("table")?.pop().ok_or("the table is there")?;
    let made = made.replacen(table, "rebuilt", 1);
    let structure = Structure::of(connection)?;
    let columns: Vec<&str> = structure.tables[table]
        .columns
        .iter()
        .filter(|column| column.generated.is_none())
        .map(|column| column.name.as_str())
        .collect();
    let columns = columns.join(", ");
    let again = [written("index")?, written("trigger")?].concat().join(";\n");
    // What else names the table is in the way while it is away.
    let mut others = connection.prepare(
        "SELECT type || ' ' || name, sql FROM sqlite_schema
         WHERE type IN ('trigger', 'view') AND tbl_name <> ?1 AND instr(sql, ?1) > 0 ORDER BY name",
    )?;
    let others: Vec<(String, String)> = others
        .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let away: String = others.iter().map(|(name, _)| format!("DROP {name};\n")).collect();
    let back: String = others.iter().map(|(_, sql)| format!("{sql};\n")).collect();
    Ok(format!(
        "{away}
         {made};
         INSERT INTO rebuilt ({columns}) SELECT {columns} FROM {table};
         UPDATE sqlite_sequence
            SET seq = (SELECT seq FROM sqlite_sequence WHERE name = '{table}')
            WHERE name = 'rebuilt';
         DROP TABLE {table};
         ALTER TABLE rebuilt RENAME TO {table};
         {again};
         {back}"
    ))
}
