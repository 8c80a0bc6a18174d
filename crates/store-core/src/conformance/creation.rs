//! What creating jobs promises.

use std::collections::BTreeSet;

use crate::code::{Code, Runner};
use crate::dependency::DependencyKind;
use crate::error::{Error, Invalid, Noun, Result};
use crate::event::EventKind;
use crate::ids::{ClusterId, EventSequence, JobId, JobUuid};
use crate::job::{Job, NewJob, Parallelism};
use crate::query::JobFilter;
use crate::repo::{ClusterWrite, DependencyRead, EventRead, JobRead, JobWrite};
use crate::status::{JobStatus, StatusChange};
use crate::store::Store;
use crate::time::Timestamp;
use crate::work_dir::{Placement, WorkDir};

use super::dump::{assert_untouched, listed};
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{
    BEGINNING, dir, full_job, job_at, job_in, open, sample_cluster, sample_deck, sample_job,
    sample_policy, tick,
};

/// What creating returns is what is then read.
pub fn a_created_job_is_read_back_as_it_was_returned<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let plain = store.create_job(&sample_job("plain"))?;
    assert_eq!(store.job(plain.id)?, plain);
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    let full = store.create_job(&full_job("full", cluster, plain.id))?;
    assert_eq!(store.job(full.id)?, full);
    let many = store.create_jobs(&[sample_job("one"), sample_job("two").queued()])?;
    for job in many {
        assert_eq!(store.job(job.id)?, job);
    }
    Ok(())
}

/// A job has what it was created with, and begins at the clock's time with its first attempt.
pub fn a_job_begins_with_what_it_was_given<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let plain = store.create_job(&job_at("plain", "/scratch/plain"))?;
    let expected = job_at("plain", "/scratch/plain");
    let expected =
        Job { uuid: plain.uuid, ..expected.to_job(plain.id, dir("/scratch/plain"), BEGINNING) };
    assert_eq!(plain, expected);

    let now = tick(&clock);
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    let full = store.create_job(&full_job("full", cluster, plain.id))?;
    let expected = Job {
        id: full.id,
        uuid: JobUuid::from_bytes([0x71; 16]),
        name: "full".to_owned(),
        work_dir: dir("/home/ada/full"),
        status: JobStatus::Queued,
        attempt: 1,
        code: "cp2k".parse()?,
        runner: Runner::Slurm,
        workflow: Some("band gap".to_owned()),
        cluster: Some(cluster),
        parallelism: Parallelism {
            nodes: Some(2),
            mpi_ranks: Some(u32::MAX),
            threads: Some(1),
            memory_mib: Some(64_000),
        },
        pid: None,
        host: None,
        priority: i32::MIN,
        not_before: Some(Timestamp::from_micros(1)),
        policy: sample_policy(),
        cancel_requested_at: None,
        probe_since: None,
        idempotency_key: Some("key of full".to_owned()),
        created_at: now,
        queued_at: Some(now),
        started_at: None,
        finished_at: None,
        updated_at: now,
        archived_at: None,
        cached_from: None,
    };
    assert_eq!(full, expected);
    assert_eq!(store.input(full.id)?, Some(sample_deck("full")));
    let edges = store.dependencies_of(full.id)?;
    assert_eq!(edges.len(), 1);
    assert_eq!((edges[0].depends_on, edges[0].kind), (plain.id, DependencyKind::AfterAny));
    assert_eq!(edges[0].created_at, now);
    Ok(())
}

/// The event of the creation stands for the input and the edges too.
pub fn a_creation_is_one_event<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let parent = store.create_job(&sample_job("parent"))?.id;
    let cluster = store.create_cluster(&sample_cluster("c"))?.id;
    let job = store.create_job(&full_job("full", cluster, parent))?;
    let history = store.history(job.id)?;
    assert_eq!(history.len(), 1, "{history:?}");
    assert_eq!(history[0].kind, EventKind::Created);
    assert_eq!((history[0].from, history[0].to), (None, Some(JobStatus::Queued)));
    assert_eq!(store.history(parent)?.len(), 1);
    Ok(())
}

/// A job below a base gets a directory that is named after its id and its name.
pub fn a_directory_given_by_the_store_is_named_after_the_job<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let base = dir("/scratch/über uns");
    for name in ["MgO bulk", "MgO bulk", "../../etc", "Größe 'x'; --", &"n".repeat(255)] {
        let placement = Placement::Under(base.clone());
        let job = store.create_job(&NewJob::new(name, Code::Vasp, placement))?;
        assert_eq!(job.work_dir, base.for_job(job.id, name, 1));
        assert_eq!(store.find_job_by_work_dir(&job.work_dir)?, Some(job));
    }
    Ok(())
}

/// A directory belongs to one job, in whatever spelling, also to one that has ended or was put away.
pub fn no_two_jobs_share_a_directory<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let first = store.create_job(&job_at("first", "/scratch/a"))?.id;
    let spelled = |path: &str| job_at("second", path);
    let taken = |new: &NewJob| {
        assert_refused!(
            assert_untouched(&store, || store.create_job(new)),
            Error::Conflict { noun: Noun::Job, field: "work_dir", value } if value == "/scratch/a"
        );
    };
    taken(&spelled("/scratch/a"));
    taken(&spelled("//scratch/./a/"));
    store.change_status(first, &StatusChange::to(JobStatus::Cancelled))?;
    store.archive_job(first)?;
    taken(&spelled("/scratch/a"));
    store.delete_job(first)?;
    store.create_job(&spelled("/scratch/a"))?;
    // Paths are bytes: another case is another directory.
    store.create_job(&spelled("/scratch/A"))?;

    // Where somebody has the directory that the store would give, it gives another.
    let next = JobId::new(store.create_job(&sample_job("x"))?.id.get() + 2);
    let base = dir("/scratch");
    store.create_job(&job_at("squatter", base.for_job(next, "MgO", 1).as_str()))?;
    let job = store.create_job(&sample_job("MgO"))?;
    assert_eq!((job.id, job.work_dir), (next, base.for_job(next, "MgO", 2)));
    Ok(())
}

/// A uuid that is given is kept and belongs to one job; one that is not given is new.
pub fn no_two_jobs_share_a_uuid<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let uuid = JobUuid::from_bytes([0xfe; 16]);
    let new = NewJob { uuid: Some(uuid), ..sample_job("MgO") };
    let job = store.create_job(&new)?;
    assert_eq!(job.uuid, uuid);
    assert_refused!(
        assert_untouched(&store, || store.create_job(&new)),
        Error::Conflict { noun: Noun::Job, field: "uuid", .. }
    );
    let jobs = store.create_jobs(&vec![sample_job("CaO"); 50])?;
    let uuids: BTreeSet<_> = jobs.iter().map(|job| job.uuid).collect();
    assert_eq!(uuids.len(), 50);
    assert!(uuids.iter().all(|uuid| uuid.as_bytes()[6] >> 4 == 7), "version 7");
    Ok(())
}

/// A cluster or a job that is not there is named, and nothing is created.
pub fn a_job_that_names_what_is_not_there_is_refused<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let parent = store.create_job(&sample_job("parent"))?.id;
    let nowhere = NewJob { cluster: Some(ClusterId::new(77)), ..sample_job("MgO") };
    assert_refused!(
        assert_untouched(&store, || store.create_job(&nowhere)),
        Error::NotFound { noun: Noun::Cluster, key } if key == "77"
    );
    let orphan = sample_job("MgO")
        .with_input(sample_deck("MgO"))
        .after(parent, DependencyKind::AfterOk)
        .after(JobId::new(99), DependencyKind::AfterOk)
        .after(JobId::new(88), DependencyKind::AfterOk);
    assert_refused!(
        assert_untouched(&store, || store.create_job(&orphan)),
        Error::NotFound { noun: Noun::Job, key } if key == "99"
    );
    assert!(store.dependents_of(parent)?.is_empty());
    // Not even its own id, which it does not have yet.
    let itself = JobId::new(parent.get() + 1);
    let new = sample_job("MgO").after(itself, DependencyKind::AfterOk);
    assert_refused!(
        assert_untouched(&store, || store.create_job(&new)),
        Error::NotFound { noun: Noun::Job, .. }
    );
    Ok(())
}

/// What `NewJob::check` refuses is refused by name, and nothing is written.
pub fn what_the_check_of_a_job_refuses_is_not_created<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let parent = store.create_job(&sample_job("parent"))?.id;
    let number = |parallelism| NewJob { parallelism, ..sample_job("MgO") };
    let zero = Some(0);
    let refused = [
        ("name", sample_job("")),
        ("name", sample_job(" \u{3000}")),
        ("name", sample_job(&"n".repeat(256))),
        ("name", sample_job("a\nb")),
        ("name", sample_job("a\0b")),
        ("idempotency_key", sample_job("MgO").with_idempotency_key("")),
        ("workflow", NewJob { workflow: Some("\u{7f}".to_owned()), ..sample_job("MgO") }),
        ("nodes", number(Parallelism { nodes: zero, ..Parallelism::default() })),
        ("mpi_ranks", number(Parallelism { mpi_ranks: zero, ..Parallelism::default() })),
        ("threads", number(Parallelism { threads: zero, ..Parallelism::default() })),
        (
            "dependencies",
            sample_job("MgO")
                .after(parent, DependencyKind::AfterOk)
                .after(parent, DependencyKind::AfterAny),
        ),
    ];
    for (field, new) in refused {
        assert_refused!(
            assert_untouched(&store, || store.create_job(&new)),
            Error::Invalid(Invalid { field: named, .. }) if named == field
        );
    }
    assert!(WorkDir::new("relative").is_err());
    Ok(())
}

/// Creating the same job again under its key returns it as it is, wherever it stands, and writes
/// nothing.
pub fn creating_again_under_the_same_key_returns_the_first_job<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let new = sample_job("MgO").with_input(sample_deck("MgO")).with_idempotency_key("key 'x'");
    let first = store.create_job(&new)?;
    tick(&clock);
    assert_eq!(assert_untouched(&store, || store.create_job(&new))?, first);

    // Name, code and input make the calculation; the rest may differ, even be impossible.
    let elsewhere = NewJob {
        placement: Placement::At(first.work_dir.clone()),
        cluster: Some(ClusterId::new(77)),
        uuid: Some(first.uuid),
        priority: 9,
        ..new.clone().queued().after(JobId::new(99), DependencyKind::AfterOk)
    };
    assert_eq!(assert_untouched(&store, || store.create_job(&elsewhere))?, first);

    store.change_status(first.id, &StatusChange::to(JobStatus::Cancelled))?;
    store.archive_job(first.id)?;
    let now = store.job(first.id)?;
    assert_eq!(assert_untouched(&store, || store.create_job(&new))?, now);

    let both = store.create_jobs(&[new.clone(), sample_job("CaO"), new.clone()])?;
    assert_eq!((both[0].id, both[2].id), (first.id, first.id));

    store.delete_job(first.id)?;
    assert_ne!(store.create_job(&new)?.id, first.id, "a deleted job frees its key");
    Ok(())
}

/// Another calculation under a key that a job has is a conflict.
pub fn another_calculation_under_the_same_key_is_refused<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let new = sample_job("MgO").with_input(sample_deck("MgO")).with_idempotency_key("key");
    let job = store.create_job(&new)?;
    let others = [
        NewJob { name: "CaO".to_owned(), ..new.clone() },
        NewJob { code: Code::Vasp, ..new.clone() },
        NewJob { input: Some(sample_deck("CaO")), ..new.clone() },
        NewJob { input: None, ..new.clone() },
    ];
    for other in others {
        assert_refused!(
            assert_untouched(&store, || store.create_job(&other)),
            Error::Conflict { noun: Noun::Job, field: "idempotency_key", value } if value == "key"
        );
    }
    store.replace_input(job.id, &sample_deck("CaO"))?;
    assert_refused!(store.create_job(&new), Error::Conflict { field: "idempotency_key", .. });
    Ok(())
}

/// Twenty jobs that are created one after the other are listed in that order, and told so in the
/// history.
pub fn twenty_jobs_created_one_after_the_other_are_all_there_in_order<F: Fixture>(
    fixture: &F,
) -> Outcome {
    let (store, _) = open(fixture);
    let created = (0..20)
        .map(|n| store.create_job(&sample_job(&format!("job {n}"))))
        .collect::<Result<Vec<_>>>()?;
    // In pages, because all of them are of one moment.
    let mut found = store.read(|r| listed(r, &JobFilter::all(), 7))?;
    found.reverse();
    assert_eq!(found, created);
    let told = store.events_after(EventSequence::START, 100)?;
    let told: Vec<_> = told.iter().map(|event| (event.subject.job(), event.kind)).collect();
    let expected: Vec<_> = created.iter().map(|job| (Some(job.id), EventKind::Created)).collect();
    assert_eq!(told, expected);
    Ok(())
}

/// Many jobs are created in the order given, each after those before it.
pub fn many_jobs_are_created_in_order<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let new: Vec<_> = (0..300).map(|n| sample_job(&format!("job {n}"))).collect();
    let jobs = store.create_jobs(&new)?;
    assert!(jobs.windows(2).all(|pair| pair[0].id < pair[1].id));
    assert!(jobs.iter().zip(&new).all(|(job, new)| job.name == new.name));
    assert_eq!(store.counts_by_status()?.total(), 300);
    assert!(store.create_jobs(&[])?.is_empty());
    let twice = store.create_jobs(&vec![sample_job("MgO").with_idempotency_key("key"); 2])?;
    assert_eq!(twice[0], twice[1], "the second is the first again");
    assert_eq!(store.counts_by_status()?.total(), 301);
    Ok(())
}

/// Of many jobs, none is created when one is refused, and the error is that one's.
pub fn many_jobs_are_created_all_or_none<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let new = [
        sample_job("good").with_input(sample_deck("MgO")),
        job_at("first", "/scratch/a"),
        job_at("second", "/scratch/a"),
        sample_job(""),
    ];
    assert_refused!(
        assert_untouched(&store, || store.create_jobs(&new)),
        Error::Conflict { field: "work_dir", .. }
    );
    Ok(())
}

/// Where several things are wrong, every backend names the same one.
pub fn the_refusals_of_a_creation_have_an_order<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let existing = store.create_job(&job_at("existing", "/scratch/a").with_idempotency_key("k"))?;
    let mut new = NewJob {
        cluster: Some(ClusterId::new(77)),
        uuid: Some(existing.uuid),
        ..job_at("", "/scratch/a")
    }
    .with_idempotency_key("k")
    .after(JobId::new(99), DependencyKind::AfterOk);
    assert_refused!(store.create_job(&new), Error::Invalid(_));
    new.name = "other".to_owned();
    assert_refused!(store.create_job(&new), Error::Conflict { field: "idempotency_key", .. });
    new.idempotency_key = None;
    assert_refused!(store.create_job(&new), Error::NotFound { noun: Noun::Cluster, .. });
    new.cluster = None;
    assert_refused!(store.create_job(&new), Error::Conflict { field: "uuid", .. });
    new.uuid = None;
    assert_refused!(store.create_job(&new), Error::Conflict { field: "work_dir", .. });
    new.placement = sample_job("x").placement;
    assert_refused!(store.create_job(&new), Error::NotFound { noun: Noun::Job, .. });
    new.dependencies.clear();
    store.create_job(&new)?;
    Ok(())
}

/// An id is never given out again, not even that of the newest job, nor in another unit of work.
pub fn ids_never_come_back<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let mut seen = BTreeSet::new();
    for _ in 0..5 {
        let id = job_in(&store, "MgO", JobStatus::Pending)?.id;
        assert!(seen.insert(id), "job {id} came back");
        assert!(seen.iter().all(|earlier| *earlier <= id), "ids grow");
        store.delete_job(id)?;
    }
    let (one, other) = store.write(|w| {
        let one = w.create_job(&sample_job("MgO"))?.id;
        w.delete_job(one)?;
        Ok((one, w.create_job(&sample_job("MgO"))?.id))
    })?;
    assert!(one < other);
    Ok(())
}
