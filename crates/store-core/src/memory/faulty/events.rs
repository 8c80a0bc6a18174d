//! Faults of reading the history. What is lost of it otherwise is lost when the unit ends.

use crate::error::Result;
use crate::event::Event;
use crate::ids::{ClusterId, EventSequence, JobId};
use crate::memory::unit::Writing;
use crate::repo::{EventRead, EventWrite};

use super::Fault;
use super::unit::pass_on;

pass_on! {
    impl<Mode> EventRead for Mode {
        fn history(job: JobId) -> Vec<Event>;
        fn cluster_history(cluster: ClusterId) -> Vec<Event>;
        fn newest_sequence() -> EventSequence;
        fn newest_forgotten() -> EventSequence;
    } but {
        fn events_after(&self, sequence: EventSequence, limit: u32) -> Result<Vec<Event>> {
            let mut events = self.inner.events_after(sequence, limit)?;
            if self.fault == Fault::SkipsEvents && events.len() > 1 {
                events.remove(0);
            }
            Ok(events)
        }
    }
}

pass_on! {
    impl<> EventWrite for Writing {
        fn add_note(job: JobId, text: &str) -> Event;
    }
}
