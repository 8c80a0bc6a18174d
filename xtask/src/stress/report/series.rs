//! What changes along an axis: latency by percentile, throughput and log size by time.

use crate::shared::durations::Durations;
use crate::stress::parent::Watched;

/// The points of the plots.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// Nines of the percentile (0 is 0 %, 1 is 90 %, 2 is 99 %, …) and milliseconds, of reads.
    pub read_latency: Vec<(f64, f64)>,
    /// The same of writes.
    pub write_latency: Vec<(f64, f64)>,
    /// The middle of each second and the reads that returned in it.
    pub reads: Vec<(f64, f64)>,
    /// The same of writes.
    pub writes: Vec<(f64, f64)>,
    /// Seconds and megabytes of the log.
    pub wal: Vec<(f64, f64)>,
}

impl Series {
    /// Draws the points from what was measured.
    pub fn new(watched: &Watched, reads: &Durations, writes: &Durations) -> Self {
        let mut seconds: Vec<[u64; 2]> = Vec::new();
        let paces = watched.outcomes.iter().flat_map(|outcome| &outcome.paces);
        let ends = paces.clone().map(|pace| pace.began_after + pace.worked_seconds);
        let full = ends.fold(0.0, f64::max).floor();
        for pace in paces {
            // Where a process took the place of a killed one, to the second.
            let before = pace.began_after.round() as usize;
            if seconds.len() < before + pace.seconds.len() {
                seconds.resize(before + pace.seconds.len(), [0, 0]);
            }
            for (sum, calls) in seconds.iter_mut().skip(before).zip(&pace.seconds) {
                *sum = [sum[0] + calls[0], sum[1] + calls[1]];
            }
        }
        // The last second is not a whole one, and would look like a slump.
        if full >= 1.0 {
            seconds.truncate(full as usize);
        }
        let by_time = |sort: usize| {
            let point =
                |(second, calls): (usize, &[u64; 2])| (second as f64 + 0.5, calls[sort] as f64);
            seconds.iter().enumerate().map(point).collect()
        };
        Self {
            read_latency: by_percentile(reads),
            write_latency: by_percentile(writes),
            reads: by_time(0),
            writes: by_time(1),
            wal: watched.wal.iter().map(|one| (one.at, one.bytes as f64 / 1e6)).collect(),
        }
    }
}

/// As far as there are calls to tell percentiles apart.
fn by_percentile(durations: &Durations) -> Vec<(f64, f64)> {
    if durations.count() == 0 {
        return Vec::new();
    }
    let most = (durations.count() as f64).log10();
    let steps = 100;
    (0..=steps)
        .map(|step| {
            let nines = most * f64::from(step) / f64::from(steps);
            (nines, durations.quantile(1.0 - 10_f64.powf(-nines)))
        })
        .collect()
}
