//! The ledger: refinery's table of applied migrations, read without trusting it.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{Error, Result};
use crate::migrations::MigrationSet;

/// The name of the ledger's table; refinery chose it.
pub const LEDGER: &str = "refinery_schema_history";

const COLUMNS: [&str; 4] = ["version", "name", "applied_on", "checksum"];

/// One applied migration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LedgerRow {
    /// The version, 1 or more.
    pub version: i32,
    /// The name, without version and extension.
    pub name: String,
    /// The moment at which it was applied, as RFC 3339 text.
    pub applied_on: String,
    /// Refinery's checksum of name, version and SQL.
    pub checksum: u64,
}

/// What the ledger of a database says about a set of migrations.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LedgerState {
    /// Every migration of the set was applied, and no other.
    UpToDate,
    /// These versions wait to be applied, in this order.
    Pending(Vec<i32>),
    /// The set is known and applied as far as it goes, and there are versions beyond it.
    Newer {
        /// The newest version in the database.
        newest: i32,
    },
    /// A version was applied with another name or other SQL.
    Diverged {
        /// The oldest such version.
        version: i32,
        /// The applied migration, as name and checksum.
        applied: String,
        /// The migration of the set, as name and checksum.
        known: String,
    },
    /// A version of the set was not applied although a newer one was.
    Gap {
        /// The oldest such version.
        version: i32,
    },
}

/// Reads the ledger, oldest version first; a database without one has applied nothing.
///
/// # Errors
/// [`Error::DamagedLedger`] if the table or a row of it cannot be what refinery wrote.
pub fn read(connection: &Connection) -> Result<Vec<LedgerRow>> {
    if !exists(connection)? {
        return Ok(Vec::new());
    }
    let reading = || Error::while_doing("read the ledger of applied migrations");
    let query = format!("SELECT {} FROM main.{LEDGER} ORDER BY version", COLUMNS.join(", "));
    let mut statement = connection.prepare(&query).map_err(reading())?;
    let mut rows = statement.query([]).map_err(reading())?;
    let mut ledger: Vec<LedgerRow> = Vec::new();
    while let Some(row) = rows.next().map_err(reading())? {
        let number = ledger.len() + 1;
        let row = parse(row).map_err(|fault| damaged(format!("row {number}: {fault}")))?;
        // The table of a damaged file may lack its primary key.
        if ledger.last().is_some_and(|last| last.version == row.version) {
            return Err(damaged(format!("row {number}: version {} is there twice", row.version)));
        }
        ledger.push(row);
    }
    Ok(ledger)
}

/// Compares what was applied with what this program has.
#[must_use]
pub fn compare(ledger: &[LedgerRow], set: &MigrationSet) -> LedgerState {
    let describe = |version, name: &str, checksum| format!("V{version}__{name} ({checksum})");
    for row in ledger {
        let Some(known) = set.get(row.version) else {
            continue;
        };
        if row.name != known.name() || row.checksum != known.checksum() {
            return LedgerState::Diverged {
                version: row.version,
                applied: describe(row.version, &row.name, row.checksum),
                known: describe(known.version(), known.name(), known.checksum()),
            };
        }
    }
    let newest = ledger.iter().map(|row| row.version).max().unwrap_or(0);
    let missing: Vec<i32> =
        set.versions().filter(|version| ledger.iter().all(|row| row.version != *version)).collect();
    match missing.first() {
        Some(&version) if version < newest => LedgerState::Gap { version },
        _ if ledger.iter().any(|row| set.get(row.version).is_none()) => {
            LedgerState::Newer { newest }
        }
        Some(_) => LedgerState::Pending(missing),
        None => LedgerState::UpToDate,
    }
}

/// The moment of a row, which [`read`] has found to be well formed.
pub(crate) fn moment(applied_on: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(applied_on, &Rfc3339).ok()
}

fn damaged(fault: String) -> Error {
    Error::DamagedLedger { fault }
}

fn exists(connection: &Connection) -> Result<bool> {
    let reading = || Error::while_doing("look for the ledger of applied migrations");
    let kind = connection
        .prepare("SELECT type FROM main.sqlite_schema WHERE name = ?1 COLLATE NOCASE")
        .and_then(|mut statement| {
            let mut rows = statement.query([LEDGER])?;
            rows.next()?.map(|row| row.get::<_, String>(0)).transpose()
        })
        .map_err(reading())?;
    match kind.as_deref() {
        None => return Ok(false),
        Some("table") => {}
        Some(other) => return Err(damaged(format!("it is not a table but a {other}"))),
    }
    let found = connection
        .prepare("SELECT lower(name) FROM pragma_table_xinfo(?1, 'main')")
        .and_then(|mut statement| {
            statement.query_map([LEDGER], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()
        })
        .map_err(reading())?;
    match COLUMNS.iter().find(|column| !found.iter().any(|name| name == *column)) {
        None => Ok(true),
        Some(column) => Err(damaged(format!("it has no column {column}"))),
    }
}

fn parse(row: &Row<'_>) -> Result<LedgerRow, String> {
    let version = match row.get_ref(0) {
        Ok(ValueRef::Integer(version)) => i32::try_from(version).ok().filter(|one| *one > 0),
        _ => None,
    };
    let name = text(row, 1)?;
    let applied_on = text(row, 2)?;
    let checksum = text(row, 3)?;
    if moment(&applied_on).is_none() {
        return Err(format!("applied_on {applied_on:?} is not a time as RFC 3339 writes it"));
    }
    Ok(LedgerRow {
        version: version.ok_or("version is not a positive 32-bit integer")?,
        name,
        checksum: checksum
            .parse()
            .map_err(|_| format!("checksum {checksum:?} is not an unsigned 64-bit integer"))?,
        applied_on,
    })
}

fn text(row: &Row<'_>, column: usize) -> Result<String, String> {
    let name = COLUMNS[column];
    match row.get_ref(column) {
        Ok(ValueRef::Text(bytes)) if !bytes.is_empty() => {
            String::from_utf8(bytes.to_vec()).map_err(|_| format!("{name} is not UTF-8"))
        }
        Ok(_) => Err(format!("{name} is not a text")),
        Err(error) => Err(format!("{name}: {error}")),
    }
}
