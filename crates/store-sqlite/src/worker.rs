//! Which process this is, and whether another one of this machine is gone.

use std::fs;
use std::sync::OnceLock;

use store_core::{Process, Worker};

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
/// with its id that started when it did is there. Of other hosts and boots nothing is known here.
pub fn is_gone(worker: &Worker) -> bool {
    let is_of_this_boot = worker.boot_id.is_some() && worker.boot_id == boot_id();
    let is_of_this_host = worker.process.host == this_process().host;
    if !is_of_this_boot || !is_of_this_host || worker.pid_started_at.is_none() {
        return false;
    }
    // Without a look into /proc nothing is known.
    started_at(std::process::id()).is_some()
        && started_at(worker.process.pid) != worker.pid_started_at
}

fn boot_id() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned()).filter(|id| !id.is_empty())
}

/// When a process started, in clock ticks after boot; none for one that is not there, and for a zombie,
/// which runs nothing any more.
fn started_at(pid: u32) -> Option<i64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name stands in parentheses and may have any characters.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    // The state is field 3, the start is field 22.
    fields.nth(22 - 3 - 1)?.parse().ok()
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
    fn nothing_is_said_of_other_boots_and_hosts_and_of_unknown_starts() {
        let gone = Worker { pid_started_at: Some(1), ..this_worker("me") };
        assert!(is_gone(&gone), "another process has its id now");
        assert!(!is_gone(&Worker { boot_id: Some("another".to_owned()), ..gone.clone() }));
        assert!(!is_gone(&Worker { boot_id: None, ..gone.clone() }));
        assert!(!is_gone(&Worker { pid_started_at: None, ..gone.clone() }));
        let process = Process { host: "elsewhere".to_owned(), ..gone.process.clone() };
        assert!(!is_gone(&Worker { process, ..gone }));
    }
}
