//go:build bowline_faults

package bowline_test

import (
	"context"
	"errors"
	"testing"
	"time"

	bowline "github.com/bowline-p2p/bowline/bindings/go"
)

// failing has bob's node fail while others wait for it. False if it was alice's, after all: the first thread that passes fails.
func failing(t *testing.T, p pair, place string) bool {
	if !bowline.FaultAt(place) {
		t.Fatal("there is no such thread")
	}
	for p.bob.State() == bowline.StateRunning && p.alice.State() == bowline.StateRunning {
		_ = p.bob.MaintainSoon()
		_ = p.bob.TrySend(p.toAlice, lane, nil)
		time.Sleep(5 * time.Millisecond)
	}
	return p.bob.State() == bowline.StateFailed
}

// A node that has failed says so in every call. Those who waited for an answer or a report may be told of the end of their link before.
func TestAFailedNodeSaysFatal(t *testing.T) {
	t.Run("reactor", func(t *testing.T) { saysFatal(t, "bwl-reactor") })
	t.Run("maintenance", func(t *testing.T) { saysFatal(t, "bwl-maintain") })
}

func saysFatal(t *testing.T, place string) {
	background := context.Background()
	p, calls, waiting := pair{}, map[string]func() error{}, map[string]chan error{}
	for is := false; !is; is = failing(t, p, place) {
		p = stuck(t)
		calls["request"] = func() error { return second(p.bob.Request(background, p.toAlice, lane, nil)) }
		calls["report"] = func() error { return second(p.bob.SendReport(background, p.toAlice, other, make([]byte, 4096))) }
		calls["flush"] = func() error { return p.bob.Flush(background, p.toAlice) }
		for name, call := range calls {
			ended := make(chan error, 1)
			waiting[name] = ended
			go func() { ended <- call() }()
		}
		time.Sleep(300 * time.Millisecond)
	}
	calls["send"] = func() error { return p.bob.TrySend(p.toAlice, lane, nil) }
	calls["maintain"] = p.bob.MaintainSoon
	fatal := func(name string, err error) {
		if !errors.Is(err, bowline.ErrFatal) || errors.Is(err, bowline.ErrStopped) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, ended := range waiting {
		select {
		case err := <-ended:
			if !errors.Is(err, bowline.ErrPeerGone) {
				fatal(name+" that waited", err)
			}
		case <-time.After(patience):
			t.Fatalf("%s waits on", name)
		}
	}
	for name, call := range calls {
		fatal(name, call())
	}
	fatal("why", p.bob.FatalError())
	if !bowline.ErrFatal.Fatal() {
		t.Error("not fatal")
	}
	if event := next[*bowline.Fatal](t, p.bob.Events()); !errors.Is(event.Err, bowline.ErrFatal) {
		t.Errorf("%+v", event)
	}
}

// What C code sets in the place of the package's log, the package may take back.
func TestTheLogOfOthersIsReplacedAndRemoved(t *testing.T) {
	unlogged(t)
	check(t, bowline.SetOtherLog())
	startAndClose(t)
	others := bowline.OtherLogLines()
	if others == 0 {
		t.Fatal("C code has no log")
	}
	check(t, bowline.SetLog(nil))
	startAndClose(t)
	lines := 0
	check(t, bowline.SetLog(func(bowline.LogLine) {}))
	check(t, bowline.SetOtherLog())
	check(t, bowline.SetLog(func(bowline.LogLine) { lines++ }))
	startAndClose(t)
	check(t, bowline.SetLog(nil)) // from here on nothing is written
	if lines == 0 || bowline.OtherLogLines() != others {
		t.Errorf("%d lines; C code had %d, and then %d", lines, others, bowline.OtherLogLines())
	}
}
