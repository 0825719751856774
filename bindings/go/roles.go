package bowline

// #include <bowline.h>
//
// enum { TO_ALL, TO_ROLE, TO_GROUP };
//
// // A message, or a copy of some bytes if there is none, to many in one crossing.
// static bowline_result spread(bowline_node *node, int to, const char *capability, uint32_t group, size_t most, uint16_t channel,
//                              bowline_msg *msg, const uint8_t *data, size_t len, bowline_peer except, uint32_t flags,
//                              bowline_reach *reach) {
//     bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
//     bowline_msg *copy = NULL;
//     bowline_result result = BOWLINE_OK;
//     opts.flags = flags;
//     if (msg == NULL) {
//         result = bowline_msg_copy(data, len, &copy);
//         msg = copy;
//     }
//     if (result != BOWLINE_OK) {
//         return result;
//     }
//     switch (to) {
//     case TO_ROLE:
//         result = bowline_role_broadcast(node, capability, channel, most, msg, except, &opts, reach);
//         break;
//     case TO_GROUP:
//         result = bowline_group_send(node, group, channel, msg, except, &opts, reach);
//         break;
//     default:
//         result = bowline_broadcast(node, channel, msg, except, &opts, reach);
//     }
//     bowline_msg_free(copy);
//     return result;
// }
//
// static bowline_result send_to_role(bowline_node *node, const char *capability, uint16_t channel, const uint8_t *data, size_t len,
//                                    bowline_peer *to) {
//     bowline_msg *msg = NULL;
//     bowline_result result = bowline_msg_copy(data, len, &msg);
//     if (result == BOWLINE_OK) {
//         result = bowline_role_send(node, capability, channel, msg, to);
//         bowline_msg_free(msg);
//     }
//     return result;
// }
//
// #cgo noescape spread
// #cgo nocallback spread
// #cgo noescape send_to_role
// #cgo nocallback send_to_role
import "C"

import (
	"context"
	"errors"
)

// Reach is how many peers a broadcast reached.
type Reach struct {
	Queued  int // have the message in their queue
	Full    int // do not get it: their queue was full
	Refused int // closed meanwhile, or take smaller messages only
}

// BroadcastOptions says whom a broadcast leaves out, and whom not.
type BroadcastOptions struct {
	Except      Peer // does not get it: who it came from; 0: nobody
	IncludeSelf bool // this node itself gets it, too, as from [PeerLocal]
	Most        int  // for [Node.BroadcastTo] and [Node.BroadcastMsgTo]: so many peers at most; 0: all
}

// audience is whom a broadcast is for.
type audience struct {
	to         C.int
	capability *C.char
	group      C.uint32_t
}

// spread sends msg, or a copy of data if that is nil. Nobody is waited for.
func (n *Node) spread(op string, to audience, channel Channel, msg *Msg, data []byte, opts BroadcastOptions) (Reach, error) {
	if opts.Most < 0 || opts.Most > 0 && to.to != C.TO_ROLE {
		return Reach{}, &Error{Op: op, Code: ErrInvalid, Text: "Most is for broadcasts to a capability, and not negative"}
	}
	var held *C.bowline_msg
	if msg != nil {
		var err error
		if held, err = msg.hold(); err != nil {
			return Reach{}, err
		}
		defer C.bowline_msg_free(held)
	}
	var flags C.uint32_t
	if opts.IncludeSelf {
		flags = C.BOWLINE_SEND_SELF
	}
	node, err := n.c.use()
	if err != nil {
		return Reach{}, err
	}
	defer n.c.done()
	reach := C.bowline_reach{struct_size: C.sizeof_bowline_reach}
	result := C.spread(node, to.to, to.capability, to.group, C.size_t(opts.Most), C.uint16_t(channel), held, first(data),
		C.size_t(len(data)), C.bowline_peer(opts.Except), flags, &reach)
	return Reach{int(reach.queued), int(reach.full), int(reach.refused)}, failed(op, result, nil)
}

// Broadcast queues a copy of some bytes for every peer that has the channel. Peers whose queue is full do not get it: nobody is
// waited for.
func (n *Node) Broadcast(channel Channel, data []byte, opts BroadcastOptions) (Reach, error) {
	return n.spread("broadcast", audience{to: C.TO_ALL}, channel, nil, data, opts)
}

// BroadcastMsg is [Node.Broadcast] without a copy.
func (n *Node) BroadcastMsg(channel Channel, msg *Msg, opts BroadcastOptions) (Reach, error) {
	return n.spread("broadcast", audience{to: C.TO_ALL}, channel, msg, nil, opts)
}

// Choose answers at most count peers that can do a thing ([Config.AddCapability]) and take a channel, in the order in which to try
// them. The best by score and latency come early more often than others, not always. [ErrNotFound] means that nobody linked can.
func (n *Node) Choose(capability string, channel Channel, count int) ([]Peer, error) {
	name, err := cstring("choose", capability)
	if err != nil {
		return nil, err
	}
	// No node has as many links. For none the library says that it is wrong.
	count = max(min(count, 1<<16), 0)
	found := make([]C.bowline_peer, max(count, 1))
	var chosen C.size_t
	err = n.c.call("choose "+capability, func(node *C.bowline_node) C.bowline_result {
		return C.bowline_role_choose(node, name, C.bowline_channel(channel), &found[0], C.size_t(count), &chosen)
	})
	if err != nil {
		return nil, err
	}
	return peers(found[:chosen]), nil
}

func peers(raw []C.bowline_peer) []Peer {
	all := make([]Peer, len(raw))
	for at, peer := range raw {
		all[at] = Peer(peer)
	}
	return all
}

// SendTo queues a copy of some bytes for one peer that can do a thing, without waiting, and answers for whom; if its queue is full
// or its link has closed meanwhile, for another. [ErrNotFound] means that nobody linked can do it; if none of them took it, the error
// says why the last did not.
func (n *Node) SendTo(capability string, channel Channel, data []byte) (Peer, error) {
	name, err := cstring("send", capability)
	if err != nil {
		return 0, err
	}
	var to C.bowline_peer
	err = n.c.call("send to "+capability, func(node *C.bowline_node) C.bowline_result {
		return C.send_to_role(node, name, C.uint16_t(channel), first(data), C.size_t(len(data)), &to)
	})
	return Peer(to), err
}

// SendMsgTo is [Node.SendTo] without a copy.
func (n *Node) SendMsgTo(capability string, channel Channel, msg *Msg) (Peer, error) {
	name, err := cstring("send", capability)
	if err != nil {
		return 0, err
	}
	held, err := msg.hold()
	if err != nil {
		return 0, err
	}
	defer C.bowline_msg_free(held)
	var to C.bowline_peer
	err = n.c.call("send to "+capability, func(node *C.bowline_node) C.bowline_result {
		return C.bowline_role_send(node, name, C.bowline_channel(channel), held, &to)
	})
	return Peer(to), err
}

// BroadcastTo is [Node.Broadcast] to peers that can do a thing: to all of them, or to some. [ErrNotFound] means that nobody linked
// can; with IncludeSelf it never comes.
func (n *Node) BroadcastTo(capability string, channel Channel, data []byte, opts BroadcastOptions) (Reach, error) {
	name, err := cstring("broadcast", capability)
	if err != nil {
		return Reach{}, err
	}
	return n.spread("broadcast to "+capability, audience{to: C.TO_ROLE, capability: name}, channel, nil, data, opts)
}

// BroadcastMsgTo is [Node.BroadcastTo] without a copy.
func (n *Node) BroadcastMsgTo(capability string, channel Channel, msg *Msg, opts BroadcastOptions) (Reach, error) {
	name, err := cstring("broadcast", capability)
	if err != nil {
		return Reach{}, err
	}
	return n.spread("broadcast to "+capability, audience{to: C.TO_ROLE, capability: name}, channel, msg, nil, opts)
}

// RequestTo is [Node.Request] to one peer that can do a thing, and answers who was asked. [ErrNotFound] means that nobody linked can.
// A peer that fails is not replaced by another: whether to ask twice is the caller's choice.
func (n *Node) RequestTo(ctx context.Context, capability string, channel Channel, data []byte) (Peer, []byte, error) {
	if ctx.Err() != nil {
		return 0, nil, ended("request", ctx)
	}
	chosen, err := n.Choose(capability, channel, 1)
	if err != nil {
		return 0, nil, err
	}
	response, err := n.Request(ctx, chosen[0], channel, data)
	return chosen[0], response, err
}

// Quota is how many links there should be at least to peers that can do a thing: so many, or a share. The zero value is no quota.
type Quota struct {
	Links   int // so many; or 0
	Percent int // so many of a hundred of all links; or 0
}

// SetRoleQuota keeps so many links at peers with a capability from now on, until the node stops; a start begins with the setting
// pool.roles. Maintenance sees to it at once, and [Node.Roles] says how far it has come.
func (n *Node) SetRoleQuota(capability string, quota Quota) error {
	if quota.Links < 0 || quota.Percent < 0 || quota.Percent > 100 || int64(quota.Links) > 1<<31 {
		return &Error{Op: "set role quota", Code: ErrInvalid, Text: "a quota is a number of links, or 0 to 100 percent of them"}
	}
	return n.about("set role quota", capability, func(node *C.bowline_node, name *C.char, said **C.bowline_error) C.bowline_result {
		return C.bowline_role_quota_set(node, name, C.uint32_t(quota.Links), C.uint32_t(quota.Percent), said)
	})
}

// RoleInfo is a quota and how it stands.
type RoleInfo struct {
	Capability string
	Quota      Quota
	Wanted     int // links that there should be now
	Linked     int // that there are, open or about to be
	Dialing    int // dials under way to addresses whose peers are said to have the capability
}

// Roles are the quotas, each with how it stands.
func (n *Node) Roles() ([]RoleInfo, error) {
	return listed(n.c, "roles", func(node *C.bowline_node, out **C.bowline_list) C.bowline_result {
		return C.bowline_roles_snapshot(node, out)
	}, func(list *C.bowline_list, at C.size_t) (RoleInfo, error) {
		raw := C.bowline_role_info{struct_size: C.sizeof_bowline_role_info}
		err := failed("roles", C.bowline_list_role(list, at, &raw), nil)
		return RoleInfo{
			Capability: C.GoString(&raw.capability[0]),
			Quota:      Quota{int(raw.count), int(raw.percent)},
			Wanted:     int(raw.wanted),
			Linked:     int(raw.linked),
			Dialing:    int(raw.dialing),
		}, err
	})
}

// Group is a group of peers that the application makes: a shard, a committee. It begins with its first peer; peers leave when their
// links close, and may be in any number of groups.
type Group struct {
	n      *Node
	number uint32
}

// Group is the group of that number: any that the application likes.
func (n *Node) Group(number uint32) Group {
	return Group{n, number}
}

// Add puts a peer into the group. [ErrLimit] means that all 65,536 places of all groups are taken.
func (g Group) Add(peer Peer) error {
	return g.n.c.call("add to group", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_group_add(node, C.bowline_group(g.number), C.bowline_peer(peer))
	})
}

// Remove takes a peer out of the group. [ErrNotFound] means that it was not in it.
func (g Group) Remove(peer Peer) error {
	return g.n.c.call("remove from group", func(node *C.bowline_node) C.bowline_result {
		if peer == 0 {
			// To the library that is all of them, which nobody should say by mistake.
			return C.BOWLINE_E_INVALID
		}
		return C.bowline_group_remove(node, C.bowline_group(g.number), C.bowline_peer(peer))
	})
}

// Clear takes all peers out of the group.
func (g Group) Clear() error {
	err := g.n.c.call("clear group", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_group_remove(node, C.bowline_group(g.number), 0)
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// Peers are the group's peers whose links are open.
func (g Group) Peers() ([]Peer, error) {
	found := make([]C.bowline_peer, 32)
	for {
		var count C.size_t
		err := g.n.c.call("peers of group", func(node *C.bowline_node) C.bowline_result {
			return C.bowline_group_peers(node, C.bowline_group(g.number), &found[0], C.size_t(len(found)), &count)
		})
		if count > C.size_t(len(found)) {
			found = make([]C.bowline_peer, count)
			continue
		}
		if err != nil {
			return nil, err
		}
		return peers(found[:count]), nil
	}
}

// Broadcast is [Node.Broadcast] to the group's peers.
func (g Group) Broadcast(channel Channel, data []byte, opts BroadcastOptions) (Reach, error) {
	return g.n.spread("broadcast to group", audience{to: C.TO_GROUP, group: C.uint32_t(g.number)}, channel, nil, data, opts)
}

// BroadcastMsg is Broadcast without a copy.
func (g Group) BroadcastMsg(channel Channel, msg *Msg, opts BroadcastOptions) (Reach, error) {
	return g.n.spread("broadcast to group", audience{to: C.TO_GROUP, group: C.uint32_t(g.number)}, channel, msg, nil, opts)
}
