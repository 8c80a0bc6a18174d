//! The ledger of a store: each migration once, and no other.

use std::path::Path;

use schema::ledger::{self, LedgerState};
use schema::migrations::embedded;

use super::connection;
use crate::failure::{Result, chain};

/// What is wrong with the ledger of a database, if anything.
pub fn fault(database: &Path) -> Result<Option<String>> {
    let connection = connection::open(database)?;
    // It refuses a version that is there twice.
    let rows = match ledger::read(&connection) {
        Ok(rows) => rows,
        Err(error) => return Ok(Some(chain(&error))),
    };
    Ok(match ledger::compare(&rows, &embedded()) {
        LedgerState::UpToDate => None,
        other => Some(format!("the ledger does not hold each migration once: {other:?}")),
    })
}
