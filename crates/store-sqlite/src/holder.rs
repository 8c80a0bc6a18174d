//! Who holds a lock that a caller waited for in vain, as far as the system tells (proc(5)).

use std::fs;
use std::path::Path;

use store_core::{Holder, ProcessState};

use crate::location::FileIdentity;
use crate::note::Told;

/// The byte of the index of the log that a writer locks
/// (<https://sqlite.org/walformat.html#wal_locks>).
const WRITE_LOCK: &str = "120";

/// Who has a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockedBy {
    Nobody,
    Process(u32),
    /// A process of another pid namespace, or the system does not say.
    Unknown,
}

/// How often the system's list is read before nobody is said to have a lock. It is handed out page by page, some
/// sixty locks each, and passes one over where another was given back between two pages.
const READINGS: usize = 5;

/// Who holds the flock on this inode. Inode numbers repeat between file systems, but the gate's locks are
/// rare enough to be told apart so.
pub(crate) fn flock_of(inode: u64) -> LockedBy {
    listed("FLOCK", inode, None)
}

fn listed(kind: &str, inode: u64, byte: Option<&str>) -> LockedBy {
    for _ in 0..READINGS {
        let Ok(locks) = fs::read_to_string("/proc/locks") else { return LockedBy::Unknown };
        match lock_of(&locks, kind, inode, byte) {
            LockedBy::Nobody => {}
            found => return found,
        }
    }
    LockedBy::Nobody
}

/// The process that holds SQLite's lock for writing to the log of this database.
pub(crate) fn of_the_write_lock(database: &str) -> Option<Box<Holder>> {
    let index = FileIdentity::of(Path::new(&format!("{database}-shm"))).ok()?;
    match listed("POSIX", index.inode(), Some(WRITE_LOCK)) {
        LockedBy::Process(pid) => Some(describe(pid, None)),
        LockedBy::Nobody | LockedBy::Unknown => None,
    }
}

fn lock_of(locks: &str, kind: &str, inode: u64, byte: Option<&str>) -> LockedBy {
    let ending = format!(":{inode}");
    let pid = locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        // "1: FLOCK ADVISORY WRITE 1234 fe:00:56789 0 EOF"; a waiter has "->" after its number.
        let [_, found, _, _, pid, file, first, _] = words[..] else { return None };
        let held = found == kind && file.ends_with(&ending) && byte.is_none_or(|b| b == first);
        held.then_some(pid)
    });
    match pid.map(str::parse) {
        None => LockedBy::Nobody,
        // A process of another namespace is listed as 0.
        Some(Ok(0) | Err(_)) => LockedBy::Unknown,
        Some(Ok(pid)) => LockedBy::Process(pid),
    }
}

/// What is known of a process: by the system, and by what it told of its turn.
pub(crate) fn describe(pid: u32, told: Option<Told>) -> Box<Holder> {
    let mut holder = Box::new(Holder::new(pid));
    let process = format!("/proc/{pid}");
    let stat = fs::read_to_string(format!("{process}/stat")).ok();
    holder.program = stat.as_deref().and_then(name).map(str::to_owned);
    holder.state = match told.as_ref().and_then(|told| told.thread) {
        Some(thread) => state_of(&format!("{process}/task/{thread}/stat")),
        None => state_of_all(&format!("{process}/task")),
    };
    holder.occupation = told.map(|told| told.occupation);
    holder
}

fn state_of(stat: &str) -> Option<ProcessState> {
    state(&fs::read_to_string(stat).ok()?)
}

/// A thread that waits for its disk says more than one that runs, and that one more than one that sleeps.
fn state_of_all(tasks: &str) -> Option<ProcessState> {
    let threads = fs::read_dir(tasks).ok()?.flatten();
    let states: Vec<ProcessState> = threads
        .filter_map(|thread| state(&fs::read_to_string(thread.path().join("stat")).ok()?))
        .collect();
    let telling = [ProcessState::Stopped, ProcessState::WaitingForDisk, ProcessState::Running];
    telling.into_iter().find(|state| states.contains(state)).or(states.first().copied())
}

/// "1234 (name) T …": the name may hold anything, also a parenthesis.
fn name(stat: &str) -> Option<&str> {
    let (open, close) = (stat.find('(')?, stat.rfind(')')?);
    stat.get(open + 1..close)
}

fn state(stat: &str) -> Option<ProcessState> {
    match stat.get(stat.rfind(')')? + 1..)?.trim_start().chars().next()? {
        'R' => Some(ProcessState::Running),
        'S' => Some(ProcessState::Sleeping),
        'D' => Some(ProcessState::WaitingForDisk),
        'T' | 't' => Some(ProcessState::Stopped),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKS: &str = "\
1: POSIX  ADVISORY  READ  7 fe:00:12 128 128
2: POSIX  ADVISORY  WRITE 8 fe:00:12 120 120
3: FLOCK  ADVISORY  WRITE 9 fe:00:112 0 EOF
4: FLOCK  ADVISORY  WRITE 10 fe:00:12 0 EOF
4: -> FLOCK  ADVISORY  WRITE 11 fe:00:12 0 EOF
5: FLOCK  ADVISORY  WRITE 0 fe:00:13 0 EOF
";

    #[test]
    fn the_holder_is_told_from_waiters_other_locks_and_other_files() {
        use LockedBy::{Nobody, Process, Unknown};
        assert_eq!(lock_of(LOCKS, "FLOCK", 12, None), Process(10));
        assert_eq!(lock_of(LOCKS, "POSIX", 12, Some(WRITE_LOCK)), Process(8));
        assert_eq!(lock_of(LOCKS, "FLOCK", 2, None), Nobody);
        assert_eq!(lock_of(LOCKS, "FLOCK", 13, None), Unknown, "it is in another namespace");
        assert_eq!(lock_of("4: FLOCK ADVISORY", "FLOCK", 12, None), Nobody);
    }

    #[test]
    fn a_holder_is_found_among_many_whose_locks_come_and_go() -> std::io::Result<()> {
        use std::fs::File;
        use std::os::unix::fs::MetadataExt;
        use std::sync::atomic::{AtomicBool, Ordering};
        let scratch = tempfile::tempdir()?;
        let files = |name: &'static str, count| -> std::io::Result<Vec<File>> {
            let paths = (0..count).map(|number| scratch.path().join(format!("{name} {number}")));
            paths.map(File::create).collect()
        };
        let (held, others) = (files("held", 1)?, files("other", 300)?);
        held[0].lock()?;
        let inode = held[0].metadata()?.ino();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    others.iter().for_each(|other| other.lock().expect("nobody has it"));
                    others.iter().for_each(|other| other.unlock().expect("it was locked"));
                }
            });
            let found =
                (0..1_000).filter(|_| flock_of(inode) == LockedBy::Process(std::process::id()));
            let found = found.count();
            over.store(true, Ordering::Relaxed);
            assert_eq!(found, 1_000);
        });
        Ok(())
    }

    #[test]
    fn name_and_state_are_read_whatever_the_name_of_the_program() {
        let stat = "7 (a ) R (b) D 1 2 3";
        assert_eq!(
            (name(stat), state(stat)),
            (Some("a ) R (b"), Some(ProcessState::WaitingForDisk))
        );
        assert_eq!((name("7 (cut"), state("7 (cut")), (None, None));
        assert_eq!(state("7 (x) T"), Some(ProcessState::Stopped));
        assert_eq!(state("7 (x)"), None);
    }
}
