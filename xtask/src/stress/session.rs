//! One thread's calls: each is measured, judged, and journaled when it was acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use store_core::{Actor, Clock, JobId, NewJob, Result, Store, SystemClock};

use super::decks::Deck;
use super::effect::Effect;
use super::journal::{Asked, Journal, Line, Missed};
use super::kind::Kind;
use super::meter::Meter;
use super::outcome::{self, Verdict, judge, tally, variant};
use super::plan::{Limit, Plan};
use crate::failure::{Context, chain};
use crate::shared::random::Random;

/// What the threads of a process share.
#[derive(Debug)]
pub struct Shared {
    /// What to do.
    pub plan: Plan,
    /// Which process this is.
    pub process: u32,
    /// The input decks.
    pub decks: Vec<Deck>,
    /// What was acknowledged.
    pub journal: Journal,
    /// Set when the run is to end early.
    pub stop: Arc<AtomicBool>,
    /// How many calls have returned.
    pub operations: AtomicU64,
    /// When the run began.
    pub started: Instant,
}

impl Shared {
    /// Whether there is time and work left.
    pub fn goes_on(&self) -> bool {
        if self.stop.load(Ordering::Relaxed) {
            return false;
        }
        match self.plan.limit {
            Limit::Seconds(seconds) => self.started.elapsed() < Duration::from_secs_f64(seconds),
            // The parent counts those of all processes.
            Limit::Claims(_) => true,
            Limit::Operations(_) => {
                let done = self.operations.load(Ordering::Relaxed);
                self.plan.budget(self.process).is_none_or(|budget| done < budget)
            }
        }
    }
}

/// One thread.
#[derive(Debug)]
pub struct Session<'a, S> {
    store: S,
    /// What it shares with the others.
    pub shared: &'a Shared,
    thread: u32,
    /// Its choices.
    pub random: Random,
    /// Its measurements.
    pub meter: Meter,
    /// Jobs that it created lately, with what it asked for.
    pub created: Vec<(JobId, NewJob)>,
    numbers: u64,
}

impl<'a, S: Store> Session<'a, S> {
    /// Begins the work of a thread.
    pub fn new(
        store: &S,
        shared: &'a Shared,
        thread: u32,
        roles: String,
    ) -> crate::failure::Result<Self> {
        let (plan, process) = (&shared.plan, shared.process);
        let actor = Actor::new(plan.actor(process, thread)).doing(|| "name a thread".to_owned())?;
        Ok(Self {
            store: store.acting_as(actor),
            shared,
            thread,
            random: Random::new(plan.seed, process, thread),
            meter: Meter::new(shared.started, process, thread, roles),
            created: Vec::new(),
            numbers: 0,
        })
    }

    /// A text that nobody else has, which begins with the run's name.
    pub fn unique(&mut self) -> String {
        self.numbers += 1;
        self.shared.plan.unique(self.shared.process, self.thread, self.numbers)
    }

    /// Makes a call that reads.
    pub fn read<T>(&mut self, kind: Kind, call: impl FnOnce(&S) -> Result<T>) -> Option<T> {
        self.write(kind, call, |_| Vec::new())
    }

    /// Makes a call that writes; `effects` says what its answer acknowledges.
    pub fn write<T>(
        &mut self,
        kind: Kind,
        call: impl FnOnce(&S) -> Result<T>,
        effects: impl FnOnce(&T) -> Vec<Effect>,
    ) -> Option<T> {
        let begin = SystemClock.now().as_micros();
        let begun = Instant::now();
        let answer = call(&self.store);
        self.meter.returned(kind, begun);
        self.shared.operations.fetch_add(1, Ordering::Relaxed);
        let (error, effects, missed) = match &answer {
            Ok(value) => (None, effects(value), None),
            Err(error) => {
                let text = self.refused(kind, error).then(|| chain(error));
                (text, Vec::new(), outcome::missed(error))
            }
        };
        if !effects.is_empty() || (kind.writes() && error.is_some()) || missed.is_some() {
            self.shared.journal.append(Line { begin, error, effects, missed, ..self.line(kind) });
        }
        if let Some(Missed::Job(gone)) = missed {
            self.created.retain(|(job, _)| *job != gone);
        }
        answer.ok()
    }

    /// Notes what a call is about to ask for, so that it is known whatever comes of the call.
    pub fn ask(&self, kind: Kind, asked: Asked) {
        self.shared.journal.append(Line { asked: Some(asked), ..self.line(kind) });
    }

    /// Notes that a call did not find something, where its answer was no error.
    pub fn miss(&self, kind: Kind, missed: Missed) {
        self.shared.journal.append(Line { missed: Some(missed), ..self.line(kind) });
    }

    /// A line of now that says nothing yet.
    fn line(&self, kind: Kind) -> Line {
        let now = SystemClock.now().as_micros();
        Line {
            process: self.shared.process,
            thread: self.thread,
            // The journal counts its lines.
            sequence: 0,
            kind,
            begin: now,
            end: now,
            error: None,
            effects: Vec::new(),
            asked: None,
            missed: None,
        }
    }

    /// Counts an error; true if it leaves in doubt what was done.
    fn refused(&mut self, kind: Kind, error: &store_core::Error) -> bool {
        let totals = &mut self.meter.totals;
        let tallies = match judge(kind, error) {
            Verdict::RaceLost => {
                totals.races_lost += 1;
                return false;
            }
            Verdict::Locked => &mut totals.locked,
            Verdict::Unexpected => &mut totals.errors,
        };
        tally(tallies, &variant(error), || chain(error));
        self.complain(&chain(error));
        true
    }

    /// Notes an answer that cannot be right, unless it `holds`.
    pub fn expect(&mut self, holds: bool, sort: &str, example: impl FnOnce() -> String) {
        if !holds {
            let example = example();
            self.complain(&format!("{sort}: {example}"));
            tally(&mut self.meter.totals.contradictions, sort, || example);
        }
    }

    /// Says a fault at once, where this process may not live to tell of it at its end.
    fn complain(&self, fault: &str) {
        if self.shared.plan.kill_every.is_some() {
            eprintln!("{fault}");
        }
    }
}
