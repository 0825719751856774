package bowline_test

import (
	"context"
	"errors"
	"testing"
	"time"

	bowline "github.com/bowline-p2p/bowline/bindings/go"
)

// What is only memory is freed when nobody holds it any more.
func TestWhatIsDroppedIsFreed(t *testing.T) {
	data := make([]byte, 1<<20)
	sorts := map[string]struct {
		count int
		make  func()
	}{
		"messages":        {300, func() { must(bowline.NewMsg(data))(t) }},
		"configurations":  {40_000, func() { must(bowline.NewConfig())(t) }},
		"memory networks": {30_000, func() { must(bowline.NewMemNet(1))(t) }},
	}
	for name, sort := range sorts {
		before := resident(t)
		for number := range sort.count {
			sort.make()
			if number%(sort.count/10) == 0 {
				resident(t) // collects garbage
			}
		}
		grown := 0
		eventually(t, name+" are freed", func() bool {
			grown = resident(t) - before
			return grown < 100<<20
		})
		t.Logf("%s: %d KiB", name, grown>>10)
	}
}

// Close takes the collector's part over.
func TestWhatIsClosedIsFreedOnce(t *testing.T) {
	for range 1000 {
		for _, closer := range []interface{ Close() error }{
			must(bowline.NewMsg([]byte("x")))(t), must(bowline.NewConfig())(t), must(bowline.NewMemNet(1))(t),
			must(bowline.KeyFromSeed([32]byte{1}))(t),
		} {
			check(t, closer.Close())
			check(t, closer.Close())
		}
	}
	resident(t)
}

// A search that takes hours keeps nobody from asking whose key it is.
func TestAKeyIsAskedWhileItIsSearchedFor(t *testing.T) {
	key := aKey(t)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- key.Work(ctx, 40) }()
	time.Sleep(50 * time.Millisecond)
	began := time.Now()
	for range 50 {
		must(key.ID())(t)
		time.Sleep(time.Millisecond)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("50 calls took %v", took)
	}
	// What needs the whole key waits for its turn.
	check(t, key.Save(t.TempDir()+"/key"))
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
