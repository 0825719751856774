package bowline

// #include <bowline.h>
import "C"

import (
	"errors"
	"net/netip"
	"runtime"
	"sync"
	"time"
)

// MemNet is a network in memory with a time of its own, for tests of a protocol: under latency, loss and partitions, over hours of
// virtual time in a moment, and the same again with the same seed. Nodes whose [Config] says [Config.UseMemNet] are on it: whole
// nodes, but without threads, sockets and goroutines. Nothing happens on it but inside of [MemNet.Advance] and
// [MemNet.AdvanceToEvent]; time stands still in between. Each node has an IP address of its own, the first of listen.addresses or one
// of 10.0.0.0/8; in most tests network.allow_private is "true".
//
// Events are not put into Go channels, which are closed: [Node.Poll] and [Queue.Poll] take what has come. What would have to wait
// answers [ErrState]: instead of [Node.Connect], [Node.Request] and [Node.RequestTo] there are [Node.Dial] and
// [Node.StartRequest]; [Node.Send] works as long as there is room. Moments are those of [MemNet.Now]; [Moment.Time] means nothing.
//
// For a run that can be repeated one goroutine makes all calls, and keys come from [KeyFromSeed].
type MemNet struct {
	mu      sync.RWMutex
	ptr     *C.bowline_memnet
	dropped runtime.Cleanup
}

// NewMemNet makes an empty network at time 0, on which every way takes 1 ms. Whatever is drawn is drawn from the seed.
func NewMemNet(seed uint64) (*MemNet, error) {
	if err := checked(); err != nil {
		return nil, err
	}
	net := &MemNet{}
	if err := failed("new memory network", C.bowline_memnet_new(C.uint64_t(seed), &net.ptr), nil); err != nil {
		return nil, err
	}
	net.dropped = runtime.AddCleanup(net, func(ptr *C.bowline_memnet) { C.bowline_memnet_free(ptr) }, net.ptr)
	return net, nil
}

// Close frees the network's handle; its time stands still from then on. Nodes may be closed before or after. It may be called again.
func (m *MemNet) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropped.Stop()
	C.bowline_memnet_free(m.ptr)
	m.ptr = nil
	return nil
}

// call calls f while the network is there.
func (m *MemNet) call(op string, f func(*C.bowline_memnet) C.bowline_result) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.ptr == nil {
		return ErrClosed
	}
	return failed(op, f(m.ptr), nil)
}

// UseMemNet puts the nodes of this configuration on a memory network.
func (c *Config) UseMemNet(net *MemNet) error {
	return c.with(func(ptr *C.bowline_config) error {
		err := net.call("use memory network", func(raw *C.bowline_memnet) C.bowline_result {
			return C.bowline_config_use_memnet(ptr, raw)
		})
		c.isInline = c.isInline || err == nil
		return err
	})
}

// Way is how it goes from one address to another.
type Way struct {
	Latency        time.Duration // how long a piece of a stream is under way, at most an hour
	Jitter         time.Duration // up to so much longer, drawn evenly; order is kept; at most an hour
	Loss           float64       // this share of pieces, 0 to 1, is lost for good: their stream is reset, at both ends
	BytesPerSecond uint64        // that each stream carries; 0: no limit
}

// Link says how it goes from one address to another from now on; the other direction stays as it is. Nodes must have been made with
// these addresses. Two zero ones: every way, whatever was said before.
func (m *MemNet) Link(from, to netip.Addr, way Way) error {
	if way.Latency < 0 || way.Jitter < 0 || !(way.Loss >= 0 && way.Loss <= 1) {
		return &Error{Op: "link", Code: ErrInvalid, Text: "Latency or Jitter is negative, or Loss not from 0 to 1"}
	}
	return m.between("link", from, to, func(net *C.bowline_memnet, from, to *C.bowline_addr) C.bowline_result {
		return C.bowline_memnet_link(net, from, to, C.uint64_t(way.Latency.Microseconds()), C.uint64_t(way.Jitter.Microseconds()),
			C.uint32_t(way.Loss*1e6), C.uint64_t(way.BytesPerSecond))
	})
}

// Cut cuts two addresses off from each other, in both directions. Nobody is told: a stream outlives a cut of less than 30 s; after
// that its ends find out, and dials meet silence. Two zero addresses: every node from every other.
func (m *MemNet) Cut(a, b netip.Addr) error {
	return m.cut("cut", a, b, 1)
}

// Heal lets two addresses reach each other again. Two zero ones: an end to every cut.
func (m *MemNet) Heal(a, b netip.Addr) error {
	return m.cut("heal", a, b, 0)
}

func (m *MemNet) cut(op string, a, b netip.Addr, isCut C.uint32_t) error {
	return m.between(op, a, b, func(net *C.bowline_memnet, a, b *C.bowline_addr) C.bowline_result {
		return C.bowline_memnet_cut(net, a, b, isCut)
	})
}

// between is a call with two addresses, of which a zero one is NULL.
func (m *MemNet) between(op string, a, b netip.Addr, f func(net *C.bowline_memnet, a, b *C.bowline_addr) C.bowline_result) error {
	var raw [2]*C.bowline_addr
	for at, addr := range []netip.Addr{a, b} {
		if addr.IsValid() {
			one, err := caddr(op, netip.AddrPortFrom(addr, 0))
			if err != nil {
				return err
			}
			raw[at] = &one
		}
	}
	return m.call(op, func(net *C.bowline_memnet) C.bowline_result { return f(net, raw[0], raw[1]) })
}

// Name says what a host name leads to from now on. Here no name is looked up anywhere else.
func (m *MemNet) Name(name string, addr netip.Addr) error {
	text, err := cstring("name", name)
	if err != nil {
		return err
	}
	to, err := caddr("name", netip.AddrPortFrom(addr, 0))
	if err != nil {
		return err
	}
	return m.call("name", func(net *C.bowline_memnet) C.bowline_result { return C.bowline_memnet_name(net, text, &to) })
}

// Advance lets everything happen that is due within a time, and moves time that far. 0 lets happen what is due now.
func (m *MemNet) Advance(by time.Duration) error {
	if by < 0 {
		return &Error{Op: "advance", Code: ErrInvalid, Text: "time does not go back"}
	}
	return m.call("advance", func(net *C.bowline_memnet) C.bowline_result {
		return C.bowline_memnet_advance(net, C.uint64_t(by))
	})
}

// AdvanceToEvent is Advance, but no further than to the moment at which a queue of any node has an event to be polled, and answers
// whether one has. Poll all queues after it, and call it again.
func (m *MemNet) AdvanceToEvent(most time.Duration) (bool, error) {
	if most < 0 {
		return false, &Error{Op: "advance", Code: ErrInvalid, Text: "time does not go back"}
	}
	err := m.call("advance", func(net *C.bowline_memnet) C.bowline_result {
		return C.bowline_memnet_advance_to_event(net, C.uint64_t(most))
	})
	if errors.Is(err, ErrTimeout) {
		return false, nil
	}
	return err == nil, err
}

// Now is how much virtual time has passed; 0 after Close.
func (m *MemNet) Now() Moment {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return Moment(C.bowline_memnet_now(m.ptr))
}

// Fingerprint is a number over everything that has happened: two runs in which all was the same have the same, others almost surely
// not.
func (m *MemNet) Fingerprint() (uint64, error) {
	var print C.uint64_t
	err := m.call("fingerprint", func(net *C.bowline_memnet) C.bowline_result {
		return C.bowline_memnet_fingerprint(net, &print)
	})
	return uint64(print), err
}
