//! Faults of retention.

use crate::error::Result;
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
            Fault::CutsConnections => self.edit(|state| state.dependencies.clear())?,
            _ => {}
        }
        let report = self.inner.retain(&retention, into).map_err(|error| self.fault.mistake(error));
        match self.fault {
            Fault::ForgetsAtOnce => {
                self.edit(|state| state.events.retain(|_, event| !event.kind.is_departure()))?;
            }
            Fault::ForgetsSilently => self.edit(|state| state.forgotten = None)?,
            _ => {}
        }
        report
    }

    fn edit(&self, edit: impl FnOnce(&mut State) + Send + 'static) -> Result<()> {
        self.inner.write(move |w| {
            w.change(|state, _| {
                edit(state);
                Ok(())
            })
        })
    }
}
