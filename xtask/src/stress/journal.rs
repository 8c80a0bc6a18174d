//! What was acknowledged: one line of JSON for each write, written after the store's Ok. What is to go for good
//! has a line before the call as well.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store_core::{ClusterId, JobId};

use super::effect::Effect;
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
    /// Written before the call and at once, so that it is known also of a process that was killed in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// What the call named and did not find.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<Missed>,
}

/// What a call is about to ask for whose effect nobody can look up once it was carried out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// That this job goes.
    Deletion(JobId),
    /// That jobs go that ended before this moment, as the event of each spells it.
    Pruning(String),
    /// That jobs go into this store, likewise.
    Moving(String),
}

/// What the store said is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// A job.
    Job(JobId),
    /// A cluster.
    Cluster(ClusterId),
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
        if line.asked.is_some() || self.flushed.elapsed() >= self.flush_every {
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
    use store_core::{Convergence, Energy, EnergyUnit};

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
            asked: Some(Asked::Deletion(JobId::new(3))),
            missed: Some(Missed::Job(JobId::new(3))),
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
