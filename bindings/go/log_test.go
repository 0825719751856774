package bowline_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	bowline "github.com/bowline-p2p/bowline/bindings/go"
)

// startAndClose makes the library say something.
func startAndClose(t *testing.T) {
	t.Helper()
	check(t, started(t, aConfig(t)).Close())
}

// unlogged has no log when the test ends, and the filter that there was before any was set.
func unlogged(t *testing.T) {
	t.Cleanup(func() {
		check(t, bowline.SetLog(func(bowline.LogLine) {}))
		check(t, bowline.LogFilter("info"))
		check(t, bowline.SetLog(nil))
	})
}

func TestTheLogIsHandedToAFunction(t *testing.T) {
	unlogged(t)
	var lines []bowline.LogLine
	begin := time.Now().Add(-time.Second)
	check(t, bowline.SetLog(func(line bowline.LogLine) { lines = append(lines, line) }))
	startAndClose(t)
	check(t, bowline.SetLog(nil)) // from here on nothing is written: lines may be read
	if len(lines) == 0 {
		t.Fatal("the log says nothing of a node that starts")
	}
	for _, line := range lines {
		isNow := line.Time.After(begin) && line.Time.Before(time.Now().Add(time.Second))
		if !strings.HasPrefix(line.Target, "bowline") || line.Text == "" || line.Level < bowline.LogError || line.Level > bowline.LogInfo || !isNow {
			t.Errorf("%+v", line)
		}
	}
	before := len(lines)
	startAndClose(t)
	if len(lines) != before {
		t.Error("a log that was removed is written")
	}
}

func TestTheLogIsFiltered(t *testing.T) {
	unlogged(t)
	var lock sync.Mutex
	counts := map[bowline.LogLevel]int{}
	write := func(line bowline.LogLine) {
		lock.Lock()
		counts[line.Level]++
		lock.Unlock()
	}
	check(t, bowline.SetLog(write))
	check(t, bowline.LogFilter("error"))
	startAndClose(t)
	check(t, bowline.SetLog(nil))
	if len(counts) != 0 {
		t.Errorf("%v", counts)
	}
	check(t, bowline.SetLog(write))
	check(t, bowline.LogFilter("off,bowline=trace"))
	p := aPair(t)
	check(t, p.bob.Close())
	check(t, p.alice.Close())
	check(t, bowline.SetLog(nil))
	if counts[bowline.LogDebug]+counts[bowline.LogTrace] == 0 {
		t.Errorf("%v", counts)
	}
	if err := bowline.LogFilter("bowline=loud"); !errors.Is(err, bowline.ErrInvalid) || !strings.Contains(err.Error(), "loud") {
		t.Error(err)
	}
	if err := bowline.LogFilter("in\x00fo"); !errors.Is(err, bowline.ErrInvalid) {
		t.Error(err)
	}
}

func TestTheLogFeedsSlog(t *testing.T) {
	unlogged(t)
	var said bytes.Buffer
	check(t, bowline.SetLogHandler(slog.NewJSONHandler(&said, nil)))
	startAndClose(t)
	check(t, bowline.SetLog(nil))
	if text := said.String(); !strings.Contains(text, `"level":"`) || !strings.Contains(text, `"target":"bowline`) {
		t.Errorf("%q", text)
	}
	for level, is := range map[bowline.LogLevel]string{1: "error ERROR", 2: "warn WARN", 3: "info INFO", 4: "debug DEBUG", 5: "trace DEBUG-4"} {
		if got := fmt.Sprint(level, " ", level.Slog()); got != is {
			t.Errorf("%q is not %q", got, is)
		}
	}
}

// Whoever writes the lines hangs: the node goes on, and what has no room is counted.
func TestASlowLogHoldsNobodyUp(t *testing.T) {
	unlogged(t)
	bowline.WithLogRoom(t, 2048)
	hangs := make(chan struct{})
	var once sync.Once
	var lines []bowline.LogLine
	check(t, bowline.SetLog(func(line bowline.LogLine) {
		<-hangs
		lines = append(lines, line)
	}))
	t.Cleanup(func() { once.Do(func() { close(hangs) }) })
	check(t, bowline.LogFilter("trace"))
	for range 8 {
		p := aPair(t)
		check(t, p.bob.Send(within(t), p.toAlice, lane, []byte("hello")))
		hears(t, p.alice, "hello")
		check(t, p.alice.Close())
		check(t, p.bob.Close())
	}
	once.Do(func() { close(hangs) })
	check(t, bowline.SetLog(nil))
	lost := 0
	for _, line := range lines {
		var count int
		if line.Target == "bowline::go" && line.Level == bowline.LogWarn {
			_, _ = fmt.Sscanf(line.Text, "%d lines", &count)
			lost += count
		}
	}
	if lost == 0 || len(lines) < 2 {
		t.Fatalf("%d lines, %d lost: %+v", len(lines), lost, lines)
	}
}

// Nodes talk on many threads while the log comes and goes.
func TestTheLogComesAndGoes(t *testing.T) {
	unlogged(t)
	files := entries(t, "/proc/self/fd")
	quit := make(chan struct{})
	var users sync.WaitGroup
	for range 3 {
		users.Add(1)
		go func() {
			defer users.Done()
			for {
				select {
				case <-quit:
					return
				default:
					node := unstarted(t, aConfig(t))
					_ = node.Start()
					_ = node.Close()
				}
			}
		}()
	}
	count := 0
	for round := range 200 {
		check(t, bowline.SetLog(func(bowline.LogLine) { count++ }))
		check(t, bowline.LogFilter([]string{"trace", "warn"}[round%2]))
		check(t, bowline.SetLog(nil))
	}
	close(quit)
	users.Wait()
	eventually(t, "all descriptors are closed", func() bool { return entries(t, "/proc/self/fd") <= files })
}
