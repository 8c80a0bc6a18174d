//! What the documents say of the code and of each other, each check with a fault planted beside it.

use std::path::{Component, Path, PathBuf};

use schema::inspect::Structure;
use schema::migrations::embedded;
use tests::TestResult;
use tests::{raw, tidy};

/// The documents with their paths from the root, and whatever else a link may lead to.
struct Library {
    root: PathBuf,
    documents: Vec<(String, String)>,
}

impl Library {
    fn of_the_workspace() -> TestResult<Self> {
        Ok(Self { root: tidy::root(), documents: tidy::files("md")? })
    }

    fn text(&self, path: &str) -> Option<&str> {
        self.documents.iter().find(|(found, _)| found == path).map(|(_, text)| text.as_str())
    }

    /// The same library with one document more, or with another text for it.
    fn with(mut self, path: &str, text: &str) -> Self {
        self.documents.retain(|(found, _)| found != path);
        self.documents.push((path.to_owned(), text.to_owned()));
        self
    }

    /// The links of all documents that lead nowhere.
    fn broken_links(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for (path, text) in &self.documents {
            for link in links(text) {
                if let Some(fault) = self.fault_of(path, link) {
                    broken.push(format!("{path}: {link} {fault}"));
                }
            }
        }
        broken
    }

    fn fault_of(&self, from: &str, link: &str) -> Option<&'static str> {
        if link.contains("://") {
            return None;
        }
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        let target = if file.is_empty() {
            from.to_owned()
        } else {
            let folder = Path::new(from).parent().unwrap_or(Path::new(""));
            // Only what is in the workspace can be followed by every reader.
            let Some(target) = normal(&folder.join(file)) else { return Some("leads outside") };
            target
        };
        let text = self.text(&target);
        if text.is_none() && !self.root.join(&target).exists() {
            return Some("leads to no file");
        }
        let has_heading = || text.is_some_and(|text| anchors(text).any(|found| found == anchor));
        (!anchor.is_empty() && !has_heading()).then_some("leads to no heading")
    }
}

/// A path without `..`; nothing where it leaves the workspace.
fn normal(path: &Path) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
            Component::CurDir => {}
            Component::ParentDir => drop(parts.pop()?),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

/// The lines outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// Where the links of a text lead: what is between `](` and `)`.
fn links(text: &str) -> Vec<&str> {
    let of_line = |line| str::match_indices(line, "](").filter_map(|(at, _)| target(&line[at..]));
    prose(text).flat_map(of_line).collect()
}

fn target(link: &str) -> Option<&str> {
    Some(link.strip_prefix("](")?.split_once(')')?.0)
}

/// The headings of a text, as links name them.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    headings.map(|line| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

/// The first example of a text that is a program in Rust.
fn first_program(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("\n```rust\n")?;
    Some(rest.split_once("\n```")?.0)
}

/// The options that a text names: `Options::name` in code, and the first column of a table of options.
fn options(text: &str) -> Vec<&str> {
    let is_of_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let mut found = Vec::new();
    for (at, call) in text.match_indices("Options::") {
        let rest = &text[at + call.len()..];
        found.push(&rest[..rest.find(|c| !is_of_name(c)).unwrap_or(rest.len())]);
    }
    let mut in_table = false;
    for line in prose(text) {
        in_table = line.starts_with("| option |") || (in_table && line.starts_with('|'));
        let cell = line.strip_prefix("| `").and_then(|rest| rest.split_once('`'));
        found.extend(cell.filter(|_| in_table).map(|(name, _)| name));
    }
    found
}

/// The options of all documents that `Options` does not have.
fn unknown_options(library: &Library, code: &str) -> Vec<String> {
    let is_known = |name: &str| {
        let of_kind = |kind: &str| code.contains(&format!("    {kind} {name}("));
        of_kind("pub fn") || of_kind("pub const fn")
    };
    let mut unknown = Vec::new();
    for (path, text) in &library.documents {
        let named = options(text).into_iter().filter(|name| !is_known(name));
        unknown.extend(named.map(|name| format!("{path}: {name}")));
    }
    unknown
}

/// What is in code in the first column of the tables below a heading.
fn first_column<'t>(text: &'t str, heading: &str) -> Vec<&'t str> {
    let below = text.split_once(&format!("\n## {heading}\n")).map_or("", |(_, rest)| rest);
    let section = below.split("\n## ").next().unwrap_or_default();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" |"));
    cells.flat_map(|(cell, _)| cell.split('`').step_by(2)).filter(|code| !code.is_empty()).collect()
}

/// What the page on the schema says that the schema does not have, and what it leaves out.
fn faults_of_the_schema_page(page: &str, structure: &Structure) -> Vec<String> {
    let tables = first_column(page, "Tables");
    let columns = first_column(page, "What a claim looks at");
    let indexes = first_column(page, "Indexes and their queries");
    let is_column = |name: &str| {
        let Some((table, column)) = name.split_once('.') else { return false };
        let table = structure.tables.get(table);
        table.is_some_and(|table| table.columns.iter().any(|one| one.name == column))
    };
    let is_index = |code: &str| {
        let (name, columns) = code.split_once(" (").unwrap_or((code, ""));
        let columns = columns.trim_end_matches(')');
        let found = structure.indexes.get(name);
        found.is_some_and(|index| columns.is_empty() || columns == index.columns.join(", "))
    };
    let of_refinery = "refinery_schema_history";
    let mut faults = Vec::new();
    let mut unknown = |codes: &[&str], is_known: &dyn Fn(&str) -> bool| {
        let strange = codes.iter().filter(|code| !is_known(code));
        faults.extend(strange.map(|code| format!("{code} is not there")));
    };
    unknown(&tables, &|name| name == of_refinery || structure.tables.contains_key(name));
    unknown(&columns, &is_column);
    unknown(&indexes, &is_index);
    let is_named = |name: &str| {
        tables.contains(&name) || indexes.iter().any(|code| code.split(" (").next() == Some(name))
    };
    let all = structure.tables.keys().chain(structure.indexes.keys());
    faults.extend(all.filter(|name| !is_named(name)).map(|name| format!("{name} is left out")));
    faults
}

const FRONT: &str = "README.md";
const BACKEND: &str = "crates/store-sqlite/README.md";

#[test]
fn the_program_on_the_front_page_is_the_one_that_is_tested() -> TestResult {
    let library = Library::of_the_workspace()?;
    let program = |path| library.text(path).and_then(first_program).ok_or("it has a program");
    assert_eq!(program(FRONT)?, program(BACKEND)?);
    assert!(program(FRONT)?.contains("fn main()"), "{}", program(FRONT)?);
    Ok(())
}

#[test]
fn a_program_that_was_changed_in_one_place_is_seen() -> TestResult {
    let library = Library::of_the_workspace()?;
    let text = library.text(FRONT).ok_or("there is a front page")?;
    let changed = text.replacen("store.close()?;", "drop(store);", 1);
    assert_ne!(first_program(&changed), first_program(text));
    assert_eq!(first_program("# Title\n\n```text\nfn main() {}\n```\n"), None);
    assert_eq!(first_program("\n```rust\none\n```\n\n```rust\nother\n```\n"), Some("one"));
    Ok(())
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() -> TestResult {
    let library = Library::of_the_workspace()?;
    let found: usize = library.documents.iter().map(|(_, text)| links(text).len()).sum();
    assert!(found > 50, "only {found} links were found");
    assert_eq!(library.broken_links(), [""; 0]);
    Ok(())
}

#[test]
fn a_link_that_leads_nowhere_is_seen() -> TestResult {
    let faults = |link: &str| -> TestResult<Vec<String>> {
        let text = format!("# A title, of its own\n\n[planted]({link}) and `code`.\n");
        Ok(Library::of_the_workspace()?.with("docs/planted.md", &text).broken_links())
    };
    for good in [
        "operations.md",
        "../README.md#two-commands",
        "adr",
        "#a-title-of-its-own",
        "https://sqlite.org/nowhere.html",
        "../crates/store-sqlite/src/gate.rs",
    ] {
        assert_eq!(faults(good)?, [""; 0]);
    }
    for (bad, fault) in [
        ("operation.md", "leads to no file"),
        ("README.md", "leads to no file"),
        ("../../README.md", "leads outside"),
        ("/docs/operations.md", "leads outside"),
        ("../README.md#three-commands", "leads to no heading"),
        ("#another-title", "leads to no heading"),
        ("../crates/store-sqlite/src/gate.rs#gate", "leads to no heading"),
    ] {
        assert_eq!(faults(bad)?, [format!("docs/planted.md: {bad} {fault}")]);
    }
    // What is an example of a link is none.
    assert_eq!(links("```text\n[a](b)\n```\n[c](d), [e](f)\n"), ["d", "f"]);
    Ok(())
}

#[test]
fn every_option_that_is_named_can_be_set() -> TestResult {
    let library = Library::of_the_workspace()?;
    let code = std::fs::read_to_string(library.root.join("crates/store-sqlite/src/options.rs"))?;
    let of_the_backend = options(library.text(BACKEND).ok_or("there is a page")?);
    for name in ["new", "durability", "when_full"] {
        assert!(of_the_backend.contains(&name), "{of_the_backend:?}");
    }
    assert_eq!(unknown_options(&library, &code), [""; 0]);
    for planted in ["Set `Options::nerve` first.", "| option |\n|---|\n| `nerve` | 7 |\n"] {
        let library = Library::of_the_workspace()?.with("docs/planted.md", planted);
        assert_eq!(unknown_options(&library, &code), ["docs/planted.md: nerve"]);
    }
    // A table of other things, and a word that only begins like an option.
    assert_eq!(options("| option |\n|---|\n\n| `other` |\n"), [""; 0]);
    assert_eq!(options("`Options::read_only(true)`"), ["read_only"]);
    Ok(())
}

#[test]
fn the_page_on_the_schema_names_what_is_there() -> TestResult {
    let library = Library::of_the_workspace()?;
    let page = library.text("docs/schema.md").ok_or("there is a page")?;
    let structure = Structure::of(&raw::fresh(&embedded())?)?;
    assert_eq!(faults_of_the_schema_page(page, &structure), [""; 0]);
    for (from, to, fault) in [
        ("| `job_leases` |", "| `job_rents` |", "job_rents is not there"),
        ("| `job_leases` |", "| `jobs` |", "job_leases is left out"),
        ("`jobs.claims`", "`jobs.claim`", "jobs.claim is not there"),
        ("jobs_to_probe (probe_since)", "jobs_to_probe (id)", "jobs_to_probe (id) is not there"),
        ("`job_queue_held (created_at)`", "", "job_queue_held is left out"),
    ] {
        assert!(page.contains(from), "the control has nothing to change: {from}");
        let found = faults_of_the_schema_page(&page.replace(from, to), &structure);
        assert!(found.contains(&fault.to_owned()), "{from}: {found:?}");
    }
    Ok(())
}
