//! What input decks promise.

use crate::error::Error;
use crate::event::EventKind;
use crate::input::InputDeck;
use crate::job::Job;
use crate::repo::{EventRead, JobRead, JobWrite};
use crate::status::{JobStatus, StatusChange};
use crate::time::Clock;

use super::dump::assert_untouched;
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{job_in, open, sample_deck, sample_job, tick};

/// A deck comes back as it was given, to the byte, with its hash.
pub fn a_deck_comes_back_as_it_was_given<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let every_character: String = ('\u{1}'..'\u{2000}').collect();
    let decks = [
        InputDeck::file("mgo.d12", "MgO\nCRYSTAL\n0 0 0\n225\n4.21\nEND\n")?,
        InputDeck::file("empty", "")?,
        InputDeck::file("ends", "\r\n \t\u{feff}end without newline")?,
        InputDeck::file("Größe 'x'; -- \"y\" 🧪", "🧪 \u{1f}\u{7f}\u{85}\u{2028}")?,
        InputDeck::file("every", every_character)?,
        InputDeck::file("large", "0.123456789 ".repeat(400_000))?,
        InputDeck::set((0..200).map(|n| (format!("file {n}"), format!("content {n}"))))?,
        InputDeck::set([("b", "second"), ("a", "first"), ("B", "case matters")])?,
    ];
    for deck in decks {
        let job = store.create_job(&sample_job("MgO").with_input(deck.clone()))?;
        let stored = store.input(job.id)?.expect("a deck");
        assert!(stored == deck, "{:?} came back otherwise", deck.hash());
        assert_eq!(stored.hash(), deck.hash());
    }
    Ok(())
}

/// A job without an input has none.
pub fn a_job_without_an_input_has_none<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let job = store.create_job(&sample_job("MgO"))?;
    assert_eq!(store.input(job.id)?, None);
    Ok(())
}

/// A PENDING job takes another deck in the place of the first, or a first one; the history keeps
/// both hashes.
pub fn the_input_of_a_pending_job_is_replaced<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let job = store.create_job(&sample_job("MgO"))?;
    let one = InputDeck::file("only", "one file")?;
    let mut old: Option<InputDeck> = None;
    for deck in [sample_deck("MgO"), one, sample_deck("CaO")] {
        let now = tick(&clock);
        store.replace_input(job.id, &deck)?;
        assert_eq!(store.input(job.id)?.as_ref(), Some(&deck), "nothing of the old one is left");
        let event = store.history(job.id)?.pop().expect("an event");
        assert_eq!((event.kind, event.at), (EventKind::InputReplaced, now));
        let old_hash = old.map(|old| old.hash().to_string());
        assert_eq!(event.detail["old_sha256"], serde_json::json!(old_hash));
        assert_eq!(event.detail["new_sha256"], deck.hash().to_string());
        old = Some(deck);
    }
    let changed = Job { updated_at: clock.now(), ..job.clone() };
    assert_eq!(store.job(job.id)?, changed);
    Ok(())
}

/// The same deck again changes nothing, whatever the status.
pub fn the_same_deck_again_writes_nothing<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let job = store.create_job(&sample_job("MgO").with_input(sample_deck("MgO")))?;
    tick(&clock);
    for status in [JobStatus::Pending, JobStatus::Running, JobStatus::Completed] {
        store.change_status(job.id, &StatusChange::to(status))?;
        assert_untouched(&store, || store.replace_input(job.id, &sample_deck("MgO")))?;
    }
    Ok(())
}

/// A deck of one file that is only named otherwise is another deck, though its hash is the same.
pub fn a_file_of_another_name_is_another_deck<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let job = store.create_job(&sample_job("MgO").with_input(InputDeck::file("a", "x")?))?;
    let renamed = InputDeck::file("b", "x")?;
    store.replace_input(job.id, &renamed)?;
    assert_eq!(store.input(job.id)?, Some(renamed));
    assert_eq!(store.history(job.id)?.len(), 2);
    Ok(())
}

/// The input is fixed in every status but PENDING.
pub fn an_input_is_fixed_once_the_job_is_queued<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    for &status in JobStatus::ALL.iter().filter(|status| **status != JobStatus::Pending) {
        let id = job_in(&store, "MgO", status)?.id;
        assert_refused!(
            assert_untouched(&store, || store.replace_input(id, &sample_deck("CaO"))),
            Error::NotAllowed { job, status: found, .. } if (job, found) == (id, status)
        );
    }
    Ok(())
}
