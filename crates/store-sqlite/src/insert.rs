//! Rows of one table, several of them inserted by one statement.

use rusqlite::params_from_iter;
use rusqlite::types::Value;
use store_core::Result;

use crate::unit::{Unit, Writing};

/// What inserts rows of `COLUMNS` columns into a table.
///
/// Each statement takes and gives back what it holds (its cursors, of `job_events` the number of the newest event);
/// more than eight rows spare nothing more.
pub(crate) struct Insert<const COLUMNS: usize> {
    pub(crate) one: &'static str,
    pub(crate) eight: &'static str,
}

macro_rules! insert {
    ($table:literal, $columns:expr, $row:literal) => {
        $crate::insert::Insert {
            one: insert!(@ $table, $columns, $row),
            eight: insert!(
                @ $table, $columns, $row, ", ", $row, ", ", $row, ", ", $row, ", ", $row, ", ", $row, ", ", $row,
                ", ", $row
            ),
        }
    };
    (@ $table:literal, $columns:expr, $($row:literal),+) => {
        concat!("INSERT INTO ", $table, " (", $columns, ") VALUES ", $($row),+)
    };
}
pub(crate) use insert;

impl Unit<'_, Writing> {
    /// Inserts rows in their order. That a constraint refuses one is a fault of the storage, as in
    /// [`execute`](Self::execute); those before it may stay.
    pub(crate) fn insert_all<const COLUMNS: usize>(
        &self,
        insert: &Insert<COLUMNS>,
        rows: &[[Value; COLUMNS]],
    ) -> Result<()> {
        let (eights, rest) = rows.as_chunks::<8>();
        for eight in eights {
            self.execute(insert.eight, params_from_iter(eight.as_flattened()))?;
        }
        rest.iter().try_for_each(|row| self.execute(insert.one, params_from_iter(row)).map(drop))
    }
}
