package bowline

// #include <fcntl.h>
// #include <stdlib.h>
// #include <bowline.h>
//
// // One crossing for each batch: what the last one left is released and the next one is taken.
// static bowline_result next_batch(bowline_queue *queue, bowline_event *events, size_t cap, size_t *count, int64_t timeout) {
//     bowline_events_release(events, sizeof *events, *count);
//     *count = 0;
//     return bowline_queue_poll_batch(queue, events, sizeof *events, cap, count, timeout);
// }
//
// // A twin of the queue's descriptor that Go's poller takes. Both ends of the queue's pipe go on as before: nobody ever waits in them.
// static int ready_fd(bowline_queue *queue) {
//     int fd = bowline_queue_fd(queue);
//     int twin = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
//     if (twin >= 0) {
//         fcntl(twin, F_SETFL, fcntl(twin, F_GETFL) | O_NONBLOCK);
//     }
//     return twin;
// }
//
// #cgo noescape next_batch
// #cgo nocallback next_batch
import "C"

import (
	"os"
	"runtime"
	"strconv"
	"unsafe"
)

// batchMax is how many events a crossing brings at most. So many, and as many in a Go channel, may be outside of the library's
// queue.
const batchMax = 64

// Queue is a queue of events, as a Go channel. One goroutine takes events from the library in batches and puts them there; it
// waits for whoever reads them, so that a slow reader fills the library's queue, whose bounds then act: the peers whose messages
// nobody takes have to wait.
type Queue struct {
	c      *core
	ptr    *C.bowline_queue
	name   string
	events chan Event
}

func newQueue(c *core, name string, ptr *C.bowline_queue) *Queue {
	return &Queue{c: c, ptr: ptr, name: name, events: make(chan Event, batchMax)}
}

// makeQueue is for those who may use the node.
func (c *core) makeQueue(name string) (*Queue, error) {
	text, err := cstring("queue", name)
	if err != nil {
		return nil, err
	}
	queue := newQueue(c, name, nil)
	if err := failed("queue "+name, C.bowline_queue_new(c.node, text, &queue.ptr), nil); err != nil {
		return nil, err
	}
	c.lock.Lock()
	c.queues = append(c.queues, queue)
	c.lock.Unlock()
	return queue, nil
}

// Events are the events of the main queue: everything that is bound to no other. The channel is closed when the node has stopped
// and all was taken, or by [Node.Close].
func (n *Node) Events() <-chan Event {
	return n.c.main.events
}

// Main is the main queue.
func (n *Node) Main() *Queue {
	return n.c.main
}

// Queue makes another queue, with the messages and requests of these channels, before the node is started. It also gets
// [PeerConnected] and [PeerDisconnected] of the peers that have one of them. There may be 63. It goes with the node. If one of the
// channels cannot be bound there is an error, and those before it go to the main queue.
func (n *Node) Queue(name string, channels ...Channel) (*Queue, error) {
	if _, err := n.c.use(); err != nil {
		return nil, err
	}
	queue, err := n.c.makeQueue(name)
	switch {
	case err != nil:
	case n.c.isInline:
		close(queue.events)
	default:
		n.c.start(queue.pump)
	}
	n.c.done()
	if err != nil {
		return nil, err
	}
	if err := queue.Bind(channels...); err != nil {
		for _, channel := range channels {
			// Nobody is told of this queue: what came to it would wait for ever. What cannot be bound to it cannot be bound at all.
			_ = n.c.main.Bind(channel)
		}
		return nil, err
	}
	return queue, nil
}

// Bind has the messages of these channels sent to this queue, before the node is started. A later binding replaces an earlier one.
func (q *Queue) Bind(channels ...Channel) error {
	for _, channel := range channels {
		err := q.c.call("bind to "+q.name, func(*C.bowline_node) C.bowline_result {
			return C.bowline_queue_bind_channel(q.ptr, C.bowline_channel(channel))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// BindEvents has events of these kinds sent to this queue instead of the main one, before the node is started. Each kind goes to
// one queue; a later binding replaces an earlier one.
func (q *Queue) BindEvents(kinds ...EventKind) error {
	var mask C.uint64_t
	for _, kind := range kinds {
		if kind >= 64 {
			text := "event kind " + strconv.Itoa(int(kind)) + " is none: give a Kind..."
			return &Error{Op: "bind to " + q.name, Code: ErrInvalid, Text: text}
		}
		mask |= 1 << kind
	}
	return q.c.call("bind to "+q.name, func(*C.bowline_node) C.bowline_result {
		return C.bowline_queue_bind_events(q.ptr, mask)
	})
}

// Name is what the queue was called.
func (q *Queue) Name() string {
	return q.name
}

// Events are the queue's events, as [Node.Events].
func (q *Queue) Events() <-chan Event {
	return q.events
}

// Poll takes the events that have come on a memory network ([MemNet]), and does not wait. On others it has nothing: events come by
// Events.
func (q *Queue) Poll() []Event {
	if !q.c.isInline {
		return nil
	}
	if _, err := q.c.use(); err != nil {
		return nil
	}
	defer q.c.done()
	raw := (*C.bowline_event)(C.calloc(batchMax, C.sizeof_bowline_event))
	defer C.free(unsafe.Pointer(raw))
	var events []Event
	var count C.size_t
	for C.next_batch(q.ptr, raw, batchMax, &count, C.BOWLINE_NOWAIT) == C.BOWLINE_OK {
		for at := range unsafe.Slice(raw, count) {
			events = append(events, q.c.event(&unsafe.Slice(raw, count)[at]))
		}
	}
	return events
}

// Poll is [Queue.Poll] of the main queue.
func (n *Node) Poll() []Event {
	return n.c.main.Poll()
}

// Wakeup puts a [Wakeup] with this tag into the queue.
func (q *Queue) Wakeup(tag uint64) error {
	return q.c.call("wake "+q.name, func(*C.bowline_node) C.bowline_result {
		return C.bowline_queue_wakeup(q.ptr, C.uint64_t(tag))
	})
}

func (q *Queue) pump() {
	defer close(q.events)
	q.take(batchMax, func(event Event) bool {
		select {
		case q.events <- event:
			return true
		default: // full: from here on it costs more
		}
		select {
		case q.events <- event:
			return true
		case <-q.c.quit:
			return false
		}
	})
}

// take is drain with copies of the events.
func (q *Queue) take(batch int, take func(Event) bool) {
	drain(q.ptr, C.size_t(batch), func(raw *C.bowline_event) bool { return take(q.c.event(raw)) })
}

// drain hands out events until the node has stopped or failed and all was taken, or take refuses one; it answers what it ended with.
// An event is copied when its turn comes, so that a batch is never twice in memory.
func drain(ptr *C.bowline_queue, cap C.size_t, take func(*C.bowline_event) bool) C.bowline_result {
	events := (*C.bowline_event)(C.calloc(cap, C.sizeof_bowline_event))
	defer C.free(unsafe.Pointer(events))
	batch := unsafe.Slice(events, cap)
	var count C.size_t
	end := C.bowline_result(C.BOWLINE_E_STOPPED)
	// isOver takes batches; it comes back when there is nothing to take, or for good.
	isOver := func(timeout C.int64_t) bool {
		for {
			switch result := C.next_batch(ptr, events, cap, &count, timeout); result {
			case C.BOWLINE_OK:
			case C.BOWLINE_E_AGAIN:
				return false
			default:
				end = result
				return true
			}
			for at := range batch[:count] {
				if !take(&batch[at]) {
					C.bowline_events_release(events, C.sizeof_bowline_event, count)
					return true
				}
			}
			if timeout != C.BOWLINE_NOWAIT {
				// Whoever was given something runs here and now, instead of on another thread that would have to be woken.
				runtime.Gosched()
			}
		}
	}
	if !whenReady(ptr, func() bool { return isOver(C.BOWLINE_NOWAIT) }) {
		isOver(C.BOWLINE_FOREVER)
	}
	return end
}

// descriptorsWanted is false in a test of how it goes without.
var descriptorsWanted = true

// whenReady calls f, and again whenever the queue has something, until it says that it is over. Meanwhile no thread waits: Go's
// poller does. It answers false if the system has no descriptor for that.
func whenReady(ptr *C.bowline_queue, f func() bool) bool {
	if !descriptorsWanted {
		return false
	}
	fd := C.ready_fd(ptr)
	if fd < 0 {
		return false
	}
	file := os.NewFile(uintptr(fd), "events of bowline")
	defer file.Close()
	conn, err := file.SyscallConn()
	if err != nil {
		return false
	}
	return conn.Read(func(uintptr) bool { return f() }) == nil
}
