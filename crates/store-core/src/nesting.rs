//! Units of work do not nest: a guard that tells before anything can wait for itself.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

thread_local! {
    static OPEN: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// The identity of an opened store, shared by its clones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreKey(u64);

impl StoreKey {
    /// One that no other store of this process has.
    #[expect(clippy::new_without_default, reason = "each one is different")]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Says, while it lives, that this thread is inside a unit of work of a store. Backends take one
/// before they wait for anything.
#[derive(Debug)]
pub struct UnitGuard {
    key: StoreKey,
    /// A guard belongs to its thread.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl UnitGuard {
    /// Enters a unit of work.
    ///
    /// # Errors
    /// [`Error::Nested`] if this thread is inside one of the same store.
    pub fn enter(key: StoreKey) -> Result<Self> {
        OPEN.with_borrow_mut(|open| {
            if open.contains(&key.0) {
                return Err(Error::Nested);
            }
            open.push(key.0);
            Ok(Self { key, _not_send: std::marker::PhantomData })
        })
    }
}

impl Drop for UnitGuard {
    fn drop(&mut self) {
        OPEN.with_borrow_mut(|open| open.retain(|key| *key != self.key.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_unit_of_a_store_a_thread() -> Result<()> {
        let (one, other) = (StoreKey::new(), StoreKey::new());
        let outer = UnitGuard::enter(one)?;
        assert!(matches!(UnitGuard::enter(one), Err(Error::Nested)));
        let _unrelated = UnitGuard::enter(other)?;
        drop(outer);
        UnitGuard::enter(one).map(drop)
    }
}
