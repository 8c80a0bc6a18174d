//! The numbers of a report. The names of the fields are those of the JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::Series;
use crate::shared::choices::Durability;
use crate::shared::durations::Durations;
use crate::stress::at_rest::AtRest;
use crate::stress::audit::{Audit, Check};
use crate::stress::kind::Kind;
use crate::stress::meter::{Outcome, Slowest, Totals};
use crate::stress::open_rounds::OpenRounds;
use crate::stress::outcome::Tallies;
use crate::stress::parent::Watched;
use crate::stress::plan::{Plan, Profile};

/// Latencies in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Half of the calls took no longer.
    pub p50: f64,
    /// 99 of a hundred.
    pub p99: f64,
    /// 999 of a thousand.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

impl From<&Durations> for Latency {
    fn from(durations: &Durations) -> Self {
        Self {
            p50: durations.quantile(0.5),
            p99: durations.quantile(0.99),
            p999: durations.quantile(0.999),
            max: durations.longest(),
        }
    }
}

/// The calls of one kind.
#[derive(Debug, Clone, Serialize)]
pub struct Calls {
    /// Whether they write.
    pub writes: bool,
    /// How many returned.
    pub count: u64,
    /// How long they took.
    pub latency_ms: Latency,
}

/// The longest time in which a thread saw no call return.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Pause {
    /// In milliseconds.
    pub milliseconds: f64,
    /// Whose.
    pub process: u32,
    /// Whose.
    pub thread: u32,
    /// What it does.
    pub roles: String,
}

/// How a run went.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether everything was as the store promises.
    pub ok: bool,
    /// Calls that returned and whose duration is known. Of a process that was killed these are the calls
    /// that changed something: it has written them into its journal.
    pub operations: u64,
    /// Further calls that returned, of processes that were killed: reads, and writes that changed nothing.
    /// Their number was told up to 20 ms before the kill, their durations were not.
    pub untimed_operations: u64,
    /// All of them, in the time from the word to start to the last call.
    pub operations_per_second: f64,
    /// Of the operations: calls that read.
    pub reads: u64,
    /// Of the operations: calls that write, whether or not they were acknowledged.
    pub writes: u64,
    /// Calls that answered with "locked", "busy" or a deadline of waiting.
    pub locked_errors: u64,
    /// Acknowledged and not there.
    pub lost_writes: u64,
    /// There more often than acknowledged.
    pub doubled_writes: u64,
    /// There and acknowledged to nobody, although nothing went wrong.
    pub unacknowledged_writes: u64,
    /// There and acknowledged to nobody, because a call failed or a process died.
    pub unknown_writes: u64,
    /// Changes that were acknowledged.
    pub acknowledged_writes: u64,
    /// Other errors than those of races.
    pub unexpected_errors: u64,
    /// Answers that cannot be right.
    pub contradictions: u64,
    /// Calls for which another worker or scheduler was first; normal.
    pub races_lost: u64,
    /// Looks of a worker for a queued job that found none; normal.
    pub found_nothing: u64,
    /// Latency of all writes, but for those that prune or move, which are many.
    pub write_latency_ms: Latency,
    /// Latency of all reads.
    pub read_latency_ms: Latency,
    /// The slowest of those writes.
    pub slowest_write: Option<Slowest>,
    /// The longest time in which a thread saw no call return.
    pub longest_pause: Pause,
    /// Full seconds of threads in which no call returned.
    pub idle_thread_seconds: u64,
    /// The largest size of the log that was seen, in bytes.
    pub wal_peak_bytes: u64,
    /// The size of the log when all processes had closed the store.
    pub wal_end_bytes: u64,
    /// The slowest opening of the store by one of the processes.
    pub slowest_open_ms: f64,
    /// The store when nobody writes; none where the run was interrupted. It decides nothing.
    pub at_rest: Option<AtRest>,
    /// The rounds in which all processes opened one new file at once; none unless asked for.
    pub open_rounds: Option<OpenRounds>,
    /// What the processes did.
    pub profile: Profile,
    /// Jobs that were claimed; counted in the profile of claims.
    pub claims: u64,
    /// Jobs that left the store: those that were deleted, pruned or moved.
    pub departed_jobs: u64,
    /// Events that the follower saw, those of jobs among them that left later; counted in the mix.
    pub followed_events: u64,
    /// Processes that were killed on purpose.
    pub kills: u64,
    /// How many further jobs the store was filled with before the work began.
    pub filled_jobs: u64,
    /// How many processes there were, but for the one that follows or has the scheduler of claims.
    pub processes: u32,
    /// How many threads each.
    pub threads: u32,
    /// How long the threads worked, in seconds.
    pub seconds: f64,
    /// What an acknowledged write survives.
    pub durability: Durability,
    /// Where the random choices began.
    pub seed: u64,
    /// The version of SQLite.
    pub sqlite_version: String,
    /// The database.
    pub database: PathBuf,
    /// Whether it was there before.
    pub existing_database: bool,
    /// The journals of the processes.
    pub journals: PathBuf,
    /// The calls by kind.
    pub calls: BTreeMap<&'static str, Calls>,
    /// What the audit checked and found.
    pub audit: Vec<Check>,
    /// Processes that failed, and interruptions.
    pub failures: Vec<String>,
    /// The locked errors by variant, each with the first.
    pub locked: Tallies,
    /// The unexpected errors by variant, each with the first.
    pub errors: Tallies,
    /// The contradictions by sort, each with the first.
    pub contradicted: Tallies,
    /// What the plots show.
    #[serde(skip)]
    pub series: Series,
}

impl Report {
    /// Draws up the report of a run.
    pub fn new(
        plan: &Plan,
        mut watched: Watched,
        at_rest: Option<AtRest>,
        open_rounds: Option<OpenRounds>,
        audit: Audit,
    ) -> Self {
        for outcome in &mut watched.outcomes {
            outcome.count_from(watched.started_at);
        }
        let mut totals = Totals::default();
        for outcome in &watched.outcomes {
            totals.add(outcome.totals.clone());
        }
        let reads = totals.all(|kind| !kind.writes());
        let (writes, number_of_writes) =
            (totals.all(Kind::is_one_write), totals.all(Kind::writes).count());
        let operations = reads.count() + number_of_writes;
        let count = |tallies: &Tallies| tallies.values().map(|tally| tally.count).sum::<u64>();
        let locked_errors = count(&totals.locked);
        let unexpected_errors = count(&totals.errors);
        let contradictions = count(&totals.contradictions);
        let paces = || watched.outcomes.iter().flat_map(|outcome| &outcome.paces);
        let worked = paces().map(|pace| pace.worked_seconds).fold(0.0, f64::max);
        // Where each process may have been killed, none need have worked for the whole time.
        let seconds =
            if watched.killed.is_empty() { worked } else { watched.seconds.unwrap_or(worked) };
        let untimed_operations = untimed(&watched);
        let all_operations = (operations + untimed_operations) as f64;
        let opened = watched.outcomes.iter().map(|outcome| outcome.open_ms);
        let calls = totals.durations.iter().map(|(kind, durations)| {
            let (writes, count) = (kind.writes(), durations.count());
            (kind.as_str(), Calls { writes, count, latency_ms: durations.into() })
        });
        Self {
            ok: audit.ok()
                && watched.failures.is_empty()
                && locked_errors + unexpected_errors + contradictions == 0
                && operations > 0,
            operations,
            untimed_operations,
            operations_per_second: if seconds > 0.0 { all_operations / seconds } else { 0.0 },
            reads: reads.count(),
            writes: number_of_writes,
            locked_errors,
            lost_writes: audit.lost,
            doubled_writes: audit.doubled,
            unacknowledged_writes: audit.unacknowledged,
            unknown_writes: audit.unknown,
            acknowledged_writes: audit.acknowledged,
            unexpected_errors,
            contradictions,
            races_lost: totals.races_lost,
            found_nothing: totals.found_nothing,
            write_latency_ms: (&writes).into(),
            read_latency_ms: (&reads).into(),
            slowest_write: totals.slowest_write,
            longest_pause: longest_pause(&watched.outcomes),
            idle_thread_seconds: paces().map(|pace| pace.idle_seconds()).sum(),
            wal_peak_bytes: watched.wal.iter().map(|sample| sample.bytes).max().unwrap_or(0),
            wal_end_bytes: watched.wal_end_bytes,
            slowest_open_ms: opened.fold(0.0, f64::max),
            at_rest,
            open_rounds,
            profile: plan.profile,
            claims: audit.claims,
            departed_jobs: audit.departed,
            followed_events: audit.followed,
            kills: watched.killed.len() as u64,
            filled_jobs: plan.jobs,
            processes: plan.processes,
            threads: plan.threads,
            seconds,
            durability: plan.durability,
            seed: plan.seed,
            sqlite_version: audit.sqlite_version,
            database: plan.database.clone(),
            existing_database: plan.existing,
            journals: plan.folder.clone(),
            calls: calls.collect(),
            series: Series::new(&watched, &reads, &writes),
            audit: audit.checks,
            failures: watched.failures,
            locked: totals.locked,
            errors: totals.errors,
            contradicted: totals.contradictions,
        }
    }
}

/// The calls of killed processes that their journals do not have.
fn untimed(watched: &Watched) -> u64 {
    let journaled = |process: u32| -> u64 {
        let paces = watched.outcomes.iter().flat_map(|outcome| &outcome.paces);
        let of_process = paces.filter(|pace| pace.process == process);
        of_process.flat_map(|pace| &pace.seconds).map(|calls| calls[0] + calls[1]).sum()
    };
    let rest = |(process, told): (&u32, &u64)| told.saturating_sub(journaled(*process));
    watched.killed.iter().map(rest).sum()
}

fn longest_pause(outcomes: &[Outcome]) -> Pause {
    let paces = outcomes.iter().flat_map(|outcome| &outcome.paces);
    let longest =
        paces.max_by(|one, other| one.longest_pause_ms.total_cmp(&other.longest_pause_ms));
    longest.map_or_else(Pause::default, |pace| Pause {
        milliseconds: pace.longest_pause_ms,
        process: pace.process,
        thread: pace.thread,
        roles: pace.roles.clone(),
    })
}
