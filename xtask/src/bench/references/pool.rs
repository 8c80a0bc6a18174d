//! A pool with a connection a thread.

use std::path::Path;

use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::Connection;

use super::connection::{BUSY_TIMEOUT, set_up};
use super::raw::Access;
use crate::failure::{Context, Result};
use crate::shared::choices::Durability;

/// The pool that the threads share.
#[derive(Clone)]
pub struct Pool(r2d2::Pool<SqliteConnectionManager>);

impl Pool {
    /// Opens all connections.
    pub fn open(database: &Path, durability: Durability, threads: u32) -> Result<Self> {
        let manager = SqliteConnectionManager::file(database).with_init(move |connection| {
            // First: the settings may have to wait for another process.
            connection.busy_timeout(BUSY_TIMEOUT)?;
            set_up(connection, durability)
        });
        let pool = r2d2::Pool::builder().max_size(threads).build(manager);
        Ok(Self(pool.doing(|| "open a pool of connections".to_owned())?))
    }
}

impl Access for Pool {
    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut connection = self.0.get().map_err(|error| {
            rusqlite::Error::ToSqlConversionFailure(format!("no connection: {error}").into())
        })?;
        work(&mut connection)
    }
}
