package bowline

// #include <bowline.h>
import "C"

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// waitsMax is how many calls of a node may wait inside the library at once, of each sort. Each has a thread of the operating
// system meanwhile.
const waitsMax = 64

// flushSlice is how long a flush waits inside the library between two looks at its context: a peer that takes nothing would hold it
// for as long as it likes. What else waits there is bounded by settings or by the disk.
const flushSlice = 200 * time.Millisecond

// core is what a node really is. Pumps and events refer to it, not to the Node, so that a Node which nobody holds any more is
// noticed.
//
// Every call into the library stands between use and done, as a reader of mu. Close first has all new ones refused (closing),
// then ends those that wait (stop), then waits for those under way (the writer's lock) and for the pumps, and only then frees. So
// no call ever runs on what was freed, and Close waits for nothing but calls that end at once.
type core struct {
	mu      sync.RWMutex
	node    *C.bowline_node
	closing atomic.Bool
	quit    chan struct{} // closed when Close begins: nobody reads events any more
	freed   chan struct{} // closed when Close has ended

	pumps   sync.WaitGroup
	lock    sync.Mutex // of queues
	queues  []*Queue
	main    *Queue
	answers answers

	isInline bool // on a memory network: there are no pumps, and nothing waits

	waits     chan struct{} // a place for each call that waits inside the library
	abandoned chan struct{} // the places of those whose callers have left
	patient   chan struct{} // as waits, for those that wait for room in a send queue
}

// use begins a call. It must not be nested: a reader that waits for a second lock behind a writer waits for ever.
func (c *core) use() (*C.bowline_node, error) {
	c.mu.RLock()
	if c.closing.Load() {
		c.mu.RUnlock()
		return nil, ErrClosed
	}
	return c.node, nil
}

func (c *core) done() {
	c.mu.RUnlock()
}

// call is a call that fails with a result alone.
func (c *core) call(op string, f func(*C.bowline_node) C.bowline_result) error {
	node, err := c.use()
	if err != nil {
		return err
	}
	defer c.done()
	return failed(op, f(node), nil)
}

// say is a call that fails with a sentence.
func (c *core) say(op string, f func(*C.bowline_node, **C.bowline_error) C.bowline_result) error {
	node, err := c.use()
	if err != nil {
		return err
	}
	defer c.done()
	var said *C.bowline_error
	return failed(op, f(node, &said), said)
}

// wait carries out a call that waits inside the library, and comes back when the context ends. What the call is about goes on then,
// and it has its thread until the library's own bounds end it; its place is given back, as long as there are not too many such.
func wait[T any](ctx context.Context, c *core, op string, f func(timeout C.int64_t) (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	var none T
	if ctx.Err() != nil {
		return none, ended(op, ctx)
	}
	select {
	case c.waits <- struct{}{}:
	case <-ctx.Done():
		return none, ended(op, ctx)
	case <-c.quit:
		return none, ErrClosed
	}
	timeout := remaining(ctx)
	if ctx.Done() == nil {
		defer func() { <-c.waits }()
		return f(timeout)
	}
	result := make(chan outcome, 1)
	// Whoever takes the place from here gives it back.
	place := make(chan chan struct{}, 1)
	place <- c.waits
	go func() {
		value, err := f(timeout)
		<-<-place
		result <- outcome{value, err}
	}()
	select {
	case got := <-result:
		return got.value, got.err
	case <-ctx.Done():
		c.abandon(place)
		return none, ended(op, ctx)
	}
}

// abandon gives the place of a call back that nobody waits for any more, if there is another for it.
func (c *core) abandon(place chan chan struct{}) {
	select {
	case held := <-place:
		select {
		case c.abandoned <- struct{}{}:
			<-held
			held = c.abandoned
		default:
		}
		place <- held
	default: // it ends at this moment
	}
}

func (c *core) close() {
	if !c.closing.CompareAndSwap(false, true) {
		<-c.freed
		return
	}
	close(c.quit)
	// Only this goroutine frees the node, so it may be used here without a lock.
	C.bowline_node_stop(c.node, 0)
	c.mu.Lock()
	// A call that began before may have started the node after that stop.
	C.bowline_node_stop(c.node, 0)
	c.pumps.Wait()
	for _, queue := range c.queues {
		C.bowline_queue_free(queue.ptr)
		queue.ptr = nil
	}
	C.bowline_node_free(c.node)
	c.node = nil
	c.mu.Unlock()
	close(c.freed)
}
