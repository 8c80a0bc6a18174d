//! Claims, leases and the ends of runs.

use std::cell::Cell;
use std::time::Duration;

use crate::attempt::Attempt;
use crate::claim::{self, ClaimFilter, Explanation};
use crate::cluster::ClusterLoad;
use crate::error::{Error, Result};
use crate::ids::{ClusterId, JobId};
use crate::job::Job;
use crate::lease::{Claim, Heartbeat, Lease, LeaseKey};
use crate::run::{CameTo, Cancellation, Completion, Ended, Failure, Recovered, RunEnd};
use crate::store::Store;
use crate::time::Timestamp;
use crate::worker::Worker;

/// Reading what workers do.
pub trait ClaimRead {
    /// Whether a claim would find something now: also the limits of clusters are looked at. Once the time of
    /// any job has come that no claim has let in yet, it MAY say yes whatever `filter` is. It MUST cost no more
    /// than a probe of an index for each kind of job that there is, however many jobs are stored.
    fn can_claim(&self, filter: &ClaimFilter) -> Result<bool>;

    /// The lease on a job, if somebody holds one.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such job.
    fn lease_of(&self, job: JobId) -> Result<Option<Lease>>;

    /// The lease that `key` shows. What a worker reports of its run takes the key by itself ([`Under`]); in
    /// a unit of work that writes anything else, it calls this first: then all of the unit lands only if the
    /// job has not gone on without it.
    ///
    /// [`Under`]: crate::lease::Under
    ///
    /// # Errors
    /// [`Error::LeaseLost`](crate::Error::LeaseLost).
    fn check_lease(&self, key: &LeaseKey) -> Result<Lease>;

    /// All leases, by job: what is being worked on, and by whom.
    fn leases(&self) -> Result<Vec<Lease>>;

    /// The attempts of a job, oldest first; the last one is the present one.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such job.
    fn attempts_of(&self, job: JobId) -> Result<Vec<Attempt>>;

    /// The jobs whose runs are to be looked for, those that wait longest first.
    fn jobs_to_probe(&self, limit: u32) -> Result<Vec<Job>>;

    /// The jobs whose runs are to stop, those that wait longest first.
    fn jobs_to_cancel(&self, limit: u32) -> Result<Vec<Job>>;

    /// What the RUNNING jobs of a cluster use. MUST NOT scan the jobs.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound).
    fn cluster_load(&self, cluster: ClusterId) -> Result<ClusterLoad>;

    /// Why a job is not running, or who runs it. Where its cluster is closed, also who closed that, when and why.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such job.
    fn explain(&self, job: JobId) -> Result<Explanation>;
}

/// Writing what workers do.
pub trait ClaimWrite: ClaimRead {
    /// Takes up to `count` jobs for `worker`, which may run them until `lease_time` has passed since now: QUEUED
    /// jobs that `filter` admits, whose dependencies are met, whose time has come, and whose cluster, if
    /// they name one, is active, open and has room for them. The best priority goes first, then the oldest
    /// job (the smallest id). A job that does not fit into its cluster holds up no other.
    ///
    /// Of a crowd that comes due, a claim MAY look only at the 20,000 jobs whose time came first, and let in no
    /// more of them than the 2,000 that it would take first if all clusters had room; as many more follow with
    /// each later claim, whatever its filter, so that none waits for ever. Until then:
    ///
    /// - a claim MAY come back empty where [`can_claim`](ClaimRead::can_claim) says yes, several times in a row
    ///   where more than 20,000 due jobs are ahead that its filter does not admit;
    /// - it MAY take a worse job where a better one is not among the 20,000, or not among the 2,000;
    /// - it MAY take fewer than `count`, or none, where as many as 2,000 better ones name clusters without room.
    ///
    /// A job whose time has come is let in once and for all: if the clock is set back afterwards, a claim MAY take it
    /// before its `not_before`.
    ///
    /// A straight call reads first, and takes a turn to write only if there may be something to claim, or if the time
    /// of a job has come, which it lets in then also where its filter does not admit it. Where the last claim of its
    /// thread found a job it does not read first: the next one mostly does too.
    ///
    /// # Atomicity
    /// All jobs of a claim become RUNNING together. No job is ever in two claims, whatever threads and
    /// processes claim at once.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) as [`claim::check`] says.
    fn claim(
        &self,
        worker: &Worker,
        filter: &ClaimFilter,
        count: u32,
        lease_time: Duration,
    ) -> Result<Vec<Claim>>;

    /// Renews leases, each until `lease_time` has passed since now, and says which are lost. A lease that has
    /// lapsed is not renewed, even if nobody has taken the job away yet. It writes no event.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for too short a lease.
    fn heartbeat(&self, keys: &[LeaseKey], lease_time: Duration) -> Result<Vec<Heartbeat>>;

    /// The run ended well: the job is COMPLETED, with its result. The same report again is
    /// [`Ended::Repeated`].
    ///
    /// # Errors
    /// [`Error::LeaseLost`](crate::Error::LeaseLost); those of `record_result`.
    fn complete(&self, key: &LeaseKey, completion: &Completion) -> Result<Ended> {
        end_run(self, key, completion.clone().into())
    }

    /// Completes a run and takes up to `count` jobs for the next: [`complete`](Self::complete) and
    /// [`claim`](Self::claim) in one transaction, so that a worker with short jobs commits once for each of
    /// them. What the end sets free can be claimed at once: the jobs that waited for it, and its place in its
    /// cluster. Where there is nothing to claim the run is completed all the same.
    ///
    /// The same report again is [`Ended::Repeated`] and claims nothing, so that it may be repeated after
    /// [`CommitUnknown`](crate::Error::CommitUnknown): what the first one took, if it landed, is among the
    /// [`leases`](ClaimRead::leases) under the worker's name.
    ///
    /// # Atomicity
    /// The end and the claims land together. If the lease is lost, nothing is claimed.
    ///
    /// # Errors
    /// Those of both. An argument of the claim that is refused leaves the run going.
    fn complete_and_claim(
        &self,
        key: &LeaseKey,
        completion: &Completion,
        worker: &Worker,
        filter: &ClaimFilter,
        count: u32,
        lease_time: Duration,
    ) -> Result<(Ended, Vec<Claim>)> {
        // What may be refused comes before what writes: after an end nothing refuses a claim any more.
        claim::check(worker, count, lease_time)?;
        match self.complete(key, completion)? {
            Ended::Repeated => Ok((Ended::Repeated, Vec::new())),
            ended => Ok((ended, self.claim(worker, filter, count, lease_time)?)),
        }
    }

    /// The run ended badly: the job is tried again as its policy says, or FAILED; or CANCELLED, where it was
    /// asked to stop. The same report again is [`Ended::Repeated`], and counts once.
    ///
    /// # Errors
    /// [`Error::LeaseLost`](crate::Error::LeaseLost); those of `record_result`.
    fn fail(&self, key: &LeaseKey, failure: &Failure) -> Result<Ended> {
        end_run(self, key, failure.clone().into())
    }

    /// The worker gives the job back, which is QUEUED again and may be claimed from `not_before` on; or
    /// CANCELLED, where it was asked to stop. No policy counts that.
    ///
    /// # Errors
    /// [`Error::LeaseLost`](crate::Error::LeaseLost).
    fn release(
        &self,
        key: &LeaseKey,
        reason: Option<&str>,
        not_before: Option<Timestamp>,
    ) -> Result<Ended> {
        end_run(self, key, RunEnd::Released { reason: reason.map(str::to_owned), not_before })
    }

    /// Ends many runs, each as its worker reports it, and says what each came to, in the same order. A report whose
    /// lease is lost is told so in its place, and the others land; the same report again is [`Ended::Repeated`].
    ///
    /// It is for a worker with many short jobs, and for a scheduler that learns of many ends at once: they
    /// commit once for all of them, and the store writes the rows of those that end alike together.
    ///
    /// # Atomicity
    /// All of it lands, or nothing.
    ///
    /// # Errors
    /// Those of [`complete`](Self::complete), [`fail`](Self::fail) and [`release`](Self::release) but
    /// [`Error::LeaseLost`](crate::Error::LeaseLost); one report that is refused refuses all, and the error names
    /// its job.
    fn end_runs(&self, ends: &[(LeaseKey, RunEnd)]) -> Result<Vec<CameTo>>;

    /// Takes away up to `limit` jobs whose leases have lapsed, those that lapsed first first, and does
    /// with each what its policy says ([`run::lapse`](crate::run::lapse)). It never touches a live lease.
    fn recover_expired(&self, limit: u32) -> Result<Vec<Recovered>>;

    /// The same with leases whose workers are known to be gone, whether they have lapsed or not. The
    /// caller vouches for it: by the process table of the worker's host, in the same boot. Keys that open
    /// nothing any more are passed over.
    fn recover_lost(&self, keys: &[LeaseKey]) -> Result<Vec<Recovered>>;

    /// Gives a RUNNING job that nobody holds a lease on to a worker that knows of its run: it was found by
    /// a probe, or was started without a claim. The worker then reports on it like on any other.
    ///
    /// # Errors
    /// [`Error::NotAllowed`](crate::Error::NotAllowed) for a job that is not RUNNING or that somebody
    /// holds.
    fn adopt(&self, job: JobId, worker: &Worker, lease_time: Duration) -> Result<Claim>;

    /// Asks a job to end. One that has not started is CANCELLED; one that is RUNNING keeps its lease and its
    /// submissions, so that whoever runs it can stop it and report it CANCELLED.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such job.
    fn request_cancel(&self, job: JobId, reason: Option<&str>) -> Result<Cancellation>;
}

fn end_run(w: &(impl ClaimWrite + ?Sized), key: &LeaseKey, end: RunEnd) -> Result<Ended> {
    match w.end_runs(&[(*key, end)])?.pop() {
        Some(came_to) => came_to.map_err(|loss| Error::lease_lost(*key, loss)),
        None => Err(Error::Bug { what: format!("no answer to the report of {key}"), source: None }),
    }
}

impl<S: Store> ClaimRead for S {
    #[track_caller]
    fn can_claim(&self, filter: &ClaimFilter) -> Result<bool> {
        self.read(|r| r.can_claim(filter))
    }

    #[track_caller]
    fn lease_of(&self, job: JobId) -> Result<Option<Lease>> {
        self.read(|r| r.lease_of(job))
    }

    #[track_caller]
    fn check_lease(&self, key: &LeaseKey) -> Result<Lease> {
        self.read(|r| r.check_lease(key))
    }

    #[track_caller]
    fn leases(&self) -> Result<Vec<Lease>> {
        self.read(|r| r.leases())
    }

    #[track_caller]
    fn attempts_of(&self, job: JobId) -> Result<Vec<Attempt>> {
        self.read(|r| r.attempts_of(job))
    }

    #[track_caller]
    fn jobs_to_probe(&self, limit: u32) -> Result<Vec<Job>> {
        self.read(|r| r.jobs_to_probe(limit))
    }

    #[track_caller]
    fn jobs_to_cancel(&self, limit: u32) -> Result<Vec<Job>> {
        self.read(|r| r.jobs_to_cancel(limit))
    }

    #[track_caller]
    fn cluster_load(&self, cluster: ClusterId) -> Result<ClusterLoad> {
        self.read(|r| r.cluster_load(cluster))
    }

    #[track_caller]
    fn explain(&self, job: JobId) -> Result<Explanation> {
        self.read(|r| r.explain(job))
    }
}

thread_local! {
    /// Whether the last claim of this thread, of whatever store, found a job. It is a guess of what the next one
    /// finds: a wrong one costs a look, or a turn to write.
    static FOUND_LAST: Cell<bool> = const { Cell::new(false) };
}

impl<S: Store> ClaimWrite for S {
    #[track_caller]
    fn claim(
        &self,
        worker: &Worker,
        filter: &ClaimFilter,
        count: u32,
        lease_time: Duration,
    ) -> Result<Vec<Claim>> {
        claim::check(worker, count, lease_time)?;
        // Idle workers ask again and again, and need no turn to write for that. A busy one mostly finds the next.
        if !FOUND_LAST.replace(false) && !self.read(|r| r.can_claim(filter))? {
            return Ok(Vec::new());
        }
        let (worker, wanted) = (worker.clone(), filter.clone());
        let claimed = self.change(move |w| w.claim(&worker, &wanted, count, lease_time));
        match claimed {
            // As if it had looked: another store may have found the last one.
            Err(Error::ReadOnly) if !self.read(|r| r.can_claim(filter))? => Ok(Vec::new()),
            claimed => {
                FOUND_LAST.set(claimed.as_ref().is_ok_and(|claims| !claims.is_empty()));
                claimed
            }
        }
    }

    #[track_caller]
    fn heartbeat(&self, keys: &[LeaseKey], lease_time: Duration) -> Result<Vec<Heartbeat>> {
        let keys = keys.to_vec();
        self.change(move |w| w.heartbeat(&keys, lease_time))
    }

    #[track_caller]
    fn complete(&self, key: &LeaseKey, completion: &Completion) -> Result<Ended> {
        let (key, end) = (*key, RunEnd::from(completion.clone()));
        self.change(move |w| end_run(w, &key, end))
    }

    #[track_caller]
    fn complete_and_claim(
        &self,
        key: &LeaseKey,
        completion: &Completion,
        worker: &Worker,
        filter: &ClaimFilter,
        count: u32,
        lease_time: Duration,
    ) -> Result<(Ended, Vec<Claim>)> {
        let (key, completion) = (*key, completion.clone());
        let (worker, filter) = (worker.clone(), filter.clone());
        self.change(move |w| {
            w.complete_and_claim(&key, &completion, &worker, &filter, count, lease_time)
        })
    }

    #[track_caller]
    fn fail(&self, key: &LeaseKey, failure: &Failure) -> Result<Ended> {
        let (key, end) = (*key, RunEnd::from(failure.clone()));
        self.change(move |w| end_run(w, &key, end))
    }

    #[track_caller]
    fn release(
        &self,
        key: &LeaseKey,
        reason: Option<&str>,
        not_before: Option<Timestamp>,
    ) -> Result<Ended> {
        let end = RunEnd::Released { reason: reason.map(str::to_owned), not_before };
        let key = *key;
        self.change(move |w| end_run(w, &key, end))
    }

    #[track_caller]
    fn end_runs(&self, ends: &[(LeaseKey, RunEnd)]) -> Result<Vec<CameTo>> {
        let ends = ends.to_vec();
        self.write_steps(ends.len(), move |w| w.end_runs(&ends))
    }

    #[track_caller]
    fn recover_expired(&self, limit: u32) -> Result<Vec<Recovered>> {
        self.write(move |w| w.recover_expired(limit))
    }

    #[track_caller]
    fn recover_lost(&self, keys: &[LeaseKey]) -> Result<Vec<Recovered>> {
        let keys = keys.to_vec();
        self.write(move |w| w.recover_lost(&keys))
    }

    #[track_caller]
    fn adopt(&self, job: JobId, worker: &Worker, lease_time: Duration) -> Result<Claim> {
        let worker = worker.clone();
        self.change(move |w| w.adopt(job, &worker, lease_time))
    }

    #[track_caller]
    fn request_cancel(&self, job: JobId, reason: Option<&str>) -> Result<Cancellation> {
        let reason = reason.map(str::to_owned);
        self.change(move |w| w.request_cancel(job, reason.as_deref()))
    }
}
