//! A write that another thread may run, or drop.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use store_core::ticket::Outcome;

use super::queue::{Verdict, Work};

/// A write that leaves its outcome in `place`.
pub(super) fn leaving_outcome<T: Send + 'static>(
    place: Arc<Mutex<Option<Outcome<T>>>>,
    run: impl FnOnce(&Connection) -> (Verdict, Outcome<T>) + Send + 'static,
) -> Work {
    let mut run = Droppable(Some(run));
    Box::new(move |connection| {
        let run = run.0.take().expect("it is run once");
        let (verdict, outcome) = run(connection);
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        verdict
    })
}

/// A closure of the user's that may never be run. What it holds may panic when it is dropped; that happens in the
/// thread that leads, which has others to serve.
struct Droppable<F>(Option<F>);

impl<F> Drop for Droppable<F> {
    fn drop(&mut self) {
        let unrun = self.0.take();
        if catch_unwind(AssertUnwindSafe(|| drop(unrun))).is_err() {
            tracing::error!("a write that was never run panicked when it was dropped");
        }
    }
}
