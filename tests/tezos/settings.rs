//! What Octez' limits and files are, and what is wrong with them; what its defects are, collected.

use super::checklist::Row;

/// Limits, reconnection, configuration, identity and peers (`p2p_limits.ml`, `point_reconnection_config.ml`, `config_file.ml`).
pub const LIMITS: &[Row] = &[
    ("connection-timeout: the default of the file is another one", "what_is_not_configured_is_bounded_and_as_the_table_says"),
    ("authentication-timeout: the whole handshake", "deadlines_of_the_opening_are_absolute"),
    ("greylist-timeout: read by nobody", "the_greylist_lasts_as_long_as_its_setting_says"),
    ("maintenance-idle-time: maintenance each two minutes", "each_period_the_lists_and_the_book_are_cleaned"),
    ("maintenance-idle-time: none at all", "a_paused_node_keeps_its_links_and_makes_none"),
    ("min, expected and max connections", "bounds_are_derived_as_tezos_does"),
    ("bounds are in order", "derived_bounds_are_always_in_order"),
    ("backlog", "as_many_connections_wait_in_the_kernel_as_the_settings_say"),
    ("max-incoming-connections: a number of eight bits", "wrong_values_say_what_would_be_right"),
    ("max-incoming-connections: the next one is closed", "handshakes_are_limited_by_host_prefix_and_altogether"),
    ("speeds: KiB in the file, bytes in the help", "sizes_and_durations_are_read_with_their_units"),
    ("max_download_speed had the value of the other one", "rates_change_under_a_running_node_and_are_shown"),
    ("binary-chunks-size: what the file says is ignored", "every_setting_is_read"),
    ("binary-chunks-size: bytes, in eight bits", "a_peer_with_small_records_gets_small_records"),
    ("queues by bytes, one message of any size fits", "a_queue_is_full_by_bytes_and_by_count_but_takes_one_message_of_any_size"),
    ("an incoming queue for the application", "a_slow_consumer_stops_its_channel_and_nothing_else"),
    ("memory of all queues together", "a_default_node_with_a_default_channel_stays_below_its_bound"),
    ("max_known_points, max_known_peer_ids: bounds of tables", "places_return_to_none_and_bounds_hold_whatever_happens"),
    ("a limit that is not set is no limit", "what_is_not_configured_is_bounded_and_as_the_table_says"),
    ("sizes of the greylists", "the_greylist_is_bounded_and_forgets_what_ends_first"),
    ("queue keys are swapped in the file", "every_row_is_complete_and_named_like_its_field"),
    ("what is written is read back", "what_get_prints_set_reads_back"),
    ("a point's wait grows up to a longest", "the_delay_doubles_up_to_the_longest"),
    ("60 s after a disconnection", "an_address_whose_link_has_ended_rests_and_its_failures_are_forgotten"),
    ("bootstrap peers", "seeds_are_dialed_only_when_nothing_else_is_left"),
    ("names are resolved once, at the start", "names_are_resolved_and_follow_what_they_resolve_to"),
    ("private mode", "a_private_node_has_links_with_trusted_peers_alone"),
    ("disable_peer_discovery", "without_exchange_messages_pass_and_nobody_is_told"),
    ("--peer: a point that is trusted, with the id to expect", "persistent_peers_come_and_go"),
    ("--expected-pow", "a_stamp_below_the_difficulty_is_refused"),
    ("identity.json is verified", "an_identity_file_is_private_verified_and_never_overwritten"),
    ("identity.json: what is damaged is named", "every_kind_of_damage_is_named"),
    ("peers.json is written at a clean stop alone", "nothing_acknowledged_is_lost_when_the_program_is_killed"),
    ("peers.json has neither bans nor greylist", "a_restart_keeps_scores_bans_and_greylistings_and_believes_no_clock"),
    ("peers.json has no point that was never connected", "what_was_heard_and_never_dialed_survives_a_restart"),
];

/// What reading found wrong in Octez (7.3), and what has brought its nodes down (7.1).
pub const DEFECTS: &[Row] = &[
    ("queue keys permuted in the file", "every_row_is_complete_and_named_like_its_field"),
    ("connection-timeout: two defaults", "what_is_not_configured_is_bounded_and_as_the_table_says"),
    ("missing max_known_*: unbounded", "what_is_not_configured_is_bounded_and_as_the_table_says"),
    ("a setting of the file is ignored", "every_setting_is_read"),
    (
        "who sends what does not decode is disconnected first, and then not found to be listed",
        "who_breaks_a_rule_is_listed_although_his_link_has_ended",
    ),
    ("too many: spins where only protected peers remain", "when_only_protected_links_remain_it_stops_and_says_so"),
    ("who is trusted is kept out by the greylist", "a_ban_beats_trust_and_trust_beats_the_greylist"),
    ("events of points say something else", "the_last_failures_of_an_identity_are_known_with_their_causes"),
    ("the number of trusted points is always 0", "who_is_trusted_from_the_start_is_on_the_list"),
    ("a greylist that was cleared is still shown", "flushing_the_greylist_leaves_bans_and_shows_nothing"),
    ("a point stays Requested for ever", "after_every_outcome_of_a_dial_its_address_is_at_rest"),
    ("a port beyond 32,767 is negative", "high_ports_are_announced_as_they_are"),
    ("surplus candidates are not tried in the same round", "what_a_round_had_no_room_for_is_dialed_when_room_is_there"),
    ("who was asked once may have us dial what it likes, once a minute", "nodes_that_are_told_of_a_victim_are_no_weapon"),
    // Incidents.
    ("memory of a peer was unbounded (v24.3)", "a_hundred_peers_that_never_read_cost_what_is_computed_and_nobody_else_notices"),
    (
        "who connects and leaves at once makes workers spin (v24.4)",
        "a_storm_of_visitors_costs_each_the_same_and_then_there_is_peace",
    ),
    ("dead connections live for 15 minutes", "a_ping_without_answer_ends_the_link"),
    ("a length above 32,767 was negative", "records_are_exactly_full_while_there_is_enough"),
    // What was left to do there.
    ("#6140: all candidates are dialed at once", "dials_stop_at_their_bounds_and_say_which"),
    ("#4679: simultaneous connections", "ten_that_all_dial_each_other_at_once_have_one_link_each"),
    ("#4205: a broadcast is dropped in silence", "a_broadcast_reaches_everybody_but_the_excepted"),
    ("#4601, #4602: the loop and its waits", "the_next_round_comes_for_each_reason"),
    ("#4657, #4659, #3175: collection of garbage", "a_full_table_forgets_who_was_away_longest_and_nobody_who_is_linked"),
    ("#5632, #5633: why something failed is lost", "the_last_failures_of_an_identity_are_known_with_their_causes"),
];
