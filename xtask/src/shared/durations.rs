//! How long calls took, and how threads and processes add up.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Durations of calls in nanoseconds, to three digits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub struct Durations(Histogram<u64>);

impl Default for Durations {
    fn default() -> Self {
        Self(Histogram::new(3).expect("invariant: three digits are possible"))
    }
}

impl Durations {
    /// Adds a call.
    pub fn record(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0.record(nanos).expect("invariant: it grows as needed");
    }

    /// Adds all calls of another.
    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("invariant: it grows as needed");
    }

    /// How many calls there were.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// In how many milliseconds this share of the calls was done, from 0 to 1.
    pub fn quantile(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64 / 1e6
    }

    /// The longest call in milliseconds.
    pub fn longest(&self) -> f64 {
        self.0.max() as f64 / 1e6
    }
}

impl From<Durations> for Vec<(u64, u64)> {
    fn from(durations: Durations) -> Self {
        let pairs = durations.0.iter_recorded();
        pairs.map(|step| (step.value_iterated_to(), step.count_since_last_iteration())).collect()
    }
}

impl TryFrom<Vec<(u64, u64)>> for Durations {
    type Error = String;

    fn try_from(pairs: Vec<(u64, u64)>) -> Result<Self, String> {
        let mut durations = Self::default();
        for (nanos, count) in pairs {
            let added = durations.0.record_n(nanos, count);
            added.map_err(|error| format!("{nanos} ns cannot be counted: {error}"))?;
        }
        Ok(durations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_survive_the_way_through_json() {
        let mut durations = Durations::default();
        for micros in 1..=10_000 {
            durations.record(Duration::from_micros(micros));
        }
        let json = serde_json::to_string(&durations).expect("serialises");
        let back: Durations = serde_json::from_str(&json).expect("reads");
        assert_eq!(back.count(), 10_000);
        for share in [0.0, 0.5, 0.99, 0.999, 1.0] {
            let (one, other) = (durations.quantile(share), back.quantile(share));
            assert!((one - other).abs() <= one * 0.002, "{share}: {one} and {other}");
        }
        assert!((back.quantile(0.5) - 5.0).abs() < 0.01, "{}", back.quantile(0.5));
        assert!((back.longest() - 10.0).abs() < 0.02, "{}", back.longest());
    }
}
