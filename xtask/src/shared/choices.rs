//! Choices that several commands offer.

use std::path::Path;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};

/// What an acknowledged write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Acknowledged writes survive a crash of the program.
    Normal,
    /// They survive a power cut too.
    Full,
}

impl Durability {
    /// The word on the command line and in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Full => "full",
        }
    }

    /// As the store has it.
    pub const fn of_store(self) -> store_sqlite::Durability {
        match self {
            Self::Normal => store_sqlite::Durability::Normal,
            Self::Full => store_sqlite::Durability::Full,
        }
    }
}

/// How the outcome is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people.
    Text,
    /// JSON for programs.
    Json,
}

/// Makes the directory that `--report` names.
pub fn report_folder(report: &Path) -> Result<()> {
    std::fs::create_dir_all(report).map_err(|error| {
        let shown = report.display();
        Failure::usage(format!("--report {shown} cannot be made a directory: {error}"))
    })
}
