//! Finding: pages of a long list by each thing that can be asked for, and the counts.

use serde::{Deserialize, Serialize};
use store_core::{
    ClusterId, Code, Comparison, Cursor, DocumentCondition, Energy, EnergyRange, EnergyUnit,
    Invalid, JobFilter, JobId, JobStatus, Order, Page, Runner, SortKey, SortValue, TimeRange,
    Timestamp,
};

use super::contest::{Contest, Contestant, Figure, Metric};
use super::target::Target;
use super::work::{Shape, Side, Stock, Until, Work};
use crate::shared::choices::Durability::Normal;

/// The jobs of a page.
const PAGE: u32 = 50;
/// When the first job of a stock was created, in microseconds, and how far they are apart.
pub const BEGINNING: i64 = 1_750_000_000_000_000;
/// See [`BEGINNING`].
pub const APART: i64 = 1_000;

/// What is asked for, or what the list is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    All,
    Status,
    Code,
    Runner,
    Cluster,
    Workflow,
    Tag,
    Created,
    Queued,
    Started,
    Finished,
    Energy,
    Document,
    Text,
    InOrderOfQueued,
    InOrderOfStarted,
    InOrderOfFinished,
    /// Those that have failed, the last ones first.
    LastFailed,
    InOrderOfPriority,
    InOrderOfEnergy,
    InOrderOfName,
}

impl By {
    const ALL: [(Self, &'static str); 21] = [
        (Self::All, "all"),
        (Self::Status, "status"),
        (Self::Code, "code"),
        (Self::Runner, "runner"),
        (Self::Cluster, "cluster"),
        (Self::Workflow, "workflow"),
        (Self::Tag, "tag"),
        (Self::Created, "created"),
        (Self::Queued, "queued"),
        (Self::Started, "started"),
        (Self::Finished, "finished"),
        (Self::Energy, "energy"),
        (Self::Document, "document"),
        (Self::Text, "text"),
        (Self::InOrderOfQueued, "order-queued"),
        (Self::InOrderOfStarted, "order-started"),
        (Self::InOrderOfFinished, "order-finished"),
        (Self::LastFailed, "status-order-finished"),
        (Self::InOrderOfPriority, "order-priority"),
        (Self::InOrderOfEnergy, "order-energy"),
        (Self::InOrderOfName, "order-name"),
    ];

    /// The filter and the page, the first one or one from the middle of the list, of a stock of so many
    /// jobs.
    pub fn question(self, jobs: u32, deep: bool) -> Result<(JobFilter, Page), Invalid> {
        let all = JobFilter::all;
        let moment = |job: i64| Timestamp::from_micros(BEGINNING + job * APART);
        let jobs = i64::from(jobs);
        // The older two thirds, so that it begins within the list.
        let range = TimeRange { from: None, until: Some(moment(jobs * 2 / 3)) };
        let energy = |value| Energy::new(value, EnergyUnit::Hartree);
        let energies = EnergyRange { least: Some(energy(-275.5)?), most: Some(energy(-275.0)?) };
        let filter = match self {
            Self::All
            | Self::InOrderOfQueued
            | Self::InOrderOfStarted
            | Self::InOrderOfFinished
            | Self::InOrderOfPriority
            | Self::InOrderOfEnergy
            | Self::InOrderOfName => all(),
            Self::Status | Self::LastFailed => all().status(JobStatus::Failed),
            Self::Code => all().code(Code::Vasp),
            Self::Runner => JobFilter { runner: Some(Runner::Slurm), ..all() },
            Self::Cluster => all().cluster(ClusterId::new(1)),
            Self::Workflow => all().workflow("workflow_7"),
            Self::Tag => all().tag("campaign", "campaign_7"),
            Self::Created => JobFilter { created: range, ..all() },
            Self::Queued => JobFilter { queued: range, ..all() },
            Self::Started => JobFilter { started: range, ..all() },
            Self::Finished => JobFilter { finished: range, ..all() },
            Self::Energy => JobFilter { energy: Some(energies), ..all() },
            Self::Document => {
                let gap = Comparison::Below(5.0.into());
                all().document(DocumentCondition::new("$.band_gap_ev", gap)?)
            }
            // Of a million, 111 have it; of few, those in the older half have it too.
            Self::Text => all().text(format!("JOB_{}", jobs * 4_321 / 1_000_000)),
        };
        let middle = jobs / 2;
        let (order, value) = match self {
            Self::InOrderOfQueued => {
                (Order::descending(SortKey::Queued), SortValue::Queued(moment(middle)))
            }
            Self::InOrderOfStarted => {
                (Order::descending(SortKey::Started), SortValue::Started(moment(middle)))
            }
            Self::InOrderOfFinished | Self::LastFailed => {
                (Order::descending(SortKey::Finished), SortValue::Finished(moment(middle)))
            }
            Self::InOrderOfPriority => {
                (Order::descending(SortKey::Priority), SortValue::Priority(5))
            }
            Self::InOrderOfEnergy => {
                let middle = energy(-275.5)?.electron_volts();
                (Order::ascending(SortKey::Energy), SortValue::Energy(middle))
            }
            Self::InOrderOfName => {
                let name = format!("job_{middle}");
                (Order::ascending(SortKey::Name), SortValue::Name(name))
            }
            _ => (Order::NEWEST, SortValue::Created(moment(middle))),
        };
        let page = Page::first(PAGE)?.ordered(order);
        if !deep {
            return Ok((filter, page));
        }
        let cursor = Cursor { descending: order.descending, value, id: JobId::new(middle) };
        Ok((filter, page.after(cursor)))
    }
}

/// The rows that a stock has besides its jobs, as SQL with the number of jobs as `?1`.
pub const BESIDES: &str = "
    INSERT INTO job_tags (job_id, key, value, created_at)
    SELECT id, 'campaign', 'campaign_' || (id % 50), created_at FROM jobs WHERE id <= ?1";
/// As [`BESIDES`]: every fourth job has a result.
pub const RESULTS: &str = "
    INSERT INTO job_results (job_id, attempt, energy, energy_unit, convergence, document_version,
        document, provenance, recorded_at)
    SELECT id, 1, -275.0 - (id % 1000) / 1000.0, 'hartree', 'converged', 1,
        json_object('band_gap_ev', id % 100 / 10.0), '{}', created_at
    FROM jobs WHERE id <= ?1 AND id % 4 = 0";

/// The contests of finding among so many jobs.
pub fn contests(jobs: u32, seconds: f64) -> [Contest; 2] {
    let contestant = |work| Contestant {
        side: Side::Ours,
        work,
        shape: Shape::alone(Normal),
        stock: Stock::Findable(jobs),
        until: Until::Seconds(seconds),
        beside: None,
    };
    let figure = |name: String, of, reference, below| Figure {
        name,
        metric: Metric::Time,
        of,
        against: 0,
        reference,
        target: Some(Target::Below(below)),
    };
    let mut contestants = Vec::new();
    let mut figures = Vec::new();
    for (by, name) in By::ALL {
        for (deep, place) in [(false, "newest-50"), (true, "deep-50")] {
            let name = format!("find-{name}-{place}");
            figures.push(figure(name, contestants.len(), "all jobs, first page", 1.0));
            contestants.push(contestant(Work::Find(by, deep)));
        }
    }
    let find = Contest { name: "find".to_owned(), contestants, figures, rounds_at_most: u32::MAX };
    let counts = Contest {
        name: "counts-by-status".to_owned(),
        contestants: vec![contestant(Work::CountsByStatus)],
        figures: vec![figure("counts-by-status".to_owned(), 0, "itself", 0.1)],
        rounds_at_most: u32::MAX,
    };
    [find, counts]
}
