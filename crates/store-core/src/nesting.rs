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

/// Whether this thread is inside a unit of work of the store.
pub fn is_inside(key: StoreKey) -> bool {
    OPEN.with_borrow(|open| open.contains(&key.0))
}

/// Runs `work` as inside a unit of this store and of no other: for a closure that another thread
/// brought, and that knows nothing of the units that this one is inside.
pub fn inside_only<T>(key: StoreKey, work: impl FnOnce() -> T) -> T {
    struct Restore(Vec<u64>);
    impl Drop for Restore {
        fn drop(&mut self) {
            OPEN.set(std::mem::take(&mut self.0));
        }
    }
    let _restored = Restore(OPEN.replace(vec![key.0]));
    work()
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
        // What another thread brought knows nothing of the units that are open here.
        inside_only(other, || assert!(is_inside(other) && !is_inside(one)));
        assert!(is_inside(one));
        drop(outer);
        assert!(!is_inside(one));
        UnitGuard::enter(one).map(drop)
    }
}
