//! The history in memory.

use std::ops::Bound;

use crate::error::Result;
use crate::event::{Event, NewEvent};
use crate::ids::{ClusterId, EventSequence, JobId};
use crate::repo::{EventRead, EventWrite};

use super::state::State;
use super::unit::{Signature, Unit, Writing};

/// Whether an event goes with a job. That the job left stays, also where it comes back.
pub(super) fn is_of(event: &Event, job: JobId) -> bool {
    event.subject.job() == Some(job) && !event.kind.is_departure()
}

impl State {
    pub(super) fn history(&self, is_meant: impl Fn(&Event) -> bool) -> Vec<Event> {
        let events = self.events.values().filter(|event| is_meant(event));
        events.map(|event| Event::clone(event)).collect()
    }
}

impl<Mode> EventRead for Unit<'_, Mode> {
    fn history(&self, job: JobId) -> Result<Vec<Event>> {
        let state = self.state();
        let mut events = state.history(|event| is_of(event, job));
        if events.is_empty() {
            events = state.history(|event| event.subject.job() == Some(job));
        }
        if events.is_empty() {
            state.job(job)?;
        }
        Ok(events)
    }

    fn cluster_history(&self, cluster: ClusterId) -> Result<Vec<Event>> {
        let state = self.state();
        let events = state.history(|event| event.subject.cluster() == Some(cluster));
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
