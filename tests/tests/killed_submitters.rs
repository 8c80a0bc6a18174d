//! A program that is killed while it submits neither loses a job nor submits one twice: its intents lead
//! to one submission each. The scheduler is a folder with an empty file for each job that it took.

use std::path::{Path, PathBuf};

use store_core::{
    ClusterId, ClusterKind, Confirmation, JobFilter, JobId, NewCluster, NewRemoteJob, Page,
    RemoteJob, prelude::*,
};
use store_sqlite::{CheckDepth, Options, SqliteStore};
use tests::child::{self, Child, Stage};
use tests::random::Random;
use tests::{TestResult, jobs};

/// The scheduler, which outlives whoever submits.
struct Scheduler(PathBuf);

impl Scheduler {
    /// What it has taken, as its files are named: id, name and job, each after a `~`.
    fn taken(&self) -> TestResult<Vec<[String; 3]>> {
        let mut taken = Vec::new();
        for entry in std::fs::read_dir(&self.0)? {
            let name = entry?.file_name().into_string().map_err(|name| format!("{name:?}"))?;
            let parts: Vec<String> = name.split('~').map(str::to_owned).collect();
            taken.push(parts.try_into().map_err(|parts| format!("{parts:?}"))?);
        }
        Ok(taken)
    }

    /// `sbatch --job-name=NAME`: from here on the job runs, whatever becomes of the caller.
    fn sbatch(&self, name: &str, job: JobId) -> TestResult<String> {
        let id = (1_001 + self.taken()?.len()).to_string();
        std::fs::File::create_new(self.0.join(format!("{id}~{name}~{job}")))?;
        Ok(id)
    }

    /// `squeue --name=NAME`
    fn squeue(&self, name: &str) -> TestResult<Option<String>> {
        let taken = self.taken()?;
        Ok(taken.into_iter().find(|[_, known, _]| known == name).map(|[id, ..]| id))
    }

    /// How often it has taken a job.
    fn times(&self, job: JobId) -> TestResult<usize> {
        let taken = self.taken()?;
        Ok(taken.iter().filter(|[.., known]| *known == job.to_string()).count())
    }
}

fn token(remote: &RemoteJob) -> TestResult<String> {
    Ok(remote.submission.token.ok_or("an intent has a token")?.to_string())
}

/// Submits a job, and tells its steps.
fn submit(
    store: &SqliteStore,
    scheduler: &Scheduler,
    (cluster, job): (ClusterId, JobId),
    mut step: impl FnMut(&str),
) -> TestResult {
    let intent = store.begin_submission(NewRemoteJob::intended(job, cluster))?;
    step("intended");
    let handle = scheduler.sbatch(&token(&intent)?, job)?;
    step("submitted");
    store.confirm_submission(intent.id, &Confirmation::new(handle))?;
    step("confirmed");
    Ok(())
}

/// What a program does after the one before it has died.
fn settle_intents(store: &SqliteStore, scheduler: &Scheduler, cluster: ClusterId) -> TestResult {
    for intent in store.pending_intents(Some(cluster))? {
        match scheduler.squeue(&token(&intent)?)? {
            Some(handle) => store.confirm_submission(intent.id, &Confirmation::new(handle))?,
            None => store.abandon_submission(intent.id, "the scheduler has nothing under it")?,
        };
    }
    Ok(())
}

/// The jobs of a cluster that have no active submission.
fn unsubmitted(store: &SqliteStore, cluster: ClusterId, jobs: &[JobId]) -> TestResult<Vec<JobId>> {
    let active = store.active_remote_jobs(cluster)?;
    let submitted = |job: &JobId| active.iter().any(|remote| remote.submission.job == *job);
    Ok(jobs.iter().copied().filter(|job| !submitted(job)).collect())
}

/// What each part is given: a store, a scheduler, a cluster and its jobs.
fn props(stage: &Stage) -> TestResult<(SqliteStore, Scheduler, ClusterId, Vec<JobId>)> {
    let store = Options::new(stage.argument(0)).open()?;
    let scheduler = Scheduler(stage.argument(1).into());
    let jobs = stage.argument(3).split(',').map(str::parse).collect::<Result<_, _>>()?;
    Ok((store, scheduler, stage.argument(2).parse()?, jobs))
}

/// A part: submits one job, and stops after the step that it was told.
fn submit_until(stage: &Stage) -> TestResult {
    let (store, scheduler, cluster, jobs) = props(stage)?;
    let last = stage.argument(4);
    submit(&store, &scheduler, (cluster, jobs[0]), |step| {
        stage.say(step);
        if step == last {
            stage.wait_to_be_killed();
        }
    })
}

/// Settles what an earlier program left, and submits what it did not get to.
fn recover(
    store: &SqliteStore,
    scheduler: &Scheduler,
    cluster: ClusterId,
    jobs: &[JobId],
    mut step: impl FnMut(&str),
) -> TestResult {
    settle_intents(store, scheduler, cluster)?;
    for job in unsubmitted(store, cluster, jobs)? {
        submit(store, scheduler, (cluster, job), &mut step)?;
    }
    Ok(())
}

/// A part: goes on where an earlier program was killed, then submits new jobs until it is killed too.
fn submit_without_end(stage: &Stage) -> TestResult {
    let (store, scheduler, cluster, _) = props(stage)?;
    recover(&store, &scheduler, cluster, &all_jobs(&store)?, |step| stage.say(step))?;
    loop {
        let job = store.create_job(&jobs::sample("MgO"))?.id;
        submit(&store, &scheduler, (cluster, job), |step| stage.say(step))?;
    }
}

fn all_jobs(store: &SqliteStore) -> TestResult<Vec<JobId>> {
    let page = store.jobs(&JobFilter::all(), Page::first(Page::LARGEST)?)?;
    if page.next.is_some() {
        return Err("the store has more jobs than a page takes".into());
    }
    Ok(page.jobs.iter().map(|job| job.id).collect())
}

/// A part: submits one job the way that is not safe: the store hears of it afterwards.
fn submit_without_an_intent(stage: &Stage) -> TestResult {
    let (store, scheduler, cluster, jobs) = props(stage)?;
    let handle = scheduler.sbatch("job", jobs[0])?;
    stage.say("submitted");
    if stage.argument(4) == "submitted" {
        stage.wait_to_be_killed();
    }
    store.record_submission(NewRemoteJob::new(jobs[0], cluster, handle))?;
    Ok(())
}

#[test]
fn child_process() -> TestResult {
    child::enter(&[
        ("submit until", submit_until),
        ("submit without end", submit_without_end),
        ("submit without an intent", submit_without_an_intent),
    ])
}

struct Ground {
    scratch: tempfile::TempDir,
    store: SqliteStore,
    scheduler: Scheduler,
    cluster: ClusterId,
    jobs: Vec<JobId>,
}

impl Ground {
    fn with_jobs(how_many: usize) -> TestResult<Self> {
        let scratch = tempfile::tempdir()?;
        let scheduler = Scheduler(scratch.path().join("scheduler"));
        std::fs::create_dir(&scheduler.0)?;
        let store = Options::new(scratch.path().join("project.db")).open()?;
        let cluster = NewCluster::new("archer", ClusterKind::Slurm, "login.example.org");
        let cluster = store.create_cluster(&cluster)?.id;
        let new: Vec<_> = (0..how_many).map(|number| jobs::sample(number.to_string())).collect();
        let jobs = store.create_jobs(&new)?.iter().map(|job| job.id).collect();
        Ok(Self { scratch, store, scheduler, cluster, jobs })
    }

    fn begin(&self, part: &str, last: &str) -> TestResult<Child> {
        let text = |path: &Path| path.to_str().map(str::to_owned).ok_or("a path is text");
        let jobs: Vec<String> = self.jobs.iter().map(ToString::to_string).collect();
        let (store, cluster) = (self.scratch.path().join("project.db"), self.cluster.to_string());
        let (store, scheduler) = (text(&store)?, text(&self.scheduler.0)?);
        Child::begin(part, &[&store, &scheduler, &cluster, &jobs.join(","), last])
    }

    /// Each job was taken once, and the store knows as what.
    fn assert_each_submitted_once(&self) -> TestResult {
        assert_eq!(self.store.pending_intents(None)?, []);
        for &job in &self.jobs {
            assert_eq!(self.scheduler.times(job)?, 1, "job {job}");
            let active: Vec<RemoteJob> = self.store.remote_jobs_of(job)?;
            let active: Vec<_> = active.iter().filter(|remote| remote.is_active()).collect();
            let [remote] = active[..] else { return Err(format!("{job}: {active:?}").into()) };
            assert_eq!(self.scheduler.squeue(&token(remote)?)?, remote.submission.handle);
        }
        let report = self.store.check(CheckDepth::Full)?;
        assert!(report.is_ok(), "{report:?}");
        Ok(())
    }
}

#[test]
fn a_submitter_killed_between_its_steps_submits_once() -> TestResult {
    // After the step: whether the scheduler has the job, and whether the store knows.
    for (last, taken, pending) in [("intended", 0, 1), ("submitted", 1, 1), ("confirmed", 1, 0)] {
        let ground = Ground::with_jobs(1)?;
        let mut victim = ground.begin("submit until", last)?;
        while victim.hear().ok_or("it ended by itself")? != last {}
        victim.kill()?;
        assert_eq!(ground.scheduler.times(ground.jobs[0])?, taken, "killed after {last}");
        assert_eq!(ground.store.pending_intents(None)?.len(), pending, "killed after {last}");
        // Until it is settled, nobody else submits the job.
        let again = NewRemoteJob::intended(ground.jobs[0], ground.cluster);
        let again = ground.store.begin_submission(&again);
        assert!(matches!(again, Err(store_core::Error::AlreadySubmitted { .. })), "{again:?}");
        recover(&ground.store, &ground.scheduler, ground.cluster, &ground.jobs, |_| ())?;
        ground.assert_each_submitted_once()?;
    }
    Ok(())
}

#[test]
fn submitters_killed_at_any_moment_submit_each_job_once() -> TestResult {
    let mut ground = Ground::with_jobs(1)?;
    let mut random = Random::seeded(20_261_125);
    for _ in 0..6 {
        let mut victim = ground.begin("submit without end", "")?;
        // Where it is when the signal comes is up to chance.
        for _ in 0..1 + random.below(20) {
            victim.hear().ok_or("it ended by itself")?;
        }
        victim.kill()?;
    }
    ground.jobs = all_jobs(&ground.store)?;
    recover(&ground.store, &ground.scheduler, ground.cluster, &ground.jobs, |_| ())?;
    assert_eq!(ground.scheduler.taken()?.len(), ground.jobs.len());
    ground.assert_each_submitted_once()
}

/// The control: who tells the store afterwards submits twice.
#[test]
fn without_the_intent_the_job_is_submitted_twice() -> TestResult {
    let ground = Ground::with_jobs(1)?;
    let mut victim = ground.begin("submit without an intent", "submitted")?;
    victim.expect("submitted")?;
    victim.kill()?;
    // Nothing in the store says that the scheduler has it.
    assert_eq!(unsubmitted(&ground.store, ground.cluster, &ground.jobs)?, ground.jobs);
    ground.begin("submit without an intent", "")?.finish()?;
    assert_eq!(ground.scheduler.times(ground.jobs[0])?, 2);
    assert_eq!(ground.store.remote_jobs_of(ground.jobs[0])?.len(), 1);
    Ok(())
}
