//! What a contest is: who takes part, and which numbers come of it.

use super::target::Target;
use super::work::{Beside, Shape, Side, Stock, Until, Work};

/// One that takes part in a contest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contestant {
    /// Who.
    pub side: Side,
    /// What it does.
    pub work: Work,
    /// By how many at once.
    pub shape: Shape,
    /// With what in the database.
    pub stock: Stock,
    /// For how long.
    pub until: Until,
    /// What goes on beside it.
    pub beside: Option<Beside>,
}

/// What is read off a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Operations a second.
    Rate,
    /// Operations in a second in which their threads had a core.
    RateOfCore,
    /// What the threads had of a core each, in percent.
    CoreHad,
    /// Milliseconds of an operation, on average.
    Time,
    /// The slowest operation in milliseconds.
    Slowest,
    /// Milliseconds in which 999 of 1,000 operations are done.
    P999,
    /// Milliseconds in which half of the operations are done.
    P50,
    /// Milliseconds in which 99 of 100 operations are done.
    P99,
    /// What a process takes of a core while it waits, in percent.
    Share,
    /// The share of the process that did least, over the mean share.
    SmallestShare,
    /// The largest memory of the process in megabytes.
    Memory,
    /// The same without the pages of files that are mapped.
    OwnMemory,
    /// The write-ahead log at its largest, in megabytes.
    Log,
}

impl Metric {
    /// Its unit.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Rate => "1/s",
            Self::RateOfCore => "1/s of core",
            Self::Time | Self::Slowest | Self::P999 | Self::P50 | Self::P99 => "ms",
            Self::Share | Self::CoreHad => "% of a core",
            Self::SmallestShare => "of the mean",
            Self::Memory | Self::OwnMemory | Self::Log => "MB",
        }
    }

    /// Whether more of it is better.
    pub const fn more_is_better(self) -> bool {
        matches!(self, Self::Rate | Self::RateOfCore | Self::CoreHad | Self::SmallestShare)
    }
}

/// One number and what it is compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub metric: Metric,
    /// Whose it is, by place in the contest.
    pub of: usize,
    /// Whose it is compared with.
    pub against: usize,
    /// What that one is called.
    pub reference: &'static str,
    /// What is to be reached.
    pub target: Option<Target>,
}

/// Measurements that are made in turns.
#[derive(Debug, Clone, PartialEq)]
pub struct Contest {
    /// What `--only` looks for, besides the names of the figures.
    pub name: String,
    /// Who takes part.
    pub contestants: Vec<Contestant>,
    /// What comes of it.
    pub figures: Vec<Figure>,
    /// Long ones are repeated less often.
    pub rounds_at_most: u32,
}
