//! Which jobs go: those that ended before a moment, each with everything that it is connected with by
//! dependencies.

use std::collections::{BTreeMap, HashSet, VecDeque};

use rusqlite::{Row, params};
use store_core::retention::{ENDINGS, leaves_first};
use store_core::{JobId, Result, Timestamp};

use crate::codec::{Columns, micros};
use crate::unit::{Mode, Unit};

/// Jobs that ended in one way, those that ended first first, from a place on.
pub(crate) const ENDED: &str = "SELECT id, finished_at FROM jobs INDEXED BY jobs_by_finished \
     WHERE archived = ?1 AND status = ?2 AND (finished_at, id) > (?3, ?4) AND finished_at < ?5 \
     ORDER BY finished_at, id LIMIT 200";

/// What tells whether a job is still the same, and whether it has ended. A submission that has not ended
/// may still be reported on.
pub(crate) const STATE: &str = "SELECT uuid, attempt, finished_at, updated_at, \
     (SELECT max(sequence) FROM job_events INDEXED BY job_events_by_job WHERE job_id = jobs.id), \
     (SELECT count(*) FROM job_events INDEXED BY job_events_by_job WHERE job_id = jobs.id), \
     EXISTS (SELECT 1 FROM remote_jobs INDEXED BY remote_jobs_by_job \
             WHERE job_id = jobs.id AND ended_at IS NULL) \
     FROM jobs WHERE id = ?1";

/// The jobs that a job is connected with directly; 1 for those that wait for it.
pub(crate) const CONNECTED: &str = "SELECT depends_on, 0 FROM job_dependencies WHERE job_id = ?1 UNION ALL \
     SELECT job_id, 1 FROM job_dependencies INDEXED BY job_dependencies_by_parent \
     WHERE depends_on = ?1";

/// A job as it was at a moment: two that are equal are the same job in the same state, because every change
/// of a job writes an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    pub(super) uuid: [u8; 16],
    attempt: u32,
    finished_at: Option<Timestamp>,
    updated_at: Timestamp,
    pub(super) newest_event: Option<i64>,
    active: bool,
}

impl State {
    fn ended_before(&self, moment: Timestamp) -> bool {
        !self.active && self.finished_at.is_some_and(|finished| finished < moment)
    }
}

/// The state of a job, and how many events it has; nothing where there is no such job.
pub(super) fn state_of<M: Mode>(unit: &Unit<'_, M>, job: JobId) -> Result<Option<(State, u64)>> {
    unit.find(STATE, [job.get()], decode_state)
}

pub(super) fn decode_state(row: &Row<'_>) -> rusqlite::Result<(State, u64)> {
    let mut columns = Columns::of(row);
    let mut state = State {
        uuid: columns.plain()?,
        attempt: columns.plain()?,
        finished_at: columns.optional_time()?,
        updated_at: columns.time()?,
        newest_event: columns.plain()?,
        active: false,
    };
    let events = columns.plain::<i64>()?.unsigned_abs();
    state.active = columns.plain()?;
    Ok((state, events))
}

/// Jobs that are connected, none of them with any other.
#[derive(Debug)]
pub(crate) struct Component {
    /// In an order in which they can be removed: each after all that wait for it.
    pub(super) jobs: VecDeque<(JobId, State, u64)>,
    /// Whether some of it was removed.
    pub(super) begun: bool,
}

impl Component {
    pub(super) fn len(&self) -> u64 {
        self.jobs.len() as u64
    }

    pub(super) fn events(&self) -> u64 {
        self.jobs.iter().map(|(_, _, events)| events).sum()
    }
}

/// How many jobs are looked at in one snapshot, with what they are connected with.
const LOOKED_AT: usize = 256;

/// A search that goes on from call to call, and meets no job twice.
#[derive(Debug)]
pub(super) struct Search {
    moment: Timestamp,
    way: usize,
    place: (i64, i64),
    ahead: VecDeque<JobId>,
    /// Jobs that were given out.
    given: HashSet<JobId>,
    /// Jobs that stay because of a live one.
    held: HashSet<JobId>,
}

impl Search {
    pub(super) fn new(moment: Timestamp) -> Self {
        Self {
            moment,
            way: 0,
            place: (i64::MIN, i64::MIN),
            ahead: VecDeque::new(),
            given: HashSet::new(),
            held: HashSet::new(),
        }
    }

    pub(super) fn held(&self) -> u64 {
        self.held.len() as u64
    }

    /// The next components, until they have so many jobs, or until it has looked at [`LOOKED_AT`];
    /// nothing at the end. There may be none yet: where most jobs stay, a snapshot would otherwise be held for
    /// all of them.
    pub(super) fn next<M: Mode>(
        &mut self,
        unit: &Unit<'_, M>,
        wanted: u64,
    ) -> Result<Option<Vec<Component>>> {
        let (mut found, mut jobs) = (Vec::new(), 0);
        for _ in 0..LOOKED_AT {
            if jobs >= wanted {
                break;
            }
            let Some(job) = self.next_job(unit)? else {
                return Ok((!found.is_empty()).then_some(found));
            };
            if self.given.contains(&job) || self.held.contains(&job) {
                continue;
            }
            if let Some(component) = self.around(unit, job)? {
                self.given.extend(component.jobs.iter().map(|(job, ..)| *job));
                jobs += component.len();
                found.push(component);
            }
        }
        Ok(Some(found))
    }

    fn next_job<M: Mode>(&mut self, unit: &Unit<'_, M>) -> Result<Option<JobId>> {
        while self.ahead.is_empty() {
            let Some((archived, status)) = ENDINGS.get(self.way) else { return Ok(None) };
            let (finished_at, id) = self.place;
            let params = params![archived, status.as_str(), finished_at, id, micros(self.moment)];
            let found: Vec<(i64, i64)> =
                unit.list(ENDED, params, |row| Ok((row.get(1)?, row.get(0)?)))?;
            match found.last() {
                Some(last) => self.place = *last,
                None => (self.way, self.place) = (self.way + 1, (i64::MIN, i64::MIN)),
            }
            self.ahead.extend(found.into_iter().map(|(_, id)| JobId::new(id)));
        }
        Ok(self.ahead.pop_front())
    }

    /// Everything that a job is connected with; nothing where some of it is live.
    fn around<M: Mode>(&mut self, unit: &Unit<'_, M>, job: JobId) -> Result<Option<Component>> {
        let mut states = BTreeMap::new();
        let mut edges = BTreeMap::new();
        let mut ahead = vec![job];
        let mut met = HashSet::from([job]);
        while let Some(job) = ahead.pop() {
            // It may have gone since it was listed.
            let state = state_of(unit, job)?;
            let ended = state.filter(|(state, _)| state.ended_before(self.moment));
            let Some(state) = ended.filter(|_| !self.held.contains(&job)) else {
                self.held.extend(states.into_keys());
                return Ok(None);
            };
            states.insert(job, state);
            let mut parents = Vec::new();
            for (other, waits) in unit.list(CONNECTED, [job.get()], |row| {
                Ok((JobId::new(row.get(0)?), row.get::<_, bool>(1)?))
            })? {
                if met.insert(other) {
                    ahead.push(other);
                }
                if !waits {
                    parents.push(other);
                }
            }
            edges.insert(job, parents);
        }
        let jobs = leaves_first(&edges).into_iter();
        let jobs = jobs.filter_map(|job| states.get(&job).map(|(state, n)| (job, *state, *n)));
        Ok(Some(Component { jobs: jobs.collect(), begun: false }))
    }
}
