//! Stores with a known fault, to show that the suite finds it.

mod claims;
mod clusters;
mod dependencies;
mod events;
mod jobs;
mod remote_jobs;
mod results;
mod tags;
mod unit;
mod workflows;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::cluster::Intake;
use crate::conformance::Fixture;
use crate::error::{Error, Result};
use crate::event::{Actor, Event, EventKind};
use crate::store::Store;
use crate::ticket::{Ticket, ticket};
use crate::time::Clock;
use crate::watch::Watch;

use super::state::State;
use super::store::MemoryStore;
use super::unit::{Reading, Writing};
use super::watch::MemoryWatch;

use unit::FaultyUnit;

/// What a faulty store does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing: the control of the control.
    None,
    /// Changes of a status are not told in the history.
    LosesEvents,
    /// That a job was deleted is not told.
    DeletesSilently,
    /// What becomes of clusters is not told.
    LosesClusters,
    /// An event is written by a report that changes nothing.
    TellsTwice,
    /// Events are signed by whoever made the store.
    SignsForAnother,
    /// The newest id is given out again once its job is gone.
    ReusesIds,
    /// A unit that returns an error is committed.
    CommitsOnError,
    /// A panic is turned into an error.
    SwallowsPanics,
    /// Of several calls, those before a refused one stay.
    StopsHalfway,
    /// A change is made whatever status it expects.
    IgnoresExpected,
    /// Another unit may commit between a unit's reading and its writing.
    LosesUpdates,
    /// Reads within a unit are of different moments.
    ReadsTheNewest,
    /// A unit within a unit is refused with another error.
    MistakesNesting,
    /// Jobs that were put away are counted.
    CountsTheArchived,
    /// A page begins after all jobs of its cursor's moment.
    SkipsTies,
    /// What precedes a cursor is looked for at the beginning of the list.
    ForgetsTheWayBack,
    /// A cursor of another order changes the order.
    TakesAnyCursor,
    /// A `%` in a text stands for anything.
    ReadsWildcards,
    /// Jobs are counted whatever tags they have.
    CountsWithoutTags,
    /// A tag that was removed stays.
    KeepsRemovedTags,
    /// The energy of a filter may be of an earlier attempt.
    MixesAttempts,
    /// Only the first thousand ids are looked up.
    AsksForAThousand,
    /// A second result takes the place of the first.
    OverwritesResults,
    /// A job is deleted from under those that wait for it.
    DeletesParents,
    /// A job is deleted with what a scheduler may have of it.
    LosesHandles,
    /// Edges that close a circle are let in.
    LetsCirclesClose,
    /// Jobs are held that ask to be cancelled.
    HoldsWhatAsksForMore,
    /// A workflow is created under a name that is taken.
    AddsToWorkflows,
    /// Of a workflow only the jobs that failed are retried.
    RetriesTheFailedAlone,
    /// The decks of jobs are not stored with them.
    ForgetsDecks,
    /// A second job may be created under a key.
    ForgetsKeys,
    /// A claim hands out what is held already.
    ClaimsTwice,
    /// A claim takes jobs that wait for others.
    ClaimsTheWaiting,
    /// A worker that lost its lease is refused the end, and claims all the same.
    ClaimsAfterARefusal,
    /// A claim overlooks what a cluster may run.
    IgnoresLimits,
    /// A worker that lost its lease may report all the same.
    ForgetsTokens,
    /// The same failure, reported again, is told again.
    CountsAFailureTwice,
    /// A worker that lost its lease may record results all the same.
    TakesLateResults,
    /// A worker that lost its lease may begin to submit the job all the same.
    SubmitsWithoutALease,
    /// A worker that lost its lease is not told so when it reports a handle.
    TakesLateHandles,
    /// A worker that lost its lease may report on submissions all the same.
    TakesLateReports,
    /// A lease is good for the submissions of any job.
    TakesAnyLease,
    /// A submission of an earlier attempt is recorded as one of the present attempt.
    MistakesTheAttempt,
    /// What was submitted for a job that has failed runs on.
    SparesTheFailed,
    /// A recovery takes live leases away.
    TakesLiveLeases,
    /// A claim takes the oldest job, whatever its priority.
    IgnoresPriorities,
    /// A claim takes jobs whose time has not come.
    ClaimsTooEarly,
    /// A job that failed is tried again without its pause.
    RetriesAtOnce,
    /// A run may be taken over from a worker that holds it.
    AdoptsTheHeld,
    /// Runs that were lost are not told to whoever looks for them.
    ForgetsTheLost,
    /// A heartbeat does not tell that its run is to stop.
    HidesCancellations,
    /// A cluster that is draining takes new jobs.
    IgnoresDraining,
    /// The jobs of a cluster that is removed by force run on.
    LeavesJobsRunning,
    /// Of several events that follow, the first is skipped.
    SkipsEvents,
    /// A submission is begun beside an active one of the same attempt.
    SubmitsTwice,
    /// Intents of later attempts are not among those that are looked up.
    ForgetsIntents,
    /// A late report takes a submission back to an earlier phase.
    GoesBack,
    /// A handle that was used again means whatever had it first.
    TakesHandlesForIds,
    /// The jobs of a cluster that does not answer are failed.
    FailsTheUnreachable,
    /// Of two writes that are handed in, the second is run first.
    SwapsTickets,
    /// A write that was handed in and fails undoes the one before it.
    UndoesItsNeighbour,
    /// A write that was handed in is lost when its ticket is dropped. A ticket does not tell its store
    /// that it was dropped, so all are lost.
    LosesTheUnwaited,
    /// A write that was handed in is run after what is written next.
    RunsLate,
    /// A result that did not converge is used again, though only others may be.
    ReusesWhatDidNotConverge,
    /// A result is used again, though nobody asked for that.
    ReusesUnasked,
    /// A watch sees only what is committed while it is being waited with.
    WatchesOnlyWhileWaiting,
    /// A watch wakes by itself, whether anybody commits or not.
    WakesForNothing,
}

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
}

impl Store for Faulty {
    type Read<'t> = FaultyUnit<'t, Reading>;
    type Write<'t> = FaultyUnit<'t, Writing>;
    type Watch = FaultyWatch;

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
                fault.after(&before, state);
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

    fn acting_as(&self, actor: Actor) -> Self {
        match self.fault {
            Fault::SignsForAnother => self.clone(),
            _ => Self { inner: self.inner.acting_as(actor), ..self.clone() },
        }
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

impl Fault {
    fn mistake(self, error: Error) -> Error {
        match error {
            Error::Nested if self == Self::MistakesNesting => Error::Closed,
            other => other,
        }
    }

    fn before(self, state: &mut State) {
        if self == Self::ReusesIds {
            state.given_out.jobs = state.jobs.keys().last().map_or(0, |id| id.get());
        }
        if self == Self::IgnoresDraining {
            for cluster in state.clusters.values_mut() {
                Arc::make_mut(cluster).config.intake = Intake::Open;
            }
        }
    }

    fn after(self, before: &State, state: &mut State) {
        let is_lost = |event: &Event| match self {
            Self::LosesEvents => event.kind == EventKind::StatusChanged,
            Self::DeletesSilently => event.kind.is_departure(),
            Self::LosesClusters => event.subject.cluster().is_some(),
            _ => false,
        };
        state
            .events
            .retain(|sequence, event| before.events.contains_key(sequence) || !is_lost(event));
    }
}
