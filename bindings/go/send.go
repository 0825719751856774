package bowline

// #include <bowline.h>
//
// // How a message is sent, in what a crossing passes.
// static bowline_send_opts send_opts(int64_t timeout, uint32_t ttl, uint64_t tag, bowline_queue *report) {
//     bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
//     opts.flags = report == NULL ? 0 : BOWLINE_SEND_REPORT;
//     opts.timeout_ms = timeout;
//     opts.ttl_ms = ttl;
//     opts.tag = tag;
//     opts.report_queue = report;
//     return opts;
// }
//
// static bowline_result send_bytes(bowline_node *node, bowline_peer peer, uint16_t channel, const uint8_t *data, size_t len,
//                                  int64_t timeout, uint32_t ttl, uint64_t tag, bowline_queue *report) {
//     bowline_send_opts opts = send_opts(timeout, ttl, tag, report);
//     return bowline_send(node, peer, channel, data, len, &opts);
// }
//
// static bowline_result send_msg(bowline_node *node, bowline_peer peer, uint16_t channel, bowline_msg *msg, int64_t timeout,
//                                uint32_t ttl, uint64_t tag, bowline_queue *report) {
//     bowline_send_opts opts = send_opts(timeout, ttl, tag, report);
//     return bowline_send_msg(node, peer, channel, msg, &opts);
// }
//
// // Messages that lie one behind the other: an array of pointers may not lead into memory of Go's.
// static bowline_result send_packed(bowline_node *node, bowline_peer peer, uint16_t channel, const uint8_t *data,
//                                   const uint32_t *lens, size_t count, int64_t timeout, size_t *sent) {
//     bowline_send_opts opts = send_opts(timeout, 0, 0, NULL);
//     bowline_slice slices[64];
//     bowline_result result = BOWLINE_OK;
//     for (size_t at = 0; at < *sent; at++) {
//         data += lens[at];
//     }
//     while (result == BOWLINE_OK && *sent < count) {
//         size_t some = 0, queued = 0;
//         const uint8_t *next = data;
//         for (; some < 64 && *sent + some < count; some++) {
//             slices[some].data = next;
//             slices[some].len = lens[*sent + some];
//             next += slices[some].len;
//         }
//         result = bowline_send_batch(node, peer, channel, slices, some, &opts, &queued);
//         while (queued-- > 0) {
//             data += lens[(*sent)++];
//         }
//         opts.timeout_ms = BOWLINE_NOWAIT; // the wait is one for the call
//     }
//     return result;
// }
//
// // These take uint8_t and not void, so that cgo knows that the bytes lead to no memory of Go's.
// static bowline_result respond_bytes(bowline_node *node, bowline_peer peer, uint16_t channel, bowline_request request,
//                                     const uint8_t *data, size_t len, int64_t timeout) {
//     return bowline_respond(node, peer, channel, request, data, len, timeout);
// }
//
// static bowline_result copy_bytes(const uint8_t *data, size_t len, bowline_msg **out) {
//     return bowline_msg_copy(data, len, out);
// }
//
// #cgo noescape send_bytes
// #cgo nocallback send_bytes
// #cgo noescape send_packed
// #cgo nocallback send_packed
// #cgo noescape send_msg
// #cgo nocallback send_msg
// #cgo noescape respond_bytes
// #cgo nocallback respond_bytes
import "C"

import (
	"context"
	"errors"
	"math"
	"runtime"
	"sync"
	"time"
	"unsafe"
)

const (
	// roomSlice is how long a call waits for room inside the library between two looks at its context.
	roomSlice = 20 * time.Millisecond
	// roomPause is how long a call waits between two tries when all places inside the library are taken.
	roomPause = time.Millisecond
)

// patiently tries until there is room, or the context ends. What it tries has not happened if the context ended.
func (c *core) patiently(ctx context.Context, op string, try func(node *C.bowline_node, timeout C.int64_t) C.bowline_result) error {
	if ctx.Err() != nil {
		return ended(op, ctx)
	}
	result, err := c.try(C.BOWLINE_NOWAIT, try)
	for err == nil && (result == C.BOWLINE_E_AGAIN || result == C.BOWLINE_E_TIMEOUT) {
		if ctx.Err() != nil {
			return ended(op, ctx)
		}
		select {
		case c.patient <- struct{}{}:
			result, err = c.try(slice(ctx, roomSlice), try)
			<-c.patient
		default:
			if err = c.rest(ctx, op, roomPause); err == nil {
				result, err = c.try(C.BOWLINE_NOWAIT, try)
			}
		}
	}
	if err != nil {
		return err
	}
	return failed(op, result, nil)
}

// rest waits a little.
func (c *core) rest(ctx context.Context, op string, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ended(op, ctx)
	case <-c.quit:
		return ErrClosed
	}
}

func (c *core) try(timeout C.int64_t, try func(*C.bowline_node, C.int64_t) C.bowline_result) (C.bowline_result, error) {
	node, err := c.use()
	if err != nil {
		return 0, err
	}
	defer c.done()
	return try(node, timeout), nil
}

// first leads to some bytes for the length of a call.
func first(data []byte) *C.uint8_t {
	return (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(data)))
}

// remaining is the time that a context leaves; at least a millisecond, because no time at all means something else.
func remaining(ctx context.Context) C.int64_t {
	deadline, has := ctx.Deadline()
	if !has {
		return C.BOWLINE_FOREVER
	}
	return max(millis(time.Until(deadline)), 1)
}

// slice is a part of the time that a context leaves.
func slice(ctx context.Context, most time.Duration) C.int64_t {
	left := remaining(ctx)
	if left == C.BOWLINE_FOREVER {
		return millis(most)
	}
	return min(millis(most), left)
}

// SendOptions is how a message is sent. The zero value is what [Node.Send] does.
type SendOptions struct {
	TTL    time.Duration // how long the message may wait to be sent: then it is taken out of the queue. 0: for ever
	Report *Queue        // where one [SendResult] tells what became of it; nil: nowhere
	Tag    uint64        // with Report: comes with the event, and [Node.CancelSend] takes the message back by it; below 1<<63
}

// sending is how a message is sent, as the library takes it.
type sending struct {
	ttl    C.uint32_t
	tag    C.uint64_t
	report *Queue
}

// queue is for those who may use the node.
func (s sending) queue() *C.bowline_queue {
	if s.report == nil {
		return nil
	}
	return s.report.ptr
}

func (c *core) sending(opts SendOptions) (sending, error) {
	invalid := func(text string) (sending, error) { return sending{}, &Error{Op: "send", Code: ErrInvalid, Text: text} }
	switch {
	case opts.TTL < 0 || millis(opts.TTL) > math.MaxUint32:
		return invalid("TTL is " + opts.TTL.String() + ": give 0, for ever, to 49 days")
	case opts.Report == nil && opts.Tag != 0:
		return invalid("Tag is set without Report: name the queue that is told")
	case opts.Report != nil && opts.Report.c != c:
		return invalid("Report is a queue of another node")
	case opts.Tag >= ownTags:
		return invalid("Tag is above the largest, 1<<63 - 1")
	}
	return sending{C.uint32_t(millis(opts.TTL)), C.uint64_t(opts.Tag), opts.Report}, nil
}

// Send queues a copy of some bytes for a peer. If the queue is full it waits for room until the context ends; then the message
// was not queued.
func (n *Node) Send(ctx context.Context, peer Peer, channel Channel, data []byte) error {
	return n.SendWith(ctx, peer, channel, data, SendOptions{})
}

// SendWith is Send with options. After a failure nothing is reported.
func (n *Node) SendWith(ctx context.Context, peer Peer, channel Channel, data []byte, opts SendOptions) error {
	how, err := n.c.sending(opts)
	if err != nil {
		return err
	}
	return n.c.send(ctx, peer, channel, data, how)
}

func (c *core) send(ctx context.Context, peer Peer, channel Channel, data []byte, how sending) error {
	return c.patiently(ctx, "send", func(node *C.bowline_node, timeout C.int64_t) C.bowline_result {
		return C.send_bytes(node, C.bowline_peer(peer), C.uint16_t(channel), first(data), C.size_t(len(data)), timeout,
			how.ttl, how.tag, how.queue())
	})
}

// packs are buffers for batches.
var packs = sync.Pool{New: func() any { return new(pack) }}

// pack is messages one behind the other.
type pack struct {
	data []byte
	lens []C.uint32_t
}

// packMax is how many bytes of a batch are copied into a pack, and packMessages how many messages: what is more is sent in several.
const (
	packMax      = 256 << 10
	packMessages = 16 << 10
)

// fill takes from the beginning of messages what fits, one at least.
func (p *pack) fill(messages [][]byte) {
	p.data, p.lens = p.data[:0], p.lens[:0]
	for at, message := range messages {
		if at == packMessages || at > 0 && len(p.data)+len(message) > packMax {
			return
		}
		p.data = append(p.data, message...)
		p.lens = append(p.lens, C.uint32_t(len(message)))
	}
}

// SendBatch queues copies of many messages for a peer, in their order, in few crossings: for small messages that come by the dozen. It
// waits for room until the context ends. It answers how many were queued, from the first: those before the one that the error is about.
func (n *Node) SendBatch(ctx context.Context, peer Peer, channel Channel, messages [][]byte) (int, error) {
	p := packs.Get().(*pack)
	defer func() {
		if cap(p.data) <= 2*packMax {
			packs.Put(p)
		}
	}()
	for done := 0; ; {
		var sent C.size_t
		// The library refuses what is longer than a length can say, too.
		if done < len(messages) && uint64(len(messages[done])) > math.MaxUint32 {
			return done, &Error{Op: "send", Code: ErrTooBig}
		}
		p.fill(messages[done:])
		err := n.c.patiently(ctx, "send", func(node *C.bowline_node, timeout C.int64_t) C.bowline_result {
			// It goes on where it came to.
			return C.send_packed(node, C.bowline_peer(peer), C.uint16_t(channel), first(p.data), unsafe.SliceData(p.lens),
				C.size_t(len(p.lens)), timeout, &sent)
		})
		done += int(sent)
		if err != nil || done == len(messages) {
			return done, err
		}
	}
}

// TrySend is [Node.Send] without waiting: it answers [ErrAgain] if the queue is full.
func (n *Node) TrySend(peer Peer, channel Channel, data []byte) error {
	node, err := n.c.use()
	if err != nil {
		return err
	}
	result := C.send_bytes(node, C.bowline_peer(peer), C.uint16_t(channel), first(data), C.size_t(len(data)), C.BOWLINE_NOWAIT,
		0, 0, nil)
	n.c.done()
	return failed("send", result, nil)
}

// CancelSend takes back every message that was sent to a peer with [SendOptions].Report and this tag, and of which no byte was sent: its
// [SendResult] says [ErrCanceled]. Of one that is too late it says what it would have said anyway.
func (n *Node) CancelSend(peer Peer, tag uint64) error {
	if tag >= ownTags {
		return &Error{Op: "cancel", Code: ErrInvalid, Text: "the tag is above the largest, 1<<63 - 1"}
	}
	return n.c.cancelSend(peer, tag)
}

func (c *core) cancelSend(peer Peer, tag uint64) error {
	return c.call("cancel", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_send_cancel(node, C.bowline_peer(peer), C.uint64_t(tag))
	})
}

// Fate is what is known of a message that [Node.SendReport] sent.
type Fate int

const (
	// NotSent: no byte of it has left this node, and none will.
	NotSent Fate = iota
	// Sent: the system has every byte. That the peer has them is not said.
	Sent
	// MaybeSent: the link closed, the node stopped, or the context ended when some of it may have left.
	MaybeSent
)

func (f Fate) String() string {
	switch f {
	case NotSent:
		return "not sent"
	case Sent:
		return "sent"
	case MaybeSent:
		return "maybe sent"
	}
	return "unknown"
}

// cancelPatience is how long a message that is taken back may take to say so; the library's event loop does it within milliseconds.
// A test makes it longer.
var cancelPatience = time.Second

// SendReport is [Node.Send] that waits until the system has the whole message, and says what became of it. When the context ends
// the message is taken back if no byte of it has left yet. The error is nil exactly if it was sent. Like [Node.Request] it has no
// thread of its own while it waits.
func (n *Node) SendReport(ctx context.Context, peer Peer, channel Channel, data []byte) (Fate, error) {
	c := n.c
	tag, ch, err := c.await("send")
	if err != nil {
		return NotSent, err
	}
	if err := c.send(ctx, peer, channel, data, sending{tag: C.uint64_t(tag), report: c.answers.queue}); err != nil {
		c.answers.take(tag)
		return NotSent, err
	}
	select {
	case got := <-ch:
		return fate(got.err), got.err
	case <-ctx.Done():
	}
	// If it fails the node stops, and the report says so.
	_ = c.cancelSend(peer, tag)
	late := time.NewTimer(cancelPatience)
	defer late.Stop()
	select {
	case got := <-ch:
		if errors.Is(got.err, ErrCanceled) {
			return NotSent, ended("send", ctx)
		}
		return fate(got.err), got.err
	case <-late.C:
		if c.answers.take(tag) == nil {
			// It is being told at this moment.
			got := <-ch
			return fate(got.err), got.err
		}
		return MaybeSent, ended("send", ctx)
	}
}

// fate is what the error of a report means.
func fate(err error) Fate {
	switch {
	case err == nil:
		return Sent
	case errors.Is(err, ErrCanceled), errors.Is(err, ErrExpired), errors.Is(err, ErrDropped):
		return NotSent
	}
	return MaybeSent
}

// Flush waits until nothing waits to be sent to a peer, or with 0 to any that is connected now, and the system has every byte, or until
// the context ends. That the peer has them is not said. What others send meanwhile is waited for, too.
func (n *Node) Flush(ctx context.Context, peer Peer) error {
	_, err := wait(ctx, n.c, "flush", func(C.int64_t) (struct{}, error) {
		if peer == 0 {
			return struct{}{}, n.flushAll(ctx)
		}
		return struct{}{}, n.c.flush(ctx, peer)
	})
	return err
}

// flushAll flushes link by link if it takes longer than a slice: they need not all be empty within one.
func (n *Node) flushAll(ctx context.Context) error {
	err := n.c.flushSlice(ctx, 0)
	if !errors.Is(err, ErrTimeout) {
		return err
	}
	peers, err := n.Peers()
	if err != nil {
		return err
	}
	for _, peer := range peers {
		if err := n.c.flush(ctx, peer.Peer); err != nil && !errors.Is(err, ErrPeerGone) {
			return err
		}
	}
	return nil
}

func (c *core) flush(ctx context.Context, peer Peer) error {
	for {
		if err := c.flushSlice(ctx, peer); !errors.Is(err, ErrTimeout) {
			return err
		}
		if ctx.Err() != nil {
			return ended("flush", ctx)
		}
	}
}

func (c *core) flushSlice(ctx context.Context, peer Peer) error {
	return c.call("flush", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_flush(node, C.bowline_peer(peer), slice(ctx, flushSlice))
	})
}

// Msg is a message in the library's memory, for sending the same bytes to several peers without copying them each time. It may be
// used by any number of goroutines. Close it, before or after it was sent: what was queued has a reference of its own. The garbage
// collector closes one that is dropped, but does not see how much memory waits for it.
type Msg struct {
	mu      sync.RWMutex
	ptr     *C.bowline_msg
	dropped runtime.Cleanup
}

// NewMsg copies some bytes into a message.
func NewMsg(data []byte) (*Msg, error) {
	msg := &Msg{}
	result := C.copy_bytes(first(data), C.size_t(len(data)), &msg.ptr)
	if err := failed("message", result, nil); err != nil {
		return nil, err
	}
	msg.dropped = runtime.AddCleanup(msg, func(ptr *C.bowline_msg) { C.bowline_msg_free(ptr) }, msg.ptr)
	return msg, nil
}

// Len is how many bytes the message has; 0 after Close.
func (m *Msg) Len() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return int(C.bowline_msg_len(m.ptr))
}

// Bytes is a copy of the message's bytes; nil after Close.
func (m *Msg) Bytes() []byte {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.ptr == nil {
		return nil
	}
	data := (*byte)(unsafe.Pointer(C.bowline_msg_data(m.ptr)))
	return append([]byte{}, unsafe.Slice(data, C.bowline_msg_len(m.ptr))...)
}

// Close drops the message. It may be called again.
func (m *Msg) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropped.Stop()
	C.bowline_msg_free(m.ptr)
	m.ptr = nil
	return nil
}

// hold takes a reference of its own, so that no lock is held while a call waits.
func (m *Msg) hold() (*C.bowline_msg, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.ptr == nil {
		return nil, ErrClosed
	}
	return C.bowline_msg_ref(m.ptr), nil
}

// SendMsg is [Node.Send] without a copy.
func (n *Node) SendMsg(ctx context.Context, peer Peer, channel Channel, msg *Msg) error {
	return n.SendMsgWith(ctx, peer, channel, msg, SendOptions{})
}

// SendMsgWith is [Node.SendWith] without a copy.
func (n *Node) SendMsgWith(ctx context.Context, peer Peer, channel Channel, msg *Msg, opts SendOptions) error {
	how, err := n.c.sending(opts)
	if err != nil {
		return err
	}
	held, err := msg.hold()
	if err != nil {
		return err
	}
	defer C.bowline_msg_free(held)
	return n.c.patiently(ctx, "send", func(node *C.bowline_node, timeout C.int64_t) C.bowline_result {
		return C.send_msg(node, C.bowline_peer(peer), C.uint16_t(channel), held, timeout, how.ttl, how.tag, how.queue())
	})
}

func (c *core) respond(ctx context.Context, r *Request, data []byte) error {
	return c.patiently(ctx, "respond", func(node *C.bowline_node, timeout C.int64_t) C.bowline_result {
		return C.respond_bytes(node, C.bowline_peer(r.Peer), C.uint16_t(r.Channel), C.bowline_request(r.Number), first(data),
			C.size_t(len(data)), timeout)
	})
}

// RespondMsg is Respond without a copy.
func (r *Request) RespondMsg(ctx context.Context, msg *Msg) error {
	held, err := msg.hold()
	if err != nil {
		return err
	}
	defer C.bowline_msg_free(held)
	return r.c.patiently(ctx, "respond", func(node *C.bowline_node, timeout C.int64_t) C.bowline_result {
		return C.bowline_respond_msg(node, C.bowline_peer(r.Peer), C.bowline_channel(r.Channel), C.bowline_request(r.Number), held, timeout)
	})
}

func (c *core) refuse(ctx context.Context, r *Request, number uint32, text string) error {
	says, err := cstring("refuse", text)
	if err != nil {
		return err
	}
	return c.patiently(ctx, "refuse", func(node *C.bowline_node, timeout C.int64_t) C.bowline_result {
		return C.bowline_respond_error(node, C.bowline_peer(r.Peer), C.bowline_channel(r.Channel), C.bowline_request(r.Number),
			C.uint32_t(number), says, timeout)
	})
}
