//! What was acknowledged: one line of JSON for each write, written after the store's Ok.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store_core::{
    ClusterId, Convergence, DependencyKind, Energy, EventKind, EventSequence, InputHash, JobId,
    JobStatus, JobUuid, LeaseToken, RemoteJobId,
};

use super::kind::Kind;
use crate::failure::{Context, Result};

/// One call that wrote, or may have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The process, from 1; 0 is the parent.
    pub process: u32,
    /// The thread in it, from 1; 0 is its first one, before the others begin.
    pub thread: u32,
    /// Which line of the process this is, from 1.
    pub sequence: u64,
    /// What was asked.
    pub kind: Kind,
    /// When the call began, in microseconds since 1970.
    pub begin: i64,
    /// When it returned.
    pub end: i64,
    /// The error, where the store did not acknowledge: its effect is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What was acknowledged, in order.
    pub effects: Vec<Effect>,
}

/// One change that an acknowledged call made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    ClusterCreated {
        cluster: ClusterId,
        name: String,
    },
    Created {
        job: JobId,
        uuid: JobUuid,
        status: JobStatus,
        key: String,
        input: InputHash,
        dependencies: Vec<(JobId, DependencyKind)>,
    },
    StatusChanged {
        job: JobId,
        attempt: u32,
        from: JobStatus,
        to: JobStatus,
    },
    Retried {
        job: JobId,
        attempt: u32,
        from: JobStatus,
        to: JobStatus,
    },
    Claimed {
        job: JobId,
        attempt: u32,
        token: LeaseToken,
    },
    RunEnded {
        job: JobId,
        attempt: u32,
        token: LeaseToken,
        to: JobStatus,
    },
    ResultRecorded {
        job: JobId,
        attempt: u32,
        convergence: Convergence,
        energy: Option<Energy>,
    },
    Submitted {
        job: JobId,
        attempt: u32,
        remote_job: RemoteJobId,
        cluster: ClusterId,
        handle: String,
    },
    SubmissionEnded {
        job: JobId,
        attempt: u32,
        remote_job: RemoteJobId,
        exit_code: i32,
    },
    Prioritised {
        job: JobId,
        attempt: u32,
        priority: i32,
    },
    Archived {
        job: JobId,
        attempt: u32,
    },
    Noted {
        job: JobId,
        attempt: u32,
        sequence: EventSequence,
    },
}

/// What the event of a change must say: job, attempt, kind, status before and after.
pub type Trace = (JobId, u32, EventKind, Option<JobStatus>, Option<JobStatus>);

impl Effect {
    /// The event that the change must have left; changes of clusters leave none.
    pub fn trace(&self) -> Option<Trace> {
        Some(match *self {
            Self::ClusterCreated { .. } => return None,
            Self::Created { job, status, .. } => (job, 1, EventKind::Created, None, Some(status)),
            Self::StatusChanged { job, attempt, from, to } => {
                (job, attempt, EventKind::StatusChanged, Some(from), Some(to))
            }
            Self::Retried { job, attempt, from, to } => {
                (job, attempt, EventKind::Retried, Some(from), Some(to))
            }
            Self::Claimed { job, attempt, .. } => {
                let (from, to) = (JobStatus::Queued, JobStatus::Running);
                (job, attempt, EventKind::Claimed, Some(from), Some(to))
            }
            Self::RunEnded { job, attempt, to, .. } => {
                let requeued = to == JobStatus::Queued;
                let kind = if requeued { EventKind::Requeued } else { EventKind::StatusChanged };
                (job, attempt, kind, Some(JobStatus::Running), Some(to))
            }
            Self::ResultRecorded { job, attempt, .. } => {
                (job, attempt, EventKind::ResultRecorded, None, None)
            }
            Self::Submitted { job, attempt, .. } => {
                (job, attempt, EventKind::Submitted, None, None)
            }
            Self::SubmissionEnded { job, attempt, .. } => {
                (job, attempt, EventKind::RemoteJobUpdated, None, None)
            }
            Self::Prioritised { job, attempt, .. } => {
                (job, attempt, EventKind::Updated, None, None)
            }
            Self::Archived { job, attempt } => (job, attempt, EventKind::Archived, None, None),
            Self::Noted { job, attempt, .. } => (job, attempt, EventKind::Noted, None, None),
        })
    }
}

/// The journal of one process, which all its threads write.
#[derive(Debug)]
pub struct Journal(Mutex<Written>);

#[derive(Debug)]
struct Written {
    file: BufWriter<File>,
    lines: u64,
    /// A process that is killed loses at most this much of its journal.
    flush_every: Duration,
    flushed: Instant,
    /// The first error; told at the end, because the call that met it was acknowledged.
    failed: Option<std::io::Error>,
}

impl Journal {
    /// Begins a new journal, whose lines stay in memory for so long at most.
    pub fn create(path: &Path, flush_every: Duration) -> Result<Self> {
        let file =
            File::create_new(path).doing(|| format!("begin the journal {}", path.display()))?;
        Ok(Self(Mutex::new(Written {
            file: BufWriter::with_capacity(1 << 16, file),
            lines: 0,
            flush_every,
            flushed: Instant::now(),
            failed: None,
        })))
    }

    /// Adds a line; its sequence is set here.
    pub fn append(&self, mut line: Line) {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        written.lines += 1;
        line.sequence = written.lines;
        if let Err(error) = written.write(&line) {
            written.failed.get_or_insert(error);
        }
    }

    /// Brings everything into the file.
    pub fn finish(&self) -> Result<()> {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let flushed = written.file.flush();
        written
            .failed
            .take()
            .map_or(flushed, Err)
            .doing(|| "write the journal, so the audit would be wrong".to_owned())
    }
}

impl Written {
    fn write(&mut self, line: &Line) -> std::io::Result<()> {
        serde_json::to_writer(&mut self.file, line)?;
        self.file.write_all(b"\n")?;
        if self.flushed.elapsed() >= self.flush_every {
            self.file.flush()?;
            self.flushed = Instant::now();
        }
        Ok(())
    }
}

/// Reads what a process wrote, one value in JSON on each line. A last line that a killed process could not
/// finish is left out.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let reading = || format!("read the lines of {}", path.display());
    let mut reader = BufReader::new(File::open(path).doing(reading)?);
    let (mut lines, mut text) = (Vec::new(), String::new());
    while reader.read_line(&mut text).doing(reading)? > 0 && text.ends_with('\n') {
        lines.push(serde_json::from_str(&text).doing(reading)?);
        text.clear();
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use store_core::EnergyUnit;

    #[test]
    fn a_line_comes_back_as_it_was_and_a_torn_one_is_left_out() -> Result<()> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal.jsonl");
        let energy = Energy::new(-75.123_456_789_012_34, EnergyUnit::Hartree).expect("finite");
        let effects = vec![
            Effect::ResultRecorded {
                job: JobId::new(3),
                attempt: 2,
                convergence: Convergence::Converged,
                energy: Some(energy),
            },
            Effect::Archived { job: JobId::new(3), attempt: 2 },
        ];
        let line = Line {
            process: 7,
            thread: 4,
            sequence: 0,
            kind: Kind::Finish,
            begin: 1,
            end: 2,
            error: None,
            effects,
        };
        let journal = Journal::create(&path, Duration::ZERO)?;
        journal.append(line.clone());
        journal.append(line.clone());
        journal.finish()?;
        let mut file = File::options().append(true).open(&path).doing(|| "open".to_owned())?;
        file.write_all(b"{\"process\":7,").doing(|| "tear".to_owned())?;
        let read: Vec<Line> = read(&path)?;
        let expected = |sequence| Line { sequence, ..line.clone() };
        assert_eq!(read, [expected(1), expected(2)]);
        assert!(Journal::create(&path, Duration::ZERO).is_err(), "a journal is never written over");
        Ok(())
    }
}
