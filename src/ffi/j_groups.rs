//! Section J of the header, second part: sets of peers that the application makes and sends to as one.

use super::b_errors::bowline_result;
use super::c_config::bowline_channel;
use super::e_node::{bowline_node, hosted};
use super::event::bowline_peer;
use super::g_messages::bowline_msg;
use super::guard::guard;
use super::handle;
use super::i_send::{Wish, bowline_reach, bowline_send_opts};
use super::raw::{Out, OutSized};
use crate::base::channel::ChannelId;
use crate::base::link_id::LinkId;

/// A number that names a group of peers: the application's choice.
pub type bowline_group = u32;

/// Puts a peer into a group, which begins with its first peer. It leaves when its link closes. A peer may be in any number of groups.
///
/// @param node   the node
/// @param group  any number
/// @param peer   the peer
/// @return BOWLINE_OK, also if it is there already; LIMIT if all 65,536 places of all groups are taken, PEER_GONE, STATE if the node is not
///         started, STOPPED.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_group_add(node: *mut bowline_node, group: bowline_group, peer: bowline_peer) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, or NULL.
        let hosted = unsafe { hosted(node.cast_const())? };
        Ok(hosted.running()?.group_add(group, LinkId::from_u64(peer))?)
    })
}

/// Takes a peer out of a group, or all peers.
///
/// @param node   the node
/// @param group  the group
/// @param peer   the peer; 0: all
/// @return BOWLINE_OK, NOT_FOUND if the peer is not in it (one whose link has closed has left), or nobody; STATE if the node is not started,
///         STOPPED.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_group_remove(
    node: *mut bowline_node,
    group: bowline_group,
    peer: bowline_peer,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, or NULL.
        let hosted = unsafe { hosted(node.cast_const())? };
        let removed = hosted.running()?.group_remove(group, (peer != 0).then(|| LinkId::from_u64(peer)))?;
        if removed > 0 { Ok(()) } else { Err(bowline_result::BOWLINE_E_NOT_FOUND.into()) }
    })
}

/// The peers of a group whose links are open.
///
/// @param node   the node
/// @param group  the group
/// @param out    where to; may be NULL if cap is 0
/// @param cap    peers that fit there
/// @param count  how many there are, also if they do not fit
/// @return BOWLINE_OK, BUFFER, NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_group_peers(
    node: *const bowline_node,
    group: bowline_group,
    out: *mut bowline_peer,
    cap: usize,
    count: *mut usize,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, an array of `cap` numbers and a writable one, or NULL.
        let (count, hosted) = unsafe { (Out::of(count)?, hosted(node)?) };
        let peers = hosted.node.group(group);
        count.put(peers.len());
        if cap < peers.len() {
            return Err(bowline_result::BOWLINE_E_BUFFER.into());
        }
        for (at, link) in peers.iter().enumerate() {
            // SAFETY: as above, and there are no more than `cap`.
            unsafe { Out::of(out.wrapping_add(at))? }.put(link.as_u64());
        }
        Ok(())
    })
}

/// Sends a message to the peers of a group that have the channel. As with bowline_broadcast, nobody is waited for.
///
/// @param node     the node
/// @param group    the group
/// @param channel  a channel of the node
/// @param msg      the message; as for bowline_send_msg
/// @param except   a peer that shall not get it, or 0
/// @param opts     may be NULL; only the flag BOWLINE_SEND_SELF can be set
/// @param reach    may be NULL; begin with BOWLINE_REACH_INIT: how many got it
/// @return As bowline_broadcast; BOWLINE_OK also for a group without peers.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_group_send(
    node: *mut bowline_node,
    group: bowline_group,
    channel: bowline_channel,
    msg: *mut bowline_msg,
    except: bowline_peer,
    opts: *const bowline_send_opts,
    reach: *mut bowline_reach,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, a message, options and a struct that begins with its size, or NULL.
        let (reach, hosted, msg, wish) = unsafe {
            (OutSized::optional(reach)?, hosted(node.cast_const())?, handle::borrow(msg.cast_const())?, Wish::of(opts)?)
        };
        let options = wish.broadcast(except)?;
        let told = hosted.running()?.broadcast_group(group, ChannelId(channel), &msg.seal(), &options)?;
        if let Some(reach) = reach {
            reach.put(&bowline_reach::of(told));
        }
        Ok(())
    })
}
