//! What was released does not change, and a change of it is seen.

use schema::Error;
use schema::migrations::embedded;
use schema::released::{Finding, LOCK, check, findings, render, versions};

use crate::{TestResult, first_three};

const HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[test]
fn the_released_migrations_are_unchanged() -> TestResult {
    check(&embedded(), LOCK)?;
    Ok(())
}

#[test]
fn the_lock_lists_every_release_once_in_order() {
    let newest = versions().last().copied().unwrap_or_default();
    assert!(newest >= 3, "the first three releases are among them: {newest}");
    assert_eq!(render(&embedded().up_to(newest)), LOCK);
    assert_eq!(versions(), (1..=newest).collect::<Vec<_>>());
    assert!(!LOCK.contains('\r'));
}

#[test]
fn a_changed_file_is_seen() -> TestResult {
    let lock = render(&first_three());
    let set = first_three();
    let last = set.get(3).ok_or("version 3 is there")?;
    let sql = last.sql().ok_or("it has SQL")?;
    let changed = set.up_to(2).with(3, last.name(), &format!("{sql} "))?;
    let name = "V3__results_events".to_owned();
    assert_eq!(findings(&changed, &lock), [Finding::Changed { name: name.clone() }]);
    let refused = check(&changed, &lock);
    assert!(matches!(&refused, Err(Error::Released(faults)) if faults.len() == 1), "{refused:?}");

    let renamed = set.up_to(2).with(3, "results", sql)?;
    let found = "V3__results".to_owned();
    assert_eq!(findings(&renamed, &lock), [Finding::Renamed { released: name.clone(), found }]);

    let with_returns = set.up_to(2).with(3, last.name(), &sql.replace('\n', "\r\n"))?;
    assert_eq!(
        findings(&with_returns, &lock),
        [Finding::CarriageReturn { name: name.clone() }, Finding::Changed { name }]
    );
    Ok(())
}

#[test]
fn a_missing_file_is_seen() {
    let lock = render(&first_three());
    let name = "V3__results_events".to_owned();
    assert_eq!(findings(&first_three().up_to(2), &lock), [Finding::Missing { name }]);
}

#[test]
fn an_unreleased_migration_is_told_and_is_no_fault() -> TestResult {
    let lock = render(&first_three());
    let set = first_three().with(4, "next", "SELECT 1;")?;
    let name = "V4__next".to_owned();
    assert_eq!(findings(&set, &lock), [Finding::Unreleased { name }]);
    check(&set, &lock)?;
    let with_return = first_three().with(4, "next", "SELECT 1;\r\n")?;
    assert!(check(&with_return, &lock).is_err(), "its line ends are checked from the beginning");
    Ok(())
}

#[test]
fn a_lock_that_was_edited_is_seen() {
    let lock = render(&first_three());
    let set = first_three();
    let lines: Vec<&str> = lock.lines().collect();
    let first = "V1__jobs".to_owned();
    let swapped = format!("{}\n{}\n{}\n", lines[1], lines[0], lines[2]);
    assert_eq!(findings(&set, &swapped), [Finding::OutOfOrder { name: first.clone() }]);
    let twice = format!("{}\n{lock}", lines[0]);
    assert_eq!(findings(&set, &twice), [Finding::OutOfOrder { name: first.clone() }]);
    let without_first = format!("{}\n{}\n", lines[1], lines[2]);
    assert_eq!(
        findings(&set, &without_first),
        [Finding::OutOfOrder { name: first.clone() }, Finding::Unreleased { name: first.clone() }]
    );
    let other_hash = lock.replace(lines[0].split(' ').nth(1).unwrap_or_default(), HASH);
    assert_eq!(findings(&set, &other_hash), [Finding::Changed { name: first.clone() }]);
    let other_checksum = lock.replace(lines[0].split(' ').nth(2).unwrap_or_default(), "1");
    assert_eq!(findings(&set, &other_checksum), [Finding::Checksum { name: first }]);
}

#[test]
fn a_line_that_cannot_be_read_is_told() {
    let lock = render(&first_three());
    for line in [
        "",
        "# a remark",
        "V4__a",
        "4__a x 1",
        &format!("V4__a {HASH} x"),
        &format!("V4__a {HASH} 1 2"),
    ] {
        let longer = format!("{lock}{line}\n");
        assert_eq!(
            findings(&first_three(), &longer),
            [Finding::MalformedLine { line: 4 }],
            "{line}"
        );
    }
}
