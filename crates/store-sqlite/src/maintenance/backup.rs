//! Copies of a store that is in use.

use std::fs::{self, File};
use std::panic::Location;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use store_core::error::Source;
use store_core::{Error, Invalid, Result};

use crate::create::{connect_read_only, create_private};
use crate::error::Meaning;
use crate::store::SqliteStore;

impl SqliteStore {
    /// Copies the store to `to`, a file that is not there yet: one snapshot, compact, readable by its
    /// owner alone (0600). Writers go on meanwhile.
    ///
    /// The copy is made under another name in the same directory, checked in full and brought to the
    /// disk before it gets its name; so what is at `to` is a good backup, or nothing is there.
    ///
    /// # Errors
    /// [`Error::Invalid`] if something is at `to` already; [`Error::Full`], [`Error::Access`],
    /// [`Error::Storage`]; [`Error::Corrupt`] where the copy does not pass its check, which means that
    /// the store does not either.
    #[track_caller]
    pub fn backup(&self, to: &Path) -> Result<()> {
        let _guard = self.guard()?;
        let opened = self.opened()?;
        // Its own connection: a copy of a large store would hold up a reader of the pool for long.
        let source = connect_read_only(opened.location.database()).meaning()?;
        let _held = opened.sight.snapshots.hold(Location::caller());
        copy(&source, to)
    }
}

/// Copies the database of `source` to `to`, where nothing may be yet; see [`SqliteStore::backup`].
pub(crate) fn copy(source: &Connection, to: &Path) -> Result<()> {
    if fs::symlink_metadata(to).is_ok() {
        return Err(there_already(to));
    }
    let unfinished = Unfinished::create(to)?;
    copy_into(source, &unfinished.0)?;
    give_name(&unfinished.0, to).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => there_already(to),
        _ => access(error, to),
    })?;
    sync_directory(to)
}

/// Renames a file at once, and never over one that has come to be there meanwhile.
#[cfg(target_os = "linux")]
fn give_name(from: &Path, to: &Path) -> std::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some file systems do not know it, but know links, which replace nothing either.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => fs::hard_link(from, to),
        renamed => Ok(renamed?),
    }
}

/// Gives a file a second name at once, and never over one that has come to be there meanwhile; the first
/// name goes with its owner.
#[cfg(not(target_os = "linux"))]
fn give_name(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::hard_link(from, to)
}

fn there_already(to: &Path) -> Error {
    let reason = format!("{} is there already: give the name of a new file", to.display());
    Invalid::new("backup", reason).into()
}

/// Copies the database of `source` into the empty file at `to`, checks the copy, and brings it to the
/// disk. `VACUUM INTO` takes one snapshot, so that writers can go on.
fn copy_into(source: &Connection, to: &Path) -> Result<()> {
    let name = to.to_str().ok_or_else(|| {
        Invalid::new("backup", format!("{} is not UTF-8: give another name", to.display()))
    })?;
    source.execute("VACUUM INTO ?1", [name]).meaning()?;
    let copy = connect_read_only(to).meaning()?;
    let problems = super::check::integrity(&copy, "integrity_check")?;
    if let Some(problem) = problems.first() {
        return Err(Error::Corrupt { what: problem.clone(), source: None });
    }
    drop(copy);
    // Nobody else has opened the copy, so that no lock is lost by opening and closing it here.
    File::open(to).and_then(|file| file.sync_all()).map_err(|error| access(error, to))
}

/// A copy that does not have its name yet; removed when dropped. One that a killed process left behind
/// is in nobody's way, because each has a name of its own.
struct Unfinished(PathBuf);

impl Unfinished {
    fn create(to: &Path) -> Result<Self> {
        for number in 1.. {
            let mut name = to.as_os_str().to_owned();
            name.push(format!(".unfinished-{}-{number}", std::process::id()));
            let path = PathBuf::from(name);
            if create_private(&path).map_err(|error| access(error, &path))? {
                return Ok(Self(path));
            }
        }
        unreachable!("the numbers do not end")
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _removed = fs::remove_file(&self.0);
    }
}

fn sync_directory(of: &Path) -> Result<()> {
    let directory = match of.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory).and_then(|file| file.sync_all()).map_err(|error| access(error, directory))
}

fn access(error: std::io::Error, path: &Path) -> Error {
    let full = matches!(
        error.kind(),
        std::io::ErrorKind::StorageFull
            | std::io::ErrorKind::QuotaExceeded
            | std::io::ErrorKind::FileTooLarge
    );
    let source: Source = format!("{}: {error}", path.display()).into();
    if full { Error::Full(source) } else { Error::Access(source) }
}
