//! Tags of jobs.

use crate::error::Result;
use crate::ids::JobId;
use crate::store::Store;
use crate::tag::{TagPatch, TagUse, Tags};

/// Reading tags.
pub trait TagRead {
    /// The tags of a job.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such job.
    fn tags_of(&self, job: JobId) -> Result<Tags>;

    /// Every key that a job has, with the number of those jobs, in the order of the keys. MUST NOT read
    /// the jobs or their tags.
    fn tag_keys(&self) -> Result<Vec<TagUse>>;

    /// The values of `key` that begin with `prefix`, at most `limit` of them, each with the number of
    /// jobs that have it, in the order of the values. MUST NOT read the jobs or their tags.
    fn tag_values(&self, key: &str, prefix: &str, limit: u32) -> Result<Vec<TagUse>>;
}

/// Writing tags.
pub trait TagWrite: TagRead {
    /// Sets and removes tags of a job, in whatever status it is, and returns all that it has then.
    ///
    /// # Atomicity
    /// The tags, the job's `updated_at` and the event land together.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such job;
    /// [`Error::Invalid`](crate::Error::Invalid) as [`TagPatch::apply`] says.
    fn edit_tags(&self, job: JobId, patch: &TagPatch) -> Result<Tags>;
}

impl<S: Store> TagRead for S {
    #[track_caller]
    fn tags_of(&self, job: JobId) -> Result<Tags> {
        self.read(|r| r.tags_of(job))
    }

    #[track_caller]
    fn tag_keys(&self) -> Result<Vec<TagUse>> {
        self.read(|r| r.tag_keys())
    }

    #[track_caller]
    fn tag_values(&self, key: &str, prefix: &str, limit: u32) -> Result<Vec<TagUse>> {
        self.read(|r| r.tag_values(key, prefix, limit))
    }
}

impl<S: Store> TagWrite for S {
    #[track_caller]
    fn edit_tags(&self, job: JobId, patch: &TagPatch) -> Result<Tags> {
        let patch = patch.clone();
        self.change(move |w| w.edit_tags(job, &patch))
    }
}
