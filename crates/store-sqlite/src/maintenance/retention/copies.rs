//! How jobs come into the second store: each component as it is at one moment of the first, whole or not at
//! all.

use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::Arc;

use rusqlite::params;
use rusqlite::types::Value;
use store_core::{Error, EventSequence, JobId, Noun, Result};

use super::components::{Component, State, state_of};
use super::tables::{Table, Tables};
use crate::pool::{Lent, on_snapshot};
use crate::repo;
use crate::sight::Sight;
use crate::unit::{Mode, Reading, Unit, Writing};

/// Components that are to be copied out of the store of a connection.
pub(super) struct Copies {
    pub(super) source: Lent,
    /// What is to know of the snapshots that are held there, and for whom.
    pub(super) sight: Arc<Sight>,
    pub(super) origin: &'static Location<'static>,
    pub(super) found: Vec<Component>,
    /// After how many jobs it is enough.
    pub(super) at_most: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Copied {
    /// Those that are in the second store now, exactly as they are known.
    pub(super) there: Vec<Component>,
    /// Jobs that have changed since they were found.
    pub(super) changed: u64,
    /// Jobs for which there is no place.
    pub(super) refused: Vec<JobId>,
}

impl Copies {
    /// Copies them within a unit of work of the second store, each as it is at one moment of the first.
    ///
    /// They are of different moments: one snapshot for all would be held for as long as the second store
    /// writes, and the log of the first one could not be emptied meanwhile but by making its writers wait.
    pub(super) fn land(self, w: &Unit<'_, Writing>) -> Result<Copied> {
        let Self { source, sight, origin, found, at_most } = self;
        let tables = Tables::of(&source)?;
        let from = Unit::reading(&source, w.now());
        let copy = Copy { from: &from, to: w, tables: &tables };
        let mut copied = Copied::default();
        let mut landed_jobs = 0;
        for component in found {
            if landed_jobs >= at_most {
                break;
            }
            let held = sight.snapshots.hold(origin);
            let landed = on_snapshot(&source, || w.atomically(|| copy.component(&component)));
            drop(held);
            match landed {
                Ok(true) => {
                    landed_jobs += component.len();
                    copied.there.push(component);
                }
                Ok(false) => copied.changed += component.len(),
                Err(Error::Conflict { .. }) => {
                    copied.refused.extend(component.jobs.iter().map(|(job, ..)| *job));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(copied)
    }
}

/// An event that this store wrote itself, with the number of one that a job brought along.
pub(crate) const TAKEN: &str = "SELECT store_events.sequence FROM job_events INDEXED BY job_events_by_job \
     CROSS JOIN store_events ON store_events.sequence = job_events.sequence \
     WHERE job_events.job_id = ?1 LIMIT 1";

struct Copy<'c, 't> {
    from: &'c Unit<'t, Reading>,
    to: &'c Unit<'t, Writing>,
    tables: &'c Tables,
}

type Rows = Vec<Vec<Value>>;

impl Copy<'_, '_> {
    /// Copies a component; says whether it is still as it was found.
    fn component(&self, component: &Component) -> Result<bool> {
        // Edges of the second store from jobs that have left the first one already.
        let (mut due, mut edges) = (Vec::new(), Rows::new());
        for (job, state, _) in &component.jobs {
            if state_of(self.from, *job)?.is_none_or(|(found, _)| found != *state) {
                return Ok(false);
            }
            match state_of(self.to, *job)? {
                None => due.push(*job),
                Some((there, _)) if there == *state => {}
                Some((there, _)) if is_earlier(&there, state) => {
                    edges.extend(self.set_aside(*job)?);
                    due.push(*job);
                }
                Some(_) => return Err(no_place(*job)),
            }
        }
        let mut named = BTreeSet::new();
        for table in &self.tables.of_a_job {
            for job in &due {
                self.bring_named(table, job.get(), &mut named)?;
                for row in rows(self.from, &table.select(), job.get())? {
                    self.insert(&table.insert(), row, *job)?;
                }
            }
        }
        for job in &due {
            self.make_way(*job)?;
        }
        for row in edges {
            self.to
                .execute(&self.tables.edges.insert_missing(), rusqlite::params_from_iter(row))?;
        }
        Ok(true)
    }

    /// Gives the events that this store wrote itself, such as those of its own pruning, new numbers where a job
    /// has brought events with theirs: a number means one event.
    fn make_way(&self, job: JobId) -> Result<()> {
        while let Some(taken) =
            self.to.find(TAKEN, [job.get()], |row| row.get(0).map(EventSequence::new))?
        {
            self.to.number_anew(taken)?;
        }
        Ok(())
    }

    /// Takes an earlier copy of a job out of the second store, to be copied anew; gives back the edges to it.
    fn set_aside(&self, job: JobId) -> Result<Rows> {
        let edges = rows(self.to, &self.tables.edges.select(), job.get())?;
        self.to.execute("DELETE FROM job_dependencies WHERE depends_on = ?1", [job.get()])?;
        self.to.execute(repo::DELETE_JOB, [job.get()])?;
        Ok(edges)
    }

    /// Brings the rows that a row names, and what those name.
    fn bring_named(
        &self,
        table: &Table,
        of: i64,
        named: &mut BTreeSet<(String, i64)>,
    ) -> Result<()> {
        for (column, parent) in &table.names {
            let Some((there, key)) = self.tables.named.get(parent) else { continue };
            let keys = self.from.list(&table.keys(column), [of], |row| row.get::<_, i64>(0))?;
            for found in keys {
                if !named.insert((parent.clone(), found)) {
                    continue;
                }
                self.bring_named(there, found, named)?;
                if parent == "clusters" {
                    self.free_name(found)?;
                }
                for row in rows(self.from, &there.select(), found)? {
                    self.insert(&there.insert_or_update(key), row, JobId::new(of))?;
                }
            }
        }
        Ok(())
    }

    /// Another cluster there may have had the name before: it gets its id after it.
    fn free_name(&self, cluster: i64) -> Result<()> {
        const NAME: &str = "SELECT name FROM clusters WHERE id = ?1";
        const RENAME: &str = "UPDATE clusters SET name = substr(name, 1, 230) || ' (' || id || ')' \
                              WHERE name = ?1 AND id <> ?2";
        let name: Option<String> = self.from.find(NAME, [cluster], |row| row.get(0))?;
        self.to.execute(RENAME, params![name, cluster]).map(drop)
    }

    fn insert(&self, sql: &str, row: Vec<Value>, job: JobId) -> Result<()> {
        let written = self.to.try_execute(sql, rusqlite::params_from_iter(row))?;
        written.map(drop).map_err(|refused| {
            tracing::warn!(%job, %refused, "the second store has no place for a job");
            no_place(job)
        })
    }
}

/// Whether it is the same job before more happened to it.
fn is_earlier(there: &State, here: &State) -> bool {
    there.uuid == here.uuid && there.newest_event < here.newest_event
}

fn no_place(job: JobId) -> Error {
    Error::conflict(Noun::Job, "id", job)
}

fn rows<M: Mode>(unit: &Unit<'_, M>, sql: &str, of: i64) -> Result<Rows> {
    unit.list(sql, [of], |row| (0..row.as_ref().column_count()).map(|at| row.get(at)).collect())
}
