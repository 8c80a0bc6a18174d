//! What people would write instead of the store, the way a good user would write it: the same rows
//! into the same schema through rusqlite, with the settings of the store's own connections.
//!
//! | reference | module |
//! |---|---|
//! | one connection, prepared statements, no store around it: what SQLite can do | [`limit`] |
//! | an r2d2 pool, a connection a thread, BEGIN IMMEDIATE, a busy timeout: what most programs do | [`pool`] |
//! | one connection behind a mutex | [`mutex`] |
//!
//! They differ in how a thread comes by its connection ([`Access`](raw::Access)) alone. Their
//! checkpoints are SQLite's own, every 1,000 pages.

mod claims;
pub mod connection;
mod graphs;
pub mod limit;
pub mod mutex;
pub mod pool;
pub mod raw;
mod retire;
mod rows;
