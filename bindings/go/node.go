package bowline

// #include <bowline.h>
import "C"

import (
	"log"
	"net/netip"
	"runtime"
	"time"
)

// State is what a node is doing.
type State int32

// What a node may be doing.
const (
	StateInvalid  State = C.BOWLINE_STATE_INVALID // it is closed
	StateNew      State = C.BOWLINE_STATE_NEW
	StateRunning  State = C.BOWLINE_STATE_RUNNING
	StateStopping State = C.BOWLINE_STATE_STOPPING
	StateStopped  State = C.BOWLINE_STATE_STOPPED // it cannot be started again
	StateFailed   State = C.BOWLINE_STATE_FAILED  // FatalError says why; close it
)

func (s State) String() string {
	switch s {
	case StateNew:
		return "new"
	case StateRunning:
		return "running"
	case StateStopping:
		return "stopping"
	case StateStopped:
		return "stopped"
	case StateFailed:
		return "failed"
	}
	return "invalid"
}

// Node is a node: it finds peers, keeps links with them, and carries messages. It may be used by any number of goroutines. Close
// it.
type Node struct {
	c *core
}

// NewNode makes a node and checks its whole configuration. It opens no socket yet: make queues with [Node.Queue], then call
// [Node.Start].
func NewNode(config *Config, key *KeyPair) (*Node, error) {
	c := &core{
		quit:      make(chan struct{}),
		freed:     make(chan struct{}),
		waits:     make(chan struct{}, waitsMax),
		abandoned: make(chan struct{}, waitsMax),
		patient:   make(chan struct{}, waitsMax),
	}
	err := config.with(func(settings *C.bowline_config) error {
		c.isInline = config.isInline
		return key.with(func() error {
			var said *C.bowline_error
			return failed("new node", C.bowline_node_new(settings, key.ptr, &c.node, &said), said)
		})
	})
	if err != nil {
		return nil, err
	}
	c.main = newQueue(c, "main", C.bowline_node_main_queue(c.node))
	node := &Node{c}
	runtime.AddCleanup(node, (*core).leaked, c)
	if c.isInline {
		close(c.main.events)
		return node, nil
	}
	c.answers.init()
	// Answers have a queue of their own, so that they never wait behind events that nobody takes.
	replies, err := c.makeQueue("go answers")
	if err != nil {
		c.close()
		return nil, err
	}
	c.answers.queue = replies
	c.start(c.main.pump)
	c.start(func() { c.answers.pump(replies.ptr) })
	return node, nil
}

func (c *core) start(pump func()) {
	c.pumps.Add(1)
	go func() {
		defer c.pumps.Done()
		pump()
	}()
}

// leaked is called when nobody holds the node any more. It only tells: what it would have to end may be at work.
func (c *core) leaked() {
	if !c.closing.Load() {
		log.Print("bowline: a Node was dropped without Close: its sockets and threads stay until the program ends")
	}
}

// Start binds the listeners, starts the library's threads, and returns when the node is live. A node starts once.
func (n *Node) Start() error {
	return n.c.say("start", func(node *C.bowline_node, said **C.bowline_error) C.bowline_result {
		return C.bowline_node_start(node, said)
	})
}

// Stop refuses new work, sends what is queued for up to drain (never longer than the key stop.drain says), says goodbye to the
// peers and ends the library's threads, within 5 s in any case. Calls that wait answer [ErrStopped]. What was received can still
// be taken from the queues' channels, which then are closed. [ErrTimeout] means that not all was sent; the node has stopped all
// the same.
func (n *Node) Stop(drain time.Duration) error {
	return n.c.call("stop", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_node_stop(node, millis(drain))
	})
}

// Close stops the node at once (call [Node.Stop] before to have queued messages sent) and frees all that it has. Calls under way
// answer [ErrStopped] or [ErrClosed]; events that were not taken are dropped, and the queues' channels are closed. It may be
// called again, by any number of goroutines: each returns when all is freed.
func (n *Node) Close() error {
	n.c.close()
	return nil
}

// State is what the node is doing.
func (n *Node) State() State {
	node, err := n.c.use()
	if err != nil {
		return StateInvalid
	}
	defer n.c.done()
	return State(C.bowline_node_state(node))
}

// FatalError is why the node failed, with [ErrFatal] as its code, or nil.
func (n *Node) FatalError() error {
	return n.c.say("run", func(node *C.bowline_node, said **C.bowline_error) C.bowline_result {
		return C.bowline_node_fatal_error(node, said)
	})
}

// ID is the node's own identity.
func (n *Node) ID() (PeerID, error) {
	var id C.bowline_peer_id
	err := n.c.call("id", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_node_id(node, &id)
	})
	return peerID(&id), err
}

// ListenAddrs are the addresses that the node listens on, with the ports that the system chose where 0 was asked for:
// those of the configuration, as [Node.ListenAdd] and [Node.ListenRemove] have changed them. There are none before the start.
func (n *Node) ListenAddrs() ([]netip.AddrPort, error) {
	addrs := make([]C.bowline_addr, 8)
	for {
		var count C.size_t
		err := n.c.call("listen addresses", func(node *C.bowline_node) C.bowline_result {
			return C.bowline_node_listen_addrs(node, &addrs[0], C.size_t(len(addrs)), &count)
		})
		if count > C.size_t(len(addrs)) {
			addrs = make([]C.bowline_addr, count)
			continue
		}
		if err != nil {
			return nil, err
		}
		list := make([]netip.AddrPort, count)
		for at := range list {
			list[at] = addrPort(&addrs[at])
		}
		return list, nil
	}
}

// Set changes a setting of the running node, until it stops. [ErrReadOnly] means that this one needs a new node.
func (n *Node) Set(key, value string) error {
	name, err := cstring("set", key)
	if err != nil {
		return err
	}
	text, err := cstring("set "+key, value)
	if err != nil {
		return err
	}
	return n.c.say("set "+key, func(node *C.bowline_node, said **C.bowline_error) C.bowline_result {
		return C.bowline_node_set(node, name, text, said)
	})
}

// Get is what a setting says now.
func (n *Node) Get(key string) (string, error) {
	name, err := cstring("get", key)
	if err != nil {
		return "", err
	}
	node, err := n.c.use()
	if err != nil {
		return "", err
	}
	defer n.c.done()
	return grown("get "+key, func(buf *C.char, cap C.size_t, needed *C.size_t) C.bowline_result {
		return C.bowline_node_get(node, name, buf, cap, needed)
	})
}
