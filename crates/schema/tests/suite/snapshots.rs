//! The structure after each migration, pinned.

use schema::inspect::Structure;
use schema::migrations::embedded;
use schema::{data, released};

use crate::{TestResult, migrated};

#[test]
fn the_structure_after_each_migration_is_pinned() -> TestResult {
    let set = embedded();
    for version in set.versions() {
        let structure = Structure::of(&migrated(&set.up_to(version))?)?;
        insta::assert_yaml_snapshot!(format!("structure_v{version}"), structure);
    }
    Ok(())
}

#[test]
fn the_seed_rows_are_pinned() -> TestResult {
    insta::assert_yaml_snapshot!("seed_rows", data::rows(&migrated(&embedded())?)?);
    Ok(())
}

#[test]
fn every_released_version_is_embedded() {
    let known: Vec<i32> = embedded().versions().collect();
    assert!(released::versions().iter().all(|version| known.contains(version)));
}
