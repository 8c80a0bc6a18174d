//! What tells a watch that it is time to look: the kernel, where it can; else a short pause.

use std::time::Duration;

use crate::location::Location;

/// How long a watch sleeps between two looks where the kernel tells nothing: other systems than Linux, and
/// where no further `inotify` can be had (`fs.inotify.max_user_instances`, `max_user_watches`). A wake is
/// then late by as much, and the looks cost about two thousandths of a core.
const PAUSE: Duration = Duration::from_millis(5);

/// How long a watch sleeps where the kernel tells of writes to the log: whatever was not told is found then.
#[cfg(target_os = "linux")]
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::Ending;
#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::Notice;
#[cfg(target_os = "linux")]
pub(crate) use linux::Ending;
#[cfg(target_os = "linux")]
pub(super) use linux::Notice;

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::Metadata;
    use std::mem::MaybeUninit;
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::fs::MetadataExt;
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
    use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

    use super::{Duration, LONGEST_SLEEP, Location, PAUSE};

    /// Tells every watch of an opened store that it was closed.
    #[derive(Debug)]
    pub(crate) struct Ending {
        has_come: AtomicBool,
        /// Becomes readable for good; none where no descriptor is to be had, and then it is noticed at
        /// the next look.
        sign: Option<OwnedFd>,
    }

    impl Ending {
        pub(crate) fn new() -> Self {
            let sign = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok();
            Self { has_come: AtomicBool::new(false), sign }
        }

        pub(crate) fn come(&self) {
            self.has_come.store(true, Ordering::SeqCst);
            if let Some(sign) = &self.sign {
                let _told = rustix::io::write(sign, &1_u64.to_ne_bytes());
            }
        }

        pub(crate) fn has_come(&self) -> bool {
            self.has_come.load(Ordering::SeqCst)
        }
    }

    /// Listens for writes to the log.
    #[derive(Debug)]
    pub(in crate::watch) struct Notice {
        /// None where it cannot be had.
        inotify: Option<OwnedFd>,
        log: PathBuf,
        /// The file that is listened to.
        listened: Option<(u64, u64)>,
        ending: Arc<Ending>,
    }

    impl Notice {
        pub(in crate::watch) fn begin(location: &Location, ending: &Arc<Ending>) -> Self {
            let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
            Self {
                inotify: inotify.ok(),
                log: location.beside("-wal"),
                listened: None,
                ending: Arc::clone(ending),
            }
        }

        /// Takes in what was told; listens to the log that is there now.
        pub(in crate::watch) fn listen(&mut self) -> bool {
            let heard = self.hear();
            let identity = |found: Metadata| (found.dev(), found.ino());
            let there = std::fs::metadata(&self.log).ok().map(identity);
            if there.is_none() || there == self.listened {
                return heard;
            }
            let armed = self.arm();
            self.listened = there.filter(|_| armed);
            // What was written to it before is found by the look that follows, or by a later one.
            heard || armed
        }

        fn arm(&self) -> bool {
            let Some(inotify) = &self.inotify else { return false };
            let flags = WatchFlags::MODIFY | WatchFlags::MOVE_SELF | WatchFlags::ATTRIB;
            inotify::add_watch(inotify, &self.log, flags).is_ok()
        }

        fn hear(&mut self) -> bool {
            let Some(inotify) = &self.inotify else { return false };
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut told = Reader::new(inotify.as_fd(), &mut buffer);
            let mut heard = false;
            let mut gone = false;
            while let Ok(event) = told.next() {
                heard = true;
                gone |= event.events().contains(ReadFlags::IGNORED);
            }
            if gone {
                self.listened = None;
            }
            heard
        }

        pub(in crate::watch) fn longest_sleep(&self) -> Duration {
            if self.listened.is_some() { LONGEST_SLEEP } else { PAUSE }
        }

        pub(in crate::watch) fn sleep(&self, longest: Duration) {
            let told = [self.inotify.as_ref(), self.ending.sign.as_ref()];
            let mut told: Vec<PollFd<'_>> =
                told.into_iter().flatten().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
            let longest = Timespec {
                tv_sec: i64::try_from(longest.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: longest.subsec_nanos().into(),
            };
            // A signal ends it early, which is a look more.
            let _woken = poll(&mut told, Some(&longest));
        }
    }

    #[cfg(test)]
    impl Notice {
        /// As where no inotify can be had.
        pub(in crate::watch) fn deafen(&mut self) {
            self.inotify = None;
            self.listened = None;
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::{Duration, Location, PAUSE};

    /// Tells every watch of an opened store that it was closed.
    #[derive(Debug)]
    pub(crate) struct Ending(AtomicBool);

    impl Ending {
        pub(crate) const fn new() -> Self {
            Self(AtomicBool::new(false))
        }

        pub(crate) fn come(&self) {
            self.0.store(true, Ordering::SeqCst);
        }

        pub(crate) fn has_come(&self) -> bool {
            self.0.load(Ordering::SeqCst)
        }
    }

    /// Only pauses.
    #[derive(Debug)]
    pub(in crate::watch) struct Notice;

    impl Notice {
        pub(in crate::watch) fn begin(_location: &Location, _ending: &Arc<Ending>) -> Self {
            Self
        }

        pub(in crate::watch) fn listen(&mut self) -> bool {
            false
        }

        pub(in crate::watch) fn longest_sleep(&self) -> Duration {
            PAUSE
        }

        pub(in crate::watch) fn sleep(&self, longest: Duration) {
            std::thread::sleep(longest.min(PAUSE));
        }
    }
}
