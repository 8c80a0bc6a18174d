//! The history. What is lost of it is lost when the unit ends.

use crate::event::Event;
use crate::ids::{EventSequence, JobId};
use crate::memory::unit::Writing;
use crate::repo::{EventRead, EventWrite};

use super::unit::pass_on;

pass_on! {
    impl<Mode> EventRead for Mode {
        fn history(job: JobId) -> Vec<Event>;
        fn events_after(sequence: EventSequence, limit: u32) -> Vec<Event>;
        fn newest_sequence() -> EventSequence;
    }
}

pass_on! {
    impl<> EventWrite for Writing {
        fn add_note(job: JobId, text: &str) -> Event;
    }
}
