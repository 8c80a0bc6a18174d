//! Whether everything is there that a measurement wrote.

use super::stocks::Rows;
use super::task::Tally;
use super::work::Stock;
use crate::failure::{Failure, Result};

/// Compares the rows that are there with the stock and what the writers were told.
pub fn audit(found: Rows, stock: Stock, written: Tally) -> Result<()> {
    let jobs = (u64::from(stock.jobs()) + written.jobs).saturating_sub(written.retired);
    let finished = u64::from(stock.finished());
    let inputs = (finished + written.jobs).saturating_sub(written.retired);
    let events = finished * u64::from(Stock::EVENTS) + written.events;
    let results = u64::from(stock.results()) + written.results;
    let waiting = stock.waiting().map(|jobs| u64::from(jobs).saturating_sub(written.freed));
    let wanted = [
        ("jobs", found.jobs, jobs),
        ("jobs in the counts by status", found.counted, jobs),
        ("inputs", found.inputs, inputs),
        ("files of inputs", found.files, inputs),
        ("events", found.events, events.saturating_sub(written.retired_events)),
        ("results", found.results, results.saturating_sub(written.retired)),
        ("edges", found.edges, u64::from(stock.edges()) + written.edges),
        ("jobs that wait", found.waiting, waiting.unwrap_or(found.waiting)),
    ];
    let wrong: Vec<String> = wanted
        .into_iter()
        .filter(|(_, found, wanted)| found != wanted)
        .map(|(what, found, wanted)| format!("{found} {what} where {wanted} were acknowledged"))
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("the audit found {}", wrong.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::client::Client;
    use crate::bench::drafts::Drafts;
    use crate::bench::ours::{self, Ours};
    use crate::bench::references::connection;
    use crate::bench::stocks::{Stocks, rows};
    use crate::failure::Context;
    use crate::shared::choices::Durability;

    #[test]
    fn a_row_that_is_gone_from_a_database_is_found() -> Result<()> {
        let folder = tempfile::tempdir().doing(|| "make a folder".to_owned())?;
        let (database, stock) = (folder.path().join("project.db"), Stock::Running(20));
        Stocks::new(folder.path()).copy(stock, &database)?;
        let store = ours::open(&database, Durability::Normal)?;
        let mut drafts = Drafts::new(1, 1)?;
        for _ in 0..3 {
            let created = Ours::new(&store).create(&drafts.next()?);
            assert!(created.is_ok(), "{created:?}");
        }
        store.close().doing(|| "close the store".to_owned())?;
        let written = Tally { jobs: 3, events: 3, ..Tally::default() };
        audit(rows(&database)?, stock, written)?;
        let theirs = connection::open(&database).doing(|| "open".to_owned())?;
        let damage = "DELETE FROM job_events WHERE sequence = 2";
        theirs.execute_batch(damage).doing(|| "damage it".to_owned())?;
        drop(theirs);
        let refused = audit(rows(&database)?, stock, written).expect_err("an event is gone");
        let said = "2 events where 3 were acknowledged";
        assert!(refused.to_string().contains(said), "{refused}");
        Ok(())
    }

    #[test]
    fn a_row_too_few_or_too_many_is_found() {
        let written = Tally {
            jobs: 3,
            events: 5,
            results: 1,
            edges: 2,
            freed: 4,
            retired: 2,
            retired_events: 3,
        };
        let right = Rows {
            jobs: 11,
            counted: 11,
            inputs: 1,
            files: 1,
            events: 2,
            results: 0,
            edges: 2,
            waiting: 6,
        };
        let stock = Stock::Delayed(10);
        assert!(audit(right, stock, written).is_ok());
        for wrong in [
            Rows { edges: 1, ..right },
            Rows { waiting: 7, ..right },
            Rows { jobs: 13, ..right },
            Rows { counted: 12, ..right },
            Rows { inputs: 2, ..right },
            Rows { files: 2, ..right },
            Rows { events: 5, ..right },
            Rows { results: 1, ..right },
        ] {
            let refused = audit(wrong, stock, written).expect_err("it is wrong").to_string();
            assert!(refused.contains("acknowledged"), "{refused}");
        }
    }
}
