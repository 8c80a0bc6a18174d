//! One batch: several writes, one commit.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use store_core::{Error, Result, nesting};

use super::Core;
use super::callers::Taken;
use super::queue::{Expected, Extent, Lead, Request, Terms, Verdict, Work};
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

    fn with_a_call() -> Self {
        const REASON: &str = "a call that shared the transaction failed after it had changed something, so \
                              that all of it was rolled back; try again";
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
    /// Commits `first`, for which somebody waits or not, and what others have queued, hands the lead on, and
    /// tells everybody. The error is that of `first`.
    pub(super) fn commit(
        &self,
        lead: Lead<'_>,
        terms: Terms,
        first_waits: bool,
        first: impl FnOnce(&Connection) -> Verdict,
    ) -> Result<()> {
        let _span = tracing::trace_span!("write_batch").entered();
        self.queue.gather();
        let begun = Instant::now();
        let mut taken = Vec::new();
        let outcome = self.run_batch(terms, first, &mut taken);
        let others = taken.iter().filter(|caller| caller.waits()).count();
        let callers = usize::from(first_waits) + others;
        let now = Instant::now();
        let until = now + (now - begun).min(LONGEST_GATHERING);
        self.queue.expect(Expected { callers, until });
        // The next batch begins while this one is told.
        drop(lead);
        match outcome {
            Ok(()) => {
                taken.into_iter().for_each(|caller| caller.tell(Ok(())));
                Ok(())
            }
            // It has waited since it was asked for, not only since it came to lead.
            Err(Failed::Before(Error::Contended { holder, .. })) => {
                Err(Error::Contended { waited: self.waited(terms.deadline), holder })
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
        Terms { extent, deadline, origin }: Terms,
        first: impl FnOnce(&Connection) -> Verdict,
        taken: &mut Vec<Taken>,
    ) -> std::result::Result<(), Failed> {
        let arrived = Instant::now();
        let connection = self.connection(deadline).map_err(Failed::Before)?;
        let work = Doing::Writing { number: 1, origin };
        let turn =
            self.gate.enter(deadline, work).map_err(|refused| Failed::Before(refused.into()))?;
        self.check_not_moved().map_err(Failed::Before)?;
        let begin = || self.begin(&turn, work, extent, &connection, deadline);
        let mut scope = begin().map_err(Failed::Before)?;
        let begun = Instant::now();
        let mut kept = 0;

        // The first write needs no savepoint: if it is undone, the transaction holds nothing else yet.
        match first(&connection) {
            Verdict::Keep => kept += 1,
            Verdict::Undo | Verdict::Nothing => {
                drop(scope);
                // It has its answer; who still waits is served, or leads next and sees for himself.
                if self.queue.is_empty() {
                    return Ok(());
                }
                scope = match begin() {
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
            let next = self.queue.next(|next| extent.takes(next));
            let Some(Request { work, caller, terms }) = next else { break };
            taken.push(Taken::new(caller));
            let number = 1 + taken.len() as u64;
            turn.goes_on_with(Doing::Writing { number, origin: terms.origin });
            nesting::inside_only(self.key, || match terms.extent {
                Extent::Call => call(&connection, work, &mut kept),
                Extent::Unit | Extent::Alone => {
                    in_savepoint(&connection, work, &mut kept).map_err(Failed::in_savepoint)
                }
            })?;
        }
        if connection.is_autocommit() {
            return if kept == 0 { Ok(()) } else { Err(Failed::rolled_back()) };
        }
        turn.goes_on_with(Doing::Committing { writes: kept });
        let committing = Instant::now();
        let committed = scope.commit();
        let log_pages = crate::checkpointer::log_pages_after_commit();
        // Who is lent the connection asks for the gate next, and would have it at once, as this store's, until this
        // turn gives it back for both.
        drop(turn);
        drop(connection);
        #[cfg(feature = "metrics")]
        crate::counters::gauges::log_bytes(self.location.wal_bytes());
        committed.map_err(Failed::at_commit)?;
        let (waited, ran, commit) = (begun - arrived, committing - begun, committing.elapsed());
        tracing::trace!(writes = kept, ?waited, ?ran, ?commit, "committed");
        if kept > 0 {
            self.sight.counters.batch(kept, waited, ran, commit);
        }
        self.sight.notices.notice(log_pages);
        Ok(())
    }

    /// Begins a transaction that may write. The gate keeps this process's peers away; a writer that
    /// ignores the gate is waited for until the deadline.
    fn begin<'c>(
        &self,
        turn: &Turn<'_>,
        work: Doing,
        extent: Extent,
        connection: &'c Connection,
        deadline: Instant,
    ) -> Result<Scope<'c>> {
        let begin = || match extent {
            Extent::Call | Extent::Alone => Scope::begin(connection, "BEGIN IMMEDIATE"),
            Extent::Unit => Scope::begin_unit(connection),
        };
        let waits = Cell::new(false);
        let again = || {
            self.sight.counters.retried();
            // Since when it waits is told with it.
            if !waits.replace(true) {
                turn.goes_on_with(Doing::WaitingForOutsiders);
            }
        };
        let begun = patience::until(deadline, connection, self.busy_timeout, again, begin);
        if waits.get() {
            turn.goes_on_with(work);
        }
        begun
    }
}

/// Runs one queued call. It has changed nothing when it refuses, so that nothing has to be kept to undo it;
/// where it has, after a fault of the storage, all that shares the transaction is undone.
fn call(connection: &Connection, work: Work, kept: &mut u64) -> std::result::Result<(), Failed> {
    match work(connection) {
        Verdict::Keep => *kept += 1,
        Verdict::Nothing => {}
        Verdict::Undo => return Err(Failed::with_a_call()),
    }
    Ok(())
}

/// Runs one queued unit so that undoing it undoes nothing else.
fn in_savepoint(connection: &Connection, work: Work, kept: &mut u64) -> rusqlite::Result<()> {
    let run = |sql| connection.prepare_cached(sql)?.execute([]).map(drop);
    run("SAVEPOINT write")?;
    match work(connection) {
        Verdict::Keep => *kept += 1,
        // After some errors SQLite has rolled everything back by itself.
        Verdict::Undo | Verdict::Nothing if connection.is_autocommit() => return Ok(()),
        Verdict::Undo | Verdict::Nothing => run("ROLLBACK TO write")?,
    }
    run("RELEASE write")
}
