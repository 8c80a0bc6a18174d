//! Identities that cannot be mixed up.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::Invalid;
use crate::time::Timestamp;

macro_rules! row_id {
    ($(#[$outer:meta])* $name:ident, $field:literal) => {
        $(#[$outer])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// Wraps a number that a store gave out.
            pub const fn new(number: i64) -> Self {
                Self(number)
            }

            /// The number, as stored.
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                text.parse().map(Self).map_err(|_| {
                    Invalid::new($field, format!("{text:?} is not a whole number"))
                })
            }
        }
    };
}

row_id!(
    /// A job in one store. Never given out twice, not even after the job was deleted.
    JobId,
    "job id"
);
row_id!(
    /// A cluster in one store.
    ClusterId,
    "cluster id"
);
row_id!(
    /// One submission of a job to a cluster, in one store.
    RemoteJobId,
    "remote job id"
);
row_id!(
    /// The place of an event in the order in which a store committed its changes. It only grows;
    /// numbers may be left out.
    EventSequence,
    "event sequence"
);

row_id!(
    /// What tells a lease of a job from those before it: it grows with every claim of the job.
    LeaseToken,
    "lease token"
);

impl EventSequence {
    /// Before every event.
    pub const START: Self = Self(0);
}

/// A new UUID version 7 (RFC 9562) of this moment.
pub(crate) fn uuid_at(now: Timestamp) -> Uuid {
    let micros = now.as_micros().max(0).unsigned_abs();
    let nanos = u32::try_from(micros % 1_000_000 * 1_000).expect("below a second");
    let time = uuid::Timestamp::from_unix(uuid::NoContext, micros / 1_000_000, nanos);
    Uuid::new_v7(time)
}

/// The identity of a job across databases: a UUID version 7 (RFC 9562), made when the job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobUuid(Uuid);

impl JobUuid {
    /// Makes a new one for a job created at `now`.
    pub fn new_at(now: Timestamp) -> Self {
        Self(uuid_at(now))
    }

    /// Takes one from its sixteen bytes, as stored.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// Its sixteen bytes, as stored.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl std::fmt::Display for JobUuid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for JobUuid {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse()
            .map(Self)
            .map_err(|_| Invalid::new("job uuid", format!("{text:?} is not a UUID")))
    }
}
