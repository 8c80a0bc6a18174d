//! The keeper: a thread that waits in the kernel for one that has a deadline.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use super::Locks;

/// A thread that waits in the kernel, where there is no deadline, for one that has a deadline.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    state: Mutex<KeeperState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
enum KeeperState {
    /// Nothing is waited for; no thread.
    #[default]
    Idle,
    /// A thread waits for the locks; `wanted` says whether anyone still wants them.
    Waiting { wanted: bool },
    /// The locks are held (or could not be), for the one who wanted them.
    Done(io::Result<()>),
}

impl Keeper {
    fn lock(&self) -> std::sync::MutexGuard<'_, KeeperState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(*self.lock(), KeeperState::Waiting { .. })
    }

    /// Waits for the locks until `deadline`; nothing where that passes.
    pub(super) fn wait(
        this: &Arc<Self>,
        locks: &Arc<Locks>,
        deadline: Instant,
    ) -> Option<io::Result<()>> {
        let mut state = this.lock();
        match &mut *state {
            // One that was given up still waits; it now waits for this caller.
            KeeperState::Waiting { wanted } => *wanted = true,
            _ => {
                *state = KeeperState::Waiting { wanted: true };
                let (keeper, locks) = (Arc::clone(this), Arc::clone(locks));
                let spawned = thread::Builder::new()
                    .name("crystalstore-gate".to_owned())
                    .spawn(move || keeper.keep(&locks));
                if let Err(error) = spawned {
                    *state = KeeperState::Idle;
                    return Some(Err(error));
                }
            }
        }
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if let KeeperState::Done(_) = *state {
                let KeeperState::Done(outcome) = std::mem::take(&mut *state) else {
                    unreachable!("just matched");
                };
                return Some(outcome);
            }
            if left.is_zero() {
                *state = KeeperState::Waiting { wanted: false };
                return None;
            }
            state =
                this.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn keep(&self, locks: &Locks) {
        let outcome = locks.wait_for_both();
        let mut state = self.lock();
        let wanted = matches!(*state, KeeperState::Waiting { wanted: true });
        if wanted {
            *state = KeeperState::Done(outcome);
            self.changed.notify_all();
        } else {
            if outcome.is_ok() {
                let _freed = locks.gate.unlock();
            }
            *state = KeeperState::Idle;
        }
    }
}
