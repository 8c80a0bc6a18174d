//! The canonical page is what the migrations make.

use schema::inspect::Structure;
use schema::migrations::embedded;
use schema::{CANONICAL, data};

use crate::{TestResult, empty, migrated};

fn differences(canonical: &str) -> TestResult<Vec<String>> {
    let written = empty()?;
    written.execute_batch(canonical)?;
    let fresh = migrated(&embedded())?;
    let differences = Structure::of(&written)?.differences(&Structure::of(&fresh)?);
    let mut told: Vec<String> = differences.iter().map(ToString::to_string).collect();
    let (here, there) = (data::rows(&written)?, data::rows(&fresh)?);
    told.extend(
        here.iter()
            .filter(|(table, rows)| there.get(*table) != Some(*rows))
            .map(|(table, _)| format!("{table}: other rows")),
    );
    Ok(told)
}

#[test]
fn the_canonical_page_equals_the_migrations() -> TestResult {
    assert_eq!(differences(CANONICAL)?, [""; 0]);
    Ok(())
}

#[test]
fn the_canonical_page_names_its_version() -> TestResult {
    let newest = embedded().newest();
    let says = CANONICAL.lines().next().unwrap_or_default();
    assert!(says.starts_with(&format!("-- The schema of version {newest} ")), "{says}");
    Ok(())
}

#[test]
fn a_canonical_page_that_was_not_updated_is_seen() -> TestResult {
    for (from, to, told) in [
        ("DEFAULT 22", "DEFAULT 23", "clusters.port: default 23 here, 22 there"),
        ("('PENDING',   'QUEUED',    0),", "", "job_status_transitions: other rows"),
        ("(0, 'PENDING', 0), ", "", "job_counts: other rows"),
    ] {
        assert!(CANONICAL.contains(from), "the control has nothing to change: {from}");
        let found = differences(&CANONICAL.replace(from, to))?;
        assert!(found.iter().any(|one| one == told), "{from}: {found:?}");
    }
    Ok(())
}
