//! Disks that fail, and disks that write down what they were given: a library in C that is put before
//! libc in a child (`shim/faults.c`). The store is the same program as ever, and so is its SQLite.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::TestResult;
use crate::random::Random;

/// How many faults, and how many power cuts, a test tries; a run in CI takes few.
const HOW_MANY: &str = "CRYSTALSTORE_FAULTS";

/// How many to try: `few`, or more where the environment says so.
///
/// # Errors
/// If it says something else than a number.
pub fn how_many(few: u64) -> TestResult<u64> {
    std::env::var(HOW_MANY).map_or(Ok(few), |wanted| Ok(few.max(wanted.parse()?)))
}

/// Variables of a child's environment.
pub type Variables = Vec<(&'static str, String)>;

/// The library, compiled.
#[derive(Debug)]
pub struct Shim {
    folder: TempDir,
}

impl Shim {
    /// Compiles it, with the system's compiler of C, which SQLite was compiled with too.
    ///
    /// # Errors
    /// Those of the compiler.
    pub fn build() -> TestResult<Self> {
        let folder = tempfile::tempdir()?;
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("shim/faults.c");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-Wall", "-Wextra", "-o"])
            .arg(Self::library(&folder))
            .arg(source)
            .args(["-ldl", "-lpthread"])
            .output()?;
        if !compiled.status.success() {
            return Err(String::from_utf8_lossy(&compiled.stderr).into());
        }
        Ok(Self { folder })
    }

    fn library(folder: &TempDir) -> PathBuf {
        folder.path().join("faults.so")
    }

    fn preloaded(&self) -> (&'static str, String) {
        ("LD_PRELOAD", Self::library(&self.folder).display().to_string())
    }

    /// What gives a child this fault.
    pub fn failing(&self, fault: &Fault) -> Variables {
        vec![self.preloaded(), ("CRYSTALSTORE_FAULT", fault.to_string())]
    }

    /// What lets a child write down, in `log`, what it does to the files in `folder`.
    pub fn recording(&self, folder: &Path, log: &Path) -> Variables {
        vec![
            self.preloaded(),
            ("CRYSTALSTORE_WRITE_LOG", log.display().to_string()),
            ("CRYSTALSTORE_WRITE_LOG_OF", folder.display().to_string()),
        ]
    }
}

/// A call that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `fsync`, `pwrite`, `ftruncate` or `unlink`.
    pub kind: &'static str,
    /// Which call of this kind, from 1.
    pub number: u64,
    /// `EIO` or `ENOSPC`.
    pub error: &'static str,
    /// A part of the path of the files that are counted.
    pub file: &'static str,
    /// Whether all later ones fail too.
    pub always: bool,
}

impl Fault {
    /// Some fault of a store called `project.db`. `calls` has the kinds, each with the number of calls
    /// that are made where nothing fails.
    pub fn at_random(random: &mut Random, calls: &[(&'static str, u64)]) -> Self {
        let (kind, most) = pick(random, calls);
        Self {
            kind,
            number: 1 + random.below(most),
            error: pick(random, &["EIO", "ENOSPC"]),
            file: "project.db",
            always: random.below(3) == 0,
        }
    }
}

/// One of several.
fn pick<T: Copy>(random: &mut Random, from: &[T]) -> T {
    let place = random.below(from.len() as u64);
    from[usize::try_from(place).expect("a place in a slice")]
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, number, error, file, always } = self;
        write!(f, "{kind}:{number}:{error}:{file}{}", if *always { ":always" } else { "" })
    }
}
