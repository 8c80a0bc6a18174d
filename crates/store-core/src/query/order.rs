//! In which order jobs are listed, and places in it.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::error::Invalid;
use crate::ids::JobId;
use crate::job::Job;
use crate::time::Timestamp;
use crate::units::{Energy, EnergyUnit};
use crate::words::words;

words! {
    /// What a list is sorted by.
    pub enum SortKey as "sort key" {
        /// When the jobs were created.
        Created = "created",
        /// When their present attempt was queued. A job that has not been has no place in this order, nor in the
        /// two that follow: it is left out.
        Queued = "queued",
        /// When their present attempt began.
        Started = "started",
        /// When they ended.
        Finished = "finished",
        /// Their priority.
        Priority = "priority",
        /// The energy of their present attempt's result, in electronvolts. A job that has none has no
        /// place in this order: it is left out.
        Energy = "energy",
        /// Their name, character by character in the order of Unicode.
        Name = "name",
    }
}

/// The order of a list. Jobs that are equal in the key follow each other by id, in the same direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What it sorts by.
    pub key: SortKey,
    /// Whether the greatest comes first.
    pub descending: bool,
}

impl Order {
    /// Newest first; what lists have unless they are told otherwise.
    pub const NEWEST: Self = Self::descending(SortKey::Created);

    /// The least first.
    pub const fn ascending(key: SortKey) -> Self {
        Self { key, descending: false }
    }

    /// The greatest first.
    pub const fn descending(key: SortKey) -> Self {
        Self { key, descending: true }
    }

    /// How two places follow each other in this order.
    pub fn compare(self, one: &Cursor, other: &Cursor) -> Ordering {
        let ascending = one.value.compare(&other.value).then_with(|| one.id.cmp(&other.id));
        if self.descending { ascending.reverse() } else { ascending }
    }

    /// The place of a job in this order, given the energy of its present attempt's result; none if it
    /// has no place there.
    pub fn place(self, job: &Job, energy: Option<Energy>) -> Option<Cursor> {
        let value = match self.key {
            SortKey::Created => SortValue::Created(job.created_at),
            SortKey::Queued => SortValue::Queued(job.queued_at?),
            SortKey::Started => SortValue::Started(job.started_at?),
            SortKey::Finished => SortValue::Finished(job.finished_at?),
            SortKey::Priority => SortValue::Priority(job.priority),
            SortKey::Energy => SortValue::Energy(energy?.electron_volts()),
            SortKey::Name => SortValue::Name(job.name.clone()),
        };
        Some(Cursor { descending: self.descending, value, id: job.id })
    }
}

impl Default for Order {
    fn default() -> Self {
        Self::NEWEST
    }
}

impl std::fmt::Display for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let direction = if self.descending { "descending" } else { "ascending" };
        write!(f, "{} {direction}", self.key)
    }
}

/// What a job is sorted by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SortValue {
    /// When it was created.
    Created(Timestamp),
    /// When its present attempt was queued.
    Queued(Timestamp),
    /// When its present attempt began.
    Started(Timestamp),
    /// When it ended.
    Finished(Timestamp),
    /// Its priority.
    Priority(i32),
    /// The energy of its result in electronvolts; finite.
    Energy(f64),
    /// Its name.
    Name(String),
}

impl SortValue {
    /// What lists that have this value are sorted by.
    pub const fn key(&self) -> SortKey {
        match self {
            Self::Created(_) => SortKey::Created,
            Self::Queued(_) => SortKey::Queued,
            Self::Started(_) => SortKey::Started,
            Self::Finished(_) => SortKey::Finished,
            Self::Priority(_) => SortKey::Priority,
            Self::Energy(_) => SortKey::Energy,
            Self::Name(_) => SortKey::Name,
        }
    }

    /// Values of different keys do not meet: a cursor of another order is refused.
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Created(one), Self::Created(other))
            | (Self::Queued(one), Self::Queued(other))
            | (Self::Started(one), Self::Started(other))
            | (Self::Finished(one), Self::Finished(other)) => one.cmp(other),
            (Self::Priority(one), Self::Priority(other)) => one.cmp(other),
            (Self::Energy(one), Self::Energy(other)) => {
                one.partial_cmp(other).unwrap_or(Ordering::Equal)
            }
            (Self::Name(one), Self::Name(other)) => one.cmp(other),
            (one, other) => one.key().cmp(&other.key()),
        }
    }
}

/// A place in a list of one order: that of the job which it was made of. It stays valid whatever is
/// created, changed or deleted meanwhile, the job itself too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
    /// The direction of the order.
    pub descending: bool,
    /// What the job was sorted by; it tells the order's key.
    pub value: SortValue,
    /// The job.
    pub id: JobId,
}

impl Cursor {
    /// The place of `job` among the newest first.
    pub const fn of(job: &Job) -> Self {
        Self { descending: true, value: SortValue::Created(job.created_at), id: job.id }
    }

    /// The order that it is a place of.
    pub const fn order(&self) -> Order {
        Order { key: self.value.key(), descending: self.descending }
    }

    /// Refuses a cursor of another order than `order`, or with an energy that is none.
    ///
    /// # Errors
    /// [`Invalid`].
    pub fn check(&self, order: Order) -> Result<(), Invalid> {
        if self.order() != order {
            let reason = format!(
                "is a place in the order {}, and the list's is {order}: begin the list anew",
                self.order()
            );
            return Err(Invalid::new("cursor", reason));
        }
        match self.value {
            SortValue::Energy(energy) => Energy::new(energy, EnergyUnit::ElectronVolt).map(drop),
            _ => Ok(()),
        }
    }
}
