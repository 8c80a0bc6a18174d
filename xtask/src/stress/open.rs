//! The store under test, opened as a user would.

use std::path::Path;

use store_core::Actor;
use store_sqlite::{Options, SqliteStore};

use super::plan::Plan;
use crate::failure::{Context, Result};

/// Opens the store of a run.
pub fn open(plan: &Plan, process: u32) -> Result<SqliteStore> {
    open_at(plan, &plan.database, process)
}

/// Opens a store as a run does. All options but the durability are the defaults: those are tested.
pub fn open_at(plan: &Plan, database: &Path, process: u32) -> Result<SqliteStore> {
    let actor = Actor::new(plan.actor(process, 0)).doing(|| "name a process".to_owned())?;
    Options::new(database)
        .durability(plan.durability.of_store())
        .actor(actor)
        .open()
        .doing(|| format!("open the store {}", database.display()))
}
