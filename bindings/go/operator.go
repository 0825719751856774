package bowline

// #include <bowline.h>
import "C"

import (
	"context"
	"net/netip"
)

// Round is how a round of maintenance ended.
type Round struct {
	Links   int  // that there are
	IsStuck bool // they could not be brought into bounds: nobody is left to dial now, or only protected links to drop
}

// Maintain asks for a round of maintenance and waits until links are in bounds, nothing more can be done now, or the context
// ends. [RoundEnded] may tell of a round that ends later.
func (n *Node) Maintain(ctx context.Context) (Round, error) {
	return wait(ctx, n.c, "maintain", func(timeout C.int64_t) (Round, error) {
		var links C.size_t
		var isStuck C.int
		err := n.c.call("maintain", func(node *C.bowline_node) C.bowline_result {
			return C.bowline_maintain_wait(node, timeout, &links, &isStuck)
		})
		return Round{int(links), isStuck != 0}, err
	})
}

// MaintainSoon asks for a round of maintenance and does not wait for it.
func (n *Node) MaintainSoon() error {
	return n.c.call("maintain", func(node *C.bowline_node) C.bowline_result { return C.bowline_maintain(node) })
}

// Pause has the node neither dial, but on request, nor let anybody in from other than trusted addresses. Links go on.
func (n *Node) Pause() error {
	return n.c.call("pause", func(node *C.bowline_node) C.bowline_result { return C.bowline_pause(node) })
}

// Resume ends a pause: what is missing is dialed at once.
func (n *Node) Resume() error {
	return n.c.call("resume", func(node *C.bowline_node) C.bowline_result { return C.bowline_resume(node) })
}

// IsPaused tells whether the node is paused.
func (n *Node) IsPaused() bool {
	node, err := n.c.use()
	if err != nil {
		return false
	}
	defer n.c.done()
	return C.bowline_is_paused(node) != 0
}

// DialSeeds dials the seeds that are not linked now, as many as there are places for, and answers how many dials have begun.
func (n *Node) DialSeeds() (int, error) {
	var dialed C.size_t
	err := n.c.call("dial seeds", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_dial_seeds(node, &dialed)
	})
	return int(dialed), err
}

// AddPersistent keeps a link with the peer at an address from now on: it is dialed at once and for ever. It is not saved.
func (n *Node) AddPersistent(address string) error {
	return n.about("add persistent", address, func(node *C.bowline_node, text *C.char, said **C.bowline_error) C.bowline_result {
		return C.bowline_persistent_add(node, text, said)
	})
}

// RemovePersistent ends what AddPersistent or the setting began for an address. A link that there is stays.
func (n *Node) RemovePersistent(address string) error {
	return n.about("remove persistent", address, func(node *C.bowline_node, text *C.char, said **C.bowline_error) C.bowline_result {
		return C.bowline_persistent_remove(node, text, said)
	})
}

// ListenAdd listens at one address more, until the node stops, and answers where that is: port 0 lets the system choose. Peers that
// connect from now on are told of it.
func (n *Node) ListenAdd(at netip.AddrPort) (netip.AddrPort, error) {
	addr, err := caddr("listen add", at)
	if err != nil {
		return netip.AddrPort{}, err
	}
	var bound C.bowline_addr
	err = n.c.say("listen add", func(node *C.bowline_node, said **C.bowline_error) C.bowline_result {
		return C.bowline_listen_add(node, &addr, &bound, said)
	})
	if err != nil {
		return netip.AddrPort{}, err
	}
	return addrPort(&bound), nil
}

// ListenRemove listens no longer at an address of [Node.ListenAddrs]. Links stay.
func (n *Node) ListenRemove(bound netip.AddrPort) error {
	addr, err := caddr("listen remove", bound)
	if err != nil {
		return err
	}
	return n.c.call("listen remove", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_listen_remove(node, &addr)
	})
}

// AskAddresses asks a peer for addresses now, or with 0 one of those that may be asked, and answers who was asked.
func (n *Node) AskAddresses(peer Peer) (Peer, error) {
	var asked C.bowline_peer
	err := n.c.say("ask addresses", func(node *C.bowline_node, said **C.bowline_error) C.bowline_result {
		return C.bowline_ask_addresses(node, C.bowline_peer(peer), &asked, said)
	})
	return Peer(asked), err
}

// SetBandwidth bounds what all links together may send and receive, in bytes a second. 0 is no bound.
func (n *Node) SetBandwidth(up, down uint64) error {
	return n.c.say("set bandwidth", func(node *C.bowline_node, said **C.bowline_error) C.bowline_result {
		return C.bowline_set_bandwidth(node, C.uint64_t(up), C.uint64_t(down), said)
	})
}

// SetPeerBandwidth bounds what a link may send and receive as long as it lives. 0 is no bound of its own.
func (n *Node) SetPeerBandwidth(peer Peer, up, down uint64) error {
	return n.c.say("set peer bandwidth", func(node *C.bowline_node, said **C.bowline_error) C.bowline_result {
		return C.bowline_set_peer_bandwidth(node, C.bowline_peer(peer), C.uint64_t(up), C.uint64_t(down), said)
	})
}

// SetWeight gives a link so many times the share of a link of weight 1, as long as it lives.
func (n *Node) SetWeight(peer Peer, weight uint32) error {
	return n.c.say("set weight", func(node *C.bowline_node, said **C.bowline_error) C.bowline_result {
		return C.bowline_set_weight(node, C.bowline_peer(peer), C.uint32_t(weight), said)
	})
}

// Save saves the address book, lists and scores now, and waits until that is on the disk or the context ends.
func (n *Node) Save(ctx context.Context) error {
	_, err := wait(ctx, n.c, "save", func(timeout C.int64_t) (struct{}, error) {
		return struct{}{}, n.c.say("save", func(node *C.bowline_node, said **C.bowline_error) C.bowline_result {
			return C.bowline_save(node, timeout, said)
		})
	})
	return err
}
