//! What can be claimed, lane by lane.
//!
//! The jobs of a lane differ in nothing that a claim has to look at but priority and age, so the index
//! `job_queue_claimable` has the best one of each lane first. The lanes that have any are found by a seek each;
//! how many jobs there are does not matter, nor how many of them cannot be claimed.

use rusqlite::{Row, params};
use store_core::repo::{ClaimRead, ClusterRead};
use store_core::{
    ClaimFilter, Cluster, ClusterId, ClusterLoad, Code, Job, JobId, Resources, Result, Runner,
    Timestamp,
};

use super::jobs::{columns, decode_columns};
use crate::codec::{Columns, micros};
use crate::unit::{Mode, Unit, Writing};

macro_rules! head {
    ($index:literal, $workflow:literal) => {
        concat!(
            "SELECT lane_id, priority, job_id FROM job_queue INDEXED BY ",
            $index,
            " WHERE ",
            $workflow,
            "obstacles = 0 AND lane_id > ?1 ORDER BY lane_id, priority DESC, job_id LIMIT 1"
        )
    };
}

// Not `LIMIT ?2`: SQLite would plan it again for each claim.
macro_rules! best {
    ($index:literal, $workflow:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            ", jobs.claims FROM job_queue AS queue INDEXED BY ",
            $index,
            " CROSS JOIN jobs NOT INDEXED ON jobs.id = queue.job_id WHERE ",
            $workflow,
            "queue.obstacles = 0 AND queue.lane_id = ?1 \
             ORDER BY queue.priority DESC, queue.job_id LIMIT ?2 + 0"
        )
    };
}

pub(super) const HEAD: &str = head!("job_queue_claimable", "");
pub(super) const HEAD_OF_WORKFLOW: &str =
    head!("job_queue_claimable_by_workflow", "workflow = ?2 AND ");
pub(super) const BEST: &str = best!("job_queue_claimable", "");
pub(super) const BEST_OF_WORKFLOW: &str =
    best!("job_queue_claimable_by_workflow", "queue.workflow = ?3 AND ");
// Not joined with the queue: the statistics of a store with few lanes or jobs would have it read them all.
pub(super) const LANE: &str = "SELECT nullif(cluster_id, 0), runner, code, nodes, cores, memory_mib \
                               FROM job_lanes WHERE id = ?1";
pub(super) const JOB: &str =
    concat!("SELECT ", columns!(), ", jobs.claims FROM jobs WHERE id = ?1");
pub(super) const DUE: &str =
    "SELECT 1 FROM job_queue INDEXED BY job_queue_by_delay WHERE delayed_until <= ?1 LIMIT 1";

/// Of the 20,000 whose time came first, the 2,000 that a claim with this filter would take first: more than any
/// claim takes. To look at one is quick; what takes its time is to write one, and to put it into the indexes.
pub(super) const COME_DUE: &str = "\
    UPDATE job_queue SET delayed_until = NULL, obstacles = obstacles - 1 WHERE job_id IN (\
    SELECT job_id FROM (\
        SELECT job_id, obstacles, lane_id, priority, workflow \
        FROM job_queue INDEXED BY job_queue_by_delay \
        WHERE delayed_until <= ?1 ORDER BY delayed_until LIMIT 20000) \
    ORDER BY obstacles = 1 AND (?2 IS NULL OR workflow = ?2) AND lane_id IN (\
        SELECT id FROM job_lanes WHERE (?3 IS NULL OR runner = ?3) \
        AND (?4 IS NULL OR cluster_id = ?4) AND (?5 IS NULL OR code = ?5)) DESC, \
    priority DESC, job_id LIMIT 2000)";

/// A lane that has something to claim, and room for it.
pub(super) struct Lane {
    pub(super) id: i64,
    /// The priority and the job at its head.
    pub(super) head: (i32, JobId),
    pub(super) cluster: Option<ClusterId>,
    pub(super) needs: Resources,
    runner: Runner,
    code: Code,
}

/// The clusters that lanes name, each with what it runs.
#[derive(Default)]
pub(super) struct Clusters(Vec<(Cluster, ClusterLoad)>);

impl Clusters {
    /// Whether a lane's cluster has room for one of its jobs.
    pub(super) fn have_room(&self, cluster: Option<ClusterId>, needs: Resources) -> bool {
        let found = self.0.iter().find(|(known, _)| Some(known.id) == cluster);
        found.is_none_or(|(known, load)| known.config.has_room(*load, needs))
    }

    /// Counts a job that was claimed.
    pub(super) fn count(&mut self, cluster: Option<ClusterId>, needs: Resources) {
        if let Some((_, load)) = self.0.iter_mut().find(|(known, _)| Some(known.id) == cluster) {
            *load = load.with(needs);
        }
    }
}

impl<M: Mode> Unit<'_, M> {
    /// The lanes that `filter` admits and that have something to claim and room for it, with the clusters.
    pub(super) fn open_lanes(&self, filter: &ClaimFilter) -> Result<(Vec<Lane>, Clusters)> {
        let mut lanes = Vec::new();
        let mut clusters = Clusters::default();
        let mut after = 0;
        while let Some(lane) = self.next_lane(filter, after)? {
            after = lane.id;
            let admits = filter.runner.is_none_or(|runner| lane.runner == runner)
                && filter.cluster.is_none_or(|cluster| lane.cluster == Some(cluster))
                && filter.code.as_ref().is_none_or(|code| lane.code == *code);
            if !admits {
                continue;
            }
            if let Some(cluster) = lane.cluster
                && !clusters.0.iter().any(|(known, _)| known.id == cluster)
            {
                clusters.0.push((self.cluster(cluster)?, self.cluster_load(cluster)?));
            }
            if clusters.have_room(lane.cluster, lane.needs) {
                lanes.push(lane);
            }
        }
        Ok((lanes, clusters))
    }

    /// The next lane that has something to claim, whatever its limits.
    fn next_lane(&self, filter: &ClaimFilter, after: i64) -> Result<Option<Lane>> {
        let head = |row: &Row<'_>| {
            let mut columns = Columns::of(row);
            Ok((columns.plain()?, (columns.plain()?, columns.id(JobId::new)?)))
        };
        let found: Option<(i64, (i32, JobId))> = match &filter.workflow {
            None => self.find(HEAD, [after], head)?,
            Some(workflow) => self.find(HEAD_OF_WORKFLOW, params![after, workflow], head)?,
        };
        let Some((id, head)) = found else { return Ok(None) };
        self.find(LANE, [id], |row| decode_lane(row, id, head))
    }

    /// The best jobs of a lane, each with the number of its claims.
    pub(super) fn best_of_lane(
        &self,
        filter: &ClaimFilter,
        lane: i64,
        limit: usize,
    ) -> Result<Vec<(Job, i64)>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        match &filter.workflow {
            None => self.list(BEST, [lane, limit], decode_claimable),
            Some(workflow) => {
                self.list(BEST_OF_WORKFLOW, params![lane, limit, workflow], decode_claimable)
            }
        }
    }

    /// A job with the number of its claims.
    pub(super) fn claimable(&self, job: JobId) -> Result<Option<(Job, i64)>> {
        self.find(JOB, [job.get()], decode_claimable)
    }

    /// Whether there are jobs whose time has come since a claim last looked.
    pub(super) fn some_come_due(&self, now: Timestamp) -> Result<bool> {
        Ok(self.find(DUE, [micros(now)], |_| Ok(()))?.is_some())
    }
}

impl Unit<'_, Writing> {
    /// Puts jobs whose time has come among what can be claimed, so many at a time that nobody waits long for
    /// a crowd of them.
    pub(super) fn let_come_due(&self, filter: &ClaimFilter) -> Result<()> {
        // Nearly always there are none, and a probe costs less than a statement that writes.
        if !self.some_come_due(self.now())? {
            return Ok(());
        }
        let params = params![
            micros(self.now()),
            filter.workflow,
            filter.runner.map(Runner::as_str),
            filter.cluster.map(ClusterId::get),
            filter.code.as_ref().map(Code::as_str),
        ];
        self.execute(COME_DUE, params).map(drop)
    }
}

fn decode_claimable(row: &Row<'_>) -> rusqlite::Result<(Job, i64)> {
    let mut columns = Columns::of(row);
    Ok((decode_columns(&mut columns)?, columns.plain()?))
}

fn decode_lane(row: &Row<'_>, id: i64, head: (i32, JobId)) -> rusqlite::Result<Lane> {
    let mut columns = Columns::of(row);
    Ok(Lane {
        id,
        head,
        cluster: columns.optional_id(ClusterId::new)?,
        runner: columns.word()?,
        code: columns.word()?,
        needs: Resources {
            nodes: columns.plain()?,
            cores: columns.plain()?,
            memory_mib: columns.plain()?,
        },
    })
}
