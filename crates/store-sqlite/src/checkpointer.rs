//! The checkpointer: a thread of the store that brings the write-ahead log into the database, so that
//! no caller's commit has to.
//!
//! Every so many pages it makes a pass that disturbs nobody (`wal_checkpoint(PASSIVE)`). A pass does not
//! make the log shorter: SQLite begins it anew when a commit finds everything in the database and no
//! reader in the log, which never happens while a writer goes on. So the checkpointer then takes a turn at
//! the gate, and brings the little that was written meanwhile into the database while nobody writes. If
//! the log has still grown to half of its limit, because readers overlap, it waits in such a turn for a
//! moment until those who need the log are gone (`TRUNCATE`); who comes later does not need it. In such turns
//! writers wait for what is copied, so none is taken while much is left.

mod notices;

pub(crate) use self::notices::{Notices, log_pages_after_commit, note_log_pages};

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::error::{Meaning, OpenError};
use crate::gate::{Gate, GateError, Turn};
use crate::location::Location;
use crate::maintenance::checkpoint::{self, CheckpointReport, LONGEST_CUT, LONGEST_DRAIN, Mode};
use crate::note::{Doing, Note};
use crate::options::{Durability, Options};
use crate::sight::Sight;

/// How often it looks for snapshots that are held too long.
const ROUND: Duration = Duration::from_secs(1);

/// After how long it writes down, in the place of a writer, what that writer does in its turn.
const LONG_WORK: Duration = Duration::from_millis(500);

/// How long the checkpointers of all processes leave everybody alone after readers were in the way of one. Each
/// time that they still are, it is twice as long, until the longest: a drain in vain makes all writers wait
/// for nothing. In the last quarter of the log's limit it is no longer than a drain, so that writers wait
/// for half of the time at the most, and for one drain.
const REST: Duration = Duration::from_millis(10);
const LONGEST_REST: Duration = Duration::from_millis(800);

/// How often a drain looks whether the readers are gone.
const LOOK: Duration = Duration::from_millis(1);

/// After how many passes over a log that grows one ends in a turn at the gate, where commits do not wait
/// for the disk. In such a turn writers wait for two syncs. Where each commit is a sync, every pass that came to
/// its end does so: there a log that grows costs more. One that did not has a reader in the way, and the log is
/// not begun anew whatever is done.
const PASSES_OF_A_LOG: u32 = 4;

/// The thread, ended when dropped.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    sight: Arc<Sight>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub(crate) fn start(
        connection: Connection,
        gate: Gate,
        turns: Arc<Note>,
        location: &Location,
        options: &Options,
        sight: Arc<Sight>,
    ) -> Result<Self, OpenError> {
        let page: i64 = connection
            .query_one("PRAGMA page_size", [], |row| row.get(0))
            .meaning()
            .map_err(|source| OpenError::at(&options.path, "reading its page size", source))?;
        let work = Work {
            logged_page: page.unsigned_abs() + 24,
            connection,
            gate,
            turns,
            sight: Arc::clone(&sight),
            limit_bytes: options.wal_limit_bytes,
            finished_from: match options.durability {
                Durability::Full => 0,
                Durability::Normal => options.checkpoint_pages.saturating_mul(PASSES_OF_A_LOG),
            },
            slow_snapshot: options.slow_snapshot,
            last_vain_drain: None,
            rest: REST,
            is_overdue: false,
            log: location.beside("-wal"),
            seen_idle: None,
            failed: RefCell::default(),
        };
        let spawned = thread::Builder::new()
            .name("crystalstore-checkpointer".to_owned())
            .spawn(move || work.run_to_the_end());
        let thread =
            spawned.map_err(|source| OpenError::Access { path: options.path.clone(), source })?;
        Ok(Self { sight, thread: Some(thread) })
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.sight.notices.end();
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

struct Work {
    connection: Connection,
    gate: Gate,
    /// What the writers of the store do in their turns.
    turns: Arc<Note>,
    sight: Arc<Sight>,
    /// Bytes of a page in the log: the page and what the log says of it
    /// (<https://sqlite.org/fileformat2.html#wal_file_format>).
    logged_page: u64,
    limit_bytes: u64,
    /// From how many pages of the log on a pass ends in a turn at the gate.
    finished_from: u32,
    slow_snapshot: Duration,
    /// Of its own, where the gate cannot tell.
    last_vain_drain: Option<Instant>,
    /// How long the next drain leaves everybody alone after one in vain, of whatever process.
    rest: Duration,
    /// Whether the last pass left a log that is to be drained. Nobody may write any more who would make another
    /// one due.
    is_overdue: bool,
    /// Its file.
    log: PathBuf,
    /// The pages of a log whose file is too long, when a round had passed without a pass that was due.
    seen_idle: Option<u32>,
    /// When a pass last ended in an error, and in which; nothing once one has not.
    failed: RefCell<Option<(Instant, String)>>,
}

impl Work {
    /// A program's own subscriber to what is told may panic: the log is not to grow for ever because of that.
    fn run_to_the_end(mut self) {
        while catch_unwind(AssertUnwindSafe(|| self.run())).is_err() {}
    }

    fn run(&mut self) {
        while let Some(due) = self.sight.notices.next() {
            self.turns.tell_if_older_than(LONG_WORK);
            if due || self.is_overdue {
                self.pass();
            }
            if due {
                self.seen_idle = None;
            } else {
                self.cut_if_idle();
            }
            self.sight.tell_of_snapshots_older_than(self.slow_snapshot);
        }
    }

    fn pass(&mut self) {
        if self.failed.borrow().as_ref().is_some_and(|(at, _)| at.elapsed() < ROUND) {
            self.is_overdue = true;
            return;
        }
        let Some(report) = self.checkpoint(Mode::Passive) else { return };
        if !report.complete && report.log_pages == 0 {
            // Another process makes a pass at this moment.
            return;
        }
        self.sight.counters.checkpointed(report);
        self.sight.notices.passed_to(report.log_pages);
        let quarters = self.bytes(report) / (self.limit_bytes / 4).max(1);
        let rest = if quarters >= 3 { self.rest.min(LONGEST_DRAIN) } else { self.rest };
        self.is_overdue = self.is_large(report);
        if self.is_overdue && report.has_little_left() && self.has_rested(rest) {
            if self.bytes(report) > self.limit_bytes {
                // Passes beside writers leave the database unsynced: the last one, for which writers wait, would sync
                // all that they have copied.
                self.gate.sync_what_is_beside();
            }
            self.is_overdue = !self.drain(rest);
        } else if report.complete && report.log_pages >= self.finished_from {
            self.finish();
        }
    }

    fn bytes(&self, report: CheckpointReport) -> u64 {
        u64::from(report.log_pages) * self.logged_page
    }

    /// Whether a log is to be drained.
    fn is_large(&self, report: CheckpointReport) -> bool {
        self.bytes(report) > self.limit_bytes / 2
    }

    /// Brings the little that was written during the pass into the database while nobody writes, so that
    /// the next commit begins the log anew: in a log that grows, each sync has to make the file longer.
    fn finish(&self) {
        // A writer that has the turn for longer will make another pass due.
        let Ok(turn) = self.turn(LONGEST_DRAIN, "bringing the end of the log into the database")
        else {
            return;
        };
        let finished = self.has_little_left().then(|| self.checkpoint(Mode::Passive)).flatten();
        drop(turn);
        if finished.is_some_and(|report| report.complete) {
            self.sight.counters.finished();
        }
        if let Some(report) = finished.filter(|report| report.log_pages > 0) {
            self.sight.notices.passed_to(report.log_pages);
        }
    }

    /// The length of the log's file, whatever of it is in use.
    fn file_bytes(&self) -> u64 {
        std::fs::metadata(&self.log).map_or(0, |file| file.len())
    }

    /// Cuts a file that is too long once nobody has written for a round, after what it has was copied. Who writes just
    /// then waits for it, so the longest are left.
    fn cut_if_idle(&mut self) {
        let look = || self.checkpoint(Mode::Look);
        let bytes = self.file_bytes();
        let Some(report) = (bytes > self.limit_bytes).then(look).flatten() else {
            self.seen_idle = None;
            return;
        };
        let is_idle = self.seen_idle.replace(report.log_pages) == Some(report.log_pages);
        if !is_idle {
            return;
        }
        if !report.has_little_left() {
            // Of a process that is gone, or from before a reader left; nobody makes a pass due.
            return self.pass();
        }
        if bytes > LONGEST_CUT {
            return;
        }
        let Ok(_turn) = self.turn(LONGEST_DRAIN, "cutting the write-ahead log") else { return };
        if self.checkpoint(Mode::Truncate(Duration::ZERO)).is_some_and(|report| report.complete) {
            self.sight.notices.passed_to(0);
            #[cfg(feature = "metrics")]
            self.show_the_log();
        }
    }

    /// Whether there is little to copy now: a pass does not count what was written while it went on.
    fn has_little_left(&self) -> bool {
        self.checkpoint(Mode::Look).is_some_and(CheckpointReport::has_little_left)
    }

    fn turn(&self, patience: Duration, task: &'static str) -> Result<Turn<'_>, GateError> {
        self.gate.enter(Instant::now() + patience, Doing::Maintaining(task))
    }

    /// Waiting for the turn is in nobody's way, and a log that is not emptied grows meanwhile. Who has it for
    /// long is told all the same.
    fn turn_in_a_round(&self, task: &'static str) -> Result<Turn<'_>, GateError> {
        let until = Instant::now() + ROUND;
        loop {
            match self.turn(LONG_WORK, task) {
                Err(GateError::Waited { .. }) if Instant::now() < until => {
                    self.turns.tell_if_older_than(LONG_WORK);
                }
                outcome => return outcome,
            }
        }
    }

    /// Whether it is so long since readers were in the way of a drain, whoever drained.
    fn has_rested(&self, rest: Duration) -> bool {
        let own = self.last_vain_drain.map(|last| last.elapsed());
        [own, self.gate.last_vain_drain()].into_iter().flatten().all(|ago| ago >= rest)
    }

    /// Empties the log, unless readers stay; says whether it is small now.
    fn drain(&mut self, rest: Duration) -> bool {
        let Ok(turn) = self.turn_in_a_round("emptying the write-ahead log") else { return false };
        // Others may have waited for their drains as well, and writers behind all of them.
        if !self.has_rested(rest) || !self.has_little_left() {
            return false;
        }
        let until = Instant::now() + LONGEST_DRAIN;
        // SQLite's own waiting looks rarely; and who comes after a finished pass is in nobody's way.
        let mut readers_are_there = false;
        let complete = loop {
            let passed = self.checkpoint(Mode::Passive);
            if let Some(report) =
                passed.filter(|report| report.log_pages > 0 && !self.is_large(*report))
            {
                // Another process has emptied it meanwhile.
                drop(turn);
                self.sight.notices.passed_to(report.log_pages);
                self.rest = REST;
                return true;
            }
            // Else another process makes a pass at this moment.
            readers_are_there |= passed.is_some_and(|report| report.log_pages > 0);
            let is_done = |report: CheckpointReport| report.complete;
            // To cut a file of gigabytes takes a second.
            let mode = match self.file_bytes() > self.limit_bytes.min(LONGEST_CUT) {
                true => Mode::Restart,
                false => Mode::Truncate(Duration::ZERO),
            };
            let emptied = passed.is_some_and(is_done) && self.checkpoint(mode).is_some_and(is_done);
            if emptied || Instant::now() >= until {
                break emptied;
            }
            thread::sleep(LOOK);
        };
        if !complete && readers_are_there {
            self.gate.tell_of_a_vain_drain();
        }
        drop(turn);
        #[cfg(feature = "metrics")]
        self.show_the_log();
        if !complete && !readers_are_there {
            // Another process made passes all the time, and is about to drain itself.
            return false;
        }
        self.sight.counters.drained(complete);
        if complete {
            self.sight.notices.passed_to(0);
            self.rest = REST;
        } else {
            self.last_vain_drain = Some(Instant::now());
            self.rest = (2 * self.rest).min(LONGEST_REST);
        }
        tracing::debug!(complete, oldest = ?self.sight.snapshots.oldest(), "drained the log");
        complete
    }

    #[cfg(feature = "metrics")]
    fn show_the_log(&self) {
        crate::counters::gauges::log_bytes(self.file_bytes());
    }

    fn checkpoint(&self, mode: Mode) -> Option<CheckpointReport> {
        let _span = tracing::debug_span!("checkpoint", ?mode).entered();
        match checkpoint::run(&self.connection, mode) {
            Ok(report) => {
                let CheckpointReport { complete, log_pages, checkpointed_pages } = report;
                tracing::debug!(complete, log_pages, checkpointed_pages, "checkpointed");
                if !matches!(mode, Mode::Look) {
                    self.failed.take();
                }
                Some(report)
            }
            Err(error) => {
                // The log keeps everything; a pass of the next round tries again.
                self.sight.counters.checkpoint_failed();
                let told = error.to_string();
                let before = self.failed.replace(Some((Instant::now(), told.clone())));
                if before.is_none_or(|(_, before)| before != told) {
                    tracing::warn!(%error, "a checkpoint failed");
                }
                None
            }
        }
    }
}
