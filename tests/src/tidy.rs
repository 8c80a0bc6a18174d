//! What no source file of the workspace must look like.

use std::path::{Path, PathBuf};

use crate::TestResult;

/// The longest that a file of Rust may be, in lines.
pub const LONGEST: usize = 400;

/// The longest that an example may be: one is read in one go.
pub const LONGEST_EXAMPLE: usize = 149;

/// The rooms in which a connection is opened by hand: files, and folders that end with `/`. One line
/// makes another; a test tells which are no longer needed.
pub const OPENING_ROOMS: &[&str] = &[
    // The store's own, and the doc test of a crate below it.
    "crates/store-sqlite/src/create.rs",
    "crates/schema/src/inspect/mod.rs",
    // Tests, and programs that look at a store from outside.
    "crates/schema/tests/suite/main.rs",
    "crates/store-sqlite/tests/common/mod.rs",
    "tests/src/raw.rs",
    "xtask/src/bench/references/connection.rs",
    "xtask/src/migrations.rs",
    "xtask/src/stress/audit/claims_tests.rs",
    "xtask/src/stress/audit/connection.rs",
    "xtask/src/stress/audit/control.rs",
    "xtask/src/stress/audit/tests.rs",
];

/// Whether a file is one of these rooms, or in one.
pub fn is_in(rooms: &[&str], path: &str) -> bool {
    rooms.iter().any(|room| path == *room || (room.ends_with('/') && path.starts_with(room)))
}

/// The rooms in which none of these files opens a connection.
pub fn abandoned<'r>(rooms: &[&'r str], files: &[(String, String)]) -> Vec<&'r str> {
    let opens = |room: &str| files.iter().any(|(path, text)| is_in(&[room], path) && opens(text));
    rooms.iter().filter(|room| !opens(room)).copied().collect()
}

fn opens(text: &str) -> bool {
    text.contains(OPENS)
}

/// How a connection is opened; in two parts, so that this file does not say it.
const OPENS: &str = concat!("Connection", "::open");

/// A file as the rules see it.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The path from the root of the workspace.
    pub path: &'a str,
    /// What is in it.
    pub text: &'a str,
}

/// A rule: what it finds wrong with a file, if anything.
pub type Rule = fn(Source<'_>) -> Option<String>;

/// The rules for files of Rust.
pub const RULES: &[(&str, Rule)] = &[
    ("a file begins by saying what it is", begins_with_its_idea),
    ("a file is not too long", is_not_too_long),
    ("store-core names no SQL", names_no_sql_in_core),
    ("connections are opened in the opening rooms", opens_in_its_room),
];

/// `//!` on the first line, or attributes of the whole file before it, or the documentation included.
fn begins_with_its_idea(source: Source<'_>) -> Option<String> {
    let mut lines = source.text.lines();
    let is_idea = |line: &&str| !line.starts_with("#![") || line.contains("include_str!");
    let first = lines.find(is_idea).unwrap_or_default();
    let says = first.starts_with("//! ") || first.starts_with("#![doc = include_str!");
    (!says).then(|| format!("begins with {first:?}, not with //!"))
}

fn is_not_too_long(source: Source<'_>) -> Option<String> {
    let lines = source.text.lines().count();
    let most = if source.path.starts_with("examples/") { LONGEST_EXAMPLE } else { LONGEST };
    (lines > most).then(|| format!("has {lines} lines, {most} are plenty"))
}

fn names_no_sql_in_core(source: Source<'_>) -> Option<String> {
    const WORDS: &[&str] =
        &["SELECT ", "INSERT INTO", "DELETE FROM", "CREATE TABLE", "PRAGMA", "BEGIN IMMEDIATE"];
    if !source.path.starts_with("crates/store-core/") {
        return None;
    }
    let word = WORDS.iter().find(|word| source.text.contains(**word))?;
    Some(format!("says {word:?}"))
}

fn opens_in_its_room(source: Source<'_>) -> Option<String> {
    let outside = opens(source.text) && !is_in(OPENING_ROOMS, source.path);
    outside.then(|| format!("says {OPENS}: add it to the rooms only if it is one"))
}

/// Settings of connections have no place in a migration: inside its transaction most do nothing.
pub fn has_a_pragma(migration: &str) -> bool {
    migration.to_ascii_uppercase().contains("PRAGMA")
}

/// The root of the workspace.
pub fn root() -> PathBuf {
    let this = Path::new(env!("CARGO_MANIFEST_DIR"));
    this.parent().expect("the crate is a folder of the workspace").to_owned()
}

/// Every file with this extension in the workspace: its path from the root, and its text.
///
/// # Errors
/// Those of reading.
pub fn files(extension: &str) -> TestResult<Vec<(String, String)>> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if entry.file_type()?.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|found| found == extension) {
                let short = path.strip_prefix(&root)?.to_string_lossy().into_owned();
                found.push((short, std::fs::read_to_string(&path)?));
            }
        }
    }
    found.sort();
    Ok(found)
}
