//! The order in which a watch listens, looks and sleeps: the part that must lose no wake.

use std::time::{Duration, Instant};

use store_core::Result;

use super::looks::Looks;

/// How often a watch looks whether the store is still where it was.
const ROUND: Duration = Duration::from_secs(1);

/// What a watch does, one by one; the tests put commits between any two of them.
pub(super) trait Surroundings {
    /// Takes in what the kernel has told since the last time, and tells whether the log was written to.
    /// What it tells later ends the next sleep.
    fn listen(&mut self) -> bool;

    /// The number that a commit changes.
    fn look(&mut self) -> Result<i64>;

    /// Refuses to go on where the store is no longer where it was.
    fn look_around(&mut self) -> Result<()>;

    /// Sleeps until the kernel tells something, for so long at the most.
    fn sleep(&mut self, longest: Duration);

    /// How long it may sleep without a look.
    fn longest_sleep(&self) -> Duration;

    /// The moment.
    fn now(&self) -> Instant;
}

/// Waits for the number to be another than `seen`, for `timeout` at the most.
///
/// It listens before it looks: a write that comes after the listening ends the sleep, and a commit that
/// comes before the look is seen. The other way around, what comes between the two would be taken in and
/// never looked for.
pub(super) fn wait(
    here: &mut impl Surroundings,
    seen: &mut i64,
    timeout: Duration,
) -> Result<bool> {
    let begun = here.now();
    let mut around = begun;
    let mut looks = Looks::default();
    loop {
        let written = here.listen();
        let found = here.look()?;
        if found != *seen {
            *seen = found;
            return Ok(true);
        }
        let now = here.now();
        let left = timeout.saturating_sub(now - begun);
        if left.is_zero() {
            return Ok(false);
        }
        if now - around >= ROUND {
            here.look_around()?;
            around = now;
        }
        if written {
            looks.begin(now);
        }
        let pause = looks.next(now).unwrap_or_else(|| here.longest_sleep());
        here.sleep(pause.min(left));
    }
}
