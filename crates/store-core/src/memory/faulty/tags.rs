//! Faults of tags.

use crate::error::Result;
use crate::ids::JobId;
use crate::memory::unit::Writing;
use crate::repo::{TagRead, TagWrite};
use crate::tag::{TagPatch, TagUse, Tags};

use super::Fault;
use super::unit::pass_on;

pass_on! {
    impl<Mode> TagRead for Mode {
        fn tags_of(job: JobId) -> Tags;
        fn tag_keys() -> Vec<TagUse>;
        fn tag_values(key: &str, prefix: &str, limit: u32) -> Vec<TagUse>;
    }
}

pass_on! {
    impl<> TagWrite for Writing {
    } but {
        fn edit_tags(&self, job: JobId, patch: &TagPatch) -> Result<Tags> {
            let mut patch = patch.clone();
            if self.fault == Fault::KeepsRemovedTags {
                patch.remove.clear();
            }
            self.inner.edit_tags(job, &patch)
        }
    }
}
