//! Whether a cluster answers. That it does not says nothing of the jobs there.

use crate::error::{Invalid, Result};
use crate::ids::ClusterId;
use crate::time::Timestamp;
use crate::words::check_reason;

/// What is known of the connection to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterContact {
    /// The cluster.
    pub cluster: ClusterId,
    /// When it last answered; none if it never has.
    pub last_contact_at: Option<Timestamp>,
    /// When it last failed to answer; none if it never has.
    pub last_failure_at: Option<Timestamp>,
    /// What was seen then.
    pub last_error: Option<String>,
    /// How often it has failed to answer since it last did.
    pub failures: u32,
}

impl ClusterContact {
    /// A cluster that nobody has tried to reach.
    pub const fn none(cluster: ClusterId) -> Self {
        Self {
            cluster,
            last_contact_at: None,
            last_failure_at: None,
            last_error: None,
            failures: 0,
        }
    }

    /// After an answer. The last failure stays to be read. Backends store what this returns.
    #[must_use]
    pub fn reached(self, now: Timestamp) -> Self {
        Self { last_contact_at: Some(now), failures: 0, ..self }
    }

    /// After a failure to get one. Backends store what this returns.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a reason that is empty or has a NUL.
    pub fn unreachable(self, reason: &str, now: Timestamp) -> Result<Self> {
        Self::check(reason)?;
        Ok(Self {
            last_failure_at: Some(now),
            last_error: Some(reason.to_owned()),
            failures: self.failures.saturating_add(1),
            ..self
        })
    }

    /// Refuses a reason that says nothing. Backends call it before they look anything up.
    ///
    /// # Errors
    /// [`Invalid`] for the reason.
    pub fn check(reason: &str) -> std::result::Result<(), Invalid> {
        check_reason(reason)
    }
}
