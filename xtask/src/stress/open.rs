//! The store under test, opened as a user would.

use store_core::Actor;
use store_sqlite::{Options, SqliteStore};

use super::plan::Plan;
use crate::failure::{Context, Result};

/// Opens the store of a run. All options but the durability are the defaults: those are tested.
pub fn open(plan: &Plan, process: u32) -> Result<SqliteStore> {
    let actor = Actor::new(plan.actor(process, 0)).doing(|| "name a process".to_owned())?;
    Options::new(&plan.database)
        .durability(plan.durability.of_store())
        .actor(actor)
        .open()
        .doing(|| format!("open the store {}", plan.database.display()))
}
