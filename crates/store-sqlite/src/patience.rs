//! Waiting for a writer that ignores the gate, within the caller's deadline.

use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use store_core::{Error, Result};

use crate::error::{Meaning, is_busy};
use crate::holder;

/// The pause between two tries, before it is jittered: programs that write without turns leave the lock for moments
/// only.
const PAUSE: Duration = Duration::from_micros(250);

/// Tries `work` until no lock is in its way, or until `deadline`. It is tried once in any case; `again` hears
/// of each further try, before it pauses for that.
///
/// SQLite's busy handler, which waits for `busy_timeout` elsewhere, does not here: it is not asked at every step,
/// looks only ten times a second once it has waited for a while, and tells nobody that it waits.
pub(crate) fn until<T>(
    deadline: Instant,
    connection: &Connection,
    busy_timeout: Duration,
    again: impl Fn(),
    work: impl Fn() -> rusqlite::Result<T>,
) -> Result<T> {
    connection.busy_timeout(Duration::ZERO).meaning()?;
    let outcome = without_waiting(deadline, connection, again, work);
    connection.busy_timeout(busy_timeout).meaning()?;
    outcome
}

fn without_waiting<T>(
    deadline: Instant,
    connection: &Connection,
    again: impl Fn(),
    work: impl Fn() -> rusqlite::Result<T>,
) -> Result<T> {
    let (begun, mut is_told) = (Instant::now(), false);
    loop {
        match work() {
            Err(error) if is_busy(&error) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    let holder = connection.path().and_then(holder::of_the_write_lock);
                    return Err(Error::Contended { waited: begun.elapsed(), holder });
                }
                if !std::mem::replace(&mut is_told, true) {
                    tracing::debug!("a writer that ignores the gate is in the way");
                }
                again();
                thread::sleep(jittered(PAUSE).min(left));
            }
            other => return other.meaning(),
        }
    }
}

/// From half of `pause` to all of it, so that two who wait do not meet again and again.
fn jittered(pause: Duration) -> Duration {
    let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
    let half = pause / 2;
    half + half.mul_f64(f64::from((random >> 32) as u32) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_try_lets_sqlite_wait() -> Result<()> {
        let connection = crate::create::fresh_in_memory().meaning()?;
        let usual = Duration::from_millis(40);
        connection.busy_timeout(usual).meaning()?;
        let deadline = Instant::now() + Duration::from_millis(100);
        let timeout = || -> rusqlite::Result<i64> {
            connection.query_one("PRAGMA busy_timeout", [], |row| row.get(0))
        };
        let seen = std::cell::RefCell::new(Vec::new());
        let retries = std::cell::Cell::new(0);
        let again = || retries.set(retries.get() + 1);
        let refused = until(deadline, &connection, usual, again, || -> rusqlite::Result<()> {
            seen.borrow_mut().push(timeout()?);
            Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(5), None))
        });
        assert!(matches!(refused, Err(Error::Contended { .. })), "{refused:?}");
        let seen = seen.into_inner();
        assert!(seen.len() > 2 && seen.iter().all(|timeout| *timeout == 0), "{seen:?}");
        assert_eq!(retries.get(), seen.len() - 1, "all but the first try");
        assert_eq!(timeout().meaning()?, 40, "it was put back");
        Ok(())
    }

    #[test]
    fn a_pause_is_between_its_half_and_its_whole() {
        let pause = Duration::from_millis(8);
        let pauses: Vec<Duration> = (0..100).map(|_| jittered(pause)).collect();
        assert!(pauses.iter().all(|found| *found >= pause / 2 && *found <= pause));
        assert!(pauses.iter().any(|found| *found != pauses[0]), "they differ");
    }
}
