//! Tags: what users say of a job in words of their own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::error::{Invalid, Result};
use crate::event::{EventKind, NewEvent};
use crate::job::Job;
use crate::time::Timestamp;
use crate::words::check_name;

/// The tags of a job: a value for each key. Both have 1 to 255 characters, no control character, and
/// something besides blanks.
pub type Tags = BTreeMap<String, String>;

/// Refuses a tag that no job can have.
///
/// # Errors
/// [`Invalid`] on `tag key` or `tag value`.
pub fn check_tag(key: &str, value: &str) -> std::result::Result<(), Invalid> {
    check_name("tag key", key)?;
    check_name("tag value", value)
}

/// How often a key or a value is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagUse {
    /// The key or the value.
    pub word: String,
    /// How many jobs have it, those that were put away among them.
    pub jobs: u64,
}

/// An edit of the tags of a job; keys that it does not name are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TagPatch {
    /// The tags that the job is to have, whatever their keys had before.
    pub set: Tags,
    /// The keys that it is to lose; one that it does not have is passed over.
    pub remove: BTreeSet<String>,
}

impl TagPatch {
    /// An edit that sets a tag.
    pub fn set(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self::default().and_set(key, value)
    }

    /// An edit that removes a key.
    pub fn remove(key: impl Into<String>) -> Self {
        Self::default().and_remove(key)
    }

    /// And sets this tag.
    #[must_use]
    pub fn and_set(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.set.insert(key.into(), value.into());
        self
    }

    /// And removes this key.
    #[must_use]
    pub fn and_remove(mut self, key: impl Into<String>) -> Self {
        self.remove.insert(key.into());
        self
    }

    /// Carries the edit out: the job and all of its tags as they are to be stored, and the event that
    /// names what changed, or nothing where nothing would. Backends store what this returns.
    ///
    /// # Errors
    /// [`Invalid`] for a tag that no job can have, and a key that is to be set and removed.
    pub fn apply(
        &self,
        job: &Job,
        tags: &Tags,
        now: Timestamp,
    ) -> Result<Option<(Job, Tags, NewEvent)>> {
        for (key, value) in &self.set {
            check_tag(key, value)?;
        }
        if let Some(key) = self.remove.iter().find(|key| self.set.contains_key(*key)) {
            let reason = format!("{key:?} is to be set and removed: decide for one");
            return Err(Invalid::new("tag key", reason).into());
        }
        let mut next = tags.clone();
        let (mut set, mut removed) = (Map::new(), Vec::new());
        for (key, value) in &self.set {
            if tags.get(key) != Some(value) {
                next.insert(key.clone(), value.clone());
                set.insert(key.clone(), Value::String(value.clone()));
            }
        }
        for key in &self.remove {
            if next.remove(key).is_some() {
                removed.push(Value::String(key.clone()));
            }
        }
        if set.is_empty() && removed.is_empty() {
            return Ok(None);
        }
        let job = Job { updated_at: now, ..job.clone() };
        let event = NewEvent::of(&job, EventKind::Tagged, now)
            .with("set", Value::Object(set))
            .with("removed", Value::Array(removed));
        Ok(Some((job, next, event)))
    }
}
