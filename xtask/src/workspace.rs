//! Where things are in the workspace.

use std::path::PathBuf;

/// The root of the workspace: of the one that cargo runs in, else of the one that this was built in.
pub fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().map(PathBuf::from).unwrap_or(manifest)
}

/// The input decks that ship with the repository.
pub fn decks() -> PathBuf {
    root().join("examples/decks")
}

/// The migrations of the SQLite backend.
pub fn migrations() -> PathBuf {
    root().join("crates/schema/migrations/sqlite")
}
