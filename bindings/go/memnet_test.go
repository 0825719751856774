package bowline_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	bowline "github.com/bowline-p2p/bowline/bindings/go"
)

// seat is the address of a node by its number.
func seat(number int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(number)}), 9732)
}

// member is a node of that number on a memory network. Its key is the same each time.
func member(t *testing.T, net *bowline.MemNet, number int) *bowline.Node {
	t.Helper()
	config := aConfig(t, "listen.addresses="+seat(number).String())
	check(t, config.UseMemNet(net))
	key := must(bowline.KeyFromSeed([32]byte{byte(number), 0x61}))(t)
	defer key.Close()
	node := must(bowline.NewNode(config, key))(t)
	t.Cleanup(func() { node.Close() })
	check(t, node.Start())
	return node
}

func aMemNet(t *testing.T, seed uint64) *bowline.MemNet {
	t.Helper()
	net := must(bowline.NewMemNet(seed))(t)
	t.Cleanup(func() { net.Close() })
	return net
}

// polled is the event of a kind among those that have come, or nil.
func polled[E bowline.Event](node *bowline.Node) (found E) {
	for _, event := range node.Poll() {
		if wanted, is := event.(E); is {
			found = wanted
		}
	}
	return found
}

// linked is two nodes with a link, and how the first names the second.
func linked(t *testing.T, net *bowline.MemNet) (a, b *bowline.Node, toB bowline.Peer) {
	t.Helper()
	a, b = member(t, net, 1), member(t, net, 2)
	check(t, a.Dial(seat(2), nil, 77))
	check(t, net.Advance(time.Second))
	up := polled[*bowline.PeerConnected](a)
	if up == nil || up.Tag != 77 || polled[*bowline.PeerConnected](b) == nil {
		t.Fatalf("%+v", up)
	}
	return a, b, up.Peer
}

func TestVirtualTimeIsExact(t *testing.T) {
	net := aMemNet(t, 1)
	a, b, toB := linked(t, net)
	check(t, net.Link(seat(1).Addr(), seat(2).Addr(), bowline.Way{Latency: 40 * time.Millisecond}))
	sent := net.Now()
	check(t, a.Send(within(t), toB, lane, []byte("hello")))
	check(t, net.Advance(40*time.Millisecond-1))
	if early := b.Poll(); len(early) != 0 {
		t.Fatalf("%+v", early)
	}
	check(t, net.Advance(1))
	message := polled[*bowline.Message](b)
	if message == nil || string(message.Data) != "hello" || message.Time.Sub(sent) != 40*time.Millisecond || net.Now() != message.Time {
		t.Fatalf("%+v", message)
	}
	// The way back takes the millisecond that every way takes at first.
	check(t, b.Send(within(t), message.Peer, lane, []byte("hi")))
	if has := must(net.AdvanceToEvent(time.Minute))(t); !has || net.Now().Sub(message.Time) != time.Millisecond {
		t.Fatal(has, net.Now())
	}
	if answer := polled[*bowline.Message](a); answer == nil || string(answer.Data) != "hi" {
		t.Fatalf("%+v", answer)
	}
	if has := must(net.AdvanceToEvent(time.Second))(t); has {
		t.Fatal(a.Poll(), b.Poll())
	}
	if _, isOpen := <-a.Events(); isOpen {
		t.Error("an event came by the channel")
	}
}

func TestAPartitionHeals(t *testing.T) {
	net := aMemNet(t, 2)
	a, b, _ := linked(t, net)
	none := netip.Addr{}
	for _, cut := range [][2]netip.Addr{{seat(1).Addr(), seat(2).Addr()}, {none, none}} {
		check(t, net.Cut(cut[0], cut[1]))
		check(t, net.Advance(20*time.Second))
		if down := polled[*bowline.PeerDisconnected](a); down != nil {
			t.Fatalf("%+v", down)
		}
		check(t, net.Advance(3*time.Minute))
		if polled[*bowline.PeerDisconnected](a) == nil || polled[*bowline.PeerDisconnected](b) == nil {
			t.Fatal("the link outlives the cut")
		}
		check(t, net.Heal(cut[0], cut[1]))
		check(t, net.Advance(30*time.Minute))
		if polled[*bowline.PeerConnected](a) == nil || polled[*bowline.PeerConnected](b) == nil {
			t.Fatal("the link does not come back")
		}
	}
}

// The story of a small network with loss: all that its nodes tell.
func story(t *testing.T, seed uint64) (string, uint64) {
	net := aMemNet(t, seed)
	var nodes []*bowline.Node
	for number := range 4 {
		node := member(t, net, number+1)
		if number > 0 {
			check(t, node.Dial(seat(1), nil, uint64(number)))
		}
		nodes = append(nodes, node)
	}
	check(t, net.Link(netip.Addr{}, netip.Addr{}, bowline.Way{Latency: 25 * time.Millisecond, Jitter: 15 * time.Millisecond, Loss: 0.01, BytesPerSecond: 500_000}))
	var text strings.Builder
	for net.Now().Sub(0) < 3*time.Minute {
		if !must(net.AdvanceToEvent(10 * time.Second))(t) {
			continue
		}
		for number, node := range nodes {
			for _, event := range node.Poll() {
				fmt.Fprintf(&text, "%d %d: %T %+v\n", net.Now(), number, event, event)
				if up, is := event.(*bowline.PeerConnected); is {
					_ = node.TrySend(up.Peer, lane, []byte("greetings"))
				}
			}
		}
	}
	return text.String(), must(net.Fingerprint())(t)
}

func TestASeedTellsTheSameStoryAgain(t *testing.T) {
	first, print := story(t, 17)
	again, printAgain := story(t, 17)
	if first != again || print != printAgain {
		t.Errorf("%s\n---\n%s", first, again)
	}
	if !strings.Contains(first, "*bowline.Message") {
		t.Error(first)
	}
	if another, printOther := story(t, 18); another == first || print == printOther {
		t.Error("another seed tells the same")
	}
}

func TestRequestsOnAMemoryNetwork(t *testing.T) {
	net := aMemNet(t, 3)
	a, b, toB := linked(t, net)
	must(a.StartRequest(toB, lane, []byte("?"), time.Minute, 5))(t)
	check(t, net.Advance(time.Second))
	request := polled[*bowline.Request](b)
	if request == nil {
		t.Fatal("no request came")
	}
	check(t, request.Respond(within(t), []byte("!")))
	check(t, net.Advance(time.Second))
	if got := polled[*bowline.Response](a); got == nil || got.Tag != 5 || string(got.Data) != "!" || got.Err != nil || got.Peer != toB {
		t.Fatalf("%+v", got)
	}
	// Nobody answers this one: it is late by the network's time.
	must(a.StartRequest(toB, lane, nil, time.Minute, 6))(t)
	check(t, net.Advance(59*time.Second))
	if got := polled[*bowline.Response](a); got != nil {
		t.Fatalf("%+v", got)
	}
	check(t, net.Advance(time.Second))
	if got := polled[*bowline.Response](a); got == nil || got.Tag != 6 || !errors.Is(got.Err, bowline.ErrTimeout) || got.Data != nil {
		t.Fatalf("%+v", got)
	}
	number := must(a.StartRequest(toB, lane, nil, time.Minute, 7))(t)
	check(t, a.CancelRequest(toB, lane, number))
	check(t, net.Advance(time.Second))
	if got := polled[*bowline.Response](a); got == nil || got.Number != number || !errors.Is(got.Err, bowline.ErrCanceled) {
		t.Fatalf("%+v", got)
	}
	if err := a.CancelRequest(toB, lane, number); !errors.Is(err, bowline.ErrNoRequest) {
		t.Error(err)
	}
	for what, err := range map[string]error{
		"request":  second(a.Request(within(t), toB, lane, nil)),
		"report":   second(a.SendReport(within(t), toB, lane, nil)),
		"connect":  second(a.Connect(within(t), seat(2).String())),
		"maintain": second(a.Maintain(within(t))),
	} {
		if !errors.Is(err, bowline.ErrState) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAMemoryNetworkHasNoThreads(t *testing.T) {
	net := aMemNet(t, 4)
	config := aConfig(t, "listen.addresses="+seat(1).String(), "discovery.seeds=seed.example:9732")
	check(t, config.AddChannel(bowline.ChannelDesc{ID: other, Name: "other"}))
	check(t, config.UseMemNet(net))
	node := unstarted(t, config)
	queue := must(node.Queue("other", other))(t)
	check(t, net.Name("Seed.Example", seat(2).Addr()))
	threads, files := entries(t, "/proc/self/task"), entries(t, "/proc/self/fd")
	check(t, node.Start())
	seed := member(t, net, 2)
	if now := entries(t, "/proc/self/fd"); now > files {
		t.Errorf("%d descriptors, %d before", now, files)
	}
	check(t, net.Advance(2*time.Minute))
	if polled[*bowline.PeerConnected](seed) == nil {
		t.Error("the seed's name leads nowhere")
	}
	check(t, queue.Wakeup(9))
	events := queue.Poll()
	if !slices.ContainsFunc(events, func(event bowline.Event) bool { wakeup, is := event.(*bowline.Wakeup); return is && wakeup.Tag == 9 }) {
		t.Errorf("%+v", events)
	}
	// Go's own may come meanwhile.
	if now := entries(t, "/proc/self/task"); now > threads+3 {
		t.Errorf("%d threads, %d before", now, threads)
	}
	check(t, node.Stop(time.Second))
	check(t, net.Close())
	check(t, net.Close())
	check(t, node.Close())
	if node.Poll() != nil || net.Now() != 0 {
		t.Error("what is closed goes on")
	}
	if err := net.Advance(0); !errors.Is(err, bowline.ErrClosed) {
		t.Error(err)
	}
	if err := config.UseMemNet(net); !errors.Is(err, bowline.ErrClosed) {
		t.Error(err)
	}
	if started(t, aConfig(t)).Poll() != nil {
		t.Error("a node on sockets was polled")
	}
}

func TestWhatCannotBeOnAMemoryNetwork(t *testing.T) {
	net := aMemNet(t, 5)
	member(t, net, 1)
	one, nobody := seat(1).Addr(), seat(77).Addr()
	for what, got := range map[string]struct{ err, want error }{
		"nobody":        {net.Link(one, nobody, bowline.Way{}), bowline.ErrNotFound},
		"one of two":    {net.Cut(one, netip.Addr{}), bowline.ErrInvalid},
		"itself":        {net.Cut(one, one), bowline.ErrInvalid},
		"too slow":      {net.Link(netip.Addr{}, netip.Addr{}, bowline.Way{Latency: 2 * time.Hour}), bowline.ErrInvalid},
		"before":        {net.Link(netip.Addr{}, netip.Addr{}, bowline.Way{Jitter: -1}), bowline.ErrInvalid},
		"more than all": {net.Link(netip.Addr{}, netip.Addr{}, bowline.Way{Loss: 1.1}), bowline.ErrInvalid},
		"back":          {net.Advance(-1), bowline.ErrInvalid},
		"back again":    {second(net.AdvanceToEvent(-1)), bowline.ErrInvalid},
		"a name":        {net.Name("a\x00", one), bowline.ErrInvalid},
		"no address":    {net.Name("a", netip.Addr{}), bowline.ErrInvalid},
	} {
		if !errors.Is(got.err, got.want) {
			t.Errorf("%s: %v", what, got.err)
		}
	}
}
