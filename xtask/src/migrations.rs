//! `cargo xtask migrations`: looks whether the schema's migrations hold together, and begins new ones.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::slice;

use clap::Subcommand;
use rusqlite::Connection;
use schema::inspect::{Structure, foreign_key_violations};
use schema::migrations::{MigrationSet, embedded};
use schema::{CANONICAL, data, released, tidy};

use crate::failure::{Context, Failure, Result};
use crate::{out, workspace};

/// What can be done with migrations.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Checks names, released files, upgrades and the canonical page; exits with 1 on a finding
    Check,
    /// Begins the next migration
    New {
        /// What it does, in snake case: job_tags
        name: String,
    },
}

const NEXT: &str = "\
next: write the SQL there, and go on as crates/schema/migrations/README.md says:
  the same change in canonical/sqlite.sql, the snapshot, a test with old rows, docs/schema.md
  then cargo xtask migrations check
";

/// Does what was asked.
pub fn run(command: &Command) -> Result<ExitCode> {
    let folder = workspace::migrations();
    match command {
        Command::Check => check(&embedded(), released::LOCK, CANONICAL, &folder),
        Command::New { name } => {
            let path = begin(&embedded(), name, &folder)?;
            out::print(&format!("created {path}\n{NEXT}"))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

type Findings = Result<Vec<String>>;

fn check(set: &MigrationSet, lock: &str, canonical: &str, folder: &Path) -> Result<ExitCode> {
    let checks: [(&str, Findings); 5] = [
        ("the folder has the migrations of this program and nothing else", files(set, folder)),
        ("the migrations are named in order and say nothing that they must not", Ok(said(set))),
        ("the released migrations are as they were released", Ok(changed(set, lock))),
        (
            "an upgrade from every version, step by step and at once, equals a fresh database",
            upgrades(set),
        ),
        ("the canonical page equals a fresh database", canonical_page(set, canonical)),
    ];
    let (mut found, mut told) = (0, String::new());
    for (holds, findings) in checks {
        // A check that could not be made is a finding too.
        let findings = findings.unwrap_or_else(|failure| vec![failure.to_string()]);
        let mark = if findings.is_empty() { "ok  " } else { "FAIL" };
        told.push_str(&format!("{mark} {holds}\n"));
        told.extend(findings.iter().map(|finding| format!("       {finding}\n")));
        found += findings.len();
    }
    let notes = released::findings(set, lock);
    let notes = notes.iter().filter(|finding| !finding.is_fault());
    told.extend(notes.map(|note| format!("note {note}\n")));
    out::print(&told)?;
    Ok(if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn files(set: &MigrationSet, folder: &Path) -> Findings {
    let listing = || format!("list {}", folder.display());
    let known: BTreeSet<String> = set.names().map(|name| format!("{name}.sql")).collect();
    let mut there = BTreeSet::new();
    for entry in std::fs::read_dir(folder).doing(listing)? {
        let entry = entry.doing(listing)?;
        there.insert(entry.file_name().to_string_lossy().into_owned());
    }
    let mut findings: Vec<String> = there
        .difference(&known)
        .map(|name| {
            format!("{name} is not one of V1__name.sql, V2__name.sql, …: refinery passes it over")
        })
        .collect();
    findings.extend(known.difference(&there).map(|name| format!("{name} is missing")));
    for one in set.iter() {
        let path = folder.join(format!("{one}.sql"));
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        if there.contains(&format!("{one}.sql")) && Some(text.as_str()) != one.sql() {
            findings
                .push(format!("{one}.sql is not what this program was built with: build again"));
        }
    }
    Ok(findings)
}

fn said(set: &MigrationSet) -> Vec<String> {
    tidy::faults(set).iter().map(ToString::to_string).collect()
}

fn changed(set: &MigrationSet, lock: &str) -> Vec<String> {
    let findings = released::findings(set, lock);
    findings.iter().filter(|finding| finding.is_fault()).map(ToString::to_string).collect()
}

fn upgrades(set: &MigrationSet) -> Findings {
    let fresh = migrated(slice::from_ref(set))?;
    let mut findings: Vec<String> = violations(&fresh)?;
    for from in set.versions() {
        let steps: Vec<_> =
            set.versions().filter(|to| *to >= from).map(|to| set.up_to(to)).collect();
        let at_once = [set.up_to(from), set.clone()];
        for (how, path) in [("step by step", steps.as_slice()), ("at once", &at_once)] {
            let upgraded = migrated(path)?;
            let differences = differences(&upgraded, &fresh)?;
            let say = |difference| format!("from version {from}, {how}: {difference}");
            findings.extend(differences.into_iter().map(say));
        }
    }
    Ok(findings)
}

fn canonical_page(set: &MigrationSet, canonical: &str) -> Findings {
    let written = empty()?;
    written.execute_batch(canonical).doing(|| "run the canonical page".to_owned())?;
    differences(&written, &migrated(slice::from_ref(set))?)
}

/// How the structure and the rows of one database are not those of another.
fn differences(here: &Connection, there: &Connection) -> Findings {
    let reading = || "read a structure".to_owned();
    let structures = (Structure::of(here).doing(reading)?, Structure::of(there).doing(reading)?);
    let differences = structures.0.differences(&structures.1);
    let mut told: Vec<String> = differences.iter().map(ToString::to_string).collect();
    let rows = (data::rows(here).doing(reading)?, data::rows(there).doing(reading)?);
    let tables: BTreeSet<&String> = rows.0.keys().chain(rows.1.keys()).collect();
    let differ = tables.into_iter().filter(|table| rows.0.get(*table) != rows.1.get(*table));
    told.extend(differ.map(|table| format!("{table}: other rows")));
    Ok(told)
}

fn violations(connection: &Connection) -> Findings {
    let violations =
        foreign_key_violations(connection).doing(|| "check foreign keys".to_owned())?;
    Ok(violations.iter().map(|violation| format!("{violation:?}")).collect())
}

/// A database in memory that went through these states.
fn migrated(states: &[MigrationSet]) -> Result<Connection> {
    let connection = empty()?;
    for state in states {
        let migrating = || format!("migrate to version {}", state.newest());
        schema::migrate(&connection, state).doing(migrating)?;
    }
    Ok(connection)
}

#[expect(clippy::disallowed_methods, reason = "no store: nothing but migrations in memory")]
fn empty() -> Result<Connection> {
    Connection::open_in_memory().doing(|| "open a database in memory".to_owned())
}

/// Writes the file of the next migration and returns its path, from the root of the workspace.
fn begin(set: &MigrationSet, name: &str, folder: &Path) -> Result<String> {
    let version = set.newest() + 1;
    let next = set.with(version, name, "SELECT 1;");
    next.map_err(|error| Failure::usage(crate::failure::chain(&error)))?;
    let path = folder.join(format!("V{version}__{name}.sql"));
    let header = format!(
        "-- {}: what it is for, and for each index the query that it serves.\n\n",
        sentence(name)
    );
    let writing = || format!("create {}", path.display());
    let mut file = std::fs::File::create_new(&path).doing(writing)?;
    std::io::Write::write_all(&mut file, header.as_bytes()).doing(writing)?;
    let root = workspace::root();
    Ok(path.strip_prefix(&root).unwrap_or(&path).display().to_string())
}

/// `job_tags` becomes `Job tags`.
fn sentence(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_migration_is_the_next_version_and_is_never_written_over() -> Result<()> {
        let folder = tempfile::tempdir().expect("a folder");
        let set = embedded();
        let path = begin(&set, "job_tags", folder.path())?;
        assert!(path.ends_with(&format!("V{}__job_tags.sql", set.newest() + 1)), "{path}");
        let text = std::fs::read_to_string(&path).expect("is there");
        assert!(text.starts_with("-- Job tags: "), "{text}");
        assert!(begin(&set, "job_tags", folder.path()).is_err());
        for bad in ["JobTags", "job-tags", "", "1st", "../x"] {
            assert!(begin(&set, bad, folder.path()).is_err(), "{bad:?}");
        }
        Ok(())
    }

    #[test]
    fn planted_faults_are_found() -> Result<()> {
        let set = embedded();
        let next = set.newest() + 1;
        let with = |sql| set.with(next, "planted", sql).doing(|| "plant a migration".to_owned());
        let begins = with("BEGIN;")?;
        assert_eq!(said(&begins).len(), 1);
        let unlike = canonical_page(&with("CREATE TABLE planted (a INTEGER) STRICT;")?, CANONICAL)?;
        assert!(unlike.iter().any(|finding| finding.contains("planted")), "{unlike:?}");
        assert_eq!(canonical_page(&set, CANONICAL)?, [""; 0]);
        assert_eq!(upgrades(&set)?, [""; 0]);
        // Rows that depend on when the migration ran.
        let clock = with("UPDATE job_counts SET jobs = abs(random());")?;
        assert!(!upgrades(&clock)?.is_empty());
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("V1_jobs.sql"), "").expect("writes");
        let strange = files(&set, folder.path())?;
        assert!(strange.iter().any(|finding| finding.contains("V1_jobs.sql")), "{strange:?}");
        assert!(strange.iter().any(|finding| finding.contains("missing")), "{strange:?}");
        assert!(!changed(&set.up_to(1), released::LOCK).is_empty());
        Ok(())
    }
}
