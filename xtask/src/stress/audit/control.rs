//! A small run whose file faults are planted in.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use store_sqlite::SqliteStore;

use super::acknowledged::Acknowledged;
use super::{Audit, examine};
use crate::failure::{Context, Result};
use crate::shared::choices::{Durability, Format};
use crate::stress::arguments::Arguments;
use crate::stress::effect::Effect;
use crate::stress::meter::{Pace, Totals};
use crate::stress::plan::{Plan, Profile};
use crate::stress::roles::{clusters, janitor};
use crate::stress::session::{Session, Shared};
use crate::stress::{follower, open, prepare, process};

/// A small run, with a connection that can plant faults in transactions and take them back.
pub struct Run {
    pub plan: Plan,
    pub acknowledged: Acknowledged,
    pub connection: Connection,
    /// The store that jobs were moved into.
    pub second: Connection,
}

/// What a small run in a folder is asked for, but for how long it is.
pub fn arguments(folder: &Path, profile: Profile) -> Arguments {
    Arguments {
        processes: Some(1),
        profile,
        threads: 3,
        seconds: None,
        operations: None,
        claims: None,
        kill_every: None,
        jobs: 0,
        open_rounds: 0,
        durability: Durability::Normal,
        db: Some(folder.join("project.db")),
        format: Format::Text,
        report: None,
        seed: Some(1),
    }
}

/// A process of the mix and one that follows it, both in this one.
pub fn small_run(folder: &Path) -> Result<Run> {
    let arguments = Arguments {
        threads: 4,
        jobs: 700,
        operations: Some(8_000),
        ..arguments(folder, Profile::Mix)
    };
    let mut plan = prepare::plan(&arguments)?;
    prepare::fill(&mut plan)?;
    let stop = Arc::new(AtomicBool::new(false));
    let one = |number, work: Work| {
        let store = open::open(&plan, number)?;
        let shared = Shared { stop: Arc::clone(&stop), ..prepare::shared(&plan, number)? };
        let (totals, _) = work(&store, &shared)?;
        shared.journal.finish()?;
        store.close().doing(|| "close the store".to_owned())?;
        Ok(totals)
    };
    let number = plan.follower().expect("the mix has one");
    let follow: Work = |store, shared| follower::work(store, shared, |_| ());
    let all: Result<Vec<Totals>> = std::thread::scope(|scope| {
        let follows = scope.spawn(|| one(number, follow));
        let worked = one(1, |store, shared| {
            let worked = process::work(store, shared, |_| ());
            rare_work(store, shared)?;
            worked
        });
        stop.store(true, Ordering::Relaxed);
        [worked, follows.join().expect("no panic")].into_iter().collect()
    });
    for totals in all? {
        assert_eq!(totals.locked, [].into());
        assert_eq!(totals.errors, [].into());
        assert_eq!(totals.contradictions, [].into());
    }

    let (connection, second) = (to_plant(&plan.database)?, to_plant(&plan.moved())?);
    let acknowledged = Acknowledged::read(&plan, plan.last(), &std::collections::BTreeSet::new())?;
    Ok(Run { plan, acknowledged, connection, second })
}

fn to_plant(database: &Path) -> Result<Connection> {
    #[expect(clippy::disallowed_methods, reason = "faults are planted past the store")]
    let opened = Connection::open(database);
    let connection = opened.doing(|| format!("open {}", database.display()))?;
    let off = connection.execute_batch("PRAGMA foreign_keys = OFF");
    off.doing(|| "turn foreign keys off".to_owned())?;
    Ok(connection)
}

/// What a process does.
type Work = fn(&SqliteStore, &Shared) -> Result<(Totals, Vec<Pace>)>;

impl Run {
    /// What the audit says of the database with a fault in it.
    pub fn with(&self, fault: &str) -> Audit {
        self.with_in(&self.connection, fault)
    }

    /// What it says where the fault is in one of the two stores.
    pub fn with_in(&self, connection: &Connection, fault: &str) -> Audit {
        connection.execute_batch(&format!("BEGIN; {fault}")).expect(fault);
        let audit = self.examine(&self.acknowledged);
        connection.execute_batch("ROLLBACK").expect("rolls back");
        audit
    }

    pub fn examine(&self, acknowledged: &Acknowledged) -> Audit {
        let second = Some(&self.second);
        examine(&self.connection, second, &self.plan, acknowledged).expect("examines")
    }

    /// The changes of one sort, each with its place, of jobs that have not left.
    pub fn of_those_here(
        &self,
        wanted: impl Fn(&Effect) -> bool,
    ) -> impl Iterator<Item = (usize, &(String, Effect))> {
        let mut there = self.connection.prepare("SELECT 1 FROM jobs WHERE id = ?1").expect("asks");
        self.acknowledged.effects.iter().enumerate().filter(move |(_, (_, effect))| {
            let job = effect.job().filter(|_| wanted(effect));
            job.is_some_and(|job| there.exists([job.get()]).expect("answers"))
        })
    }
}

/// The findings, each after the check that it belongs to.
pub fn found(audit: &Audit) -> String {
    let lines = audit.checks.iter().flat_map(|check| {
        check.examples.iter().map(move |example| format!("{}: {example}", check.holds))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What a run so small may do seldom or never.
fn rare_work(store: &SqliteStore, shared: &Shared) -> Result<()> {
    let mut session = Session::new(store, shared, shared.plan.threads + 1, String::new())?;
    for _ in 0..4 {
        janitor::move_away(&mut session);
        janitor::prune(&mut session);
        for _ in 0..5 {
            clusters::come_and_go(&mut session);
            clusters::edit(&mut session);
        }
    }
    Ok(())
}
