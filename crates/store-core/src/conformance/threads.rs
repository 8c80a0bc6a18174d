//! Many threads at once.

use std::sync::Barrier;

use crate::error::Result;

/// Runs `work` in so many threads at once and waits for all of them.
pub(super) fn together<T: Send>(
    threads: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let start = Barrier::new(threads);
    std::thread::scope(|scope| {
        let run = |index| {
            let (start, work) = (&start, &work);
            scope.spawn(move || {
                start.wait();
                work(index)
            })
        };
        let running: Vec<_> = (0..threads).map(run).collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
