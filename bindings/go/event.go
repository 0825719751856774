package bowline

// #include <bowline.h>
import "C"

import (
	"context"
	"strings"
	"time"
	"unsafe"
)

// Peer names a link with a peer. It is unique for the life of the node: one that is gone is answered with [ErrPeerGone]. 0 names
// none.
type Peer uint64

// PeerLocal names the node's own application: it may be sent to, asked, and answered.
const PeerLocal Peer = C.BOWLINE_PEER_LOCAL

// Event is what came out of a queue; a type switch tells what it is. New kinds may come: skip what you do not know ([Unknown]).
type Event interface {
	event()
}

// EventKind is a sort of events that belong to no link's story, for [Queue.BindEvents].
type EventKind uint32

// The kinds; each is told of by the event of its name.
const (
	KindDialFailed      EventKind = C.BOWLINE_EV_DIAL_FAILED
	KindPeerRefused     EventKind = C.BOWLINE_EV_PEER_REFUSED
	KindPeerGreylisted  EventKind = C.BOWLINE_EV_PEER_GREYLISTED
	KindPeerBanned      EventKind = C.BOWLINE_EV_PEER_BANNED
	KindPeerWarned      EventKind = C.BOWLINE_EV_PEER_WARNED
	KindAddrAdded       EventKind = C.BOWLINE_EV_ADDR_ADDED // told only where it is bound: there may be thousands at once
	KindRoundEnded      EventKind = C.BOWLINE_EV_ROUND_ENDED
	KindChannelStalled  EventKind = C.BOWLINE_EV_CHANNEL_STALLED
	KindChannelResumed  EventKind = C.BOWLINE_EV_CHANNEL_RESUMED
	KindRoleShort       EventKind = C.BOWLINE_EV_ROLE_SHORT
	KindSurplus         EventKind = C.BOWLINE_EV_SURPLUS
	KindFewGroups       EventKind = C.BOWLINE_EV_FEW_GROUPS
	KindStoreFailed     EventKind = C.BOWLINE_EV_STORE_FAILED
	KindStoreSetAside   EventKind = C.BOWLINE_EV_STORE_SET_ASIDE
	KindStoreRowsUnread EventKind = C.BOWLINE_EV_STORE_ROWS_UNREAD
)

// Message is a message of a peer.
type Message struct {
	Peer    Peer
	Channel Channel
	Data    []byte // yours
	Time    Moment // when it arrived
}

// Request is a request of a peer. Answer it once, with Respond or Refuse, from any goroutine; or the peer's deadline ends it.
type Request struct {
	Peer    Peer
	Channel Channel
	Number  uint64
	Data    []byte // yours
	Time    Moment // when it arrived

	c *core
}

// SendResult is what became of a message that was sent with [SendOptions].Report: nil if the system has all of it, or an error with
// [ErrExpired], [ErrCanceled], [ErrDropped] if it gave way to a newer one, or [ErrPeerGone].
type SendResult struct {
	Peer Peer
	Tag  uint64
	Err  error
}

// Response is what became of a request of [Node.StartRequest].
type Response struct {
	Peer    Peer
	Channel Channel
	Number  uint64
	Tag     uint64
	Data    []byte // the answer
	Err     error  // as of [Node.Request], or nil
}

// PeerConnected tells that a link opened. It comes before every message of the peer.
type PeerConnected struct {
	Peer     Peer
	ID       PeerID // who it is
	Outbound bool   // this node dialed
	Tag      uint64 // of [Node.Dial], if that is what opened it
}

// PeerDisconnected tells that a link closed. It comes after every message of the peer.
type PeerDisconnected struct {
	Peer   Peer
	ID     PeerID      // who it was
	Err    error       // why, as a code
	Reason CloseReason // why, exactly
	Remote uint32      // the number that the peer gave, or 0
	Text   string      // why, for people

	UnsentMsgs  uint64 // that were queued to it and never sent
	UnsentBytes uint64 // theirs
}

// DialFailed tells that a dial of [Node.Dial] ended without a link.
type DialFailed struct {
	Tag     uint64
	Address string
	Err     error
	Reason  CloseReason
}

// PeerRefused tells that this node refused a link.
type PeerRefused struct {
	ID      PeerID // who it was; zero if that was not known yet
	Address string
	Err     error
	Reason  CloseReason
}

// PeerGreylisted tells that a peer was put on the greylist.
type PeerGreylisted struct {
	ID      PeerID // who it is; zero if that is not known
	Address string // "" for a peer without a link
	Err     error
	Reason  CloseReason
}

// PeerBanned tells that a peer was banned for its score.
type PeerBanned struct {
	ID     PeerID
	Score  int
	Text   string // the last cause
	Err    error
	Reason CloseReason
}

// PeerWarned tells that a peer's score is low.
type PeerWarned struct {
	ID     PeerID
	Score  int
	Text   string // the last cause
	Err    error
	Reason CloseReason
}

// NodeState tells that the node's state changed.
type NodeState struct {
	State State
}

// Fatal tells that the node failed. Close it.
type Fatal struct {
	Err  error
	Text string // why
}

// Wakeup comes from [Queue.Wakeup].
type Wakeup struct {
	Tag uint64
}

// RoundEnded tells of a round of maintenance that ended after [Node.Maintain] gave it up.
type RoundEnded struct {
	Round   uint64
	Links   int
	IsStuck bool // as of [Round]
}

// ChannelStalled tells that messages of a channel have waited for channel.stall_after.
type ChannelStalled struct {
	Peer     Peer
	Channel  Channel
	Outbound bool          // the peer does not take them; otherwise nobody takes them here
	Waited   time.Duration // of the oldest, at least
	Messages string        // how many they are
}

// ChannelResumed tells that a stalled channel goes on.
type ChannelResumed struct {
	Peer     Peer
	Channel  Channel
	Outbound bool
	Lasted   time.Duration
}

// RoleShort tells that too few links lead to peers with a capability that pool.roles names, and nobody else with it can be dialed
// now.
type RoleShort struct {
	Capability string
	Links      int
	Wanted     int
}

// AddrAdded tells that an address has come into the book. It is told only where [Queue.BindEvents] has it told.
type AddrAdded struct {
	Address string // as [Node.AddAddress] takes it
}

// Surplus tells that links are above their bounds, and only those of trusted and persistent peers remain.
type Surplus struct {
	Links  int
	Wanted int
}

// FewGroups tells that outbound links lead to so few groups of addresses that one party may hold them all.
type FewGroups struct {
	Groups int
}

// StoreFailed tells that address book, lists and scores could not be saved.
type StoreFailed struct {
	Text string
}

// StoreSetAside tells that the file of store.path was damaged and was put aside: address book, lists and scores have begun anew.
type StoreSetAside struct {
	Text string
}

// StoreRowsUnread tells that some rows of the store could not be read, and are missing.
type StoreRowsUnread struct {
	Rows uint64
	Text string // one of them, and what is wrong with it
}

// Unknown is an event of a kind that this package does not know.
type Unknown struct {
	Kind    int32
	Code    Code
	Peer    Peer
	Channel Channel
	Tag     uint64
	Detail  uint32
	Data    []byte
}

func (*Message) event()          {}
func (*Request) event()          {}
func (*SendResult) event()       {}
func (*Response) event()         {}
func (*PeerConnected) event()    {}
func (*PeerDisconnected) event() {}
func (*DialFailed) event()       {}
func (*PeerRefused) event()      {}
func (*PeerGreylisted) event()   {}
func (*PeerBanned) event()       {}
func (*PeerWarned) event()       {}
func (*NodeState) event()        {}
func (*Fatal) event()            {}
func (*Wakeup) event()           {}
func (*RoundEnded) event()       {}
func (*ChannelStalled) event()   {}
func (*ChannelResumed) event()   {}
func (*RoleShort) event()        {}
func (*AddrAdded) event()        {}
func (*Surplus) event()          {}
func (*FewGroups) event()        {}
func (*StoreFailed) event()      {}
func (*StoreSetAside) event()    {}
func (*StoreRowsUnread) event()  {}
func (*Unknown) event()          {}

// event copies an event out of the library's memory.
func (c *core) event(e *C.bowline_event) Event {
	switch e.kind {
	case C.BOWLINE_EV_MESSAGE:
		return &Message{Peer(e.peer), Channel(e.channel), copied(e), Moment(e.time_ns)}
	case C.BOWLINE_EV_REQUEST:
		return &Request{Peer(e.peer), Channel(e.channel), uint64(e.request), copied(e), Moment(e.time_ns), c}
	case C.BOWLINE_EV_PEER_CONNECTED:
		connected := &PeerConnected{Peer: Peer(e.peer), Outbound: outbound(e), Tag: uint64(e.tag)}
		copy(connected.ID[:], borrowed(e))
		return connected
	case C.BOWLINE_EV_PEER_DISCONNECTED:
		gone := &PeerDisconnected{Peer: Peer(e.peer), Err: cause(e), Reason: CloseReason(e.flags), Remote: uint32(e.detail),
			Text: CloseReason(e.flags).String(), UnsentMsgs: uint64(e.tag), UnsentBytes: uint64(e.request)}
		copy(gone.ID[:], borrowed(e))
		return gone
	case C.BOWLINE_EV_SEND_RESULT:
		return &SendResult{Peer(e.peer), uint64(e.tag), told("send", e)}
	case C.BOWLINE_EV_RESPONSE:
		return &Response{Peer(e.peer), Channel(e.channel), uint64(e.request), uint64(e.tag), body(e), told("request", e)}
	case C.BOWLINE_EV_CHANNEL_STALLED:
		return &ChannelStalled{Peer(e.peer), Channel(e.channel), outbound(e), time.Duration(e.tag), text(e)}
	case C.BOWLINE_EV_CHANNEL_RESUMED:
		return &ChannelResumed{Peer(e.peer), Channel(e.channel), outbound(e), time.Duration(e.tag)}
	case C.BOWLINE_EV_WAKEUP:
		return &Wakeup{uint64(e.tag)}
	}
	return notice(e)
}

// notice is an event about the node itself, or about somebody without a link.
func notice(e *C.bowline_event) Event {
	switch e.kind {
	case C.BOWLINE_EV_DIAL_FAILED:
		return &DialFailed{uint64(e.tag), text(e), cause(e), CloseReason(e.flags)}
	case C.BOWLINE_EV_PEER_REFUSED:
		id, address := who(text(e), "@")
		return &PeerRefused{id, address, cause(e), CloseReason(e.flags)}
	case C.BOWLINE_EV_PEER_GREYLISTED:
		id, address := who(text(e), "@")
		return &PeerGreylisted{id, address, cause(e), CloseReason(e.flags)}
	case C.BOWLINE_EV_PEER_BANNED:
		id, why := who(text(e), " ")
		return &PeerBanned{id, int(int32(e.detail)), why, cause(e), CloseReason(e.flags)}
	case C.BOWLINE_EV_PEER_WARNED:
		id, why := who(text(e), " ")
		return &PeerWarned{id, int(int32(e.detail)), why, cause(e), CloseReason(e.flags)}
	case C.BOWLINE_EV_NODE_STATE:
		return &NodeState{State(e.detail)}
	case C.BOWLINE_EV_FATAL:
		return &Fatal{cause(e), text(e)}
	case C.BOWLINE_EV_ROUND_ENDED:
		return &RoundEnded{uint64(e.tag), int(e.detail), e.flags != 0}
	case C.BOWLINE_EV_ROLE_SHORT:
		return &RoleShort{text(e), int(e.detail), int(e.tag)}
	case C.BOWLINE_EV_ADDR_ADDED:
		return &AddrAdded{text(e)}
	case C.BOWLINE_EV_SURPLUS:
		return &Surplus{int(e.detail), int(e.tag)}
	case C.BOWLINE_EV_FEW_GROUPS:
		return &FewGroups{int(e.detail)}
	case C.BOWLINE_EV_STORE_FAILED:
		return &StoreFailed{text(e)}
	case C.BOWLINE_EV_STORE_SET_ASIDE:
		return &StoreSetAside{text(e)}
	case C.BOWLINE_EV_STORE_ROWS_UNREAD:
		return &StoreRowsUnread{uint64(e.tag), text(e)}
	}
	return &Unknown{int32(e.kind), Code(e.result), Peer(e.peer), Channel(e.channel), uint64(e.tag), uint32(e.detail), copied(e)}
}

// borrowed are the bytes of an event where the library has them: not for longer than the event.
func borrowed(e *C.bowline_event) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(e.data)), e.len)
}

// copied is not nil, also if it is empty. What append makes is not zeroed first.
func copied(e *C.bowline_event) []byte {
	return append([]byte{}, borrowed(e)...)
}

// body is the answer of a response; nil if there is none.
func body(e *C.bowline_event) []byte {
	if e.result != C.BOWLINE_OK {
		return nil
	}
	return copied(e)
}

func text(e *C.bowline_event) string {
	return string(borrowed(e))
}

// who parts an identity from what follows it; zero if there is none.
func who(text, mark string) (PeerID, string) {
	name, rest, _ := strings.Cut(text, mark)
	id, err := ParsePeerID(name)
	if err != nil {
		return PeerID{}, text
	}
	return id, rest
}

func outbound(e *C.bowline_event) bool {
	return e.detail == C.BOWLINE_DIRECTION_OUTBOUND
}

// cause is the event's code as an error.
func cause(e *C.bowline_event) error {
	if e.result == C.BOWLINE_OK {
		return nil
	}
	return Code(e.result)
}

// told is what an event says of something that this node had begun.
func told(op string, e *C.bowline_event) error {
	if e.result == C.BOWLINE_OK {
		return nil
	}
	err := &Error{Op: op, Code: Code(e.result), Reason: CloseReason(e.flags)}
	if err.Code == ErrRemote {
		err.Remote, err.Text = uint32(e.detail), text(e)
	}
	return err
}

// Respond answers the request, waiting for room in the send queue until the context ends.
func (r *Request) Respond(ctx context.Context, data []byte) error {
	return r.c.respond(ctx, r, data)
}

// Refuse answers the request with why it is not served: the peer sees [ErrRemote], the number, which is below 0xffffff00, and at
// most 256 bytes of the text.
func (r *Request) Refuse(ctx context.Context, number uint32, text string) error {
	return r.c.refuse(ctx, r, number, text)
}
