//! Whether clusters answer.

use rusqlite::{Row, params};
use store_core::repo::ClusterRead;
use store_core::{ClusterContact, ClusterId, Result};

use crate::codec::{Columns, optional_micros};
use crate::unit::{Mode, Unit, Writing};

pub(super) const OF: &str = "SELECT cluster_id, last_contact_at, last_failure_at, last_error, failures \
                             FROM cluster_contacts WHERE cluster_id = ?1";

const STORE: &str = "INSERT INTO cluster_contacts \
                     (cluster_id, last_contact_at, last_failure_at, last_error, failures) \
                     VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (cluster_id) DO UPDATE SET \
                     last_contact_at = ?2, last_failure_at = ?3, last_error = ?4, failures = ?5";

fn decode(row: &Row<'_>) -> rusqlite::Result<ClusterContact> {
    let mut columns = Columns::of(row);
    Ok(ClusterContact {
        cluster: columns.id(ClusterId::new)?,
        last_contact_at: columns.optional_time()?,
        last_failure_at: columns.optional_time()?,
        last_error: columns.plain()?,
        failures: columns.plain()?,
    })
}

impl<M: Mode> Unit<'_, M> {
    /// What is known of a cluster's connection.
    pub(super) fn contact(&self, cluster: ClusterId) -> Result<ClusterContact> {
        self.cluster(cluster)?;
        let known = self.find(OF, [cluster.get()], decode)?;
        Ok(known.unwrap_or_else(|| ClusterContact::none(cluster)))
    }
}

impl Unit<'_, Writing> {
    pub(super) fn store_contact(&self, contact: ClusterContact) -> Result<ClusterContact> {
        self.execute(
            STORE,
            params![
                contact.cluster.get(),
                optional_micros(contact.last_contact_at),
                optional_micros(contact.last_failure_at),
                contact.last_error,
                contact.failures,
            ],
        )?;
        Ok(contact)
    }
}
