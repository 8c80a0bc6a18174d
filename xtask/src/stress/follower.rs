//! The follower: it reads the history page by page while others write, and keeps what it saw.
//!
//! It is a process of its own, which ends after all others and so sees everything. One that takes the place of
//! another that was killed goes on where that one was.

use std::sync::atomic::Ordering;
use std::time::Duration;

use store_core::prelude::*;
use store_core::{Clock, SystemClock, Watch};
use store_sqlite::SqliteStore;

use super::kind::Kind;
use super::meter::{Pace, Totals};
use super::process::{self, Done};
use super::session::{Session, Shared};
use super::sights::{self, Look, Sights};
use crate::failure::{Context, Result};

/// The longest page.
const PAGE: u64 = 256;
/// How long it waits for the next event before it looks whether it is to stop.
const REST: Duration = Duration::from_millis(20);

/// Follows until it is told to stop, and then to the end.
pub fn work(
    store: &SqliteStore,
    shared: &Shared,
    progress: impl Fn(Done),
) -> Result<(Totals, Vec<Pace>)> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut session = Session::new(store, shared, 1, "follower".to_owned())?;
            follow(store, &mut session)?;
            Ok(session.meter.finish())
        });
        process::gather(vec![thread], || {
            progress(Done { calls: shared.operations.load(Ordering::Relaxed), claims: 0 });
        })
    })
}

fn follow(store: &SqliteStore, session: &mut Session<'_, SqliteStore>) -> Result<()> {
    let (plan, process) = (&session.shared.plan, session.shared.process);
    let mut place = sights::place(plan, process)?;
    let mut sights = Sights::create(plan, process)?;
    let mut watch = store.watch().doing(|| "watch the store".to_owned())?;
    loop {
        // Before the call: what was committed by then is on the page, or on one that follows.
        let is_last = session.shared.stop.load(Ordering::Relaxed);
        let begin = SystemClock.now().as_micros();
        let limit = 1 + session.random.below(PAGE) as u32;
        let page = session.read(Kind::Follow, |store| store.events_after(place, limit));
        let up_to_now = page.as_ref().is_some_and(|page| page.len() < limit as usize);
        if let Some(page) = page {
            let few = page.len() <= limit as usize;
            session.expect(few, "a page of the history is too long", || format!("{limit}"));
            let events = page.iter().map(Into::into).collect();
            sights.keep(&Look { begin, after: place.get(), up_to_now, is_last, events })?;
            place = page.last().map_or(place, |event| event.sequence);
        }
        if is_last && up_to_now {
            return Ok(());
        }
        if up_to_now {
            watch.wait(REST).doing(|| "wait for an event".to_owned())?;
            session.meter.rested();
        }
    }
}
