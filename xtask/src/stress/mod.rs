//! `cargo xtask stress`: the mix of work that the store exists for, and an audit of it.
//!
//! | question | module |
//! |---|---|
//! | What can be asked for? | [`arguments`], [`plan`] |
//! | Who starts and watches the processes? | [`parent`] |
//! | What does one process do? | [`process`], [`roles`] |
//! | What is a call, and what is kept of it? | [`session`], [`kind`], [`meter`], [`journal`] |
//! | Which answers are normal, and which are faults? | [`outcome`] |
//! | Is everything there that was acknowledged? | [`audit`] |
//! | How is it told? | [`report`] |

mod arguments;
mod audit;
mod decks;
mod journal;
mod kind;
mod meter;
mod open;
mod outcome;
mod parent;
mod plan;
mod prepare;
mod process;
mod report;
mod roles;
mod session;

use std::process::ExitCode;

pub use arguments::{Arguments, ProcessArguments};

use crate::failure::Result;
use crate::out;
use crate::shared::choices::Format;

/// Runs the mix and tells how it went.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    arguments.check()?;
    let mut plan = prepare::plan(arguments)?;
    prepare::fill(&mut plan)?;
    if arguments.format == Format::Text {
        out::print(&report::heading(&plan))?;
    }
    let watched = parent::run(&plan)?;
    let audit = audit::audit(&plan, &watched.in_doubt)?;
    let report = report::Report::new(&plan, watched, audit);
    report.show(arguments)?;
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs one process of the mix.
pub fn run_process(arguments: &ProcessArguments) -> Result<ExitCode> {
    let plan = plan::Plan::read(&arguments.plan)?;
    process::run(plan, arguments.process)?;
    Ok(ExitCode::SUCCESS)
}
