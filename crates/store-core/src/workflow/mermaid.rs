//! A workflow as a Mermaid flowchart (<https://mermaid.js.org/syntax/flowchart.html>).

use std::fmt::Write;

use crate::dependency::DependencyKind;
use crate::job::Job;

use super::Workflow;

/// A class for each status, and one for jobs that do not belong to the workflow.
const CLASSES: &str = "\
  classDef PENDING fill:#ffffff,stroke:#495057,color:#212529
  classDef QUEUED fill:#fff3bf,stroke:#495057,color:#212529
  classDef RUNNING fill:#a5d8ff,stroke:#495057,color:#212529
  classDef COMPLETED fill:#b2f2bb,stroke:#495057,color:#212529
  classDef FAILED fill:#ffc9c9,stroke:#495057,color:#212529
  classDef CANCELLED fill:#dee2e6,stroke:#495057,color:#212529
  classDef other stroke-dasharray:5 5
";

impl Workflow {
    /// The workflow as a Mermaid flowchart, which Markdown viewers draw: a box for each job with its
    /// status as class, and an arrow from each job to those that wait for it.
    pub fn to_mermaid(&self) -> String {
        let mut text = "flowchart LR\n".to_owned();
        let others = self.others.values().map(|job| (job, true));
        for (job, other) in self.jobs.iter().map(|job| (job, false)).chain(others) {
            let Job { id, status, .. } = job;
            let label = format!("{}<br/>{id} {status}", escaped(&job.name));
            let _infallible = writeln!(text, "  job{id}[\"{label}\"]:::{status}");
            if other {
                let _infallible = writeln!(text, "  class job{id} other");
            }
        }
        for edge in &self.edges {
            let kind = match edge.kind {
                DependencyKind::AfterOk => String::new(),
                other => format!("|{other}|"),
            };
            let _infallible = writeln!(text, "  job{} -->{kind} job{}", edge.depends_on, edge.job);
        }
        text.push_str(CLASSES);
        text
    }
}

/// A text for within quotation marks. Mermaid reads HTML, Markdown and its own entity codes there
/// (`#35;`), so that whatever is not plain is written as such a code.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | '.' | ',' | '-' | '_' | '/' | '+' | '(' | ')') {
            escaped.push(c);
        } else {
            let _infallible = write!(escaped, "#{};", u32::from(c));
        }
    }
    escaped
}
