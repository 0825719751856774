package bowline_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	bowline "github.com/bowline-p2p/bowline/bindings/go"
)

// canceled begins more calls than may wait at once, and then cancels them all.
func canceled(t *testing.T, call func(ctx context.Context) error) {
	t.Helper()
	const calls = 70
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, calls)
	for range calls {
		go func() { ended <- call(ctx) }()
	}
	select {
	case err := <-ended:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	cancel()
	for range calls {
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) || !errors.Is(err, bowline.ErrCanceled) {
				t.Fatal(err)
			}
		case <-time.After(patience):
			t.Fatal("it waits on after its context ended")
		}
	}
}

// The peer decides how long its link is not empty, and not how long who has left keeps a thread and a place.
func TestCanceledFlushesLeaveNothingBehind(t *testing.T) {
	p := stuck(t)
	for name, peer := range map[string]bowline.Peer{"of one": p.toAlice, "of all": 0} {
		before := runtime.NumGoroutine()
		canceled(t, func(ctx context.Context) error { return p.bob.Flush(ctx, peer) })
		carol := started(t, aConfig(t))
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if _, err := p.bob.Connect(ctx, addressOf(t, carol)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		check(t, carol.Close())
		eventually(t, "the goroutines return, "+name, func() bool { return runtime.NumGoroutine() <= before })
	}
}

// Calls that the library ends later have given their places back.
func TestCanceledConnectsKeepNoPlace(t *testing.T) {
	p := aPair(t, "handshake.timeout=30s")
	silent := silentListener(t)
	canceled(t, func(ctx context.Context) error { return second(p.bob.Connect(ctx, silent)) })
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	check(t, p.bob.Flush(ctx, p.toAlice))
}

// A flush of all is over when each link was empty once, and passes over those that close.
func TestAFlushOfAllWaitsForEach(t *testing.T) {
	p := stuck(t)
	ended := make(chan error, 1)
	go func() { ended <- p.bob.Flush(context.Background(), 0) }()
	select {
	case err := <-ended:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(500 * time.Millisecond):
	}
	check(t, p.bob.Disconnect(p.toAlice, 0))
	select {
	case err := <-ended:
		check(t, err)
	case <-time.After(patience):
		t.Fatal("a closed link is waited for")
	}
}
