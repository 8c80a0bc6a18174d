//! Databases without a store: how tests make old ones, look inside, and stand in the way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use schema::inspect::Structure;
use schema::migrations::MigrationSet;

use crate::TestResult;

/// Opens a connection as a program that does not know of stores would: no gate, SQLite's defaults but
/// for foreign keys, which are enforced.
///
/// # Errors
/// Those of SQLite.
#[expect(clippy::disallowed_methods, reason = "the one place where tests go around the store")]
pub fn connect(path: &Path) -> TestResult<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// A database in memory that was migrated in one step.
///
/// # Errors
/// Those of SQLite and of the migrations.
#[expect(clippy::disallowed_methods, reason = "a fresh structure to compare with needs no store")]
pub fn fresh(set: &MigrationSet) -> TestResult<Connection> {
    let connection = Connection::open_in_memory()?;
    migrate(&connection, set)?;
    Ok(connection)
}

/// Makes a database of these migrations at `path`, in WAL mode.
///
/// # Errors
/// Those of SQLite and of the migrations.
pub fn create(path: &Path, set: &MigrationSet) -> TestResult<Connection> {
    let connection = connect(path)?;
    let mode: String = connection.query_one("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    assert_eq!(mode, "wal");
    migrate(&connection, set)?;
    Ok(connection)
}

/// Applies migrations in one transaction, without a store and its gate.
///
/// # Errors
/// Those of SQLite and of the migrations.
pub fn migrate(connection: &Connection, set: &MigrationSet) -> TestResult {
    schema::migrate(connection, set)?;
    Ok(())
}

/// Closes a connection, and tells if that fails.
///
/// # Errors
/// Those of SQLite.
pub fn close(connection: Connection) -> TestResult {
    connection.close().map_err(|(_, error)| error.into())
}

/// One number out of the database.
///
/// # Errors
/// Those of SQLite.
pub fn number(connection: &Connection, sql: &str) -> TestResult<i64> {
    Ok(connection.query_one(sql, [], |row| row.get(0))?)
}

/// A whole database, but for the moments at which its migrations ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// `application_id` and `user_version`.
    pub identity: (i64, i64),
    /// Version, name and checksum of each applied migration.
    pub ledger: Vec<(i32, String, u64)>,
    /// Its tables, indexes, triggers and views.
    pub structure: Structure,
    /// The rows of its tables.
    pub rows: BTreeMap<String, Vec<String>>,
}

impl Contents {
    /// Reads a whole database.
    ///
    /// # Errors
    /// Those of SQLite, and of a structure or ledger that cannot be read.
    pub fn of(connection: &Connection) -> TestResult<Self> {
        let ledger = schema::ledger::read(connection)?;
        Ok(Self {
            identity: (
                number(connection, "PRAGMA application_id")?,
                number(connection, "PRAGMA user_version")?,
            ),
            ledger: ledger.into_iter().map(|row| (row.version, row.name, row.checksum)).collect(),
            structure: Structure::of(connection)?,
            rows: schema::data::rows(connection)?,
        })
    }

    /// Reads the whole database at `path`.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn at(path: &Path) -> TestResult<Self> {
        let connection = connect(path)?;
        let contents = Self::of(&connection)?;
        close(connection)?;
        Ok(contents)
    }

    /// The versions in the ledger, each as often as it is there.
    pub fn versions(&self) -> Vec<i32> {
        self.ledger.iter().map(|(version, ..)| *version).collect()
    }
}

/// The rows of the tables and columns that `older` has, so that an older and a newer database can be
/// compared.
///
/// # Errors
/// Those of SQLite; also where a table or column is gone.
pub fn rows_as_in(
    older: &Structure,
    connection: &Connection,
) -> TestResult<BTreeMap<String, Vec<String>>> {
    let mut contents = BTreeMap::new();
    for (name, table) in &older.tables {
        let columns: Vec<String> =
            table.columns.iter().map(|column| format!("quote(\"{}\")", column.name)).collect();
        let query = format!("SELECT {} FROM \"{name}\"", columns.join(" || ', ' || "));
        let mut statement = connection.prepare(&query)?;
        let mut rows: Vec<String> =
            statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        rows.sort();
        contents.insert(name.clone(), rows);
    }
    Ok(contents)
}

/// What is lost in `after` of the rows in `before`, one line a row.
pub fn lost(
    before: &BTreeMap<String, Vec<String>>,
    after: &BTreeMap<String, Vec<String>>,
) -> Vec<String> {
    let mut lost = Vec::new();
    for (table, rows) in before {
        let mut left = after.get(table).cloned().unwrap_or_default();
        for row in rows {
            match left.iter().position(|found| found == row) {
                Some(place) => drop(left.swap_remove(place)),
                None => lost.push(format!("{table}: {row}")),
            }
        }
    }
    lost
}

/// Everything that SQLite itself finds wrong with a database; nothing where it is whole.
///
/// # Errors
/// Those of SQLite.
pub fn problems(connection: &Connection) -> TestResult<Vec<String>> {
    let mut statement = connection.prepare("PRAGMA integrity_check")?;
    let mut lines: Vec<String> =
        statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    lines.retain(|line| line != "ok");
    let violations = schema::inspect::foreign_key_violations(connection)?;
    lines.extend(violations.iter().map(ToString::to_string));
    Ok(lines)
}

/// The names of the files in a directory, sorted.
///
/// # Errors
/// Those of reading it.
pub fn files_in(directory: &Path) -> TestResult<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// The file beside `database` with this ending after its name.
pub fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// The permissions of a file, as `chmod` takes them.
///
/// # Errors
/// Those of looking at it.
pub fn mode(path: &Path) -> TestResult<u32> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o777)
}
