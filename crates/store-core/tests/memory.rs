//! The conformance suite, run against the store in memory.

use std::sync::Arc;

use store_core::Clock;
use store_core::conformance::Fixture;
use store_core::memory::MemoryStore;

struct Memory;

impl Fixture for Memory {
    type Store = MemoryStore;

    fn fresh(&self, clock: Arc<dyn Clock>) -> MemoryStore {
        MemoryStore::with_clock(clock)
    }

    fn reopen(&self, _: MemoryStore, _: Arc<dyn Clock>) -> Option<MemoryStore> {
        None
    }

    fn archive(&self, clock: Arc<dyn Clock>) -> MemoryStore {
        MemoryStore::with_clock(clock)
    }

    fn open_archive(&self, archive: &MemoryStore, _: Arc<dyn Clock>) -> MemoryStore {
        archive.clone()
    }
}

store_core::conformance_tests!(Memory);
