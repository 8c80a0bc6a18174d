//! What can be claimed, lane by lane.
//!
//! The jobs of a lane differ in nothing that a claim has to look at but priority and age, so the index
//! `jobs_claimable` has the best one of each lane first. The lanes that have any are found by a seek each;
//! how many jobs there are does not matter, nor how many of them cannot be claimed.

use rusqlite::{Row, params};
use store_core::repo::{ClaimRead, ClusterRead};
use store_core::{
    ClaimFilter, Cluster, ClusterId, ClusterLoad, Code, Job, JobId, Parallelism, Resources, Result,
    Runner, Timestamp,
};

use super::jobs::{columns, decode};
use crate::codec::{Columns, micros};
use crate::unit::{Mode, Unit, Writing};

macro_rules! claimable {
    () => {
        "jobs.status = 'QUEUED' AND jobs.waiting_dependencies = 0 \
         AND jobs.unsatisfiable_dependencies = 0 AND jobs.delayed = 0"
    };
}

macro_rules! head {
    ($index:literal, $workflow:literal) => {
        concat!(
            "SELECT jobs.lane_id, jobs.priority, jobs.id, jobs.cluster_id, jobs.runner, jobs.code, \
             jobs.nodes, jobs.mpi_ranks, jobs.threads, jobs.memory_mib FROM jobs INDEXED BY ",
            $index,
            " WHERE ",
            $workflow,
            claimable!(),
            " AND jobs.lane_id > ?1 ORDER BY jobs.lane_id, jobs.priority DESC, jobs.id LIMIT 1"
        )
    };
}

// Not `LIMIT ?2`: SQLite would plan it again for each claim.
macro_rules! best {
    ($index:literal, $workflow:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            ", jobs.claims FROM jobs INDEXED BY ",
            $index,
            " WHERE ",
            $workflow,
            claimable!(),
            " AND jobs.lane_id = ?1 ORDER BY jobs.priority DESC, jobs.id LIMIT ?2 + 0"
        )
    };
}

pub(super) const HEAD: &str = head!("jobs_claimable", "");
pub(super) const HEAD_OF_WORKFLOW: &str =
    head!("jobs_claimable_by_workflow", "jobs.workflow = ?2 AND ");
pub(super) const BEST: &str = best!("jobs_claimable", "");
pub(super) const BEST_OF_WORKFLOW: &str =
    best!("jobs_claimable_by_workflow", "jobs.workflow = ?3 AND ");
pub(super) const DUE: &str = "SELECT 1 FROM jobs INDEXED BY jobs_by_not_before WHERE delayed = 1 AND not_before <= ?1 LIMIT 1";

const COME_DUE: &str = "UPDATE jobs SET delayed = 0 WHERE id IN (\
                        SELECT id FROM jobs INDEXED BY jobs_by_not_before \
                        WHERE delayed = 1 AND not_before <= ?1 ORDER BY not_before LIMIT 20000)";

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
        found.is_none_or(|(known, load)| known.config.shortage(*load, needs).is_none())
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
        match &filter.workflow {
            None => self.find(HEAD, [after], decode_lane),
            Some(workflow) => self.find(HEAD_OF_WORKFLOW, params![after, workflow], decode_lane),
        }
    }

    /// The best jobs of a lane, each with the number of its claims.
    pub(super) fn best_of_lane(
        &self,
        filter: &ClaimFilter,
        lane: i64,
        limit: usize,
    ) -> Result<Vec<(Job, i64)>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let decode = |row: &Row<'_>| Ok((decode(row)?, row.get("claims")?));
        match &filter.workflow {
            None => self.list(BEST, [lane, limit], decode),
            Some(workflow) => self.list(BEST_OF_WORKFLOW, params![lane, limit, workflow], decode),
        }
    }

    /// Whether there are jobs whose time has come since a claim last looked.
    pub(super) fn some_come_due(&self, now: Timestamp) -> Result<bool> {
        Ok(self.find(DUE, [micros(now)], |_| Ok(()))?.is_some())
    }
}

impl Unit<'_, Writing> {
    /// Puts jobs whose time has come among what can be claimed; 20,000 at a time, so that nobody waits
    /// long for a crowd of them.
    pub(super) fn let_come_due(&self) -> Result<()> {
        // Nearly always there are none, and a probe costs less than a statement that writes.
        if !self.some_come_due(self.now())? {
            return Ok(());
        }
        self.execute(COME_DUE, [micros(self.now())]).map(drop)
    }
}

fn decode_lane(row: &Row<'_>) -> rusqlite::Result<Lane> {
    let mut columns = Columns::of(row);
    let id = columns.plain()?;
    let head = (columns.plain()?, columns.id(JobId::new)?);
    Ok(Lane {
        id,
        head,
        // All jobs of the lane have these alike.
        cluster: columns.optional_id(ClusterId::new)?,
        runner: columns.word()?,
        code: columns.word()?,
        needs: Parallelism {
            nodes: columns.plain()?,
            mpi_ranks: columns.plain()?,
            threads: columns.plain()?,
            memory_mib: columns.plain()?,
        }
        .needs(),
    })
}
