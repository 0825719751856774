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
    use super::i_send::bowline_send_opts;
    use super::l_peers::bowline_peer_info;
    use super::q_metrics::bowline_metrics;
    use super::s_addresses::bowline_addr;
    let mut here = BTreeMap::new();
    places! { here:
        bowline_result_info { code, flags, name, text }
        bowline_key_info { struct_size, flags, name, value_type, default_value, limits, doc }
        bowline_channel_desc { struct_size, id, priority, flags, max_message, rate_msgs_per_s, rate_burst, send_queue_msgs, recv_queue_msgs, turn_bytes, send_queue_bytes, recv_queue_bytes, name, rate_bytes_per_s, rate_bytes_burst, reserved }
        bowline_peer_id { bytes }
        bowline_addr { family, reserved, port, scope, ip }
        bowline_event { kind, result, peer, request, tag, time_ns, channel, flags, detail, data, len, msg }
        bowline_send_opts { struct_size, flags, timeout_ms, ttl_ms, reserved, tag, report_queue }
        bowline_peer_info { struct_size, flags, peer, id, remote, local, score, reserved, connected_ns, last_recv_ns, last_send_ns, rtt_us, bytes_in, bytes_out, msgs_in, msgs_out, send_queue_bytes, user_tag, agent }
        bowline_metrics { struct_size, reserved, peers_in, peers_out, dials_total, dials_failed, accepts_total, accepts_refused, bytes_in, bytes_out, msgs_in, msgs_out, msgs_dropped_in, msgs_expired, msgs_too_big, requests_pending, requests_timeout, bans, greylisted, panics, uptime_ns, addrs_known, msgs_unsent, events_dropped, msgs_refused, msgs_displaced, msgs_canceled, msgs_unfinished, stalls }
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
        first::<super::l_peers::bowline_peer_info>(),
        first::<super::q_metrics::bowline_metrics>(),
    ] {
        assert_eq!(first, now, "this is the first version of all of them");
    }
}
