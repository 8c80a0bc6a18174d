//! The note: what the holder of the gate does, for those who wait in vain.
//!
//! It is kept in memory, where it costs a write nothing to speak of. Only what takes long comes into the
//! gate's file, where other processes find it: rare work at once, a long write by the checkpointer, which
//! looks once a second. Whoever holds the gate writes there, and blanks the note before it gives the gate
//! back. A killed process leaves its note behind: it names the process, with the start of that and of the
//! machine, so that it is nobody else's. One that was half written fails its checksum.

use std::cell::Cell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use store_core::{Occupation, OccupationKind, Worker};

use crate::worker::{started_at, this_worker};

/// The length of a note in the file.
const LENGTH: usize = 512;

/// How a note begins; the version of its form is part of it.
const BEGINNING: &str = "crystalstore turn 1 ";

/// The longest name of a source file that is told; of a longer one, its end.
const LONGEST_ORIGIN: usize = 160;

/// What is done in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    Opening,
    Upgrading { to: i32 },
    Writing { number: u64, origin: &'static Location<'static> },
    Committing { writes: u64 },
    WaitingForOutsiders,
    Maintaining(&'static str),
}

impl Doing {
    /// Whether it is rare enough to be told before it has taken long.
    const fn is_rare(self) -> bool {
        matches!(self, Self::Opening | Self::Upgrading { .. } | Self::Maintaining(_))
    }

    fn kind(self) -> OccupationKind {
        match self {
            Self::Opening => OccupationKind::Opening,
            Self::Upgrading { to } => OccupationKind::Upgrading { to },
            Self::Writing { number, origin } => {
                let file = origin.file();
                let cut = file.len().saturating_sub(LONGEST_ORIGIN);
                let end = (cut..file.len()).find_map(|at| file.get(at..)).unwrap_or_default();
                let origin = format!("{end}:{}", origin.line());
                OccupationKind::Writing { number, origin }
            }
            Self::Committing { writes } => OccupationKind::Committing { writes },
            Self::WaitingForOutsiders => OccupationKind::WaitingForOutsiders,
            Self::Maintaining(task) => OccupationKind::Maintaining { task: task.to_owned() },
        }
    }
}

/// What a process told of its turn.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) occupation: Occupation,
    /// The thread that has the turn.
    pub(crate) thread: Option<i32>,
}

/// What one gate of this process is used for.
#[derive(Debug)]
pub(crate) struct Note {
    file: Arc<File>,
    is_for_notes: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    now: Option<Now>,
    /// Whether something of this turn may be in the file.
    is_told: bool,
}

#[derive(Debug, Clone, Copy)]
struct Now {
    doing: Doing,
    since: Instant,
    thread: i32,
}

impl Note {
    /// A note in the file that is locked; none is written where that has something else in it.
    pub(crate) fn beside_a_lock_on(file: Arc<File>) -> Self {
        let is_for_notes = is_for_notes(&file).unwrap_or(false);
        Self { file, is_for_notes, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn is had, or goes on with something else.
    pub(crate) fn begin(&self, doing: Doing) {
        let mut state = self.lock();
        if state.now.is_some_and(|now| now.doing == doing) {
            return;
        }
        let now = Now { doing, since: Instant::now(), thread: this_thread() };
        state.now = Some(now);
        // What is told has to stay true.
        if doing.is_rare() || state.is_told {
            self.tell(&mut state, now);
        }
    }

    /// The turn is about to be given back.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.now = None;
        if state.is_told {
            // Where it cannot be blanked now, the next turn tries again.
            state.is_told = self.file.write_all_at(&[b' '; LENGTH], 0).is_err();
        }
    }

    /// Tells what is done in the turn, if there is one and it takes long.
    pub(crate) fn tell_if_older_than(&self, age: Duration) {
        let mut state = self.lock();
        if let Some(now) = state.now.filter(|now| !state.is_told && now.since.elapsed() >= age) {
            self.tell(&mut state, now);
        }
    }

    fn tell(&self, state: &mut State, now: Now) {
        let Some(record) = Record::of(now).write().filter(|_| self.is_for_notes) else { return };
        state.is_told = true;
        if let Err(error) = self.file.write_all_at(&record, 0) {
            // It is for others to read; the work goes on.
            tracing::debug!(%error, "could not tell what is done in this turn");
        }
    }

    /// What the process `pid` does in its turn, if it told.
    pub(crate) fn of(&self, pid: u32) -> Option<Told> {
        let own = self.lock().now.filter(|_| pid == std::process::id());
        let told = |now| Some(Record::of(now).told());
        own.map_or_else(|| Record::read(&self.file)?.told_by(pid), told)
    }
}

/// Whether a file has no note yet, or one of ours.
fn is_for_notes(file: &File) -> std::io::Result<bool> {
    let mut found = [0; LENGTH + 1];
    let length = file.read_at(&mut found, 0)?;
    let is_blank = found[..length].iter().all(|byte| *byte == b' ');
    Ok(length <= LENGTH && (is_blank || found.starts_with(BEGINNING.as_bytes())))
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    boot_id: Option<String>,
    pid: u32,
    pid_started_at: Option<i64>,
    thread: i32,
    /// Nanoseconds of the clock that all processes of the machine share, which nobody sets.
    since: i64,
    kind: OccupationKind,
}

impl Record {
    fn of(now: Now) -> Self {
        let lasted = i64::try_from(now.since.elapsed().as_nanos()).unwrap_or(i64::MAX);
        let this = this();
        Self {
            boot_id: this.boot_id.clone(),
            pid: this.process.pid,
            pid_started_at: this.pid_started_at,
            thread: now.thread,
            since: monotonic().saturating_sub(lasted),
            kind: now.doing.kind(),
        }
    }

    /// As it is in the file; nothing where it has no room.
    fn write(&self) -> Option<[u8; LENGTH]> {
        let text = serde_json::to_string(self).ok()?;
        let line = format!("{BEGINNING}{:016x} {text}", checksum(text.as_bytes()));
        let mut record = [b' '; LENGTH];
        record.get_mut(..line.len())?.copy_from_slice(line.as_bytes());
        Some(record)
    }

    fn read(file: &File) -> Option<Self> {
        let mut record = [0; LENGTH];
        file.read_exact_at(&mut record, 0).ok()?;
        let text = std::str::from_utf8(&record).ok()?.strip_prefix(BEGINNING)?;
        let (found, text) = text.trim_end().split_once(' ')?;
        let is_whole = found == format!("{:016x}", checksum(text.as_bytes()));
        is_whole.then(|| serde_json::from_str(text).ok())?
    }

    /// Nothing where another process wrote it: one that ended, or one of another space of process ids.
    fn told_by(self, pid: u32) -> Option<Told> {
        let is_of_this_boot = self.boot_id.is_some() && self.boot_id == this().boot_id;
        let is_alive = self.pid_started_at.is_some() && self.pid_started_at == started_at(pid);
        (self.pid == pid && is_of_this_boot && is_alive).then(|| self.told())
    }

    fn told(self) -> Told {
        let lasted = monotonic().saturating_sub(self.since);
        let lasted = u64::try_from(lasted).ok().map(Duration::from_nanos);
        Told { occupation: Occupation::new(self.kind, lasted), thread: Some(self.thread) }
    }
}

/// FNV-1a, against halves of two notes.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn monotonic() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
}

fn this() -> &'static Worker {
    static THIS: OnceLock<Worker> = OnceLock::new();
    THIS.get_or_init(|| this_worker(""))
}

/// The system's number of this thread, which it is asked for once.
fn this_thread() -> i32 {
    thread_local! {
        static THIS: Cell<Option<i32>> = const { Cell::new(None) };
    }
    let id = || rustix::thread::gettid().as_raw_nonzero().get();
    THIS.with(|this| {
        let found = this.get().unwrap_or_else(id);
        this.set(Some(found));
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    const LONG: Duration = Duration::ZERO;

    fn note() -> io::Result<Note> {
        Ok(Note::beside_a_lock_on(Arc::new(tempfile::tempfile()?)))
    }

    fn writing() -> Doing {
        Doing::Writing { number: 1, origin: Location::caller() }
    }

    /// What another process would read of this one.
    fn told(note: &Note) -> Option<OccupationKind> {
        let told = Record::read(&note.file)?.told_by(std::process::id())?;
        Some(told.occupation.kind)
    }

    #[test]
    fn a_short_write_leaves_the_file_alone_and_a_long_one_is_told_until_it_ends() -> io::Result<()>
    {
        let note = note()?;
        note.begin(writing());
        note.tell_if_older_than(Duration::MAX);
        note.end();
        assert_eq!(note.file.metadata()?.len(), 0, "a short write was written down");

        note.tell_if_older_than(LONG);
        assert_eq!(told(&note), None, "nothing is done");
        note.begin(writing());
        note.tell_if_older_than(LONG);
        assert!(matches!(told(&note), Some(OccupationKind::Writing { number: 1, origin })
            if origin.starts_with(file!())));
        // What is told stays true, also where what follows is short.
        note.begin(Doing::Committing { writes: 1 });
        assert_eq!(told(&note), Some(OccupationKind::Committing { writes: 1 }));
        note.end();
        assert_eq!(told(&note), None, "it stayed after the turn");
        assert!(is_for_notes(&note.file)?);
        Ok(())
    }

    #[test]
    fn rare_work_is_told_at_once_and_going_on_with_it_is_no_new_beginning() -> io::Result<()> {
        let note = note()?;
        note.begin(Doing::Opening);
        assert_eq!(told(&note), Some(OccupationKind::Opening));
        note.begin(Doing::Upgrading { to: 7 });
        let since = || Record::read(&note.file).map(|record| record.since);
        let begun = since();
        note.begin(Doing::Upgrading { to: 7 });
        assert_eq!(told(&note), Some(OccupationKind::Upgrading { to: 7 }));
        assert_eq!(since(), begun);
        note.end();
        assert_eq!(told(&note), None);
        Ok(())
    }

    #[test]
    fn a_note_that_another_process_left_is_nobodys() -> io::Result<()> {
        let note = note()?;
        note.begin(Doing::Opening);
        let changed = |change: fn(&mut Record)| {
            let mut record = Record::read(&note.file).expect("written");
            change(&mut record);
            record.told_by(std::process::id())
        };
        assert!(changed(|_| ()).is_some());
        assert!(changed(|record| record.pid += 1).is_none());
        assert!(changed(|record| record.boot_id = Some("another".to_owned())).is_none());
        assert!(changed(|record| record.boot_id = None).is_none());
        // Another process had the id before.
        assert!(changed(|record| *record.pid_started_at.as_mut().expect("told") -= 1).is_none());
        assert!(changed(|record| record.pid_started_at = None).is_none());
        Ok(())
    }

    #[test]
    fn a_note_that_is_half_written_is_none() -> io::Result<()> {
        let note = note()?;
        note.begin(Doing::Maintaining("emptying the write-ahead log"));
        let mut first = [0; LENGTH];
        note.file.read_exact_at(&mut first, 0)?;
        note.begin(Doing::Maintaining("bringing SQLite's statistics up to date"));
        let mut second = [0; LENGTH];
        note.file.read_exact_at(&mut second, 0)?;
        let mut told_apart = 0;
        for torn in 0..=LENGTH {
            note.file.write_all_at(&first, 0)?;
            note.file.write_all_at(&second[..torn], 0)?;
            let mut found = [0; LENGTH];
            note.file.read_exact_at(&mut found, 0)?;
            let is_whole = found == first || found == second;
            assert_eq!(told(&note).is_some(), is_whole, "torn after {torn} bytes");
            told_apart += usize::from(!is_whole);
        }
        assert!(told_apart > 0);
        Ok(())
    }

    #[test]
    fn nothing_is_written_over_what_is_no_note() -> io::Result<()> {
        let file = tempfile::tempfile()?;
        assert!(is_for_notes(&file)?);
        file.write_all_at(b"somebody's notes", 0)?;
        assert!(!is_for_notes(&file)?);
        file.write_all_at(&[b' '; LENGTH + 1], 0)?;
        assert!(!is_for_notes(&file)?);
        Ok(())
    }

    #[test]
    fn the_longest_note_has_room() {
        let kind = OccupationKind::Writing {
            number: u64::MAX,
            origin: format!("{}:{}", "x".repeat(LONGEST_ORIGIN), u32::MAX),
        };
        let now = Now { doing: Doing::Opening, since: Instant::now(), thread: i32::MAX };
        assert!(Record { kind, ..Record::of(now) }.write().is_some());
    }
}
