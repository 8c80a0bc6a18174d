//! The queue of writes: who waits, who leads, who is told.

use std::collections::VecDeque;
use std::panic::Location;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rusqlite::Connection;
use store_core::{Error, Result};

use super::callers::{Caller, Seat, Stage, lock};
use crate::options::WhenFull;

/// A write, ready to be run in a transaction: it leaves its outcome with its caller, and says whether
/// to keep its rows.
pub(super) type Work = Box<dyn FnOnce(&Connection) -> Verdict + Send>;

/// What becomes of the rows of one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Keep,
    Undo,
    /// It was refused before it had written any.
    Nothing,
}

/// How much a write is, and so what it takes to undo it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// One call, which has changed nothing when it refuses.
    Call,
    /// One call of many steps, which may have changed anything when it fails: it begins a transaction that holds
    /// nothing else yet.
    Alone,
    /// As much as a closure likes, which may have changed anything when it fails.
    Unit,
}

impl Extent {
    /// Whether a batch that began with such a write takes another one. Only one that began with a unit of work is
    /// ready for savepoints.
    pub(super) fn takes(self, next: Self) -> bool {
        next == Self::Call || (self, next) == (Self::Unit, Self::Unit)
    }
}

/// What is known of a write before it is run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) extent: Extent,
    /// Until when it waits for its turn.
    pub(super) deadline: Instant,
    /// Where in the program it was asked for.
    pub(super) origin: &'static Location<'static>,
}

/// A write in the queue.
pub(super) struct Request {
    pub(super) work: Work,
    pub(super) caller: Caller,
    pub(super) terms: Terms,
}

/// The writes of one store in this process that wait for their turn, first come, first served.
///
/// While nobody leads, nobody waits.
pub(super) struct Queue {
    state: Mutex<State>,
    /// Told when nobody leads any more.
    idle: Condvar,
    /// Told when there is room again.
    room: Condvar,
    /// Told when the submitter is to lead, or to end.
    call: Condvar,
    /// Told when those whom the leader expects are there.
    gathered: Condvar,
    most: usize,
    when_full: WhenFull,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Request>,
    /// How many wait for room.
    without_room: usize,
    led: bool,
    /// The first in the queue has no thread: the submitter is to lead.
    submitter_is_called: bool,
    closed: bool,
    expected: Option<Expected>,
    /// Whether the leader waits for those whom it expects.
    gathers: bool,
}

impl State {
    fn push(&mut self, request: Request) {
        self.waiting.push_back(request);
        #[cfg(feature = "metrics")]
        crate::counters::gauges::a_write_waits();
    }

    fn remove(&mut self, place: usize) -> Option<Request> {
        let request = self.waiting.remove(place)?;
        #[cfg(feature = "metrics")]
        crate::counters::gauges::a_write_waits_no_more();
        Some(request)
    }

    /// With most of them, the leader among them, it begins: the others come while it runs those.
    fn is_gathered(&self) -> bool {
        self.expected.is_none_or(|expected| 4 * (self.waiting.len() + 1) >= 3 * expected.callers)
    }
}

/// Who has just been told, and may be back with the next write in a moment.
#[derive(Clone, Copy)]
pub(super) struct Expected {
    /// How many.
    pub(super) callers: usize,
    /// How long it pays to wait for them. Who is not back by then is not waited for, whenever the next comes.
    pub(super) until: Instant,
}

/// The lead: the right to run writes. Handed on when dropped.
pub(super) struct Lead<'q>(&'q Queue);

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        match state.waiting.front().map(|next| &next.caller) {
            Some(Caller::Waiting(seat)) => seat.set(Stage::Lead),
            Some(Caller::WentOn(_)) => {
                state.submitter_is_called = true;
                self.0.call.notify_one();
            }
            None => {
                state.led = false;
                // To tell nobody is a call of the kernel as well.
                if state.without_room > 0 {
                    // One who was told of room may have led instead of taking it.
                    self.0.room.notify_all();
                }
                if state.closed {
                    self.0.idle.notify_all();
                    self.0.call.notify_one();
                }
            }
        }
    }
}

/// What became of a write that was brought to the queue.
pub(super) enum Place<'q, W> {
    /// Nobody led: lead at once, with this first.
    First(Lead<'q>, W),
    /// It waits in the queue.
    Queued,
}

impl Queue {
    pub(super) fn new(most: usize, when_full: WhenFull) -> Self {
        Self {
            state: Mutex::default(),
            idle: Condvar::new(),
            room: Condvar::new(),
            call: Condvar::new(),
            gathered: Condvar::new(),
            most,
            when_full,
        }
    }

    /// Brings a write that is waited for: its caller leads at once, or has a place in the queue. Only
    /// then is the write made into a request.
    pub(super) fn bring<W>(
        &self,
        deadline: Instant,
        work: W,
        request: impl FnOnce(W) -> Request,
    ) -> Result<Place<'_, W>> {
        let mut state = lock(&self.state);
        if !state.closed && !state.led {
            state.led = true;
            return Ok(Place::First(Lead(self), work));
        }
        state = self.with_room(state, deadline, self.when_full)?;
        // While it waited for room, the others may all have been served.
        if !state.led {
            state.led = true;
            return Ok(Place::First(Lead(self), work));
        }
        state.push(request(work));
        self.tell_if_gathered(&state);
        Ok(Place::Queued)
    }

    /// Brings a write whose caller goes on.
    pub(super) fn hand_in(&self, request: Request, may_wait: bool) -> Result<()> {
        let when_full = if may_wait { self.when_full } else { WhenFull::Refuse };
        let mut state = self.with_room(lock(&self.state), request.terms.deadline, when_full)?;
        state.push(request);
        self.tell_if_gathered(&state);
        if !state.led {
            state.led = true;
            state.submitter_is_called = true;
            self.call.notify_one();
        }
        Ok(())
    }

    fn with_room<'q>(
        &'q self,
        mut state: MutexGuard<'q, State>,
        deadline: Instant,
        when_full: WhenFull,
    ) -> Result<MutexGuard<'q, State>> {
        let begun = Instant::now();
        loop {
            if state.closed {
                return Err(Error::Closed);
            }
            let waiting = state.waiting.len();
            if waiting < self.most {
                return Ok(state);
            }
            if when_full == WhenFull::Refuse {
                return Err(Error::QueueFull { waiting });
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Contended { waited: begun.elapsed(), holder: None });
            }
            state.without_room += 1;
            let waited = self.room.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.without_room -= 1;
        }
    }

    /// Says who was told what became of a batch, before the lead is handed on.
    pub(super) fn expect(&self, expected: Expected) {
        lock(&self.state).expected = Some(expected);
    }

    /// Waits, as the leader, for a moment until those who were told of the last batch are back. They come
    /// back one by one, and who is late would need a commit of its own.
    pub(super) fn gather(&self) {
        let mut state = lock(&self.state);
        while let Some(expected) = state.expected.filter(|_| !state.is_gathered()) {
            let left = expected.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state.gathers = true;
            let waited = self.gathered.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.gathers = false;
        // Nobody is told any more until the next batch.
        state.expected = None;
    }

    /// To tell a leader that does not wait is a call of the kernel as well, for each write.
    fn tell_if_gathered(&self, state: &State) {
        if state.gathers && state.is_gathered() {
            self.gathered.notify_one();
        }
    }

    /// The next write, for a batch that takes such.
    pub(super) fn next(&self, is_taken: impl FnOnce(Extent) -> bool) -> Option<Request> {
        let mut state = lock(&self.state);
        if !is_taken(state.waiting.front()?.terms.extent) {
            return None;
        }
        let next = state.remove(0);
        self.tell_of_room(&state);
        next
    }

    /// Takes a caller's own write out, if it is still there.
    pub(super) fn take(&self, seat: &Arc<Seat>) -> Option<Request> {
        let mut state = lock(&self.state);
        let is_own = |caller: &Caller| match caller {
            Caller::Waiting(other) => Arc::ptr_eq(seat, other),
            Caller::WentOn(_) => false,
        };
        let place = state.waiting.iter().position(|request| is_own(&request.caller))?;
        self.tell_of_room(&state);
        state.remove(place)
    }

    fn tell_of_room(&self, state: &State) {
        if state.without_room > 0 {
            self.room.notify_one();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        lock(&self.state).waiting.is_empty()
    }

    pub(super) fn waiting(&self) -> usize {
        lock(&self.state).waiting.len()
    }

    /// The lead that a seat was told to take.
    pub(super) const fn lead(&self) -> Lead<'_> {
        Lead(self)
    }

    /// Waits, as the submitter, until it is to lead; nothing when the queue is closed and empty.
    pub(super) fn called(&self) -> Option<Lead<'_>> {
        let mut state = lock(&self.state);
        loop {
            if std::mem::take(&mut state.submitter_is_called) {
                return Some(Lead(self));
            }
            if state.closed && !state.led {
                return None;
            }
            state = self.call.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes no more writes in, and waits until those that are in it are committed.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        self.room.notify_all();
        self.call.notify_one();
        while state.led {
            state = self.idle.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
