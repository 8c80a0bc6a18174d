//! Working directories: no two jobs share one.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Invalid, Result};
use crate::ids::JobId;
use crate::words::check_text;

/// An absolute directory in its one spelling, so that two jobs cannot have the same directory under
/// two names: no `.`, no empty part, no `/` at the end. It may be on another machine, so nothing is
/// asked of any file system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkDir(String);

impl WorkDir {
    /// Takes an absolute path and puts it into its one spelling.
    ///
    /// # Errors
    /// [`Invalid`] for a relative path, one with `..` (what it means depends on symbolic links), one
    /// with a control character, and the root directory.
    pub fn new(path: impl AsRef<str>) -> Result<Self, Invalid> {
        let path = path.as_ref();
        let refuse = |reason: &str| Err(Invalid::new("work_dir", format!("{path:?} {reason}")));
        check_text("work_dir", path)?;
        if !path.starts_with('/') {
            return refuse("is not absolute: begin it with /");
        }
        if path.chars().any(char::is_control) {
            return refuse("has a control character: remove it");
        }
        let mut plain = String::with_capacity(path.len());
        for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
            if part == ".." {
                return refuse("has a .. in it: write the directory that it means");
            }
            plain.push('/');
            plain.push_str(part);
        }
        if plain.is_empty() {
            return refuse("is the root directory: give the job one of its own");
        }
        Ok(Self(plain))
    }

    /// The path as text, as stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The directory that a store gives the job `id` called `name` below this one:
    /// `base/0042_mgo_bulk`. The number makes it unique among the given ones; the name is for people,
    /// and is cut to 80 letters, digits, `-`, `.` and `_`. Where somebody has chosen that very directory
    /// for another job, the next `choice` has its number behind: `base/0042_mgo_bulk.2`.
    #[must_use]
    pub fn for_job(&self, id: JobId, name: &str, choice: u32) -> Self {
        let tame = |c: char| {
            let plain = c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
            if plain { c.to_ascii_lowercase() } else { '_' }
        };
        let readable: String = name.trim().chars().take(80).map(tame).collect();
        let again = if choice > 1 { format!(".{choice}") } else { String::new() };
        Self(format!("{}/{:04}_{readable}{again}", self.0, id.get()))
    }
}

impl std::fmt::Display for WorkDir {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<std::path::Path> for WorkDir {
    fn as_ref(&self) -> &std::path::Path {
        self.0.as_ref()
    }
}

impl FromStr for WorkDir {
    type Err = Invalid;

    fn from_str(path: &str) -> Result<Self, Invalid> {
        Self::new(path)
    }
}

impl TryFrom<String> for WorkDir {
    type Error = Invalid;

    fn try_from(path: String) -> Result<Self, Invalid> {
        Self::new(path)
    }
}

impl From<WorkDir> for String {
    fn from(dir: WorkDir) -> Self {
        dir.0
    }
}

/// Where a new job is to work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// In this directory, which no other job may have.
    At(WorkDir),
    /// In a directory below this one that the store names after the job's id, in the transaction
    /// that creates the job; see [`WorkDir::for_job`].
    Under(WorkDir),
}

impl Placement {
    /// The directory of the job `id` called `name`, given which directories other jobs have. One that
    /// was asked for by name is answered whether it is free or not.
    ///
    /// # Errors
    /// Those of `is_taken`.
    pub fn directory(
        &self,
        id: JobId,
        name: &str,
        is_taken: impl Fn(&WorkDir) -> Result<bool>,
    ) -> Result<WorkDir> {
        let base = match self {
            Self::At(dir) => return Ok(dir.clone()),
            Self::Under(base) => base,
        };
        let mut choice = 1;
        loop {
            let dir = base.for_job(id, name, choice);
            if !is_taken(&dir)? {
                return Ok(dir);
            }
            choice += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_directory_has_one_spelling() -> Result<(), Invalid> {
        for spelling in ["/a/b", "/a/b/", "//a/./b//", "/a/b/."] {
            assert_eq!(WorkDir::new(spelling)?.as_str(), "/a/b");
        }
        for bad in ["", "a/b", "/", "/./", "/a/../b", "/a\0b", "/a\nb"] {
            assert!(WorkDir::new(bad).is_err(), "{bad:?}");
        }
        Ok(())
    }

    #[test]
    fn a_given_directory_is_readable_and_stays_below_its_base() -> Result<(), Invalid> {
        let base = WorkDir::new("/scratch")?;
        let dir = base.for_job(JobId::new(42), "MgO bulk/../..", 1);
        assert_eq!(dir.as_str(), "/scratch/0042_mgo_bulk_.._..");
        assert_eq!(WorkDir::new(dir.as_str())?, dir);
        let taken = [dir.clone(), base.for_job(JobId::new(42), "MgO bulk/../..", 2)];
        let given = Placement::Under(base);
        let free = given.directory(JobId::new(42), "MgO bulk/../..", |dir| Ok(taken.contains(dir)));
        assert_eq!(free.expect("no error").as_str(), "/scratch/0042_mgo_bulk_.._...3");
        Ok(())
    }
}
