//! Jobs that wait for each other: how long the end of one takes that many wait for, and how long it takes
//! to create a whole graph.

use store_core::{DependencyKind, NewWorkflow};

use super::contest::{Contest, Contestant, Figure, Metric};
use super::drafts::Drafts;
use super::target::Target;
use super::work::{Shape, Side, Stock, Until, Work};
use crate::failure::Result;
use crate::shared::choices::Durability::Normal;

/// How many parents end before one is measured, so that nothing is cold.
pub const WARM_PARENTS: u32 = 3;

/// How many children a parent has, how many parents end, and in how many milliseconds each does.
pub type Families = [(u32, u32, f64); 2];
/// How many jobs a graph has, how many edges, how many are created, and in how many milliseconds each is.
pub type Graphs = [(u32, u32, u64, f64); 2];

/// All contests.
pub fn contests(families: Families, graphs: Graphs) -> Vec<Contest> {
    let parents = families.map(|(children, parents, below)| ends(children, parents, below));
    let graphs = graphs.map(|(jobs, edges, graphs, below)| creations(jobs, edges, graphs, below));
    parents.into_iter().chain(graphs).collect()
}

fn contestant(side: Side, work: Work, stock: Stock, operations: u64) -> Contestant {
    let until = Until::Operations(operations);
    Contestant { side, work, shape: Shape::alone(Normal), stock, until, beside: None }
}

/// The end of a job that so many wait for, beside that of one that nobody waits for, and beside a loop over
/// those that wait.
fn ends(children: u32, parents: u32, below: f64) -> Contest {
    let of = |side, children| {
        let stock = Stock::Parents(WARM_PARENTS + parents, children);
        contestant(side, Work::FinishParent, stock, u64::from(parents))
    };
    let contestants = vec![of(Side::Ours, children), of(Side::Limit, children), of(Side::Ours, 0)];
    let name = format!("finish-parent-of-{children}");
    let figure = |against, reference, target| Figure {
        name: name.clone(),
        metric: Metric::P50,
        of: 0,
        against,
        reference,
        target,
    };
    let figures = vec![
        figure(1, "an UPDATE a child", Some(Target::Below(below))),
        figure(2, "ours, without children", None),
    ];
    Contest { name: format!("{name} 1x1 normal"), contestants, figures, rounds_at_most: 5 }
}

/// A graph in one call, beside its rows in one transaction.
fn creations(jobs: u32, edges: u32, graphs: u64, below: f64) -> Contest {
    let work = Work::CreateWorkflow(jobs, edges);
    let of = |side| contestant(side, work, Stock::Empty, graphs);
    let name = format!("create-workflow-{jobs}-jobs-{edges}-edges");
    let figures = vec![Figure {
        name: name.clone(),
        metric: Metric::P50,
        of: 0,
        against: 1,
        reference: "limit, one transaction",
        target: Some(Target::Below(below)),
    }];
    let contestants = vec![of(Side::Ours), of(Side::Limit)];
    Contest { name: format!("{name} 1x1 normal"), contestants, figures, rounds_at_most: 3 }
}

/// A graph of exactly so many jobs and edges. A tenth of the jobs wait for nobody; the others share the edges
/// among them, and those of a job lead to jobs all over the part before it: no more edges than there are jobs
/// that wait for nobody.
pub fn graph(drafts: &mut Drafts, number: u64, jobs: u32, edges: u32) -> Result<NewWorkflow> {
    let roots = jobs.div_ceil(10);
    let waiting = u64::from(jobs - roots).max(1);
    // How many edges the first so many of those that wait have together.
    let shared = |count: u64| u64::from(edges) * count / waiting;
    let mut workflow = NewWorkflow::new(format!("graph {number}"));
    workflow.jobs.reserve(jobs as usize);
    for place in 0..u64::from(jobs) {
        let own = match place.checked_sub(u64::from(roots)) {
            Some(waits) => shared(waits + 1) - shared(waits),
            None => 0,
        };
        let names: Vec<String> = (0..own).map(|edge| (edge * place / own).to_string()).collect();
        let after = names.iter().map(|name| (name.as_str(), DependencyKind::AfterOk));
        workflow = workflow.job_after(place.to_string(), drafts.next()?, after);
    }
    Ok(workflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_has_the_jobs_and_the_edges_that_were_asked_for() -> Result<()> {
        for (jobs, edges) in [(20, 50), (100, 300), (1_000, 30_000)] {
            let graph = graph(&mut Drafts::new(1, 1)?, 1, jobs, edges)?;
            let checked = graph.check().expect("no circle, and no edge twice");
            assert_eq!(checked.len(), jobs as usize);
            assert_eq!(checked.iter().map(Vec::len).sum::<usize>(), edges as usize);
        }
        Ok(())
    }
}
