//! The writer: who writes when, and who commits for whom.
//!
//! One thread at a time leads. It takes the gate, begins a transaction, runs its own write on its own
//! thread, then the writes that others have queued meanwhile, each in a savepoint; it commits once,
//! leaves the gate, hands the lead to the first who still waits, and only then answers everybody. A
//! lone caller leads at once: no hand-over, no allocation.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use store_core::{Actor, Clock, Error, Result};

use crate::error::meaning_at_commit;
use crate::gate::Gate;
use crate::location::{FileIdentity, Location};
use crate::patience;
use crate::pool::{Connections, Lent, Scope};
use crate::unit::{Unit, Writing};

/// The longest that a batch goes on taking writes in: who comes later waits for the next one.
const LONGEST_BATCH: Duration = Duration::from_millis(20);

/// What a closure came to: its answer, or the panic that is to be resumed in its caller.
type Outcome<T> = thread::Result<Result<T>>;

/// A write that waits for a leader: leaves its outcome with its caller, says whether to keep it.
type Work = Box<dyn FnOnce(&Connection) -> Verdict + Send>;

/// What becomes of the rows of one write.
#[derive(Debug)]
enum Verdict {
    Keep,
    Undo,
}

/// The writer of one store in this process.
pub(crate) struct Writer {
    pool: Connections,
    gate: Gate,
    location: Location,
    identity: FileIdentity,
    clock: Arc<dyn Clock>,
    deadline: Duration,
    busy_timeout: Duration,
    largest_batch: usize,
    queue: Mutex<Queue>,
    /// Told when nobody leads any more.
    idle: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Request>,
    led: bool,
    closed: bool,
}

struct Request {
    work: Work,
    ticket: Arc<Ticket>,
}

/// Where a caller waits.
#[derive(Default)]
struct Ticket {
    stage: Mutex<Stage>,
    changed: Condvar,
}

#[derive(Default)]
enum Stage {
    /// In the queue, or in a batch that is not committed.
    #[default]
    Waiting,
    /// First in the queue while nobody leads: lead.
    Lead,
    /// The commit's outcome.
    Done(Result<()>),
}

impl Ticket {
    fn set(&self, stage: Stage) {
        *lock(&self.stage) = stage;
        self.changed.notify_one();
    }
}

/// Locks, whatever happened to another holder: no state here is left half changed by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request that was taken into a batch: answered in any case, also if its leader panics.
struct Taken(Option<Arc<Ticket>>);

impl Taken {
    fn answer(mut self, outcome: Result<()>) {
        if let Some(ticket) = self.0.take() {
            ticket.set(Stage::Done(outcome));
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(ticket) = self.0.take() {
            let what = "the thread that led a batch of writes panicked".to_owned();
            ticket.set(Stage::Done(Err(Error::Bug { what, source: None })));
        }
    }
}

/// The lead, handed on when dropped.
struct Lead<'w>(&'w Writer);

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut queue = lock(&self.0.queue);
        match queue.waiting.front() {
            Some(next) => next.ticket.set(Stage::Lead),
            None => {
                queue.led = false;
                self.0.idle.notify_all();
            }
        }
    }
}

impl Writer {
    pub(crate) fn new(
        pool: Connections,
        gate: Gate,
        location: Location,
        identity: FileIdentity,
        options: &crate::options::Options,
    ) -> Self {
        Self {
            pool,
            gate,
            location,
            identity,
            clock: Arc::clone(&options.clock),
            deadline: options.deadline,
            busy_timeout: options.busy_timeout,
            largest_batch: options.batch as usize,
            queue: Mutex::default(),
            idle: Condvar::new(),
        }
    }

    /// Runs `work` in a transaction, alone or with others'; see [`Store::write`](store_core::Store::write).
    pub(crate) fn write<T: Send + 'static>(
        &self,
        actor: Actor,
        work: impl FnOnce(&Unit<'_, Writing>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let deadline = Instant::now() + self.deadline;
        let clock = Arc::clone(&self.clock);
        let run = move |connection: &Connection| -> Outcome<T> {
            catch_unwind(AssertUnwindSafe(|| {
                let unit = Unit::writing(connection, clock.now(), actor);
                let value = work(&unit)?;
                match unit.fault() {
                    None => Ok(value),
                    Some(fault) => Err(Error::Storage(
                        format!("a call in the unit of work met it and was ignored: {fault}")
                            .into(),
                    )),
                }
            }))
        };

        let mut queue = lock(&self.queue);
        if queue.closed {
            return Err(Error::Closed);
        }
        if !queue.led {
            queue.led = true;
            drop(queue);
            let mut outcome = None;
            let first = |connection: &Connection| keep(&mut outcome, run(connection));
            let committed = self.commit(Lead(self), deadline, first);
            return answer(committed, outcome);
        }
        let outcome = Arc::new(Mutex::new(None));
        let place = Arc::clone(&outcome);
        let work: Work = Box::new(move |connection| keep(&mut lock(&place), run(connection)));
        let ticket = Arc::new(Ticket::default());
        queue.waiting.push_back(Request { work, ticket: Arc::clone(&ticket) });
        drop(queue);
        let committed = self.wait(&ticket, deadline);
        let outcome = lock(&outcome).take();
        answer(committed, outcome)
    }

    /// Waits in the queue until the write is committed by another's lead, or leads.
    fn wait(&self, ticket: &Arc<Ticket>, deadline: Instant) -> Result<()> {
        let begun = Instant::now();
        let mut stage = lock(&ticket.stage);
        loop {
            match std::mem::take(&mut *stage) {
                Stage::Done(outcome) => return outcome,
                Stage::Lead => {
                    drop(stage);
                    let lead = Lead(self);
                    let own = self.take(ticket).expect("who is to lead is still in the queue");
                    return self.commit(lead, deadline, own.work);
                }
                Stage::Waiting => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(stage);
                if self.take(ticket).is_some() {
                    // It may have been told to lead just now.
                    if matches!(*lock(&ticket.stage), Stage::Lead) {
                        drop(Lead(self));
                    }
                    return Err(Error::Contended { waited: begun.elapsed(), holder: None });
                }
                // It is in a batch: its outcome comes with the commit, which has begun.
                stage = lock(&ticket.stage);
                while matches!(*stage, Stage::Waiting) {
                    stage = ticket.changed.wait(stage).unwrap_or_else(PoisonError::into_inner);
                }
                continue;
            }
            let waited = ticket.changed.wait_timeout(stage, left);
            stage = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes a caller's own request out of the queue, if it is still there.
    fn take(&self, ticket: &Arc<Ticket>) -> Option<Request> {
        let mut queue = lock(&self.queue);
        let place = queue.waiting.iter().position(|r| Arc::ptr_eq(&r.ticket, ticket))?;
        queue.waiting.remove(place)
    }

    fn next(&self) -> Option<Request> {
        lock(&self.queue).waiting.pop_front()
    }

    fn nobody_waits(&self) -> bool {
        lock(&self.queue).waiting.is_empty()
    }

    /// Commits `first` and what others have queued, hands the lead on, and answers. The error is that
    /// of `first`.
    fn commit(
        &self,
        lead: Lead<'_>,
        deadline: Instant,
        first: impl FnOnce(&Connection) -> Verdict,
    ) -> Result<()> {
        let mut taken = Vec::new();
        let outcome = self.commit_batch(deadline, first, &mut taken);
        // The next batch begins while this one is answered.
        drop(lead);
        match outcome {
            Ok(()) => {
                taken.into_iter().for_each(|caller| caller.answer(Ok(())));
                Ok(())
            }
            Err(Failed::Before(error)) => Err(error),
            Err(Failed::After(error)) => {
                taken.into_iter().for_each(|caller| caller.answer(Err(error())));
                Err(error())
            }
        }
    }

    /// One batch. Who was taken into it is in `taken`, whatever comes of it.
    fn commit_batch(
        &self,
        deadline: Instant,
        first: impl FnOnce(&Connection) -> Verdict,
        taken: &mut Vec<Taken>,
    ) -> std::result::Result<(), Failed> {
        let connection = self.connection().map_err(Failed::Before)?;
        let turn = self.gate.enter(deadline).map_err(|refused| Failed::Before(refused.into()))?;
        self.check_not_moved().map_err(Failed::Before)?;
        let mut scope = self.begin(&connection, deadline).map_err(Failed::Before)?;
        let begun = Instant::now();
        let mut kept = 0;

        // The first write needs no savepoint: if it is undone, the transaction holds nothing else yet.
        match first(&connection) {
            Verdict::Keep => kept += 1,
            Verdict::Undo => {
                drop(scope);
                // It has its answer; who still waits is served, or leads next and sees for himself.
                if self.nobody_waits() {
                    return Ok(());
                }
                scope = match self.begin(&connection, deadline) {
                    Ok(scope) => scope,
                    Err(_) => return Ok(()),
                };
            }
        }
        // After some errors SQLite has rolled everything back by itself.
        while taken.len() + 1 < self.largest_batch
            && begun.elapsed() < LONGEST_BATCH
            && !connection.is_autocommit()
        {
            let Some(Request { work, ticket }) = self.next() else { break };
            taken.push(Taken(Some(ticket)));
            in_savepoint(&connection, work, &mut kept).map_err(Failed::in_savepoint)?;
        }
        if connection.is_autocommit() {
            return if kept == 0 { Ok(()) } else { Err(Failed::rolled_back()) };
        }
        let committed = scope.commit();
        drop(connection);
        drop(turn);
        committed.map_err(Failed::at_commit)
    }

    fn connection(&self) -> Result<Lent> {
        // The leader and `in_turn` take it, for a moment each.
        self.pool.get().map_err(|error| Error::Access(Box::new(error)))
    }

    /// Begins a transaction that may write. The gate keeps this process's peers away; a writer that
    /// ignores the gate is waited for until the deadline.
    fn begin<'c>(&self, connection: &'c Connection, deadline: Instant) -> Result<Scope<'c>> {
        let begin = || Scope::begin(connection, "BEGIN IMMEDIATE");
        patience::until(deadline, connection, self.busy_timeout, begin)
    }

    /// A file that was moved or replaced takes writes that nobody will find.
    fn check_not_moved(&self) -> Result<()> {
        match FileIdentity::of(self.location.database()) {
            Ok(found) if found == self.identity => Ok(()),
            Ok(_) => Err(Error::Moved(None)),
            Err(error) => Err(Error::Moved(Some(error.into()))),
        }
    }

    /// Refuses every later write, and waits until those that were queued are answered.
    pub(crate) fn close(&self) {
        let mut queue = lock(&self.queue);
        queue.closed = true;
        while queue.led {
            queue = self.idle.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether it was closed.
    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.queue).closed
    }

    /// Runs something on the connection that writes, outside of any transaction, if no write is under way.
    pub(crate) fn if_idle<T>(&self, work: impl FnOnce(&Connection) -> T) -> Option<T> {
        self.pool.try_get().map(|connection| work(&connection))
    }

    /// Runs something on the connection that writes, outside of any transaction and without the gate:
    /// what it does must be safe beside the writers of other processes.
    pub(crate) fn in_turn<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        work(&*self.connection()?)
    }

    /// As [`in_turn`](Self::in_turn), with the gate, for what writes on its own.
    pub(crate) fn in_a_turn_of_the_gate<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T>,
    ) -> Result<T> {
        let connection = self.connection()?;
        let _turn = self.gate.enter(Instant::now() + self.deadline)?;
        work(&connection)
    }
}

/// Why a batch was not committed.
enum Failed {
    /// Before anything was run: the first caller alone is told, the others are still in the queue.
    Before(Error),
    /// After writes were run: everybody is told.
    After(Box<dyn Fn() -> Error>),
}

impl Failed {
    fn rolled_back() -> Self {
        const REASON: &str = "a write that shared the transaction met a fault of the storage, which \
                              rolled it back";
        Self::After(Box::new(|| Error::Storage(REASON.into())))
    }

    fn in_savepoint(error: rusqlite::Error) -> Self {
        let error = Arc::new(error);
        Self::After(Box::new(move || Error::Storage(Box::new(Arc::clone(&error)))))
    }

    fn at_commit(error: rusqlite::Error) -> Self {
        let error = Arc::new(error);
        Self::After(Box::new(move || meaning_at_commit(&error)))
    }
}

/// Runs one queued write so that undoing it undoes nothing else.
fn in_savepoint(connection: &Connection, work: Work, kept: &mut u32) -> rusqlite::Result<()> {
    let run = |sql| connection.prepare_cached(sql)?.execute([]).map(drop);
    run("SAVEPOINT write")?;
    match work(connection) {
        Verdict::Keep => *kept += 1,
        // After some errors SQLite has rolled everything back by itself.
        Verdict::Undo if connection.is_autocommit() => return Ok(()),
        Verdict::Undo => run("ROLLBACK TO write")?,
    }
    run("RELEASE write")
}

/// Leaves an outcome where its caller finds it.
fn keep<T>(place: &mut Option<Outcome<T>>, outcome: Outcome<T>) -> Verdict {
    let verdict = if matches!(outcome, Ok(Ok(_))) { Verdict::Keep } else { Verdict::Undo };
    *place = Some(outcome);
    verdict
}

/// The caller's answer: its own error or panic before that of the commit.
fn answer<T>(committed: Result<()>, outcome: Option<Outcome<T>>) -> Result<T> {
    match outcome {
        Some(Err(panic)) => resume_unwind(panic),
        Some(Ok(Err(error))) => Err(error),
        Some(Ok(Ok(value))) => committed.map(|()| value),
        None => Err(committed.err().unwrap_or_else(|| Error::Bug {
            what: "a write was acknowledged without having been run".to_owned(),
            source: None,
        })),
    }
}
