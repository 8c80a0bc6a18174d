//! `cargo xtask stress`: the mix of work that the store exists for, and an audit of it.
//!
//! | question | module |
//! |---|---|
//! | What can be asked for? | [`arguments`], [`plan`] |
//! | What is there before the work begins? | [`prepare`] |
//! | Who starts, watches and kills the processes? | [`parent`], [`children`], [`kills`] |
//! | What does one process do? | [`process`], [`roles`] |
//! | What does the one do that looks at all others? | [`follower`], [`sights`] |
//! | What is a call, and what is kept of it? | [`session`], [`kind`], [`meter`], [`journal`], [`effect`] |
//! | Which answers are normal, and which are faults? | [`outcome`] |
//! | What do workers under leases do? | [`claims`] |
//! | Can their calls have happened one after the other? | [`linearizability`] |
//! | How fast is the store when nobody writes? | [`at_rest`] |
//! | Can all open a new file at once? | [`open_rounds`] |
//! | Is everything there that was acknowledged? | [`audit`] |
//! | How is it told? | [`report`] |

mod arguments;
mod at_rest;
mod audit;
mod children;
mod claims;
mod decks;
mod effect;
mod follower;
mod journal;
mod kills;
mod kind;
mod linearizability;
mod meter;
mod open;
mod open_rounds;
mod outcome;
mod parent;
mod plan;
mod prepare;
mod process;
mod progress;
mod report;
mod roles;
mod session;
mod sights;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub use arguments::{Arguments, ProcessArguments};

use crate::failure::Result;
use crate::out;
use crate::shared::children::interruption;
use crate::shared::choices::Format;

/// Runs the mix and tells how it went.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    arguments.check()?;
    let mut plan = prepare::plan(arguments)?;
    prepare::fill(&mut plan)?;
    if arguments.format == Format::Text {
        out::print(&report::heading(&plan))?;
    }
    let interrupted = interruption()?;
    let mut watched = parent::run(&plan, Arc::clone(&interrupted))?;
    if plan.profile == plan::Profile::Claims {
        watched.last += 1;
        let totals = claims::tidy_up(&plan, watched.last)?;
        watched.outcomes.push(meter::Outcome { totals, ..meter::Outcome::default() });
    }
    let (mut at_rest, mut open_rounds) = (None, None);
    // Who ends a run early wants no more of it than the audit.
    if !interrupted.load(Ordering::Relaxed) {
        match at_rest::measure(&plan) {
            Ok(measured) => at_rest = Some(measured),
            // Slow is no fault, but an error is; and the audit is needed all the more.
            Err(failure) => watched.failures.push(failure.to_string()),
        }
        open_rounds = open_rounds::run(&plan, &interrupted);
        let failures = open_rounds.as_ref().map(|rounds| rounds.failures.clone());
        watched.failures.extend(failures.unwrap_or_default());
    }
    let audit = audit::audit(&plan, watched.last, &watched.in_doubt)?;
    let report = report::Report::new(&plan, watched, at_rest, open_rounds, audit);
    report.show(arguments)?;
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs one process of the mix, or of a round of openings.
pub fn run_process(arguments: &ProcessArguments) -> Result<ExitCode> {
    let plan = plan::Plan::read(&arguments.plan)?;
    match &arguments.open {
        Some(database) => process::run_opening(&plan, arguments.process, database)?,
        None => process::run(plan, arguments.process, arguments.follow)?,
    }
    Ok(ExitCode::SUCCESS)
}
