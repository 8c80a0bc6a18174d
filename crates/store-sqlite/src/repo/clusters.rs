//! Clusters.

use std::collections::BTreeMap;

use rusqlite::{Row, params};
use store_core::repo::{ClusterRead, ClusterWrite, JobRead, JobWrite};
use store_core::{
    Cluster, ClusterId, ClusterLimits, ClusterPatch, ClusterRemoval, Code, ConnectionSettings,
    Error, Intake, JobId, JobPatch, JobStatus, NewCluster, Noun, Patch, Result, StatusChange,
};

use crate::codec::{Columns, micros, to_json};
use crate::unit::{Mode, Unit, Writing};

macro_rules! columns {
    () => {
        "id, name, kind, hostname, port, username, settings, status, code_roots, setup_commands, \
         created_at, updated_at, intake, max_running, nodes, cores, memory_mib"
    };
}

pub(super) const BY_ID: &str = concat!("SELECT ", columns!(), " FROM clusters WHERE id = ?1");
pub(super) const BY_NAME: &str = concat!("SELECT ", columns!(), " FROM clusters WHERE name = ?1");
pub(super) const ALL: &str = concat!("SELECT ", columns!(), " FROM clusters ORDER BY name");

const INSERT: &str = "INSERT INTO clusters (name, kind, hostname, port, username, settings, status, \
                      code_roots, setup_commands, created_at, updated_at, intake, max_running, nodes, \
                      cores, memory_mib) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11, ?12, ?13, ?14, ?15)";
const UPDATE: &str = "UPDATE clusters SET name = ?1, kind = ?2, hostname = ?3, port = ?4, username = ?5, \
                      settings = ?6, status = ?7, code_roots = ?8, setup_commands = ?9, \
                      updated_at = ?10, intake = ?12, max_running = ?13, nodes = ?14, cores = ?15, \
                      memory_mib = ?16 WHERE id = ?11";
const DELETE: &str = "DELETE FROM clusters WHERE id = ?1";
pub(super) const JOBS: &str =
    "SELECT count(*) FROM jobs INDEXED BY jobs_by_cluster WHERE cluster_id = ?1";
pub(super) const JOB_IDS: &str =
    "SELECT id FROM jobs INDEXED BY jobs_by_cluster WHERE cluster_id = ?1";
pub(super) const SUBMISSIONS: &str =
    "SELECT count(*) FROM remote_jobs INDEXED BY remote_jobs_by_cluster WHERE cluster_id = ?1";

fn decode(row: &Row<'_>) -> rusqlite::Result<Cluster> {
    let mut columns = Columns::of(row);
    let id = columns.id(ClusterId::new)?;
    let mut config = NewCluster {
        name: columns.plain()?,
        kind: columns.word()?,
        hostname: columns.plain()?,
        port: columns.plain()?,
        username: columns.plain()?,
        settings: columns.json::<ConnectionSettings>()?,
        status: columns.word()?,
        code_roots: columns.json::<BTreeMap<Code, String>>()?,
        setup_commands: columns.json::<Vec<String>>()?,
        intake: Intake::Open,
        limits: ClusterLimits::default(),
    };
    let (created_at, updated_at) = (columns.time()?, columns.time()?);
    config.intake = columns.word()?;
    config.limits = ClusterLimits {
        max_running: columns.plain()?,
        nodes: columns.plain()?,
        cores: columns.plain()?,
        memory_mib: columns.plain()?,
    };
    Ok(Cluster { id, config, created_at, updated_at })
}

impl<M: Mode> ClusterRead for Unit<'_, M> {
    fn cluster(&self, id: ClusterId) -> Result<Cluster> {
        let found = self.find(BY_ID, [id.get()], decode)?;
        found.ok_or_else(|| Error::not_found(Noun::Cluster, id))
    }

    fn find_cluster_by_name(&self, name: &str) -> Result<Option<Cluster>> {
        self.find(BY_NAME, [name], decode)
    }

    fn clusters(&self) -> Result<Vec<Cluster>> {
        self.list(ALL, [], decode)
    }
}

impl ClusterWrite for Unit<'_, Writing> {
    fn create_cluster(&self, new: &NewCluster) -> Result<Cluster> {
        new.check()?;
        self.check_name_is_free(&new.name, None)?;
        self.execute(
            INSERT,
            params![
                new.name,
                new.kind.as_str(),
                new.hostname,
                new.port,
                new.username,
                to_json(&new.settings),
                new.status.as_str(),
                to_json(&new.code_roots),
                to_json(&new.setup_commands),
                micros(self.now()),
                new.intake.as_str(),
                new.limits.max_running,
                new.limits.nodes,
                new.limits.cores,
                new.limits.memory_mib,
            ],
        )?;
        let cluster = new.clone().into_cluster(ClusterId::new(self.last_id()), self.now());
        self.record(cluster.created())?;
        Ok(cluster)
    }

    fn update_cluster(&self, id: ClusterId, patch: &ClusterPatch) -> Result<Cluster> {
        let cluster = self.cluster(id)?;
        let Some((next, event)) = patch.apply(&cluster, self.now())? else { return Ok(cluster) };
        self.check_name_is_free(&next.config.name, Some(id))?;
        self.execute(
            UPDATE,
            params![
                next.config.name,
                next.config.kind.as_str(),
                next.config.hostname,
                next.config.port,
                next.config.username,
                to_json(&next.config.settings),
                next.config.status.as_str(),
                to_json(&next.config.code_roots),
                to_json(&next.config.setup_commands),
                micros(next.updated_at),
                id.get(),
                next.config.intake.as_str(),
                next.config.limits.max_running,
                next.config.limits.nodes,
                next.config.limits.cores,
                next.config.limits.memory_mib,
            ],
        )?;
        self.record(event)?;
        Ok(next)
    }

    fn delete_cluster(&self, id: ClusterId) -> Result<()> {
        let cluster = self.cluster(id)?;
        let count = |sql| -> Result<usize> {
            let found: Option<i64> = self.find(sql, [id.get()], |row| row.get(0))?;
            Ok(usize::try_from(found.unwrap_or(0)).unwrap_or(usize::MAX))
        };
        let (jobs, submissions) = (count(JOBS)?, count(SUBMISSIONS)?);
        if (jobs, submissions) != (0, 0) {
            return Err(cluster.in_use(jobs, submissions));
        }
        self.execute(DELETE, [id.get()])?;
        self.record(cluster.deleted(self.now())).map(drop)
    }

    fn force_delete_cluster(&self, id: ClusterId) -> Result<ClusterRemoval> {
        let cluster = self.cluster(id)?;
        let mut named = self.list(JOB_IDS, [id.get()], |row| row.get(0).map(JobId::new))?;
        named.sort_unstable();
        let mut removal =
            ClusterRemoval { detached: named.len() as u64, ..ClusterRemoval::default() };
        let detach = JobPatch { cluster: Patch::Clear, ..JobPatch::default() };
        for job in named {
            if !self.job(job)?.status.is_terminal() {
                let cancel = StatusChange::to(JobStatus::Cancelled)
                    .because(format!("its cluster {id} was removed by force"));
                self.change_status(job, &cancel)?;
                removal.cancelled.push(job);
            }
            self.update_job(job, &detach)?;
        }
        let submissions =
            self.execute("DELETE FROM remote_jobs WHERE cluster_id = ?1", [id.get()])?;
        removal.submissions = submissions as u64;
        self.execute(DELETE, [id.get()])?;
        self.record(removal.told(&cluster, self.now()))?;
        Ok(removal)
    }
}

impl Unit<'_, Writing> {
    fn check_name_is_free(&self, name: &str, own: Option<ClusterId>) -> Result<()> {
        match self.find_cluster_by_name(name)? {
            Some(other) if Some(other.id) != own => {
                Err(Error::conflict(Noun::Cluster, "name", name))
            }
            _ => Ok(()),
        }
    }
}
