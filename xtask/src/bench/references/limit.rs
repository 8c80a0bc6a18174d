//! One connection of the thread's own.

use rusqlite::Connection;

use super::raw::Access;

/// The connection.
pub struct Limit(pub Connection);

impl Access for Limit {
    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        work(&mut self.0)
    }
}
