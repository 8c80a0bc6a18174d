//! Databases of every released version, upgraded in steps and at once.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use schema::inspect::Structure;
use schema::migrations::embedded;
use schema::released;
use store_core::repo::{ClaimRead, ClusterWrite, JobRead};
use store_core::{
    Archived, ClusterId, ClusterPatch, Explanation, Intake, JobFilter, JobId, Obstacle, Order,
    Page, SortKey,
};
use store_sqlite::{CheckDepth, Options, SqliteStore};
use tests::raw::{self, Contents};
use tests::{TestResult, model, population};

/// A directory with a populated database of `version`.
fn populated(version: i32) -> TestResult<(tempfile::TempDir, PathBuf)> {
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("project.db");
    population::create(&path, version)?;
    Ok((scratch, path))
}

/// Upgrades one step at a time, the file opened anew for each, as users do over the years.
fn upgrade_in_steps(path: &Path, from: i32) -> TestResult {
    for version in embedded().versions().filter(|version| *version > from) {
        Options::new(path).migrations(embedded().up_to(version)).open()?.close()?;
    }
    Ok(())
}

/// The pages that are missing for a list of released versions.
fn missing_pages(released: &[i32], pages: &[(i32, &str)]) -> Vec<i32> {
    let has_page = |version: &i32| pages.iter().any(|(page, _)| page == version);
    released.iter().copied().filter(|version| !has_page(version)).collect()
}

/// The tables without a row.
fn empty_tables(connection: &Connection) -> TestResult<Vec<String>> {
    let mut rows = schema::data::rows(connection)?;
    rows.retain(|_, rows| rows.is_empty());
    Ok(rows.into_keys().collect())
}

#[test]
fn every_released_version_has_a_population() {
    let none: &[i32] = &[];
    assert_eq!(missing_pages(&released::versions(), population::PAGES), none);
}

#[test]
fn a_release_without_a_population_is_seen() {
    let mut released = released::versions();
    let next = embedded().newest() + 1;
    released.push(next);
    assert_eq!(missing_pages(&released, population::PAGES), [next]);
}

#[test]
fn every_population_has_rows_in_every_table_of_its_version() -> TestResult {
    let none: &[&str] = &[];
    for version in released::versions() {
        let (_scratch, path) = populated(version)?;
        let connection = raw::connect(&path)?;
        assert_eq!(empty_tables(&connection)?, none, "version {version}");
        assert_eq!(raw::problems(&connection)?, none, "version {version}");
    }
    Ok(())
}

#[test]
fn a_table_without_rows_is_seen() -> TestResult {
    let (_scratch, path) = populated(1)?;
    let connection = raw::connect(&path)?;
    connection.execute_batch("DELETE FROM job_input_files")?;
    assert_eq!(empty_tables(&connection)?, ["job_input_files"]);
    Ok(())
}

#[test]
fn an_upgrade_in_steps_equals_one_at_once_and_loses_nothing() -> TestResult {
    let fresh = Structure::of(&raw::fresh(&embedded())?)?;
    for version in released::versions() {
        let (_scratch, path) = populated(version)?;
        let before = Structure::of(&raw::connect(&path)?)?;
        let old_rows = raw::rows_as_in(&before, &raw::connect(&path)?)?;
        Options::new(&path).open()?.close()?;
        let at_once = Contents::at(&path)?;

        let (_other_scratch, other_path) = populated(version)?;
        upgrade_in_steps(&other_path, version)?;

        assert_eq!(at_once, Contents::at(&other_path)?, "from version {version}");
        assert_eq!(at_once.structure.differences(&fresh), [], "from version {version}");
        assert_eq!(at_once.versions(), embedded().versions().collect::<Vec<_>>());
        let rows = raw::rows_as_in(&before, &raw::connect(&path)?)?;
        assert_eq!(raw::lost(&old_rows, &rows), [""; 0], "from version {version}");
    }
    Ok(())
}

#[test]
fn a_row_that_is_lost_or_changed_is_seen() -> TestResult {
    let (_scratch, path) = populated(1)?;
    let connection = raw::connect(&path)?;
    let structure = Structure::of(&connection)?;
    let before = raw::rows_as_in(&structure, &connection)?;
    connection.execute_batch(
        "DELETE FROM job_input_files WHERE name = 'KPOINTS';
         UPDATE jobs SET priority = 6 WHERE id = 2;",
    )?;
    let lost = raw::lost(&before, &raw::rows_as_in(&structure, &connection)?);
    let tables: Vec<_> = lost.iter().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(tables, ["job_input_files", "jobs"], "{lost:?}");
    Ok(())
}

#[test]
fn upgraded_databases_are_pinned_row_by_row() -> TestResult {
    for version in released::versions() {
        let (_scratch, path) = populated(version)?;
        Options::new(&path).open()?.close()?;
        let upgraded = Contents::at(&path)?;
        insta::assert_yaml_snapshot!("upgraded_structure", upgraded.structure);
        insta::assert_yaml_snapshot!(format!("rows_upgraded_from_v{version}"), upgraded.rows);
    }
    Ok(())
}

#[test]
fn an_upgraded_store_is_whole_and_can_be_read_and_written() -> TestResult {
    use store_core::prelude::*;
    for version in released::versions() {
        let (_scratch, path) = populated(version)?;
        let store = Options::new(&path).open()?;
        assert!(store.check(CheckDepth::Full)?.is_ok(), "{:?}", store.check(CheckDepth::Full)?);
        let mut lines = store.read(|r| model::dump(r))?;
        // Each job and cluster is found again by all that is unique to it.
        lines.retain(|line| line.starts_with("the same") && !line.ends_with("true"));
        assert_eq!(lines, [""; 0], "from version {version}");
        // The id that was given out and deleted in the old version does not come back.
        let job = store.create_job(&tests::jobs::sample("new"))?;
        assert_eq!(job.id.get(), 10, "from version {version}");
    }
    Ok(())
}

/// Nobody is named for what no event tells, in a store from before the histories of clusters (10) or beside an event
/// of another state (11).
#[test]
fn a_cluster_that_was_closed_past_its_history_is_explained_without_it() -> TestResult {
    for version in [10, 11] {
        let (_scratch, path) = populated(version)?;
        let store = Options::new(&path).open()?;
        let of_cluster = |store: &SqliteStore| -> TestResult<Vec<String>> {
            let Explanation::NotStarted(obstacles) = store.explain(JobId::new(2))? else {
                return Err("it has started".into());
            };
            let is_of_cluster = |found: &&Obstacle| matches!(found, Obstacle::Cluster { .. });
            Ok(obstacles.iter().filter(is_of_cluster).map(ToString::to_string).collect())
        };
        assert_eq!(of_cluster(&store)?, ["cluster archer is draining"]);
        store.update_cluster(ClusterId::new(1), &ClusterPatch::intake(Intake::Paused))?;
        let told = of_cluster(&store)?;
        assert!(told[0].starts_with("cluster archer is paused since "), "{told:?}");
    }
    Ok(())
}

#[test]
fn the_times_of_jobs_from_before_an_upgrade_are_in_order() -> TestResult {
    let filter = JobFilter { archived: Archived::Include, ..JobFilter::all() };
    for version in released::versions() {
        let (_scratch, path) = populated(version)?;
        let store = Options::new(&path).open()?;
        let jobs = store.jobs(&filter, Page::first(Page::LARGEST)?)?.jobs;
        for key in [SortKey::Queued, SortKey::Started, SortKey::Finished] {
            let order = Order::descending(key);
            let mut places: Vec<_> = jobs.iter().filter_map(|job| order.place(job, None)).collect();
            places.sort_by(|one, other| order.compare(one, other));
            let expected: Vec<_> = places.iter().map(|place| place.id).collect();
            let listed = store.jobs(&filter, Page::first(Page::LARGEST)?.ordered(order))?.jobs;
            let listed: Vec<_> = listed.iter().map(|job| job.id).collect();
            assert!(expected.len() >= 3, "{key}: {expected:?}");
            assert_eq!(listed, expected, "version {version}, {order}");
        }
    }
    Ok(())
}

#[test]
fn the_copy_before_an_upgrade_is_private_and_a_whole_store_of_the_old_version() -> TestResult {
    for version in released::versions().into_iter().filter(|v| *v < embedded().newest()) {
        let (_scratch, path) = populated(version)?;
        let before = Contents::at(&path)?;
        Options::new(&path).open()?.close()?;

        let copy = raw::beside(&path, &format!(".v{version}.backup"));
        assert_eq!(raw::mode(&copy)?, 0o600);
        assert_eq!(raw::problems(&raw::connect(&copy)?)?, [""; 0], "version {version}");
        Options::new(&copy).migrations(embedded().up_to(version)).open()?.close()?;
        assert_eq!(Contents::at(&copy)?, before);
        // Whoever goes back to the copy can go forward again.
        Options::new(&copy).open()?.close()?;
        assert_eq!(Contents::at(&copy)?, Contents::at(&path)?);
    }
    Ok(())
}

#[test]
fn a_store_that_is_up_to_date_is_not_copied() -> TestResult {
    let copies = |directory: &Path| -> TestResult<Vec<String>> {
        let mut files = raw::files_in(directory)?;
        files.retain(|name| name.contains("backup"));
        Ok(files)
    };
    let (scratch, path) = populated(embedded().newest())?;
    Options::new(&path).open()?.close()?;
    Options::new(&path).open()?.close()?;
    assert_eq!(copies(scratch.path())?, [""; 0]);
    let new = scratch.path().join("new.db");
    Options::new(&new).open()?.close()?;
    assert_eq!(copies(scratch.path())?, [""; 0], "a new store has nothing to copy");

    let (scratch, path) = populated(1)?;
    upgrade_in_steps(&path, 1)?;
    let older = 1..embedded().newest();
    let mut expected: Vec<String> = older.map(|v| format!("project.db.v{v}.backup")).collect();
    expected.sort_unstable();
    assert_eq!(copies(scratch.path())?, expected);
    Ok(())
}

#[test]
fn what_users_have_put_on_the_tables_is_still_there_after_an_upgrade() -> TestResult {
    let of_users = |connection: &Connection| -> TestResult<Vec<(String, String)>> {
        let mut objects = connection.prepare(
            "SELECT name, tbl_name FROM sqlite_schema
             WHERE name IN ('archive', 'by_status', 'my_inputs', 'my_view') ORDER BY name",
        )?;
        Ok(objects
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?)
    };
    for version in released::versions() {
        let (_scratch, path) = populated(version)?;
        let connection = raw::connect(&path)?;
        // Some of the names are words of the migrations.
        connection.execute_batch(
            "CREATE INDEX archive ON jobs (host);
             CREATE TRIGGER my_inputs AFTER INSERT ON job_inputs
             BEGIN UPDATE jobs SET host = 'here' WHERE id = NEW.job_id; END;
             CREATE TRIGGER by_status AFTER UPDATE OF name ON jobs
             BEGIN UPDATE jobs SET host = NEW.name WHERE id = NEW.id; END;
             CREATE VIEW my_view AS SELECT id, name, host FROM jobs;",
        )?;
        let before = of_users(&connection)?;
        assert_eq!(before.len(), 4);
        raw::close(connection)?;

        Options::new(&path).open()?.close()?;
        let connection = raw::connect(&path)?;
        assert_eq!(of_users(&connection)?, before, "from version {version}");
        connection.execute_batch("UPDATE jobs SET name = 'renamed' WHERE id = 1")?;
        let host = "SELECT host FROM my_view WHERE id = 1";
        let host: String = connection.query_one(host, [], |row| row.get(0))?;
        assert_eq!(host, "renamed", "from version {version}");
    }
    Ok(())
}

/// The text of a schema comes out of the file, and SQLite reads one statement of it.
#[test]
fn what_follows_the_statement_of_an_object_is_not_run_by_an_upgrade() -> TestResult {
    let (_scratch, path) = populated(8)?;
    let connection = raw::connect(&path)?;
    connection.execute_batch(
        "CREATE INDEX my_hosts ON jobs (host);
         PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = sql || '; COMMIT; CREATE TABLE planted (a)' WHERE name = 'my_hosts';
         PRAGMA writable_schema = OFF;",
    )?;
    raw::close(connection)?;
    Options::new(&path).open()?.close()?;
    let connection = raw::connect(&path)?;
    let planted = "SELECT count(*) FROM sqlite_schema WHERE name IN ('planted', 'my_hosts')";
    assert_eq!(raw::number(&connection, planted)?, 0);
    assert_eq!(raw::problems(&connection)?, [""; 0]);
    Ok(())
}
