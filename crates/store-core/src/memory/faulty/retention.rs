//! Faults of retention.

use std::sync::Arc;

use crate::error::Result;
use crate::event::Event;
use crate::memory::state::State;
use crate::memory::store::MemoryStore;
use crate::retention::{Retention, RetentionReport};
use crate::store::Store;

use super::{Fault, Faulty};

impl Faulty {
    pub(super) fn retain(
        &self,
        retention: &Retention,
        into: Option<&MemoryStore>,
    ) -> Result<RetentionReport> {
        let mut retention = *retention;
        match self.fault {
            Fault::TakesAll => retention.at_most = u64::MAX,
            Fault::TakesWhatItCounts => retention.dry_run = false,
            Fault::CutsConnections => edit(&self.inner, |state| state.dependencies.clear())?,
            _ => {}
        }
        let before = into.map(|into| into.read(|r| Ok(r.state()))).transpose();
        let mut report =
            self.inner.retain(&retention, into).map_err(|error| self.fault.mistake(error));
        match (self.fault, into) {
            (Fault::HidesTheRefused, _) => {
                report.iter_mut().for_each(|report| report.refused.clear());
            }
            (Fault::KeepsOldNames, Some(into)) => edit(into, |state| {
                for cluster in state.clusters.values_mut() {
                    let name = &mut Arc::make_mut(cluster).config.name;
                    *name = name.split(" (").next().unwrap_or_default().to_owned();
                }
            })?,
            (Fault::WritesOverEvents, Some(into)) => {
                let newest = before?.map(|before| before.given_out.events).unwrap_or_default();
                edit(into, move |state| {
                    state.events.retain(|sequence, event| {
                        event.subject.cluster().is_none() || sequence.get() <= newest
                    });
                })?;
            }
            (Fault::ForgetsOnReturn, Some(into)) => edit(into, |state| {
                let State { jobs, events, .. } = state;
                let is_here =
                    |event: &Event| event.subject.job().is_some_and(|job| jobs.contains_key(&job));
                events.retain(|_, event| !event.kind.is_departure() || !is_here(event));
            })?,
            _ => {}
        }
        match self.fault {
            Fault::ForgetsAtOnce => {
                edit(&self.inner, |state| {
                    state.events.retain(|_, event| !event.kind.is_departure())
                })?;
            }
            Fault::ForgetsSilently => edit(&self.inner, |state| state.forgotten = None)?,
            _ => {}
        }
        report
    }
}

fn edit(store: &MemoryStore, edit: impl FnOnce(&mut State) + Send + 'static) -> Result<()> {
    store.write(move |w| {
        w.change(|state, _| {
            edit(state);
            Ok(())
        })
    })
}
