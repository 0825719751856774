package bowline

// #include <bowline.h>
import "C"

import (
	"context"
	"net/netip"
	"time"
)

// PeerInfo is a connected peer at a moment.
type PeerInfo struct {
	Peer    Peer
	ID      PeerID
	Inbound bool // the peer dialed this node
	Trusted bool // the operator trusts it
	Static  bool // dialed again whenever it is gone

	Remote netip.AddrPort // the other end of its connection
	Listen netip.AddrPort // where it can be dialed, as far as known; else invalid
	Agent  string         // name and version of its software, as it says
	Score  int            // what it has earned, when the list of peers was made: [Node.Score] has it now
	Tag    uint64         // the application's own number, of [Node.SetPeerTag]

	HasVersion bool   // Version is the highest version of the application's protocol that both sides announce
	Version    uint32 // 0 without

	Connected Moment
	LastRecv  Moment
	LastSend  Moment
	RTT       time.Duration // 0 before the first measurement

	BytesIn, BytesOut uint64
	MsgsIn, MsgsOut   uint64

	RateUp   uint64 // bytes a second that it may be sent; 0: no limit of its own
	RateDown uint64 // bytes a second that it may send; 0: no limit of its own
	Weight   uint64 // its share of what all links move together, beside others of weight 1
}

func peerInfo(raw *C.bowline_peer_info) PeerInfo {
	return PeerInfo{
		Peer:       Peer(raw.peer),
		ID:         peerID(&raw.id),
		Inbound:    raw.flags&C.BOWLINE_PEER_INBOUND != 0,
		Trusted:    raw.flags&C.BOWLINE_PEER_TRUSTED != 0,
		Static:     raw.flags&C.BOWLINE_PEER_STATIC != 0,
		Remote:     addrPort(&raw.remote),
		Listen:     addrPort(&raw.listen),
		Agent:      C.GoString(&raw.agent[0]),
		Score:      int(raw.score),
		HasVersion: raw.flags&C.BOWLINE_PEER_HAS_VERSION != 0,
		Version:    uint32(raw.version),
		Tag:        uint64(raw.user_tag),
		Connected:  Moment(raw.connected_ns),
		LastRecv:   Moment(raw.last_recv_ns),
		LastSend:   Moment(raw.last_send_ns),
		RTT:        time.Duration(raw.rtt_us) * time.Microsecond,
		BytesIn:    uint64(raw.bytes_in),
		BytesOut:   uint64(raw.bytes_out),
		MsgsIn:     uint64(raw.msgs_in),
		MsgsOut:    uint64(raw.msgs_out),
		RateUp:     uint64(raw.rate_up),
		RateDown:   uint64(raw.rate_down),
		Weight:     uint64(raw.weight),
	}
}

// Connect connects to a peer, given as "[bowline://][<peer id>@]host:port", and waits until the link is open or the context ends.
// A link that opens after that is one as any other: [PeerConnected] tells of it.
func (n *Node) Connect(ctx context.Context, address string) (Peer, error) {
	text, err := cstring("connect", address)
	if err != nil {
		return 0, err
	}
	return wait(ctx, n.c, "connect", func(timeout C.int64_t) (Peer, error) {
		var peer C.bowline_peer
		err := n.c.say("connect", func(node *C.bowline_node, said **C.bowline_error) C.bowline_result {
			return C.bowline_connect_wait(node, text, timeout, &peer, said)
		})
		return Peer(peer), err
	})
}

// Dial starts to connect to a peer. It ends in one event with the tag: [PeerConnected] or [DialFailed]. If expect is not nil,
// that is who must answer there.
func (n *Node) Dial(addr netip.AddrPort, expect *PeerID, tag uint64) error {
	to, err := caddr("dial", addr)
	if err != nil {
		return err
	}
	var who *C.bowline_peer_id
	if expect != nil {
		id := expect.c()
		who = &id
	}
	return n.c.call("dial", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_connect(node, &to, who, 0, C.uint64_t(tag))
	})
}

// Disconnect ends the link with a peer, which hears the reason: 0, on request, or a code that docs/c-guide.md lists.
// [PeerDisconnected] follows.
func (n *Node) Disconnect(peer Peer, reason CloseReason) error {
	return n.c.call("disconnect", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_disconnect(node, C.bowline_peer(peer), C.uint32_t(reason), 0)
	})
}

// Peer is what is known of a connected peer now.
func (n *Node) Peer(peer Peer) (PeerInfo, error) {
	raw := C.bowline_peer_info{struct_size: C.sizeof_bowline_peer_info}
	err := n.c.call("peer", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_peer_get(node, C.bowline_peer(peer), &raw)
	})
	if err != nil {
		return PeerInfo{}, err
	}
	return peerInfo(&raw), nil
}

// FindPeer is the open link with somebody, or [ErrNotFound].
func (n *Node) FindPeer(id PeerID) (Peer, error) {
	var peer C.bowline_peer
	who := id.c()
	err := n.c.call("find peer", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_peer_find(node, &who, &peer)
	})
	return Peer(peer), err
}

// Peers are those who are connected now.
func (n *Node) Peers() ([]PeerInfo, error) {
	snapshot := func(node *C.bowline_node, out **C.bowline_list) C.bowline_result {
		return C.bowline_peers_snapshot(node, out)
	}
	return listed(n.c, "peers", snapshot, func(list *C.bowline_list, at C.size_t) (PeerInfo, error) {
		raw := C.bowline_peer_info{struct_size: C.sizeof_bowline_peer_info}
		err := failed("peers", C.bowline_list_peer(list, at, &raw), nil)
		return peerInfo(&raw), err
	})
}

// listed makes a list of the library's, row by row, one of Go's.
func listed[T any](c *core, op string, snapshot func(*C.bowline_node, **C.bowline_list) C.bowline_result,
	row func(list *C.bowline_list, at C.size_t) (T, error)) ([]T, error) {
	var list *C.bowline_list
	err := c.call(op, func(node *C.bowline_node) C.bowline_result { return snapshot(node, &list) })
	if err != nil {
		return nil, err
	}
	return rows(list, row)
}

// rows frees the list.
func rows[T any](list *C.bowline_list, row func(list *C.bowline_list, at C.size_t) (T, error)) ([]T, error) {
	defer C.bowline_list_free(list)
	count := C.bowline_list_len(list)
	all := make([]T, 0, count)
	for at := range count {
		one, err := row(list, at)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}
