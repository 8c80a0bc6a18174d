//! One batch: several writes, one commit.

use std::cell::Cell;
use std::panic::Location as Origin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use store_core::{Error, Result, nesting};

use super::Core;
use super::callers::Taken;
use super::queue::{Expected, Lead, Request, Verdict, Work};
use crate::error::meaning_at_commit;
use crate::gate::Turn;
use crate::note::Doing;
use crate::patience;
use crate::pool::Scope;

/// The longest that a batch goes on taking writes in: who comes later waits for the next one.
const LONGEST_BATCH: Duration = Duration::from_millis(20);

/// The longest that a leader waits for those who were told of the batch before.
const LONGEST_GATHERING: Duration = Duration::from_millis(1);

/// Why a batch was not committed.
enum Failed {
    /// Before anything was run: the first caller alone is told, the others are still in the queue.
    Before(Error),
    /// After writes were run: everybody is told.
    After(Box<dyn Fn() -> Error>),
}

impl Failed {
    fn rolled_back() -> Self {
        const REASON: &str = "a write that shared the transaction met a fault of the storage, which \
                              rolled it back";
        Self::After(Box::new(|| Error::Storage(REASON.into())))
    }

    fn in_savepoint(error: rusqlite::Error) -> Self {
        let error = Arc::new(error);
        Self::After(Box::new(move || Error::Storage(Box::new(Arc::clone(&error)))))
    }

    fn at_commit(error: rusqlite::Error) -> Self {
        let error = Arc::new(error);
        Self::After(Box::new(move || meaning_at_commit(&error)))
    }
}

impl Core {
    /// Commits `first` and what others have queued, hands the lead on, and tells everybody. The error is
    /// that of `first`.
    pub(super) fn commit(
        &self,
        lead: Lead<'_>,
        deadline: Instant,
        origin: &'static Origin<'static>,
        first: impl FnOnce(&Connection) -> Verdict,
    ) -> Result<()> {
        let _span = tracing::trace_span!("write_batch").entered();
        self.queue.gather();
        let begun = Instant::now();
        let mut taken = Vec::new();
        let outcome = self.run_batch(deadline, origin, first, &mut taken);
        let callers = 1 + taken.iter().filter(|caller| caller.waits()).count();
        let within = begun.elapsed().min(LONGEST_GATHERING);
        self.queue.expect(Expected { callers, within });
        // The next batch begins while this one is told.
        drop(lead);
        match outcome {
            Ok(()) => {
                taken.into_iter().for_each(|caller| caller.tell(Ok(())));
                Ok(())
            }
            // It has waited since it was asked for, not only since it came to lead.
            Err(Failed::Before(Error::Contended { holder, .. })) => {
                Err(Error::Contended { waited: self.waited(deadline), holder })
            }
            Err(Failed::Before(error)) => Err(error),
            Err(Failed::After(error)) => {
                taken.into_iter().for_each(|caller| caller.tell(Err(error())));
                Err(error())
            }
        }
    }

    /// Who was taken into the batch is in `taken`, whatever comes of it.
    fn run_batch(
        &self,
        deadline: Instant,
        origin: &'static Origin<'static>,
        first: impl FnOnce(&Connection) -> Verdict,
        taken: &mut Vec<Taken>,
    ) -> std::result::Result<(), Failed> {
        let arrived = Instant::now();
        let connection = self.connection(deadline).map_err(Failed::Before)?;
        let work = Doing::Writing { number: 1, origin };
        let turn =
            self.gate.enter(deadline, work).map_err(|refused| Failed::Before(refused.into()))?;
        self.check_not_moved().map_err(Failed::Before)?;
        let mut scope = self.begin(&turn, work, &connection, deadline).map_err(Failed::Before)?;
        let begun = Instant::now();
        let mut kept = 0;

        // The first write needs no savepoint: if it is undone, the transaction holds nothing else yet.
        match first(&connection) {
            Verdict::Keep => kept += 1,
            Verdict::Undo => {
                drop(scope);
                // It has its answer; who still waits is served, or leads next and sees for himself.
                if self.queue.is_empty() {
                    return Ok(());
                }
                scope = match self.begin(&turn, work, &connection, deadline) {
                    Ok(scope) => scope,
                    Err(_) => return Ok(()),
                };
            }
        }
        // After some errors SQLite has rolled everything back by itself.
        while taken.len() + 1 < self.largest_batch
            && begun.elapsed() < LONGEST_BATCH
            && !connection.is_autocommit()
        {
            let Some(Request { work, caller, origin, .. }) = self.queue.next() else { break };
            taken.push(Taken::new(caller));
            turn.goes_on_with(Doing::Writing { number: 1 + taken.len() as u64, origin });
            let run = || in_savepoint(&connection, work, &mut kept);
            nesting::inside_only(self.key, run).map_err(Failed::in_savepoint)?;
        }
        if connection.is_autocommit() {
            return if kept == 0 { Ok(()) } else { Err(Failed::rolled_back()) };
        }
        turn.goes_on_with(Doing::Committing { writes: kept });
        let committing = Instant::now();
        let committed = scope.commit();
        let log_pages = crate::checkpointer::log_pages_after_commit();
        drop(connection);
        drop(turn);
        #[cfg(feature = "metrics")]
        crate::counters::gauges::log_bytes(self.location.wal_bytes());
        committed.map_err(Failed::at_commit)?;
        let (waited, ran, commit) = (begun - arrived, committing - begun, committing.elapsed());
        tracing::trace!(writes = kept, ?waited, ?ran, ?commit, "committed");
        self.sight.counters.batch(kept, waited, ran, commit);
        self.sight.notices.notice(log_pages);
        Ok(())
    }

    /// Begins a transaction that may write. The gate keeps this process's peers away; a writer that
    /// ignores the gate is waited for until the deadline.
    fn begin<'c>(
        &self,
        turn: &Turn<'_>,
        work: Doing,
        connection: &'c Connection,
        deadline: Instant,
    ) -> Result<Scope<'c>> {
        let begin = || Scope::begin_writing(connection);
        let waits = Cell::new(false);
        let again = || {
            self.sight.counters.retried();
            waits.set(true);
            turn.goes_on_with(Doing::WaitingForOutsiders);
        };
        let begun = patience::until(deadline, connection, self.busy_timeout, again, begin);
        if waits.get() {
            turn.goes_on_with(work);
        }
        begun
    }
}

/// Runs one queued write so that undoing it undoes nothing else.
fn in_savepoint(connection: &Connection, work: Work, kept: &mut u64) -> rusqlite::Result<()> {
    let run = |sql| connection.prepare_cached(sql)?.execute([]).map(drop);
    run("SAVEPOINT write")?;
    match work(connection) {
        Verdict::Keep => *kept += 1,
        // After some errors SQLite has rolled everything back by itself.
        Verdict::Undo if connection.is_autocommit() => return Ok(()),
        Verdict::Undo => run("ROLLBACK TO write")?,
    }
    run("RELEASE write")
}
