//! A unit of work on a store in memory.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::error::Result;
use crate::event::Author;
use crate::time::{Clock, Timestamp};
use crate::worker::Process;

use super::state::State;

/// The mode of a unit that may read.
#[derive(Debug)]
pub struct Reading(());

/// The mode of a unit that may read and write.
#[derive(Debug)]
pub struct Writing(());

/// One unit of work: a moment of the store and, where `Mode` is [`Writing`], the changes so far.
#[derive(Debug)]
pub struct Unit<'t, Mode> {
    state: RefCell<Arc<State>>,
    clock: &'t dyn Clock,
    signer: &'t Signer,
    mode: PhantomData<Mode>,
}

impl<'t, Mode> Unit<'t, Mode> {
    pub(super) fn new(state: Arc<State>, clock: &'t dyn Clock, signer: &'t Signer) -> Self {
        Self { state: RefCell::new(state), clock, signer, mode: PhantomData }
    }

    pub(super) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.borrow())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Who signs changes.
#[derive(Debug, Clone)]
pub(super) struct Signer {
    pub(super) author: Author,
    pub(super) process: Option<Process>,
}

/// What a method that writes knows besides the state: who and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signature<'t> {
    pub(super) actor: &'t Signer,
    pub(super) now: Timestamp,
}

impl<'t> Unit<'t, Writing> {
    /// Runs one method that writes, on a copy that takes the state's place if it succeeds: a method
    /// that errs has changed nothing, even where the unit goes on.
    pub(super) fn change<T>(
        &self,
        method: impl FnOnce(&mut State, Signature<'t>) -> Result<T>,
    ) -> Result<T> {
        let signature = Signature { actor: self.signer, now: self.clock.now() };
        let mut next = State::clone(&self.state());
        let answer = method(&mut next, signature)?;
        self.state.replace(Arc::new(next));
        Ok(answer)
    }
}
