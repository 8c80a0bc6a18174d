//! One connection behind a mutex.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::raw::Access;

/// The connection that the threads share.
#[derive(Clone)]
pub struct Behind(Arc<Mutex<Connection>>);

impl Behind {
    /// Puts it behind a mutex.
    pub fn new(connection: Connection) -> Self {
        Self(Arc::new(Mutex::new(connection)))
    }
}

impl Access for Behind {
    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
