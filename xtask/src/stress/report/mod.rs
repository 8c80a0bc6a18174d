//! How a run is told: as text, as JSON, and as a page.

mod figures;
mod html;
mod plots;
mod series;
mod text;

pub use figures::Report;
use series::Series;

use super::arguments::Arguments;
use super::plan::{Limit, Plan};
use crate::failure::{Context, Result};
use crate::out;
use crate::shared::choices::Format;
use crate::shared::numbers::grouped;

/// What is said before the run.
pub fn heading(plan: &Plan) -> String {
    let limit = match plan.limit {
        Limit::Seconds(seconds) => format!("{seconds} s"),
        Limit::Operations(operations) => format!("{operations} operations"),
        Limit::Claims(claims) => format!("{claims} claims"),
    };
    let processes = several(plan.processes, "process", "processes");
    let threads = several(plan.threads, "thread", "threads");
    let mut text = format!(
        "stress: {}, {processes} of {threads}, {limit}, durability {}, seed {}\n",
        plan.profile.as_str(),
        plan.durability.as_str(),
        plan.seed
    );
    if plan.follower().is_some() {
        text.push_str("one more process follows the history\n");
    }
    if let Some(seconds) = plan.kill_every {
        text.push_str(&format!("a process is killed every {seconds} s\n"));
    }
    if plan.jobs > 0 {
        text.push_str(&format!("filled with {} further jobs\n", grouped(plan.jobs)));
    }
    let kept = if plan.existing {
        "was there before; the audit covers what this run writes, and the integrity of the whole"
    } else {
        "new, and kept"
    };
    text.push_str(&format!("database: {} ({kept})\n", plan.database.display()));
    text.push_str(&format!("journals: {}\n", plan.folder.display()));
    text
}

/// A number of things.
fn several(number: u32, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

impl Report {
    /// Prints the outcome, and writes the page and its numbers where that was asked for.
    pub fn show(&self, arguments: &Arguments) -> Result<()> {
        let json = serde_json::to_string_pretty(self).doing(|| "write the report".to_owned())?;
        let json = json + "\n";
        let mut written = String::new();
        if let Some(folder) = &arguments.report {
            let page = html::page(self)?;
            for (name, content) in [("report.json", &json), ("report.html", &page)] {
                let path = folder.join(name);
                std::fs::write(&path, content).doing(|| format!("write {}", path.display()))?;
                written.push_str(&format!("report: {}\n", path.display()));
            }
        }
        match arguments.format {
            Format::Text => out::print(&(written + &text::text(self))),
            Format::Json => out::print(&json),
        }
    }
}
