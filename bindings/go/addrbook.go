package bowline

// #include <bowline.h>
//
// // These take uint8_t and not void, so that cgo knows that the bytes lead to no memory of Go's.
// static bowline_result note_addr(bowline_node *node, const char *address, const uint8_t *data, size_t len, bowline_error **err) {
//     return bowline_addr_note(node, address, data, len, err);
// }
//
// static bowline_result note_peer(bowline_node *node, const bowline_peer_id *id, const uint8_t *data, size_t len,
//                                 bowline_error **err) {
//     return bowline_peer_note(node, id, data, len, err);
// }
//
// static bowline_result read_note(const bowline_list *list, size_t at, uint8_t *buf, size_t cap, size_t *needed) {
//     return bowline_list_note(list, at, buf, cap, needed);
// }
//
// static bowline_result import_lines(bowline_node *node, const uint8_t *data, size_t len, bowline_imported *out,
//                                    bowline_error **err) {
//     return bowline_import(node, data, len, out, err);
// }
import "C"

import (
	"context"
	"net/netip"
	"unsafe"
)

// AddrState is what a node does about an address.
type AddrState uint32

// What it may do.
const (
	AddrCandidate    AddrState = C.BOWLINE_ADDR_CANDIDATE    // may be dialed once its time has come
	AddrDialing      AddrState = C.BOWLINE_ADDR_DIALING      // Peer names the dial
	AddrReconnecting AddrState = C.BOWLINE_ADDR_RECONNECTING // persistent, and dialed again for ever
	AddrConnected    AddrState = C.BOWLINE_ADDR_CONNECTED    // Peer names the link
	AddrBad          AddrState = C.BOWLINE_ADDR_BAD          // given up until BadUntil
)

// Proof is what shows that an address is true.
type Proof uint32

// What may show it.
const (
	ProofHeard  Proof = C.BOWLINE_PROOF_HEARD  // somebody said so
	ProofHost   Proof = C.BOWLINE_PROOF_HOST   // the peer itself said so, on a link from that host
	ProofDialed Proof = C.BOWLINE_PROOF_DIALED // this node dialed it, and a peer showed its key there
)

// AddrInfo is a known address. A zero moment is never.
type AddrInfo struct {
	Addr       netip.AddrPort
	ID         PeerID // who answers there, or is said to; zero if nobody is known
	Peer       Peer   // the dial or link; 0 if there is none
	Seed       bool   // one of discovery.seeds
	Persistent bool
	Tried      bool // it has proven good over time
	State      AddrState
	Proof      Proof
	Attempts   uint32      // failures in a row
	Failure    CloseReason // of the last failure
	NextDial   Moment      // it is not dialed for links before
	LastHeard  Moment      // somebody told of it
	LastDialed Moment
	LastSeen   Moment // a peer was met there
	Failed     Moment
	BadUntil   Moment
	Source     string // who told of it: "own", or the group of addresses of the peer that did
	Note       []byte // of [Node.NoteAddress]; nil if there is none
}

// KnownAddresses is the address book.
func (n *Node) KnownAddresses() ([]AddrInfo, error) {
	return listed(n.c, "known addresses", func(node *C.bowline_node, out **C.bowline_list) C.bowline_result {
		return C.bowline_addrbook_snapshot(node, out)
	}, addrInfo)
}

func addrInfo(list *C.bowline_list, at C.size_t) (AddrInfo, error) {
	raw := C.bowline_addr_info{struct_size: C.sizeof_bowline_addr_info}
	if err := failed("known addresses", C.bowline_list_addr(list, at, &raw), nil); err != nil {
		return AddrInfo{}, err
	}
	note, err := noteRow(list, at)
	return AddrInfo{
		Addr:       addrPort(&raw.addr),
		ID:         peerID(&raw.id),
		Peer:       Peer(raw.peer),
		Seed:       raw.flags&C.BOWLINE_ADDR_SEED != 0,
		Persistent: raw.flags&C.BOWLINE_ADDR_PERSISTENT != 0,
		Tried:      raw.flags&C.BOWLINE_ADDR_TRIED != 0,
		State:      AddrState(raw.state),
		Proof:      Proof(raw.proof),
		Attempts:   uint32(raw.attempts),
		Failure:    CloseReason(raw.failure),
		NextDial:   Moment(raw.next_dial_ns),
		LastHeard:  Moment(raw.last_heard_ns),
		LastDialed: Moment(raw.last_dialed_ns),
		LastSeen:   Moment(raw.last_seen_ns),
		Failed:     Moment(raw.failed_ns),
		BadUntil:   Moment(raw.bad_until_ns),
		Source:     C.GoString(&raw.source[0]),
		Note:       note,
	}, err
}

// noteRow is what was noted of an entry; nil for nothing.
func noteRow(list *C.bowline_list, at C.size_t) ([]byte, error) {
	// So many are enough for this library.
	note := make([]byte, 256)
	for {
		var count C.size_t
		switch result := C.read_note(list, at, first(note), C.size_t(len(note)), &count); {
		case result == C.BOWLINE_OK:
			return append([]byte(nil), note[:count]...), nil
		case result != C.BOWLINE_E_BUFFER:
			return nil, failed("note", result, nil)
		}
		note = make([]byte, count)
	}
}

// KnownPeer is an identity that was linked once. A zero moment is never.
type KnownPeer struct {
	ID        PeerID
	Private   bool // it does not want to be advertised
	Links     int  // with it that are open or about to open
	Score     int
	FirstSeen Moment
	LastSeen  Moment    // when it came or went last; while it has a link, when that was admitted
	Failures  []Failure // of its links and of dials that had met it: the last four, the oldest first
	Note      []byte    // of [Node.NotePeer]; nil if there is none
}

// Failure is when and why a link or dial failed.
type Failure struct {
	Time   Moment
	Reason CloseReason
}

// KnownPeers is every identity that was linked once, until it is forgotten. There is none before the start.
func (n *Node) KnownPeers() ([]KnownPeer, error) {
	return listed(n.c, "known peers", func(node *C.bowline_node, out **C.bowline_list) C.bowline_result {
		return C.bowline_known_snapshot(node, out)
	}, knownPeer)
}

func knownPeer(list *C.bowline_list, at C.size_t) (KnownPeer, error) {
	raw := C.bowline_known_info{struct_size: C.sizeof_bowline_known_info}
	if err := failed("known peers", C.bowline_list_known(list, at, &raw), nil); err != nil {
		return KnownPeer{}, err
	}
	known := KnownPeer{
		ID:        peerID(&raw.id),
		Private:   raw.flags&C.BOWLINE_KNOWN_PRIVATE != 0,
		Links:     int(raw.links),
		Score:     int(raw.score),
		FirstSeen: Moment(raw.first_seen_ns),
		LastSeen:  Moment(raw.last_seen_ns),
	}
	for at, failed := range raw.failed_ns {
		if failed != 0 {
			known.Failures = append(known.Failures, Failure{Moment(failed), CloseReason(raw.failures[at])})
		}
	}
	var err error
	known.Note, err = noteRow(list, at)
	return known, err
}

// AddAddress adds "[bowline://][<peer id>@]host:port" to the book: maintenance dials it when it needs links. For a link now there
// is [Node.Connect], for ever [Node.AddPersistent].
func (n *Node) AddAddress(address string) error {
	return n.about("add address", address, func(node *C.bowline_node, text *C.char, said **C.bowline_error) C.bowline_result {
		return C.bowline_addrbook_add(node, text, said)
	})
}

// RemoveAddress forgets an address. Whoever knows it may tell of it again.
func (n *Node) RemoveAddress(address string) error {
	return n.about("remove address", address, func(node *C.bowline_node, text *C.char, said **C.bowline_error) C.bowline_result {
		return C.bowline_addrbook_remove(node, text, said)
	})
}

// HealthyAddresses are those that a link or dial has proven lately, and whose peer may be told of; withSelf adds this node's own.
func (n *Node) HealthyAddresses(withSelf bool) ([]string, error) {
	var flag C.uint32_t
	if withSelf {
		flag = 1
	}
	return listed(n.c, "healthy addresses", func(node *C.bowline_node, out **C.bowline_list) C.bowline_result {
		return C.bowline_healthy_snapshot(node, flag, out)
	}, textRow)
}

func textRow(list *C.bowline_list, at C.size_t) (string, error) {
	return grown("list", func(buf *C.char, cap C.size_t, needed *C.size_t) C.bowline_result {
		return C.bowline_list_text(list, at, buf, cap, needed)
	})
}

// Discover asks a peer which peers it knows to be healthy, and waits for all that it tells, or until the context ends. They go
// into the address book, too.
func (n *Node) Discover(ctx context.Context, peer Peer) ([]string, error) {
	return wait(ctx, n.c, "discover", func(timeout C.int64_t) ([]string, error) {
		var list *C.bowline_list
		err := n.c.say("discover", func(node *C.bowline_node, said **C.bowline_error) C.bowline_result {
			return C.bowline_discover_wait(node, C.bowline_peer(peer), timeout, &list, said)
		})
		if err != nil {
			return nil, err
		}
		return rows(list, textRow)
	})
}

// NoteAddress notes at most 256 bytes of a known address, in the place of what was noted before; none take the note away.
func (n *Node) NoteAddress(address string, note []byte) error {
	return n.about("note address", address, func(node *C.bowline_node, text *C.char, said **C.bowline_error) C.bowline_result {
		return C.note_addr(node, text, first(note), C.size_t(len(note)), said)
	})
}

// NotePeer notes at most 256 bytes of a known identity, in the place of what was noted before; none take the note away.
func (n *Node) NotePeer(id PeerID, note []byte) error {
	who := id.c()
	return n.c.say("note peer", func(node *C.bowline_node, said **C.bowline_error) C.bowline_result {
		return C.note_peer(node, &who, first(note), C.size_t(len(note)), said)
	})
}

// Export is known addresses and peers, lists and scores, as lines of JSON, which docs/operators.md describes. The identity is not
// among them.
func (n *Node) Export() ([]byte, error) {
	var out *C.char
	var count C.size_t
	err := n.c.say("export", func(node *C.bowline_node, said **C.bowline_error) C.bowline_result {
		return C.bowline_export(node, &out, &count, said)
	})
	if err != nil {
		return nil, err
	}
	defer C.bowline_string_free(out)
	return append([]byte{}, unsafe.Slice((*byte)(unsafe.Pointer(out)), count)...), nil
}

// Imported is how much of an import was news.
type Imported struct {
	Addrs        uint64
	Peers        uint64
	Lists        uint64
	Scores       uint64
	WithoutPlace uint64 // rows for which nobody who is known goes
	Contradicted uint64 // entries of lists of whose subject the opposite is said here, which stands
}

// Import takes in what Export wrote, here or elsewhere. What is known already stays as it is; what is wrong with any line keeps
// all of it out. It is believed: take in only what a node of yours has written.
func (n *Node) Import(lines []byte) (Imported, error) {
	raw := C.bowline_imported{struct_size: C.sizeof_bowline_imported}
	err := n.c.say("import", func(node *C.bowline_node, said **C.bowline_error) C.bowline_result {
		return C.import_lines(node, first(lines), C.size_t(len(lines)), &raw, said)
	})
	return Imported{
		Addrs:        uint64(raw.addrs),
		Peers:        uint64(raw.peers),
		Lists:        uint64(raw.lists),
		Scores:       uint64(raw.scores),
		WithoutPlace: uint64(raw.without_place),
		Contradicted: uint64(raw.contradicted),
	}, err
}
