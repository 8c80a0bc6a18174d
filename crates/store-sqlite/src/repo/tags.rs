//! Tags of jobs.

use rusqlite::params;
use store_core::repo::{JobRead, TagRead, TagWrite};
use store_core::{Job, JobId, Result, TagPatch, TagUse, Tags};

use crate::codec::{Columns, micros};
use crate::unit::{Mode, Unit, Writing};

pub(super) const OF: &str = "SELECT key, value FROM job_tags WHERE job_id = ?1";
pub(super) const KEYS: &str = "SELECT key, jobs FROM tag_keys ORDER BY key";
// No text has a byte F8, and every byte of one is below it.
pub(super) const VALUES: &str = "SELECT value, jobs FROM tag_values \
                                 WHERE key = ?1 AND value >= ?2 AND value < ?2 || CAST(x'F8' AS TEXT) \
                                 ORDER BY value LIMIT ?3 + 0";
const SET: &str = "INSERT INTO job_tags (job_id, key, value, created_at) VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT (job_id, key) DO UPDATE SET value = excluded.value";
const REMOVE: &str = "DELETE FROM job_tags WHERE job_id = ?1 AND key = ?2";

impl<M: Mode> TagRead for Unit<'_, M> {
    fn tags_of(&self, job: JobId) -> Result<Tags> {
        self.check_job(job)?;
        self.stored_tags(job)
    }

    fn tag_keys(&self) -> Result<Vec<TagUse>> {
        self.list(KEYS, [], decode)
    }

    fn tag_values(&self, key: &str, prefix: &str, limit: u32) -> Result<Vec<TagUse>> {
        self.list(VALUES, params![key, prefix, limit], decode)
    }
}

impl<M: Mode> Unit<'_, M> {
    fn stored_tags(&self, job: JobId) -> Result<Tags> {
        let found = self.list(OF, [job.get()], |row| {
            let mut columns = Columns::of(row);
            Ok((columns.plain()?, columns.plain()?))
        })?;
        Ok(found.into_iter().collect())
    }
}

fn decode(row: &rusqlite::Row<'_>) -> rusqlite::Result<TagUse> {
    let mut columns = Columns::of(row);
    Ok(TagUse { word: columns.plain()?, jobs: columns.plain::<i64>()?.unsigned_abs() })
}

impl TagWrite for Unit<'_, Writing> {
    fn edit_tags(&self, job: JobId, patch: &TagPatch) -> Result<Tags> {
        let job = self.job(job)?;
        let tags = self.stored_tags(job.id)?;
        let Some((next, left, event)) = patch.apply(&job, &tags, self.now())? else {
            return Ok(tags);
        };
        for key in tags.keys().filter(|key| !left.contains_key(*key)) {
            self.execute(REMOVE, params![next.id.get(), key])?;
        }
        let changed = left.iter().filter(|(key, value)| tags.get(*key) != Some(value));
        for (key, value) in changed {
            self.set_tag(&next, key, value)?;
        }
        self.touch(&next)?;
        self.record(event)?;
        Ok(left)
    }
}

impl Unit<'_, Writing> {
    /// Gives a job a tag; the event is the caller's.
    pub(super) fn set_tag(&self, job: &Job, key: &str, value: &str) -> Result<()> {
        self.execute(SET, params![job.id.get(), key, value, micros(job.created_at)]).map(drop)
    }
}
