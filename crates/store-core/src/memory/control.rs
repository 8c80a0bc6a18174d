//! The proof that the suite can fail: each known fault is found by a promise.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::conformance::{PROMISES, promises};

use super::faulty::{Fault, FaultyFixture};

/// Whether a store with `fault` keeps a promise.
fn keeps(fault: Fault, subject: &str, name: &str) -> bool {
    let promise = promises::<FaultyFixture>()
        .into_iter()
        .find(|promise| (promise.subject, promise.name) == (subject, name))
        .unwrap_or_else(|| panic!("the suite has no {subject}::{name}"));
    let kept = catch_unwind(AssertUnwindSafe(|| (promise.run)(&FaultyFixture(fault))));
    matches!(kept, Ok(Ok(())))
}

#[test]
fn each_fault_breaks_the_promise_that_is_about_it() {
    let table = [
        (Fault::LosesEvents, "events", "each_change_is_told_signed_and_dated"),
        (Fault::DeletesSilently, "events", "a_deletion_is_told_where_the_history_was"),
        (Fault::LosesClusters, "clusters", "the_history_of_a_cluster_outlives_it"),
        (Fault::LosesClusters, "limits", "a_closed_cluster_says_who_closed_it_and_why"),
        (Fault::TellsTwice, "statuses", "the_status_machine_is_kept"),
        (Fault::SignsForAnother, "events", "an_actor_signs_for_its_own_clone_alone"),
        (Fault::ForgetsReasons, "reasons", "each_event_has_the_reason_of_its_store"),
        (Fault::ForgetsReasons, "reasons", "a_reason_reaches_every_way_to_write"),
        (Fault::OverwritesReasons, "reasons", "each_event_has_the_reason_of_its_store"),
        (Fault::OverwritesReasons, "reasons", "a_change_keeps_its_own_reason"),
        (Fault::HidesWhoGivesReasons, "reasons", "a_reason_and_an_actor_go_together"),
        (Fault::ReusesIds, "creation", "ids_never_come_back"),
        (
            Fault::CommitsOnError,
            "units_of_work",
            "each_method_leaves_nothing_when_its_unit_is_given_up",
        ),
        (Fault::SwallowsPanics, "units_of_work", "a_panic_reaches_its_caller_and_leaves_nothing"),
        (
            Fault::StopsHalfway,
            "units_of_work",
            "each_refused_call_leaves_nothing_in_a_unit_that_goes_on",
        ),
        (Fault::StopsHalfway, "results", "many_results_are_recorded_all_or_none"),
        (Fault::IgnoresExpected, "statuses", "a_change_is_made_only_from_the_status_it_expects"),
        (Fault::IgnoresExpected, "races", "twenty_jobs_are_started_exactly_once_by_five_threads"),
        (Fault::LosesUpdates, "races", "no_update_is_lost"),
        (Fault::ReadsTheNewest, "units_of_work", "a_snapshot_stays_the_same_while_others_commit"),
        (Fault::MistakesNesting, "units_of_work", "units_of_one_store_do_not_nest"),
        (Fault::CountsTheArchived, "statuses", "counts_follow_each_change"),
        (Fault::SkipsTies, "pages", "pages_of_any_size_list_each_job_once_newest_first"),
        (Fault::ForgetsTheWayBack, "orders", "a_list_is_read_backwards_as_forwards"),
        (Fault::TakesAnyCursor, "orders", "a_cursor_of_another_order_is_refused"),
        (Fault::ReadsWildcards, "searches", "a_text_means_itself"),
        (Fault::CountsWithoutTags, "filters", "each_condition_admits_exactly_what_it_says"),
        (Fault::KeepsRemovedTags, "tags", "an_edit_of_tags_sets_and_removes_what_it_names"),
        (Fault::MixesAttempts, "filters", "the_energy_of_the_present_attempt_counts"),
        (Fault::MixesAttempts, "filters", "each_condition_admits_exactly_what_it_says"),
        (Fault::AsksForAThousand, "jobs", "statuses_are_told_of_any_number_of_jobs"),
        (Fault::OverwritesResults, "results", "a_result_is_never_overwritten_by_accident"),
        (Fault::DeletesParents, "jobs", "a_job_that_others_wait_for_is_not_deleted"),
        (Fault::LosesHandles, "jobs", "a_job_that_a_scheduler_may_have_is_not_deleted"),
        (Fault::LetsCirclesClose, "dependencies", "a_circle_is_refused_with_its_path"),
        (Fault::ForgetsDecks, "inputs", "a_deck_comes_back_as_it_was_given"),
        (Fault::ForgetsKeys, "creation", "creating_again_under_the_same_key_returns_the_first_job"),
        (
            Fault::SkipsTies,
            "creation",
            "twenty_jobs_created_one_after_the_other_are_all_there_in_order",
        ),
        (
            Fault::LosesUpdates,
            "races",
            "twenty_jobs_created_by_five_threads_at_once_are_all_there_once",
        ),
        (Fault::ClaimsTwice, "claims", "only_queued_jobs_are_claimed"),
        (Fault::ClaimsTheWaiting, "claims", "a_job_is_claimed_only_once_its_dependencies_are_met"),
        (Fault::IgnoresLimits, "limits", "a_cluster_runs_no_more_than_its_limits"),
        (Fault::ForgetsTokens, "leases", "whoever_lost_a_lease_is_refused"),
        (Fault::ClaimsAfterARefusal, "fencing", "no_report_lands_once_the_job_has_gone_on"),
        (Fault::ForgetsTokens, "fencing", "no_report_lands_once_the_job_has_gone_on"),
        (Fault::TakesLateResults, "fencing", "no_report_lands_once_the_job_has_gone_on"),
        (Fault::TakesLateResults, "fencing", "of_many_results_none_lands_when_one_lease_is_lost"),
        (Fault::SubmitsWithoutALease, "fencing", "no_report_lands_once_the_job_has_gone_on"),
        (Fault::TakesLateHandles, "fencing", "no_report_lands_once_the_job_has_gone_on"),
        (Fault::TakesLateHandles, "fencing", "a_handle_that_comes_too_late_is_kept_for_cancelling"),
        (Fault::TakesLateReports, "fencing", "no_report_lands_once_the_job_has_gone_on"),
        (Fault::TakesAnyLease, "fencing", "a_lease_is_good_for_its_own_job_alone"),
        (
            Fault::MistakesTheAttempt,
            "fencing",
            "a_handle_that_comes_too_late_is_kept_for_cancelling",
        ),
        (Fault::SparesTheFailed, "remote_phases", "what_runs_in_vain_is_to_be_cancelled"),
        (Fault::SparesTheFailed, "fencing", "a_handle_that_comes_too_late_is_kept_for_cancelling"),
        (Fault::CountsAFailureTwice, "runs", "the_same_report_twice_counts_once"),
        (Fault::ReusesAttempts, "runs", "a_claimed_run_that_is_put_back_is_kept"),
        (Fault::RefusesAllForOne, "many_ends", "one_lost_lease_refuses_no_other_end"),
        (Fault::CountsAFailureTwice, "many_ends", "each_of_many_runs_ends_as_it_is_reported"),
        (Fault::StopsHalfway, "many_ends", "many_ends_land_all_or_none"),
        (
            Fault::HoldsWhatAsksForMore,
            "many_ends",
            "what_follows_of_many_ends_is_what_follows_of_each",
        ),
        (Fault::FailsTheStopped, "runs", "a_run_that_is_to_stop_is_not_tried_again"),
        (Fault::TakesLiveLeases, "leases", "a_recovery_never_touches_a_live_lease"),
        (Fault::IgnoresPriorities, "claims", "the_best_priority_goes_first_then_the_oldest"),
        (Fault::ClaimsTooEarly, "claims", "a_job_is_not_claimed_before_its_time"),
        (Fault::RetriesAtOnce, "runs", "a_failure_is_tried_again_as_the_policy_says"),
        (Fault::AdoptsTheHeld, "leases", "a_lost_run_that_is_found_is_adopted"),
        (Fault::ForgetsTheLost, "leases", "a_lapse_goes_by_the_jobs_own_policy"),
        (Fault::HidesCancellations, "runs", "a_run_that_is_to_stop_is_told_and_reported"),
        (Fault::IgnoresDraining, "limits", "a_draining_cluster_takes_no_new_job"),
        (Fault::LeavesJobsRunning, "limits", "a_cluster_removed_by_force_says_what_it_came_to"),
        (Fault::SkipsEvents, "watching", "a_feed_misses_nothing_and_repeats_nothing"),
        (Fault::SkipsEvents, "events", "events_are_followed_piece_by_piece"),
        (Fault::SubmitsTwice, "submissions", "an_attempt_is_submitted_once"),
        (Fault::SubmitsTwice, "submissions", "one_attempt_is_begun_once_however_many_try"),
        (Fault::ForgetsIntents, "submissions", "an_intent_is_kept_until_it_is_settled"),
        (Fault::GoesBack, "remote_phases", "phases_go_forward_alone"),
        (Fault::TakesHandlesForIds, "remote_jobs", "a_handle_that_was_used_again_means_the_newest"),
        (Fault::FailsTheUnreachable, "remote_phases", "an_unreachable_cluster_is_no_failure"),
        (Fault::LetsCirclesClose, "bulk_edges", "the_first_of_many_that_closes_a_circle_is_told"),
        (
            Fault::HoldsWhatAsksForMore,
            "held",
            "a_job_that_asks_for_it_is_cancelled_all_the_way_down",
        ),
        (Fault::AddsToWorkflows, "workflows", "the_name_of_a_workflow_is_taken_once"),
        (Fault::RetriesTheFailedAlone, "workflows", "retrying_does_what_the_dry_run_told"),
        (Fault::SwapsTickets, "tickets", "writes_in_flight_land_in_their_order"),
        (Fault::UndoesItsNeighbour, "tickets", "a_failing_ticket_disturbs_no_other"),
        (Fault::LosesTheUnwaited, "tickets", "a_dropped_ticket_takes_nothing_back"),
        (Fault::RunsLate, "tickets", "a_dropped_ticket_takes_nothing_back"),
        (
            Fault::ReusesWhatDidNotConverge,
            "reuse",
            "only_what_converged_is_used_again_unless_asked",
        ),
        (Fault::ReusesUnasked, "reuse", "nothing_is_used_again_unasked"),
        (Fault::LosesCopies, "archives", "what_moves_is_whole_in_the_second_store"),
        (Fault::HidesTheRefused, "archives", "a_job_without_a_place_in_the_second_store_stays"),
        (Fault::KeepsOldNames, "archives", "clusters_come_along_under_their_names_of_today"),
        (Fault::WritesOverEvents, "archives", "a_second_store_that_was_pruned_takes_more"),
        (Fault::ForgetsOnReturn, "archives", "a_job_that_comes_back_is_as_it_was"),
        (Fault::TakesEmptyReasons, "reasons", "a_reason_that_says_nothing_is_refused"),
        (Fault::CutsConnections, "retention", "a_job_stays_with_the_live_ones_of_its_graph"),
        (Fault::CutsConnections, "retention", "what_ended_before_a_moment_is_pruned_whole"),
        (Fault::TakesAll, "retention", "a_call_takes_about_as_many_as_it_may"),
        (Fault::TakesWhatItCounts, "retention", "a_dry_run_of_retention_only_counts"),
        (Fault::ForgetsAtOnce, "retention", "departures_are_told_for_a_day"),
        (Fault::ForgetsSilently, "retention", "a_feed_that_missed_that_jobs_left_says_so"),
        (Fault::MistakesNesting, "retention", "retention_inside_a_unit_is_refused"),
        (Fault::WatchesOnlyWhileWaiting, "watching", "a_commit_between_two_waits_ends_the_next"),
        (Fault::WakesForNothing, "watching", "what_is_not_committed_wakes_nobody"),
        (Fault::MistakesNesting, "watching", "a_wait_inside_a_unit_is_refused"),
    ];
    for (fault, subject, name) in table {
        assert!(!keeps(fault, subject, name), "{subject}::{name} does not find {fault:?}");
        assert!(keeps(Fault::None, subject, name), "{subject}::{name} finds what is not there");
    }
}

#[test]
fn the_list_has_every_promise_once() {
    let mut names: Vec<_> =
        promises::<FaultyFixture>().iter().map(|p| (p.subject, p.name)).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), PROMISES);
}
