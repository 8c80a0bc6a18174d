//! The history of jobs in memory.

use std::ops::Bound;

use crate::error::Result;
use crate::event::{Event, NewEvent};
use crate::ids::{EventSequence, JobId};
use crate::repo::{EventRead, EventWrite};

use super::unit::{Signature, Unit, Writing};

impl<Mode> EventRead for Unit<'_, Mode> {
    fn history(&self, job: JobId) -> Result<Vec<Event>> {
        let state = self.state();
        state.job(job)?;
        let of_job = state.events.values().filter(|event| event.job == job);
        Ok(of_job.map(|event| Event::clone(event)).collect())
    }

    fn events_after(&self, sequence: EventSequence, limit: u32) -> Result<Vec<Event>> {
        let state = self.state();
        let later = (Bound::Excluded(sequence), Bound::Unbounded);
        let events = state.events.range(later).take(limit as usize);
        Ok(events.map(|(_, event)| Event::clone(event)).collect())
    }

    fn newest_sequence(&self) -> Result<EventSequence> {
        Ok(self.state().events.keys().last().copied().unwrap_or(EventSequence::START))
    }
}

impl EventWrite for Unit<'_, Writing> {
    fn add_note(&self, job: JobId, text: &str) -> Result<Event> {
        self.change(|state, Signature { actor, now }| {
            let event = NewEvent::noted(state.job(job)?, text, now)?;
            Ok(state.record(event, actor))
        })
    }
}
