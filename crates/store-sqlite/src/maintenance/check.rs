//! Whether a store is whole.

use std::collections::BTreeSet;
use std::panic::Location;

use rusqlite::{Connection, Row};
use schema::inspect::{Structure, foreign_key_violations};
use store_core::{Error, InputDeck, JobStatus, Result};

use crate::create::{connect_read_only, migrated_in_memory};
use crate::error::Meaning;
use crate::pool::on_snapshot;
use crate::store::SqliteStore;

/// How many altered inputs are named; the queries of the other problems stop there as well.
const NAMED: usize = 100;

/// How deep a check goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckDepth {
    /// Every page is well formed (`PRAGMA quick_check`), references lead somewhere, the structure and
    /// the counts are right.
    Quick,
    /// Also every index agrees with its table (`PRAGMA integrity_check`), every input deck with its hash, and the
    /// index of texts with the names and directories of the jobs; takes several times as long. The texts are compared on the connection that
    /// writes, where the store has one: meanwhile others wait for their turn, some seconds for a million
    /// jobs.
    Full,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// One line for each problem, 100 of a sort at the most; none where the store is whole.
    pub problems: Vec<String>,
}

impl CheckReport {
    /// Whether nothing was found.
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }
}

impl SqliteStore {
    /// Checks the store on one snapshot, while others go on reading and writing.
    ///
    /// SQLite keeps no checksums of pages: a bit that changed inside a value is not found, unless it is one of an
    /// input deck, which has a hash.
    ///
    /// # Errors
    /// Those of reading. What is wrong with the store is in the report, not an error.
    #[track_caller]
    pub fn check(&self, depth: CheckDepth) -> Result<CheckReport> {
        let mut problems = self.problems(depth)?;
        if depth == CheckDepth::Full && problems.is_empty() {
            problems.extend(self.wrong_texts()?);
        }
        Ok(CheckReport { problems })
    }

    /// What can be seen on one snapshot.
    #[track_caller]
    fn problems(&self, depth: CheckDepth) -> Result<Vec<String>> {
        let pragma = match depth {
            CheckDepth::Quick => "quick_check",
            CheckDepth::Full => "integrity_check",
        };
        let _guard = self.guard()?;
        let opened = self.opened()?;
        // Its own connection. One that has searched for a text keeps in mind where FTS5 has its pages, and the
        // check of SQLite 3.53 goes by that, also when others have moved them since: it would find damage.
        let connection = &connect_read_only(opened.location.database()).meaning()?;
        let _held = opened.sight.snapshots.hold(Location::caller());
        on_snapshot(connection, || {
            let mut problems = integrity(connection, pragma)?;
            let broken = |error: schema::Error| Error::Corrupt {
                what: "its structure cannot be read".to_owned(),
                source: Some(error.into()),
            };
            let violations = foreign_key_violations(connection).map_err(broken)?;
            problems.extend(violations.iter().map(ToString::to_string));
            let released = migrated_in_memory(&self.options().migrations).map_err(fault)?;
            let found = Structure::of(connection).map_err(broken)?;
            let differences = found.differences(&Structure::of(&released).map_err(fault)?);
            problems.extend(differences.iter().map(ToString::to_string));
            if differences.is_empty() {
                let (here, there) = (steps(connection)?, steps(&released)?);
                let wrong = here.symmetric_difference(&there);
                problems.extend(wrong.map(|step| format!("job_status_transitions: {step}")));
                let (here, there) = (verdicts(connection)?, verdicts(&released)?);
                let wrong = here.symmetric_difference(&there);
                problems.extend(wrong.map(|verdict| format!("dependency_verdicts: {verdict}")));
                problems.extend(miscounts(connection)?);
                problems.extend(misplaced(connection)?);
                problems.extend(misjudged(connection)?);
                problems.extend(misleased(connection)?);
                problems.extend(misnumbered(connection)?);
                problems.extend(misremembered(connection)?);
                if depth == CheckDepth::Full {
                    problems.extend(altered_inputs(connection)?);
                }
            }
            Ok(problems)
        })
    }

    /// What FTS5's own check says; it is a command that is written, though it changes nothing.
    fn wrong_texts(&self) -> Result<Option<String>> {
        const CHECK: &str = "INSERT INTO job_texts (job_texts, rank) VALUES ('integrity-check', 1)";
        let opened = self.opened()?;
        let Some(writer) = &opened.writer else { return Ok(None) };
        let _guard = self.guard()?;
        let check = |connection: &Connection| connection.execute(CHECK, []);
        match writer.in_a_turn_of_the_gate("checking the index of texts", check) {
            Ok(_) => Ok(None),
            Err(Error::Corrupt { .. }) => {
                Ok(Some("job_texts: the index differs from the names and directories".to_owned()))
            }
            Err(error) => Err(error),
        }
    }
}

/// What SQLite's own check says; nothing where it says "ok".
pub(crate) fn integrity(connection: &Connection, pragma: &str) -> Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("PRAGMA {pragma}")).meaning()?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).meaning()?;
    let lines: Vec<String> = rows.collect::<rusqlite::Result<_>>().meaning()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

fn fault(error: schema::Error) -> Error {
    let what = "the released structure cannot be made".to_owned();
    Error::Bug { what, source: Some(error.into()) }
}

/// The status machine's steps, as the database refuses others.
fn steps(connection: &Connection) -> Result<BTreeSet<String>> {
    const STEPS: &str = "SELECT from_status || ' to ' || to_status || ', ' || opens_attempt \
                         FROM job_status_transitions";
    let mut statement = connection.prepare(STEPS).meaning()?;
    let rows = statement.query_map([], |row| row.get(0)).meaning()?;
    rows.collect::<rusqlite::Result<_>>().meaning()
}

/// What each dependency says in which status, as the triggers go by it.
fn verdicts(connection: &Connection) -> Result<BTreeSet<String>> {
    const VERDICTS: &str = "SELECT kind || ' ' || status || ': waiting ' || waiting || \
                            ', unsatisfiable ' || unsatisfiable FROM dependency_verdicts";
    let mut statement = connection.prepare(VERDICTS).meaning()?;
    let rows = statement.query_map([], |row| row.get(0)).meaning()?;
    rows.collect::<rusqlite::Result<_>>().meaning()
}

/// Jobs whose row of the queue, which triggers keep, is missing, left over, or says something else than the
/// job's own.
fn misplaced(connection: &Connection) -> Result<Vec<String>> {
    const MISPLACED: &str = "SELECT queue.job_id FROM job_queue AS queue \
         LEFT JOIN jobs ON jobs.id = queue.job_id \
         WHERE jobs.id IS NULL OR jobs.status NOT IN ('PENDING', 'QUEUED') \
             OR queue.lane_id IS NOT jobs.lane_id OR queue.priority <> jobs.priority \
             OR queue.workflow IS NOT jobs.workflow OR queue.created_at <> jobs.created_at \
             OR (queue.delayed_until IS NOT NULL AND queue.delayed_until IS NOT jobs.not_before) \
         UNION ALL \
         SELECT id FROM jobs WHERE status IN ('PENDING', 'QUEUED') \
             AND NOT EXISTS (SELECT 1 FROM job_queue WHERE job_id = jobs.id) \
         ORDER BY 1 LIMIT 100";
    let mut statement = connection.prepare(MISPLACED).meaning()?;
    let rows = statement.query_map([], |row| {
        let job: i64 = row.get(0)?;
        Ok(format!("job_queue: the row of job {job} is not what jobs says"))
    });
    rows.and_then(Iterator::collect::<rusqlite::Result<_>>).meaning()
}

/// Jobs whose counters in the queue are not those of their edges, status and delay.
fn misjudged(connection: &Connection) -> Result<Vec<String>> {
    const MISJUDGED: &str = "WITH counted (job_id, unmet, unsatisfiable) AS MATERIALIZED ( \
             SELECT edges.job_id, sum(verdicts.waiting + verdicts.unsatisfiable), \
                 sum(verdicts.unsatisfiable) \
             FROM job_dependencies AS edges \
             CROSS JOIN jobs AS parents ON parents.id = edges.depends_on \
             CROSS JOIN dependency_verdicts AS verdicts \
             ON verdicts.kind = edges.kind AND verdicts.status = parents.status \
             GROUP BY edges.job_id), \
         recounted (job_id, obstacles, unsatisfiable) AS ( \
             SELECT queue.job_id, coalesce(counted.unmet, 0) + (jobs.status = 'PENDING') \
                 + (queue.delayed_until IS NOT NULL), coalesce(counted.unsatisfiable, 0) \
             FROM job_queue AS queue CROSS JOIN jobs ON jobs.id = queue.job_id \
             LEFT JOIN counted ON counted.job_id = queue.job_id) \
         SELECT queue.job_id, queue.obstacles, queue.unsatisfiable, \
             recounted.obstacles, recounted.unsatisfiable \
         FROM recounted CROSS JOIN job_queue AS queue ON queue.job_id = recounted.job_id \
         WHERE queue.obstacles <> recounted.obstacles \
             OR queue.unsatisfiable <> recounted.unsatisfiable \
         ORDER BY queue.job_id LIMIT 100";
    let mut statement = connection.prepare(MISJUDGED).meaning()?;
    let rows = statement.query_map([], |row| {
        let number = |column| row.get::<_, i64>(column);
        let (job, obstacles, unsatisfiable) = (number(0)?, number(1)?, number(2)?);
        Ok(format!(
            "job_queue: job {job} has {obstacles} obstacles and {unsatisfiable} unsatisfiable \
             dependencies there, {} and {} were counted",
            number(3)?,
            number(4)?
        ))
    });
    rows.and_then(Iterator::collect::<rusqlite::Result<_>>).meaning()
}

/// Leases that are not those of the runs of their jobs: claims and reports of these jobs would fail.
fn misleased(connection: &Connection) -> Result<Vec<String>> {
    const MISLEASED: &str = "SELECT 'job_leases: lease ' || leases.token || ' on attempt ' || leases.attempt || \
             ' is not that of job ' || jobs.id || ', which is ' || jobs.status || ' in attempt ' || \
             jobs.attempt || iif(jobs.probe_since IS NULL, '', ' and to be probed') || \
             ' and was claimed ' || jobs.claims || ' times' \
         FROM job_leases AS leases CROSS JOIN jobs ON jobs.id = leases.job_id \
         WHERE jobs.status <> 'RUNNING' OR jobs.probe_since IS NOT NULL \
             OR leases.attempt <> jobs.attempt OR leases.token <> jobs.claims \
         ORDER BY leases.job_id LIMIT 100";
    let mut statement = connection.prepare(MISLEASED).meaning()?;
    let rows = statement.query_map([], |row| row.get(0)).meaning()?;
    rows.collect::<rusqlite::Result<_>>().meaning()
}

/// Events of the two tables that have one number, or one that is still to be given out: a follower would miss some.
fn misnumbered(connection: &Connection) -> Result<Vec<String>> {
    const MISNUMBERED: &str = "SELECT sequence FROM store_events \
         WHERE sequence IN (SELECT sequence FROM job_events) OR sequence > coalesce( \
             (SELECT max(seq) FROM sqlite_sequence WHERE name = 'job_events'), 0) \
         ORDER BY sequence LIMIT 100";
    let mut statement = connection.prepare(MISNUMBERED).meaning()?;
    let rows = statement.query_map([], |row| {
        let sequence: i64 = row.get(0)?;
        Ok(format!("store_events: {sequence} is not a number of its own among the events"))
    });
    rows.and_then(Iterator::collect::<rusqlite::Result<_>>).meaning()
}

/// A mark of what was forgotten that is lost, or lies ahead: followers would not be told, or be refused.
fn misremembered(connection: &Connection) -> Result<Option<String>> {
    const MARK: &str = "SELECT (SELECT newest FROM events_forgotten), coalesce( \
         (SELECT max(seq) FROM sqlite_sequence WHERE name = 'job_events'), 0)";
    let read = connection
        .query_one(MARK, [], |row| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, i64>(1)?)));
    Ok(match read.meaning()? {
        (None, _) => Some("events_forgotten: its row is missing".to_owned()),
        (Some(newest), last) if newest > last => {
            Some(format!("events_forgotten: {newest} is not a number of an event"))
        }
        _ => None,
    })
}

/// Input decks that are not what was stored, by their hashes; one of them is in memory at a time.
fn altered_inputs(connection: &Connection) -> Result<Vec<String>> {
    const DECKS: &str = "SELECT job_inputs.job_id, sha256, name, content FROM job_inputs \
         LEFT JOIN job_input_files USING (job_id) ORDER BY job_inputs.job_id";
    let mut altered = Vec::new();
    let mut judge = |deck: Deck| {
        let whole =
            InputDeck::set(deck.files).is_ok_and(|found| found.hash().as_bytes()[..] == deck.hash);
        if !whole && altered.len() < NAMED {
            let job = deck.job;
            altered.push(format!("job_inputs: the input of job {job} is not what was stored"));
        }
    };
    let mut statement = connection.prepare(DECKS).meaning()?;
    let mut rows = statement.query([]).meaning()?;
    let mut deck: Option<Deck> = None;
    while let Some(row) = rows.next().meaning()? {
        let job = row.get(0).meaning()?;
        let mut read = match deck.take() {
            Some(deck) if deck.job == job => deck,
            before => {
                before.map(&mut judge);
                Deck { job, hash: bytes(row, 1)?, files: Vec::new() }
            }
        };
        let text = |column| bytes(row, column).map(|it| String::from_utf8_lossy(&it).into_owned());
        read.files.push((text(2)?, text(3)?));
        deck = Some(read);
    }
    deck.map(judge);
    Ok(altered)
}

struct Deck {
    job: i64,
    hash: Vec<u8>,
    files: Vec<(String, String)>,
}

/// What is there, whatever damage has made of it; nothing of a deck that has lost its files.
fn bytes(row: &Row<'_>, column: usize) -> Result<Vec<u8>> {
    let value = row.get_ref(column).meaning()?;
    Ok(value.as_bytes().unwrap_or_default().to_vec())
}

/// Statuses whose count, which triggers keep, is not that of the jobs.
fn miscounts(connection: &Connection) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for (archived, half) in [(0, "listed"), (1, "archived")] {
        for status in JobStatus::ALL {
            let count = |sql| -> Result<Option<i64>> {
                let params = rusqlite::params![archived, status.as_str()];
                let found = connection.query_one(sql, params, |row| row.get(0));
                match found {
                    Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
                    found => found.map(Some).meaning(),
                }
            };
            let kept = count("SELECT jobs FROM job_counts WHERE archived = ?1 AND status = ?2")?;
            let counted = count(
                "SELECT count(*) FROM jobs INDEXED BY jobs_by_status \
                 WHERE archived = ?1 AND status = ?2",
            )?;
            if kept != counted {
                let [kept, counted] = [kept, counted].map(Option::unwrap_or_default);
                problems.push(format!(
                    "job_counts: {kept} {half} jobs are {status} there, {counted} in jobs"
                ));
            }
        }
    }
    Ok(problems)
}
