//! What one thread measures of its calls, and how threads and processes add up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::journal::Line;
use super::kind::Kind;
use super::outcome::{self, Tallies};
use crate::shared::durations::Durations;

/// One call, as the slowest of its sort.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Slowest {
    /// What was asked.
    pub kind: Kind,
    /// How long it took, in milliseconds.
    pub milliseconds: f64,
    /// When it returned, in seconds from the start of the run.
    pub at_seconds: f64,
    /// The process that asked.
    pub process: u32,
    /// The thread that asked.
    pub thread: u32,
}

/// The work of one thread over time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Pace {
    /// The process.
    pub process: u32,
    /// The thread in it.
    pub thread: u32,
    /// What it did.
    pub roles: String,
    /// How many seconds after the start of the run the process began.
    pub began_after: f64,
    /// Calls that returned in each second: reads, writes.
    pub seconds: Vec<[u64; 2]>,
    /// The longest time in which no call returned, in milliseconds.
    pub longest_pause_ms: f64,
    /// How long the thread worked, in seconds.
    pub worked_seconds: f64,
}

impl Pace {
    fn count(&mut self, kind: Kind, since_start: Duration) {
        let second = usize::try_from(since_start.as_secs()).unwrap_or(usize::MAX);
        if self.seconds.len() <= second {
            self.seconds.resize(second + 1, [0, 0]);
        }
        self.seconds[second][usize::from(kind.writes())] += 1;
    }

    /// The full seconds in which no call returned.
    pub fn idle_seconds(&self) -> u64 {
        let full = self.worked_seconds.floor() as usize;
        let busy = self.seconds.iter().take(full).filter(|calls| calls[0] + calls[1] > 0).count();
        full.saturating_sub(busy) as u64
    }
}

/// The sums of threads or processes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Durations of the calls that were answered, by what was asked.
    pub durations: BTreeMap<Kind, Durations>,
    /// The slowest write.
    pub slowest_write: Option<Slowest>,
    /// Calls for which another was first.
    pub races_lost: u64,
    /// Looks for work that found none.
    pub found_nothing: u64,
    /// Errors that say "locked" or "busy", by variant.
    pub locked: Tallies,
    /// Other errors, by variant.
    pub errors: Tallies,
    /// Answers that cannot be right, whatever the others do, by what is wrong with them.
    pub contradictions: Tallies,
}

impl Totals {
    /// Puts the totals of another thread or process to these.
    pub fn add(&mut self, other: Self) {
        for (kind, durations) in &other.durations {
            self.durations.entry(*kind).or_default().add(durations);
        }
        let slower =
            |one: &Slowest, other: &Slowest| one.milliseconds.total_cmp(&other.milliseconds);
        self.slowest_write =
            [self.slowest_write, other.slowest_write].into_iter().flatten().max_by(slower);
        self.races_lost += other.races_lost;
        self.found_nothing += other.found_nothing;
        outcome::merge(&mut self.locked, other.locked);
        outcome::merge(&mut self.errors, other.errors);
        outcome::merge(&mut self.contradictions, other.contradictions);
    }

    fn slower_write(&mut self, kind: Kind, took: Duration, since_start: Duration, pace: &Pace) {
        if !kind.is_one_write() {
            return;
        }
        let milliseconds = took.as_secs_f64() * 1e3;
        if self.slowest_write.is_none_or(|slowest| milliseconds > slowest.milliseconds) {
            self.slowest_write = Some(Slowest {
                kind,
                milliseconds,
                at_seconds: since_start.as_secs_f64(),
                process: pace.process,
                thread: pace.thread,
            });
        }
    }

    /// The durations of all calls of a sort.
    pub fn all(&self, of_sort: impl Fn(Kind) -> bool) -> Durations {
        let mut all = Durations::default();
        let of_sort = self.durations.iter().filter(|(kind, _)| of_sort(**kind));
        of_sort.for_each(|(_, durations)| all.add(durations));
        all
    }
}

/// What one process tells of itself at its end.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// The sums of its threads.
    pub totals: Totals,
    /// The work of each thread over time.
    pub paces: Vec<Pace>,
    /// How long it took to open the store, in milliseconds.
    pub open_ms: f64,
    /// When it began to work, in microseconds since 1970.
    pub started_at: i64,
}

impl Outcome {
    /// What can be told of a process that was killed: the calls that its journal has. Calls that failed or
    /// changed nothing are not among them.
    pub fn of_journal(lines: &[Line]) -> Self {
        let started_at = lines.iter().map(|line| line.begin).min().unwrap_or(0);
        let mut outcome = Self { started_at, ..Self::default() };
        let mut paces: BTreeMap<(u32, u32), Pace> = BTreeMap::new();
        for line in lines.iter().filter(|line| !line.effects.is_empty() && line.kind.writes()) {
            let (process, thread) = (line.process, line.thread);
            let took = Duration::from_micros((line.end - line.begin).max(0).unsigned_abs());
            let since_start = Duration::from_micros((line.end - started_at).max(0).unsigned_abs());
            let pace = paces.entry((process, thread)).or_insert_with(|| Pace {
                process,
                thread,
                ..Pace::default()
            });
            pace.count(line.kind, since_start);
            outcome.totals.durations.entry(line.kind).or_default().record(took);
            outcome.totals.slower_write(line.kind, took, since_start, pace);
        }
        outcome.paces = paces.into_values().collect();
        outcome
    }

    /// Tells its times from the start of the run, which was at `run` in microseconds since 1970.
    pub fn count_from(&mut self, run: i64) {
        let after = (self.started_at - run).max(0) as f64 / 1e6;
        self.paces.iter_mut().for_each(|pace| pace.began_after = after);
        if let Some(slowest) = &mut self.totals.slowest_write {
            slowest.at_seconds += after;
        }
    }
}

/// Measures the calls of one thread.
#[derive(Debug)]
pub struct Meter {
    started: Instant,
    last: Instant,
    /// The work over time.
    pub pace: Pace,
    /// The sums.
    pub totals: Totals,
}

impl Meter {
    /// Begins to measure a thread of a run that began at `started`.
    pub fn new(started: Instant, process: u32, thread: u32, roles: String) -> Self {
        let pace = Pace { process, thread, roles, ..Pace::default() };
        Self { started, last: Instant::now(), pace, totals: Totals::default() }
    }

    /// Counts a call that began at `begun` and has just returned.
    pub fn returned(&mut self, kind: Kind, begun: Instant) {
        let now = Instant::now();
        let took = now.duration_since(begun);
        self.totals.durations.entry(kind).or_default().record(took);
        let since_start = now.duration_since(self.started);
        self.pace.count(kind, since_start);
        self.pause(now);
        self.totals.slower_write(kind, took, since_start, &self.pace);
    }

    /// The thread rested because there was nothing to do: that is no time in which a call did not return.
    pub fn rested(&mut self) {
        self.last = Instant::now();
    }

    /// Ends the measuring.
    pub fn finish(mut self) -> (Totals, Pace) {
        let now = Instant::now();
        self.pause(now);
        self.pace.worked_seconds = now.duration_since(self.started).as_secs_f64();
        (self.totals, self.pace)
    }

    fn pause(&mut self, now: Instant) {
        let pause = now.duration_since(self.last).as_secs_f64() * 1e3;
        self.pace.longest_pause_ms = self.pace.longest_pause_ms.max(pause);
        self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_add_up_and_keep_the_slowest_write() {
        let mut all = Totals::default();
        for thread in 1..=2 {
            let mut meter = Meter::new(Instant::now(), 1, thread, String::new());
            let begun = Instant::now() - Duration::from_millis(u64::from(10 * thread));
            meter.returned(Kind::Claim, begun);
            meter.returned(Kind::Count, begun);
            meter.returned(Kind::Move, begun - Duration::from_secs(1));
            outcome::tally(&mut meter.totals.locked, "Contended", || thread.to_string());
            let (totals, pace) = meter.finish();
            assert_eq!(pace.seconds, [[1, 2]]);
            all.add(totals);
        }
        assert_eq!((all.all(Kind::writes).count(), all.all(Kind::is_one_write).count()), (4, 2));
        assert_eq!(all.all(|kind| !kind.writes()).count(), 2);
        assert_eq!(all.slowest_write.map(|slowest| slowest.thread), Some(2));
        assert_eq!(all.locked["Contended"].count, 2);
        assert_eq!(all.locked["Contended"].example, "1");
    }

    #[test]
    fn a_second_without_progress_is_counted() {
        let pace =
            Pace { seconds: vec![[1, 0], [0, 0], [0, 3]], worked_seconds: 4.5, ..Pace::default() };
        assert_eq!(pace.idle_seconds(), 2);
    }
}
