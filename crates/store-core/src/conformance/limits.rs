//! Promises about what clusters take.

use crate::claim::{ClaimFilter, Explanation, Obstacle};
use crate::cluster::{
    Closing, ClusterLimits, ClusterLoad, ClusterPatch, ClusterStatus, Intake, NewCluster, Shortage,
};
use crate::error::{Error, Result};
use crate::event::Actor;
use crate::ids::{ClusterId, JobId};
use crate::job::{JobPatch, NewJob, Parallelism};
use crate::patch::{Edit, Patch};
use crate::remote_job::NewRemoteJob;
use crate::repo::{
    ClaimRead, ClaimWrite, ClusterRead, ClusterWrite, EventRead, JobRead, JobWrite, RemoteJobRead,
    RemoteJobWrite,
};
use crate::resources::Resources;
use crate::run::{Completion, Failure};
use crate::status::{InitialStatus, JobStatus, StatusChange};
use crate::store::Store;

use super::dump::assert_untouched;
use super::fixture::Fixture;
use super::outcome::{Outcome, assert_refused};
use super::samples::{
    BEGINNING, HOUR, job_in, open, sample_cluster, sample_job, sample_worker, tick,
};

fn queue_on<S: Store>(store: &S, cluster: ClusterId, needs: Parallelism) -> Result<JobId> {
    let new = NewJob { cluster: Some(cluster), parallelism: needs, ..sample_job("on a cluster") };
    Ok(store.create_job(&new.queued())?.id)
}

fn limited<S: Store>(store: &S, limits: ClusterLimits) -> Result<ClusterId> {
    let mut new = sample_cluster("limited");
    new.limits = limits;
    Ok(store.create_cluster(&new)?.id)
}

fn claim_all<S: Store>(store: &S) -> Result<Vec<JobId>> {
    let claims = store.claim(&sample_worker("w"), &ClaimFilter::all(), 100, HOUR)?;
    Ok(claims.into_iter().map(|claim| claim.job.id).collect())
}

fn why<S: Store>(store: &S, job: JobId) -> Result<Vec<String>> {
    match store.explain(job)? {
        Explanation::NotStarted(obstacles) => {
            Ok(obstacles.iter().map(ToString::to_string).collect())
        }
        other => panic!("{other:?}"),
    }
}

/// No more jobs run on a cluster than it may have, in one claim and in many; the next one starts when one
/// has ended, however it ends.
pub fn a_cluster_runs_no_more_than_its_limits<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let limits = ClusterLimits { max_running: Some(2), ..ClusterLimits::default() };
    let cluster = limited(&store, limits)?;
    let jobs: Vec<JobId> =
        (0..7).map(|_| queue_on(&store, cluster, Parallelism::default())).collect::<Result<_>>()?;
    let elsewhere = store.create_job(&sample_job("elsewhere").queued())?.id;
    assert_eq!(claim_all(&store)?, [jobs[0], jobs[1], elsewhere]);
    assert_eq!(assert_untouched(&store, || claim_all(&store))?, []);
    assert!(!store.can_claim(&ClaimFilter::all())?, "its cluster has no room");
    assert_eq!(why(&store, jobs[2])?, ["cluster limited runs 2 jobs of 2"]);

    let key = |store: &F::Store, job| Ok::<_, Error>(store.lease_of(job)?.expect("held").key());
    store.complete(&key(&store, jobs[0])?, &Completion::default())?;
    assert!(store.can_claim(&ClaimFilter::all())?, "it has room again");
    assert_eq!(claim_all(&store)?, [jobs[2]]);
    store.fail(&key(&store, jobs[1])?, &Failure::of("timeout".parse()?))?;
    assert_eq!(claim_all(&store)?, [jobs[3]]);
    store.change_status(jobs[2], &StatusChange::to(JobStatus::Cancelled))?;
    assert_eq!(claim_all(&store)?, [jobs[4]]);
    let lost = key(&store, jobs[3])?;
    store.recover_lost(&[lost])?;
    assert_eq!(claim_all(&store)?, [jobs[3]], "the oldest goes first again");
    // One that is moved away makes room too.
    let away = JobPatch { cluster: Patch::Clear, ..JobPatch::default() };
    store.update_job(jobs[4], &away)?;
    assert_eq!(claim_all(&store)?, [jobs[5]]);
    assert_eq!(store.cluster_load(cluster)?.running, 2);
    Ok(())
}

/// What a job needs is deducted by its claim and given back at its end; one that does not fit holds up no
/// other.
pub fn resources_are_deducted_and_given_back<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let limits = ClusterLimits {
        max_running: None,
        nodes: Some(4),
        cores: Some(64),
        memory_mib: Some(1_000),
    };
    let cluster = limited(&store, limits)?;
    let needs = |nodes, mpi_ranks, threads, memory_mib| Parallelism {
        nodes: Some(nodes),
        mpi_ranks: Some(mpi_ranks),
        threads: Some(threads),
        memory_mib,
    };
    let large = queue_on(&store, cluster, needs(2, 24, 2, Some(600)))?;
    let cores = queue_on(&store, cluster, needs(1, 17, 1, None))?;
    let memory = queue_on(&store, cluster, needs(1, 1, 1, Some(401)))?;
    let nodes = queue_on(&store, cluster, needs(3, 3, 1, None))?;
    let fits = queue_on(&store, cluster, needs(1, 4, 4, Some(400)))?;
    let never = queue_on(&store, cluster, needs(5, 1, 1, None))?;
    assert_eq!(claim_all(&store)?, [large, fits]);
    let in_use = Resources { nodes: 3, cores: 64, memory_mib: 1_000 };
    assert_eq!(store.cluster_load(cluster)?, ClusterLoad { running: 2, in_use });
    assert_eq!(why(&store, cores)?, ["cluster limited uses 64 of 64 cores, and the job needs 17"]);
    let all_of_them = [
        "cluster limited uses 3 of 4 nodes, and the job needs 3",
        "cluster limited uses 64 of 64 cores, and the job needs 3",
    ];
    assert_eq!(why(&store, nodes)?, all_of_them);
    let never_fits = "cluster limited has 4 nodes in all, and the job needs 5";
    assert_eq!(why(&store, never)?[0], never_fits);

    store.change_status(large, &StatusChange::to(JobStatus::Failed))?;
    assert_eq!(claim_all(&store)?, [cores, memory]);
    let more =
        ClusterPatch { limits: Edit::Set(ClusterLimits::default()), ..ClusterPatch::default() };
    store.update_cluster(cluster, &more)?;
    assert_eq!(claim_all(&store)?, [nodes, never]);
    for job in [cores, memory, nodes, fits, never] {
        store.change_status(job, &StatusChange::to(JobStatus::Completed))?;
    }
    assert_eq!(store.cluster_load(cluster)?, ClusterLoad::default());
    Ok(())
}

/// A cluster that is not active, or not open, gets no job until it is again; what runs goes on.
pub fn a_paused_cluster_gets_no_job_until_it_is_resumed<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let cluster = limited(&store, ClusterLimits::default())?;
    let running = queue_on(&store, cluster, Parallelism::default())?;
    claim_all(&store)?;
    let status = |status| ClusterPatch { status: Edit::Set(status), ..ClusterPatch::default() };
    let closings = [
        (ClusterPatch::intake(Intake::Paused), "cluster limited is paused"),
        (ClusterPatch::intake(Intake::Draining), "cluster limited is draining"),
        (status(ClusterStatus::Inactive), "cluster limited is inactive"),
        (status(ClusterStatus::Error), "cluster limited is error"),
    ];
    for (closing, reason) in closings {
        let waiting = queue_on(&store, cluster, Parallelism::default())?;
        store.update_cluster(cluster, &closing)?;
        assert_eq!(assert_untouched(&store, || claim_all(&store))?, []);
        assert_eq!(why(&store, waiting)?, [format!("{reason} since {BEGINNING} by the suite")]);
        let key = store.lease_of(running)?.expect("it goes on").key();
        store.heartbeat(&[key], HOUR)?;
        store.update_cluster(cluster, &status(ClusterStatus::Active))?;
        store.update_cluster(cluster, &ClusterPatch::intake(Intake::Open))?;
        assert_eq!(claim_all(&store)?, [waiting]);
    }
    Ok(())
}

/// A job that waits for a closed cluster says who closed it, when and why; for one that is full, as before.
pub fn a_closed_cluster_says_who_closed_it_and_why<F: Fixture>(fixture: &F) -> Outcome {
    let (store, clock) = open(fixture);
    let ada = store.acting_as(Actor::new("ada")?).because("not set up yet")?;
    let limits = ClusterLimits { max_running: Some(0), ..ClusterLimits::default() };
    let new = NewCluster { intake: Intake::Paused, limits, ..sample_cluster("hydra") };
    let cluster = ada.create_cluster(&new)?.id;
    let job = queue_on(&store, cluster, Parallelism::default())?;
    let full = "cluster hydra runs 0 jobs of 0".to_owned();
    let paused = format!("cluster hydra is paused since {BEGINNING} by ada: not set up yet");
    assert_eq!(why(&store, job)?, [paused, full.clone()]);

    // What comes of other fields later, or of another cluster, says nothing of this.
    let bob = store.acting_as(Actor::new("bob")?);
    let drain = ClusterPatch::intake(Intake::Draining);
    let since = tick(&clock);
    bob.update_cluster(cluster, &drain.clone().because("new cooling"))?;
    tick(&clock);
    let port = ClusterPatch { port: Edit::Set(2222), ..ClusterPatch::default() };
    ada.update_cluster(cluster, &port.because("a new gate"))?;
    assert_untouched(&store, || ada.update_cluster(cluster, &drain.clone().because("again")))?;
    let other = ada.create_cluster(&sample_cluster("other"))?.id;
    ada.update_cluster(other, &drain.because("of the other one"))?;
    let reason = Some("new cooling".to_owned());
    let draining = Obstacle::Cluster {
        name: "hydra".to_owned(),
        shortage: Shortage::NotOpen(Intake::Draining),
        closing: Some(Closing { at: since, actor: Actor::new("bob")?, reason }),
    };
    let Explanation::NotStarted(obstacles) = store.explain(job)? else { panic!("it runs") };
    assert_eq!(obstacles[0], draining);
    assert_eq!(store.write(move |w| w.explain(job))?, store.explain(job)?);

    let now = tick(&clock);
    let inactive = Edit::Set(ClusterStatus::Inactive);
    bob.update_cluster(cluster, &ClusterPatch { status: inactive, ..ClusterPatch::default() })?;
    let inactive = format!("cluster hydra is inactive since {now} by bob");
    assert_eq!(why(&store, job)?, [inactive.clone(), draining.to_string(), full.clone()]);
    ada.update_cluster(cluster, &ClusterPatch::intake(Intake::Open))?;
    assert_eq!(why(&store, job)?, [inactive, full]);
    Ok(())
}

/// A cluster that is draining takes no new jobs, neither at their creation nor from elsewhere; what is there already
/// may be edited and retried.
pub fn a_draining_cluster_takes_no_new_job<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let cluster = limited(&store, ClusterLimits::default())?;
    let there = queue_on(&store, cluster, Parallelism::default())?;
    store.update_cluster(cluster, &ClusterPatch::intake(Intake::Draining))?;
    let refused = assert_untouched(&store, || queue_on(&store, cluster, Parallelism::default()));
    assert_refused!(refused, Error::InUse { by, .. } if by.contains("draining"));
    let elsewhere = job_in(&store, "elsewhere", JobStatus::Queued)?.id;
    let here = JobPatch { cluster: Patch::Set(cluster), ..JobPatch::default() };
    let refused = assert_untouched(&store, || store.update_job(elsewhere, &here));
    assert_refused!(refused, Error::InUse { by, .. } if by.contains("draining"));
    let first = JobPatch { priority: Edit::Set(1), ..here.clone() };
    assert_eq!(store.update_job(there, &first)?.priority, 1);
    store.change_status(there, &StatusChange::to(JobStatus::Failed))?;
    assert_eq!(store.retry_job(there, InitialStatus::Queued)?.status, JobStatus::Queued);
    store.update_cluster(cluster, &ClusterPatch::intake(Intake::Open))?;
    queue_on(&store, cluster, Parallelism::default())?;
    assert_eq!(store.update_job(elsewhere, &here)?.cluster, Some(cluster));
    Ok(())
}

/// A limit of zero resources is refused by name; a limit of zero jobs lets none start.
pub fn limits_that_cannot_be_meant_are_refused<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let none = ClusterLimits::default();
    for (field, limits) in [
        ("nodes", ClusterLimits { nodes: Some(0), ..none }),
        ("cores", ClusterLimits { cores: Some(0), ..none }),
        ("memory_mib", ClusterLimits { memory_mib: Some(0), ..none }),
    ] {
        let refused = assert_untouched(&store, || limited(&store, limits));
        assert_refused!(refused, Error::Invalid(invalid) if invalid.field == field);
    }
    let closed = limited(&store, ClusterLimits { max_running: Some(0), ..none })?;
    queue_on(&store, closed, Parallelism::default())?;
    assert_eq!(claim_all(&store)?, []);
    Ok(())
}

/// A cluster that is removed by force takes its submissions with it, and nothing else: its jobs stay,
/// CANCELLED where they had not ended, and it says so.
pub fn a_cluster_removed_by_force_says_what_it_came_to<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let cluster = limited(&store, ClusterLimits::default())?;
    let done = queue_on(&store, cluster, Parallelism::default())?;
    store.change_status(done, &StatusChange::to(JobStatus::Completed))?;
    let running = queue_on(&store, cluster, Parallelism::default())?;
    claim_all(&store)?;
    let waiting = queue_on(&store, cluster, Parallelism::default())?;
    store.record_submission(NewRemoteJob::new(running, cluster, "4711"))?;
    let refused = assert_untouched(&store, || store.delete_cluster(cluster));
    assert_refused!(refused, Error::InUse { .. });

    let removal = store.force_delete_cluster(cluster)?;
    assert_eq!(removal.cancelled, [running, waiting]);
    assert_eq!((removal.detached, removal.submissions), (3, 1));
    assert_refused!(store.cluster(cluster), Error::NotFound { .. });
    for (job, status) in [
        (done, JobStatus::Completed),
        (running, JobStatus::Cancelled),
        (waiting, JobStatus::Cancelled),
    ] {
        let stored = store.job(job)?;
        assert_eq!((stored.status, stored.cluster), (status, None));
    }
    assert_eq!(store.remote_jobs_of(running)?, []);
    assert_eq!(store.leases()?, []);
    let history = store.history(running)?;
    assert!(history.iter().any(|event| event.detail.get("handle").is_some_and(|h| h == "4711")));
    Ok(())
}

/// A job has no more cores than a limit of a cluster can say, so that a load can always be counted.
pub fn needs_that_no_cluster_could_count_are_refused<F: Fixture>(fixture: &F) -> Outcome {
    let (store, _) = open(fixture);
    let cluster = store.create_cluster(&sample_cluster("archer"))?.id;
    let ranks = |mpi_ranks, threads| Parallelism {
        mpi_ranks: Some(mpi_ranks),
        threads: Some(threads),
        ..Parallelism::default()
    };
    let most = ranks(u32::MAX, 1);
    let jobs = [queue_on(&store, cluster, most)?, queue_on(&store, cluster, most)?];
    for too_many in [ranks(u32::MAX, 2), ranks(u32::MAX, u32::MAX), ranks(1 << 16, 1 << 16)] {
        assert_refused!(
            assert_untouched(&store, || queue_on(&store, cluster, too_many).map(drop)),
            Error::Invalid(_)
        );
        let patch = JobPatch { parallelism: Edit::Set(too_many), ..JobPatch::default() };
        assert_refused!(
            assert_untouched(&store, || store.update_job(jobs[0], &patch).map(drop)),
            Error::Invalid(_)
        );
    }
    assert_eq!(claim_all(&store)?, jobs);
    assert_eq!(store.cluster_load(cluster)?.in_use.cores, 2 * i64::from(u32::MAX));
    Ok(())
}
