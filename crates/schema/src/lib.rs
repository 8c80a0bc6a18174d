//! What the file of a store looks like, and how it came to look so.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod apply;
mod canonical;
pub mod data;
mod error;
mod fence;
pub mod inspect;
pub mod ledger;
pub mod migrations;
pub mod released;
mod sql;
pub mod tidy;

pub use apply::{APPLICATION_ID, Applied, apply, migrate};
pub use canonical::CANONICAL;
pub use error::{Error, Result};
pub use fence::ForeignKeysOff;
