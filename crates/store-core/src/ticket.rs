//! Writes that are on their way: a ticket to wait with, and the promise behind it.

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::nesting::{self, StoreKey};

/// What a closure came to: its answer, or the panic that is to be resumed in its caller.
pub type Outcome<T> = std::thread::Result<Result<T>>;

/// A write that was handed in and not waited for; see [`Store::submit`](crate::Store::submit).
///
/// It can be waited for, with or without a timeout, or awaited: it is a `Future` of any runtime.
/// Dropping it does not take the write back.
#[derive(Debug)]
#[must_use = "the outcome of the write is only told here"]
pub struct Ticket<T> {
    shared: Arc<Shared<T>>,
}

/// The other end of a [`Ticket`], for backends. Dropped without an outcome, it tells of a
/// [`Error::Bug`].
#[derive(Debug)]
pub struct Promise<T> {
    shared: Arc<Shared<T>>,
}

#[derive(Debug)]
struct Shared<T> {
    key: StoreKey,
    state: Mutex<State<T>>,
    done: Condvar,
}

#[derive(Debug)]
enum State<T> {
    Pending(Option<Waker>),
    Done(Outcome<T>),
    Taken,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a promise and its ticket, of a write to the store of this key.
pub fn ticket<T>(key: StoreKey) -> (Promise<T>, Ticket<T>) {
    let state = Mutex::new(State::Pending(None));
    let shared = Arc::new(Shared { key, state, done: Condvar::new() });
    (Promise { shared: Arc::clone(&shared) }, Ticket { shared })
}

/// Runs a write at once and gives a ticket that has its outcome: for backends that do not queue.
pub fn at_once<T>(key: StoreKey, write: impl FnOnce() -> Result<T>) -> Ticket<T> {
    let (promise, ticket) = ticket(key);
    promise.keep(catch_unwind(AssertUnwindSafe(write)));
    ticket
}

impl<T> Promise<T> {
    /// Tells the outcome.
    pub fn keep(self, outcome: Outcome<T>) {
        self.tell(outcome);
    }

    fn tell(&self, outcome: Outcome<T>) {
        let before = std::mem::replace(&mut *self.shared.lock(), State::Done(outcome));
        self.shared.done.notify_all();
        if let State::Pending(Some(waker)) = before {
            waking(|| waker.wake());
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if matches!(*self.shared.lock(), State::Pending(_)) {
            let what = "a write was dropped without an outcome".to_owned();
            self.tell(Ok(Err(Error::Bug { what, source: None })));
        }
    }
}

impl<T> Ticket<T> {
    /// Whether the outcome is there, so that nothing below would wait.
    pub fn is_done(&self) -> bool {
        !matches!(*self.shared.lock(), State::Pending(_))
    }

    /// Waits for the outcome. A panic of the closure is resumed here.
    ///
    /// # Errors
    /// As [`Store::write`](crate::Store::write); [`Error::Nested`] inside a unit of work of the same
    /// store, after which the write would come.
    pub fn wait(self) -> Result<T> {
        if !self.is_done() && nesting::is_inside(self.shared.key) {
            return Err(Error::Nested);
        }
        let mut state = self.shared.lock();
        while matches!(*state, State::Pending(_)) {
            state = self.shared.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        take(state)
    }

    /// Waits for the outcome for so long at the most; gives the ticket back where it has not come.
    ///
    /// # Errors
    /// The ticket.
    pub fn wait_for(self, timeout: Duration) -> std::result::Result<Result<T>, Self> {
        let inside = nesting::is_inside(self.shared.key);
        let Some(deadline) = Instant::now().checked_add(timeout).filter(|_| !inside) else {
            return Ok(self.wait());
        };
        let mut state = self.shared.lock();
        while matches!(*state, State::Pending(_)) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(state);
                return Err(self);
            }
            let waited = self.shared.done.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(take(state))
    }
}

/// Inside a unit of work of the same store a ticket that has no outcome is [`Error::Nested`], as by
/// [`wait`](Ticket::wait): whoever awaits it there would wait for itself.
impl<T> Future for Ticket<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let mut state = self.shared.lock();
        match &mut *state {
            State::Pending(_) if nesting::is_inside(self.shared.key) && !WAKING.get() => {
                Poll::Ready(Err(Error::Nested))
            }
            State::Pending(waker) => {
                *waker = Some(context.waker().clone());
                Poll::Pending
            }
            State::Done(_) | State::Taken => Poll::Ready(take(state)),
        }
    }
}

thread_local! {
    static WAKING: Cell<bool> = const { Cell::new(false) };
}

/// Wakes who waits. An executor may run its task at once, on the thread of whoever told the outcome, which may be
/// about to leave a unit of work and waits for nothing more.
fn waking(wake: impl FnOnce()) {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            WAKING.set(self.0);
        }
    }
    let _restored = Restore(WAKING.replace(true));
    wake();
}

fn take<T>(mut state: MutexGuard<'_, State<T>>) -> Result<T> {
    match std::mem::replace(&mut *state, State::Taken) {
        State::Done(Ok(outcome)) => outcome,
        State::Done(Err(panic)) => {
            drop(state);
            resume_unwind(panic)
        }
        State::Pending(_) | State::Taken => Err(Error::Bug {
            what: "a ticket was polled again after it had told its outcome".to_owned(),
            source: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Wake;
    use std::thread;

    #[test]
    fn a_ticket_is_waited_for_with_and_without_a_timeout() {
        let (promise, ticket) = ticket(StoreKey::new());
        assert!(!ticket.is_done());
        let ticket = ticket.wait_for(Duration::from_millis(1)).expect_err("not yet");
        let teller = thread::spawn(move || promise.keep(Ok(Ok(7))));
        assert_eq!(ticket.wait().expect("told"), 7);
        teller.join().expect("no panic");
    }

    #[test]
    fn a_promise_that_is_dropped_tells_so() {
        let (promise, ticket) = ticket::<()>(StoreKey::new());
        drop(promise);
        assert!(matches!(ticket.wait(), Err(Error::Bug { .. })));
    }

    #[test]
    fn nobody_waits_inside_a_unit_for_what_comes_after_it() -> Result<()> {
        let key = StoreKey::new();
        let (promise, waited_for) = ticket::<()>(key);
        let inside = nesting::UnitGuard::enter(key)?;
        assert!(matches!(waited_for.wait(), Err(Error::Nested)));
        drop(inside);
        promise.keep(Ok(Ok(())));
        let (promise, awaited) = ticket::<i32>(key);
        let mut awaited = pin!(awaited);
        let mut context = Context::from_waker(Waker::noop());
        let inside = nesting::UnitGuard::enter(key)?;
        let polled = awaited.as_mut().poll(&mut context);
        assert!(matches!(polled, Poll::Ready(Err(Error::Nested))), "{polled:?}");
        // A task that is woken where another outcome is told may look at its other tickets.
        waking(|| assert!(awaited.as_mut().poll(&mut context).is_pending()));
        drop(inside);
        promise.keep(Ok(Ok(7)));
        assert!(matches!(awaited.poll(&mut context), Poll::Ready(Ok(7))), "it is not lost");
        let told = at_once(key, || Ok(7)).wait_for(Duration::MAX).expect("told");
        assert_eq!(told?, 7);
        Ok(())
    }

    #[test]
    fn a_panic_is_resumed_where_the_ticket_is_waited_for() {
        let (promise, ticket) = ticket::<()>(StoreKey::new());
        promise.keep(Err(Box::new("planted")));
        let waiting = std::panic::AssertUnwindSafe(|| ticket.wait());
        let panic = std::panic::catch_unwind(waiting).expect_err("resumed");
        assert_eq!(panic.downcast_ref(), Some(&"planted"));
    }

    #[test]
    fn a_ticket_wakes_who_awaits_it() {
        struct Woken(AtomicBool);
        impl Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let (promise, ticket) = ticket(StoreKey::new());
        let mut ticket = pin!(ticket);
        assert!(ticket.as_mut().poll(&mut context).is_pending());
        promise.keep(Ok(Ok(7)));
        assert!(woken.0.load(Ordering::SeqCst));
        assert!(matches!(ticket.as_mut().poll(&mut context), Poll::Ready(Ok(7))));
        assert!(matches!(ticket.poll(&mut context), Poll::Ready(Err(Error::Bug { .. }))));
    }
}
