//! The processes that the parent starts, of which none is left behind.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;

use super::process::Done;
use crate::failure::{Context, Result};
use crate::shared::children::GO;

/// One process.
#[derive(Debug)]
pub struct Process {
    /// Which one, from 1.
    pub number: u32,
    /// The process itself.
    pub child: Child,
    /// Closing it tells the process to stop.
    stdin: Option<ChildStdin>,
    /// Whether it waits for the word.
    pub ready: bool,
    /// Whether it was given the word: without it, it ends and has nothing to tell.
    pub begun: bool,
    /// How much it has done, as it told last.
    pub done: Done,
    /// How it ended, once it has.
    pub ended: Option<ExitStatus>,
}

/// Several processes. What is still running when the parent gives them up is killed.
#[derive(Debug)]
pub struct Processes(pub Vec<Process>);

impl Process {
    /// Gives it the word.
    pub fn go(&mut self) {
        if let Some(stdin) = &mut self.stdin {
            // A process that is gone is told of by its exit status.
            let _ = writeln!(stdin, "{GO}");
            self.begun = true;
        }
    }
}

impl Processes {
    /// Gives all of them the word.
    pub fn go(&mut self) {
        self.0.iter_mut().for_each(Process::go);
    }

    /// Tells all of them to stop.
    pub fn stop(&mut self) {
        for process in &mut self.0 {
            process.stdin = None;
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for process in self.0.iter_mut().filter(|process| process.ended.is_none()) {
            // It may have ended just now, which is as good.
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}

/// Starts a process of the plan: of the mix, or one that does no more than `open` a file. What it says
/// is sent with its number.
pub fn start(
    plan_file: &Path,
    number: u32,
    open: Option<&Path>,
    stderr: &Path,
    sender: Sender<(u32, String)>,
) -> Result<Process> {
    let program = std::env::current_exe().doing(|| "find this program".to_owned())?;
    let stderr = File::create(stderr).doing(|| format!("create {}", stderr.display()))?;
    let mut command = Command::new(program);
    command
        .arg("stress-process")
        .arg("--plan")
        .arg(plan_file)
        .arg("--process")
        .arg(number.to_string());
    if let Some(database) = open {
        command.arg("--open").arg(database);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(stderr)
        // Ctrl-C reaches the parent alone, which ends the others in good order.
        .process_group(0)
        .spawn()
        .doing(|| format!("start process {number}"))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    if let Some(stdout) = stdout {
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send((number, line)).is_err() {
                    break;
                }
            }
        });
    }
    Ok(Process {
        number,
        child,
        stdin,
        ready: false,
        begun: false,
        done: Done::default(),
        ended: None,
    })
}
