//! The layout of the header's structs, held against the table that the C tests use too.

use std::collections::BTreeMap;
use std::mem::{offset_of, size_of};

macro_rules! places {
    ($into:ident: $($name:ident { $($member:ident),+ })+) => {
        $(
            $into.insert(stringify!($name).to_owned(), size_of::<$name>());
            $($into.insert(format!("{}.{}", stringify!($name), stringify!($member)), offset_of!($name, $member));)+
        )+
    };
}

#[test]
fn structs_lie_in_rust_as_the_table_says() {
    use super::b_errors::bowline_result_info;
    use super::c_config::{bowline_channel_desc, bowline_key_info};
    use super::d_identity::bowline_peer_id;
    use super::event::bowline_event;
    use super::i_send::{bowline_reach, bowline_send_opts, bowline_slice};
    use super::j_roles::bowline_role_info;
    use super::l_facts::{bowline_channel_info, bowline_known_info};
    use super::l_peers::bowline_peer_info;
    use super::l_scores::bowline_cause;
    use super::n_access::bowline_ban_info;
    use super::p_addrbook::{bowline_addr_info, bowline_imported};
    use super::q_metrics::{bowline_channel_metrics, bowline_metrics};
    use super::s_addresses::bowline_addr;
    let mut here = BTreeMap::new();
    places! { here:
        bowline_result_info { code, flags, name, text }
        bowline_key_info { struct_size, flags, name, value_type, default_value, limits, doc }
        bowline_channel_desc { struct_size, id, priority, flags, max_message, rate_msgs_per_s, rate_burst, send_queue_msgs, recv_queue_msgs, turn_bytes, send_queue_bytes, recv_queue_bytes, name, rate_bytes_per_s, rate_bytes_burst, requests }
        bowline_peer_id { bytes }
        bowline_addr { family, reserved, port, scope, ip }
        bowline_event { kind, result, peer, request, tag, time_ns, channel, flags, detail, data, len, msg }
        bowline_send_opts { struct_size, flags, timeout_ms, ttl_ms, reserved, tag, report_queue }
        bowline_slice { data, len }
        bowline_reach { struct_size, reserved, queued, full, refused }
        bowline_role_info { struct_size, reserved, count, percent, wanted, linked, dialing, capability }
        bowline_peer_info { struct_size, flags, peer, id, remote, score, version, connected_ns, last_recv_ns, last_send_ns, rtt_us, bytes_in, bytes_out, msgs_in, msgs_out, rate_up, rate_down, weight, user_tag, agent, listen }
        bowline_cause { struct_size, delta, time_ns, why }
        bowline_channel_info { struct_size, channel, is_shared, out_msgs, out_bytes, out_age_ns, in_msgs, in_bytes, in_age_ns, unfinished, credit_out, credit_in, refused, displaced, expired, canceled }
        bowline_known_info { struct_size, flags, id, links, score, first_seen_ns, last_seen_ns, failed_ns, failures }
        bowline_ban_info { struct_size, kind, by, prefix_len, offences, reserved, id, addr, since_ns, until_ns, why }
        bowline_addr_info { struct_size, flags, state, proof, attempts, failure, id, addr, peer, next_dial_ns, last_heard_ns, last_dialed_ns, last_seen_ns, failed_ns, bad_until_ns, source }
        bowline_imported { struct_size, reserved, addrs, peers, lists, scores, without_place, contradicted }
        bowline_channel_metrics { struct_size, reserved, msgs_in, bytes_in, msgs_out, bytes_out }
        bowline_metrics { struct_size, reserved, uptime_ns, peers_in, peers_out, addrs_known, bans, greylisted, dials_total, dials_failed, accepts_total, accepts_refused, accepts_shut, bytes_in, bytes_out, msgs_in, msgs_out, payload_in, payload_out, msgs_unsent, msgs_expired, msgs_canceled, msgs_displaced, msgs_refused, msgs_unfinished, controls_dropped, stalls, msgs_malformed, requests_timeout, answers_late, msgs_dropped_in, events_dropped, pex_answered, panics, accepts_no_files, rate_up, rate_down, turns, wakes }
    }
    let table = include_str!("../../ffi-tests/layout.txt");
    let rows = table.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' '));
    let table: BTreeMap<String, usize> =
        rows.map(|(place, bytes)| (place.to_owned(), bytes.parse().expect("a number"))).collect();
    assert_eq!(here, table);
}

/// `raw::Growing` promises it: the members follow one another without a gap, and `FIRST` is the size that the first version had.
#[test]
fn structs_that_grow_have_no_padding() {
    use super::raw::Growing;
    fn first<T: Growing>() -> (usize, usize) {
        (T::FIRST, size_of::<T>())
    }
    for (first, now) in [
        first::<super::c_config::bowline_channel_desc>(),
        first::<super::c_config::bowline_key_info>(),
        first::<super::i_send::bowline_send_opts>(),
        first::<super::i_send::bowline_reach>(),
        first::<super::j_roles::bowline_role_info>(),
        first::<super::l_facts::bowline_channel_info>(),
        first::<super::l_facts::bowline_known_info>(),
        first::<super::l_peers::bowline_peer_info>(),
        first::<super::l_scores::bowline_cause>(),
        first::<super::n_access::bowline_ban_info>(),
        first::<super::p_addrbook::bowline_addr_info>(),
        first::<super::p_addrbook::bowline_imported>(),
        first::<super::q_metrics::bowline_metrics>(),
        first::<super::q_metrics::bowline_channel_metrics>(),
    ] {
        assert_eq!(first, now, "this is the first version of all of them");
    }
}
