//! The faults, and those that show when a unit begins or ends.

use std::sync::Arc;

use crate::cluster::Intake;
use crate::error::Error;
use crate::event::{Author, Event, EventKind};
use crate::memory::state::State;

/// What a faulty store does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::memory) enum Fault {
    /// Nothing: the control of the control.
    None,
    /// Changes of a status are not told in the history.
    LosesEvents,
    /// That a job was deleted is not told.
    DeletesSilently,
    /// What becomes of clusters is not told.
    LosesClusters,
    /// An event is written by a report that changes nothing.
    TellsTwice,
    /// Events are signed by whoever made the store.
    SignsForAnother,
    /// A reason that was given for all changes is in none of their events.
    ForgetsReasons,
    /// A reason that was given for all changes takes the place of their own.
    OverwritesReasons,
    /// Who gives a reason is not named any more.
    HidesWhoGivesReasons,
    /// The newest id is given out again once its job is gone.
    ReusesIds,
    /// A unit that returns an error is committed.
    CommitsOnError,
    /// A panic is turned into an error.
    SwallowsPanics,
    /// Of several calls, those before a refused one stay.
    StopsHalfway,
    /// A change is made whatever status it expects.
    IgnoresExpected,
    /// Another unit may commit between a unit's reading and its writing.
    LosesUpdates,
    /// Reads within a unit are of different moments.
    ReadsTheNewest,
    /// A unit within a unit is refused with another error.
    MistakesNesting,
    /// Jobs that were put away are counted.
    CountsTheArchived,
    /// A page begins after all jobs of its cursor's moment.
    SkipsTies,
    /// What precedes a cursor is looked for at the beginning of the list.
    ForgetsTheWayBack,
    /// A cursor of another order changes the order.
    TakesAnyCursor,
    /// A `%` in a text stands for anything.
    ReadsWildcards,
    /// Jobs are counted whatever tags they have.
    CountsWithoutTags,
    /// A tag that was removed stays.
    KeepsRemovedTags,
    /// The energy of a filter may be of an earlier attempt.
    MixesAttempts,
    /// Only the first thousand ids are looked up.
    AsksForAThousand,
    /// A second result takes the place of the first.
    OverwritesResults,
    /// A job is deleted from under those that wait for it.
    DeletesParents,
    /// A job is deleted with what a scheduler may have of it.
    LosesHandles,
    /// Edges that close a circle are let in.
    LetsCirclesClose,
    /// Jobs are held that ask to be cancelled.
    HoldsWhatAsksForMore,
    /// A workflow is created under a name that is taken.
    AddsToWorkflows,
    /// Of a workflow only the jobs that failed are retried.
    RetriesTheFailedAlone,
    /// The decks of jobs are not stored with them.
    ForgetsDecks,
    /// A second job may be created under a key.
    ForgetsKeys,
    /// A claim hands out what is held already.
    ClaimsTwice,
    /// A claim takes jobs that wait for others.
    ClaimsTheWaiting,
    /// A worker that lost its lease is refused the end, and claims all the same.
    ClaimsAfterARefusal,
    /// A claim overlooks what a cluster may run.
    IgnoresLimits,
    /// A worker that lost its lease may report all the same.
    ForgetsTokens,
    /// The same failure, reported again, is told again.
    CountsAFailureTwice,
    /// A worker that lost its lease may record results all the same.
    TakesLateResults,
    /// A worker that lost its lease may begin to submit the job all the same.
    SubmitsWithoutALease,
    /// A worker that lost its lease is not told so when it reports a handle.
    TakesLateHandles,
    /// A worker that lost its lease may report on submissions all the same.
    TakesLateReports,
    /// A lease is good for the submissions of any job.
    TakesAnyLease,
    /// A submission of an earlier attempt is recorded as one of the present attempt.
    MistakesTheAttempt,
    /// What was submitted for a job that has failed runs on.
    SparesTheFailed,
    /// A recovery takes live leases away.
    TakesLiveLeases,
    /// A claim takes the oldest job, whatever its priority.
    IgnoresPriorities,
    /// A claim takes jobs whose time has not come.
    ClaimsTooEarly,
    /// A job that failed is tried again without its pause.
    RetriesAtOnce,
    /// A run may be taken over from a worker that holds it.
    AdoptsTheHeld,
    /// Runs that were lost are not told to whoever looks for them.
    ForgetsTheLost,
    /// A heartbeat does not tell that its run is to stop.
    HidesCancellations,
    /// A cluster that is draining takes new jobs.
    IgnoresDraining,
    /// The jobs of a cluster that is removed by force run on.
    LeavesJobsRunning,
    /// Of several events that follow, the first is skipped.
    SkipsEvents,
    /// A submission is begun beside an active one of the same attempt.
    SubmitsTwice,
    /// Intents of later attempts are not among those that are looked up.
    ForgetsIntents,
    /// A late report takes a submission back to an earlier phase.
    GoesBack,
    /// A handle that was used again means whatever had it first.
    TakesHandlesForIds,
    /// The jobs of a cluster that does not answer are failed.
    FailsTheUnreachable,
    /// Of two writes that are handed in, the second is run first.
    SwapsTickets,
    /// A write that was handed in and fails undoes the one before it.
    UndoesItsNeighbour,
    /// A write that was handed in is lost when its ticket is dropped. A ticket does not tell its store
    /// that it was dropped, so all are lost.
    LosesTheUnwaited,
    /// A write that was handed in is run after what is written next.
    RunsLate,
    /// A result that did not converge is used again, though only others may be.
    ReusesWhatDidNotConverge,
    /// A result is used again, though nobody asked for that.
    ReusesUnasked,
    /// Jobs that are moved into a second store are only pruned.
    LosesCopies,
    /// Jobs that the second store has no place for are not told of.
    HidesTheRefused,
    /// A cluster of the second store keeps a name that another one has now.
    KeepsOldNames,
    /// What the second store wrote itself is lost where the numbers meet.
    WritesOverEvents,
    /// A claimed run that is put back by a change of status goes on in its attempt.
    ReusesAttempts,
    /// A run that is to stop is FAILED where it would not have been tried again.
    FailsTheStopped,
    /// Of many ends none lands when one lease is lost.
    RefusesAllForOne,
    /// That a job left the second store is lost when it comes back.
    ForgetsOnReturn,
    /// A reason may be empty.
    TakesEmptyReasons,
    /// Jobs go that live ones are connected with.
    CutsConnections,
    /// All go, however few are asked for.
    TakesAll,
    /// What is only to be counted goes.
    TakesWhatItCounts,
    /// Departures are forgotten at once.
    ForgetsAtOnce,
    /// That something was forgotten is not told.
    ForgetsSilently,
    /// A watch sees only what is committed while it is being waited with.
    WatchesOnlyWhileWaiting,
    /// A watch wakes by itself, whether anybody commits or not.
    WakesForNothing,
}

impl Fault {
    pub(super) fn mistake(self, error: Error) -> Error {
        match error {
            Error::Nested if self == Self::MistakesNesting => Error::Closed,
            other => other,
        }
    }

    pub(super) fn before(self, state: &mut State) {
        if self == Self::ReusesIds {
            state.given_out.jobs = state.jobs.keys().last().map_or(0, |id| id.get());
        }
        if self == Self::IgnoresDraining {
            for cluster in state.clusters.values_mut() {
                Arc::make_mut(cluster).config.intake = Intake::Open;
            }
        }
    }

    pub(super) fn after(self, before: &State, state: &mut State, author: &Author) {
        let is_lost = |event: &Event| match self {
            Self::LosesEvents => event.kind == EventKind::StatusChanged,
            Self::DeletesSilently => event.kind.is_departure(),
            Self::LosesClusters => event.subject.cluster().is_some(),
            _ => false,
        };
        state
            .events
            .retain(|sequence, event| before.events.contains_key(sequence) || !is_lost(event));
        if let (Self::OverwritesReasons, Some(reason)) = (self, author.reason()) {
            let told = state.events.iter_mut();
            for (_, event) in told.filter(|(sequence, _)| !before.events.contains_key(sequence)) {
                Arc::make_mut(event).detail.insert("reason".to_owned(), reason.into());
            }
        }
    }
}
