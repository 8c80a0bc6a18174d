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
    /// Whether it follows what the others do.
    pub follows: bool,
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

    /// Tells all of them to stop but those that follow the others.
    pub fn stop(&mut self) {
        self.0.iter_mut().filter(|process| !process.follows).for_each(|one| one.stdin = None);
    }

    /// Tells those that follow to stop, if all others have ended; says whether it was now. In a run that
    /// `has_begun`, one that was started late is first given the word.
    pub fn stop_followers(&mut self, has_begun: bool) -> bool {
        let works = |process: &Process| !process.follows && process.ended.is_none();
        if self.0.iter().any(works) {
            return false;
        }
        let is_due = |process: &&mut Process| process.follows && (process.begun || !has_begun);
        let followers = self.0.iter_mut().filter(is_due);
        followers.filter_map(|process| process.stdin.take()).count() > 0
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

/// What a process is started for.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// The work of the profile.
    Work,
    /// To follow the work of the others.
    Follow,
    /// To open a file, and no more.
    Open(&'a Path),
}

/// Starts a process of the plan. What it says is sent with its number.
pub fn start(
    plan_file: &Path,
    number: u32,
    part: Part<'_>,
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
    match part {
        Part::Work => {}
        Part::Follow => {
            command.arg("--follow");
        }
        Part::Open(database) => {
            command.arg("--open").arg(database);
        }
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
        follows: matches!(part, Part::Follow),
        begun: false,
        done: Done::default(),
        ended: None,
    })
}
