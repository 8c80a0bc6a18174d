#![cfg(target_os = "linux")]
//! Where SQLite keeps what it would restore. A test in a process of its own, since it looks at the files that are
//! open in all of it.

mod common;

use common::{Outcome, job, open, scratch};
use store_core::prelude::*;
use store_core::{JobStatus, Result, StatusChange};

/// The temporary files that SQLite holds open in this process: it has unlinked them
/// (<https://sqlite.org/tempfiles.html#temporary_file_storage_locations>).
fn temporary_files() -> usize {
    let descriptors = std::fs::read_dir("/proc/self/fd").expect("the kernel lists them");
    // One may have been closed since it was listed.
    let targets = descriptors.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    targets.filter(|target| target.to_string_lossy().contains("/etilqs_")).count()
}

/// The memory in which they would be kept is walked to its end by every statement: the time of such a unit
/// would grow with the square of what it changes.
#[test]
fn the_pages_that_a_big_unit_would_restore_are_in_a_file_and_those_of_a_small_one_in_memory()
-> Outcome {
    let (_directory, path) = scratch();
    let store = open(&path);
    let spilled = |count: usize| -> Result<usize> {
        let jobs: Vec<_> =
            (0..count).map(|number| job(&format!("{number} of {count}")).queued()).collect();
        let cancelled = StatusChange::to(JobStatus::Cancelled);
        let created = store.create_jobs(&jobs)?;
        let changes: Vec<_> = created.iter().map(|job| (job.id, cancelled.clone())).collect();
        store.write(move |unit| {
            unit.change_statuses(&changes)?;
            Ok(temporary_files())
        })
    };
    assert_eq!(spilled(1)?, 0);
    assert_eq!(spilled(2_000)?, 1);
    // What is alone in its transaction restores nothing.
    let jobs: Vec<_> = (0..2_000).map(|number| job(&format!("{number} alone"))).collect();
    let copied = store.write_steps(jobs.len(), move |unit| {
        unit.create_jobs(&jobs)?;
        Ok(temporary_files())
    })?;
    assert_eq!(copied, 0);
    Ok(())
}
