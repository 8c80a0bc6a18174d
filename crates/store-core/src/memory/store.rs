//! The store in memory: snapshots for readers, turns for writers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Result;
use crate::event::{Actor, Author};
use crate::nesting::{StoreKey, UnitGuard};
use crate::retention::{Retention, RetentionReport};
use crate::store::Store;
use crate::ticket::{Ticket, at_once};
use crate::time::{Clock, SystemClock};
use crate::worker::Process;

use super::state::State;
use super::unit::{Reading, Signer, Unit, Writing};
use super::watch::{Commits, MemoryWatch};

/// A store in memory. Its clones are the same store.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
    signer: Signer,
}

#[derive(Debug)]
struct Shared {
    key: StoreKey,
    clock: Arc<dyn Clock>,
    /// Held by a writer for the whole of its unit.
    turn: Mutex<()>,
    /// Held for as long as it takes to copy or replace the pointer.
    newest: Mutex<Arc<State>>,
    commits: Arc<Commits>,
}

impl MemoryStore {
    /// An empty store that goes by the machine's clock. It signs `anonymous` until told otherwise by
    /// [`acting_as`](Store::acting_as).
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// An empty store that goes by `clock`.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let shared = Shared {
            key: StoreKey::new(),
            clock,
            turn: Mutex::default(),
            newest: Mutex::default(),
            commits: Arc::default(),
        };
        let author = Author::new(Actor::new("anonymous").expect("a name"));
        Self { shared: Arc::new(shared), signer: Signer { author, process: None } }
    }

    /// The same store, with every change told as made by `process`; none is told unless set.
    #[must_use]
    pub fn in_process(mut self, process: Process) -> Self {
        self.signer.process = Some(process);
        self
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    fn signed_by(&self, author: Author) -> Self {
        let signer = Signer { author, process: self.signer.process.clone() };
        Self { shared: Arc::clone(&self.shared), signer }
    }
}

#[cfg(test)]
impl MemoryStore {
    /// Which store it is, for backends that wrap it.
    pub(super) fn key(&self) -> StoreKey {
        self.shared.key
    }

    /// Who signs changes, for backends that wrap it.
    pub(super) fn author(&self) -> &Author {
        &self.signer.author
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Shared {
    fn snapshot(&self) -> Arc<State> {
        Arc::clone(&lock(&self.newest))
    }

    fn commit(&self, state: Arc<State>) {
        let previous = std::mem::replace(&mut *lock(&self.newest), state);
        // Only now, with nobody kept waiting.
        drop(previous);
        self.commits.count();
    }
}

/// A panic of a closure leaves the state as it was, so a lock that saw one is as good as before.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for MemoryStore {
    type Read<'t> = Unit<'t, Reading>;
    type Write<'t> = Unit<'t, Writing>;
    type Watch = MemoryWatch;
    type Archive = Self;

    fn read<T>(&self, work: impl FnOnce(&Self::Read<'_>) -> Result<T>) -> Result<T> {
        let _inside = UnitGuard::enter(self.shared.key)?;
        let snapshot = self.shared.snapshot();
        work(&Unit::new(snapshot, &*self.shared.clock, &self.signer))
    }

    fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self::Write<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _inside = UnitGuard::enter(self.shared.key)?;
        let _turn = lock(&self.shared.turn);
        let unit = Unit::new(self.shared.snapshot(), &*self.shared.clock, &self.signer);
        let answer = work(&unit)?;
        self.shared.commit(unit.state());
        Ok(answer)
    }

    /// Runs the write at once; the ticket has its outcome.
    fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self::Write<'_>) -> Result<T> + Send + 'static,
    ) -> Result<Ticket<T>> {
        Ok(at_once(self.shared.key, || self.write(work)))
    }

    fn watch(&self) -> Result<MemoryWatch> {
        Ok(MemoryWatch::of(self.shared.key, &self.shared.commits))
    }

    fn move_finished(&self, retention: &Retention, into: &Self) -> Result<RetentionReport> {
        self.retain(retention, Some(into))
    }

    fn prune(&self, retention: &Retention) -> Result<RetentionReport> {
        self.retain(retention, None)
    }

    fn acting_as(&self, actor: Actor) -> Self {
        self.signed_by(self.signer.author.acting_as(actor))
    }

    fn because(&self, reason: &str) -> Result<Self> {
        Ok(self.signed_by(self.signer.author.because(reason)?))
    }
}
