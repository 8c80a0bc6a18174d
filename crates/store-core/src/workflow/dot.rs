//! A workflow as Graphviz DOT (<https://graphviz.org/doc/info/lang.html>).

use std::fmt::Write;

use crate::dependency::DependencyKind;
use crate::job::Job;
use crate::status::JobStatus;

use super::Workflow;

impl Workflow {
    /// The workflow as Graphviz DOT, for `dot -Tsvg`: a box for each job in the colour of its status,
    /// dashed where it does not belong to the workflow, and an arrow from each job to those that wait
    /// for it.
    pub fn to_dot(&self) -> String {
        let mut text = format!("digraph \"{}\" {{\n", escaped(&self.name));
        text.push_str("  rankdir=LR;\n  node [shape=box, style=filled];\n");
        let nodes = self.jobs.iter().map(|job| (job, ""));
        let others = self.others.values().map(|job| (job, ", style=\"filled,dashed\""));
        for (job, style) in nodes.chain(others) {
            let Job { id, status, .. } = job;
            let label = format!("\"{}\\n{id} {status}\"", escaped(&job.name));
            let colour = colour(*status);
            let _infallible =
                writeln!(text, "  job{id} [label={label}, fillcolor=\"{colour}\"{style}];");
        }
        for edge in &self.edges {
            let style = match edge.kind {
                DependencyKind::AfterOk => String::new(),
                other => format!(" [label=\"{other}\", style=dashed]"),
            };
            let _infallible = writeln!(text, "  job{} -> job{}{style};", edge.depends_on, edge.job);
        }
        text.push_str("}\n");
        text
    }
}

/// A text for within quotation marks, where a backslash begins an escape sequence.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

const fn colour(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Pending => "#ffffff",
        JobStatus::Queued => "#fff3bf",
        JobStatus::Running => "#a5d8ff",
        JobStatus::Completed => "#b2f2bb",
        JobStatus::Failed => "#ffc9c9",
        JobStatus::Cancelled => "#dee2e6",
    }
}
