//! A store: one database, opened, and the two ways to use it.

use crate::error::Result;
use crate::event::Actor;
use crate::ids::EventSequence;
use crate::repo::{
    ClaimRead, ClaimWrite, ClusterRead, ClusterWrite, DependencyRead, DependencyWrite, EventRead,
    EventWrite, JobRead, JobWrite, RemoteJobRead, RemoteJobWrite, ResultRead, ResultWrite, TagRead,
    TagWrite, WorkflowRead, WorkflowWrite,
};
use crate::retention::{Retention, RetentionReport};
use crate::ticket::Ticket;
use crate::watch::{Feed, Watch};

/// What can be read, in a unit of work or straight from a store.
pub trait ReadUnit:
    JobRead
    + ClaimRead
    + ClusterRead
    + RemoteJobRead
    + DependencyRead
    + ResultRead
    + EventRead
    + TagRead
    + WorkflowRead
{
}

impl<T> ReadUnit for T where
    T: JobRead
        + ClaimRead
        + ClusterRead
        + RemoteJobRead
        + DependencyRead
        + ResultRead
        + EventRead
        + TagRead
        + WorkflowRead
{
}

/// What can be read and written. A unit that may only read does not have it: writing there does not
/// compile.
///
#[cfg_attr(feature = "memory", doc = "```compile_fail,E0599")]
#[cfg_attr(not(feature = "memory"), doc = "```ignore")]
/// use store_core::{JobId, memory::MemoryStore, prelude::*};
///
/// let _ = MemoryStore::new().read(|r| r.delete_job(JobId::new(1)));
/// ```
///
/// The same call in a unit that may write does:
///
#[cfg_attr(feature = "memory", doc = "```")]
#[cfg_attr(not(feature = "memory"), doc = "```ignore")]
/// use store_core::{JobId, memory::MemoryStore, prelude::*};
///
/// let _ = MemoryStore::new().write(|w| w.delete_job(JobId::new(1)));
/// ```
pub trait WriteUnit:
    ReadUnit
    + JobWrite
    + ClaimWrite
    + ClusterWrite
    + RemoteJobWrite
    + DependencyWrite
    + ResultWrite
    + EventWrite
    + WorkflowWrite
    + TagWrite
{
}

impl<T> WriteUnit for T where
    T: ReadUnit
        + JobWrite
        + ClaimWrite
        + ClusterWrite
        + RemoteJobWrite
        + DependencyWrite
        + ResultWrite
        + EventWrite
        + WorkflowWrite
        + TagWrite
{
}

/// One database, opened. A clone is cheap and means the same database.
///
/// Every method of [`repo`](crate::repo) can be called straight on a store, and is then a transaction
/// of its own; or on the unit of work that [`read`](Self::read) and [`write`](Self::write) hand to
/// their closures, and is then a part of that transaction.
///
/// # Contract
/// - Calls are synchronous. A write that has returned `Ok` is committed: every later read of any
///   thread and process sees it. How it fares in a power cut is the backend's durability option.
/// - A call that returns an error has changed nothing, except where [`Error::CommitUnknown`] says
///   that this is not known.
/// - Readers never wait for writers.
/// - Waiting for other writers ends at the backend's deadline, with [`Error::Contended`].
/// - Units of work of one store do not nest in a thread: [`Error::Nested`], before anything waits.
///
/// [`Error::CommitUnknown`]: crate::Error::CommitUnknown
/// [`Error::Contended`]: crate::Error::Contended
/// [`Error::Nested`]: crate::Error::Nested
pub trait Store: Clone + Send + Sync + 'static {
    /// The unit of work that reads.
    type Read<'t>: ReadUnit;

    /// The unit of work that writes.
    type Write<'t>: WriteUnit;

    /// What wakes when somebody has committed.
    type Watch: Watch;

    /// Where a second store is: a path, for one whose stores are files.
    type Archive: ?Sized + ToOwned;

    /// Runs `work` on one snapshot: everything that it reads is of the same moment, whatever others
    /// commit meanwhile.
    ///
    /// Keep it short: old snapshots keep the storage from being tidied.
    ///
    /// # Errors
    /// Those of `work`, and those of getting a snapshot.
    fn read<T>(&self, work: impl FnOnce(&Self::Read<'_>) -> Result<T>) -> Result<T>;

    /// Runs `work` as [`read`](Self::read) does, where it asks one question that has a short answer. What one
    /// question finds is of one moment by itself, so a backend may spare what keeps several on one snapshot.
    /// The straight calls that look one thing up come here.
    ///
    /// # Errors
    /// Those of `read`; [`Error::Invalid`](crate::Error::Invalid) from a second question, where the backend
    /// has spared that.
    fn ask<T>(&self, work: impl FnOnce(&Self::Read<'_>) -> Result<T>) -> Result<T> {
        self.read(work)
    }

    /// Runs `work` in one transaction: all of it is committed when this returns `Ok`, and none of it
    /// if `work` returns an error or panics. End it with an error of your own by
    /// [`Error::aborted`](crate::Error::aborted).
    ///
    /// The closure owns what it needs, because a backend may run it on another writer's thread,
    /// within a commit that several share. A panic of it is resumed in the caller. It must not wait,
    /// sleep or do I/O: every other writer of every process waits for it.
    ///
    /// # Atomicity
    /// All or nothing, in the order of the calls; no one else's write comes between.
    ///
    /// # Errors
    /// Those of `work`, and those of the commit.
    fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self::Write<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T>;

    /// Runs `work` as [`write`](Self::write) does, where it is one call, which has changed nothing when it
    /// refuses. A backend that commits several writes at once may then spare what keeps the failure of one
    /// from undoing another: where it fails after all, everybody who shares the commit is undone and told. The
    /// straight calls that change one thing come here; a closure of your own belongs into `write`.
    ///
    /// # Errors
    /// Those of `write`.
    fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self::Write<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.write(work)
    }

    /// Runs `work` as [`write`](Self::write) does, where it is one call of about so many steps. A backend may begin
    /// a transaction with it, and so spare what would undo the steps of a call within one: once a method of many
    /// steps was refused, it may give up all of `work`, whatever that made of the error. The straight calls of many
    /// steps come here; a closure of your own belongs into `write`.
    ///
    /// # Errors
    /// Those of `write`; [`Error::Aborted`](crate::Error::Aborted) where `work` went on and was given up.
    fn write_steps<T: Send + 'static>(
        &self,
        steps: usize,
        work: impl FnOnce(&Self::Write<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _hint = steps;
        self.write(work)
    }

    /// Hands `work` in, as [`write`](Self::write) would run it, and does not wait for it: so one thread
    /// keeps many writes in flight, which share commits. They are run in the order in which they were
    /// handed in, by whichever thread leads; also if the ticket is dropped. The program must live until
    /// then: closing the store, and dropping its last clone, wait for them.
    ///
    /// It may wait for room among the writes that wait already, until the deadline, where the backend's
    /// options say so; never inside a unit of work of the same store.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed), [`Error::ReadOnly`](crate::Error::ReadOnly),
    /// [`Error::QueueFull`](crate::Error::QueueFull) or [`Error::Contended`](crate::Error::Contended)
    /// where there is no room; the others from the ticket.
    fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self::Write<'_>) -> Result<T> + Send + 'static,
    ) -> Result<Ticket<T>>;

    /// A watch, which wakes when any thread of any process has committed; see [`Watch`]. What was
    /// committed before this returns need not wake it.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed), and those of setting the watch up.
    fn watch(&self) -> Result<Self::Watch>;

    /// A feed of the events after `place`, as they are committed; see [`Feed::after`].
    ///
    /// # Errors
    /// Those of [`watch`](Self::watch) and of reading.
    fn feed_after(&self, place: EventSequence) -> Result<Feed<Self>> {
        Feed::after(self, place)
    }

    /// A feed of the events from now on; see [`Feed::from_now`].
    ///
    /// # Errors
    /// Those of [`watch`](Self::watch) and of reading.
    fn feed_from_now(&self) -> Result<Feed<Self>> {
        Feed::from_now(self)
    }

    /// Moves jobs that ended long ago into the store at `into`, which is made if there is none: jobs with
    /// their inputs, tags, results, attempts, submissions, edges and history, under the same ids, uuids and
    /// sequences, and the clusters that they name. It is searched like any other store.
    ///
    /// The events of a job go with it, and one that tells so stays ([`EventKind::Moved`](crate::EventKind::Moved),
    /// with the second store's name) for a day at least, until a call for a moment after it, which forgets jobs that
    /// had left before. Ids and sequences do not come back.
    ///
    /// # Atomicity
    /// Many transactions, so that other writers have their turns between them. A job is in the second store for good
    /// before it leaves this one, and leaves only as it was copied. A call that ends in an error may have moved some
    /// jobs; none is lost, and calling again goes on.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) if `into` is this store;
    /// [`Error::ReadOnly`](crate::Error::ReadOnly); [`Error::Access`](crate::Error::Access) where the store there
    /// cannot be opened; those of reading and writing. Inside a unit of work of the second store it waits for that one in
    /// vain.
    fn move_finished(&self, retention: &Retention, into: &Self::Archive)
    -> Result<RetentionReport>;

    /// Deletes jobs that ended long ago, with all that belongs to them, for good; in the same steps, and
    /// under the same conditions, as [`move_finished`](Self::move_finished). The event that stays is
    /// [`EventKind::Deleted`](crate::EventKind::Deleted).
    ///
    /// # Errors
    /// As [`move_finished`](Self::move_finished).
    fn prune(&self, retention: &Retention) -> Result<RetentionReport>;

    /// The same store, with every change signed by `actor`.
    #[must_use]
    fn acting_as(&self, actor: Actor) -> Self;

    /// The same store, with every event told with this reason, as `reason` in its detail, unless the change has one
    /// of its own: `store.because("the scan is given up")?.delete_job(id)?`. It goes with whatever is written, in
    /// whichever way, and with what follows of that for other jobs. It stands in the history alone, but for that of
    /// `cancel_workflow`, which the attempts have as well. The last one given counts.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a reason that is empty, has a NUL, or more than 4,096 characters.
    fn because(&self, reason: &str) -> Result<Self>;
}
