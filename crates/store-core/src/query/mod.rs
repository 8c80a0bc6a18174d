//! How jobs are listed: filters, orders, pages, counts.
//!
//! ```
//! use store_core::query::{Comparison, DocumentCondition, JobFilter, Order, Page, SortKey};
//!
//! let narrow_gap = DocumentCondition::new("$.band_gap_ev", Comparison::Below(2.0.into()))?;
//! let filter = JobFilter::all().tag("campaign", "oxides").document(narrow_gap);
//! let lowest_first = Page::first(50)?.ordered(Order::ascending(SortKey::Energy));
//! # let _ = (filter, lowest_first);
//! # Ok::<(), store_core::Invalid>(())
//! ```

mod counts;
mod document;
mod filter;
mod order;
mod page;

pub use counts::StatusCounts;
pub use document::{Comparison, DocumentCondition, DocumentPath, Operand, PathStep};
pub use filter::{Archived, EnergyRange, JobFilter, JobFindings};
pub use order::{Cursor, Order, SortKey, SortValue};
pub use page::{JobPage, Page};
