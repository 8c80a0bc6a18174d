//! Units of work: a connection inside a transaction, and what may be done there.

use std::cell::{Cell, RefCell};

use rusqlite::{Connection, Params, Row};
use store_core::event::Author;
use store_core::{Error, Invalid, Result, Timestamp};

use crate::error::{Meaning, is_constraint};

/// A unit of work of a SQLite store. `Mode` is [`Reading`] or [`Writing`]: the write halves of the
/// traits exist for the second alone.
#[derive(Debug)]
pub struct Unit<'t, Mode> {
    connection: &'t Connection,
    now: Timestamp,
    mode: Mode,
}

/// The mode of a unit of work that reads.
#[derive(Debug)]
pub struct Reading(Cell<Questions>);

/// How many statements may still be run.
#[derive(Debug, Clone, Copy)]
enum Questions {
    /// Any number: there is a transaction around them.
    Any,
    /// One, which is a transaction by itself.
    One,
    None,
}

/// The mode of a unit of work that writes.
#[derive(Debug)]
pub struct Writing {
    author: Author,
    /// Whether the transaction is given up when it fails, so that nothing of it has to be undone before.
    alone: bool,
    /// Why it does not go on.
    end: RefCell<Option<End>>,
    /// Whether a statement that writes has succeeded.
    wrote: Cell<bool>,
}

/// Why a unit that writes does not go on.
#[derive(Debug)]
enum End {
    /// It met a fault of the storage.
    Fault(String),
    /// It was to be undone as a whole if a step of it was refused, and one was.
    Refusal(String),
}

/// What happens to a unit that met a fault of the storage.
pub trait Mode {
    /// Remembers it.
    #[doc(hidden)]
    fn met(&self, fault: &Error);

    /// Called before each statement. Refuses to go on after a fault: SQLite may have rolled the transaction
    /// back, and whatever came next would be committed by itself. Refuses a second statement where there is
    /// no transaction.
    #[doc(hidden)]
    fn go_on(&self) -> Result<()>;
}

impl Mode for Reading {
    fn met(&self, _fault: &Error) {}

    fn go_on(&self) -> Result<()> {
        match self.0.get() {
            Questions::Any => {}
            Questions::One => self.0.set(Questions::None),
            Questions::None => {
                let reason = "asks a second time, of another moment than the first: use read";
                return Err(Invalid::new("ask", reason.to_owned()).into());
            }
        }
        Ok(())
    }
}

impl Mode for Writing {
    fn met(&self, fault: &Error) {
        self.end.borrow_mut().get_or_insert_with(|| End::Fault(fault.to_string()));
    }

    fn go_on(&self) -> Result<()> {
        match &*self.end.borrow() {
            None => Ok(()),
            Some(End::Fault(fault)) => {
                let reason = format!("the unit of work met a fault before: {fault}");
                Err(Error::Storage(reason.into()))
            }
            Some(End::Refusal(refusal)) => {
                let reason =
                    format!("a step of it was refused ({refusal}): go on in a unit of write");
                Err(Error::aborted(reason))
            }
        }
    }
}

impl Writing {
    fn refused(&self, refusal: &Error) {
        self.end.borrow_mut().get_or_insert_with(|| End::Refusal(refusal.to_string()));
    }
}

impl<'t> Unit<'t, Reading> {
    pub(crate) const fn reading(connection: &'t Connection, now: Timestamp) -> Self {
        Self { connection, now, mode: Reading(Cell::new(Questions::Any)) }
    }

    /// On a connection that is in no transaction, for one statement.
    pub(crate) const fn asking(connection: &'t Connection, now: Timestamp) -> Self {
        Self { connection, now, mode: Reading(Cell::new(Questions::One)) }
    }
}

impl<'t> Unit<'t, Writing> {
    pub(crate) const fn writing(
        connection: &'t Connection,
        now: Timestamp,
        author: Author,
        alone: bool,
    ) -> Self {
        let mode = Writing { author, alone, end: RefCell::new(None), wrote: Cell::new(false) };
        Self { connection, now, mode }
    }

    /// Who signs the changes.
    pub(crate) const fn author(&self) -> &Author {
        &self.mode.author
    }

    /// Whether there may be something to undo. What a refused statement has changed, SQLite has undone;
    /// its count of changes has it nevertheless.
    pub(crate) const fn has_written(&self) -> bool {
        self.mode.wrote.get()
    }

    /// Refuses to be committed after a fault of the storage: a method may have been cut short, whatever
    /// the closure made of the error.
    pub(crate) fn finish(&self) -> Result<()> {
        self.mode.go_on()
    }

    /// Writes rows; a row that a constraint of the schema refuses is the inner error, which the caller
    /// explains.
    pub(crate) fn try_execute(
        &self,
        sql: &str,
        params: impl Params,
    ) -> Result<std::result::Result<usize, rusqlite::Error>> {
        self.mode.go_on()?;
        match self.connection.prepare_cached(sql).and_then(|mut found| found.execute(params)) {
            Ok(rows) => {
                self.mode.wrote.set(true);
                Ok(Ok(rows))
            }
            Err(refused) if is_constraint(&refused) => Ok(Err(refused)),
            other => self.judge(other).map(Ok),
        }
    }

    /// Writes rows that no constraint can refuse.
    pub(crate) fn execute(&self, sql: &str, params: impl Params) -> Result<usize> {
        match self.try_execute(sql, params)? {
            Ok(rows) => Ok(rows),
            Err(refused) => self.judge(Err(refused)),
        }
    }

    /// The id of the row that was written last.
    pub(crate) fn last_id(&self) -> i64 {
        self.connection.last_insert_rowid()
    }

    /// Runs several methods so that all or none of them take effect, also if the unit goes on after an
    /// error.
    pub(crate) fn atomically<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.mode.alone {
            return work().inspect_err(|refused| self.mode.refused(refused));
        }
        self.execute("SAVEPOINT method", [])?;
        let outcome = work();
        // After a fault the whole unit is undone.
        if let Err(met_before) = self.mode.go_on() {
            return outcome.and(Err(met_before));
        }
        if outcome.is_err() {
            self.execute("ROLLBACK TO method", [])?;
        }
        self.execute("RELEASE method", [])?;
        outcome
    }
}

impl<M: Mode> Unit<'_, M> {
    /// The time of the unit, which every change of it has.
    pub(crate) const fn now(&self) -> Timestamp {
        self.now
    }

    /// The one row of a query, if there is one.
    pub(crate) fn find<T>(
        &self,
        sql: &str,
        params: impl Params,
        decode: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        self.mode.go_on()?;
        let found = self.connection.prepare_cached(sql).and_then(|mut found| {
            match found.query_one(params, decode) {
                Ok(value) => Ok(Some(value)),
                Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
                Err(error) => Err(error),
            }
        });
        self.judge(found)
    }

    /// All rows of a query.
    pub(crate) fn list<T>(
        &self,
        sql: &str,
        params: impl Params,
        decode: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        self.mode.go_on()?;
        let rows = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut found| found.query_map(params, decode)?.collect());
        self.judge(rows)
    }

    /// The fault that rows have which contradict each other.
    pub(crate) fn damaged(&self, what: String, source: Option<Error>) -> Error {
        let fault = Error::Corrupt { what, source: source.map(Into::into) };
        self.mode.met(&fault);
        fault
    }

    fn judge<T>(&self, outcome: rusqlite::Result<T>) -> Result<T> {
        outcome.meaning().inspect_err(|fault| self.mode.met(fault))
    }
}

#[cfg(test)]
mod tests {
    use store_core::repo::{EventRead, EventWrite, JobRead, JobWrite};
    use store_core::{Code, Error, NewJob, Placement, Result, Store, WorkDir};

    use crate::error::Meaning;
    use crate::{Options, SqliteStore};

    /// Lets the database grow to so many pages and no further; 0 lets it grow.
    fn limit_pages(store: &SqliteStore, pages: i64) -> Result<()> {
        let opened = store.opened()?;
        let writer = opened.writer.as_ref().expect("it writes");
        writer.in_turn(|connection| {
            let limit = if pages == 0 { i64::from(u32::MAX) - 1 } else { pages };
            connection.execute_batch(&format!("PRAGMA max_page_count = {limit}")).meaning()
        })
    }

    #[test]
    fn a_unit_that_met_a_full_disk_leaves_nothing_whatever_it_does_next() -> Result<()> {
        let scratch = tempfile::tempdir().expect("a directory");
        let store = Options::new(scratch.path().join("project.db")).open().expect("opened");
        let dir = Placement::At(WorkDir::new("/scratch/mgo")?);
        let id = store.create_job(&NewJob::new("MgO", Code::Crystal, dir))?.id;
        let pages = store.stats()?.page_count;
        limit_pages(&store, pages)?;
        let huge = "x".repeat(200_000);
        let full = store.write(move |w| {
            w.add_note(id, "before")?;
            let refused = w.add_note(id, &huge);
            assert!(matches!(refused, Err(Error::Full(_))), "{refused:?}");
            let after = w.add_note(id, "after");
            assert!(matches!(after, Err(Error::Storage(_))), "{after:?}");
            assert!(w.history(id).is_err());
            Ok(())
        });
        assert!(matches!(full, Err(Error::Storage(_))), "{full:?}");
        assert_eq!(store.history(id)?.len(), 1, "nothing of it was committed");
        limit_pages(&store, 0)?;
        store.add_note(id, "there is room again")?;
        assert_eq!(store.history(id)?.len(), 2);
        Ok(())
    }

    #[test]
    fn a_call_of_many_steps_names_the_fault_that_ended_it() -> Result<()> {
        let scratch = tempfile::tempdir().expect("a directory");
        let store = Options::new(scratch.path().join("project.db")).open().expect("opened");
        let new = |number| {
            let dir = Placement::At(WorkDir::new(format!("/scratch/{number}"))?);
            Ok(NewJob::new("MgO", Code::Crystal, dir))
        };
        let many = (0..1_000).map(new).collect::<Result<Vec<_>>>()?;
        limit_pages(&store, store.stats()?.page_count + 20)?;
        let full = store.create_jobs(&many);
        assert!(matches!(full, Err(Error::Full(_))), "{full:?}");
        limit_pages(&store, 0)?;
        assert_eq!(
            store.create_jobs(&many)?.len(),
            many.len(),
            "nothing of the first call is there"
        );
        Ok(())
    }

    #[test]
    fn a_question_is_answered_in_no_transaction_and_has_no_second_one() -> Result<()> {
        let scratch = tempfile::tempdir().expect("a directory");
        let store = Options::new(scratch.path().join("project.db")).open().expect("opened");
        let dir = Placement::At(WorkDir::new("/scratch/mgo")?);
        let job = store.create_job(&NewJob::new("MgO", Code::Crystal, dir))?;
        let asked = store.ask(|r| {
            assert_eq!(r.job(job.id)?, job);
            r.job(job.id)
        });
        assert!(matches!(asked, Err(Error::Invalid(_))), "{asked:?}");
        let read = store.read(|r| Ok((r.job(job.id)?, r.job(job.id)?)))?;
        assert_eq!(read, (job.clone(), job));
        Ok(())
    }

    #[test]
    fn a_full_disk_is_told_to_all_who_shared_the_commit() -> Result<()> {
        let scratch = tempfile::tempdir().expect("a directory");
        let store = Options::new(scratch.path().join("project.db")).open().expect("opened");
        let dir = Placement::At(WorkDir::new("/scratch/mgo")?);
        let id = store.create_job(&NewJob::new("MgO", Code::Crystal, dir))?.id;
        limit_pages(&store, store.stats()?.page_count + 20)?;
        let mut tickets = Vec::new();
        for number in 0..200 {
            let text = format!("{number} {}", "x".repeat(if number == 100 { 500_000 } else { 10 }));
            tickets.push((number, store.submit(move |w| w.add_note(id, &text))?));
        }
        let mut acknowledged = Vec::new();
        for (number, ticket) in tickets {
            match ticket.wait() {
                Ok(_) => acknowledged.push(number.to_string()),
                Err(Error::Full(_) | Error::Storage(_)) => {}
                Err(other) => panic!("{number}: {other:?}"),
            }
        }
        assert!(!acknowledged.contains(&"100".to_owned()));
        limit_pages(&store, 0)?;
        let notes = store.history(id)?.into_iter().filter_map(|event| {
            let text = event.detail.get("text")?.as_str()?.to_owned();
            text.split(' ').next().map(str::to_owned)
        });
        assert_eq!(notes.collect::<Vec<_>>(), acknowledged, "what was acknowledged, and no more");
        Ok(())
    }
}
