//! When a file is opened, and when it is refused as it is.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Barrier;
use std::time::Duration;

use common::{Outcome, another_program, job, open, scratch};
use store_core::{Error, JobStatus};
use store_sqlite::{CheckDepth, Durability, OpenError, Options, prelude::*};

/// Every file of a directory with its bytes.
fn bytes(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).expect("a directory");
    entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(&path).expect("a file"))
        })
        .collect()
}

/// Opens what must be refused, and looks that nothing was changed and nothing came to be beside it.
fn refused(path: &Path) -> OpenError {
    let directory = path.parent().expect("a parent");
    let before = bytes(directory);
    let error = Options::new(path).open().expect_err("it is refused");
    assert_eq!(bytes(directory), before, "files changed");
    error
}

#[test]
fn a_new_store_is_private_whole_and_in_wal_mode() -> Outcome {
    let (directory, path) = scratch();
    let store = open(&path);
    store.create_job(&job("MgO"))?;
    for entry in fs::read_dir(directory.path())? {
        let entry = entry?;
        let mode = entry.metadata()?.permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
    let stats = store.stats()?;
    assert_eq!(stats.journal_mode, "wal");
    assert_eq!(stats.schema_version, i64::from(schema::migrations::embedded().newest()));
    assert!(stats.wal_bytes > 0, "the first write makes a log");
    assert_eq!(store.check(CheckDepth::Full)?.problems, Vec::<String>::new());
    Ok(())
}

#[test]
fn what_was_written_is_there_when_the_store_is_opened_again() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    let created = store.create_job(&job("MgO"))?;
    store.close()?;
    assert!(matches!(store.job(created.id), Err(Error::Closed)));
    assert!(matches!(store.create_job(&job("NaCl")), Err(Error::Closed)));
    assert!(matches!(store.close(), Err(Error::Closed)));
    assert_eq!(open(&path).job(created.id)?, created);
    Ok(())
}

#[test]
fn closing_the_last_store_leaves_one_file_and_its_gate() -> Outcome {
    let (directory, path) = scratch();
    let store = open(&path);
    store.create_job(&job("MgO"))?;
    drop(store);
    let names: Vec<String> = bytes(directory.path()).into_keys().collect();
    assert_eq!(names, ["project.db", "project.db-gate", "project.db-gate-queue"]);
    Ok(())
}

#[test]
fn an_empty_file_becomes_a_store() -> Outcome {
    let (_directory, path) = scratch();
    fs::write(&path, "")?;
    open(&path).create_job(&job("MgO"))?;
    Ok(())
}

#[test]
fn a_file_that_is_no_database_is_refused_as_it_is() -> Outcome {
    let (_directory, path) = scratch();
    fs::write(&path, "CRYSTAL output, not a database\n".repeat(1000))?;
    assert!(matches!(refused(&path), OpenError::NotADatabase { .. }));
    Ok(())
}

#[test]
fn the_first_bytes_of_anything_are_not_an_empty_store() -> Outcome {
    let (_directory, path) = scratch();
    fs::write(&path, "x")?;
    assert!(matches!(refused(&path), OpenError::NotADatabase { .. }));
    Ok(())
}

#[test]
fn a_store_whose_creation_was_cut_short_is_created() -> Outcome {
    let (_directory, path) = scratch();
    // SQLite makes room for the first page before it writes it, and a journal before that: what a killed
    // process leaves is zeros beside a journal that says that there was nothing
    // (<https://sqlite.org/fileformat2.html#the_rollback_journal>).
    let mut journal = vec![0; 512];
    journal[..8].copy_from_slice(&[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]);
    journal[20..24].copy_from_slice(&512_u32.to_be_bytes());
    journal[24..28].copy_from_slice(&4096_u32.to_be_bytes());
    fs::write(path.with_extension("db-journal"), journal)?;
    fs::write(&path, vec![0; 4096])?;
    let store = open(&path);
    store.create_job(&job("MgO"))?;
    assert_eq!(store.check(CheckDepth::Full)?.problems, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_file_with_two_names_is_refused() -> Outcome {
    let (directory, path) = scratch();
    drop(open(&path));
    fs::hard_link(&path, directory.path().join("other.db"))?;
    assert!(matches!(refused(&path), OpenError::HardLinks { links: 2, .. }));
    Ok(())
}

#[test]
fn another_programs_database_is_refused_as_it_is() -> Outcome {
    for mode in ["DELETE", "WAL"] {
        for application_id in [0, 7] {
            let (_directory, path) = scratch();
            let foreign = another_program(&path);
            foreign.pragma_update(None, "journal_mode", mode)?;
            foreign.pragma_update(None, "application_id", application_id)?;
            foreign.execute_batch("CREATE TABLE jobs (id INTEGER PRIMARY KEY)")?;
            drop(foreign);
            let error = refused(&path);
            let OpenError::Foreign { application_id: found, .. } = error else {
                panic!("{mode}: {error:?}");
            };
            assert_eq!(found, application_id);
        }
    }
    Ok(())
}

#[test]
fn another_programs_database_is_refused_also_while_it_is_only_in_its_log() -> Outcome {
    let (_directory, path) = scratch();
    let foreign = another_program(&path);
    foreign.pragma_update(None, "journal_mode", "WAL")?;
    foreign.execute_batch("CREATE TABLE theirs (id INTEGER PRIMARY KEY)")?;
    let error = Options::new(&path).open().expect_err("it is refused");
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    let tables: Vec<String> = foreign
        .prepare("SELECT name FROM sqlite_schema")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    assert_eq!(tables, ["theirs"]);
    Ok(())
}

#[test]
fn a_newer_store_is_refused_as_it_is() -> Outcome {
    let (_directory, path) = scratch();
    drop(open(&path));
    let newer = another_program(&path);
    newer.pragma_update(None, "user_version", 1000)?;
    drop(newer);
    assert!(matches!(refused(&path), OpenError::SchemaTooNew { found: 1000, .. }));
    Ok(())
}

#[test]
fn a_ledger_that_cannot_be_is_refused_as_it_is() -> Outcome {
    let newest = schema::migrations::embedded().newest();
    for fault in [
        "UPDATE refinery_schema_history SET checksum = '1' WHERE version = 2".to_owned(),
        "UPDATE refinery_schema_history SET name = 'other' WHERE version = 2".to_owned(),
        "UPDATE refinery_schema_history SET applied_on = 'yesterday' WHERE version = 2".to_owned(),
        "DELETE FROM refinery_schema_history WHERE version = 1".to_owned(),
        format!("DELETE FROM refinery_schema_history WHERE version = {newest}"),
        "DROP TABLE refinery_schema_history".to_owned(),
    ] {
        let (_directory, path) = scratch();
        drop(open(&path));
        let damaged = another_program(&path);
        damaged.execute_batch(&fault)?;
        drop(damaged);
        let error = refused(&path);
        assert!(matches!(error, OpenError::Ledger { .. }), "{fault}: {error:?}");
    }
    Ok(())
}

#[test]
fn a_damaged_file_is_refused_as_it_is() -> Outcome {
    let (_directory, path) = scratch();
    drop(open(&path));
    let mut bytes = fs::read(&path)?;
    // The first page: its table of contents, behind a header that is whole.
    bytes[100..4096].fill(0xA5);
    fs::write(&path, bytes)?;
    let error = refused(&path);
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    Ok(())
}

#[test]
fn links_and_directories_are_refused() -> Outcome {
    let (directory, path) = scratch();
    drop(open(&path));
    let link = directory.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link)?;
    assert!(matches!(refused(&link), OpenError::SymbolicLink { .. }));
    let folder = directory.path().join("folder.db");
    fs::create_dir(&folder)?;
    let error = Options::new(&folder).open().expect_err("it is refused");
    assert!(matches!(error, OpenError::NotAFile { .. }), "{error:?}");
    let nowhere = directory.path().join("no/such/project.db");
    let error = Options::new(nowhere).open().expect_err("it is refused");
    assert!(matches!(error, OpenError::Access { .. }), "{error:?}");
    Ok(())
}

#[test]
fn reading_alone_creates_nothing_and_writes_nothing() -> Outcome {
    let (directory, path) = scratch();
    let read_only = || Options::new(&path).read_only(true).open();
    assert!(matches!(read_only(), Err(OpenError::Missing { .. })));
    assert_eq!(bytes(directory.path()).len(), 0);
    let writer = open(&path);
    let created = writer.create_job(&job("MgO"))?;
    let reader = read_only()?;
    assert_eq!(reader.job(created.id)?, created);
    assert!(matches!(reader.create_job(&job("NaCl")), Err(Error::ReadOnly)));
    assert!(matches!(reader.checkpoint(), Err(Error::ReadOnly)));
    // It sees what is written later.
    let second = writer.create_job(&job("NaCl"))?;
    assert_eq!(reader.counts_by_status()?.of(JobStatus::Pending), 2);
    assert_eq!(reader.stats()?.writer_settings, None);
    reader.close()?;
    assert_eq!(writer.job(second.id)?, second);
    Ok(())
}

#[test]
fn reading_alone_leaves_what_a_crashed_writer_left() -> Outcome {
    let (directory, path) = scratch();
    let writer = open(&path);
    let created = writer.create_job(&job("MgO"))?;
    // As the files are when a program is killed.
    let copied = directory.path().join("copied.db");
    for ending in ["", "-wal"] {
        let from = format!("{}{ending}", path.display());
        fs::copy(from, format!("{}{ending}", copied.display()))?;
    }
    let before = (fs::read(&copied)?, fs::read(copied.with_extension("db-wal"))?);
    let reader = Options::new(&copied).read_only(true).open()?;
    assert_eq!(reader.job(created.id)?, created);
    drop(reader);
    let after = (fs::read(&copied)?, fs::read(copied.with_extension("db-wal"))?);
    assert!(after == before, "the database or its log changed");
    assert_eq!(open(&copied).job(created.id)?, created);
    Ok(())
}

#[test]
fn reading_alone_does_not_upgrade() -> Outcome {
    let (_directory, path) = scratch();
    let old = schema::migrations::embedded().up_to(2);
    drop(Options::new(&path).migrations(old).open()?);
    let error = Options::new(&path).read_only(true).open().expect_err("it is refused");
    assert!(matches!(error, OpenError::Outdated { found: 2, .. }), "{error:?}");
    Ok(())
}

#[test]
fn options_that_cannot_be_are_refused_by_name() {
    let (_directory, path) = scratch();
    for (options, name) in [
        (Options::new(&path).readers(0), "readers"),
        (Options::new(&path).batch(0), "batch"),
        (Options::new(&path).queue(0), "queue"),
        (Options::new(&path).checkpoint_pages(0), "checkpoint_pages"),
        (Options::new(&path).deadline(Duration::MAX), "deadline"),
        (Options::new(&path).checkpoint_pages(u32::MAX), "checkpoint_pages"),
        (Options::new(&path).busy_timeout(Duration::MAX), "busy_timeout"),
        (Options::new(&path).mmap_bytes(2 << 30), "mmap_bytes"),
    ] {
        match options.open() {
            Err(OpenError::Option(invalid)) => assert_eq!(invalid.field, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    assert!(!path.exists());
}

#[test]
fn the_defaults_are_what_they_are_said_to_be() -> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    let stats = store.stats()?;
    let writer = stats.writer_settings.expect("it is idle");
    for settings in [&writer, &stats.reader_settings] {
        assert_eq!(settings["busy_timeout"], 5000);
        assert_eq!(settings["synchronous"], 1, "NORMAL");
        assert_eq!(settings["foreign_keys"], 1);
        // Every 1000 pages the store's own thread does it; see `checkpointer.rs`.
        assert_eq!(settings["wal_autocheckpoint"], 0);
    }
    assert_eq!((writer["query_only"], stats.reader_settings["query_only"]), (0, 1));
    let full = Options::new(&path).durability(Durability::Full).open()?.stats()?;
    assert_eq!(full.writer_settings.expect("it is idle")["synchronous"], 2, "FULL");
    Ok(())
}

#[test]
fn many_threads_open_one_new_store_at_once() -> Outcome {
    let (_directory, path) = scratch();
    let all = Barrier::new(8);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (all, path) = (&all, &path);
            scope.spawn(move || {
                all.wait();
                open(path).create_job(&job(&format!("job {number}"))).expect("created");
            });
        }
    });
    let store = open(&path);
    assert_eq!(store.counts_by_status()?.total(), 8);
    assert_eq!(store.check(CheckDepth::Full)?.problems, Vec::<String>::new());
    Ok(())
}
