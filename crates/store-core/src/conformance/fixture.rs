//! What the suite asks of a backend besides the traits.

use std::sync::Arc;

use crate::store::Store;
use crate::time::Clock;

/// The place of a second store, as its owner keeps it.
pub type ArchiveOf<F> = <<<F as Fixture>::Store as Store>::Archive as ToOwned>::Owned;

/// Makes stores of a backend for the suite. A test has a fixture of its own; it lives as long as the
/// stores that it made, so it may own the directory that they are in.
pub trait Fixture {
    /// The backend's store.
    type Store: Store;

    /// A new, empty store that goes by `clock`, independent of all others.
    ///
    /// It must have four readers or more, and its deadline must be 30 seconds or more: the races of
    /// the suite are about losing nothing, not about being fast.
    fn fresh(&self, clock: Arc<dyn Clock>) -> Self::Store;

    /// Closes a store and opens the same one again, as the next program would; `None` for a backend
    /// that forgets when it is closed. The suite has dropped all other clones.
    fn reopen(&self, store: Self::Store, clock: Arc<dyn Clock>) -> Option<Self::Store>;

    /// A place for a second store, in which there is none yet.
    fn archive(&self, clock: Arc<dyn Clock>) -> ArchiveOf<Self>;

    /// Opens the second store that was made there.
    fn open_archive(
        &self,
        archive: &<Self::Store as Store>::Archive,
        clock: Arc<dyn Clock>,
    ) -> Self::Store;
}
