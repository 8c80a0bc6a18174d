//! What a command and the processes that it starts say to each other.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::failure::{Context, Result};

/// What a process says when its store is open.
pub const READY: &str = "ready";
/// What the parent says when all are.
pub const GO: &str = "go";

/// Says a word to the parent.
pub fn tell(word: &str) {
    let mut out = std::io::stdout().lock();
    // A parent that is gone is noticed at the other end.
    let _ = writeln!(out, "{word}").and_then(|()| out.flush());
}

/// Ends the work when standard input does: the parent wants it so, or is gone.
pub fn stop_with_parent(stop: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        // An error means the same as the end.
        let _ = std::io::stdin().lock().read_to_end(&mut rest);
        stop.store(true, Ordering::Relaxed);
    });
}

/// A flag that Ctrl-C sets: the first signal ends the work in good order, a second one the program.
pub fn interruption() -> Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        let flag = || Arc::clone(&interrupted);
        signal_hook::flag::register_conditional_shutdown(signal, 130, flag())
            .and_then(|_| signal_hook::flag::register(signal, flag()))
            .doing(|| "listen to signals".to_owned())?;
    }
    Ok(interrupted)
}

/// What is said of a child that failed.
pub fn obituary(name: &str, status: ExitStatus, stderr: &Path) -> String {
    let said = std::fs::read_to_string(stderr).unwrap_or_default();
    let said: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).take(6).collect();
    let said = if said.is_empty() { "it said nothing".to_owned() } else { said.join(" | ") };
    format!("{name} ended with {status}: {said}")
}

/// The write-ahead log of a database.
pub fn wal(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// How large a file is; 0 where there is none.
pub fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}
