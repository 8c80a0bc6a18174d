//! Which process this is, whether another one of this machine is gone, and what becomes of its jobs.

use std::collections::BTreeMap;
use std::fs;
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use store_core::repo::{ClaimRead, ClaimWrite};
use store_core::{LeaseKey, Process, Recovered, Result, Worker};

use crate::store::SqliteStore;

/// This process, as events and leases name it.
pub fn this_process() -> &'static Process {
    static THIS: OnceLock<Process> = OnceLock::new();
    THIS.get_or_init(|| {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let host: String = name.chars().filter(|c| !c.is_control()).take(255).collect();
        let host = if host.trim().is_empty() { "localhost".to_owned() } else { host };
        Process { host, pid: std::process::id() }
    })
}

/// A worker that lives in this process, called `name`, with all that lets another process of this machine
/// see whether it is gone (Linux: proc(5), `/proc/sys/kernel/random/boot_id` and field 22 of
/// `/proc/[pid]/stat`).
pub fn this_worker(name: impl Into<String>) -> Worker {
    let process = this_process().clone();
    let pid_started_at = started_at(process.pid);
    Worker { name: name.into(), boot_id: boot_id(), pid_started_at, process }
}

/// Whether the process of a worker is known to be gone: it is of this host and this boot, and no process
/// with its id that started when it did is there. Of other hosts, boots and spaces of process ids and of
/// times (as containers have them) nothing is known here.
pub fn is_gone(worker: &Worker) -> bool {
    let is_of_this_boot = worker.boot_id.is_some() && worker.boot_id == boot_id();
    let is_of_this_host = worker.process.host == this_process().host;
    if !is_of_this_boot || !is_of_this_host || worker.pid_started_at.is_none() {
        return false;
    }
    match look_for(worker.process.pid) {
        Presence::Gone => true,
        Presence::Since(started_at) => Some(started_at) != worker.pid_started_at,
        Presence::Unknown => false,
    }
}

impl SqliteStore {
    /// Takes away the jobs of workers whose processes are known to be gone ([`is_gone`]), whether their
    /// leases have lapsed or not, and does with each what its policy says, as
    /// [`recover_lost`](ClaimWrite::recover_lost). So a restart after a crash waits for no lease of an
    /// hour. It writes only if there are any.
    ///
    /// A command that such a worker started may have outlived it: that is for the one who runs the job
    /// next to see.
    ///
    /// # Errors
    /// Those of reading and writing.
    pub fn recover_dead_workers(&self) -> Result<Vec<Recovered>> {
        let leases = self.leases()?;
        let mut looked_for: BTreeMap<&Worker, bool> = BTreeMap::new();
        let gone = leases.iter().filter(|lease| {
            *looked_for.entry(&lease.worker).or_insert_with(|| is_gone(&lease.worker))
        });
        // A lease that was renewed or taken away since has another key, or the same dead worker.
        let keys: Vec<LeaseKey> = gone.map(store_core::Lease::key).collect();
        if keys.is_empty() { Ok(Vec::new()) } else { self.recover_lost(&keys) }
    }
}

/// This boot of the machine, and the spaces in which its process ids and their starts mean what they mean
/// here: containers of one machine may share its name, each counts its processes by itself
/// (pid_namespaces(7)), and may have a clock of its own, by which it reads when they started
/// (time_namespaces(7), which older kernels do not have).
fn boot_id() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let processes = fs::read_link("/proc/self/ns/pid").ok()?;
    let mut id = format!("{} {}", boot.trim(), processes.display());
    if let Ok(times) = fs::read_link("/proc/self/ns/time") {
        id = format!("{id} {}", times.display());
    }
    Some(id)
}

/// What is known of a process.
enum Presence {
    /// It is not there, or is a zombie, which runs nothing any more.
    Gone,
    /// It is there since then, in clock ticks after boot.
    Since(i64),
    /// The system does not tell.
    Unknown,
}

fn look_for(pid: u32) -> Presence {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => read_stat(&stat).unwrap_or(Presence::Unknown),
        // Where /proc hides the processes of others (`hidepid`), it has no file for a live one either.
        Err(_) => {
            let id = i32::try_from(pid).ok().and_then(Pid::from_raw);
            match id.map(test_kill_process) {
                Some(Err(Errno::SRCH)) => Presence::Gone,
                _ => Presence::Unknown,
            }
        }
    }
}

fn read_stat(stat: &str) -> Option<Presence> {
    // The program's name stands in parentheses and may have any characters.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace();
    // The state is field 3, the start is field 22.
    if matches!(fields.next()?, "Z" | "X") {
        return Some(Presence::Gone);
    }
    fields.nth(22 - 3 - 1)?.parse().ok().map(Presence::Since)
}

pub(crate) fn started_at(pid: u32) -> Option<i64> {
    match look_for(pid) {
        Presence::Since(started_at) => Some(started_at),
        Presence::Gone | Presence::Unknown => None,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_live_process_is_not_gone_and_a_dead_one_is() -> std::io::Result<()> {
        assert!(!is_gone(&this_worker("me")));
        let mut child = std::process::Command::new("sleep").arg("60").spawn()?;
        let pid = child.id();
        let process = Process { pid, ..this_process().clone() };
        let worker = Worker { process, pid_started_at: started_at(pid), ..this_worker("child") };
        assert!(!is_gone(&worker));
        child.kill()?;
        // Killed and not waited for, it is a zombie.
        while started_at(pid).is_some() {
            std::thread::yield_now();
        }
        assert!(is_gone(&worker));
        child.wait()?;
        assert!(is_gone(&worker));
        Ok(())
    }

    #[test]
    fn a_state_is_read_whatever_the_name_of_the_program() {
        let stat = |state| format!("7 (a ) R (b) {state} 1{} 99 0", " 0".repeat(17));
        assert!(matches!(read_stat(&stat("S")), Some(Presence::Since(99))));
        assert!(matches!(read_stat(&stat("Z")), Some(Presence::Gone)));
        assert!(read_stat("7 (cut").is_none());
    }

    #[test]
    fn nothing_is_said_of_other_boots_and_hosts_and_of_unknown_starts() {
        let gone = Worker { pid_started_at: Some(1), ..this_worker("me") };
        assert!(is_gone(&gone), "another process has its id now");
        assert!(!is_gone(&Worker { boot_id: Some("another".to_owned()), ..gone.clone() }));
        assert!(!is_gone(&Worker { boot_id: None, ..gone.clone() }));
        assert!(!is_gone(&Worker { pid_started_at: None, ..gone.clone() }));
        // Other containers of this boot: one that counts its processes by itself, one with its own clock.
        for space in ["pid", "time"] {
            let Ok(here) = fs::read_link(format!("/proc/self/ns/{space}")) else { continue };
            let id = gone.boot_id.as_deref().expect("Linux tells it");
            let elsewhere = id.replace(&here.display().to_string(), &format!("{space}:[1]"));
            assert_ne!(elsewhere, id, "a worker names its {space} namespace");
            let worker = Worker { boot_id: Some(elsewhere), ..gone.clone() };
            assert!(!is_gone(&worker), "{space}");
        }
        let process = Process { host: "elsewhere".to_owned(), ..gone.process.clone() };
        assert!(!is_gone(&Worker { process, ..gone }));
    }
}
