package bowline_test

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	bowline "github.com/bowline-p2p/bowline/bindings/go"
)

// resident is how many bytes of memory the program has.
func resident(t *testing.T) int {
	runtime.GC()
	fields := strings.Fields(string(must(os.ReadFile("/proc/self/statm"))(t)))
	return must(strconv.Atoi(fields[1]))(t) * os.Getpagesize()
}

// Nobody takes alice's events while bob sends as much as he can. Bob has to wait, alice's memory stays bounded, and at last
// everything comes, in order, the end of the link too.
func TestASlowReaderMakesItsPeerWait(t *testing.T) {
	p := aPair(t)
	const size = 4096
	data := make([]byte, size)
	before := resident(t)
	sent, idle := uint64(0), 0
	for idle < 20 {
		binary.LittleEndian.PutUint64(data, sent)
		switch err := p.bob.TrySend(p.toAlice, lane, data); {
		case err == nil:
			sent, idle = sent+1, 0
		case errors.Is(err, bowline.ErrAgain):
			idle++
			time.Sleep(10 * time.Millisecond)
		default:
			t.Fatal(err)
		}
		if sent*size > 256<<20 {
			t.Fatalf("%d messages were taken though nobody reads", sent)
		}
	}
	if grown := resident(t) - before; grown > 64<<20 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
	// A send with a context waits, ends with it, and has then sent nothing.
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := p.bob.Send(ctx, p.toAlice, lane, []byte("not sent")); !errors.Is(err, bowline.ErrTimeout) {
		t.Fatal(err)
	}
	go func() {
		_ = p.bob.Send(context.Background(), p.toAlice, lane, []byte("the last one"))
		_ = p.bob.Stop(5 * time.Second)
	}()
	for number := range sent {
		got := next[*bowline.Message](t, p.alice.Events())
		if len(got.Data) != size || binary.LittleEndian.Uint64(got.Data) != number {
			t.Fatalf("number %d: %d bytes", number, len(got.Data))
		}
	}
	hears(t, p.alice, "the last one")
	next[*bowline.PeerDisconnected](t, p.alice.Events())
}

// More senders than there are places to wait inside the library: all of them get through.
func TestManySendersWait(t *testing.T) {
	p := aPair(t)
	const senders, each = 150, 40
	errs := make(chan error, senders)
	for range senders {
		go func() {
			for range each {
				if err := p.bob.Send(context.Background(), p.toAlice, lane, make([]byte, 8192)); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	time.Sleep(200 * time.Millisecond)
	if threads := entries(t, "/proc/self/task"); threads > 140 {
		t.Errorf("%d threads", threads)
	}
	for range senders * each {
		next[*bowline.Message](t, p.alice.Events())
	}
	for range senders {
		check(t, <-errs)
	}
}

// Links come and go while nobody reads: each that was told of has its end told of.
func TestControlEventsAreNotLost(t *testing.T) {
	alice := started(t, aConfig(t))
	const links = 150
	for range links {
		bob := started(t, aConfig(t))
		if _, err := bob.Connect(within(t), addressOf(t, alice)); err != nil {
			t.Fatalf("%v: alice says %+v, bob %+v", err, must(alice.Metrics())(t), must(bob.Metrics())(t))
		}
		check(t, bob.Close())
	}
	open := map[bowline.Peer]bool{}
	ended := 0
	late := time.After(patience)
	for ended < links {
		select {
		case event := <-alice.Events():
			switch event := event.(type) {
			case *bowline.PeerConnected:
				open[event.Peer] = true
			case *bowline.PeerDisconnected:
				if !open[event.Peer] {
					t.Fatalf("the end of a link without its beginning: %+v", event)
				}
				ended++
			}
		case <-late:
			t.Fatalf("%d links ended, %d began", ended, len(open))
		}
	}
}
