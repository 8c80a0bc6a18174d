//! Tags in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Result;
use crate::ids::JobId;
use crate::repo::{TagRead, TagWrite};
use crate::tag::{TagPatch, TagUse, Tags};

use super::state::State;
use super::unit::{Signature, Unit, Writing};

impl<Mode> TagRead for Unit<'_, Mode> {
    fn tags_of(&self, job: JobId) -> Result<Tags> {
        let state = self.state();
        state.job(job)?;
        Ok(state.tags_of(job).clone())
    }

    fn tag_keys(&self) -> Result<Vec<TagUse>> {
        let state = self.state();
        Ok(uses(state.tags.values().flat_map(|tags| tags.keys())))
    }

    fn tag_values(&self, key: &str, prefix: &str, limit: u32) -> Result<Vec<TagUse>> {
        let state = self.state();
        let values = state.tags.values().filter_map(|tags| tags.get(key));
        let mut found = uses(values.filter(|value| value.starts_with(prefix)));
        found.truncate(limit as usize);
        Ok(found)
    }
}

fn uses<'w>(words: impl Iterator<Item = &'w String>) -> Vec<TagUse> {
    let mut counts: BTreeMap<&String, u64> = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    counts.into_iter().map(|(word, jobs)| TagUse { word: word.clone(), jobs }).collect()
}

impl TagWrite for Unit<'_, Writing> {
    fn edit_tags(&self, job: JobId, patch: &TagPatch) -> Result<Tags> {
        self.change(|state, Signature { actor, now }| {
            let tags = state.tags_of(job).clone();
            let Some((next, tags, event)) = patch.apply(state.job(job)?, &tags, now)? else {
                return Ok(tags);
            };
            state.put_tags(job, tags.clone());
            state.put_job(next);
            state.record(event, actor);
            Ok(tags)
        })
    }
}

impl State {
    pub(super) fn tags_of(&self, job: JobId) -> &Tags {
        static NONE: Tags = Tags::new();
        self.tags.get(&job).map_or(&NONE, AsRef::as_ref)
    }

    pub(super) fn put_tags(&mut self, job: JobId, tags: Tags) {
        self.tags.insert(job, Arc::new(tags));
    }
}
