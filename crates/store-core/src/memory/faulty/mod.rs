//! Stores with a known fault, to show that the suite finds it.

mod claims;
mod clusters;
mod dependencies;
mod events;
mod fault;
mod jobs;
mod remote_jobs;
mod results;
mod retention;
mod tags;
mod unit;
mod workflows;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::conformance::Fixture;
use crate::error::{Error, Result};
use crate::event::Actor;
use crate::retention::{Retention, RetentionReport};
use crate::store::Store;
use crate::ticket::{Ticket, ticket};
use crate::time::Clock;
use crate::watch::Watch;

use super::state::State;
use super::store::MemoryStore;
use super::unit::{Reading, Writing};
use super::watch::MemoryWatch;

pub(super) use fault::Fault;
use unit::FaultyUnit;

/// A write that was handed in and will tell its own ticket.
type Held = Box<dyn FnOnce() + Send>;

/// A store in memory with a fault.
#[derive(Clone)]
pub(super) struct Faulty {
    inner: MemoryStore,
    fault: Fault,
    /// Writes that were handed in and are not run yet.
    held: Arc<Mutex<Vec<Held>>>,
    /// The store as it was before the newest write that was handed in and landed.
    earlier: Arc<Mutex<Option<Arc<State>>>>,
}

impl Faulty {
    fn take_in(&self, write: Held) {
        match self.fault {
            Fault::LosesTheUnwaited => drop(write),
            Fault::RunsLate => lock(&self.held).push(write),
            Fault::SwapsTickets => {
                let first = lock(&self.held).pop();
                match first {
                    None => lock(&self.held).push(write),
                    Some(first) => {
                        write();
                        first();
                    }
                }
            }
            _ => write(),
        }
    }

    fn run_what_is_late(&self) {
        if self.fault == Fault::RunsLate {
            let late = std::mem::take(&mut *lock(&self.held));
            late.into_iter().for_each(|write| write());
        }
    }

    /// After a write that was handed in: remembers how to undo it, or undoes the one before it.
    fn undo_the_neighbour(&self, before: Arc<State>, landed: bool) -> Result<()> {
        let earlier = lock(&self.earlier).take();
        if landed {
            *lock(&self.earlier) = Some(before);
        } else if let Some(earlier) = earlier {
            self.inner.write(move |w| {
                w.change(|state, _| {
                    *state = State::clone(&earlier);
                    Ok(())
                })
            })?;
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes stores with a fault.
pub(super) struct FaultyFixture(pub(super) Fault);

impl Fixture for FaultyFixture {
    type Store = Faulty;

    fn fresh(&self, clock: Arc<dyn Clock>) -> Faulty {
        Faulty {
            inner: MemoryStore::with_clock(clock),
            fault: self.0,
            held: Arc::default(),
            earlier: Arc::default(),
        }
    }

    fn reopen(&self, _: Faulty, _: Arc<dyn Clock>) -> Option<Faulty> {
        None
    }

    fn archive(&self, clock: Arc<dyn Clock>) -> MemoryStore {
        MemoryStore::with_clock(clock)
    }

    fn open_archive(&self, archive: &MemoryStore, clock: Arc<dyn Clock>) -> Faulty {
        Faulty { inner: archive.clone(), ..self.fresh(clock) }
    }
}

impl Store for Faulty {
    type Read<'t> = FaultyUnit<'t, Reading>;
    type Write<'t> = FaultyUnit<'t, Writing>;
    type Watch = FaultyWatch;
    type Archive = MemoryStore;

    fn read<T>(&self, work: impl FnOnce(&Self::Read<'_>) -> Result<T>) -> Result<T> {
        let Self { inner: store, fault, .. } = self;
        let answer = store.read(|r| work(&FaultyUnit { inner: r, store, fault: *fault }));
        answer.map_err(|error| fault.mistake(error))
    }

    fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self::Write<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (fault, store) = (self.fault, self.inner.clone());
        let earlier = self.inner.read(|r| Ok(r.state())).map_err(|error| fault.mistake(error))?;
        if fault == Fault::LosesUpdates {
            // Time for others to commit what this one will undo.
            std::thread::sleep(Duration::from_micros(200));
        }
        let answer = self.inner.write(move |w| {
            w.change(|state, _| {
                if fault == Fault::LosesUpdates {
                    *state = State::clone(&earlier);
                }
                fault.before(state);
                Ok(())
            })?;
            let before = w.state();
            let unit = FaultyUnit { inner: w, store: &store, fault };
            let answer = match fault {
                Fault::SwallowsPanics => catch_unwind(AssertUnwindSafe(|| work(&unit)))
                    .unwrap_or_else(|_| Err(Error::aborted("something panicked"))),
                _ => work(&unit),
            };
            w.change(|state, _| {
                fault.after(&before, state, store.author());
                Ok(())
            })?;
            if fault == Fault::CommitsOnError { Ok(answer) } else { answer.map(Ok) }
        });
        self.run_what_is_late();
        answer.flatten()
    }

    fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self::Write<'_>) -> Result<T> + Send + 'static,
    ) -> Result<Ticket<T>> {
        let (promise, ticket) = ticket(self.inner.key());
        let store = self.clone();
        self.take_in(Box::new(move || {
            let before = store.inner.read(|r| Ok(r.state()));
            let outcome = catch_unwind(AssertUnwindSafe(|| store.write(work)));
            if let (Fault::UndoesItsNeighbour, Ok(before)) = (store.fault, before) {
                let landed = matches!(outcome, Ok(Ok(_)));
                store.undo_the_neighbour(before, landed).expect("it is not inside a unit");
            }
            promise.keep(outcome);
        }));
        Ok(ticket)
    }

    fn watch(&self) -> Result<FaultyWatch> {
        Ok(FaultyWatch { inner: self.inner.watch()?, fault: self.fault })
    }

    fn move_finished(&self, retention: &Retention, into: &MemoryStore) -> Result<RetentionReport> {
        match self.fault {
            Fault::LosesCopies => self.prune(retention),
            _ => self.retain(retention, Some(into)),
        }
    }

    fn prune(&self, retention: &Retention) -> Result<RetentionReport> {
        self.retain(retention, None)
    }

    fn acting_as(&self, actor: Actor) -> Self {
        match self.fault {
            Fault::SignsForAnother => self.clone(),
            _ => Self { inner: self.inner.acting_as(actor), ..self.clone() },
        }
    }

    fn because(&self, reason: &str) -> Result<Self> {
        if self.fault == Fault::TakesEmptyReasons {
            return Ok(self.clone());
        }
        let inner = self.inner.because(reason)?;
        let inner = match self.fault {
            Fault::ForgetsReasons => self.inner.clone(),
            Fault::HidesWhoGivesReasons => inner.acting_as(Actor::new("anonymous")?),
            _ => inner,
        };
        Ok(Self { inner, ..self.clone() })
    }
}

/// A watch of a store with a fault.
pub(super) struct FaultyWatch {
    inner: MemoryWatch,
    fault: Fault,
}

impl Watch for FaultyWatch {
    fn wait(&mut self, timeout: Duration) -> Result<bool> {
        match self.fault {
            Fault::WatchesOnlyWhileWaiting => self.inner.forget(),
            Fault::WakesForNothing => return Ok(true),
            _ => {}
        }
        self.inner.wait(timeout).map_err(|error| self.fault.mistake(error))
    }
}
