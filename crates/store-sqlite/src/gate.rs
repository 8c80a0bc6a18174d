//! The gate: a lock file beside the database that makes the writers of several processes take turns.
//!
//! SQLite's own busy handler polls, so some writers starve for seconds while others go again and again.
//! The gate is two kernel locks (flock) on files of their own. Who waits holds the *queue* lock while it
//! waits for the *gate* lock, so that whoever has left the gate after a round of some milliseconds finds
//! the queue taken and cannot go round again before the one who waited. The kernel frees both when a
//! process dies.

mod keeper;

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, futimens};
use store_core::{Error, Holder, Occupation, OccupationKind};

use self::keeper::Keeper;
use crate::error::OpenError;
use crate::holder::{LockedBy, describe, flock_of};
use crate::location::{FileIdentity, Location};
use crate::note::{Doing, Note, Told};

/// For how long a waiter looks by itself before it leaves the waiting to a thread that sleeps in the
/// kernel. Turns are shorter than this; waking two threads for each would cost more than the looking.
const LOOKS: Duration = Duration::from_millis(10);

/// How long it sleeps between two looks; the kernel makes some 50 microseconds more of it.
const PAUSE: Duration = Duration::from_micros(200);

/// For how long a store that has come to its turn may go round again before those who wait. A turn that
/// ended with each commit would cost every write a switch from process to process.
const ROUND: Duration = Duration::from_millis(2);

/// The gate of one store in this process.
#[derive(Debug)]
pub(crate) struct Gate {
    locks: Arc<Locks>,
    note: Arc<Note>,
    keeper: Arc<Keeper>,
    /// When it last came to its turn by waiting for it.
    came: Mutex<Option<Instant>>,
    round: Duration,
}

/// Why a turn was not given.
#[derive(Debug)]
pub(crate) enum GateError {
    /// Someone else had it for longer than the deadline.
    Waited {
        /// How long.
        waited: Duration,
        /// Who, if the kernel tells.
        holder: Option<Box<Holder>>,
    },
    /// The lock itself failed.
    Io(io::Error),
}

impl From<GateError> for Error {
    fn from(refused: GateError) -> Self {
        match refused {
            GateError::Waited { waited, holder } => Self::Contended { waited, holder },
            GateError::Io(error) => Self::Storage(error.into()),
        }
    }
}

/// A turn; given back when dropped.
#[derive(Debug)]
pub(crate) struct Turn<'g> {
    locks: &'g Locks,
    note: &'g Note,
}

impl Turn<'_> {
    /// Says that something else is done in it from here on.
    pub(crate) fn goes_on_with(&self, doing: Doing) {
        self.note.begin(doing);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.note.end();
        // It fails only for a descriptor that is no longer open, and then the kernel has freed the lock.
        let _freed = self.locks.gate.unlock();
    }
}

#[derive(Debug)]
struct Locks {
    gate: Arc<File>,
    queue: File,
    /// Of the gate and of its queue.
    inodes: [u64; 2],
}

impl Locks {
    /// Takes the gate if nobody has it or waits for it.
    fn take_both(&self) -> io::Result<bool> {
        if !locked(self.queue.try_lock())? {
            return Ok(false);
        }
        let taken = locked(self.gate.try_lock());
        self.queue.unlock()?;
        taken
    }

    /// Looks for the gate for a while, from its place in the queue once it has one. A place that it
    /// got it keeps, for the thread that waits on, unless the locks fail.
    fn look_for_both(&self, deadline: Instant) -> io::Result<bool> {
        let until = deadline.min(Instant::now() + LOOKS);
        let mut queued = false;
        loop {
            queued = queued || locked(self.queue.try_lock())?;
            if queued && self.leaving_the_queue_if(|| locked(self.gate.try_lock()))? {
                return Ok(true);
            }
            if Instant::now() >= until {
                return Ok(false);
            }
            thread::sleep(PAUSE);
        }
    }

    /// Waits for the gate in the queue, in the kernel, for as long as it takes.
    fn wait_for_both(&self) -> io::Result<()> {
        uninterrupted(|| self.queue.lock())?;
        self.leaving_the_queue_if(|| uninterrupted(|| self.gate.lock()).map(|()| true)).map(drop)
    }

    /// Gives the place in the queue back if the gate was taken, and if that failed.
    fn leaving_the_queue_if(&self, taken: impl FnOnce() -> io::Result<bool>) -> io::Result<bool> {
        let taken = taken();
        if !matches!(taken, Ok(false)) {
            self.queue.unlock()?;
        }
        taken
    }

    /// Gives the place in the queue back, of one who waits no longer.
    fn leave_the_queue(&self) {
        let _freed = self.queue.unlock();
    }
}

/// Goes on waiting when a signal came between.
fn uninterrupted(wait: impl Fn() -> io::Result<()>) -> io::Result<()> {
    loop {
        match wait() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

fn locked(outcome: Result<(), TryLockError>) -> io::Result<bool> {
    match outcome {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl Gate {
    /// Opens the gate of the store, and makes its files if they are not there.
    pub(crate) fn open(location: &Location) -> Result<Self, OpenError> {
        let open = |ending: &str| {
            let path = location.beside(ending);
            let opened = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
                .open(&path);
            opened
                .and_then(|file| Ok((file, FileIdentity::of(&path)?.inode())))
                .map_err(|source| OpenError::Access { path, source })
        };
        let ((gate, gate_inode), (queue, queue_inode)) = (open("-gate")?, open("-gate-queue")?);
        let gate = Arc::new(gate);
        let note = Arc::new(Note::beside_a_lock_on(Arc::clone(&gate)));
        let locks = Arc::new(Locks { gate, queue, inodes: [gate_inode, queue_inode] });
        Ok(Self { locks, note, keeper: Arc::default(), came: Mutex::default(), round: ROUND })
    }

    /// Waits for a turn until `deadline`, to do something in it. One thread of a store at a time asks.
    pub(crate) fn enter(&self, deadline: Instant, doing: Doing) -> Result<Turn<'_>, GateError> {
        self.lock(deadline)?;
        self.note.begin(doing);
        Ok(Turn { locks: &self.locks, note: &self.note })
    }

    /// What is done in the turns of this gate.
    pub(crate) fn note(&self) -> Arc<Note> {
        Arc::clone(&self.note)
    }

    /// Who has the turn now, and what it does. Where nobody has it, the next in the queue: who stands still
    /// there holds everybody up as well.
    pub(crate) fn holder(&self) -> Option<Box<Holder>> {
        let [gate, queue] = self.locks.inodes;
        match flock_of(gate) {
            LockedBy::Process(pid) => return Some(describe(pid, self.note.of(pid))),
            LockedBy::Unknown => return None,
            LockedBy::Nobody => {}
        }
        // Its place may also be this process's.
        let LockedBy::Process(pid) = flock_of(queue) else { return None };
        if pid == std::process::id() {
            return None;
        }
        let occupation = Occupation::new(OccupationKind::WaitingForTurn, None);
        Some(describe(pid, Some(Told { occupation, thread: None })))
    }

    /// Tells the checkpointers of all processes that readers were in the way of a drain: by the time of the
    /// queue's file. Where that cannot be set, each knows of its own drains alone.
    pub(crate) fn tell_of_a_vain_drain(&self) {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let now = Timestamps { last_access: now, last_modification: now };
        let _told = futimens(&self.locks.queue, &now);
    }

    /// How long ago readers were in the way of a drain, of whatever process.
    pub(crate) fn last_vain_drain(&self) -> Option<Duration> {
        let modified = self.locks.queue.metadata().and_then(|file| file.modified());
        // A clock that was set back says nothing.
        modified.ok()?.elapsed().ok()
    }

    /// Has the kernel write to the disk what it still keeps of the files beside the gate, the database among them,
    /// where it can be asked to. No descriptor of the database is there to ask by: closing one drops SQLite's locks.
    pub(crate) fn sync_what_is_beside(&self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _synced = rustix::fs::syncfs(&*self.locks.gate);
    }

    fn lock(&self, deadline: Instant) -> Result<(), GateError> {
        let begun = Instant::now();
        let mut came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        let is_still_its_turn = came.is_some_and(|came| begun.duration_since(came) < self.round);
        if is_still_its_turn && locked(self.locks.gate.try_lock()).map_err(GateError::Io)? {
            return Ok(());
        }
        self.wait(begun, deadline)?;
        *came = Some(Instant::now());
        Ok(())
    }

    fn wait(&self, begun: Instant, deadline: Instant) -> Result<(), GateError> {
        if !self.keeper.is_waiting() && self.locks.take_both().map_err(GateError::Io)? {
            return Ok(());
        }
        let _span = tracing::trace_span!("wait_for_gate").entered();
        self.wait_in_turn(begun, deadline)?;
        tracing::debug!(waited = ?begun.elapsed(), "waited for the gate");
        Ok(())
    }

    fn wait_in_turn(&self, begun: Instant, deadline: Instant) -> Result<(), GateError> {
        if !self.keeper.is_waiting() && self.locks.look_for_both(deadline).map_err(GateError::Io)? {
            return Ok(());
        }
        if !self.keeper.is_waiting() && Instant::now() >= deadline {
            self.locks.leave_the_queue();
            return Err(self.waited(begun));
        }
        match Keeper::wait(&self.keeper, &self.locks, deadline) {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => {
                self.locks.leave_the_queue();
                Err(GateError::Io(error))
            }
            None => Err(self.waited(begun)),
        }
    }

    fn waited(&self, begun: Instant) -> GateError {
        GateError::Waited { waited: begun.elapsed(), holder: self.holder() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn gate(directory: &Path) -> Gate {
        let location = Location::resolve(&directory.join("project.db"), false).expect("local");
        Gate::open(&location).expect("a writable directory")
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(50)
    }

    #[test]
    fn one_turn_at_a_time_and_the_holder_is_named() -> io::Result<()> {
        let scratch = tempfile::tempdir()?;
        let (one, other) = (gate(scratch.path()), gate(scratch.path()));
        let turn = one.enter(soon(), Doing::Opening).expect("free");
        match other.enter(soon(), Doing::Opening) {
            Err(GateError::Waited { waited, holder }) => {
                assert!(waited >= Duration::from_millis(50));
                assert_eq!(holder.expect("listed").pid, std::process::id());
            }
            other => panic!("{other:?}"),
        }
        drop(turn);
        // The thread that was left waiting must not take the turn from one who wants it now.
        for _ in 0..100 {
            let turn = other.enter(soon(), Doing::Opening).expect("free");
            assert!(one.enter(Instant::now(), Doing::Opening).is_err(), "the turn was lost");
            drop(turn);
            drop(one.enter(soon(), Doing::Opening).expect("free again"));
        }
        Ok(())
    }

    #[test]
    fn a_drain_in_vain_is_known_to_all_who_have_the_gate() -> io::Result<()> {
        let hour = Duration::from_secs(3_600);
        let scratch = tempfile::tempdir()?;
        let (one, other) = (gate(scratch.path()), gate(scratch.path()));
        let now = one.locks.queue.metadata()?.modified()?;
        one.locks.queue.set_modified(now - hour)?;
        assert!(other.last_vain_drain().is_some_and(|ago| ago >= hour));
        one.tell_of_a_vain_drain();
        assert!(other.last_vain_drain().is_some_and(|ago| ago < hour));
        one.locks.queue.set_modified(now + hour)?;
        assert_eq!(other.last_vain_drain(), None, "the clock was set back");
        Ok(())
    }

    #[test]
    fn a_round_is_gone_again_for_a_while_and_no_longer() -> io::Result<()> {
        let scratch = tempfile::tempdir()?;
        let (mut one, other) = (gate(scratch.path()), gate(scratch.path()));
        drop(one.enter(soon(), Doing::Opening).expect("free"));
        assert!(locked(other.locks.queue.try_lock())?, "another one waits");
        one.round = Duration::MAX;
        drop(one.enter(Instant::now(), Doing::Opening).expect("its round is not over"));
        one.round = Duration::ZERO;
        assert!(
            one.enter(Instant::now(), Doing::Opening).is_err(),
            "it went round before the one who waits"
        );
        Ok(())
    }

    #[test]
    fn a_waiter_gets_the_turn_before_the_one_whose_round_is_over() -> io::Result<()> {
        let scratch = tempfile::tempdir()?;
        let mut greedy = gate(scratch.path());
        greedy.round = Duration::ZERO;
        let turn = greedy.enter(soon(), Doing::Opening).expect("free");
        let patient = Arc::new(gate(scratch.path()));
        let (waiting, had_it) = (Arc::clone(&patient), Arc::new(AtomicBool::new(false)));
        let has_it = Arc::clone(&had_it);
        let waiter = thread::spawn(move || {
            let turn = waiting
                .enter(Instant::now() + Duration::from_secs(10), Doing::Opening)
                .expect("a turn");
            has_it.store(true, Ordering::SeqCst);
            drop(turn);
        });
        // Once it waits in the kernel it holds the queue.
        while !patient.keeper.is_waiting() || locked(greedy.locks.queue.try_lock())? {
            greedy.locks.queue.unlock()?;
            thread::yield_now();
        }
        drop(turn);
        let turn =
            greedy.enter(Instant::now() + Duration::from_secs(10), Doing::Opening).expect("a turn");
        assert!(had_it.load(Ordering::SeqCst), "it came back before the one who waited");
        waiter.join().expect("it had its turn first");
        drop(turn);
        Ok(())
    }
}
