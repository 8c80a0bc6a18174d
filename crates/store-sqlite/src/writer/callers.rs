//! Who is told what became of a write, and where threads wait for that.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use store_core::{Error, Result};

/// Who is told what became of a write.
pub(super) enum Caller {
    /// A thread that waits, and leads when it is first.
    Waiting(Arc<Seat>),
    /// One who went on; this is called with the outcome of the commit.
    WentOn(Box<dyn FnOnce(Result<()>) + Send>),
}

impl Caller {
    pub(super) fn tell(self, outcome: Result<()>) {
        match self {
            Self::Waiting(seat) => seat.set(Stage::Done(outcome)),
            // It runs code of the user's: drops of what nobody waited for, wakers.
            Self::WentOn(tell) => {
                if catch_unwind(AssertUnwindSafe(|| tell(outcome))).is_err() {
                    tracing::error!("a program panicked when it was told what became of a write");
                }
            }
        }
    }
}

/// A caller whose write was taken into a batch: told in any case, also if the leader panics.
pub(super) struct Taken(Option<Caller>);

impl Taken {
    pub(super) const fn new(caller: Caller) -> Self {
        Self(Some(caller))
    }

    /// Whether a thread waits for it.
    pub(super) const fn waits(&self) -> bool {
        matches!(self.0, Some(Caller::Waiting(_)))
    }

    pub(super) fn tell(mut self, outcome: Result<()>) {
        if let Some(caller) = self.0.take() {
            caller.tell(outcome);
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(caller) = self.0.take() {
            let what = "the thread that led a batch of writes panicked".to_owned();
            caller.tell(Err(Error::Bug { what, source: None }));
        }
    }
}

/// Where a thread waits.
#[derive(Default)]
pub(super) struct Seat {
    stage: Mutex<Stage>,
    changed: Condvar,
}

#[derive(Default)]
pub(super) enum Stage {
    /// In the queue, or in a batch that is not committed.
    #[default]
    Waiting,
    /// First in the queue while nobody leads: lead.
    Lead,
    /// The commit's outcome.
    Done(Result<()>),
}

impl Seat {
    pub(super) fn set(&self, stage: Stage) {
        *lock(&self.stage) = stage;
        self.changed.notify_one();
    }

    /// Waits until it is told something, or until `deadline`; takes what it was told.
    pub(super) fn wait_until(&self, deadline: Instant) -> Stage {
        let mut stage = lock(&self.stage);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if !matches!(*stage, Stage::Waiting) || left.is_zero() {
                return std::mem::take(&mut *stage);
            }
            let waited = self.changed.wait_timeout(stage, left);
            stage = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until it is told something.
    pub(super) fn wait(&self) -> Stage {
        let mut stage = lock(&self.stage);
        while matches!(*stage, Stage::Waiting) {
            stage = self.changed.wait(stage).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::take(&mut *stage)
    }
}

/// Locks, whatever happened to another holder: no state here is left half changed by a panic.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
