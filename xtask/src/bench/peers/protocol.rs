//! What a peer tells when it has worked, and what is not believed.

use serde::Deserialize;

use crate::bench::task::{Outcome, Tally, Task};
use crate::bench::work::{Side, Until};
use crate::failure::{Context, Failure, Result};
use crate::shared::choices::Durability;

/// The line that a peer tells. A word that is missing or is not known is an error, not a zero.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    operations: u64,
    seconds: f64,
    locked: u64,
    /// What the pragma reads back as.
    synchronous: u8,
}

/// Takes what a peer told as the outcome of its task. Its rows are audited where they are in the schema
/// of the store.
pub fn outcome(line: &str, task: &Task) -> Result<Outcome> {
    let told: Told =
        serde_json::from_str(line).doing(|| format!("understand what a peer told, {line:?}"))?;
    let asked = match task.until {
        Until::Seconds(seconds) => seconds,
        Until::Operations(_) | Until::Told => 0.0,
    };
    if !told.seconds.is_finite() || told.seconds <= 0.0 || told.seconds < asked {
        let seconds = told.seconds;
        return Err(Failure::new(format!(
            "a peer worked for {seconds} s, where {asked} s were asked for"
        )));
    }
    let synchronous = match task.durability {
        Durability::Normal => 1,
        Durability::Full => 2,
    };
    if told.synchronous != synchronous {
        return Err(Failure::new(format!(
            "a peer wrote with synchronous = {}, where {synchronous} was asked for",
            told.synchronous
        )));
    }
    let rows = if task.side == Side::Sqlx { told.operations } else { 0 };
    Ok(Outcome {
        operations: told.operations,
        seconds: told.seconds,
        locked: told.locked,
        tally: Tally { jobs: rows, events: rows, ..Tally::default() },
        ..Outcome::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::work::{Stock, Work};

    fn task(side: Side) -> Task {
        Task {
            database: "peer.db".into(),
            side,
            work: Work::PassThroughQueue,
            process: 1,
            processes: 1,
            threads: 1,
            durability: Durability::Normal,
            stock: Stock::Empty,
            until: Until::Seconds(0.3),
        }
    }

    fn told(seconds: &str, synchronous: u8, more: &str) -> String {
        format!(
            r#"{{"operations": 30, "seconds": {seconds}, "locked": 2, "synchronous": {synchronous}{more}}}"#
        )
    }

    #[test]
    fn what_was_done_is_counted_in_the_time_that_it_took() -> Result<()> {
        let outcome = outcome(&told("0.6", 1, ""), &task(Side::Huey))?;
        assert!((outcome.rate(&task(Side::Huey)) - 50.0).abs() < 1e-9);
        assert_eq!((outcome.locked, outcome.tally), (2, Tally::default()));
        Ok(())
    }

    #[test]
    fn rows_in_the_schema_of_the_store_are_to_be_found_there() -> Result<()> {
        let outcome = outcome(&told("0.3", 1, ""), &task(Side::Sqlx))?;
        assert_eq!(outcome.tally, Tally { jobs: 30, events: 30, ..Tally::default() });
        Ok(())
    }

    #[test]
    fn what_cannot_be_is_not_believed() {
        for (line, said) in [
            (told("0.2", 1, ""), "0.3 s were asked for"),
            (told("-1", 1, ""), "-1 s"),
            (told("0.3", 0, ""), "synchronous = 0"),
            (told("0.3", 2, ""), "synchronous = 2"),
            (told("0.3", 1, r#", "bonus": 1"#), "unknown field"),
            (told("null", 1, ""), "invalid type"),
            (r#"{"operations": 3, "seconds": 1}"#.to_owned(), "missing field"),
            ("ready to go".to_owned(), "could not understand"),
        ] {
            let refused = outcome(&line, &task(Side::Honker)).expect_err(&line).to_string();
            assert!(refused.contains(said), "{line}: {refused}");
        }
    }
}
