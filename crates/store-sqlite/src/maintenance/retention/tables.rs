//! Which tables hang on a job, read from the schema: a table that comes later is moved too.

use std::collections::BTreeMap;

use rusqlite::Connection;
use schema::inspect::{ForeignKey, Structure};
use store_core::{Error, Result};

/// Columns that a trigger fills where they are left out, because their values belong to one file.
const FILLED_BY_TRIGGER: &[(&str, &str)] = &[("jobs", "lane_id")];

/// Tables that triggers fill from rows that are copied.
const KEPT_BY_TRIGGER: &[&str] = &["job_queue", "job_result_values"];

/// A table whose rows are copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    /// The columns that are stored, and not filled by a trigger.
    columns: Vec<String>,
    /// Which rows: of the job, or of the key, that is the parameter.
    rows: String,
    /// Columns with the keys of rows elsewhere, and the tables of those.
    pub(super) names: Vec<(String, String)>,
}

impl Table {
    /// The statement that reads the rows.
    pub(super) fn select(&self) -> String {
        format!("SELECT {} FROM {} WHERE {}", self.columns.join(", "), self.name, self.rows)
    }

    /// The statement that writes one.
    pub(super) fn insert(&self) -> String {
        self.insert_as("INSERT")
    }

    /// The same for a row that may be there.
    pub(super) fn insert_missing(&self) -> String {
        self.insert_as("INSERT OR IGNORE")
    }

    fn insert_as(&self, verb: &str) -> String {
        let places: Vec<String> =
            (1..=self.columns.len()).map(|place| format!("?{place}")).collect();
        let columns = self.columns.join(", ");
        format!("{verb} INTO {} ({columns}) VALUES ({})", self.name, places.join(", "))
    }

    /// The statement that writes a row of this key, or makes the one that is there the same.
    pub(super) fn insert_or_update(&self, key: &str) -> String {
        let set: Vec<String> =
            self.columns.iter().map(|column| format!("{column} = excluded.{column}")).collect();
        format!("{} ON CONFLICT ({key}) DO UPDATE SET {}", self.insert(), set.join(", "))
    }

    /// The statement that reads the keys in a column that names rows elsewhere.
    pub(super) fn keys(&self, column: &str) -> String {
        let Self { name, rows, .. } = self;
        format!("SELECT DISTINCT {column} FROM {name} WHERE ({rows}) AND {column} IS NOT NULL")
    }
}

/// What belongs to a job, and what it names.
#[derive(Debug)]
pub(super) struct Tables {
    /// `jobs`, and the tables whose rows go with a job, each after those that it refers to.
    pub(super) of_a_job: Vec<Table>,
    /// The edges from those that wait for a job.
    pub(super) edges: Table,
    /// The tables of rows that these name and that stay where they are, with their keys.
    pub(super) named: BTreeMap<String, (Table, String)>,
}

impl Tables {
    pub(super) fn of(connection: &Connection) -> Result<Self> {
        let structure = Structure::of(connection).map_err(|error| Error::Corrupt {
            what: "its structure cannot be read".to_owned(),
            source: Some(error.into()),
        })?;
        Ok(Self::within(&structure))
    }

    fn within(structure: &Structure) -> Self {
        let mut rows = vec![("jobs".to_owned(), "id = ?1".to_owned())];
        let mut next = 0;
        // A row goes with a job where deleting the job deletes it.
        while let Some((parent, parent_rows)) = rows.get(next).cloned() {
            next += 1;
            let copied = |name: &str| !KEPT_BY_TRIGGER.contains(&name);
            for (name, table) in structure.tables.iter().filter(|(name, _)| copied(name)) {
                let owner = table.foreign_keys.iter().find(|key| owns(key, &parent));
                let Some(key) = owner.filter(|_| rows.iter().all(|(known, _)| known != name))
                else {
                    continue;
                };
                let (column, of) = (&key.columns[0], parent_column(key));
                let condition = if parent == "jobs" && of == "id" {
                    format!("{column} = ?1")
                } else {
                    format!("{column} IN (SELECT {of} FROM {parent} WHERE {parent_rows})")
                };
                rows.push((name.clone(), condition));
            }
        }
        let owned: Vec<String> = rows.iter().map(|(name, _)| name.clone()).collect();
        let mut of_a_job = Vec::new();
        let mut named = BTreeMap::new();
        for (name, condition) in rows {
            let table = Self::table(structure, &name, condition, &owned);
            Self::add_named(structure, &table, &owned, &mut named);
            of_a_job.push(table);
        }
        let edges = "depends_on = ?1".to_owned();
        let edges = Self::table(structure, "job_dependencies", edges, &owned);
        Self { of_a_job, edges, named }
    }

    fn add_named(
        structure: &Structure,
        table: &Table,
        owned: &[String],
        named: &mut BTreeMap<String, (Table, String)>,
    ) {
        for (_, parent) in &table.names {
            if named.contains_key(parent) {
                continue;
            }
            let keys = structure.tables.values().flat_map(|table| &table.foreign_keys);
            let key = keys.filter(|key| key.parent == *parent).map(parent_column).next();
            let key = key.unwrap_or("id").to_owned();
            let there = Self::table(structure, parent, format!("{key} = ?1"), owned);
            named.insert(parent.clone(), (there.clone(), key));
            Self::add_named(structure, &there, owned, named);
        }
    }

    fn table(structure: &Structure, name: &str, rows: String, owned: &[String]) -> Table {
        let table = structure.tables.get(name);
        let filled = |column: &str| FILLED_BY_TRIGGER.contains(&(name, column));
        let columns = table.into_iter().flat_map(|table| &table.columns);
        let stored = columns.filter(|column| column.generated.is_none() && !filled(&column.name));
        let keys = table.into_iter().flat_map(|table| &table.foreign_keys);
        let names = keys
            .filter(|key| !owned.contains(&key.parent) && !filled(&key.columns[0]))
            .map(|key| (key.columns[0].clone(), key.parent.clone()));
        Table {
            name: name.to_owned(),
            columns: stored.map(|column| column.name.clone()).collect(),
            rows,
            names: names.collect(),
        }
    }
}

fn owns(key: &ForeignKey, parent: &str) -> bool {
    key.parent == parent && key.columns.len() == 1 && key.on_delete.eq_ignore_ascii_case("cascade")
}

fn parent_column(key: &ForeignKey) -> &str {
    key.parent_columns.first().map_or("id", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::create::migrated_in_memory;

    type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

    fn migrated() -> std::result::Result<Connection, Box<dyn std::error::Error>> {
        Ok(migrated_in_memory(&schema::migrations::embedded())?)
    }

    /// It tells of jobs that are not there any more.
    const OUTLIVE_JOBS: [&str; 2] = ["store_events", "events_forgotten"];

    /// Tables that say of which job a row is, and are neither moved with it nor filled by a trigger.
    fn forgotten(connection: &Connection) -> std::result::Result<Vec<String>, Error> {
        let tables = Tables::of(connection)?;
        let structure = Structure::of(connection).expect("just migrated");
        let moved = |name: &str| {
            tables.of_a_job.iter().any(|table| table.name == name)
                || KEPT_BY_TRIGGER.contains(&name)
                || OUTLIVE_JOBS.contains(&name)
        };
        let of_jobs = structure.tables.iter().filter(|(_, table)| {
            let refers = |key: &ForeignKey| key.parent == "jobs";
            table.columns.iter().any(|column| column.name == "job_id")
                || table.foreign_keys.iter().any(refers)
        });
        let names = of_jobs.map(|(name, _)| name.clone());
        Ok(names.filter(|name| !moved(name)).collect())
    }

    #[test]
    fn every_table_of_a_job_is_moved_with_it() -> Outcome {
        let connection = migrated()?;
        assert_eq!(forgotten(&connection)?, [""; 0]);
        // A table of a later migration.
        connection.execute_batch(
            "CREATE TABLE job_labels (job_id INTEGER REFERENCES jobs (id) ON DELETE CASCADE) STRICT",
        )?;
        assert_eq!(forgotten(&connection)?, [""; 0]);
        // The control: one that does not say that it goes with its job.
        connection.execute_batch("CREATE TABLE job_hints (job_id INTEGER NOT NULL) STRICT")?;
        assert_eq!(forgotten(&connection)?, ["job_hints"]);
        Ok(())
    }

    #[test]
    fn what_is_copied_is_what_is_stored() -> Outcome {
        let tables = Tables::of(&migrated()?)?;
        assert_eq!(tables.of_a_job[0].name, "jobs");
        let jobs = tables.of_a_job[0].select();
        for left_out in ["archived,", "lane_id"] {
            assert!(!jobs.contains(left_out), "{left_out} in {jobs}");
        }
        let place = |name| tables.of_a_job.iter().position(|table| table.name == name);
        assert!(place("job_inputs") < place("job_input_files"));
        let files = &tables.of_a_job[place("job_input_files").ok_or("it is moved")?];
        assert!(
            files
                .select()
                .ends_with("WHERE job_id IN (SELECT job_id FROM job_inputs WHERE job_id = ?1)")
        );
        assert_eq!(tables.named.keys().collect::<Vec<_>>(), ["clusters"]);
        Ok(())
    }
}
