//! When to look again after the log was written to.
//!
//! A commit's last write to the log comes before the commit can be seen: without a sync between them by
//! microseconds, with one by as long as the disk takes; and a writer may lose its processor there. Nothing
//! tells of the moment itself. So the looks come close at first and then further apart.

use std::time::{Duration, Instant};

/// The pause after the first look that saw nothing.
const SHORTEST: Duration = Duration::from_micros(50);

/// The longest pause while the disk may be at work, which is a part of how late a wake can be.
const LONGEST: Duration = Duration::from_millis(1);

/// How long the disk may be at work, as a rule; a transaction that was given up ends here too.
const RULE: Duration = Duration::from_millis(100);

/// The pause after that.
const SLOW: Duration = Duration::from_millis(10);

/// After what time nothing is expected of a write any more. The look of every second stays.
const GIVEN_UP: Duration = Duration::from_secs(2);

/// The looks that follow a write to the log.
#[derive(Debug, Default)]
pub(super) struct Looks {
    since: Option<Instant>,
    pause: Duration,
}

impl Looks {
    /// The log was written to.
    pub(super) fn begin(&mut self, now: Instant) {
        self.since = Some(now);
        self.pause = SHORTEST;
    }

    /// How long to wait before the next look, where one is due.
    pub(super) fn next(&mut self, now: Instant) -> Option<Duration> {
        let age = now - self.since?;
        if age >= GIVEN_UP {
            self.since = None;
            return None;
        }
        if age >= RULE {
            return Some(SLOW);
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST);
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_close_at_first_then_further_apart_and_end() {
        let begun = Instant::now();
        let mut looks = Looks::default();
        assert_eq!(looks.next(begun), None, "nothing was written");
        looks.begin(begun);
        let (mut now, mut pauses) = (begun, Vec::new());
        while let Some(pause) = looks.next(now) {
            pauses.push(pause);
            now += pause;
        }
        assert_eq!(pauses[0], SHORTEST);
        assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]), "{pauses:?}");
        assert_eq!(pauses.last(), Some(&SLOW));
        // 100 a second after the first tenth: far below half a percent of a core.
        assert!(pauses.len() < 320, "{}", pauses.len());
        assert!(now - begun >= GIVEN_UP);
        assert_eq!(looks.next(now), None);
    }
}
