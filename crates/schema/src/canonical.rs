//! Today's schema as one page of SQL, for readers.

/// The newest schema with its seed rows, one commented block a table.
///
/// It is documentation that a test executes: a database made from it equals one that was migrated.
/// Databases are never created from it, because they would lack the ledger.
pub const CANONICAL: &str = include_str!("../canonical/sqlite.sql");
