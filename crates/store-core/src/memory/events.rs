//! The history in memory.

use std::ops::Bound;

use crate::error::Result;
use crate::event::{Event, NewEvent, Subject};
use crate::ids::{ClusterId, EventSequence, JobId};
use crate::repo::{EventRead, EventWrite};

use super::state::State;
use super::unit::{Signature, Unit, Writing};

impl State {
    pub(super) fn history(&self, is_meant: impl Fn(Subject) -> bool) -> Vec<Event> {
        let events = self.events.values().filter(|event| is_meant(event.subject));
        events.map(|event| Event::clone(event)).collect()
    }
}

impl<Mode> EventRead for Unit<'_, Mode> {
    fn history(&self, job: JobId) -> Result<Vec<Event>> {
        let state = self.state();
        let events = state.history(|subject| subject.job() == Some(job));
        if events.is_empty() {
            state.job(job)?;
        }
        Ok(events)
    }

    fn cluster_history(&self, cluster: ClusterId) -> Result<Vec<Event>> {
        let state = self.state();
        let events = state.history(|subject| subject.cluster() == Some(cluster));
        if events.is_empty() {
            state.cluster(cluster)?;
        }
        Ok(events)
    }

    fn events_after(&self, sequence: EventSequence, limit: u32) -> Result<Vec<Event>> {
        let state = self.state();
        let later = (Bound::Excluded(sequence), Bound::Unbounded);
        let events = state.events.range(later).take(limit as usize);
        Ok(events.map(|(_, event)| Event::clone(event)).collect())
    }

    fn newest_sequence(&self) -> Result<EventSequence> {
        let state = self.state();
        let newest = state.events.keys().last().copied().unwrap_or(EventSequence::START);
        Ok(newest.max(state.newest_forgotten()))
    }

    fn newest_forgotten(&self) -> Result<EventSequence> {
        Ok(self.state().newest_forgotten())
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
