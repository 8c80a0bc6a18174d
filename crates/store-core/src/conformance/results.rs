//! What results promise.

use serde_json::{Value, json};

use crate::error::{Error, Invalid, Noun};
use crate::event::EventKind;
use crate::ids::JobId;
use crate::repo::{EventRead, JobRead, JobWrite, ResultRead, ResultWrite};
use crate::result::{Convergence, JobResult, NewResult, Recorded, ResultDocument};
use crate::status::{InitialStatus, JobStatus, StatusChange};
use crate::store::Store;
use crate::units::{Energy, EnergyUnit};

use super::dump::assert_untouched;
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{full_result, hartree, job_in, open, sample_job, sample_result, tick};

/// A result comes back as it was given, with its attempt and its time; the job stays as it is.
pub fn a_result_comes_back_as_it_was_given<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let mut results = vec![full_result(), sample_result(-1.0)];
    results.extend(Convergence::ALL.iter().map(|convergence| NewResult::new(*convergence)));
    for result in results {
        let job = store.create_job(&sample_job("MgO"))?;
        assert_eq!(store.newest_result(job.id)?, None);
        assert!(store.results_of(job.id)?.is_empty());
        let now = tick(&clock);
        assert_eq!(store.record_result(job.id, &result)?, Recorded::Stored);
        let expected =
            JobResult { job: job.id, attempt: 1, result: result.clone(), recorded_at: now };
        assert_eq!(store.newest_result(job.id)?.as_ref(), Some(&expected));
        assert_eq!(store.results_of(job.id)?, [expected]);
        assert_eq!(store.job(job.id)?, job, "the job's own row is not touched");
        let event = store.history(job.id)?.pop().expect("an event");
        assert_eq!((event.kind, event.at), (EventKind::ResultRecorded, now));
        assert_eq!(event.detail["convergence"], result.convergence.as_str());
        let energy = result.energy.map(Energy::electron_volts);
        assert_eq!(event.detail.get("energy_ev").and_then(Value::as_f64), energy);
    }
    Ok(())
}

/// Every number comes back to the bit, in each unit.
pub fn numbers_come_back_to_the_bit<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let numbers = [
        0.0,
        0.1,
        -275.0,
        -275.123_456_789_012_3,
        1.0 / 3.0,
        f64::from_bits(1),
        f64::MIN_POSITIVE,
        -1e-300,
        1e21,
        9_007_199_254_740_993.0,
        9_223_372_036_854_775_807.0,
        -9_223_372_036_854_775_808.0,
        1e22_f64.next_up(),
        1.0_f64.next_down(),
        f64::MAX / 28.0,
    ];
    for &unit in EnergyUnit::ALL {
        for number in numbers {
            let result = NewResult {
                cpu_seconds: Some(number.abs()),
                wall_seconds: Some(number.abs() / 3.0),
                document: ResultDocument {
                    version: u32::MAX,
                    body: json!([number, -number / 7.0]),
                },
                scf_cycles: Some(u32::MAX),
                ..NewResult::new(Convergence::Converged).with_energy(Energy::new(number, unit)?)
            };
            let id = store.create_job(&sample_job("MgO"))?.id;
            store.record_result(id, &result)?;
            let stored = store.newest_result(id)?.expect("a result").result;
            let energy = stored.energy.expect("an energy");
            assert_eq!((energy.value().to_bits(), energy.unit()), (number.to_bits(), unit));
            let bits = |seconds: Option<f64>| seconds.map(f64::to_bits);
            assert_eq!(bits(stored.cpu_seconds), bits(result.cpu_seconds));
            assert_eq!(bits(stored.wall_seconds), bits(result.wall_seconds));
            assert_eq!(stored, result);
        }
    }
    Ok(())
}

/// A document of any form comes back as it was.
pub fn documents_of_any_form_come_back<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let nested = (0..90).fold(json!("core"), |inner, n| {
        if n % 2 == 0 { json!([inner]) } else { json!({ "in": inner }) }
    });
    let bodies = [
        json!(null),
        json!(true),
        json!("only a text: \" \\ \u{0} \u{1} \n 🧪 \u{2028}"),
        json!([]),
        json!({}),
        json!([u64::MAX, i64::MIN, 0, -1, 1e300, 0.1, 1.0]),
        json!({"": {"a.b": 1, "$[0]": 2, "'": [null, {"\"": {}}]}}),
        json!({"long": "x".repeat(100_000)}),
        Value::Array((0..5_000).map(|n| json!({"n": n, "half": f64::from(n) / 2.0})).collect()),
        nested,
    ];
    for body in bodies {
        let document = ResultDocument { version: 1, body };
        let result = NewResult { document: document.clone(), ..sample_result(-1.0) };
        let id = store.create_job(&sample_job("MgO"))?.id;
        store.record_result(id, &result)?;
        let stored = store.newest_result(id)?.expect("a result").result.document;
        assert!(stored == document, "{document:.200?} came back otherwise");
        let again = assert_untouched(&store, || store.record_result(id, &result))?;
        assert_eq!(again, Recorded::Unchanged);
        // The history keeps the whole of it when it is replaced.
        store.replace_result(id, &sample_result(-2.0))?;
        let event = store.history(id)?.pop().expect("an event");
        assert!(event.detail["replaced"]["document"]["body"] == document.body);
    }
    Ok(())
}

/// The same result again changes nothing; another one is a conflict, never overwritten by accident.
pub fn a_result_is_never_overwritten_by_accident<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let id = store.create_job(&sample_job("MgO"))?.id;
    let full = full_result();
    store.record_result(id, &full)?;
    tick(&clock);
    let again = assert_untouched(&store, || store.record_result(id, &full))?;
    assert_eq!(again, Recorded::Unchanged);
    let version_2 = ResultDocument { version: 2, ..full.document.clone() };
    for other in [
        NewResult { energy: None, ..full.clone() },
        NewResult { energy: Some(Energy::new(-275.1, EnergyUnit::Rydberg)?), ..full.clone() },
        NewResult { convergence: Convergence::Unknown, ..full.clone() },
        NewResult { scf_cycles: None, ..full.clone() },
        NewResult { cpu_seconds: Some(0.3), ..full.clone() },
        NewResult { wall_seconds: Some(0.0), ..full.clone() },
        NewResult { document: version_2, ..full.clone() },
        NewResult { provenance: crate::Provenance::default(), ..full.clone() },
    ] {
        assert_refused!(
            assert_untouched(&store, || store.record_result(id, &other)),
            Error::Conflict { noun: Noun::Result, field: "attempt", .. }
        );
    }
    Ok(())
}

/// Many results are recorded in order, and each is answered; when one is refused, none is recorded, also
/// in a unit of work that goes on, and the error is that one's.
pub fn many_results_are_recorded_all_or_none<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let one = store.create_job(&sample_job("one"))?.id;
    let other = store.create_job(&sample_job("other"))?.id;
    let (first, second) = (sample_result(-1.0), full_result());
    let refused = [
        (one, first.clone()),
        (other, first.clone()),
        (other, second.clone()),
        (JobId::new(4_711), first.clone()),
    ];
    let within = refused.clone();
    for answer in [
        assert_untouched(&store, || store.record_results(&refused)),
        assert_untouched(&store, || store.write(move |w| Ok(w.record_results(&within))))?,
    ] {
        assert_refused!(answer, Error::Conflict { noun: Noun::Result, field: "attempt", .. });
    }
    let results = [(one, first.clone()), (one, first.clone()), (other, second.clone())];
    let answers = store.record_results(&results)?;
    assert_eq!(answers, [Recorded::Stored, Recorded::Unchanged, Recorded::Stored]);
    for (job, expected) in [(one, first), (other, second)] {
        assert_eq!(store.newest_result(job)?.map(|stored| stored.result), Some(expected));
    }
    assert!(assert_untouched(&store, || store.record_results::<JobId>(&[]))?.is_empty());
    Ok(())
}

/// A result can be replaced on purpose; the history keeps the old one.
pub fn a_replaced_result_is_kept_in_the_history<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let job = job_in(&store, "MgO", JobStatus::Completed)?;
    let (old, new) = (full_result(), sample_result(-2.0));
    store.record_result(job.id, &old)?;
    let now = tick(&clock);
    assert_eq!(store.replace_result(job.id, &new)?, Recorded::Stored);
    let stored = store.results_of(job.id)?;
    assert_eq!(stored.len(), 1);
    assert_eq!((&stored[0].result, stored[0].recorded_at), (&new, now));
    let event = store.history(job.id)?.pop().expect("an event");
    assert_eq!((event.kind, event.at), (EventKind::ResultReplaced, now));
    let replaced: NewResult =
        serde_json::from_value(event.detail["replaced"].clone()).map_err(Error::aborted)?;
    assert_eq!(replaced, old);
    tick(&clock);
    let again = assert_untouched(&store, || store.replace_result(job.id, &new))?;
    assert_eq!(again, Recorded::Unchanged);
    assert_eq!(store.job(job.id)?, job);
    Ok(())
}

/// There must be a result of the present attempt to be replaced.
pub fn a_result_that_is_not_there_is_not_replaced<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let id = store.create_job(&sample_job("MgO"))?.id;
    let replace = || assert_untouched(&store, || store.replace_result(id, &sample_result(-2.0)));
    assert_refused!(replace(), Error::NotFound { noun: Noun::Result, .. });
    store.record_result(id, &sample_result(-1.0))?;
    store.change_status(id, &StatusChange::to(JobStatus::Failed))?;
    store.retry_job(id, InitialStatus::Pending)?;
    assert_refused!(replace(), Error::NotFound { noun: Noun::Result, .. });
    Ok(())
}

/// Each attempt has a result of its own, oldest first; the newest is the newest attempt's that has
/// one.
pub fn each_attempt_has_a_result_of_its_own<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let id = store.create_job(&sample_job("MgO"))?.id;
    for attempt in 1..=11 {
        if attempt != 5 {
            store.record_result(id, &sample_result(-f64::from(attempt)))?;
        }
        store.change_status(id, &StatusChange::to(JobStatus::Failed))?;
        store.retry_job(id, InitialStatus::Queued)?;
        let newest = store.newest_result(id)?.expect("a result");
        let expected = if attempt == 5 { 4 } else { attempt };
        assert_eq!(newest.attempt, expected);
        assert_eq!(newest.result.energy, Some(hartree(-f64::from(expected))));
    }
    let attempts: Vec<_> = store.results_of(id)?.iter().map(|result| result.attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4, 6, 7, 8, 9, 10, 11]);
    let events = store.history(id)?;
    let recorded = events.iter().filter(|event| event.kind == EventKind::ResultRecorded);
    assert_eq!(recorded.filter_map(|event| event.subject.attempt()).collect::<Vec<_>>(), attempts);
    Ok(())
}

/// A result can be recorded whatever the status of the job, and its status stays.
pub fn a_result_does_not_change_the_status<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    for &status in JobStatus::ALL {
        let id = job_in(&store, "MgO", status)?.id;
        store.record_result(id, &sample_result(-1.0))?;
        store.replace_result(id, &sample_result(-2.0))?;
        assert_eq!(store.job(id)?.status, status);
    }
    Ok(())
}

/// What is not a number of seconds, and what else `NewResult::check` refuses, is not stored.
pub fn what_the_check_of_a_result_refuses_is_not_stored<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let good = sample_result(-1.0);
    let empty = store.create_job(&sample_job("empty"))?.id;
    let full = store.create_job(&sample_job("full"))?.id;
    store.record_result(full, &good)?;
    let cpu = |seconds| NewResult { cpu_seconds: Some(seconds), ..good.clone() };
    let version_0 = ResultDocument { version: 0, body: json!({}) };
    let deep = (0..101).fold(json!(1), |inner, _| json!([inner]));
    let deep = ResultDocument { version: 1, body: deep };
    let nameless =
        crate::Provenance { code_version: Some(String::new()), ..crate::Provenance::default() };
    let refused = [
        ("cpu_seconds", cpu(f64::NAN)),
        ("cpu_seconds", cpu(f64::INFINITY)),
        ("cpu_seconds", cpu(-1.0)),
        ("wall_seconds", NewResult { wall_seconds: Some(f64::NEG_INFINITY), ..good.clone() }),
        ("document version", NewResult { document: version_0, ..good.clone() }),
        ("document", NewResult { document: deep, ..good.clone() }),
        ("code_version", NewResult { provenance: nameless, ..good.clone() }),
    ];
    for (field, result) in refused {
        for answer in [
            assert_untouched(&store, || store.record_result(empty, &result)),
            assert_untouched(&store, || store.replace_result(full, &result)),
        ] {
            assert_refused!(
                answer,
                Error::Invalid(Invalid { field: named, .. }) if named == field
            );
        }
    }
    for not_an_energy in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_refused!(
            Energy::new(not_an_energy, EnergyUnit::Hartree),
            Invalid { field: "energy", .. }
        );
    }
    Ok(())
}
