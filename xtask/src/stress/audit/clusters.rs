//! Clusters: each is what its history makes of it.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Result};
use serde_json::{Map, Value, json};

use super::acknowledged::Acknowledged;
use super::check::Check;
use crate::stress::effect::Effect;

/// What events tell of in full, besides the name.
const TOLD: [&str; 3] = ["status", "intake", "limits"];

/// What a history has come to.
#[derive(Debug, Default)]
struct Told {
    /// What is known by now; of a cluster from before there were events, what was edited since.
    values: Map<String, Value>,
    deleted: bool,
}

pub fn checks(connection: &Connection, acknowledged: &Acknowledged) -> Result<Vec<Check>> {
    let mut chain = Check::new("every change of a cluster begins where the one before it ended");
    let mut clusters: BTreeMap<i64, Told> = BTreeMap::new();
    let mut statement = connection.prepare(
        "SELECT sequence, cluster_id, kind, detail FROM store_events
         WHERE cluster_id IS NOT NULL ORDER BY sequence",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (sequence, cluster): (i64, i64) = (row.get(0)?, row.get(1)?);
        let (kind, detail): (String, String) = (row.get(2)?, row.get(3)?);
        let detail = serde_json::from_str(&detail).unwrap_or_default();
        chain.looked_at += 1;
        let is_first = !clusters.contains_key(&cluster);
        let told = clusters.entry(cluster).or_default();
        for wrong in told.step(is_first, &kind, &detail) {
            chain.fault(|| format!("event {sequence} of cluster {cluster}, {kind}: {wrong}"));
        }
    }
    Ok(vec![chain, rows_of(connection, &clusters)?, there(connection, &clusters, acknowledged)?])
}

impl Told {
    /// Takes one event further, and says what is wrong with it.
    fn step(&mut self, is_first: bool, kind: &str, detail: &Map<String, Value>) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.deleted {
            wrong.push("it was deleted before".to_owned());
        }
        let of = |name: &str| detail.get(name).cloned().unwrap_or_default();
        match kind {
            "cluster_created" => {
                if !is_first {
                    wrong.push("it was there before".to_owned());
                }
                let names = TOLD.into_iter().chain(["name"]);
                self.values = names.map(|name| (name.to_owned(), of(name))).collect();
            }
            "cluster_updated" => {
                if let Some(before) = detail.get("renamed_from") {
                    wrong.extend(self.change("name", before.clone(), of("name")));
                }
                for name in TOLD {
                    if let Some(change) = detail.get(name) {
                        let side = |side: &str| change.get(side).cloned().unwrap_or_default();
                        wrong.extend(self.change(name, side("from"), side("to")));
                    }
                    let fields = of("fields");
                    let mut fields = fields.as_array().into_iter().flatten();
                    if fields.any(|field| field == name) != detail.contains_key(name) {
                        wrong.push(format!("{name} is not told as its fields say"));
                    }
                }
            }
            "cluster_deleted" => self.deleted = true,
            _ => wrong.push("nobody knows this kind".to_owned()),
        }
        if let Some(name) = self.values.get("name").filter(|name| **name != of("name")) {
            wrong.push(format!("it is called {}, and was {name}", of("name")));
        }
        wrong
    }

    fn change(&mut self, name: &str, from: Value, to: Value) -> Option<String> {
        let wrong = match self.values.get(name) {
            Some(known) if *known != from => {
                Some(format!("{name} goes on from {from} after {known}"))
            }
            _ if from == to => Some(format!("{name} stays {to}")),
            _ => None,
        };
        self.values.insert(name.to_owned(), to);
        wrong
    }
}

/// What a cluster is, is what its history says last.
fn rows_of(connection: &Connection, clusters: &BTreeMap<i64, Told>) -> Result<Check> {
    let mut check = Check::new("every cluster is what its history ends in");
    let mut there = BTreeSet::new();
    let mut statement = connection.prepare(
        "SELECT id, name, status, intake, max_running, nodes, cores, memory_mib FROM clusters",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let cluster: i64 = row.get(0)?;
        let (name, status, intake): (String, String, String) =
            (row.get(1)?, row.get(2)?, row.get(3)?);
        let number = |place| row.get::<_, Option<i64>>(place);
        let limits = json!({
            "max_running": number(4)?, "nodes": number(5)?, "cores": number(6)?,
            "memory_mib": number(7)?,
        });
        there.insert(cluster);
        let Some(told) = clusters.get(&cluster) else { continue };
        check.looked_at += 1;
        if told.deleted {
            check.fault(|| format!("cluster {cluster} was deleted, and is there"));
        }
        for (field, value) in [
            ("name", json!(name)),
            ("status", json!(status)),
            ("intake", json!(intake)),
            ("limits", limits),
        ] {
            if let Some(last) = told.values.get(field).filter(|last| **last != value) {
                check.fault(|| {
                    format!(
                        "the {field} of cluster {cluster} is {value}; its history ends in {last}"
                    )
                });
            }
        }
    }
    for (cluster, _) in clusters.iter().filter(|(id, told)| !told.deleted && !there.contains(id)) {
        check.looked_at += 1;
        check.fault(|| format!("cluster {cluster} is gone, and its history does not tell so"));
    }
    Ok(check)
}

/// A cluster that was acknowledged is there, or told of as deleted; the events are looked at one by one elsewhere.
fn there(
    connection: &Connection,
    clusters: &BTreeMap<i64, Told>,
    acknowledged: &Acknowledged,
) -> Result<Check> {
    let mut check = Check::new("every acknowledged cluster is there");
    let found: BTreeMap<i64, String> = connection
        .prepare("SELECT id, name FROM clusters")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_>>()?;
    for effect in acknowledged.effects() {
        let Effect::ClusterCreated { cluster, name } = effect else { continue };
        let told = clusters.get(&cluster.get()).filter(|told| told.deleted);
        let found = match told {
            Some(told) => told.values.get("name").and_then(Value::as_str).map(str::to_owned),
            None => found.get(&cluster.get()).cloned(),
        };
        check.must_be(|| format!("cluster {cluster}"), name, found.as_ref());
    }
    Ok(check)
}
