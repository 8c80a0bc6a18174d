//! Where a store is: its canonical path, on a file system that SQLite can rely on.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use store_core::Invalid;

use crate::error::OpenError;

/// The place of a store, and of the files beside it.
#[derive(Debug, Clone)]
pub(crate) struct Location {
    database: PathBuf,
}

impl Location {
    /// Finds the canonical path. Nothing is created or opened.
    pub(crate) fn resolve(path: &Path, any_file_system: bool) -> Result<Self, OpenError> {
        let Some(name) = path.file_name() else {
            return Err(OpenError::NotAFile { path: path.to_owned() });
        };
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let directory = fs::canonicalize(parent)
            .map_err(|source| OpenError::Access { path: parent.to_owned(), source })?;
        if !any_file_system {
            refuse_unreliable(&directory, UNRELIABLE)?;
        }
        let database = directory.join(name);
        if database.to_str().is_none() {
            // SQLite takes paths as UTF-8 in more places than one.
            let reason = format!("{} is not UTF-8: rename what is not", database.display());
            return Err(Invalid::new("path", reason).into());
        }
        match fs::symlink_metadata(&database) {
            Ok(found) if found.is_symlink() => Err(OpenError::SymbolicLink { path: database }),
            Ok(found) if !found.is_file() => Err(OpenError::NotAFile { path: database }),
            Ok(found) if found.nlink() > 1 => {
                Err(OpenError::HardLinks { path: database, links: found.nlink() })
            }
            Ok(_) => Ok(Self { database }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self { database }),
            Err(source) => Err(OpenError::Access { path: database, source }),
        }
    }

    /// The database file.
    pub(crate) fn database(&self) -> &Path {
        &self.database
    }

    /// The file beside the database with this ending after its name.
    pub(crate) fn beside(&self, ending: &str) -> PathBuf {
        let mut name = OsString::from(self.database.as_os_str());
        name.push(ending);
        PathBuf::from(name)
    }

    /// The size in bytes of the write-ahead log; 0 where there is none.
    pub(crate) fn wal_bytes(&self) -> u64 {
        fs::metadata(self.beside("-wal")).map_or(0, |found| found.len())
    }

    pub(crate) fn is_there(&self) -> bool {
        self.database.exists()
    }
}

/// The identity of a file, which a new file of the same name does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    /// Of the file at `path`. It is not opened: closing any descriptor of a database drops this
    /// process's locks on it (<https://sqlite.org/howtocorrupt.html>, section 2.2).
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self { device: found.dev(), inode: found.ino() })
    }

    pub(crate) const fn inode(self) -> u64 {
        self.inode
    }
}

/// The identities of the files that every connection of a store must share: the database, and the
/// shared index of its log, which is there as long as any connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identities {
    database: FileIdentity,
    shared_index: Option<FileIdentity>,
}

impl Identities {
    pub(crate) fn of(location: &Location) -> io::Result<Self> {
        Ok(Self {
            database: FileIdentity::of(location.database())?,
            shared_index: FileIdentity::of(&location.beside("-shm")).ok(),
        })
    }
}

/// A file system, by its number and in words.
type FileSystem = (u32, &'static str);

/// File systems that share files between machines, or are made by programs: their magic numbers are
/// those of statfs(2) and of their projects.
const UNRELIABLE: &[FileSystem] = &[
    (0x0000_6969, "a network file system (NFS)"),
    (0x0000_517b, "a network file system (SMB)"),
    (0xff53_4d42, "a network file system (CIFS)"),
    (0xfe53_4d42, "a network file system (SMB 2)"),
    (0x0102_1997, "a shared file system (9p)"),
    (0x6573_5546, "a user-space file system (FUSE)"),
    (0x0bd0_0bd0, "a cluster file system (Lustre)"),
    (0x4750_4653, "a cluster file system (GPFS)"),
    (0x1983_0326, "a cluster file system (BeeGFS)"),
    (0x00c3_6400, "a cluster file system (Ceph)"),
    (0x0116_1970, "a cluster file system (GFS2)"),
    (0x7461_636f, "a cluster file system (OCFS2)"),
    (0x5346_414f, "a network file system (AFS)"),
    (0x6b41_4653, "a network file system (AFS)"),
    (0x7375_7245, "a network file system (Coda)"),
];

#[cfg(target_os = "linux")]
fn refuse_unreliable(directory: &Path, unreliable: &[FileSystem]) -> Result<(), OpenError> {
    let found = rustix::fs::statfs(directory).map_err(|source| OpenError::Access {
        path: directory.to_owned(),
        source: source.into(),
    })?;
    // The kernel's numbers have 32 bits, whatever the width and sign of the field.
    let magic = found.f_type as u32;
    match unreliable.iter().find(|(known, _)| *known == magic) {
        Some((_, kind)) => Err(OpenError::FileSystem { path: directory.to_owned(), kind }),
        None => Ok(()),
    }
}

/// Elsewhere there is no number to look at: the user has to know.
#[cfg(not(target_os = "linux"))]
fn refuse_unreliable(_directory: &Path, _unreliable: &[FileSystem]) -> Result<(), OpenError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_system_of_the_table_is_refused_by_name_and_no_other() -> io::Result<()> {
        let scratch = tempfile::tempdir()?;
        let here = rustix::fs::statfs(scratch.path())?.f_type as u32;
        let planted = [(0x6969, "NFS"), (here, "planted")];
        match refuse_unreliable(scratch.path(), &planted) {
            Err(OpenError::FileSystem { kind: "planted", .. }) => {}
            other => panic!("{other:?}"),
        }
        refuse_unreliable(scratch.path(), UNRELIABLE).expect("tests run on a local disk");
        for (magic, word) in [(0x6969, "NFS"), (0x6573_5546, "FUSE"), (0x0102_1997, "9p")] {
            let kind = UNRELIABLE.iter().find(|(known, _)| *known == magic).map(|(_, kind)| kind);
            assert!(kind.is_some_and(|kind| kind.contains(word)), "{word}");
        }
        Ok(())
    }

    #[test]
    fn a_path_that_is_no_text_is_refused() -> io::Result<()> {
        use std::os::unix::ffi::OsStrExt;
        let scratch = tempfile::tempdir()?;
        let path = scratch.path().join(std::ffi::OsStr::from_bytes(b"project-\xff.db"));
        let refused = Location::resolve(&path, false);
        assert!(matches!(refused, Err(OpenError::Option(_))), "{refused:?}");
        Ok(())
    }

    #[test]
    fn links_and_directories_are_refused() -> io::Result<()> {
        let scratch = tempfile::tempdir()?;
        let target = scratch.path().join("real.db");
        let link = scratch.path().join("link.db");
        std::os::unix::fs::symlink(&target, &link)?;
        let refused = Location::resolve(&link, false);
        assert!(matches!(refused, Err(OpenError::SymbolicLink { .. })), "{refused:?}");
        let refused = Location::resolve(scratch.path(), false);
        assert!(matches!(refused, Err(OpenError::NotAFile { .. })), "{refused:?}");
        let refused = Location::resolve(&scratch.path().join("no/such.db"), false);
        assert!(matches!(refused, Err(OpenError::Access { .. })), "{refused:?}");
        Ok(())
    }
}
