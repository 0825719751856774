package bowline

// #include <bowline.h>
//
// // It takes uint8_t and not void, so that cgo knows that the bytes lead to no memory of Go's.
// static bowline_result read_metadata(const bowline_node *node, bowline_peer peer, uint8_t *buf, size_t cap, size_t *needed) {
//     return bowline_peer_metadata(node, peer, buf, cap, needed);
// }
import "C"

import (
	"strconv"
	"strings"
	"time"
)

// Report reports what a connected peer has earned, at most 1,000 points either way: its score moves by them and fades from there.
// Crossing a threshold of the settings has its consequence before this returns (a warning, the greylist, a ban), and an event tells
// of it. why is for people, kept to 64 characters, and may be "".
func (n *Node) Report(peer Peer, points int32, why string) error {
	note, err := reason("report", why)
	if err != nil {
		return err
	}
	return n.c.call("report", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_peer_report(node, C.bowline_peer(peer), C.int32_t(points), note)
	})
}

// ReportID is Report for an identity, connected or not.
func (n *Node) ReportID(id PeerID, points int32, why string) error {
	note, err := reason("report", why)
	if err != nil {
		return err
	}
	who := id.c()
	return n.c.call("report", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_report(node, &who, C.int32_t(points), note)
	})
}

// reason is nil for "".
func reason(op, why string) (*C.char, error) {
	if why == "" {
		return nil, nil
	}
	return cstring(op, why)
}

// Score is what an identity has earned.
type Score struct {
	Points int     // from -1,000 to 1,000
	Causes []Cause // what has moved it last, the oldest first. They do not outlive a restart, the points do
}

// Cause is one thing that has moved a score.
type Cause struct {
	Points int // by so many
	Time   Moment
	Why    string
}

// Score is the score of an identity now, connected or not. [ErrNotFound] means that nothing is remembered of it, as of a stranger.
func (n *Node) Score(id PeerID) (Score, error) {
	who := id.c()
	var points C.int32_t
	causes, err := listed(n.c, "score", func(node *C.bowline_node, out **C.bowline_list) C.bowline_result {
		return C.bowline_score(node, &who, &points, out)
	}, causeRow)
	return Score{int(points), causes}, err
}

func causeRow(list *C.bowline_list, at C.size_t) (Cause, error) {
	raw := C.bowline_cause{struct_size: C.sizeof_bowline_cause}
	err := failed("score", C.bowline_list_cause(list, at, &raw), nil)
	return Cause{int(raw.delta), Moment(raw.time_ns), C.GoString(&raw.why[0])}, err
}

// Useful says that a peer has just been useful: it brought a block or a transaction that was new. Who was useful lately is kept
// when links must go.
func (n *Node) Useful(peer Peer) error {
	return n.c.call("useful", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_peer_useful(node, C.bowline_peer(peer))
	})
}

// SetPeerTag keeps a number of the application's with a connected peer: [PeerInfo].Tag. It goes with the link.
func (n *Node) SetPeerTag(peer Peer, tag uint64) error {
	return n.c.call("set tag", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_peer_set_tag(node, C.bowline_peer(peer), C.uint64_t(tag))
	})
}

// PeerCapability is the number that a peer gives with a thing that it can do, as of [Config.AddCapability]. [ErrNotFound] means
// that it does not say that it can.
func (n *Node) PeerCapability(peer Peer, name string) (uint64, error) {
	text, err := cstring("capability", name)
	if err != nil {
		return 0, err
	}
	var value C.uint64_t
	err = n.c.call("capability "+name, func(node *C.bowline_node) C.bowline_result {
		return C.bowline_peer_capability(node, C.bowline_peer(peer), text, &value)
	})
	return uint64(value), err
}

// PeerCapabilities are the things that a peer says it can do, each with its number.
func (n *Node) PeerCapabilities(peer Peer) (map[string]uint64, error) {
	texts, err := listed(n.c, "capabilities", func(node *C.bowline_node, out **C.bowline_list) C.bowline_result {
		return C.bowline_peer_capabilities(node, C.bowline_peer(peer), out)
	}, textRow)
	if err != nil {
		return nil, err
	}
	all := make(map[string]uint64, len(texts))
	for _, text := range texts {
		// A name may have "=" in it, a number has none.
		at := strings.LastIndexByte(text, '=')
		value, err := strconv.ParseUint(text[at+1:], 10, 64)
		if at < 0 || err != nil {
			return nil, &Error{Op: "capabilities", Code: ErrInternal, Text: strconv.Quote(text) + " is no name=number", cause: err}
		}
		all[text[:at]] = value
	}
	return all, nil
}

// PeerListens is where a peer says that it can be dialed: its own word, in which 0.0.0.0 stands for the address it is seen at.
func (n *Node) PeerListens(peer Peer) ([]string, error) {
	return listed(n.c, "listens", func(node *C.bowline_node, out **C.bowline_list) C.bowline_result {
		return C.bowline_peer_listens(node, C.bowline_peer(peer), out)
	}, textRow)
}

// PeerMetadata is what a peer has given with [Config.SetMetadata]; nil for nothing.
func (n *Node) PeerMetadata(peer Peer) ([]byte, error) {
	// So many are always enough.
	data := make([]byte, 4096)
	var count C.size_t
	err := n.c.call("metadata", func(node *C.bowline_node) C.bowline_result {
		return C.read_metadata(node, C.bowline_peer(peer), first(data), C.size_t(len(data)), &count)
	})
	if err != nil {
		return nil, err
	}
	return append([]byte(nil), data[:count]...), nil
}

// ChannelInfo is how a channel of a peer stands.
type ChannelInfo struct {
	Channel  Channel
	IsShared bool // the peer has it, too

	OutMsgs, OutBytes uint64        // this node's that wait to be sent
	OutAge            time.Duration // of the oldest of them, at least
	InMsgs, InBytes   uint64        // the peer's that wait to be taken
	InAge             time.Duration // of the oldest of them, at least
	Unfinished        uint64        // of the peer, of which a part has come: 0 or 1

	CreditOut uint64 // bytes that this node may send before the peer grants more
	CreditIn  uint64 // bytes that the peer may send before this node grants more

	Refused   uint64 // this node's messages that were not taken because the send queue was full
	Displaced uint64 // that gave way to newer ones
	Expired   uint64 // whose TTL was over before they were sent
	Canceled  uint64 // that were taken back
}

// PeerChannels is how the channels of a peer stand. The library's event loop is asked, which answers within milliseconds.
func (n *Node) PeerChannels(peer Peer) ([]ChannelInfo, error) {
	return listed(n.c, "channels", func(node *C.bowline_node, out **C.bowline_list) C.bowline_result {
		return C.bowline_peer_channels(node, C.bowline_peer(peer), out)
	}, channelRow)
}

func channelRow(list *C.bowline_list, at C.size_t) (ChannelInfo, error) {
	raw := C.bowline_channel_info{struct_size: C.sizeof_bowline_channel_info}
	err := failed("channels", C.bowline_list_channel(list, at, &raw), nil)
	return ChannelInfo{
		Channel:    Channel(raw.channel),
		IsShared:   raw.is_shared != 0,
		OutMsgs:    uint64(raw.out_msgs),
		OutBytes:   uint64(raw.out_bytes),
		OutAge:     time.Duration(raw.out_age_ns),
		InMsgs:     uint64(raw.in_msgs),
		InBytes:    uint64(raw.in_bytes),
		InAge:      time.Duration(raw.in_age_ns),
		Unfinished: uint64(raw.unfinished),
		CreditOut:  uint64(raw.credit_out),
		CreditIn:   uint64(raw.credit_in),
		Refused:    uint64(raw.refused),
		Displaced:  uint64(raw.displaced),
		Expired:    uint64(raw.expired),
		Canceled:   uint64(raw.canceled),
	}, err
}
