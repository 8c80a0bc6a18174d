//! The writer: who writes when, and who commits for whom.
//!
//! One thread at a time leads. It takes the gate, begins a transaction, runs its own write on its own
//! thread, then the writes that others have queued meanwhile, units of work in savepoints; it commits once,
//! leaves the gate, hands the lead to the first who still waits, and only then tells everybody. A lone
//! caller leads at once: no hand-over, no allocation. Writes that nobody waits for are led by a thread
//! of the store's own, the submitter.

mod batch;
mod callers;
mod queue;
mod work;

pub(crate) use self::queue::Extent;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, Location as Origin, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use store_core::event::Author;
use store_core::nesting::{self, StoreKey, UnitGuard};
use store_core::ticket::{Outcome, Ticket, ticket};
use store_core::{Clock, Error, Result};

use self::callers::{Caller, Seat, Stage, Taken};
use self::queue::{Place, Queue, Request, Terms, Verdict};
use self::work::leaving_outcome;
use crate::create;
use crate::gate::Gate;
use crate::location::{Identities, Location};
use crate::maintenance::checkpoint::{
    self, CheckpointReport, Cut, LONGEST_CUT, LONGEST_DRAIN, Mode,
};
use crate::note::Doing;
use crate::options::Options;
use crate::patience;
use crate::pool::{Connections, Lent};
use crate::sight::Sight;
use crate::unit::{Unit, Writing};

/// Whose write it is, when it is, and where it was asked for.
pub(crate) struct Signed {
    clock: Arc<dyn Clock>,
    author: Author,
    origin: &'static Origin<'static>,
}

impl Signed {
    /// A write that is asked for here.
    #[track_caller]
    pub(crate) fn here(clock: &Arc<dyn Clock>, author: &Author) -> Self {
        Self { clock: Arc::clone(clock), author: author.clone(), origin: Origin::caller() }
    }
}

/// The writer of one store in this process.
pub(crate) struct Writer {
    core: Arc<Core>,
    /// The thread that leads writes which nobody waits for, from the first of them on.
    submitter: Mutex<Option<JoinHandle<()>>>,
}

/// What the submitter's thread shares with the callers.
pub(super) struct Core {
    pool: Connections,
    gate: Gate,
    location: Location,
    identities: Identities,
    deadline: Duration,
    busy_timeout: Duration,
    largest_batch: usize,
    /// In bytes.
    longest_log: u64,
    queue: Queue,
    sight: Arc<Sight>,
    key: StoreKey,
}

impl Writer {
    pub(crate) fn new(
        pool: Connections,
        gate: Gate,
        location: Location,
        identities: Identities,
        options: &Options,
        sight: Arc<Sight>,
        key: StoreKey,
    ) -> Self {
        let core = Core {
            pool,
            gate,
            location,
            identities,
            deadline: options.deadline,
            busy_timeout: options.busy_timeout,
            largest_batch: options.batch as usize,
            longest_log: options.wal_limit_bytes,
            queue: Queue::new(options.queue as usize, options.when_full),
            sight,
            key,
        };
        Self { core: Arc::new(core), submitter: Mutex::default() }
    }

    /// Runs `work` in a transaction, alone or with others'; see [`Store::write`](store_core::Store::write).
    pub(crate) fn write<T: Send + 'static>(
        &self,
        Signed { clock, author, origin }: Signed,
        extent: Extent,
        work: impl FnOnce(&Unit<'_, Writing>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let core = &*self.core;
        let deadline = Instant::now() + core.deadline;
        let terms = Terms { extent, deadline, origin };
        let run = move |connection: &Connection| run(connection, &*clock, author, extent, work);
        // Made only for one who has to wait.
        let mut waits = None;
        let request = |run| {
            let (outcome, seat) = (Arc::default(), Arc::new(Seat::default()));
            waits = Some((Arc::clone(&outcome), Arc::clone(&seat)));
            let work = leaving_outcome(outcome, run);
            Request { work, caller: Caller::Waiting(seat), terms }
        };
        let brought = core.queue.bring(deadline, run, request);
        let (committed, outcome) =
            match brought.map_err(|error| core.without_room(error, deadline))? {
                Place::First(lead, run) => {
                    let mut outcome = None;
                    let first = |connection: &Connection| {
                        let (verdict, own) = run(connection);
                        outcome = Some(own);
                        verdict
                    };
                    (core.commit(lead, terms, true, first), outcome)
                }
                Place::Queued => {
                    let (outcome, seat) = waits.expect("made with the request");
                    let committed = core.wait(&seat, deadline);
                    let outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
                    (committed, outcome)
                }
            };
        let committed = committed.inspect_err(|error| core.count(error));
        told(answer(committed, outcome))
    }

    /// Queues `work` and goes on; see [`Store::submit`](store_core::Store::submit). `keep_open` lives
    /// until the write has its outcome.
    pub(crate) fn submit<T: Send + 'static>(
        &self,
        Signed { clock, author, origin }: Signed,
        keep_open: impl Send + 'static,
        work: impl FnOnce(&Unit<'_, Writing>) -> Result<T> + Send + 'static,
    ) -> Result<Ticket<T>> {
        self.start_submitter()?;
        let (promise, ticket) = ticket(self.core.key);
        let outcome = Arc::new(Mutex::new(None));
        let extent = Extent::Unit;
        let run = move |connection: &Connection| run(connection, &*clock, author, extent, work);
        let place = Arc::clone(&outcome);
        let tell = move |committed| {
            let outcome = place.lock().unwrap_or_else(PoisonError::into_inner).take();
            promise.keep(answer(committed, outcome));
            drop(keep_open);
        };
        let work = leaving_outcome(outcome, run);
        let deadline = Instant::now() + self.core.deadline;
        let terms = Terms { extent, deadline, origin };
        let request = Request { work, caller: Caller::WentOn(Box::new(tell)), terms };
        // Inside a unit of work, only this thread could make room.
        let may_wait = !nesting::is_inside(self.core.key);
        let handed_in = self.core.queue.hand_in(request, may_wait);
        handed_in.map_err(|error| self.core.without_room(error, deadline))?;
        Ok(ticket)
    }

    fn start_submitter(&self) -> Result<()> {
        let mut thread = self.submitter.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let core = Arc::clone(&self.core);
            let spawned = thread::Builder::new()
                .name("crystalstore-submitter".to_owned())
                .spawn(move || core.lead_when_called());
            *thread = Some(spawned.map_err(|error| Error::NoMemory(error.into()))?);
        }
        Ok(())
    }

    /// Refuses every later write, and waits until those that were queued are committed.
    pub(crate) fn close(&self) {
        self.core.queue.close();
    }

    /// How many writes wait in this process.
    pub(crate) fn waiting(&self) -> usize {
        self.core.queue.waiting()
    }

    /// Runs something on the connection that writes, outside of any transaction, if no write is under way.
    pub(crate) fn if_idle<T>(&self, work: impl FnOnce(&Connection) -> T) -> Option<T> {
        self.core.pool.try_get().map(|connection| work(&connection))
    }

    /// Runs something on the connection that writes, outside of any transaction and without the gate:
    /// what it does must be safe beside the writers of other processes.
    pub(crate) fn in_turn<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let deadline = Instant::now() + self.core.deadline;
        work(&*self.core.connection(deadline)?)
    }

    /// Empties the log, without the gate.
    pub(crate) fn empty_the_log(&self, cut: Cut) -> Result<CheckpointReport> {
        let core = &*self.core;
        match create::connect_to_copy(core.location.database()) {
            Ok(beside) => checkpoint::copy(&beside, &core.gate)?,
            // Then all of it is copied in the step that writers wait for, unless that is much.
            Err(error) => tracing::debug!(%error, "no connection to copy the log with"),
        }
        let is_too_long = core.location.wal_bytes() > core.longest_log.min(LONGEST_CUT);
        let mode = match cut {
            Cut::IfShort if is_too_long => Mode::Restart,
            Cut::Anyway | Cut::IfShort => Mode::Truncate(LONGEST_DRAIN),
        };
        self.in_turn(|connection| checkpoint::empty(connection, mode))
    }

    /// As [`in_turn`](Self::in_turn), with the gate, for what writes on its own.
    pub(crate) fn in_a_turn_of_the_gate<T>(
        &self,
        task: &'static str,
        work: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let core = &*self.core;
        let deadline = Instant::now() + core.deadline;
        let connection = core.connection(deadline)?;
        let _turn = core.gate.enter(deadline, Doing::Maintaining(task))?;
        let again = || core.sight.counters.retried();
        patience::until(deadline, &connection, core.busy_timeout, again, || work(&connection))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.core.queue.close();
        let thread = self.submitter.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // The submitter itself may drop the last store, after the last write that kept it open.
        if let Some(thread) = thread.filter(|found| found.thread().id() != thread::current().id()) {
            let _ended = thread.join();
        }
    }
}

impl Core {
    /// Waits in the queue until the write is committed by another's lead, or leads.
    fn wait(&self, seat: &Arc<Seat>, deadline: Instant) -> Result<()> {
        match seat.wait_until(deadline) {
            Stage::Done(outcome) => outcome,
            Stage::Lead => self.lead_own(seat),
            Stage::Waiting => {
                if self.queue.take(seat).is_some() {
                    // It may have been told to lead just now.
                    if matches!(seat.wait_until(deadline), Stage::Lead) {
                        drop(self.queue.lead());
                    }
                    let holder = self.gate.holder();
                    return Err(Error::Contended { waited: self.waited(deadline), holder });
                }
                // It is in a batch: its outcome comes with the commit, which has begun.
                match seat.wait() {
                    Stage::Done(outcome) => outcome,
                    Stage::Lead | Stage::Waiting => unreachable!("it is not in the queue any more"),
                }
            }
        }
    }

    fn lead_own(&self, seat: &Arc<Seat>) -> Result<()> {
        let lead = self.queue.lead();
        let own = self.queue.take(seat).expect("who is told to lead is still in the queue");
        self.commit(lead, own.terms, true, own.work)
    }

    /// The submitter: leads whenever the first in the queue has no thread of its own.
    fn lead_when_called(&self) {
        // The closures that it runs are inside a unit of work, as in any other thread.
        let _inside = UnitGuard::enter(self.key).expect("the thread is new");
        while let Some(lead) = self.queue.called() {
            let Some(Request { work, caller, terms }) = self.queue.next(|_| true) else { continue };
            let turn = AssertUnwindSafe(|| {
                let first = Taken::new(caller);
                let committed = self.commit(lead, terms, first.waits(), work);
                first.tell(committed.inspect_err(|error| self.count(error)));
            });
            // Whoever was in the batch was told by its end; those who come next must find this thread.
            if catch_unwind(turn).is_err() {
                tracing::error!(
                    "the thread that writes what nobody waits for panicked, and goes on"
                );
            }
        }
    }

    fn count(&self, error: &Error) {
        match error {
            Error::Contended { waited, holder } => {
                self.sight.counters.contended();
                tracing::warn!(?waited, ?holder, "a write was given up: its turn did not come");
            }
            Error::QueueFull { .. } => self.sight.counters.queue_full(),
            _ => {}
        }
    }

    /// For how long a write has waited that was asked for in time for this deadline.
    fn waited(&self, deadline: Instant) -> Duration {
        deadline.checked_sub(self.deadline).unwrap_or(deadline).elapsed()
    }

    /// Says who has the turn for which those ahead in the full queue wait.
    fn without_room(&self, error: Error, deadline: Instant) -> Error {
        let error = match error {
            Error::Contended { .. } => {
                Error::Contended { waited: self.waited(deadline), holder: self.gate.holder() }
            }
            other => other,
        };
        self.count(&error);
        error
    }

    fn connection(&self, deadline: Instant) -> Result<Lent> {
        // It is open, so that only another's turn can be in the way: a leader's, a checkpoint's.
        let begun = Instant::now();
        let left = deadline.saturating_duration_since(begun).max(Duration::from_millis(1));
        let contended = |_| Error::Contended { waited: begun.elapsed(), holder: None };
        self.pool.get_timeout(left).map_err(contended)
    }

    /// A file that was moved or replaced takes writes that nobody will find, and without the shared
    /// index of its log, writers do not see each other.
    fn check_not_moved(&self) -> Result<()> {
        match Identities::of(&self.location) {
            Ok(found) if found == self.identities => Ok(()),
            Ok(_) => Err(Error::Moved(None)),
            Err(error) => Err(Error::Moved(Some(error.into()))),
        }
    }
}

/// Runs a closure as a unit of work, and says what becomes of its rows; its panic is an outcome.
fn run<T>(
    connection: &Connection,
    clock: &dyn Clock,
    author: Author,
    extent: Extent,
    work: impl FnOnce(&Unit<'_, Writing>) -> Result<T>,
) -> (Verdict, Outcome<T>) {
    let has_written = Cell::new(false);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let now = clock.now();
        // What a panic leaves behind from here on is not known.
        has_written.set(true);
        let unit = Unit::writing(connection, now, author, extent == Extent::Alone);
        let value = work(&unit).and_then(|value| unit.finish().map(|()| value));
        has_written.set(unit.has_written());
        value
    }));
    let verdict = match (&outcome, has_written.get()) {
        (Ok(Ok(_)), _) => Verdict::Keep,
        (_, true) => Verdict::Undo,
        (_, false) => Verdict::Nothing,
    };
    (verdict, outcome)
}

/// The caller's answer: its own error or panic before that of the commit.
fn answer<T>(committed: Result<()>, outcome: Option<Outcome<T>>) -> Outcome<T> {
    match outcome {
        Some(Ok(Ok(value))) => Ok(committed.map(|()| value)),
        Some(own) => own,
        None => Ok(Err(committed.err().unwrap_or_else(|| Error::Bug {
            what: "a write was acknowledged without having been run".to_owned(),
            source: None,
        }))),
    }
}

/// Tells a caller that waited.
fn told<T>(outcome: Outcome<T>) -> Result<T> {
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}
