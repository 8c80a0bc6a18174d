//! The list of all promises.

/// Hands the list of all promises, by subject, to a macro. A test compares it with the sources.
#[doc(hidden)]
#[macro_export]
macro_rules! each_promise {
    ($($callback:tt)+) => {
        $($callback)+ ! {
            archives {
                what_moves_is_whole_in_the_second_store
                a_job_without_a_place_in_the_second_store_stays
                clusters_come_along_under_their_names_of_today
                a_second_store_that_was_pruned_takes_more
                a_job_that_comes_back_is_as_it_was
            }
            bulk_edges {
                many_edges_come_to_what_single_ones_do
                many_edges_are_added_all_or_none
                the_first_of_many_that_closes_a_circle_is_told
            }
            claims {
                a_claim_makes_a_job_running_under_a_lease
                the_best_priority_goes_first_then_the_oldest
                only_queued_jobs_are_claimed
                a_claim_takes_what_its_filter_admits
                a_job_is_claimed_only_once_its_dependencies_are_met
                a_failure_that_is_tried_again_releases_nobody
                a_job_is_not_claimed_before_its_time
                a_claim_that_cannot_be_meant_is_refused
                each_job_is_claimed_once_by_workers_that_meet
                a_job_says_why_it_is_not_running
            }
            clusters {
                a_cluster_comes_back_as_it_was_given
                clusters_are_listed_by_name
                no_two_clusters_share_a_name
                an_edit_of_a_cluster_changes_what_it_names
                what_the_check_of_a_cluster_refuses_is_not_stored
                secrets_never_reach_a_store
                a_cluster_in_use_is_not_deleted
                ids_of_clusters_never_come_back
                each_change_of_a_cluster_is_told_with_its_reason
                the_history_of_a_cluster_outlives_it
            }
            creation {
                a_created_job_is_read_back_as_it_was_returned
                a_job_begins_with_what_it_was_given
                a_creation_is_one_event
                a_directory_given_by_the_store_is_named_after_the_job
                no_two_jobs_share_a_directory
                no_two_jobs_share_a_uuid
                a_job_that_names_what_is_not_there_is_refused
                what_the_check_of_a_job_refuses_is_not_created
                creating_again_under_the_same_key_returns_the_first_job
                another_calculation_under_the_same_key_is_refused
                twenty_jobs_created_one_after_the_other_are_all_there_in_order
                many_jobs_are_created_in_order
                many_jobs_are_created_all_or_none
                the_refusals_of_a_creation_have_an_order
                ids_never_come_back
            }
            dependencies {
                an_edge_is_found_from_both_sides
                the_same_edge_again_changes_nothing
                an_edge_can_be_taken_away
                an_edge_that_is_not_there_is_not_found
                only_a_job_that_has_not_started_can_wait
                a_circle_is_refused_with_its_path
                the_shortest_circle_is_told
                a_graph_of_many_ways_is_searched_quickly
                the_refusals_of_an_edge_have_an_order
                readiness_follows_what_is_waited_for
                readiness_tells_its_reasons_in_order
            }
            edits {
                an_edit_changes_what_it_names_and_nothing_else
                an_edit_empties_only_what_it_clears
                an_edit_that_changes_nothing_writes_nothing
                a_directory_is_fixed_once_the_job_is_queued
                a_job_does_not_move_into_the_directory_of_another
                a_job_is_not_sent_to_a_missing_cluster
                an_invalid_edit_leaves_nothing
            }
            events {
                each_change_is_told_signed_and_dated
                an_actor_signs_for_its_own_clone_alone
                a_store_signs_before_it_is_told_how
                a_history_is_told_oldest_first
                events_are_followed_piece_by_piece
                numbers_of_deleted_events_never_come_back
                a_deletion_is_told_where_the_history_was
                a_note_is_kept_as_it_was_written
                each_event_is_of_the_job_that_changed
            }
            fencing {
                what_a_worker_reports_lands_while_it_holds_the_job
                no_report_lands_once_the_job_has_gone_on
                a_handle_that_comes_too_late_is_kept_for_cancelling
                a_handle_of_a_cluster_that_is_gone_is_not_taken
                a_lease_is_good_for_its_own_job_alone
                of_many_results_none_lands_when_one_lease_is_lost
            }
            filters {
                each_condition_admits_exactly_what_it_says
                conditions_together_admit_what_each_admits
                energy_ranges_include_their_ends
                the_energy_of_the_present_attempt_counts
            }
            held {
                a_held_job_comes_back_with_a_retry
                held_jobs_are_listed_page_by_page
                a_job_that_asks_for_it_is_cancelled_all_the_way_down
                a_deep_chain_is_cancelled
                a_job_that_asks_to_be_cancelled_is_never_held
            }
            inputs {
                a_deck_comes_back_as_it_was_given
                a_job_without_an_input_has_none
                the_input_of_a_pending_job_is_replaced
                the_same_deck_again_writes_nothing
                a_file_of_another_name_is_another_deck
                an_input_is_fixed_once_the_job_is_queued
            }
            jobs {
                a_job_is_found_by_what_it_alone_has
                a_fresh_store_is_empty
                a_job_that_is_not_there_is_named_by_every_method
                a_cluster_or_submission_that_is_not_there_is_named
                an_archived_job_keeps_everything_and_comes_back
                a_job_that_has_not_ended_is_not_archived
                an_archived_job_is_left_out_of_lists_and_counts
                a_deleted_job_leaves_nothing_of_itself
                a_job_that_may_be_running_is_not_deleted
                a_job_that_a_scheduler_may_have_is_not_deleted
                a_job_that_others_wait_for_is_not_deleted
                statuses_are_told_of_any_number_of_jobs
            }
            leases {
                a_heartbeat_renews_a_lease_until_it_lapses
                whoever_lost_a_lease_is_refused
                a_lease_ends_with_its_run
                a_recovery_never_touches_a_live_lease
                a_lapse_goes_by_the_jobs_own_policy
                a_lost_run_that_is_found_is_adopted
                what_a_dead_worker_held_is_recovered_at_once
                a_job_that_is_lost_too_often_fails
                a_lease_is_renewed_though_the_clock_was_set_back
            }
            limits {
                a_cluster_runs_no_more_than_its_limits
                resources_are_deducted_and_given_back
                a_paused_cluster_gets_no_job_until_it_is_resumed
                a_closed_cluster_says_who_closed_it_and_why
                a_draining_cluster_takes_no_new_job
                limits_that_cannot_be_meant_are_refused
                a_cluster_removed_by_force_says_what_it_came_to
                needs_that_no_cluster_could_count_are_refused
            }
            many_ends {
                each_of_many_runs_ends_as_it_is_reported
                one_lost_lease_refuses_no_other_end
                many_ends_land_all_or_none
                what_follows_of_many_ends_is_what_follows_of_each
            }
            orders {
                each_order_lists_each_job_once_in_both_directions
                orders_hold_under_filters
                a_list_is_read_backwards_as_forwards
                a_page_tells_what_precedes_it
                a_cursor_of_another_order_is_refused
                a_cursor_of_any_order_survives_what_happens_between_pages
            }
            pages {
                pages_of_any_size_list_each_job_once_newest_first
                a_page_tells_whether_there_is_a_next_one
                a_listed_job_is_the_job
                a_cursor_survives_what_happens_between_pages
                pages_under_a_filter_go_on_where_they_were
                lists_follow_the_clock_wherever_it_goes
                jobs_are_found_by_their_times_though_the_clock_was_set_back
                a_long_list_is_read_to_its_end
            }
            races {
                each_job_is_started_exactly_once_by_eight_threads
                twenty_jobs_are_started_exactly_once_by_five_threads
                twenty_jobs_created_by_five_threads_at_once_are_all_there_once
                a_hundred_jobs_of_ten_threads_are_all_there
                directories_given_at_once_are_unique
                one_idempotency_key_makes_one_job_however_many_try
                one_directory_goes_to_one_job_however_many_try
                no_update_is_lost
                two_hundred_aggressive_writes_are_all_done
                statuses_change_at_once_without_a_gap_in_the_history
                results_recorded_at_once_are_each_written_once
                clusters_change_at_once
                a_unit_that_fails_does_not_disturb_its_neighbours
            }
            readers {
                readers_see_whole_units_while_writers_write
                counts_always_equal_a_recount
                who_follows_the_history_misses_nothing
                readers_never_wait_for_a_writer
                what_was_acknowledged_is_seen_at_once_by_every_thread
            }
            reasons {
                each_event_has_the_reason_of_its_store
                a_reason_reaches_every_way_to_write
                a_change_keeps_its_own_reason
                a_reason_and_an_actor_go_together
                a_reason_that_says_nothing_is_refused
            }
            remote_jobs {
                a_submission_comes_back_as_it_was_given
                the_newest_submission_is_the_last
                active_submissions_are_those_that_have_not_ended
                a_handle_belongs_to_one_active_submission
                a_handle_that_was_used_again_means_the_newest
                a_report_changes_what_it_names
                a_report_empties_only_what_it_clears
                what_the_check_of_a_submission_refuses_is_not_stored
                ids_of_submissions_never_come_back
            }
            remote_phases {
                phases_go_forward_alone
                a_report_dates_what_it_tells
                a_requeue_keeps_its_phase_and_its_word
                an_intent_is_not_reported_on_before_it_is_settled
                what_runs_in_vain_is_to_be_cancelled
                an_unreachable_cluster_is_no_failure
            }
            results {
                a_result_comes_back_as_it_was_given
                numbers_come_back_to_the_bit
                documents_of_any_form_come_back
                a_result_is_never_overwritten_by_accident
                many_results_are_recorded_all_or_none
                a_replaced_result_is_kept_in_the_history
                a_result_that_is_not_there_is_not_replaced
                each_attempt_has_a_result_of_its_own
                a_result_does_not_change_the_status
                what_the_check_of_a_result_refuses_is_not_stored
            }
            retention {
                what_ended_before_a_moment_is_pruned_whole
                a_job_stays_with_the_live_ones_of_its_graph
                a_dry_run_of_retention_only_counts
                a_call_takes_about_as_many_as_it_may
                departures_are_told_for_a_day
                a_feed_that_missed_that_jobs_left_says_so
                retention_inside_a_unit_is_refused
                old_jobs_go_though_the_clock_was_set_back
            }
            reuse {
                a_job_is_completed_from_an_earlier_one_that_is_the_same
                nothing_is_used_again_unasked
                without_an_earlier_one_the_job_is_created_as_usual
                only_what_converged_is_used_again_unless_asked
                the_newest_earlier_one_is_taken_and_who_calculated_is_named
                two_creations_at_once_make_two_jobs
            }
            runs {
                a_completion_lands_with_its_result
                an_end_and_the_next_claim_land_together
                the_same_report_twice_counts_once
                a_failure_is_tried_again_as_the_policy_says
                a_retry_by_hand_gives_one_more_attempt
                a_job_that_is_given_back_is_not_counted_as_failed
                each_attempt_is_kept_as_it_was
                a_claimed_run_that_is_put_back_is_kept
                a_run_that_is_to_stop_is_told_and_reported
                a_run_that_is_to_stop_is_not_tried_again
                a_failure_after_a_lapse_is_no_repetition
                the_end_of_a_run_tells_of_a_cancellation
            }
            searches {
                a_text_means_itself
                a_text_that_was_changed_is_found_as_it_is
                documents_are_compared_by_path
                a_filter_that_nothing_can_meet_is_refused
            }
            statuses {
                the_status_machine_is_kept
                a_change_is_made_only_from_the_status_it_expects
                the_times_of_an_attempt_are_kept
                the_process_of_a_run_is_kept_to_its_end
                the_reason_of_a_change_is_kept
                an_invalid_change_of_status_is_refused
                a_retry_opens_a_new_attempt
                a_retry_of_any_other_job_is_refused
                many_statuses_change_in_order
                many_statuses_change_all_or_none
                counts_follow_each_change
            }
            submissions {
                an_intent_is_kept_until_it_is_settled
                only_attempts_that_were_are_recorded
                an_intent_ends_with_the_handle_it_was_given
                what_never_reached_the_scheduler_is_abandoned
                an_attempt_is_submitted_once
                one_attempt_is_begun_once_however_many_try
                beginning_again_under_the_same_token_returns_the_first
                a_job_that_has_ended_is_not_begun
                what_the_check_of_an_intent_refuses_is_not_stored
            }
            tags {
                tags_come_back_as_they_were_given
                an_edit_of_tags_sets_and_removes_what_it_names
                an_edit_of_tags_that_changes_nothing_writes_nothing
                what_no_tag_may_be_is_refused
                keys_and_values_are_counted
            }
            texts {
                difficult_texts_of_jobs_come_back
                difficult_texts_of_clusters_come_back
            }
            tickets {
                writes_in_flight_land_in_their_order
                a_failing_ticket_disturbs_no_other
                a_dropped_ticket_takes_nothing_back
            }
            units_of_work {
                each_method_lands_when_its_unit_ends_well
                each_method_lands_when_called_straight
                each_method_leaves_nothing_when_its_unit_is_given_up
                a_long_unit_leaves_nothing_when_it_is_given_up
                each_refused_call_leaves_nothing
                each_refused_call_leaves_nothing_in_a_unit_that_goes_on
                a_refused_creation_uses_up_no_id
                a_panic_reaches_its_caller_and_leaves_nothing
                a_unit_answers_what_its_closure_returns
                a_unit_sees_its_own_writes_and_no_one_else_does
                a_snapshot_stays_the_same_while_others_commit
                units_of_one_store_do_not_nest
                a_unit_of_another_store_is_welcome_inside
                a_store_that_is_opened_again_is_as_it_was
            }
            watching {
                a_commit_wakes_who_waits
                a_commit_between_two_waits_ends_the_next
                what_is_not_committed_wakes_nobody
                each_watch_is_woken_by_each_commit
                a_wait_inside_a_unit_is_refused
                a_feed_misses_nothing_and_repeats_nothing
                a_feed_goes_on_where_it_was
            }
            workflows {
                a_workflow_is_created_whole
                a_workflow_that_cannot_start_is_settled_at_once
                a_workflow_that_is_refused_leaves_nothing
                the_name_of_a_workflow_is_taken_once
                a_workflow_sums_itself_up
                cancelling_does_what_the_dry_run_told
                retrying_does_what_the_dry_run_told
                what_could_not_start_is_left_out_of_a_retry
                a_workflow_goes_on_from_what_is_used_again
                a_workflow_waits_for_nothing_that_is_to_come
            }
        }
    };
}
