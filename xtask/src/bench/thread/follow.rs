//! One process that is woken by the commits of others, or that looks for them now and then.

use std::time::{Duration, Instant};

use store_core::{Clock, SystemClock};

use super::{Worked, Worker};
use crate::failure::{Context, Failure, Result};

/// How long a writer rests between two jobs: four of them are a busy project, and leave a core to who
/// is woken.
const REST: Duration = Duration::from_millis(5);

impl Worker<'_> {
    /// The first process follows, the others write. How late an event came is counted from the moment
    /// that it carries, when its transaction began; so the commit is in it.
    pub(super) fn follow(&mut self, pause: Option<u32>) -> Result<bool> {
        if self.task.process > 1 {
            std::thread::sleep(REST);
            let new = self.drafts.next()?;
            self.call(|client| client.create(&new))?;
            self.created(1);
            self.worked.operations += 1;
            return Ok(true);
        }
        let committed = self.call(|client| client.follow(pause))?;
        let now = SystemClock.now().as_micros();
        for at in &committed {
            let late = (now - at.as_micros()).max(0).unsigned_abs();
            self.worked.durations.record(Duration::from_micros(late));
        }
        self.worked.operations += committed.len() as u64;
        Ok(true)
    }

    /// Follows where nothing happens, and counts what the process costs meanwhile.
    pub(super) fn follow_nothing(&mut self, pause: Option<u32>) -> Result<bool> {
        let (begun, before) = (Instant::now(), busy()?);
        let committed = self.call(|client| client.follow(pause))?;
        if !committed.is_empty() {
            return Err(Failure::new("somebody wrote where nobody was to write"));
        }
        self.worked.busy += busy()?.saturating_sub(before);
        self.worked.waited += begun.elapsed();
        self.worked.operations += 1;
        Ok(true)
    }
}

impl Worked {
    /// The share of a core that the process took while it waited.
    pub fn share(&self) -> f64 {
        self.busy.as_secs_f64() / self.waited.as_secs_f64().max(1e-9)
    }
}

/// The time that all threads of this process have run for
/// (<https://docs.kernel.org/scheduler/sched-stats.html>, `/proc/<pid>/schedstat`).
fn busy() -> Result<Duration> {
    let threads = std::fs::read_dir("/proc/self/task").doing(|| "list the threads".to_owned())?;
    let mut nanoseconds = 0;
    for thread in threads {
        let thread = thread.doing(|| "list the threads".to_owned())?;
        // One that has ended meanwhile counts no more.
        let text = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        let ran = text.split(' ').next().and_then(|ran| ran.parse::<u64>().ok());
        nanoseconds += ran.unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanoseconds))
}
