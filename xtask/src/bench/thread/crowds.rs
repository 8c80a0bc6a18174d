//! What concerns many jobs in one call: those that wait for one, those of a graph, those that ended. A call is
//! measured without what was made for it.

use std::time::Instant;

use super::Worker;
use crate::bench::graphs::graph;
use crate::bench::retention::archive;
use crate::bench::task::Tally;
use crate::bench::work::{Retired, Stock};
use crate::failure::{Failure, Result};

impl Worker<'_> {
    /// Ends the next parent.
    pub(super) fn finish_parent(&mut self) -> Result<bool> {
        let Stock::Parents(parents, children) = self.task.stock else {
            return Err(Failure::new("there are no jobs that others wait for"));
        };
        self.turns += 1;
        if self.turns > u64::from(parents) {
            return Ok(false);
        }
        let parent = super::id(self.turns);
        let begun = Instant::now();
        self.call(|client| client.finish_parent(parent))?;
        self.worked.durations.record(begun.elapsed());
        let freed = u64::from(children);
        self.worked.tally.add(Tally { events: 1, freed, ..Tally::default() });
        self.worked.operations += 1;
        Ok(true)
    }

    /// Creates the next graph.
    pub(super) fn create_workflow(&mut self, jobs: u32, edges: u32) -> Result<bool> {
        self.turns += 1;
        let new = graph(&mut self.drafts, self.turns, jobs, edges)?;
        let begun = Instant::now();
        self.call(|client| client.create_workflow(&new))?;
        self.worked.durations.record(begun.elapsed());
        self.created(u64::from(jobs));
        self.worked.tally.add(Tally { edges: u64::from(edges), ..Tally::default() });
        self.worked.operations += 1;
        Ok(true)
    }

    /// Lets some more go, until none is left.
    pub(super) fn retire(&mut self, how: Retired) -> Result<bool> {
        let archive = archive(&self.task.database);
        let begun = Instant::now();
        let (retired, retired_events) = self.call(|client| client.retire(how, &archive))?;
        self.worked.durations.record(begun.elapsed());
        self.worked.tally.add(Tally { retired, retired_events, ..Tally::default() });
        self.worked.operations += retired;
        Ok(retired > 0)
    }
}
