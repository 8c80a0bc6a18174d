//! `cargo xtask bench`: the store beside what people would write instead, measured in turns.
//!
//! | question | module |
//! |---|---|
//! | What can be asked for? | [`arguments`] |
//! | What is measured, and what is to be reached? | [`catalogue`], [`contest`], [`work`], [`target`] |
//! | How are claims measured, and with what queues? | [`claims`], [`queues`] |
//! | How are graphs of jobs measured, and what leaves the store? | [`graphs`], [`retention`] |
//! | What would people write instead? | [`references`] |
//! | What do other libraries do, and how do they come here? | [`peers`] |
//! | What is written and read? | [`drafts`], [`stocks`], [`client`], [`ours`] |
//! | What does one process do, and one thread? | [`child`], [`thread`], [`task`] |
//! | Who starts the processes, and is everything there that they wrote? | [`measure`], [`audit`] |
//! | Who comes when, and what do the rounds add up to? | [`rounds`], [`statistics`] |
//! | Is it the optimised program, and on what machine? | [`optimised`], [`machine`] |
//! | How is it told? | [`report`] |

mod arguments;
mod audit;
mod catalogue;
mod child;
mod claims;
mod client;
mod contest;
mod drafts;
mod find;
mod graphs;
mod machine;
mod measure;
mod memory;
mod optimised;
mod ours;
mod peers;
mod queues;
mod references;
mod report;
mod retention;
mod rounds;
mod statistics;
mod stocks;
mod target;
mod task;
mod thread;
mod work;

use std::process::ExitCode;

pub use arguments::Arguments;

use crate::failure::Result;
use crate::{out, workspace};

use peers::Peers;

/// Measures what was asked for and tells it.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    arguments.check()?;
    let contests = arguments.contests()?;
    if arguments.list {
        let names: String = contests.iter().map(|contest| format!("{}\n", contest.name)).collect();
        out::print(&names)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !arguments.quick && !optimised::is_optimised() {
        return optimised::run_optimised();
    }
    let folder = measure::folder(arguments.directory.as_deref())?;
    let machine = machine::Machine::look(folder.path());
    let source = workspace::root().join("xtask/peers");
    let mut peers = Peers::install(&contests, &source, &workspace::root().join("target/peers"))?;
    let results = rounds::run(contests, arguments.rounds(), folder.path(), &mut peers)?;
    report::show(arguments, &machine, &results, peers.skipped())?;
    Ok(ExitCode::SUCCESS)
}

/// Runs one process of a measurement.
pub fn run_process() -> Result<ExitCode> {
    child::run()?;
    Ok(ExitCode::SUCCESS)
}
