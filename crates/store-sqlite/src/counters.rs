//! What a store has done in this process, counted without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::maintenance::CheckpointReport;

/// The counters of one store.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    writes: AtomicU64,
    commits: AtomicU64,
    contended: AtomicU64,
    retries: AtomicU64,
    queue_full: AtomicU64,
    readers_busy: AtomicU64,
    checkpoints: AtomicU64,
    checkpoints_prevented: AtomicU64,
    checkpoints_failed: AtomicU64,
    finishing_turns: AtomicU64,
    drains: AtomicU64,
    drains_prevented: AtomicU64,
    slow_snapshots: AtomicU64,
    batch_sizes: Histogram,
    waits: Histogram,
    runs: Histogram,
    commit_times: Histogram,
}

/// What a store has done in this process since it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Writes that were committed.
    pub writes: u64,
    /// Commits that they shared.
    pub commits: u64,
    /// Writes that were given up because their turn did not come.
    pub contended: u64,
    /// Further tries after SQLite answered that another program, one that ignores the gate, has a lock.
    pub retries: u64,
    /// Writes that were refused because the queue was full.
    pub queue_full: u64,
    /// Reads that were refused because every reader was in use until the deadline.
    pub readers_busy: u64,
    /// Passes over the write-ahead log by the store itself, each of which brings into the database what it can.
    pub checkpoints: u64,
    /// Those of them that did not come to the end of the log, because a reader held an old snapshot.
    pub checkpoints_prevented: u64,
    /// Passes, and tries to empty the log, that ended in an error, as on a full disk. The log keeps everything.
    pub checkpoints_failed: u64,
    /// Turns at the gate in which a pass brought the end of the log into the database, so that the next commit
    /// begins it anew.
    pub finishing_turns: u64,
    /// Times that the log was emptied because it had grown large; or that it begins anew with the next commit, where its
    /// file is too long to be cut while others write.
    pub drains: u64,
    /// Times that it could not be, because a reader held an old snapshot.
    pub drains_prevented: u64,
    /// Snapshots that were held for too long.
    pub slow_snapshots: u64,
    /// Writes a commit.
    pub batch_sizes: Distribution,
    /// How long a batch waited for its turn and for the transaction to begin, in microseconds.
    pub waits_us: Distribution,
    /// How long the closures of a batch ran, in microseconds.
    pub runs_us: Distribution,
    /// How long a commit took, in microseconds.
    pub commits_us: Distribution,
}

impl Counters {
    /// A batch was committed, or could not be.
    pub(crate) fn batch(&self, writes: u64, waited: Duration, ran: Duration, commit: Duration) {
        self.writes.fetch_add(writes, Ordering::Relaxed);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.batch_sizes.record(writes);
        self.waits.record(micros(waited));
        self.runs.record(micros(ran));
        self.commit_times.record(micros(commit));
        #[cfg(feature = "metrics")]
        {
            metrics::counter!("crystalstore_writes_total").increment(writes);
            metrics::counter!("crystalstore_commits_total").increment(1);
            metrics::histogram!("crystalstore_batch_writes").record(to_f64(writes));
            metrics::histogram!("crystalstore_wait_seconds").record(waited.as_secs_f64());
            metrics::histogram!("crystalstore_run_seconds").record(ran.as_secs_f64());
            metrics::histogram!("crystalstore_commit_seconds").record(commit.as_secs_f64());
        }
    }

    pub(crate) fn contended(&self) {
        self.contended.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        metrics::counter!("crystalstore_contended_total").increment(1);
    }

    pub(crate) fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        metrics::counter!("crystalstore_retries_total").increment(1);
    }

    pub(crate) fn queue_full(&self) {
        self.queue_full.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        metrics::counter!("crystalstore_queue_full_total").increment(1);
    }

    pub(crate) fn readers_busy(&self) {
        self.readers_busy.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        metrics::counter!("crystalstore_readers_busy_total").increment(1);
    }

    pub(crate) fn checkpointed(&self, report: CheckpointReport) {
        self.checkpoints.fetch_add(1, Ordering::Relaxed);
        if !report.complete {
            self.checkpoints_prevented.fetch_add(1, Ordering::Relaxed);
        }
        #[cfg(feature = "metrics")]
        {
            let outcome = if report.complete { "complete" } else { "prevented" };
            metrics::counter!("crystalstore_checkpoints_total", "outcome" => outcome).increment(1);
            metrics::gauge!("crystalstore_log_pages").set(f64::from(report.log_pages));
        }
    }

    pub(crate) fn checkpoint_failed(&self) {
        self.checkpoints_failed.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        metrics::counter!("crystalstore_checkpoints_total", "outcome" => "failed").increment(1);
    }

    pub(crate) fn finished(&self) {
        self.finishing_turns.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        metrics::counter!("crystalstore_finishing_turns_total").increment(1);
    }

    pub(crate) fn drained(&self, emptied: bool) {
        let counter = if emptied { &self.drains } else { &self.drains_prevented };
        counter.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        metrics::counter!("crystalstore_drains_total", "emptied" => emptied.to_string())
            .increment(1);
    }

    pub(crate) fn slow_snapshot(&self) {
        self.slow_snapshots.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        metrics::counter!("crystalstore_slow_snapshots_total").increment(1);
    }

    pub(crate) fn activity(&self) -> Activity {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Activity {
            writes: of(&self.writes),
            commits: of(&self.commits),
            contended: of(&self.contended),
            retries: of(&self.retries),
            queue_full: of(&self.queue_full),
            readers_busy: of(&self.readers_busy),
            checkpoints: of(&self.checkpoints),
            checkpoints_prevented: of(&self.checkpoints_prevented),
            checkpoints_failed: of(&self.checkpoints_failed),
            finishing_turns: of(&self.finishing_turns),
            drains: of(&self.drains),
            drains_prevented: of(&self.drains_prevented),
            slow_snapshots: of(&self.slow_snapshots),
            batch_sizes: self.batch_sizes.distribution(),
            waits_us: self.waits.distribution(),
            runs_us: self.runs.distribution(),
            commits_us: self.commit_times.distribution(),
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(feature = "metrics")]
#[expect(clippy::cast_precision_loss, reason = "recorders take doubles")]
const fn to_f64(count: u64) -> f64 {
    count as f64
}

/// What is so now, for recorders alone: `stats` looks itself.
#[cfg(feature = "metrics")]
pub(crate) mod gauges {
    /// The file of the write-ahead log has this size; the last store that says so is heard.
    pub(crate) fn log_bytes(bytes: u64) {
        metrics::gauge!("crystalstore_log_bytes").set(super::to_f64(bytes));
    }

    pub(crate) fn a_write_waits() {
        metrics::gauge!("crystalstore_writes_waiting").increment(1);
    }

    pub(crate) fn a_write_waits_no_more() {
        metrics::gauge!("crystalstore_writes_waiting").decrement(1);
    }

    pub(crate) fn a_reader_is_lent() {
        metrics::gauge!("crystalstore_readers_in_use").increment(1);
    }

    /// Hears of each reader that a pool lends after a wait, and of each that comes back.
    #[derive(Debug)]
    pub(crate) struct Readers;

    impl r2d2::HandleEvent for Readers {
        fn handle_checkout(&self, _: r2d2::event::CheckoutEvent) {
            a_reader_is_lent();
        }

        fn handle_checkin(&self, _: r2d2::event::CheckinEvent) {
            metrics::gauge!("crystalstore_readers_in_use").decrement(1);
        }
    }
}

/// Counts of values by their power of two.
#[derive(Debug)]
struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    largest: AtomicU64,
}

const BUCKETS: usize = 65;

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS], largest: AtomicU64::new(0) }
    }
}

impl Histogram {
    fn record(&self, value: u64) {
        let bucket = (u64::BITS - value.leading_zeros()) as usize;
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.largest.fetch_max(value, Ordering::Relaxed);
    }

    fn distribution(&self) -> Distribution {
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        Distribution { counts, largest: self.largest.load(Ordering::Relaxed) }
    }
}

/// How values are distributed, by powers of two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// How many values are 0, 1, 2 to 3, 4 to 7, …: `counts[n]` are below 2ⁿ.
    counts: Vec<u64>,
    largest: u64,
}

impl Distribution {
    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The largest value; 0 where there is none.
    pub const fn largest(&self) -> u64 {
        self.largest
    }

    /// A number that at least `share` of the values (0.5 for the median) do not exceed, less than
    /// twice as large as need be; 0 where there is no value.
    pub fn quantile(&self, share: f64) -> u64 {
        let all = self.count();
        let mut below = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            below += count;
            // Shares of counts that people look at are far from the limits of a double.
            #[expect(clippy::cast_precision_loss, reason = "see above")]
            if all > 0 && below as f64 >= share * all as f64 {
                let most = u32::try_from(bucket).ok().and_then(|n| 2_u64.checked_pow(n));
                return most.map_or(u64::MAX, |next| next - 1).min(self.largest);
            }
        }
        self.largest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_knows_its_quantiles_to_a_factor_of_two() {
        let histogram = Histogram::default();
        assert_eq!(histogram.distribution().quantile(0.5), 0);
        for value in 0..1000 {
            histogram.record(value);
        }
        let found = histogram.distribution();
        assert_eq!((found.count(), found.largest()), (1000, 999));
        assert!((499..998).contains(&found.quantile(0.5)), "{}", found.quantile(0.5));
        assert_eq!(found.quantile(1.0), 999);
        histogram.record(u64::MAX);
        assert_eq!(histogram.distribution().quantile(1.0), u64::MAX);
    }
}
