package bowline_test

import (
	"bytes"
	"context"
	"errors"
	"log"
	"net"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bowline "github.com/bowline-p2p/bowline/bindings/go"
)

// silentListener takes connections and says nothing.
func silentListener(t *testing.T) string {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String()
}

// Every method of a closed thing is called with zeros.
func TestEverythingAnswersAfterClose(t *testing.T) {
	p := aPair(t)
	queueOwner := unstarted(t, aConfig(t))
	queue := must(queueOwner.Queue("some"))(t)
	go func() { _, _ = p.bob.Request(context.Background(), p.toAlice, lane, nil) }()
	request := next[*bowline.Request](t, p.alice.Events())
	config, key := aConfig(t), aKey(t)
	for _, node := range []*bowline.Node{p.alice, p.bob, queueOwner} {
		check(t, node.Close())
	}
	check(t, config.Close())
	check(t, key.Close())
	// What says something else than an error, or has nothing to do with the library.
	silent := map[string]bool{"Events": true, "Main": true, "Name": true, "State": true, "IsPaused": true, "Close": true, "Group": true, "Poll": true}
	calls := 0
	for _, closed := range []any{p.alice, p.alice.Group(1), queue, request, config, key} {
		value := reflect.ValueOf(closed)
		for at := range value.NumMethod() {
			name := value.Type().String() + "." + value.Type().Method(at).Name
			method := value.Method(at)
			if silent[value.Type().Method(at).Name] || method.Type().IsVariadic() {
				continue
			}
			results := method.Call(zeros(t, method.Type()))
			err, _ := results[len(results)-1].Interface().(error)
			if !errors.Is(err, bowline.ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
			calls++
		}
	}
	if calls < 90 {
		t.Errorf("only %d methods were called", calls)
	}
	if p.alice.State() != bowline.StateInvalid || p.alice.IsPaused() {
		t.Error("a closed node has a state")
	}
	if _, isOpen := <-queue.Events(); isOpen {
		t.Error("the queue goes on")
	}
	if err := queue.Bind(lane); !errors.Is(err, bowline.ErrClosed) {
		t.Error(err)
	}
	_, err := p.alice.Queue("late")
	if !errors.Is(err, bowline.ErrClosed) || !errors.Is(err, bowline.ErrStopped) || !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

// zeros are arguments with which no call fails before it has looked whether its object is closed.
func zeros(t *testing.T, method reflect.Type) []reflect.Value {
	msg := must(bowline.NewMsg(nil))(t)
	t.Cleanup(func() { msg.Close() })
	var values []reflect.Value
	for at := range method.NumIn() {
		switch method.In(at) {
		case reflect.TypeFor[context.Context]():
			values = append(values, reflect.ValueOf(context.Background()))
		case reflect.TypeFor[*bowline.Msg]():
			values = append(values, reflect.ValueOf(msg))
		default:
			values = append(values, someValue(method.In(at)))
		}
	}
	return values
}

func someValue(kind reflect.Type) reflect.Value {
	if kind.String() == "netip.AddrPort" {
		value := reflect.New(kind)
		_ = value.Interface().(interface{ UnmarshalText([]byte) error }).UnmarshalText([]byte("127.0.0.1:1"))
		return value.Elem()
	}
	return reflect.Zero(kind)
}

func TestCloseReleasesWhoWaits(t *testing.T) {
	p := aPair(t)
	silent := silentListener(t)
	waits := map[string]func() error{
		"request": func() error { return second(p.bob.Request(context.Background(), p.toAlice, lane, nil)) },
		"connect": func() error { return second(p.bob.Connect(context.Background(), silent)) },
		"reader": func() error {
			for range p.bob.Events() {
			}
			return bowline.ErrClosed
		},
		"send": func() error {
			for {
				if err := p.bob.Send(context.Background(), p.toAlice, lane, make([]byte, 100_000)); err != nil {
					return err
				}
			}
		},
	}
	ended := make(chan string, len(waits))
	for name, wait := range waits {
		go func() {
			if err := wait(); !errors.Is(err, bowline.ErrStopped) {
				t.Errorf("%s: %v", name, err)
			}
			ended <- name
		}()
	}
	time.Sleep(300 * time.Millisecond)
	begin := time.Now()
	check(t, p.bob.Close())
	for range waits {
		select {
		case <-ended:
		case <-time.After(patience):
			t.Fatal("somebody still waits")
		}
	}
	if took := time.Since(begin); took > 8*time.Second {
		t.Errorf("it took %v", took)
	}
}

// Eight goroutines use a node in every way while several close it.
func TestCloseUnderLoad(t *testing.T) {
	for range 5 {
		p := aPair(t)
		var calls atomic.Int64
		var users sync.WaitGroup
		go answering(p.alice.Events())
		uses := []func() error{
			func() error { return p.bob.Send(context.Background(), p.toAlice, lane, []byte("x")) },
			func() error { return second(p.bob.Request(context.Background(), p.toAlice, lane, []byte("x"))) },
			func() error { return second(p.bob.Broadcast(lane, []byte("x"), bowline.BroadcastOptions{})) },
			func() error { return second(p.bob.Peers()) },
			func() error { return second(p.bob.Metrics()) },
			func() error { return p.bob.Main().Wakeup(1) },
			func() error { return second(p.bob.Get("pool.max")) },
			func() error { return second(p.bob.KnownAddresses()) },
		}
		for _, use := range uses {
			users.Add(1)
			go func() {
				defer users.Done()
				for {
					err := use()
					calls.Add(1)
					if errors.Is(err, bowline.ErrClosed) {
						return
					}
				}
			}()
		}
		go func() {
			for range p.bob.Events() {
			}
		}()
		eventually(t, "there is some load", func() bool { return calls.Load() > 500 })
		var closers sync.WaitGroup
		for range 4 {
			closers.Add(1)
			go func() {
				defer closers.Done()
				check(t, p.bob.Close())
				if err := second(p.bob.ID()); err != bowline.ErrClosed {
					t.Errorf("after Close: %v", err)
				}
			}()
		}
		closers.Wait()
		users.Wait()
		check(t, p.alice.Close())
	}
}

// Queues that wait in the library, for want of descriptors, do the same.
func TestWithoutDescriptors(t *testing.T) {
	bowline.WithoutDescriptors(t)
	t.Run("requests", TestARequestIsAnswered)
	t.Run("queues", TestQueuesHaveTheirChannels)
	t.Run("slow reader", TestASlowReaderMakesItsPeerWait)
	t.Run("close", TestCloseReleasesWhoWaits)
	t.Run("load", TestCloseUnderLoad)
	t.Run("fifty", TestFiftyNodesLeaveNothing)
}

// inTheLibrary is how many goroutines are in a call of the library's: each holds a thread.
func inTheLibrary() int {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	in := 0
	for _, stack := range strings.Split(string(stacks), "\n\n") {
		if strings.Contains(stack, "._Cfunc_") {
			in++
		}
	}
	return in
}

// A node has no thread of Go's for itself while nothing happens: what waits for it waits in Go's own poller.
func TestIdleNodesHaveNoThreadsOfGo(t *testing.T) {
	for range 20 {
		node := unstarted(t, aConfig(t)) // so that the library has no threads, too
		must(node.Queue("another", lane))(t)
	}
	for round := 0; inTheLibrary() > 0; round++ {
		if round == 500 {
			t.Fatalf("%d goroutines are in the library after five seconds", inTheLibrary())
		}
		time.Sleep(10 * time.Millisecond)
	}
	for range 20 {
		time.Sleep(5 * time.Millisecond)
		if in := inTheLibrary(); in > 0 {
			t.Fatalf("%d goroutines went back into the library though nothing happened", in)
		}
	}
}

// Close and Start at once: whoever is first, everything is released.
func TestCloseBesideStart(t *testing.T) {
	for range 20 {
		node := unstarted(t, aConfig(t))
		var both sync.WaitGroup
		both.Add(2)
		go func() { defer both.Done(); _ = node.Start() }()
		go func() { defer both.Done(); _ = node.Close() }()
		both.Wait()
		for range node.Events() {
		}
	}
}

func TestFiftyNodesLeaveNothing(t *testing.T) {
	cycle := func() {
		config, key := aConfig(t), aKey(t)
		node := must(bowline.NewNode(config, key))(t)
		must(node.Queue("another", lane))(t)
		check(t, node.Start())
		check(t, node.Main().Wakeup(1))
		next[*bowline.Wakeup](t, node.Events())
		check(t, node.Close())
		check(t, config.Close())
		check(t, key.Close())
	}
	for range 3 {
		cycle()
	}
	goroutines, fds, threads := runtime.NumGoroutine(), entries(t, "/proc/self/fd"), entries(t, "/proc/self/task")
	for range 50 {
		cycle()
	}
	eventually(t, "goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines })
	if now := entries(t, "/proc/self/fd"); now > fds {
		t.Errorf("%d descriptors, before %d", now, fds)
	}
	// Go keeps threads that waited in C for later; they are used again.
	if now := entries(t, "/proc/self/task"); now > threads+10 {
		t.Errorf("%d threads, before %d", now, threads)
	}
}

func TestANodeThatIsDroppedIsToldOf(t *testing.T) {
	var said lockedBuffer
	log.SetOutput(&said)
	defer log.SetOutput(os.Stderr)
	config, key := aConfig(t), aKey(t)
	closed := must(bowline.NewNode(config, key))(t)
	check(t, closed.Close())
	queue := must(bowline.NewNode(config, key))(t).Main()
	eventually(t, "it is told", func() bool {
		runtime.GC()
		return strings.Contains(said.String(), "without Close")
	})
	if count := strings.Count(said.String(), "without Close"); count != 1 {
		t.Errorf("told %d times", count)
	}
	// It tells and frees nothing.
	check(t, queue.Wakeup(1))
	next[*bowline.Wakeup](t, queue.Events())
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}
