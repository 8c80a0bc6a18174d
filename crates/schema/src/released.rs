//! The released migrations: what may never change again.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::migrations::{Migration, MigrationSet};

/// The list of released migrations, one line each: name, SHA-256 of the file, refinery's checksum.
pub const LOCK: &str = include_str!("../released.lock");

/// One way in which migrations and the lock do not agree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// A migration that is not in the lock: it may still change. Not a fault.
    #[error("{name} is not released yet")]
    Unreleased {
        /// The migration.
        name: String,
    },
    /// A released file has other content.
    #[error("{name} was changed after its release")]
    Changed {
        /// The migration.
        name: String,
    },
    /// A released file has another name.
    #[error("{released} was renamed to {found} after its release")]
    Renamed {
        /// The name in the lock.
        released: String,
        /// The name that it has now.
        found: String,
    },
    /// A released file is gone.
    #[error("{name} was released and is missing")]
    Missing {
        /// The migration.
        name: String,
    },
    /// A file has a carriage return: its checksum would depend on the machine that built it.
    #[error("{name} has carriage returns, and needs LF alone")]
    CarriageReturn {
        /// The migration.
        name: String,
    },
    /// The content is as released, and refinery's checksum is not.
    #[error("{name} has another refinery checksum than at its release")]
    Checksum {
        /// The migration.
        name: String,
    },
    /// A version is not above the one before it.
    #[error("{name} does not follow the version before it")]
    OutOfOrder {
        /// The migration.
        name: String,
    },
    /// A line of the lock is not `V1__name sha256 checksum`.
    #[error("line {line} of released.lock cannot be read")]
    MalformedLine {
        /// The line, from 1.
        line: usize,
    },
}

impl Finding {
    /// Whether this must not be: everything but a migration that still waits for its release.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        !matches!(self, Self::Unreleased { .. })
    }
}

/// The released versions: the states in which databases exist, and that every upgrade begins from.
#[must_use]
pub fn versions() -> Vec<i32> {
    LOCK.lines().filter_map(Entry::parse).map(|entry| entry.version).collect()
}

/// Compares migrations with a lock, and tells everything that is found.
#[must_use]
pub fn findings(set: &MigrationSet, lock: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut released: BTreeMap<i32, Entry<'_>> = BTreeMap::new();
    let mut newest = 0;
    for (number, line) in lock.lines().enumerate() {
        let Some(entry) = Entry::parse(line) else {
            findings.push(Finding::MalformedLine { line: number + 1 });
            continue;
        };
        if entry.version <= newest {
            findings.push(Finding::OutOfOrder { name: entry.name.to_owned() });
        }
        newest = newest.max(entry.version);
        released.entry(entry.version).or_insert(entry);
    }
    let mut previous = 0;
    for migration in set.iter() {
        let name = migration.to_string();
        // A file that was not released must come after all that were.
        let after_all = migration.version() > newest || released.contains_key(&migration.version());
        if migration.version() <= previous || !after_all {
            findings.push(Finding::OutOfOrder { name: name.clone() });
        }
        previous = migration.version();
        if text(migration).contains('\r') {
            findings.push(Finding::CarriageReturn { name: name.clone() });
        }
        findings.extend(match released.remove(&migration.version()) {
            Some(entry) => entry.compare(migration),
            None => Some(Finding::Unreleased { name }),
        });
    }
    let missing = |entry: Entry<'_>| Finding::Missing { name: entry.name.to_owned() };
    findings.extend(released.into_values().map(missing));
    findings
}

/// Makes sure that every released migration is as it was.
///
/// # Errors
/// [`Error::Released`] with all faults; migrations that wait for their release are none.
pub fn check(set: &MigrationSet, lock: &str) -> Result<()> {
    let mut faults = findings(set, lock);
    faults.retain(Finding::is_fault);
    if faults.is_empty() { Ok(()) } else { Err(Error::Released(faults)) }
}

/// The lock that says that all these migrations are released.
#[must_use]
pub fn render(set: &MigrationSet) -> String {
    set.iter().map(|one| format!("{one} {} {}\n", sha256(text(one)), one.checksum())).collect()
}

/// One line of the lock.
struct Entry<'a> {
    name: &'a str,
    version: i32,
    sha256: &'a str,
    checksum: u64,
}

impl<'a> Entry<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.split(' ');
        let (name, sha256, checksum) = (words.next()?, words.next()?, words.next()?);
        let (version, _) = name.strip_prefix('V')?.split_once("__")?;
        let is_hash = sha256.len() == 64 && sha256.chars().all(|one| one.is_ascii_hexdigit());
        (is_hash && words.next().is_none()).then_some(())?;
        Some(Self {
            name,
            version: version.parse().ok()?,
            sha256,
            checksum: checksum.parse().ok()?,
        })
    }

    fn compare(&self, migration: &Migration) -> Option<Finding> {
        let found = migration.to_string();
        let name = || self.name.to_owned();
        if self.sha256 != sha256(text(migration)) {
            Some(Finding::Changed { name: name() })
        } else if self.name != found {
            Some(Finding::Renamed { released: name(), found })
        } else if self.checksum != migration.checksum() {
            Some(Finding::Checksum { name: name() })
        } else {
            None
        }
    }
}

fn text(migration: &Migration) -> &str {
    migration.sql().unwrap_or_default()
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
