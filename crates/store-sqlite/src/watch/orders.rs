//! The proof that no order of a commit and a watch loses a wake: commits are put between any two steps of
//! a wait. Two plausible ways to wait, which lose some, are found by the same trial.

use std::time::{Duration, Instant};

use store_core::Result;

use super::looks::Looks;
use super::waiting::{Surroundings, wait};

/// A store and a kernel that are a script: before the step of this number the log is written to, and
/// before that one the commit can be seen.
struct Script {
    step: usize,
    written_at: usize,
    visible_at: usize,
    told: bool,
    begun: Instant,
    elapsed: Duration,
    longest: Duration,
}

impl Script {
    fn new(written_at: usize, visible_at: usize) -> Self {
        let longest = Duration::from_secs(1);
        let begun = Instant::now();
        Self {
            step: 0,
            written_at,
            visible_at,
            told: false,
            begun,
            elapsed: Duration::ZERO,
            longest,
        }
    }

    fn step(&mut self) {
        if self.step == self.written_at {
            self.told = true;
        }
        self.step += 1;
    }

    fn visible(&self) -> bool {
        self.step > self.visible_at
    }
}

impl Surroundings for Script {
    fn listen(&mut self) -> bool {
        self.step();
        std::mem::take(&mut self.told)
    }

    fn look(&mut self) -> Result<i64> {
        self.step();
        Ok(i64::from(self.visible()))
    }

    fn look_around(&mut self) -> Result<()> {
        Ok(())
    }

    fn sleep(&mut self, longest: Duration) {
        self.step();
        if !self.told {
            self.elapsed += longest;
        }
    }

    fn longest_sleep(&self) -> Duration {
        self.longest
    }

    fn now(&self) -> Instant {
        self.begun + self.elapsed
    }
}

type Wait = fn(&mut Script, &mut i64, Duration) -> Result<bool>;

/// The places of a commit, by its two steps, at which a wait does not end before the look that comes
/// every second.
fn lost(wait: Wait) -> Vec<(usize, usize)> {
    let mut lost = Vec::new();
    for written in 0..12 {
        for visible in written..written + 6 {
            let mut script = Script::new(written, visible);
            // Who is written to later than the watch sleeps has slept before.
            let woken = wait(&mut script, &mut 0, Duration::from_millis(900 + 1_000 * 12));
            let slept = 1_000 * (written as u128 / 3 + 1);
            if !matches!(woken, Ok(true)) || script.elapsed.as_millis() >= slept {
                lost.push((written, visible));
            }
        }
    }
    lost
}

#[test]
fn no_order_of_a_commit_and_a_wait_loses_the_wake() {
    assert_eq!(lost(wait), []);
}

/// Looks first and listens then: what comes between is taken in and not looked for.
fn looks_before_it_listens(here: &mut Script, seen: &mut i64, timeout: Duration) -> Result<bool> {
    let begun = here.now();
    let mut looks = Looks::default();
    loop {
        if here.look()? != *seen {
            return Ok(true);
        }
        here.listen();
        let now = here.now();
        if now - begun >= timeout {
            return Ok(false);
        }
        let pause = looks.next(now).unwrap_or(here.longest_sleep());
        here.sleep(pause);
    }
}

/// Takes a write to the log for the commit, looks once, and goes back to sleep.
fn looks_once(here: &mut Script, seen: &mut i64, timeout: Duration) -> Result<bool> {
    let begun = here.now();
    loop {
        here.listen();
        if here.look()? != *seen {
            return Ok(true);
        }
        if here.now() - begun >= timeout {
            return Ok(false);
        }
        here.sleep(here.longest_sleep());
    }
}

#[test]
fn orders_that_lose_wakes_are_found() {
    assert!(!lost(looks_before_it_listens).is_empty());
    assert!(!lost(looks_once).is_empty());
}
