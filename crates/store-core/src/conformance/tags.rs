//! What tags promise.

use crate::error::{Error, Result};
use crate::event::EventKind;
use crate::ids::JobId;
use crate::repo::{EventRead, JobRead, JobWrite, TagRead, TagWrite};
use crate::status::{JobStatus, StatusChange};
use crate::tag::{TagPatch, TagUse, Tags};

use super::dump::assert_untouched;
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{open, sample_job, tick};

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A job has the tags that it was created with, whatever the characters, and its event tells them.
pub fn tags_come_back_as_they_were_given<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let plain = store.create_job(&sample_job("plain"))?.id;
    let given = tags(&[("a", "b"), ("A", "%_'\"\\"), ("Fe₂O₃", " ="), ("x", &"ß".repeat(255))]);
    let mut new = sample_job("tagged");
    new.tags = given.clone();
    let tagged = store.create_job(&new)?.id;
    assert_eq!(store.tags_of(plain)?, Tags::new());
    assert_eq!(store.tags_of(tagged)?, given);
    let told = &store.history(tagged)?[0].detail["tags"];
    assert_eq!(*told, serde_json::to_value(&given).expect("text keys"));
    assert!(!store.history(plain)?[0].detail.contains_key("tags"));
    assert_refused!(store.tags_of(JobId::new(99)), Error::NotFound { .. });
    Ok(())
}

/// An edit sets and removes the tags that it names, keeps the others, and is one event.
pub fn an_edit_of_tags_sets_and_removes_what_it_names<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let job = sample_job("MgO").tagged("a", "1").tagged("b", "2").tagged("c", "3");
    let id = store.create_job(&job)?.id;
    let now = tick(&clock);
    let patch = TagPatch::set("b", "two").and_set("d", "4").and_remove("c").and_remove("none");
    let left = tags(&[("a", "1"), ("b", "two"), ("d", "4")]);
    assert_eq!(store.edit_tags(id, &patch)?, left);
    assert_eq!(store.tags_of(id)?, left);
    assert_eq!(store.job(id)?.updated_at, now);
    let history = store.history(id)?;
    let event = history.last().expect("an event");
    assert_eq!((history.len(), event.kind, event.at), (2, EventKind::Tagged, now));
    assert_eq!(event.detail["set"], serde_json::json!({"b": "two", "d": "4"}));
    assert_eq!(event.detail["removed"], serde_json::json!(["c"]));
    // In whatever status.
    store.change_status(id, &StatusChange::to(JobStatus::Completed))?;
    store.archive_job(id)?;
    store.edit_tags(id, &TagPatch::remove("a").and_remove("b").and_remove("d"))?;
    assert_eq!(store.tags_of(id)?, Tags::new());
    Ok(())
}

/// An edit that names what is so already writes nothing.
pub fn an_edit_of_tags_that_changes_nothing_writes_nothing<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let id = store.create_job(&sample_job("MgO").tagged("a", "1"))?.id;
    tick(&clock);
    for patch in [TagPatch::default(), TagPatch::set("a", "1").and_remove("b")] {
        let answer = assert_untouched(&store, || store.edit_tags(id, &patch));
        assert_eq!(answer?, tags(&[("a", "1")]));
    }
    Ok(())
}

/// What is no key or no value is refused, at creation and later, and so is a key that is to be set and
/// removed.
pub fn what_no_tag_may_be_is_refused<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let id = store.create_job(&sample_job("MgO").tagged("a", "1"))?.id;
    let long = "x".repeat(256);
    for wrong in ["", " ", "line\nend", "nul\0", &long] {
        for (key, value) in [(wrong, "1"), ("a", wrong)] {
            assert_untouched(&store, || {
                let new = sample_job("new").tagged(key, value);
                assert_refused!(store.create_job(&new), Error::Invalid(_));
                let patch = TagPatch::set(key, value).and_set("b", "2");
                assert_refused!(store.edit_tags(id, &patch), Error::Invalid(_));
            });
        }
    }
    assert_untouched(&store, || {
        let both = TagPatch::set("a", "2").and_remove("a");
        assert_refused!(store.edit_tags(id, &both), Error::Invalid(_));
        let nobody = store.edit_tags(JobId::new(99), &TagPatch::set("a", "2"));
        assert_refused!(nobody, Error::NotFound { .. });
    });
    Ok(())
}

/// Keys and values are told with the number of their jobs, in order, as long as a job has them.
pub fn keys_and_values_are_counted<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let told = |uses: Vec<TagUse>| -> Vec<(String, u64)> {
        uses.into_iter().map(|one| (one.word, one.jobs)).collect()
    };
    let expected = |pairs: &[(&str, u64)]| -> Vec<(String, u64)> {
        pairs.iter().map(|(word, jobs)| ((*word).to_owned(), *jobs)).collect()
    };
    let values = |prefix: &str, limit| -> Result<_> {
        Ok(told(store.tag_values("campaign", prefix, limit)?))
    };
    assert_eq!(told(store.tag_keys()?), []);
    let mut ids = Vec::new();
    for (n, value) in ["oxides", "ox%", "oxides", "Oxides", "ox_1", "steel"].into_iter().enumerate()
    {
        let mut new = sample_job("MgO").tagged("campaign", value);
        if n % 2 == 0 {
            new = new.tagged("by", "ada");
        }
        ids.push(store.create_job(&new)?.id);
    }
    assert_eq!(told(store.tag_keys()?), expected(&[("by", 3), ("campaign", 6)]));
    let all = [("Oxides", 1), ("ox%", 1), ("ox_1", 1), ("oxides", 2), ("steel", 1)];
    assert_eq!(values("", u32::MAX)?, expected(&all));
    assert_eq!(values("ox", u32::MAX)?, expected(&all[1..4]));
    assert_eq!(values("ox", 2)?, expected(&all[1..3]));
    assert_eq!(values("ox", 0)?, []);
    assert_eq!(values("ox%", 9)?, expected(&all[1..2]));
    assert_eq!(values("ox_", 9)?, expected(&all[2..3]));
    assert_eq!(told(store.tag_values("nobody's", "", 9)?), []);

    store.change_status(ids[3], &StatusChange::to(JobStatus::Cancelled))?;
    store.archive_job(ids[3])?;
    store.edit_tags(ids[0], &TagPatch::set("campaign", "steel").and_remove("by"))?;
    store.delete_job(ids[4])?;
    assert_eq!(told(store.tag_keys()?), expected(&[("by", 1), ("campaign", 5)]));
    let left = [("Oxides", 1), ("ox%", 1), ("oxides", 1), ("steel", 2)];
    assert_eq!(values("", u32::MAX)?, expected(&left));
    Ok(())
}
