//! What searching promises: text in names and directories, and values inside documents.

use serde_json::json;

use crate::error::{Error, Result};
use crate::job::JobPatch;
use crate::patch::Edit;
use crate::query::{Comparison, DocumentCondition, JobFilter, Operand, Page};
use crate::repo::{JobRead, JobWrite, ResultWrite, TagWrite};
use crate::result::{Convergence, NewResult};
use crate::store::Store;
use crate::tag::TagPatch;

use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{dir, job_at, open, sample_job};

/// The jobs that a text finds, by name.
fn named(store: &impl Store, text: &str) -> Result<Vec<String>> {
    let filter = JobFilter::all().text(text);
    let found = store.jobs(&filter, Page::first(100)?)?.jobs;
    assert_eq!(store.count_jobs(&filter)?, found.len() as u64, "{text:?}");
    Ok(found.into_iter().rev().map(|job| job.name).collect())
}

/// A text is found wherever it stands in a name or a directory, however short it is; quotes, wildcards
/// and operators of search languages mean themselves, and only A to Z match their small letters.
pub fn a_text_means_itself<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let names =
        ["MgO bulk", "100% relaxed", "a_b \"x\"", "AND OR NOT*", "Fe₂O₃ 'ß'", "É (job)", "axb"];
    for (n, name) in names.into_iter().enumerate() {
        store.create_job(&job_at(name, &format!("/w/{n}/Deck_{}", n % 2)))?;
    }
    for (text, expected) in [
        ("mgo", vec![0]),
        ("O B", vec![0]),
        ("MgO bulk", vec![0]),
        ("MgO bulk!", vec![]),
        ("%", vec![1]),
        ("0% r", vec![1]),
        ("0%d", vec![]),
        ("_b", vec![2]),
        ("a_b", vec![2]),
        ("a?b", vec![]),
        ("a*", vec![]),
        ("\"", vec![2]),
        ("\"x\"", vec![2]),
        ("x\" OR \"", vec![]),
        ("and or", vec![3]),
        ("not*", vec![3]),
        ("'ß'", vec![4]),
        ("₂o₃", vec![4]),
        ("₂", vec![4]),
        ("é (j", vec![]),
        ("É (J", vec![5]),
        ("(job)", vec![5]),
        ("deck_1", vec![1, 3, 5]),
        ("/w/2/", vec![2]),
        ("/W/", vec![0, 1, 2, 3, 4, 5, 6]),
        ("x", vec![1, 2, 6]),
        ("name:mgo", vec![]),
    ] {
        let expected: Vec<&str> = expected.into_iter().map(|n: usize| names[n]).collect();
        assert_eq!(named(&store, text)?, expected, "{text:?}");
    }
    Ok(())
}

/// A job is found by the name and the directory that it has now, and not once it is gone.
pub fn a_text_that_was_changed_is_found_as_it_is<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let id = store.create_job(&job_at("magnesia", "/w/first"))?.id;
    store.create_job(&job_at("another", "/w/2"))?;
    let patch = JobPatch {
        name: Edit::Set("periclase".to_owned()),
        work_dir: Edit::Set(dir("/w/second")),
        ..JobPatch::default()
    };
    store.update_job(id, &patch)?;
    let given_up = store.write(move |w| {
        let patch = JobPatch { name: Edit::Set("wüstite".to_owned()), ..JobPatch::default() };
        w.update_job(id, &patch)?;
        w.create_job(&sample_job("wüstite"))?;
        Err::<(), _>(Error::aborted("on second thoughts"))
    });
    assert_refused!(given_up, Error::Aborted(_));
    for text in ["magnesia", "agn", "first", "wüstite"] {
        assert_eq!(named(&store, text)?, [""; 0], "{text}");
    }
    for text in ["periclase", "eri", "second"] {
        assert_eq!(named(&store, text)?, ["periclase"], "{text}");
    }
    store.delete_job(id)?;
    assert_eq!(named(&store, "periclase")?, [""; 0]);
    assert_eq!(named(&store, "w/2")?, ["another"]);
    Ok(())
}

/// Values of documents are found by their path; numbers compare with numbers and texts with texts.
pub fn documents_are_compared_by_path<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let long = "x".repeat(300);
    let bodies = [
        json!({"v": -1}),
        json!({"v": 0.1}),
        json!({"v": 9_007_199_254_740_993_u64}),
        json!({"v": u64::MAX}),
        json!({"v": "1"}),
        json!({"v": "é\"\u{1}"}),
        json!({"v": long}),
        json!({"v": [3, {"w": "deep"}]}),
        json!({"v": {"w": "deep"}, "a.b": 1, "ключ": 2}),
        json!({"v": null}),
        json!({"v": false}),
        json!({}),
    ];
    for (n, body) in bodies.iter().enumerate() {
        let id = store.create_job(&sample_job(&n.to_string()))?.id;
        let mut result = NewResult::new(Convergence::Converged);
        result.document.body = body.clone();
        store.record_result(id, &result)?;
    }
    let number = |value: f64| Operand::Number(value);
    let text = |value: &str| Operand::Text(value.to_owned());
    let prefix = "x".repeat(255);
    for (path, comparison, expected) in [
        ("$.v", Comparison::Exists, (0..11).collect::<Vec<usize>>()),
        ("$", Comparison::Exists, (0..12).collect()),
        ("$.v", Comparison::Below(number(0.1)), vec![0]),
        ("$.v", Comparison::AtMost(number(0.1)), vec![0, 1]),
        ("$.v", Comparison::Equal(number(0.1)), vec![1]),
        ("$.v", Comparison::Equal(number(9_007_199_254_740_992.0)), vec![2]),
        ("$.v", Comparison::AtLeast(number(1e19)), vec![3]),
        ("$.v", Comparison::Equal(number(1.0)), vec![]),
        ("$.v", Comparison::Equal(number(0.0)), vec![]),
        ("$.v", Comparison::Equal(text("1")), vec![4]),
        ("$.v", Comparison::Above(text("1")), vec![5, 6]),
        ("$.v", Comparison::Equal(text("é\"\u{1}")), vec![5]),
        ("$.v", Comparison::Above(text(&prefix)), vec![5, 6]),
        ("$.v", Comparison::Equal(text(&prefix)), vec![]),
        ("$.v", Comparison::AtMost(text(&prefix)), vec![4]),
        ("$.v[0]", Comparison::Equal(number(3.0)), vec![7]),
        ("$.v[1].w", Comparison::Equal(text("deep")), vec![7]),
        ("$.v.w", Comparison::Equal(text("deep")), vec![8]),
        ("$.\"a.b\"", Comparison::Equal(number(1.0)), vec![8]),
        ("$.ключ", Comparison::AtLeast(number(2.0)), vec![8]),
        ("$.a.b", Comparison::Exists, vec![]),
    ] {
        let filter = JobFilter::all().document(DocumentCondition::new(path, comparison.clone())?);
        let found = store.jobs(&filter, Page::first(100)?)?.jobs;
        let names: Vec<String> = found.into_iter().rev().map(|job| job.name).collect();
        let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        assert_eq!(names, expected, "{path} {comparison:?}");
    }
    Ok(())
}

/// A filter that names what nothing stored can be is refused.
pub fn a_filter_that_nothing_can_meet_is_refused<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let id = store.create_job(&sample_job("MgO"))?.id;
    store.edit_tags(id, &TagPatch::set("a", "1"))?;
    let all = JobFilter::all;
    for filter in [all().text(""), all().text("a\0"), all().tag("a", ""), all().tag("\n", "1")] {
        assert_refused!(store.jobs(&filter, Page::first(1)?), Error::Invalid(_));
        assert_refused!(store.count_jobs(&filter), Error::Invalid(_));
    }
    Ok(())
}
