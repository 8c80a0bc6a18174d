//! Other processes: a test runs a part of itself again, and can talk to it, stop it and kill it.
//!
//! A test binary that needs children has one test that is the child's entrance:
//!
//! ```
//! # use tests::{TestResult, child::{self, Stage}};
//! fn say_hello(stage: &Stage) -> TestResult {
//!     stage.say("hello");
//!     Ok(())
//! }
//!
//! fn child_process() -> TestResult {
//!     child::enter(&[("say hello", say_hello)])
//! }
//! # child_process().expect("nobody asked for a child");
//! ```
//!
//! In an ordinary run the entrance returns at once; in a child it plays the part that its environment
//! names, and ends the process.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::TestResult;

/// The name of the test that is the entrance.
pub const ENTRANCE: &str = "child_process";

/// The variable that names the part; its presence makes a process a child.
const PART: &str = "CRYSTALSTORE_TEST_PART";
/// The variables with the part's arguments are this and a number.
const ARGUMENT: &str = "CRYSTALSTORE_TEST_ARGUMENT_";

/// What tells a child's words from those of the test program around it.
const MARK: &str = "@child ";

/// How long a silent child is listened to before the test is given up as hung.
const PATIENCE: Duration = Duration::from_secs(60);

/// The user and the group that own nothing, on every Linux.
pub const NOBODY: u32 = 65_534;

/// A part that a child can play.
pub type Part = (&'static str, fn(&Stage) -> TestResult);

/// The child's side.
#[derive(Debug, Clone, Copy)]
pub struct Stage(());

impl Stage {
    /// An argument, by its place from 0.
    ///
    /// # Panics
    /// If the parent gave fewer.
    pub fn argument(&self, place: usize) -> String {
        let name = format!("{ARGUMENT}{place}");
        std::env::var(&name).unwrap_or_else(|_| panic!("the parent has not set {name}"))
    }

    /// Tells the parent something, in one line and at once.
    ///
    /// # Panics
    /// If the parent is gone.
    pub fn say(&self, words: &str) {
        // One write, so that a kill or another thread does not come in between. The test program may
        // be in the middle of a line.
        let line = format!("\n{MARK}{words}\n");
        let mut output = std::io::stdout().lock();
        output.write_all(line.as_bytes()).and_then(|()| output.flush()).expect("a parent listens");
    }

    /// Waits until the parent says something.
    ///
    /// # Panics
    /// If the parent is gone.
    pub fn listen(&self) -> String {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line).expect("standard input can be read");
        assert!(read > 0, "the parent is gone");
        line.trim_end().to_owned()
    }

    /// Waits for a signal.
    pub fn wait_to_be_killed(&self) -> ! {
        loop {
            thread::park();
        }
    }
}

/// The body of the test that is the entrance; does not return in a child.
///
/// # Errors
/// Those of the part, which end the child with a failure.
///
/// # Panics
/// If the environment names a part that is not in the list.
pub fn enter(parts: &[Part]) -> TestResult {
    let Some(wanted) = std::env::var_os(PART) else {
        return Ok(());
    };
    let (_, play) = parts
        .iter()
        .find(|(name, _)| *name == wanted)
        .unwrap_or_else(|| panic!("{} is no part of this test program", wanted.display()));
    play(&Stage(()))?;
    std::process::exit(0);
}

/// A temporary folder that every user may look into.
///
/// # Errors
/// Those of making it.
pub fn open_to_all() -> TestResult<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    Ok(folder)
}

/// The parent's side: a process, killed when dropped.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    words: Receiver<String>,
    complaints: Option<thread::JoinHandle<String>>,
}

impl Child {
    /// Begins a child that plays `part`.
    ///
    /// # Errors
    /// Those of starting a process.
    pub fn begin(part: &str, arguments: &[&str]) -> TestResult<Self> {
        Self::run(Command::new(std::env::current_exe()?), part, arguments)
    }

    /// As [`begin`](Self::begin), with more variables in its environment.
    ///
    /// # Errors
    /// Those of starting a process.
    pub fn begin_with(
        part: &str,
        arguments: &[&str],
        variables: &[(&str, String)],
    ) -> TestResult<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        Self::run(command, part, arguments)
    }

    /// As [`begin`](Self::begin), and as a user whom permissions bind: they mean nothing to root, as
    /// whom tests run in many a container.
    ///
    /// # Errors
    /// Those of copying the program, and of starting it.
    pub fn begin_without_privileges(part: &str, arguments: &[&str]) -> TestResult<Self> {
        if !rustix::process::geteuid().is_root() {
            return Self::begin(part, arguments);
        }
        // The folder of the program may be closed to others. It is copied by a process of its own: a
        // descriptor of ours that a child of another thread inherits would keep the copy from being
        // run (ETXTBSY). Once it runs, it may go.
        let folder = open_to_all()?;
        let program = folder.path().join("program");
        let copied = Command::new("cp").arg(std::env::current_exe()?).arg(&program).status()?;
        if !copied.success() {
            return Err(format!("the test program could not be copied: {copied}").into());
        }
        std::fs::set_permissions(&program, Permissions::from_mode(0o755))?;
        let mut command = Command::new(program);
        command.uid(NOBODY).gid(NOBODY).current_dir("/");
        Self::run(command, part, arguments)
    }

    fn run(mut command: Command, part: &str, arguments: &[&str]) -> TestResult<Self> {
        command
            .args([ENTRANCE, "--exact", "--nocapture", "--test-threads=1"])
            .env(PART, part)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (place, argument) in arguments.iter().enumerate() {
            command.env(format!("{ARGUMENT}{place}"), argument);
        }
        let mut process = command.spawn()?;
        let output = process.stdout.take().ok_or("standard output was piped")?;
        let mut errors = process.stderr.take().ok_or("standard error was piped")?;
        let (told, words) = mpsc::channel();
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = String::new();
            // A last line without its end was cut off by a kill, and was not said.
            while output.read_line(&mut line).is_ok_and(|read| read > 0) && line.ends_with('\n') {
                if let Some(words) = line.trim_end().strip_prefix(MARK)
                    && told.send(words.to_owned()).is_err()
                {
                    break;
                }
                line.clear();
            }
        });
        let complaints = thread::spawn(move || {
            let mut text = String::new();
            let _read = errors.read_to_string(&mut text);
            text
        });
        Ok(Self { process, words, complaints: Some(complaints) })
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The next thing that the child says; nothing where it has ended.
    ///
    /// # Panics
    /// If the child says nothing for a minute.
    pub fn hear(&self) -> Option<String> {
        match self.words.recv_timeout(PATIENCE) {
            Ok(words) => Some(words),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the child says nothing and does not end"),
        }
    }

    /// Everything that the child says until it has ended.
    ///
    /// # Panics
    /// As [`hear`](Self::hear).
    fn hear_out(&self) -> Vec<String> {
        std::iter::from_fn(|| self.hear()).collect()
    }

    /// Waits until the child says just this.
    ///
    /// # Errors
    /// What the child said or complained of instead.
    pub fn expect(&mut self, wanted: &str) -> TestResult {
        match self.hear() {
            Some(words) if words == wanted => Ok(()),
            Some(words) => Err(format!("the child said {words:?}, not {wanted:?}").into()),
            None => Err(format!("the child ended before {wanted:?}: {}", self.complaints()).into()),
        }
    }

    /// Tells the child something.
    ///
    /// # Errors
    /// Those of writing to a process that is gone.
    pub fn tell(&mut self, words: &str) -> TestResult {
        let input = self.process.stdin.as_mut().ok_or("standard input was piped")?;
        writeln!(input, "{words}")?;
        Ok(input.flush()?)
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn signal(&self, signal: Signal) -> TestResult {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        Ok(kill_process(pid.ok_or("a process has a positive id")?, signal)?)
    }

    /// Kills it, with SIGKILL, waits until it is gone, and gives back what it said and nobody heard.
    ///
    /// # Errors
    /// Where it has ended by itself, with what it complained of.
    pub fn kill(&mut self) -> TestResult<Vec<String>> {
        use std::os::unix::process::ExitStatusExt;
        self.signal(Signal::KILL)?;
        let status = self.process.wait()?;
        if status.signal() == Some(Signal::KILL.as_raw()) {
            return Ok(self.hear_out());
        }
        Err(format!("the child had ended before ({status}): {}", self.complaints()).into())
    }

    /// Waits until it has ended well, and gives back what it said and nobody heard.
    ///
    /// # Errors
    /// Where it failed, with what it complained of.
    pub fn finish(&mut self) -> TestResult<Vec<String>> {
        // Who waits for words finds that there are none to come.
        drop(self.process.stdin.take());
        let words = self.hear_out();
        let status: ExitStatus = self.process.wait()?;
        if status.success() {
            return Ok(words);
        }
        Err(format!("the child failed ({status}): {}", self.complaints()).into())
    }

    fn complaints(&mut self) -> String {
        self.complaints.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended already.
        let _killed = self.process.kill();
        let _reaped = self.process.wait();
    }
}
