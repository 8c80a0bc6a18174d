//! Who runs jobs, and whose process makes a change.

use serde::{Deserialize, Serialize};

use crate::error::Invalid;
use crate::words::{check_name, check_optional_name};

/// A process of a machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Process {
    /// The machine's name, 1 to 255 characters.
    pub host: String,
    /// The process id there, at least 1. Systems give it out again.
    pub pid: u32,
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} of {}", self.pid, self.host)
    }
}

/// One that takes jobs and runs them. Its process is told so exactly that another one of the same host
/// can say whether it is gone: a process id alone comes back, after a restart at the latest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Worker {
    /// What people call it, 1 to 255 characters; need not be unique.
    pub name: String,
    /// The process that it lives in.
    pub process: Process,
    /// What tells this start of the machine from others, where the system has such a thing.
    pub boot_id: Option<String>,
    /// When the process started, in the system's own count (Linux: clock ticks after boot), where it can
    /// be told.
    pub pid_started_at: Option<i64>,
}

impl Worker {
    /// A worker of which only its process is known.
    pub fn new(name: impl Into<String>, host: impl Into<String>, pid: u32) -> Self {
        let process = Process { host: host.into(), pid };
        Self { name: name.into(), process, boot_id: None, pid_started_at: None }
    }

    /// Refuses what no store takes. Backends call it before they write.
    ///
    /// # Errors
    /// [`Invalid`] with the field's name.
    pub fn check(&self) -> Result<(), Invalid> {
        check_name("worker", &self.name)?;
        check_name("host", &self.process.host)?;
        check_optional_name("boot_id", self.boot_id.as_deref())?;
        if self.process.pid == 0 {
            return Err(Invalid::new("pid", "is 0: give the worker's process id".to_owned()));
        }
        Ok(())
    }
}
