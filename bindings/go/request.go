package bowline

// #include <bowline.h>
//
// // A copy, the start and a release in one crossing.
// static bowline_result start_request(bowline_node *node, bowline_peer peer, uint16_t channel, const uint8_t *data, size_t len,
//                                     int64_t timeout, uint64_t tag, bowline_queue *queue, bowline_request *out) {
//     bowline_msg *msg = NULL;
//     bowline_result result = bowline_msg_copy(data, len, &msg);
//     if (result == BOWLINE_OK) {
//         result = bowline_request_start(node, peer, channel, msg, timeout, tag, queue, out);
//         bowline_msg_free(msg);
//     }
//     return result;
// }
//
// #cgo noescape start_request
// #cgo nocallback start_request
import "C"

import (
	"context"
	"sync"
	"time"
)

// answersBatch is how many answers a crossing brings at most: nobody makes them wait.
const answersBatch = 256

// ownTags begins the tags of answers. Those of callers are below: a message is taken back by its tag, and by no other's.
const ownTags = 1 << 63

// answers are the requests that wait for their answers, and the messages that wait for their reports, by tag.
type answers struct {
	queue   *Queue
	mu      sync.Mutex
	last    uint64
	waiting map[uint64]pending // nil when no answer will come any more
	end     C.bowline_result   // then: why not
}

type pending struct {
	op string
	ch chan answer // of one place, so that whoever answers never waits
}

type answer struct {
	data []byte
	err  error
}

func (a *answers) init() {
	a.last = ownTags
	a.waiting = make(map[uint64]pending)
}

func (a *answers) add(op string) (uint64, chan answer, error) {
	ch := make(chan answer, 1)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting == nil {
		return 0, nil, failed(op, a.end, nil)
	}
	a.last++
	a.waiting[a.last] = pending{op, ch}
	return a.last, ch, nil
}

// take is how an answer's way is decided: whoever takes it from the map, and nobody else, says how the request ended.
func (a *answers) take(tag uint64) chan answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	waiting := a.waiting[tag]
	delete(a.waiting, tag)
	return waiting.ch
}

// await is add for those who do not know whether the node is closed.
func (c *core) await(op string) (uint64, chan answer, error) {
	if c.isInline {
		text := "time stands still on a memory network, so nothing can be waited for: use StartRequest, or an event"
		return 0, nil, &Error{Op: op, Code: ErrState, Text: text}
	}
	tag, ch, err := c.answers.add(op)
	if err != nil && c.closing.Load() {
		err = ErrClosed
	}
	return tag, ch, err
}

func (a *answers) pump(queue *C.bowline_queue) {
	end := drain(queue, answersBatch, func(e *C.bowline_event) bool {
		var got answer
		switch e.kind {
		case C.BOWLINE_EV_RESPONSE:
			got = answer{body(e), told("request", e)}
		case C.BOWLINE_EV_SEND_RESULT:
			got.err = told("send", e)
		default:
			return true
		}
		if ch := a.take(uint64(e.tag)); ch != nil {
			ch <- got
		}
		return true
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, waiting := range a.waiting {
		waiting.ch <- answer{err: failed(waiting.op, end, nil)}
	}
	a.waiting, a.end = nil, end
}

// Request asks a peer and waits for its answer until the context ends; then the request is taken back. A context without a
// deadline waits until the peer answers or the link closes. It has no thread of its own while it waits: any number of goroutines
// may.
//
// A peer lets only so many requests of one node wait, 64 by default; more are [ErrLimit] at once. Other errors are [ErrRemote]
// with the peer's number and text if it refused, [ErrPeerGone] with the reason if the link closed, [ErrStopped] or [ErrFatal] if the
// node stopped or failed, and what ended the context:
// [context.DeadlineExceeded] is [ErrTimeout], [context.Canceled] is [ErrCanceled].
func (n *Node) Request(ctx context.Context, peer Peer, channel Channel, data []byte) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, ended("request", ctx)
	}
	c := n.c
	tag, ch, err := c.await("request")
	if err != nil {
		return nil, err
	}
	number, err := c.startRequest(ctx, peer, channel, data, tag)
	if err != nil {
		c.answers.take(tag)
		return nil, err
	}
	select {
	case got := <-ch:
		return got.data, got.err
	case <-ctx.Done():
	}
	if c.answers.take(tag) == nil {
		// It is being answered at this moment.
		got := <-ch
		return got.data, got.err
	}
	// If it fails the request has ended, which is as good.
	_ = n.CancelRequest(peer, channel, number)
	return nil, ended("request", ctx)
}

// StartRequest begins a request, for those who work with events: exactly one [Response] with the tag follows in the main queue, at the
// latest when the time is over; none follows a failure. It does not wait: [ErrAgain] means that the send queue is full. The number is
// for [Node.CancelRequest].
func (n *Node) StartRequest(peer Peer, channel Channel, data []byte, timeout time.Duration, tag uint64) (number uint64, err error) {
	node, err := n.c.use()
	if err != nil {
		return 0, err
	}
	defer n.c.done()
	var raw C.bowline_request
	result := C.start_request(node, C.bowline_peer(peer), C.uint16_t(channel), first(data), C.size_t(len(data)), millis(timeout),
		C.uint64_t(tag), nil, &raw)
	return uint64(raw), failed("request", result, nil)
}

// CancelRequest takes a request of [Node.StartRequest] back: its [Response] comes at once, with [ErrCanceled]. [ErrNoRequest] means that
// it is over already.
func (n *Node) CancelRequest(peer Peer, channel Channel, number uint64) error {
	return n.c.call("cancel", func(node *C.bowline_node) C.bowline_result {
		return C.bowline_request_cancel(node, C.bowline_peer(peer), C.bowline_channel(channel), C.bowline_request(number))
	})
}

// startRequest waits for room in the send queue.
func (c *core) startRequest(ctx context.Context, peer Peer, channel Channel, data []byte, tag uint64) (uint64, error) {
	for pause := roomPause; ; pause = min(2*pause, roomSlice) {
		node, err := c.use()
		if err != nil {
			return 0, err
		}
		var number C.bowline_request
		result := C.start_request(node, C.bowline_peer(peer), C.uint16_t(channel), first(data), C.size_t(len(data)),
			remaining(ctx), C.uint64_t(tag), c.answers.queue.ptr, &number)
		c.done()
		if result != C.BOWLINE_E_AGAIN {
			return uint64(number), failed("request", result, nil)
		}
		if err := c.rest(ctx, "request", pause); err != nil {
			return 0, err
		}
	}
}
