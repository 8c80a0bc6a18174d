//! Who holds a lock of the gate, as far as the kernel tells.

use store_core::Holder;

/// The process that holds the flock on this inode, as the kernel lists it (proc(5), /proc/locks). Inode
/// numbers repeat between file systems, but the gate's locks are rare enough to be told apart so.
#[cfg(target_os = "linux")]
pub(crate) fn holder_of(inode: u64) -> Option<Holder> {
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let ending = format!(":{inode}");
    let pid = locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        // "1: FLOCK ADVISORY WRITE 1234 fe:00:56789 0 EOF"; a waiter has "->" after its number.
        let held = words.get(1) == Some(&"FLOCK") && words.get(5)?.ends_with(&ending);
        held.then(|| words.get(4)?.parse().ok())?
    })?;
    // A process of another namespace is listed as 0.
    if pid == 0 {
        return None;
    }
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // "1234 (name) T …": the name may hold anything, also a parenthesis.
    let (program, state) = match (stat.find('('), stat.rfind(')')) {
        (Some(open), Some(close)) if open < close => {
            (Some(stat[open + 1..close].to_owned()), stat[close + 1..].trim_start().chars().next())
        }
        _ => (None, None),
    };
    Some(Holder { pid, program, stopped: matches!(state, Some('T' | 't')) })
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn holder_of(_inode: u64) -> Option<Holder> {
    None
}
