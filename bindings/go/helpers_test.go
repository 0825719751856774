package bowline_test

import (
	"context"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	bowline "github.com/bowline-p2p/bowline/bindings/go"
)

const (
	lane  bowline.Channel = 0x20 // of every node here
	other bowline.Channel = 0x21 // of some
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

var seeds atomic.Uint32

func must[T any](value T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return value
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// aConfig is a configuration with which a node can be made and started, on loopback and without proof of work.
func aConfig(t testing.TB, settings ...string) *bowline.Config {
	t.Helper()
	config := must(bowline.NewConfig())(t)
	t.Cleanup(func() { config.Close() })
	settings = append([]string{
		"network.name=go-tests", "network.pow_bits=0", "network.allow_private=true", "listen.addresses=127.0.0.1:0",
		"discovery.bootstrap=true", "accept.ip_burst=1000", "accept.rate=1000",
	}, settings...)
	for _, setting := range settings {
		key, value, _ := strings.Cut(setting, "=")
		check(t, config.Set(key, value))
	}
	check(t, config.AddChannel(bowline.ChannelDesc{ID: lane, Name: "lane"}))
	return config
}

// aKey is another key each time.
func aKey(t testing.TB) *bowline.KeyPair {
	t.Helper()
	number := seeds.Add(1)
	key := must(bowline.KeyFromSeed([32]byte{byte(number), byte(number >> 8), 0x60}))(t)
	t.Cleanup(func() { key.Close() })
	return key
}

// unstarted is a node of a configuration. It is closed when the test ends.
func unstarted(t testing.TB, config *bowline.Config) *bowline.Node {
	t.Helper()
	node := must(bowline.NewNode(config, aKey(t)))(t)
	t.Cleanup(func() { node.Close() })
	return node
}

func started(t testing.TB, config *bowline.Config) *bowline.Node {
	t.Helper()
	node := unstarted(t, config)
	check(t, node.Start())
	return node
}

func addressOf(t testing.TB, node *bowline.Node) string {
	t.Helper()
	addrs := must(node.ListenAddrs())(t)
	if len(addrs) != 1 {
		t.Fatalf("listens on %v", addrs)
	}
	return addrs[0].String()
}

// pair is two nodes with a link: alice, whom bob has dialed; bob; each one's number for the other.
type pair struct {
	alice, bob *bowline.Node
	toBob      bowline.Peer
	toAlice    bowline.Peer
}

func aPair(t testing.TB, settings ...string) pair {
	t.Helper()
	return joined(t, started(t, aConfig(t, settings...)), started(t, aConfig(t, settings...)))
}

func joined(t testing.TB, alice, bob *bowline.Node) pair {
	t.Helper()
	toAlice := must(bob.Connect(within(t), addressOf(t, alice)))(t)
	return pair{alice, bob, next[*bowline.PeerConnected](t, alice.Events()).Peer, toAlice}
}

// next is the next event of a kind; others are skipped.
func next[E bowline.Event](t testing.TB, events <-chan bowline.Event) E {
	t.Helper()
	late := time.After(patience)
	for {
		select {
		case event, isOpen := <-events:
			if wanted, is := event.(E); is {
				return wanted
			}
			if !isOpen {
				t.Fatalf("the queue was closed before a %T came", *new(E))
			}
		case <-late:
			t.Fatalf("no %T came", *new(E))
		}
	}
}

// eventually waits until something is true.
func eventually(t testing.TB, what string, isTrue func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !isTrue(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// entries counts what is in a folder such as /proc/self/fd.
func entries(t testing.TB, folder string) int {
	t.Helper()
	return len(must(os.ReadDir(folder))(t))
}

// answering answers every request of a queue with what it says, until the queue ends.
func answering(events <-chan bowline.Event) {
	for event := range events {
		if request, is := event.(*bowline.Request); is {
			_ = request.Respond(context.Background(), request.Data)
		}
	}
}
