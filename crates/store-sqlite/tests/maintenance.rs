//! Copies, checks, the log.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;

use common::{Outcome, another_program, job, open, scratch};
use store_core::{ClaimFilter, ClusterKind, Error, InputDeck, JobFilter, NewCluster};
use store_sqlite::worker::this_worker;
use store_sqlite::{CheckDepth, Options, prelude::*};

#[test]
fn a_backup_is_private_whole_and_of_one_moment() -> Outcome {
    let (directory, path) = scratch();
    let store = open(&path);
    store.create_job(&job("before"))?;
    let copy = directory.path().join("copy.db");
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 0..200 {
                store.create_job(&job(&format!("meanwhile {number}"))).expect("written");
            }
        });
        store.backup(&copy).expect("copied");
        writer.join().expect("no panic");
    });
    assert_eq!(fs::metadata(&copy)?.permissions().mode() & 0o777, 0o600);
    let restored = Options::new(&copy).open()?;
    assert_eq!(restored.check(CheckDepth::Full)?.problems, Vec::<String>::new());
    let jobs = restored.counts_by_status()?.total();
    assert!((1..=201).contains(&jobs), "{jobs}");
    restored.create_job(&job("goes on"))?;
    let left: Vec<_> = fs::read_dir(directory.path())?.map(|e| e.map(|e| e.file_name())).collect();
    assert!(!format!("{left:?}").contains("unfinished"), "{left:?}");
    Ok(())
}

#[test]
fn a_backup_never_replaces_a_file() -> Outcome {
    let (directory, path) = scratch();
    let store = open(&path);
    let copy = directory.path().join("copy.db");
    fs::write(&copy, "precious")?;
    let error = store.backup(&copy).expect_err("it is refused");
    assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    assert_eq!(fs::read(&copy)?, b"precious");
    let error = store.backup(&directory.path().join("no/such.db")).expect_err("it is refused");
    assert!(matches!(error, Error::Access(_)), "{error:?}");
    Ok(())
}

#[test]
fn a_check_names_what_is_wrong() -> Outcome {
    for (fault, word) in [
        ("PRAGMA foreign_keys = OFF; UPDATE job_events SET job_id = 99", "job_events"),
        ("UPDATE job_counts SET jobs = 7 WHERE status = 'FAILED'", "FAILED"),
        ("DELETE FROM job_counts WHERE status = 'PENDING'", "PENDING"),
        ("DELETE FROM job_status_transitions WHERE to_status = 'RUNNING'", "RUNNING"),
        ("INSERT INTO job_status_transitions VALUES ('COMPLETED', 'QUEUED', 0)", "COMPLETED"),
        (
            "INSERT INTO job_leases (job_id, token, attempt, worker, host, pid, claimed_at, expires_at)
                 VALUES (1, 1, 1, 'w', 'h', 1, 1, 2)",
            "job_leases: lease 1 on attempt 1 is not that of job 1, which is PENDING in attempt 1 and was claimed 0 times",
        ),
        ("UPDATE store_events SET sequence = 1", "store_events: 1 is not"),
        ("UPDATE store_events SET sequence = 99", "store_events: 99 is not"),
        ("UPDATE events_forgotten SET newest = 99", "events_forgotten: 99 is not"),
        ("DELETE FROM events_forgotten", "events_forgotten: its row"),
        ("DROP INDEX jobs_by_status", "jobs_by_status"),
        ("DROP TRIGGER jobs_status_transition", "jobs_status_transition"),
        ("CREATE TABLE mine (id INTEGER PRIMARY KEY) STRICT", "mine"),
        ("ALTER TABLE jobs ADD COLUMN mine INTEGER", "mine"),
    ] {
        let (_directory, path) = scratch();
        let store = open(&path);
        store.create_job(&job("MgO"))?;
        store.create_cluster(&NewCluster::new("c", ClusterKind::Slurm, "host"))?;
        another_program(&path).execute_batch(fault)?;
        for depth in [CheckDepth::Quick, CheckDepth::Full] {
            let report = store.check(depth)?;
            assert!(!report.is_ok());
            assert!(report.problems.join("\n").contains(word), "{fault}: {:?}", report.problems);
        }
    }
    Ok(())
}

#[test]
fn a_check_names_a_lease_that_is_not_that_of_the_run() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    store.create_job(&job("MgO").queued())?;
    store.claim(&this_worker("w"), &ClaimFilter::all(), 1, Duration::from_secs(3_600))?;
    assert!(store.check(CheckDepth::Quick)?.is_ok());
    for (fault, mended, told) in [
        (
            "token = 7",
            "token = 1",
            "lease 7 on attempt 1 is not that of job 1, which is RUNNING in attempt 1",
        ),
        (
            "attempt = 2",
            "attempt = 1",
            "lease 1 on attempt 2 is not that of job 1, which is RUNNING in attempt 1",
        ),
    ] {
        another_program(&path).execute_batch(&format!("UPDATE job_leases SET {fault}"))?;
        let problems = store.check(CheckDepth::Quick)?.problems;
        assert!(problems.join("\n").contains(told), "{fault}: {problems:?}");
        another_program(&path).execute_batch(&format!("UPDATE job_leases SET {mended}"))?;
    }
    another_program(&path).execute_batch("UPDATE jobs SET probe_since = 1")?;
    let problems = store.check(CheckDepth::Quick)?.problems;
    assert!(problems.join("\n").contains("in attempt 1 and to be probed and was"), "{problems:?}");
    Ok(())
}

/// SQLite itself would not see it, nor a check that is not full.
#[test]
fn a_full_check_finds_an_input_that_was_altered() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    let deck = |text: &str| InputDeck::set([("INCAR", text), ("KPOINTS", "Gamma")]);
    let first = store.create_job(&job("first").with_input(deck("ENCUT = 520")?))?.id;
    let second = store.create_job(&job("second").with_input(InputDeck::file("a.d12", "MgO")?))?.id;
    store.create_job(&job("third").with_input(deck("ENCUT = 400")?))?;
    assert!(store.check(CheckDepth::Full)?.is_ok());
    for (fault, altered) in [
        ("UPDATE job_input_files SET content = 'ENCUT = 521' WHERE content = 'ENCUT = 520'", first),
        ("UPDATE job_input_files SET name = 'POTCAR' WHERE job_id = 1 AND name = 'INCAR'", first),
        ("DELETE FROM job_input_files WHERE job_id = 1 AND name = 'KPOINTS'", first),
        ("DELETE FROM job_input_files WHERE job_id = 2", second),
        ("UPDATE job_input_files SET content = CAST(x'ff4d' AS TEXT) WHERE job_id = 2", second),
        ("UPDATE job_inputs SET sha256 = zeroblob(32) WHERE job_id = 2", second),
    ] {
        let copy = path.with_file_name("copy.db");
        store.backup(&copy)?;
        another_program(&copy).execute_batch(fault)?;
        let damaged = open(&copy);
        assert!(damaged.check(CheckDepth::Quick)?.is_ok(), "{fault}");
        let wanted = format!("job_inputs: the input of job {altered} is not what was stored");
        assert_eq!(damaged.check(CheckDepth::Full)?.problems, [wanted], "{fault}");
        damaged.close()?;
        std::fs::remove_file(copy)?;
    }
    Ok(())
}

#[test]
fn a_full_check_finds_an_index_that_lies() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    store.create_job(&job("MgO"))?;
    // While its definition is another one, the index misses a job; then it is as it was.
    let other = another_program(&path);
    let define = |condition: &str| {
        other.execute_batch(&format!(
            "PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = 'CREATE INDEX jobs_by_workflow ON jobs (workflow, created_at) \
             WHERE workflow {condition}' WHERE name = 'jobs_by_workflow';
             PRAGMA writable_schema = RESET"
        ))
    };
    define("= ''never''")?;
    other.execute_batch("UPDATE jobs SET workflow = 'oxides'")?;
    define("IS NOT NULL")?;
    drop(other);
    let store = open(&path);
    assert_eq!(store.check(CheckDepth::Quick)?.problems, Vec::<String>::new());
    let report = store.check(CheckDepth::Full)?;
    assert!(report.problems.join("\n").contains("jobs_by_workflow"), "{:?}", report.problems);
    Ok(())
}

#[test]
fn a_full_check_finds_texts_that_are_not_those_of_the_jobs() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    store.create_jobs(&vec![job("MgO"); 300])?;
    assert_eq!(store.check(CheckDepth::Full)?.problems, Vec::<String>::new());
    let defining = "SELECT sql FROM sqlite_schema WHERE name = 'jobs_texts_on_update'";
    let other = another_program(&path);
    let trigger: String = other.query_one(defining, [], |row| row.get(0))?;
    other.execute_batch(&format!(
        "DROP TRIGGER jobs_texts_on_update; UPDATE jobs SET name = 'CaO' WHERE id = 3; {trigger}"
    ))?;
    assert_eq!(store.check(CheckDepth::Quick)?.problems, Vec::<String>::new());
    let report = store.check(CheckDepth::Full)?;
    assert!(report.problems.join("\n").contains("job_texts"), "{:?}", report.problems);
    Ok(())
}

/// A connection that has searched keeps in mind where the index of texts is, and SQLite's check goes by that.
#[test]
fn a_check_is_not_misled_by_what_its_store_searched_before() -> Outcome {
    let (_directory, path) = scratch();
    let (store, other) = (Options::new(&path).readers(1).open()?, open(&path));
    // Blocks of 256 are taken in at once, and merged when there are some.
    let create = |from: usize, to: usize| {
        let jobs: Vec<_> = (from..to).map(|number| job(&format!("MgO {number}"))).collect();
        other.create_jobs(&jobs).map(drop)
    };
    create(0, 1024)?;
    assert_eq!(store.count_jobs(&JobFilter::all().text("MgO 99"))?, 11);
    for round in 0..16 {
        create(1024 + 256 * round, 1280 + 256 * round)?;
        for depth in [CheckDepth::Quick, CheckDepth::Full] {
            assert_eq!(store.check(depth)?.problems, Vec::<String>::new(), "{round} {depth:?}");
        }
    }
    Ok(())
}

#[test]
fn a_checkpoint_empties_the_log_unless_a_reader_needs_it() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    store.create_job(&job("MgO"))?;
    assert!(store.stats()?.wal_bytes > 0);
    let report = store.checkpoint()?;
    assert!(report.complete);
    assert_eq!(store.stats()?.wal_bytes, 0);

    let reader = open(&path);
    reader.read(|unit| {
        unit.counts_by_status()?;
        store.create_job(&job("NaCl"))?;
        let report = store.checkpoint()?;
        assert!(!report.complete, "{report:?}");
        Ok(())
    })?;
    assert!(store.checkpoint()?.complete);
    Ok(())
}

#[test]
fn statistics_can_be_brought_up_to_date() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    for number in 0..100 {
        store.create_job(&job(&format!("job {number}")))?;
    }
    store.optimize()?;
    assert_eq!(store.check(CheckDepth::Full)?.problems, Vec::<String>::new());
    Ok(())
}

/// As `.cargo/config.toml` has it; whoever builds it otherwise is told so.
#[test]
fn the_connections_of_the_workspace_share_no_pages() -> Outcome {
    let (_directory, path) = scratch();
    assert!(!open(&path).stats()?.connections_share_pages);
    let built: bool = another_program(&path).query_one(
        "SELECT sqlite_compileoption_used('DEFAULT_MEMSTATUS=0')",
        [],
        |row| row.get(0),
    )?;
    assert!(built, "memory is counted behind a lock");
    Ok(())
}
